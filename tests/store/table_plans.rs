//! That rows of the record in the order of their `collection_timestamp`, for which a client of `/rest/v1` asks, are read from an index
//! rather than all records being sorted.

use std::time::Duration;

use daymark::store::{
    TableQuery,
    table::{Order, Output, RowCondition, StoreTable},
};
use sqlx::Row;

use crate::{fixture::Fixture, series_plans::ROWS};

fn newest(limit: i64) -> TableQuery {
    let column = |name| StoreTable::DailyMetrics.column(name).unwrap();
    let columns =
        ["metric_date", "value"].map(|name| Output { column: column(name), alias: None, as_text: false });
    TableQuery {
        table: StoreTable::DailyMetrics,
        columns: columns.to_vec(),
        condition: RowCondition::All(Vec::new()),
        order: vec![Order { column: column("collection_timestamp"), descending: true, nulls_first: true }],
        limit: limit.try_into().unwrap(),
        offset: 0,
        max_bytes: 1 << 20,
        count: false,
        as_of: None,
    }
}

/// The server counts the scans of each index, and publishes its counts some time after a statement.
#[tokio::test]
async fn postgres_reads_the_newest_records_from_an_index() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let mut session = fixture.postgres_session().await;
    sqlx::raw_sql(ROWS).execute(&mut session).await.unwrap();
    let is_scanned = async {
        loop {
            assert_eq!(fixture.store.table(&newest(10)).await.unwrap().rows, 10);
            let scans = "SELECT coalesce(sum(idx_scan), 0)::BIGINT FROM pg_stat_user_indexes
                         WHERE indexrelname LIKE '%collection_timestamp%'";
            let row = sqlx::query(scans).fetch_one(&mut session).await.unwrap();
            if row.get::<i64, _>(0) > 0 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_scanned).await.expect("the index is not scanned");
}

#[tokio::test]
async fn sqlite_reads_the_newest_records_from_an_index() {
    let fixture = Fixture::sqlite();
    fixture.ready().await;
    let explain = "EXPLAIN QUERY PLAN SELECT metric_date FROM daily_metrics WHERE tenant_id = ?1 ORDER BY collection_timestamp DESC";
    let mut connection = fixture.sqlite_connection().await;
    let rows = sqlx::query(explain).bind("default").fetch_all(&mut connection).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    assert!(plan[0].contains("daily_metrics_by_cut") && plan.len() == 1, "{plan:?}");
}
