//! Packed months, which PostgreSQL stores have: which are, and when.

use daymark::{
    metric::{MetricKey, Record},
    store::{DefinitionChange, Origin, Store},
};
use futures_util::future::join_all;
use jiff::civil::{Date, date};
use sqlx::{Connection, Executor};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, definitions, finish, new_run, noon, record},
    long_series::{FIRST, LAST, assert_as_recorded, dates, mood, packed, posts, question, rate},
};

#[tokio::test]
async fn months_are_packed_for_each_tenant() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    let other = fixture.of_tenant("other");
    let theirs = new_run(FIRST);
    let changes: Vec<_> = definitions().into_iter().map(DefinitionChange::Add).collect();
    other.change_definitions(&changes, Origin::File, noon()).await.unwrap();
    other.start_run(&theirs).await.unwrap();
    let of = |run, value: &str, to| -> Vec<_> {
        dates(date(2024, 1, 1), to).map(|date| record(run, date, value)).collect()
    };
    fixture.store.commit(&of(run, "1", date(2024, 12, 30)), Some(&finish(run))).await.unwrap();
    other.commit(&of(theirs.id, "2", date(2024, 12, 31)), None).await.unwrap();
    let packed = packed(&fixture).await;
    let months = |tenant: &str| packed.iter().filter(|(of, ..)| of == tenant).count();
    assert_eq!((months("default"), months("other")), (11, 12));
    for store in [&fixture.store, &other] {
        let records = store.records(FIRST, LAST, None).await.unwrap();
        assert_as_recorded(store.as_ref(), &records, &question(&[posts()], FIRST, LAST)).await;
    }
}

/// A month is packed by the commit that records its last missing day, whichever that is.
#[tokio::test]
async fn the_last_missing_day_completes_a_month() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    for (month, missing) in [(1, 31), (2, 1), (3, 15), (4, 30)] {
        let first = date(2024, month, 1);
        let is_missing = |date: &Date| date.day() == missing;
        let (last, others): (Vec<_>, Vec<_>) = dates(first, first.last_of_month()).partition(is_missing);
        let records =
            |dates: Vec<Date>| dates.into_iter().map(|date| record(run, date, "1")).collect::<Vec<_>>();
        let before = packed(&fixture).await;
        fixture.store.commit(&records(others), None).await.unwrap();
        assert_eq!(packed(&fixture).await, before);
        fixture.store.commit(&records(last), None).await.unwrap();
        assert_eq!(packed(&fixture).await.len(), before.len() + 1, "{first}");
    }
}

/// Eight at once, each with records that some of the others have as well.
#[tokio::test]
async fn commits_at_once_leave_a_series_as_it_is_recorded() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    let all: Vec<_> = [posts(), rate()]
        .iter()
        .flat_map(|metric| {
            dates(date(2024, 1, 1), date(2024, 12, 31)).map(|date| record_of(run, metric, date))
        })
        .collect();
    let stores: Vec<_> = (0..8).map(|_| fixture.again()).collect();
    let commit = async |(number, store): (usize, &std::sync::Arc<dyn Store>)| {
        let mine: Vec<_> = all.iter().skip(number).step_by(5).cloned().collect();
        for records in mine.chunks(23) {
            store.commit(records, None).await.unwrap();
        }
    };
    join_all(stores.iter().enumerate().map(commit)).await;
    let records = fixture.store.records(FIRST, LAST, None).await.unwrap();
    assert_eq!(records.len(), all.len());
    assert_as_recorded(fixture.store.as_ref(), &records, &question(&[posts(), rate()], FIRST, LAST)).await;
    fixture.sql("SELECT pack_months()").await.unwrap();
    assert_eq!(packed(&fixture).await.len(), 24);
    assert_as_recorded(fixture.store.as_ref(), &records, &question(&[posts(), rate()], FIRST, LAST)).await;
}

fn record_of(run: Uuid, metric: &MetricKey, date: Date) -> Record {
    Record { key: metric.clone(), ..record(run, date, &date.day_of_year().to_string()) }
}

