//! Determines the days of a backfill.

use jiff::civil::Date;

use super::request::BackfillRequest;
use crate::{
    collect::{
        CollectError, Context, FirstRow,
        first_row::{MAX_DEFAULT_DAYS, first_row, known_first_row},
        selection,
    },
    store::StoredDefinition,
};

/// The first and the last day of a backfill, both finished.
pub(super) struct BackfillRange {
    pub from: Date,
    pub to: Date,
    /// The platform's first row, if the requested first day was before its day.
    pub clipped_to: Option<FirstRow>,
}

pub(super) async fn resolve(
    context: &Context,
    request: &BackfillRequest,
    metrics: &[StoredDefinition],
) -> Result<BackfillRange, CollectError> {
    let to = request.to.unwrap_or_else(|| context.last_finished());
    context.require_recordable(to)?;
    let Some(from) = request.from else {
        return Ok(BackfillRange {
            from: default_first_day(context, metrics, to).await?,
            to,
            clipped_to: None,
        });
    };
    context.require_recordable(from)?;
    if from > to {
        return Err(CollectError::EmptyRange { from, to });
    }
    if request.before_first_row {
        return Ok(BackfillRange { from, to, clipped_to: None });
    }
    // The first row of all active metrics is used, so that the day does not depend on the requested metrics and is the
    // same as that of `gaps`.
    let active = selection::active(context.tenant.store.as_ref()).await?;
    match known_first_row(context, &active).await.certain_from(context, from)? {
        Some(first) if first.date > to => Err(first.after(to)),
        Some(first) if first.date > from => {
            Ok(BackfillRange { from: first.date, to, clipped_to: Some(first) })
        }
        _ => Ok(BackfillRange { from, to, clipped_to: None }),
    }
}

async fn default_first_day(
    context: &Context,
    metrics: &[StoredDefinition],
    to: Date,
) -> Result<Date, CollectError> {
    if metrics.iter().all(|metric| metric.definition.sources.is_empty()) {
        return Err(CollectError::NoSources);
    }
    let first = first_row(context, metrics).await?.ok_or(CollectError::NoRows)?;
    if first.date > to {
        return Err(first.after(to));
    }
    let days = first.days_until(to);
    if days > MAX_DEFAULT_DAYS {
        let FirstRow { date, source_name } = first;
        return Err(CollectError::TooLong { source_name, first: date, days, limit: MAX_DEFAULT_DAYS });
    }
    context.require_recordable(first.date)?;
    Ok(first.date)
}
