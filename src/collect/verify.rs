//! Verifies the records of a backfill: that no day of the range is missing, and that totals grow by the number of rows
//! created. Where reconstructed days are adjacent to observed ones, the difference is the number of rows deleted in
//! between.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use uuid::Uuid;

use super::{Context, Discrepancy};
use crate::{
    metric::{DayBounds, Decimal, Definition, Measure, Provenance, Record, Rows, Source},
    store::{RecordedDays, StoreError, StoredDefinition},
};

/// A stock and a flow over the same rows, in a source without a soft-delete column.
struct Pair<'a> {
    stock: &'a Definition,
    flow: &'a Definition,
}

/// The records of a pair on one day.
struct PairedDay {
    date: Date,
    stock: Record,
    flow: Record,
}

/// Verifies the days of `run`; `metrics` are those that did not fail.
pub(super) async fn verify(
    context: &Context,
    run: Uuid,
    metrics: &[&StoredDefinition],
    days: &[DayBounds],
) -> Vec<Discrepancy> {
    try_verify(context, run, metrics, days)
        .await
        .unwrap_or_else(|error| vec![Discrepancy::Unchecked { reason: error.to_string() }])
}

async fn try_verify(
    context: &Context,
    run: Uuid,
    metrics: &[&StoredDefinition],
    days: &[DayBounds],
) -> Result<Vec<Discrepancy>, StoreError> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Vec::new()) };
    let mut discrepancies =
        holes(metrics, days, &context.tenant.store.recorded(first.date, last.date).await?);
    // The range is extended by one day at either end, where the new records are adjacent to older ones, and by two days
    // at the start, as a time zone may skip a date.
    let from = first.date.saturating_sub(2.days());
    let to = context.day_after(last.date);
    for pair in pairs(metrics) {
        let categories = [pair.stock.category.clone(), pair.flow.category.clone()];
        let records = context.tenant.store.records(from, to, Some(&categories)).await?;
        discrepancies.extend(compare(run, &pair, &points(&pair, records), context));
    }
    Ok(discrepancies)
}

fn holes(metrics: &[&StoredDefinition], days: &[DayBounds], recorded: &RecordedDays) -> Vec<Discrepancy> {
    let mut holes = Vec::new();
    for metric in metrics {
        let recorded_days = recorded.get(&metric.definition.key());
        let is_missing =
            |day: &&DayBounds| !recorded_days.is_some_and(|recorded_days| recorded_days.contains(&day.date));
        let missing: Vec<_> = days.iter().filter(is_missing).map(|day| day.date).collect();
        if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
            let category = metric.definition.category.clone();
            holes.push(Discrepancy::Hole { category, first: *first, last: *last, days: missing.len() });
        }
    }
    holes
}

fn pairs<'a>(metrics: &[&'a StoredDefinition]) -> Vec<Pair<'a>> {
    let definitions = || metrics.iter().map(|metric| &metric.definition);
    let of_stock = |stock: &'a Definition| {
        let Measure::Existing(rows) = &stock.measure else { return None };
        let source = source_of(stock, rows).filter(|source| source.deleted_column.is_none())?;
        let same_rows = |flow: &&Definition| match &flow.measure {
            Measure::Created(other) => other.filter == rows.filter && source_of(flow, other) == Some(source),
            _ => false,
        };
        Some(Pair { stock, flow: definitions().find(same_rows)? })
    };
    definitions().filter_map(of_stock).collect()
}

fn source_of<'a>(definition: &'a Definition, rows: &Rows) -> Option<&'a Source> {
    definition.sources.get(&rows.source)
}

/// Returns the days that have records of both, ascending.
fn points(pair: &Pair<'_>, records: Vec<Record>) -> Vec<PairedDay> {
    let mut days: BTreeMap<Date, (Option<Record>, Option<Record>)> = BTreeMap::new();
    for record in records {
        let day = days.entry(record.metric_date).or_default();
        if record.key == pair.stock.key() {
            day.0 = Some(record);
        } else if record.key == pair.flow.key() {
            day.1 = Some(record);
        }
    }
    days.into_iter()
        .filter_map(|(date, (stock, flow))| Some(PairedDay { date, stock: stock?, flow: flow? }))
        .collect()
}

fn compare(run: Uuid, pair: &Pair<'_>, points: &[PairedDay], context: &Context) -> Vec<Discrepancy> {
    let neighbours = points.windows(2).filter(|two| context.day_after(two[0].date) == two[1].date);
    neighbours.filter_map(|two| discrepancy(run, pair, &two[0], &two[1])).collect()
}

fn discrepancy(run: Uuid, pair: &Pair<'_>, before: &PairedDay, after: &PairedDay) -> Option<Discrepancy> {
    let expected = &before.stock.value + &after.flow.value;
    let surplus = &after.stock.value - &expected;
    let is_of_run = |record: &Record| record.collection_id == run;
    if surplus.is_zero()
        || after.stock.collection_id != after.flow.collection_id
        || !same_versions(before, after)
    {
        return None;
    }
    let (stock, date) = (pair.stock.category.clone(), after.date);
    match (is_of_run(&before.stock), is_of_run(&after.stock)) {
        (true, true) => {
            let (flow, found) = (pair.flow.category.clone(), after.stock.value.clone());
            Some(Discrepancy::Sum { stock, flow, date, expected, found })
        }
        // The surplus consists of rows that the earlier cut saw in `after` and this cut no longer sees in `before`.
        (true, false) if observed(after) => Some(difference(stock, date, surplus)),
        (false, true) if observed(before) => Some(difference(stock, date, &Decimal::zero() - &surplus)),
        _ => None,
    }
}

