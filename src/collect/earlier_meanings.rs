//! Finds days that were recorded under an earlier definition of a metric with another meaning. Records are never
//! rewritten, so after a definition is corrected its history has two meanings, which callers show.

use std::{collections::BTreeSet, fmt};

use jiff::civil::Date;

use crate::{
    metric::Definition,
    pluralize::pluralize,
    store::{SeriesQuestion, Store, StoreError},
};

/// The days of a metric that were recorded under another definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierMeaning {
    pub category: String,
    pub first: Date,
    pub last: Date,
    pub days: usize,
    /// Whether the days can be read again under the newest definition.
    pub can_be_restated: bool,
}

impl fmt::Display for EarlierMeaning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { category, first, last, days, can_be_restated } = self;
        let days = pluralize(*days, "day");
        write!(
            formatter,
            "{category}: {days} of {first} to {last} were recorded under an earlier definition and keep its meaning. "
        )?;
        match can_be_restated {
            true => write!(
                formatter,
                "`daymark restate {category} --dry-run` shows what they would be under the newest one"
            ),
            false => write!(
                formatter,
                "Its past values cannot be read again: `daymark correct {category}` puts days right by hand"
            ),
        }
    }
}

/// Returns the days from `from` to `to` that were recorded under versions of `metrics` with another meaning than these
/// definitions. A version that differs only in how its values are presented has the same meaning.
///
/// # Errors
/// When the store fails.
pub async fn earlier_meanings(
    store: &dyn Store,
    metrics: &[&Definition],
    from: Date,
    to: Date,
) -> Result<Vec<EarlierMeaning>, StoreError> {
    let versions = store.definition_versions().await?;
    let of = |metric: &Definition| -> BTreeSet<i32> {
        let is_other = |known: &Definition| known.key() == metric.key() && !same_meaning(known, metric);
        versions.iter().filter(|known| is_other(&known.definition)).map(|known| known.version).collect()
    };
    let others: Vec<_> = metrics.iter().map(|metric| (*metric, of(metric))).collect();
    let others: Vec<_> = others.into_iter().filter(|(_, versions)| !versions.is_empty()).collect();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let keys = others.iter().map(|(metric, _)| metric.key());
    let series = store.series_days(&SeriesQuestion::of_values(keys, from, to)).await?;
    let meanings = others.iter().zip(series).filter_map(|((metric, versions), days)| {
        let mut days = days.recorded.iter().filter(|day| versions.contains(&day.definition_version));
        let first = days.next()?.date;
        let (last, count) = days.fold((first, 1), |(_, count), day| (day.date, count + 1));
        Some(EarlierMeaning {
            category: metric.category.clone(),
            first,
            last,
            days: count,
            can_be_restated: metric.measure.reconstructible(),
        })
    });
    Ok(meanings.collect())
}

/// Whether both definitions compute the same values; their presentation may differ.
pub(crate) fn same_meaning(one: &Definition, other: &Definition) -> bool {
    one.measure == other.measure && one.sources == other.sources && one.time_zone == other.time_zone
}
