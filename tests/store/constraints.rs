//! The constraints of the tables refuse invalid rows to every role, and valid values are stored exactly.

use daymark::{
    metric::{MetricType, Record},
    store::{Store, StoreError},
};
use uuid::Uuid;

use crate::fixture::{Fixture, day, decimal, definitions, finish, key, noon, record};

crate::on_both_stores!(
    invalid_records_are_refused,
    records_without_a_definition_or_a_run_are_refused,
    only_averages_and_aggregates_may_be_negative,
    invalid_log_entries_are_refused,
    values_keep_every_digit,
    unusual_characters_are_stored,
);

async fn invalid_records_are_refused(fixture: Fixture) {
    let run = fixture.ready().await;
    let good = [
        "'posts_total'",
        "'count'",
        "'2025-01-01'",
        "'5'",
        "'{}'",
        "'observed'",
        "1",
        "'2025-02-01T12:00:00.000000Z'",
    ];
    let insert = |position: usize, value: &str| {
        let mut values = good;
        values[position] = value;
        let [category, metric_type, date, number, metadata, provenance, version, read_at] = values;
        fixture_insert(
            run,
            &format!(
                "{category}, {metric_type}, {date}, {number}, {metadata}, {provenance}, {version}, {read_at}"
            ),
        )
    };
    if fixture.is_postgres() {
        fixture.sql("SELECT ensure_partition(2025), ensure_partition(1900)").await.unwrap();
    }
    for (position, value) in [
        (0, "'nonsense'"),
        (0, "NULL"),
        (1, "'cuont'"),
        (2, "'1899-12-31'"),
        (2, "'2025-02-30'"),
        (2, "'yesterday'"),
        (2, "'2025-02-02'"), // the day had not ended in any time zone when it was read
        (3, "'-5'"),
        (3, "'NaN'"),
        (3, "'Infinity'"),
        (3, "'-Infinity'"),
        (3, "'banana'"),
        (3, "''"),
        (3, "NULL"),
        (4, "'[]'"),
        (4, "'{'"),
        (4, "'null'"),
        (5, "'guessed'"),
        (6, "2"), // there is no such version of the definition
        (7, "'2025-01-01T09:59:59.999999Z'"),
        (7, "'soon'"),
    ] {
        assert!(fixture.sql(&insert(position, value)).await.is_err(), "{value} was accepted");
    }
    assert_eq!(fixture.sql(&insert(7, "'2025-01-01T10:00:00.000000Z'")).await, Ok(1));
    assert_eq!(fixture.sql(&insert(2, "'2025-01-31'")).await, Ok(1));
}

fn fixture_insert(run: Uuid, values: &str) -> String {
    let id = Uuid::new_v4();
    format!(
        "INSERT INTO daily_metrics (id, tenant_id, collection_id, metric_category, metric_type, metric_date, value,
                                    metadata, provenance, definition_version, collection_timestamp)
         VALUES ('{id}', 'default', '{run}', {values})"
    )
}

#[tokio::test]
async fn sqlite_accepts_only_plain_finite_decimals() {
    let fixture = Fixture::sqlite();
    let run = fixture.ready().await;
    let insert = |value: &str| {
        fixture_insert(
            run,
            &format!(
                "'mood', 'average', '2025-01-02', {value}, '{{}}', 'observed', 1, '2025-02-01T12:00:00.000000Z'"
            ),
        )
    };
    for value in
        ["'5.'", "'.5'", "'-'", "'--5'", "'5-5'", "'1.2.3'", "'1e3'", "'0x10'", "' 5'", "'+5'", "x'35'"]
    {
        assert!(fixture.sql(&insert(value)).await.is_err(), "{value} was accepted");
    }
    assert_eq!(fixture.sql(&insert("'-0.5'")).await, Ok(1));
}

