//! Finds the day of the platform's earliest row in any source. There is nothing to reconstruct before it, so backfills
//! and gaps begin there, and a day before it is not collected after the fact.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{CollectError, Context, selection};
use crate::{
    database::{Deadline, Fault, FaultClass},
    metric::{Source, TimeFormat},
    store::StoredDefinition,
};

/// Ten years, in days. An earliest row that is older is more likely a row with a wrong time than the start of the
/// history.
pub(super) const MAX_DEFAULT_DAYS: usize = 3660;

/// The earliest row of the platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirstRow {
    /// The day that contains the row's time, in the reporting time zone.
    pub date: Date,
    /// The name that definitions give its source.
    pub source_name: String,
}

impl FirstRow {
    /// The error of a run whose last day, `to`, is before this row.
    pub(super) fn after(self, to: Date) -> CollectError {
        CollectError::BeforeFirstRow { to, source_name: self.source_name, first: self.date }
    }

    /// The number of days from its day to `to`, both included; 0 when its day is later.
    pub(super) fn days_until(&self, to: Date) -> usize {
        let days = self.date.until(to).map_or(-1, |span| span.get_days());
        usize::try_from(days + 1).unwrap_or(0)
    }
}

/// The first day of which records can be missing: that of the platform's first row or the first recorded one, whichever is
/// earlier. A first row of ten years before `to` or more is left out, as it is rather a wrong time.
pub(super) fn first_due_day(
    first_row: Option<&FirstRow>,
    first_recorded: Option<Date>,
    to: Date,
) -> Option<Date> {
    let plausible = first_row.filter(|first| first.days_until(to) <= MAX_DEFAULT_DAYS);
    plausible.map(|first| first.date).into_iter().chain(first_recorded).min()
}

/// Finds the earliest row of the sources of `metrics`; `None` when they have no row.
///
/// # Errors
/// When the platform cannot be queried.
pub(super) async fn first_row(
    context: &Context,
    metrics: &[StoredDefinition],
) -> Result<Option<FirstRow>, CollectError> {
    let sources = sources(metrics);
    let deadline = context.deadline();
    context.on_platform(|| earliest(context, &sources, deadline)).await
}

/// What is known of the platform's first row when some of its sources, or all of them, cannot be read.
#[derive(Debug, Default)]
pub struct KnownFirstRow {
    /// The earliest row of the sources that could be read. From its day on there is something to record.
    pub earliest: Option<FirstRow>,
    /// Why a source could not be read, whose rows may be earlier, and its name; without a name, why none could be read.
    unread: Option<(Option<String>, Fault)>,
}

impl KnownFirstRow {
    /// The first row, if no source may have an earlier one. There is nothing to record before its day.
    pub fn certain(self) -> Option<FirstRow> {
        self.earliest.filter(|_| self.unread.is_none())
    }

    /// As [`Self::certain`] for a run from `from` on.
    ///
    /// # Errors
    /// When `from` is before the earliest row of the sources that could be read, and another one could not.
    pub(super) fn certain_from(
        self,
        context: &Context,
        from: Date,
    ) -> Result<Option<FirstRow>, CollectError> {
        match self {
            Self { earliest: Some(earliest), unread: Some((Some(name), fault)) } if earliest.date > from => {
                let message = format!(
                    "the rows of the other sources begin on {}, and whether those of `{name}` begin earlier cannot be read: {}",
                    earliest.date, fault.message
                );
                let location = context.tenant.platform.location();
                Err(CollectError::Platform { location, fault: Fault { message, ..fault } })
            }
            known => Ok(known.certain()),
        }
    }
}

