//! Checks the corrections of a request, and compares each with the value in force.

use std::collections::{BTreeMap, HashSet};

use jiff::{ToSpan, civil::Date};
use serde_json::{Map, Value};

use super::{
    known_day::{KnownDay, known_days},
    metadata::checked,
    request::{
        CorrectionError, CorrectionProblem, CorrectionRequest, MAX_CORRECTIONS, RequestedChange,
        RequestedCorrection, checked_reason,
    },
    rules::{Rules, without_made},
    subject::Subjects,
    take_back::{after_taking_back, revisions_of},
};
use crate::{
    collect::Context,
    metric::{Decimal, MetricKey, has_value},
    store::{RecordedDay, RevisionEffect, StoreError},
};

/// The longest metadata that the store accepts, in bytes.
const MAX_METADATA_BYTES: usize = 1024 * 1024;
/// The most days whose records and values in force are read at once. Each of both may have a mebibyte of metadata.
const DAYS_AT_ONCE: i32 = 31;

/// The corrections that change something, ready to be written.
#[derive(Debug, Clone)]
pub struct CorrectionPlan {
    pub reason: String,
    /// Those that change what is in force, in the order of the request.
    pub changes: Vec<PlannedCorrection>,
    /// How many ask for what is in force already.
    pub unchanged: usize,
}

/// A correction, beside what is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCorrection {
    pub key: MetricKey,
    pub date: Date,
    pub effect: RevisionEffect,
    /// The value of the record.
    pub recorded: Decimal,
    /// The value in force before and after; `None` where it is withdrawn, or of no rows.
    pub before: Option<Decimal>,
    pub after: Option<Decimal>,
    /// The version of the definition of a restated value that it replaces.
    pub definition_version: Option<i32>,
    /// The number of the last revision before it, 0 where there is none. It is refused if another one came since.
    pub last_revision: i32,
}

/// A correction of a request, with the metric that it names.
struct NamedCorrection {
    /// Its place in the request.
    place: usize,
    key: MetricKey,
    correction: RequestedCorrection,
}

/// Why a correction cannot be made.
enum CorrectionRefusal {
    Wrong(String),
    /// Another correction of its day was made after the requester looked at it.
    Outdated(String),
    Store(StoreError),
}

impl From<StoreError> for CorrectionRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Compares the corrections with the values in force. Nothing is written.
///
/// # Errors
/// When the request is not valid, with every problem; when the store fails.
pub async fn plan(context: &Context, request: CorrectionRequest) -> Result<CorrectionPlan, CorrectionError> {
    let reason = checked_reason(&request.reason)?;
    if !(1..=MAX_CORRECTIONS).contains(&request.corrections.len()) {
        return Err(CorrectionError::Count(request.corrections.len()));
    }
    let subjects = Subjects::load(context).await?;
    let (named, mut problems) = named(&subjects, request.corrections);
    let (mut changes, mut unchanged, mut outdated) = (Vec::new(), 0, Vec::new());
    for window in windows(&named) {
        let (Some(first), Some(last)) = (window.first(), window.last()) else { continue };
        let known = known_days(context, &first.key, first.correction.date, last.correction.date).await?;
        for named in window {
            match planned(context, &subjects, &known, named).await {
                Ok(Some(change)) => changes.push((named.place, change)),
                Ok(None) => unchanged += 1,
                Err(CorrectionRefusal::Wrong(message)) => {
                    problems.push(CorrectionProblem { place: named.place, message })
                }
                Err(CorrectionRefusal::Outdated(message)) => outdated.push(message),
                Err(CorrectionRefusal::Store(error)) => return Err(error.into()),
            }
        }
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.place);
        return Err(CorrectionError::Invalid(problems));
    }
    if !outdated.is_empty() {
        return Err(CorrectionError::Outdated(outdated));
    }
    changes.sort_by_key(|(place, _)| *place);
    let changes = changes.into_iter().map(|(_, change)| change).collect();
    Ok(CorrectionPlan { reason, changes, unchanged })
}