async fn records_without_a_definition_or_a_run_are_refused(fixture: Fixture) {
    let run = fixture.ready().await;
    let wrong = |change: fn(&mut Record)| {
        let mut wrong = record(run, day(1), "5");
        change(&mut wrong);
        wrong
    };
    for wrong in [
        wrong(|record| record.definition_version = 2),
        wrong(|record| record.key.category = "undefined".to_owned()),
        wrong(|record| record.key.metric_type = MetricType::Average),
        wrong(|record| record.collection_id = Uuid::new_v4()),
        wrong(|record| record.metric_date = jiff::civil::date(2025, 2, 2)),
        wrong(|record| record.value = decimal("-5")),
    ] {
        // One invalid record fails the whole commit, with the end of the run.
        let good = record(run, day(2), "5");
        let result = fixture.store.commit(&[good, wrong.clone()], Some(&finish(run))).await;
        assert!(matches!(result, Err(StoreError::Fault { .. })), "{wrong:?} was accepted");
    }
    assert_eq!(fixture.store.recorded_span().await.unwrap(), None);
    assert!(fixture.store.run(run).await.unwrap().unwrap().completed_at.is_none());
}

async fn only_averages_and_aggregates_may_be_negative(fixture: Fixture) {
    let run = fixture.ready().await;
    for definition in definitions() {
        let mut negative = record(run, day(1), "-5");
        negative.key = definition.key();
        let result = fixture.store.commit(&[negative], None).await;
        match definition.metric_type {
            MetricType::Average | MetricType::Aggregate => assert_eq!(result.unwrap().len(), 1),
            MetricType::Count | MetricType::Percentage => {
                let refused = format!("{:?}", result.unwrap_err());
                assert!(refused.contains("value_is_not_negative"), "{refused}");
            }
        }
    }
}

async fn invalid_log_entries_are_refused(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    let insert = |kind: &str, from: &str, to: &str, status: &str, completed: &str, count: i32| {
        format!(
            "INSERT INTO metric_collection_log (id, tenant_id, kind, collection_date, collection_end_date, started_at,
                                                status, completed_at, metrics_collected, trigger, actor, host, process_id)
             VALUES ('{}', 'default', '{kind}', '{from}', '{to}', '2025-02-01T12:00:00.000000Z', '{status}',
                     {completed}, {count}, 'cli', 'cli:test', 'here', 1)",
            Uuid::new_v4()
        )
    };
    let (first, second, end) = ("2025-01-01", "2025-01-02", "'2025-02-01T12:00:01.000000Z'");
    for wrong in [
        insert("guess", first, second, "running", "NULL", 0),
        insert("collect", second, first, "running", "NULL", 0),
        insert("collect", "2025-13-01", "2025-13-01", "running", "NULL", 0),
        insert("collect", first, second, "dead", end, 0),
        insert("collect", first, second, "running", end, 0),
        insert("collect", first, second, "completed", "NULL", 0),
        insert("collect", first, second, "completed", end, -1),
    ] {
        assert!(fixture.sql(&wrong).await.is_err(), "{wrong} was accepted");
    }
    fixture.store.simulate_clock().await.unwrap();
    assert!(
        fixture.sql(&insert("collect", first, second, "completed", end, 1)).await.is_err(),
        "a new run must have the status running"
    );
    assert_eq!(fixture.sql(&insert("collect", first, second, "running", "NULL", 0)).await, Ok(1));
}

