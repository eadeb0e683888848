//! Checks the corrections of a request, and compares each with the value in force.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{
    metadata::made_from,
    request::{
        CorrectionError, CorrectionProblem, CorrectionRequest, MAX_CORRECTIONS, RequestedChange,
        RequestedCorrection, checked_reason,
    },
};
use crate::{
    collect::Context,
    config::{shown, suggestion},
    metric::{Decimal, MetricKey, MetricType},
    store::{
        AskedMetric, RecordedDay, Revision, RevisionEffect, RevisionFilter, SeriesQuestion, StoreError,
        StoredDefinition, ValuesAsked,
    },
};

/// The longest metadata that the store accepts, in bytes.
const MAX_METADATA_BYTES: usize = 1024 * 1024;
/// The most revisions of one day that are read.
const MAX_REVISIONS: i64 = 10_000;

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
    /// The value in force before and after; `None` where it is withdrawn.
    pub before: Option<Decimal>,
    pub after: Option<Decimal>,
}

/// The recorded days that a request is about.
struct KnownDays {
    /// By metric and date: the record, and what is in force. `None` where the value was withdrawn.
    days: HashMap<MetricKey, BTreeMap<Date, KnownDay>>,
}

struct KnownDay {
    recorded: RecordedDay,
    in_force: Option<RecordedDay>,
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
    let definitions = context.tenant.store.definitions().await?;
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    let mut named = Vec::new();
    for (place, correction) in request.corrections.into_iter().enumerate() {
        let metric = metric(&definitions, &correction).and_then(|key| {
            match seen.insert((key.clone(), correction.date)) {
                true => Ok(key),
                false => Err(format!("`{}` of {} is corrected twice", key.category, correction.date)),
            }
        });
        match metric {
            Ok(key) => named.push((place, key, correction)),
            Err(message) => problems.push(CorrectionProblem { place, message }),
        }
    }
    let known = KnownDays::read(context, &named).await?;
    let (mut changes, mut unchanged) = (Vec::new(), 0);
    for (place, key, correction) in named {
        match planned(context, &known, key, correction).await? {
            Ok(Some(change)) => changes.push(change),
            Ok(None) => unchanged += 1,
            Err(message) => problems.push(CorrectionProblem { place, message }),
        }
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.place);
        return Err(CorrectionError::Invalid(problems));
    }
    Ok(CorrectionPlan { reason, changes, unchanged })
}

/// The metric that a correction names.
fn metric(definitions: &[StoredDefinition], correction: &RequestedCorrection) -> Result<MetricKey, String> {
    let name = &correction.category;
    let is_meant = |metric: &&StoredDefinition| {
        metric.definition.category == *name
            && correction.metric_type.is_none_or(|wanted| metric.definition.metric_type == wanted)
    };
    let found: Vec<_> = definitions.iter().filter(is_meant).collect();
    let active = found.iter().find(|metric| metric.is_active);
    match (active, found.as_slice()) {
        (Some(metric), _) | (None, [metric]) => Ok(metric.definition.key()),
        (None, []) => {
            let names = definitions.iter().map(|metric| metric.definition.category.as_str());
            let hint = suggestion(name, names).map_or_else(String::new, |hint| format!("; {hint}"));
            Err(format!("no metric is called {}{hint}", shown(name)))
        }
        (None, _) => Err(format!("several metrics were called {}: name the type too", shown(name))),
    }
}

/// What a correction changes; `None` where it asks for what is in force; the problem where it is not possible.
async fn planned(
    context: &Context,
    known: &KnownDays,
    key: MetricKey,
    correction: RequestedCorrection,
) -> Result<Result<Option<PlannedCorrection>, String>, StoreError> {
    let date = correction.date;
    let Some(day) = known.days.get(&key).and_then(|days| days.get(&date)) else {
        return Ok(Err(format!(
            "`{}` has no record of {date} that could be corrected: collect or backfill the day",
            key.category
        )));
    };
    let before = day.in_force.as_ref();
    let refused = |problem: String| Ok(Err(format!("`{}` of {date}: {problem}", key.category)));
    let (effect, after, is_in_force) = match correction.change {
        RequestedChange::Withdraw => (RevisionEffect::Withdrawal, None, before.is_none()),
        RequestedChange::Value { value, metadata } => {
            let same_metadata = |known: &RecordedDay| {
                metadata.as_ref().is_none_or(|given| known.metadata.as_deref() == Some(given))
            };
            let is_in_force = before.is_some_and(|known| known.value == value && same_metadata(known));
            match corrected(&key, day, value.clone(), metadata) {
                Ok(metadata) => {
                    (RevisionEffect::Value { value: value.clone(), metadata }, Some(value), is_in_force)
                }
                Err(problem) => return refused(problem),
            }
        }
        RequestedChange::TakeBack { revision } => {
            match after_taking_back(&revisions_of(context, &key, date).await?, revision) {
                Ok(after) => {
                    let after = after.unwrap_or_else(|| Some(day.recorded.value.clone()));
                    (RevisionEffect::Reversal { takes_back: revision }, after, false)
                }
                Err(problem) => return refused(problem),
            }
        }
    };
    let planned = PlannedCorrection {
        key,
        date,
        effect,
        recorded: day.recorded.value.clone(),
        before: before.map(|before| before.value.clone()),
        after,
    };
    Ok(Ok((!is_in_force).then_some(planned)))
}