/// Neither sees the other's days: that is allowed, and made good by hand.
#[tokio::test]
async fn a_month_that_two_complete_together_is_read_by_its_rows() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    let insert = |from: &str, to: &str| {
        format!(
            "INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, provenance,
                                        definition_version, collection_id, collection_timestamp)
             SELECT 'default', date, 'count', 'posts_total', 5, 'observed', 1, '{run}', '2025-02-01T12:00:00Z'
             FROM generate_series(DATE '{from}', DATE '{to}', INTERVAL '1 day') AS date"
        )
    };
    fixture.sql("SELECT ensure_partition(2024)").await.unwrap();
    let (mut one, mut other) = (fixture.postgres_session().await, fixture.postgres_session().await);
    let (mut one, mut other) = (one.begin().await.unwrap(), other.begin().await.unwrap());
    one.execute(sqlx::AssertSqlSafe(insert("2024-01-01", "2024-03-20"))).await.unwrap();
    other.execute(sqlx::AssertSqlSafe(insert("2024-03-21", "2024-06-30"))).await.unwrap();
    one.commit().await.unwrap();
    other.commit().await.unwrap();
    assert_eq!(packed(&fixture).await.len(), 5);
    let records = fixture.store.records(FIRST, LAST, None).await.unwrap();
    assert_eq!(records.len(), 182);
    let question = question(&[posts()], FIRST, LAST);
    assert_as_recorded(fixture.store.as_ref(), &records, &question).await;
    fixture.sql("SELECT pack_months()").await.unwrap();
    assert_eq!(packed(&fixture).await.len(), 6);
    assert_as_recorded(fixture.store.as_ref(), &records, &question).await;
}

/// Months that were recorded before there was a table for them.
#[tokio::test]
async fn the_migration_packs_what_is_complete() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    let before_it = "DROP TRIGGER pack_completed_months ON daily_metrics; DROP TABLE daily_metric_months;
                     DROP FUNCTION pack_months, pack_completed_months, pack_month;
                     DELETE FROM _sqlx_migrations WHERE version = 6";
    fixture.sql(before_it).await.unwrap();
    // Of those, the first alone reads the records, and with them their packed months.
    let roles = ["reads_records", "reads_runs"].map(|name| format!("{name}_{}", Uuid::new_v4().simple()));
    let [reader, other] = &roles;
    let granted = format!(
        "CREATE ROLE {reader}; CREATE ROLE {other}; GRANT USAGE ON SCHEMA daymark TO {reader}, {other};
         GRANT SELECT ON daily_metrics, _sqlx_migrations TO {reader};
         GRANT SELECT ON metric_collection_log, _sqlx_migrations TO {other}"
    );
    fixture.sql(&granted).await.unwrap();
    let store = fixture.again();
    let pending = store.pending_migrations().await.unwrap();
    assert_eq!(pending, ["0006_months"]);
    let insert = format!(
        "SELECT ensure_partition(2024);
         INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, provenance,
                                    definition_version, collection_id, collection_timestamp)
         SELECT 'default', date, metric_type, metric_category, 5, 'observed', 1, '{run}', '2025-02-01T12:00:00Z'
         FROM generate_series(DATE '2024-01-02', DATE '2024-07-30', INTERVAL '1 day') AS date, metric_definitions"
    );
    fixture.sql(&insert).await.unwrap();
    store.migrate().await.unwrap();
    let packed = packed(&fixture).await;
    assert_eq!(packed.len(), 4 * 5, "{packed:?}");
    assert_eq!((packed[0].2.as_str(), packed[4].2.as_str()), ("2024-02", "2024-06"));
    let records = store.records(FIRST, LAST, None).await.unwrap();
    assert_as_recorded(store.as_ref(), &records, &question(&[posts(), mood()], FIRST, LAST)).await;
    let mut session = fixture.postgres_session().await;
    let may = "SELECT has_table_privilege($1, 'daily_metric_months', $2)";
    for (role, privilege, expected) in
        [(reader, "SELECT", true), (reader, "INSERT", false), (other, "SELECT", false)]
    {
        let may = sqlx::query_scalar(may).bind(role).bind(privilege);
        assert_eq!(may.fetch_one(&mut session).await.ok(), Some(expected), "{role} {privilege}");
    }
    fixture.sql(&format!("DROP OWNED BY {reader}, {other}; DROP ROLE {reader}, {other}")).await.unwrap();
}

/// Whole months and no others, whoever inserts them.
#[tokio::test]
async fn half_a_month_is_refused() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let insert = |metric_type: &str, month: &str, days: usize| {
        let days = format!("8797 7 1 observed{}", ",7".repeat(days - 1));
        format!(
            "INSERT INTO daily_metric_months VALUES ('default', 'posts_total', '{metric_type}', '{month}', '{days}')"
        )
    };
    for wrong in [
        insert("count", "2024-02-01", 28),
        insert("count", "2024-02-01", 30),
        insert("count", "2023-02-01", 29),
        insert("count", "2024-02-02", 29),
        insert("count", "1899-12-01", 31),
        insert("cuont", "2024-02-01", 29),
    ] {
        let error = fixture.sql(&wrong).await.unwrap_err();
        assert!(error.contains("violates check constraint"), "{wrong}: {error}");
    }
    assert_eq!(fixture.sql(&insert("count", "2024-02-01", 29)).await, Ok(1));
    assert!(fixture.sql(&insert("count", "2024-02-01", 29)).await.unwrap_err().contains("duplicate key"));
}