/// The corrections in the order of their metrics and days, and what is wrong with those that name no metric or a day twice.
fn named(
    subjects: &Subjects,
    corrections: Vec<RequestedCorrection>,
) -> (Vec<NamedCorrection>, Vec<CorrectionProblem>) {
    let (mut named, mut problems) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (place, correction) in corrections.into_iter().enumerate() {
        let metric = subjects.named_by(&correction).and_then(|key| {
            match seen.insert((key.clone(), correction.date)) {
                true => Ok(key),
                false => Err(format!("`{}` of {} is corrected twice", key.category, correction.date)),
            }
        });
        match metric {
            Ok(key) => named.push(NamedCorrection { place, key, correction }),
            Err(message) => problems.push(CorrectionProblem { place, message }),
        }
    }
    named.sort_by(|one, other| (&one.key, one.correction.date).cmp(&(&other.key, other.correction.date)));
    (named, problems)
}

/// The corrections, which are ordered by metric and day, in groups of which each is of one metric and of days that are read at once.
fn windows(named: &[NamedCorrection]) -> impl Iterator<Item = &[NamedCorrection]> {
    let mut rest = named;
    std::iter::from_fn(move || {
        let NamedCorrection { key, correction, .. } = rest.first()?;
        let last = correction.date.saturating_add((DAYS_AT_ONCE - 1).days());
        let is_in = |other: &NamedCorrection| other.key == *key && other.correction.date <= last;
        let window;
        (window, rest) = rest.split_at(rest.partition_point(is_in));
        Some(window)
    })
}

/// Compares a correction with what is in force: `None` if it asks for that.
async fn planned(
    context: &Context,
    subjects: &Subjects,
    known: &BTreeMap<Date, KnownDay>,
    NamedCorrection { key, correction, .. }: &NamedCorrection,
) -> Result<Option<PlannedCorrection>, CorrectionRefusal> {
    let RequestedCorrection { date, change, after_revision, .. } = correction;
    let day =
        known.get(date).ok_or_else(|| CorrectionRefusal::Wrong(without_record(subjects, key, *date)))?;
    if after_revision.is_some_and(|seen| seen != day.last_revision) {
        return Err(CorrectionRefusal::Outdated(format!(
            "`{}` of {date} was corrected after you looked at it: its last revision is {}",
            key.category, day.last_revision
        )));
    }
    let effect = match change {
        RequestedChange::Withdraw => Ok(day.in_force.is_some().then_some((RevisionEffect::Withdrawal, None))),
        RequestedChange::Value { value, metadata } => {
            let rules = subjects.rules(key, day.basis().definition_version);
            changed_value(&rules, key, day, value, metadata.as_ref())
        }
        RequestedChange::TakeBack { revision } => {
            let revisions = revisions_of(context, key, *date).await?;
            after_taking_back(&revisions, *revision).map(|left| {
                let left = left
                    .map_or_else(|| day_as_read(key, &day.recorded), |effect| effect_as_read(key, effect));
                Some((RevisionEffect::Reversal { takes_back: *revision }, left))
            })
        }
    };
    let effect = effect
        .map_err(|problem| CorrectionRefusal::Wrong(format!("`{}` of {date}: {problem}", key.category)))?;
    Ok(effect.map(|(effect, after)| PlannedCorrection {
        key: key.clone(),
        date: *date,
        definition_version: restated_under(day, &effect),
        effect,
        recorded: day.recorded.value.clone(),
        before: day.in_force.as_ref().and_then(|before| day_as_read(key, before)),
        after,
        last_revision: day.last_revision,
    }))
}

fn without_record(subjects: &Subjects, key: &MetricKey, date: Date) -> String {
    let others = subjects.other_types(key).map_or_else(String::new, |types| {
        format!("; a metric of this name and the type {types} was recorded too, so name the type if you mean that metric")
    });
    format!(
        "`{}` has no record of {date} that could be corrected: collect or backfill the day{others}",
        key.category
    )
}