/// Like [`first_row`], but does not fail where a source cannot be read, or the platform as a whole. There are no retries, because the
/// callers can continue without the result.
pub(super) async fn known_first_row(context: &Context, metrics: &[StoredDefinition]) -> KnownFirstRow {
    let mut cut = match context.tenant.platform.open_cut(context.deadline()).await {
        Ok(cut) => cut,
        Err(fault) => return KnownFirstRow { earliest: None, unread: Some((None, fault)) },
    };
    let mut known = KnownFirstRow::default();
    for (name, source) in sources(metrics) {
        match cut.earliest(source).await {
            Ok(Some(instant)) => {
                let found = FirstRow { date: day_of(context, source, instant), source_name: name.to_owned() };
                known.earliest = known.earliest.into_iter().chain([found]).min();
            }
            Ok(None) => {}
            Err(fault) => known.unread = Some((Some(name.to_owned()), fault)),
        }
    }
    known
}

/// The day of the platform's first row, read at most every ten minutes. `None` where it is not certain, and as long as it was not
/// read within two seconds.
pub async fn remembered_first_day(context: &Context, metrics: &[StoredDefinition]) -> Option<Date> {
    let (of_read, metrics) = (context.clone(), metrics.to_vec());
    let read = async move {
        let known = known_first_row(&of_read, &metrics).await;
        known.unread.is_none().then(|| known.earliest.map(|first| first.date))
    };
    context.tenant.first_row.or_read(read).await
}

/// Fails when `date` is before the platform's first row, so that there is nothing to reconstruct. The first row of all active
/// metrics is used, so that the day does not depend on the requested metrics and is the same as that of `gaps`.
///
/// # Errors
/// [`CollectError::BeforeFirstRow`], or when the store fails.
pub(super) async fn require_begun(context: &Context, date: Date) -> Result<(), CollectError> {
    let active = selection::active(context.tenant.store.as_ref()).await?;
    match known_first_row(context, &active).await.certain() {
        Some(first) if first.date > date => Err(first.after(date)),
        _ => Ok(()),
    }
}

/// The platform's first row, as far as the sources of all active metrics tell it now. One of ten years before `last` or more is left
/// out, which is rather a wrong time than the start of a history.
pub async fn platform_first_row(context: &Context, last: Date) -> KnownFirstRow {
    let Ok(active) = selection::active(context.tenant.store.as_ref()).await else {
        return KnownFirstRow::default();
    };
    let known = known_first_row(context, &active).await;
    let earliest = known.earliest.filter(|first| first.days_until(last) <= MAX_DEFAULT_DAYS);
    KnownFirstRow { earliest, ..known }
}

/// Returns each distinct source once, with the name that a definition gives it.
pub(crate) fn sources(metrics: &[StoredDefinition]) -> Vec<(&str, &Source)> {
    let mut sources: Vec<(&str, &Source)> = Vec::new();
    for (name, source) in metrics.iter().flat_map(|metric| &metric.definition.sources) {
        if !sources.iter().any(|(_, known)| *known == source) {
            sources.push((name, source));
        }
    }
    sources
}

/// Finds the earliest row. A source that cannot be read is skipped if another one can be: the metrics that need it will
/// be reported as failed. A source whose server is unreachable is not skipped, as the server may return before its rows
/// are read.
async fn earliest(
    context: &Context,
    sources: &[(&str, &Source)],
    deadline: Deadline,
) -> Result<Option<FirstRow>, Fault> {
    let mut cut = context.tenant.platform.open_cut(deadline).await?;
    let (mut found, mut failed) = (Vec::new(), None);
    for (name, source) in sources {
        match cut.earliest(source).await {
            Ok(Some(instant)) => {
                let date = day_of(context, source, instant);
                found.push(FirstRow { date, source_name: (*name).to_owned() });
            }
            Ok(None) => {}
            Err(fault) if fault.is_transient() || fault.class == FaultClass::Elsewhere => return Err(fault),
            Err(fault) => {
                tracing::warn!(source = name, %fault, "the earliest row of a source cannot be determined");
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
        // A date is the reporting day itself; the platform returns it as midnight UTC.
        TimeFormat::Date => earliest.to_zoned(TimeZone::UTC).date(),
        _ => context.tenant.calendar.date_of(earliest),
    }
}