/// PostgreSQL has types for these values; SQLite has only constraints.
#[tokio::test]
async fn sqlite_accepts_one_form_of_uuids_and_instants() {
    let fixture = Fixture::sqlite();
    fixture.store.migrate().await.unwrap();
    fixture.store.simulate_clock().await.unwrap();
    let insert = |id: &str, started_at: &str| {
        format!(
            "INSERT INTO metric_collection_log (id, tenant_id, kind, collection_date, collection_end_date, started_at,
                                                status, completed_at, trigger, actor, host, process_id)
             VALUES ('{id}', 'default', 'collect', '2025-01-01', '2025-01-01', '{started_at}', 'running',
                     NULL, 'cli', 'cli:test', 'here', 1)"
        )
    };
    let (id, start) = ("0123abcd-0123-4567-89ab-0123456789ab", "2025-02-01T12:00:00.000000Z");
    let finish = |at: &str| {
        format!(
            "UPDATE metric_collection_log SET status = 'completed', completed_at = '{at}' WHERE id = '{id}'"
        )
    };
    for id in ["", "1", "0123ABCD-0123-4567-89AB-0123456789AB", "0123abcd01234567-89ab-0123-456789ab----"] {
        assert!(fixture.sql(&insert(id, start)).await.is_err(), "{id} was accepted");
    }
    let wrong_times = ["", "soon", "2025-02-01", "2025-02-01 12:00:00.000000Z", "2025-02-01T12:00:00Z"];
    for wrong in wrong_times {
        assert!(fixture.sql(&insert(id, wrong)).await.is_err(), "{wrong} was accepted");
    }
    assert_eq!(fixture.sql(&insert(id, start)).await, Ok(1));
    for wrong in wrong_times {
        assert!(fixture.sql(&finish(wrong)).await.is_err(), "{wrong} was accepted");
    }
    assert_eq!(fixture.sql(&finish("2025-02-01T12:00:01.000000Z")).await, Ok(1));
}

async fn values_keep_every_digit(fixture: Fixture) {
    let run = fixture.ready().await;
    let long = format!("-{}.{}", "9".repeat(38), "1".repeat(30));
    let values = [
        "0",
        "-0.5",
        "9007199254740993",
        "12345678901234567890123456789012345678",
        "-0.000000000000000000000000000001",
        "99999999999999999999.999999999999999999",
        "10000000000000000000000000000000000000",
        &long,
    ];
    for (number, value) in (1..).zip(values) {
        let mut record = record(run, day(number), value);
        record.key = key(MetricType::Average, "mood");
        fixture.store.commit(std::slice::from_ref(&record), None).await.unwrap();
        let read = fixture.store.records(day(number), day(number), None).await.unwrap();
        assert_eq!(read[0].value.to_string(), value);
        assert_eq!(read, [record]);
    }
}

async fn unusual_characters_are_stored(fixture: Fixture) {
    let run = fixture.ready().await;
    let mut record = record(run, day(1), "5");
    for (label, text) in
        [("nul", "a\0b"), ("quote", "'; DROP TABLE daily_metrics; --\"\\"), ("wide", "🦀é\u{202e}")]
    {
        record.metadata.insert(label.to_owned(), serde_json::json!([{ "label": text }]));
    }
    let mut end = finish(run);
    end.error_message = Some("what\0ever".to_owned());
    fixture.store.commit(&[record.clone()], Some(&end)).await.unwrap();
    let read = fixture.store.records(day(1), day(1), None).await.unwrap().remove(0).metadata;
    assert_eq!((&read["quote"], &read["wide"]), (&record.metadata["quote"], &record.metadata["wide"]));
    let nul = if fixture.is_postgres() { "a\u{FFFD}b" } else { "a\0b" };
    assert_eq!(read["nul"][0]["label"], nul, "PostgreSQL cannot store U+0000");
}

#[tokio::test]
async fn instants_are_stored_in_microseconds() {
    for fixture in [Fixture::postgres().await, Fixture::sqlite()] {
        let run = fixture.ready().await;
        let mut record = record(run, day(1), "5");
        record.collection_timestamp = noon() + jiff::SignedDuration::from_nanos(999);
        let mut end = finish(run);
        end.completed_at = record.collection_timestamp;
        // The commit is repeated. The lost nanoseconds do not make the second one look like that of another process.
        for _ in 0..2 {
            fixture.store.commit(&[record.clone()], Some(&end)).await.unwrap();
        }
        let store: &dyn Store = fixture.store.as_ref();
        assert_eq!(store.records(day(1), day(1), None).await.unwrap()[0].collection_timestamp, noon());
    }
}