/// The revision to another value, and the value as readers show it afterwards; `None` where this value is in force already. If the value
/// differs and the given metadata are those in force, as in an export whose values were changed, the metadata are computed as if none
/// were given.
fn changed_value(
    rules: &Rules,
    key: &MetricKey,
    day: &KnownDay,
    value: &Decimal,
    given: Option<&Map<String, Value>>,
) -> Result<Option<(RevisionEffect, Option<Decimal>)>, String> {
    let basis = day.basis();
    let known = without_made(basis.metadata.as_deref().cloned().unwrap_or_default());
    let given = given.cloned().map(without_made).filter(|given| !given.is_empty());
    let is_known = given.as_ref().is_none_or(|given| *given == known);
    let is_in_force = basis.value == *value && is_known && day.in_force.is_some();
    if is_in_force && given.is_some() {
        return Ok(None);
    }
    let metadata = corrected(rules, basis, value, given.filter(|_| basis.value == *value || !is_known))?;
    if is_in_force {
        return Ok(None);
    }
    let after = as_read(key, value, Some(&metadata));
    Ok(Some((RevisionEffect::Value { value: value.clone(), metadata }, after)))
}

/// The version of the definition of a restated value that is replaced by another value.
fn restated_under(day: &KnownDay, effect: &RevisionEffect) -> Option<i32> {
    let in_force = day.in_force.as_ref().filter(|_| matches!(effect, RevisionEffect::Value { .. }))?;
    Some(in_force.definition_version).filter(|version| *version != day.recorded.definition_version)
}

/// A value as readers show it: none where it is of no rows.
fn as_read(key: &MetricKey, value: &Decimal, metadata: Option<&Map<String, Value>>) -> Option<Decimal> {
    metadata.is_none_or(|metadata| has_value(key.metric_type, metadata)).then(|| value.clone())
}

fn day_as_read(key: &MetricKey, day: &RecordedDay) -> Option<Decimal> {
    as_read(key, &day.value, day.metadata.as_deref())
}

fn effect_as_read(key: &MetricKey, effect: &RevisionEffect) -> Option<Decimal> {
    match effect {
        RevisionEffect::Value { value, metadata } => as_read(key, value, Some(metadata)),
        RevisionEffect::Withdrawal | RevisionEffect::Reversal { .. } => None,
    }
}

/// The metadata of a corrected value, if a store accepts both.
fn corrected(
    rules: &Rules,
    basis: &RecordedDay,
    value: &Decimal,
    given: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, String> {
    let none = Map::new();
    let metadata = checked(rules, basis.metadata.as_deref().unwrap_or(&none), value, given)?;
    let bytes = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
    match bytes <= MAX_METADATA_BYTES {
        true => Ok(metadata),
        false => Err(format!("its metadata have {bytes} bytes; the limit is {MAX_METADATA_BYTES}")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::metric::MetricType;

    fn named(category: &str, day: Date) -> NamedCorrection {
        let key = MetricKey { metric_type: MetricType::Aggregate, category: category.to_owned() };
        let correction = RequestedCorrection {
            category: category.to_owned(),
            metric_type: None,
            date: day,
            change: RequestedChange::Withdraw,
            after_revision: None,
        };
        NamedCorrection { place: 0, key, correction }
    }

    #[test]
    fn days_are_read_at_once_only_where_they_are_close() {
        let days = [
            ("genres", date(2015, 1, 1)),
            ("genres", date(2015, 1, 31)),
            ("genres", date(2015, 2, 1)),
            ("genres", date(2025, 1, 1)),
            ("posts", date(2025, 1, 1)),
            ("posts", date(2025, 1, 2)),
        ];
        let named: Vec<_> = days.iter().map(|(category, day)| named(category, *day)).collect();
        let read: Vec<_> = windows(&named).map(<[_]>::len).collect();
        assert_eq!(read, [2, 1, 1, 2]);
        for window in windows(&named) {
            let span = window.last().unwrap().correction.date - window[0].correction.date;
            assert!(span.get_days() < DAYS_AT_ONCE, "{span}");
        }
    }
}
