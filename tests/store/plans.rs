//! The plans that PostgreSQL makes, without knowing the parameters, for statements of the store: they go by an index. A
//! statement is read from the session that ran it.

use daymark::store::{
    TableQuery,
    table::{Comparison, Condition, Order, Output, Table, Value},
};
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::fixture::{Fixture, day, noon};

/// Two hundred metrics over two years: enough rows that reading all of them is the slower plan.
const MANY_RECORDS: &str = r#"
    INSERT INTO metric_definition_versions (tenant_id, metric_type, metric_category, version, spec)
    SELECT 'default', 'count', 'metric_' || n, 1,
           jsonb_build_object('metric_type', 'count', 'category', 'metric_' || n, 'display_name', '', 'measure', 'created')
    FROM generate_series(1, 200) AS n;
    SELECT ensure_partition(2023), ensure_partition(2024);
    INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, provenance, definition_version,
                               collection_id, collection_timestamp)
    SELECT 'default', DATE '2023-01-01' + day, 'count', 'metric_' || n, day, 'reconstructed', 1, '{run}',
           TIMESTAMPTZ '2025-02-01T12:00Z' + day * INTERVAL '1 second'
    FROM generate_series(1, 200) AS n, generate_series(0, 729) AS day;
    ANALYZE daily_metrics"#;

async fn filled() -> Fixture {
    let fixture = Fixture::postgres().await;
    fixture.store.migrate().await.unwrap();
    fixture.store.simulate_clock().await.unwrap();
    let from = jiff::civil::date(2023, 1, 1);
    let run = daymark::store::NewRun {
        kind: daymark::store::RunKind::Backfill,
        from,
        to: jiff::civil::date(2024, 12, 31),
        ..crate::fixture::new_run(day(1))
    };
    fixture.store.start_run(&run).await.unwrap();
    let mut session = fixture.postgres_session().await;
    let sql = MANY_RECORDS.replace("{run}", &run.id.to_string());
    session.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    fixture
}

/// The plan of the statement that a session of the store ran last and that contains `text`.
async fn plan(fixture: &Fixture, text: &str) -> String {
    let mut session = fixture.postgres_session().await;
    let find =
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND strpos(query, $1) > 0 ORDER BY state_change DESC LIMIT 1";
    let sql: String = sqlx::query_scalar(find).bind(text).fetch_one(&mut session).await.unwrap();
    let parameters = (1..).take_while(|number| sql.contains(&format!("${number}"))).count();
    session.execute("SET plan_cache_mode TO force_generic_plan").await.unwrap();
    session.execute(AssertSqlSafe(format!("PREPARE asked AS {sql}"))).await.unwrap();
    let explain = format!("EXPLAIN EXECUTE asked ({})", vec!["NULL"; parameters].join(", "));
    let lines = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut session).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

fn assert_goes_by_index(plan: &str, condition: &str) {
    assert!(!plan.contains("Seq Scan on daily_metrics"), "{plan}");
    let is_condition = |line: &str| line.contains("Index Cond:") && line.contains(condition);
    assert!(plan.lines().any(is_condition), "no index is asked for {condition}:\n{plan}");
}

fn rows(condition: Condition, order: Vec<Order>) -> TableQuery {
    let column = Table::DailyMetrics.column("value").unwrap();
    TableQuery {
        table: Table::DailyMetrics,
        columns: vec![Output { column, alias: None, as_text: false }],
        condition,
        order,
        limit: 100,
        offset: 0,
        count: false,
    }
}

#[tokio::test]
async fn rows_by_category_and_by_time_of_the_cut_go_by_an_index() {
    let fixture = filled().await;
    let column = |name| Table::DailyMetrics.column(name).unwrap();
    let compare = |name, comparison, value| Condition::Compare { column: column(name), comparison, value };
    let category = || Value::Text("metric_7".to_owned());
    for (condition, expected) in [
        (compare("metric_category", Comparison::Equal, category()), "metric_category ="),
        (
            Condition::In { column: column("metric_category"), values: vec![category()] },
            "metric_category = ANY",
        ),
        (
            compare("collection_timestamp", Comparison::GreaterOrEqual, Value::Instant(noon())),
            "collection_timestamp >=",
        ),
    ] {
        let page = fixture.store.table(&rows(condition, Vec::new())).await.unwrap();
        assert_eq!(page.rows, 100);
        assert_goes_by_index(&plan(&fixture, "row_count").await, expected);
    }
    let newest = vec![Order::by(column("collection_timestamp"), true)];
    fixture.store.table(&rows(Condition::All(Vec::new()), newest)).await.unwrap();
    let plan = plan(&fixture, "row_count").await;
    assert!(plan.contains("Incremental Sort") && !plan.contains("Seq Scan on daily_metrics"), "{plan}");
}

#[tokio::test]
async fn records_of_some_metrics_are_read_alone() {
    let fixture = filled().await;
    let categories = ["metric_7".to_owned(), "metric_9".to_owned()];
    let (from, to) = (jiff::civil::date(2024, 1, 1), jiff::civil::date(2024, 1, 31));
    assert_eq!(fixture.store.records(from, to, Some(&categories)).await.unwrap().len(), 62);
    assert_goes_by_index(&plan(&fixture, "AS of_metric").await, "metric_category = ");
}
