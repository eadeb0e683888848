//! Long ranges, which stores on PostgreSQL read from packed months.

use daymark::{
    collect::{BackfillRequest, Cancellation, backfill, collect_day},
    store::{AskedMetric, SeriesQuestion},
};
use jiff::civil::date;

use crate::{
    on,
    world::{Heard, World, definitions, january},
};

on! { [sqlite, postgres] a_year_is_what_a_backfill_and_a_collection_recorded }

async fn assert_packed(world: &World, months: i64) {
    if let Some(packed) = world.packed_months().await {
        assert_eq!(packed, months);
    }
}

async fn a_year_is_what_a_backfill_and_a_collection_recorded(world: World) {
    world.set_clock("2025-01-31T12:00:00Z");
    let from = date(2024, 2, 10);
    let request = BackfillRequest { from: Some(from), ..BackfillRequest::default() };
    let report = backfill(&world.context, &request, &Heard::default(), &Cancellation::never()).await.unwrap();
    assert_eq!((report.to, report.misfits.len()), (january(30), 0));
    assert_packed(&world, 4 * 10).await; // March to December
    world.set_clock("2025-02-01T12:00:00Z");
    collect_day(&world.context, None, &[], &Cancellation::never()).await.unwrap();
    assert_packed(&world, 4 * 11).await; // and January

    let store = &world.context.tenant.store;
    let records = store.records(from, january(31), None).await.unwrap();
    let metrics: Vec<_> = definitions(world.time_format())
        .iter()
        .map(|definition| AskedMetric { key: definition.key(), metadata: false })
        .collect();
    let question = SeriesQuestion { from, to: january(31), metrics };
    let series = store.series(&question).await.unwrap().series;
    assert_eq!(series.iter().map(Vec::len).sum::<usize>(), records.len());
    for record in &records {
        let place = question.metrics.iter().position(|metric| metric.key == record.key).unwrap();
        let day = series[place].iter().find(|day| day.date == record.metric_date).unwrap();
        assert_eq!(
            (day.value.clone(), day.provenance, day.definition_version),
            (record.value.clone(), record.provenance, record.definition_version)
        );
    }
}
