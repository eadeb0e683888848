//! The metric of a restatement, its recorded days, and the definitions that made their records.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::request::{RestateError, RestateRequest};
use crate::{
    collect::{CollectError, Context, same_meaning, selection},
    corrections::subject::Subjects,
    metric::Definition,
    store::{AskedMetric, RecordedDay, SeriesQuestion, StoreError, StoredDefinition, ValuesAsked},
};

pub(super) struct Subject {
    pub metric: StoredDefinition,
    /// The recorded days, ascending. There is at least one.
    pub days: Vec<Date>,
    /// The versions that made records or values in force, and mean something else than the newest definition.
    pub earlier: BTreeMap<i32, Definition>,
}

impl Subject {
    pub async fn find(context: &Context, request: &RestateRequest) -> Result<Self, RestateError> {
        let metrics = selection::select(context, std::slice::from_ref(&request.category)).await?;
        selection::require_time_zone(context, &metrics)?;
        let Some(metric) = metrics.into_iter().next() else { return Err(CollectError::NoDefinitions.into()) };
        if !metric.definition.measure.reconstructible() {
            return Err(RestateError::NotReconstructible(request.category.clone()));
        }
        let (from, to) = range(context, request).await?;
        let recorded = values(context, &metric, from, to, ValuesRead::Recorded).await?;
        if recorded.is_empty() {
            let of_type = other_types(context, &metric).await?.map_or_else(String::new, |types| {
                format!(
                    " with the type {}; what was recorded with the type {types} is another metric: correct its days with \
                     `daymark correct --type`",
                    metric.definition.metric_type
                )
            });
            return Err(RestateError::NoRecord(
                request.category.clone(),
                format!("from {from} to {to}{of_type}"),
            ));
        }
        let in_force = values(context, &metric, from, to, ValuesRead::InForce).await?;
        let used = recorded.iter().chain(&in_force).map(|day| day.definition_version).collect();
        let earlier = earlier_versions(context, &metric, &used).await?;
        Ok(Self { metric, days: recorded.into_iter().map(|day| day.date).collect(), earlier })
    }

    pub fn first(&self) -> Date {
        self.days.first().copied().unwrap_or(Date::MIN)
    }

    pub fn last(&self) -> Date {
        self.days.last().copied().unwrap_or(Date::MIN)
    }
}

/// The other types of the metrics that had the same name.
async fn other_types(context: &Context, metric: &StoredDefinition) -> Result<Option<String>, StoreError> {
    let subjects = Subjects::load(context).await?;
    Ok(subjects.other_types(&metric.definition.key()))
}

/// The requested days that the store may have.
async fn range(context: &Context, request: &RestateRequest) -> Result<(Date, Date), RestateError> {
    if let (Some(from), Some(to)) = (request.from, request.to)
        && from > to
    {
        return Err(CollectError::EmptyRange { from, to }.into());
    }
    let none = |days: String| Err(RestateError::NoRecord(request.category.clone(), days));
    let Some((first, last)) = context.tenant.store.recorded_span().await? else {
        return none("yet".to_owned());
    };
    match (request.from, request.to) {
        (Some(from), _) if from > last => none(format!("from {from} on (the last recorded day is {last})")),
        (_, Some(to)) if to < first => none(format!("up to {to} (the first recorded day is {first})")),
        (from, to) => Ok((from.unwrap_or(first).max(first), to.unwrap_or(last).min(last))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValuesRead {
    Recorded,
    RecordedWithMetadata,
    InForce,
}

/// The values of the recorded days from `from` to `to`, by date.
pub(super) async fn values(
    context: &Context,
    metric: &StoredDefinition,
    from: Date,
    to: Date,
    read: ValuesRead,
) -> Result<Vec<RecordedDay>, StoreError> {
    let metadata = read == ValuesRead::RecordedWithMetadata;
    let asked = AskedMetric { key: metric.definition.key(), metadata, judgement: false };
    let values = ValuesAsked { as_recorded: read != ValuesRead::InForce, as_of: None };
    let question = SeriesQuestion { from, to, metrics: vec![asked], values };
    let series = context.tenant.store.series_days(&question).await?;
    Ok(series.into_iter().flat_map(|series| series.recorded).collect())
}

async fn earlier_versions(
    context: &Context,
    metric: &StoredDefinition,
    used: &BTreeSet<i32>,
) -> Result<BTreeMap<i32, Definition>, StoreError> {
    let versions = context.tenant.store.definition_versions().await?;
    let is_other = |known: &Definition| !same_meaning(known, &metric.definition);
    let of_metric = versions.into_iter().filter(|known| known.key == metric.definition.key());
    let wanted = of_metric.filter(|known| used.contains(&known.version) && is_other(&known.definition));
    Ok(wanted.map(|known| (known.version, known.definition)).collect())
}