/// Whether both days have the same definition versions; another version may count other rows, or use another time zone.
fn same_versions(before: &PairedDay, after: &PairedDay) -> bool {
    before.stock.definition_version == after.stock.definition_version
        && before.flow.definition_version == after.flow.definition_version
}

fn observed(point: &PairedDay) -> bool {
    point.stock.provenance == Provenance::Observed
}

fn difference(stock: String, date: Date, gone: Decimal) -> Discrepancy {
    let zero = Decimal::zero();
    if gone > zero {
        Discrepancy::Deleted { stock, date, rows: gone }
    } else {
        Discrepancy::Appeared { stock, date, rows: &zero - &gone }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use jiff::{Timestamp, civil::date};
    use serde_json::Map;

    use super::*;
    use crate::{collect::sample, metric::Calendar};

    const RUN: Uuid = Uuid::from_u128(1);
    const EARLIER: Uuid = Uuid::from_u128(2);

    fn point(day: i8, total: i64, created: i64, run: Uuid) -> PairedDay {
        let provenance = if run == RUN { Provenance::Reconstructed } else { Provenance::Observed };
        let record = |metric: StoredDefinition, value: i64| Record {
            metric_date: date(2025, 1, day),
            key: metric.definition.key(),
            value: value.into(),
            metadata: Map::new(),
            provenance,
            definition_version: 1,
            collection_id: run,
            collection_timestamp: Timestamp::UNIX_EPOCH,
        };
        PairedDay {
            date: date(2025, 1, day),
            stock: record(sample::existing("total"), total),
            flow: record(sample::created("created"), created),
        }
    }

    fn of(before: &PairedDay, after: &PairedDay) -> Option<String> {
        let (total, created) = (sample::existing("total"), sample::created("created"));
        let metrics = [&total, &created];
        let pairs = pairs(&metrics);
        discrepancy(RUN, &pairs[0], before, after).map(|discrepancy| discrepancy.to_string())
    }

    #[test]
    fn a_total_grows_by_the_created_rows() {
        assert_eq!(of(&point(1, 10, 10, RUN), &point(2, 13, 3, RUN)), None);
        assert_eq!(
            of(&point(1, 10, 10, RUN), &point(2, 14, 3, RUN)).unwrap(),
            "total on 2025-01-02 is 14, but the day before plus created is 13"
        );
    }

    #[test]
    fn where_histories_join_the_difference_is_the_deleted_rows() {
        let expected = "total: rows deleted between the readings of 2025-01-02 and the day before: 5";
        assert_eq!(of(&point(1, 10, 10, RUN), &point(2, 18, 3, EARLIER)).unwrap(), expected);
        assert_eq!(of(&point(1, 20, 10, EARLIER), &point(2, 18, 3, RUN)).unwrap(), expected);
        assert!(
            of(&point(1, 10, 10, RUN), &point(2, 12, 3, EARLIER))
                .unwrap()
                .contains("rows with times in the past added")
        );
        assert_eq!(
            of(&point(1, 20, 10, EARLIER), &point(2, 18, 3, EARLIER)),
            None,
            "neither day is of this run"
        );
    }

    #[test]
    fn days_of_different_versions_are_not_compared() {
        let with_flow = |version| {
            let mut point = point(2, 18, 3, EARLIER);
            point.flow.definition_version = version;
            point
        };
        assert!(of(&point(1, 10, 10, RUN), &with_flow(1)).is_some());
        assert_eq!(of(&point(1, 10, 10, RUN), &with_flow(2)), None);
    }

    #[test]
    fn only_the_same_rows_make_a_pair() {
        let total = sample::existing("total");
        let mut other = sample::created("created");
        other.definition.sources.get_mut("posts").unwrap().table = "articles".to_owned();
        assert_eq!(pairs(&[&total, &other]).len(), 0);
        let mut soft = (sample::existing("total"), sample::created("created"));
        for metric in [&mut soft.0, &mut soft.1] {
            metric.definition.sources.get_mut("posts").unwrap().deleted_column = Some("gone_at".to_owned());
        }
        assert_eq!(pairs(&[&soft.0, &soft.1]).len(), 0);
        assert_eq!(pairs(&[&total, &sample::created("created")]).len(), 1);
    }

    #[test]
    fn a_hole_is_named() {
        let metric = sample::created("created");
        let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 4));
        let recorded_days = BTreeSet::from([date(2025, 1, 1), date(2025, 1, 3)]);
        let recorded = HashMap::from([(metric.definition.key(), recorded_days)]);
        assert_eq!(
            holes(&[&metric], &days, &recorded)[0].to_string(),
            "created lacks 2 days between 2025-01-02 and 2025-01-04"
        );
    }
}
