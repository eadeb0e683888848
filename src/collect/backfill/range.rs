//! Which days a backfill is about.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::BackfillRequest;
use crate::{
    collect::{CollectError, Context},
    database::{Fault, FaultClass},
    metric::{Source, TimeFormat},
    store::StoredDefinition,
};

/// Ten years. A range longer than that is more likely a row with a wrong date than a history, and is made only when
/// asked for.
const MAX_DEFAULT_DAYS: usize = 3660;

/// The first and the last day, both finished.
pub(super) async fn resolve(
    context: &Context,
    request: &BackfillRequest,
    metrics: &[StoredDefinition],
) -> Result<(Date, Date), CollectError> {
    let to = request.to.unwrap_or_else(|| context.last_finished());
    context.require_recordable(to)?;
    let from = match request.from {
        Some(from) => from,
        None => first_day(context, metrics, to).await?,
    };
    context.require_recordable(from)?;
    if from > to {
        return Err(CollectError::EmptyRange { from, to });
    }
    Ok((from, to))
}

async fn first_day(context: &Context, metrics: &[StoredDefinition], to: Date) -> Result<Date, CollectError> {
    let sources = sources(metrics);
    let earliest = context.on_platform(|| earliest(context, &sources)).await?;
    let (date, source_name) = earliest.ok_or(CollectError::NoRows)?;
    let days = usize::try_from(date.until(to).map_or(0, |span| span.get_days())).map_or(0, |days| days + 1);
    if days > MAX_DEFAULT_DAYS {
        return Err(CollectError::TooLong { source_name, date, days, limit: MAX_DEFAULT_DAYS });
    }
    Ok(date)
}

/// Each source once, with the name that a definition gives it.
fn sources(metrics: &[StoredDefinition]) -> Vec<(&str, &Source)> {
    let mut sources: Vec<(&str, &Source)> = Vec::new();
    for (name, source) in metrics.iter().flat_map(|metric| &metric.definition.sources) {
        if !sources.iter().any(|(_, known)| *known == source) {
            sources.push((name, source));
        }
    }
    sources
}

/// The day of the earliest row of any source, and that source's name. A source that cannot be read is passed over as
/// long as another one has an answer: the metrics that need it will be reported as failed. Not so one whose server is away
/// and may come back.
async fn earliest(context: &Context, sources: &[(&str, &Source)]) -> Result<Option<(Date, String)>, Fault> {
    let mut cut = context.tenant.platform.open_cut(context.deadline()).await?;
    let (mut found, mut failed) = (Vec::new(), None);
    for (name, source) in sources {
        match cut.earliest(source).await {
            Ok(Some(instant)) => found.push((day_of(context, source, instant), (*name).to_owned())),
            Ok(None) => {}
            // A server that comes back meanwhile would be read from the other sources' first day on.
            Err(fault) if fault.class.is_transient() || fault.class == FaultClass::Elsewhere => {
                return Err(fault);
            }
            Err(fault) => {
                tracing::warn!(source = name, %fault, "cannot tell the earliest row");
                failed = Some(fault);
            }
        }
    }
    match (found.into_iter().min(), failed) {
        (Some(first), _) => Ok(Some(first)),
        (None, Some(fault)) => Err(fault),
        (None, None) => Ok(None),
    }
}

fn day_of(context: &Context, source: &Source, earliest: Timestamp) -> Date {
    match source.time_format {
        // A date is the reporting day itself; it comes as midnight UTC.
        TimeFormat::Date => earliest.to_zoned(TimeZone::UTC).date(),
        _ => context.tenant.calendar.date_of(earliest),
    }
}