/// The metadata of a corrected value, if a store accepts both.
fn corrected(
    key: &MetricKey,
    day: &KnownDay,
    value: Decimal,
    metadata: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, String> {
    if !value.is_recordable() {
        return Err("a value has at most 38 digits before the point and 30 after it".to_owned());
    }
    if value < Decimal::zero() && matches!(key.metric_type, MetricType::Count | MetricType::Percentage) {
        return Err(format!("a {} is never negative, but {value} is", key.metric_type));
    }
    let in_force = day.in_force.as_ref().unwrap_or(&day.recorded);
    let none = Map::new();
    let metadata = match metadata {
        Some(given) => given,
        None => made_from(key.metric_type, in_force.metadata.as_deref().unwrap_or(&none), &value)?,
    };
    let bytes = serde_json::to_string(&metadata).map_or(usize::MAX, |text| text.len());
    match bytes <= MAX_METADATA_BYTES {
        true => Ok(metadata),
        false => Err(format!("its metadata have {bytes} bytes; the limit is {MAX_METADATA_BYTES}")),
    }
}

/// The revisions of a day, the newest first.
async fn revisions_of(context: &Context, key: &MetricKey, date: Date) -> Result<Vec<Revision>, StoreError> {
    let filter = RevisionFilter {
        from: Some(date),
        to: Some(date),
        categories: vec![key.category.clone()],
        limit: MAX_REVISIONS,
        ..RevisionFilter::default()
    };
    let mut revisions = context.tenant.store.revisions(&filter).await?;
    revisions.retain(|revision| revision.key == *key);
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.revision));
    Ok(revisions)
}

/// The value in force after the revision `number` is taken back: `None` of the record, `Some(None)` of a withdrawal.
fn after_taking_back(revisions: &[Revision], number: i32) -> Result<Option<Option<Decimal>>, String> {
    let taken_back = |revision: &Revision| {
        revisions
            .iter()
            .any(|other| other.effect == RevisionEffect::Reversal { takes_back: revision.revision })
    };
    let Some(found) = revisions.iter().find(|revision| revision.revision == number) else {
        return Err(format!("it has no revision {number}; `daymark corrections` lists them"));
    };
    if let RevisionEffect::Reversal { takes_back } = found.effect {
        return Err(format!(
            "revision {number} takes back revision {takes_back}, and cannot be taken back itself: correct the day again"
        ));
    }
    if taken_back(found) {
        return Err(format!("revision {number} was taken back already"));
    }
    let next = revisions.iter().find(|revision| {
        revision.revision != number
            && !matches!(revision.effect, RevisionEffect::Reversal { .. })
            && !taken_back(revision)
    });
    Ok(next.map(|revision| match &revision.effect {
        RevisionEffect::Value { value, .. } => Some(value.clone()),
        RevisionEffect::Withdrawal | RevisionEffect::Reversal { .. } => None,
    }))
}

impl KnownDays {
    /// Reads the days of each metric, from the first to the last that is named.
    async fn read(
        context: &Context,
        named: &[(usize, MetricKey, RequestedCorrection)],
    ) -> Result<Self, StoreError> {
        let mut ranges: BTreeMap<&MetricKey, (Date, Date)> = BTreeMap::new();
        for (_, key, RequestedCorrection { date, .. }) in named {
            let range = ranges.entry(key).or_insert((*date, *date));
            *range = (range.0.min(*date), range.1.max(*date));
        }
        let mut days = HashMap::new();
        for (key, (from, to)) in ranges {
            let recorded = read(context, key, from, to, true).await?;
            let mut in_force: BTreeMap<_, _> = read(context, key, from, to, false).await?;
            let known = recorded
                .into_iter()
                .map(|(date, recorded)| (date, KnownDay { recorded, in_force: in_force.remove(&date) }));
            days.insert(key.clone(), known.collect());
        }
        Ok(Self { days })
    }
}

async fn read(
    context: &Context,
    key: &MetricKey,
    from: Date,
    to: Date,
    as_recorded: bool,
) -> Result<BTreeMap<Date, RecordedDay>, StoreError> {
    let question = SeriesQuestion {
        from,
        to,
        metrics: vec![AskedMetric { key: key.clone(), metadata: true, judgement: false }],
        values: ValuesAsked { as_recorded, as_of: None },
    };
    let series = context.tenant.store.series_days(&question).await?;
    let days = series.into_iter().flat_map(|series| series.recorded);
    Ok(days.map(|day| (day.date, day)).collect())
}
