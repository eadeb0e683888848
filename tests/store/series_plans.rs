//! The plans of the statement that reads series, on a store with many records and some corrections: of the records alone, of the values
//! in force, and as of an instant. It reads the rows of the asked metrics by their keys, so that other metrics cost nothing.

use daymark::{
    metric::{MetricType, Provenance},
    store::{NewRevision, RevisionBasis, RevisionBatch, RevisionEffect, ValuesAsked, series_statement},
};
use jiff::ToSpan;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::fixture::{Fixture, day, decimal, key, noon, record};

/// Each view, and whether it reads revisions.
const VIEWS: [(ValuesAsked, bool); 4] = {
    let as_of = Some(jiff::Timestamp::constant(1_767_000_000, 0));
    [
        (ValuesAsked { as_recorded: true, as_of: None }, false),
        (ValuesAsked { as_recorded: false, as_of: None }, true),
        (ValuesAsked { as_recorded: true, as_of }, false),
        (ValuesAsked { as_recorded: false, as_of }, true),
    ]
};

/// Two hundred metrics on each day of a year, of which every twentieth is corrected, and every hundredth twice.
pub const ROWS: &str = "
    SELECT ensure_partition(2025);
    ALTER TABLE daily_metrics_2025 DISABLE TRIGGER ALL;
    INSERT INTO daily_metrics_2025 (tenant_id, metric_date, metric_type, metric_category, value, provenance,
                                    definition_version, collection_id, collection_timestamp)
    SELECT 'default', DATE '2025-01-01' + day, 'count', 'metric_' || metric, day, 'observed', 1, gen_random_uuid(),
        TIMESTAMPTZ '2025-01-02 00:15Z' + day * INTERVAL '1 day' + metric * INTERVAL '1 millisecond'
    FROM generate_series(0, 364) AS day, generate_series(1, 200) AS metric;
    ALTER TABLE metric_revisions DISABLE TRIGGER ALL;
    INSERT INTO metric_revisions (tenant_id, metric_date, metric_type, metric_category, revision, batch_id, kind, value, metadata,
                                  basis, reason, author, created_at)
    SELECT tenant_id, metric_date, metric_type, metric_category, number, gen_random_uuid(), 'value', 7, '{}', 'manual', 'why', 'cli:test', now()
    FROM (SELECT *, row_number() OVER (ORDER BY metric_category, metric_date) AS place FROM daily_metrics_2025) AS recorded,
        generate_series(1, 2) AS number
    WHERE place % 20 = 0 AND (number = 1 OR place % 100 = 0);
    ANALYZE daily_metrics; ANALYZE metric_revisions";

#[tokio::test]
async fn postgres_reads_the_asked_series_by_their_key() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let mut session = fixture.postgres_session().await;
    sqlx::raw_sql(ROWS).execute(&mut session).await.unwrap();
    for (values, reads_revisions) in VIEWS {
        let (more_types, more) = match values.as_of {
            Some(_) => (", timestamptz", ", now()"),
            None => ("", ""),
        };
        let prepare = format!(
            "DEALLOCATE ALL; SET plan_cache_mode TO force_generic_plan;
             PREPARE series (text, date, date, text[], text[], boolean[], boolean[]{more_types}) AS {}",
            series_statement(true, values)
        );
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut session).await.unwrap();
        let explain = format!(
            "EXPLAIN EXECUTE series ('default', '2025-01-01', '2025-12-31', '{{count}}', '{{metric_7}}', '{{false}}', '{{false}}'{more})"
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut session).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let reads = |table: &str| plan.iter().any(|step| step.contains(table));
        assert!(reads("daily_metrics_2025"), "{plan:#?}");
        assert_eq!(reads("metric_revisions"), reads_revisions, "{plan:#?}");
        assert!(!reads("Seq Scan"), "{values:?}: {plan:#?}");
        let by_range: Vec<_> = plan
            .iter()
            .filter(|step| step.contains("Index Cond") && step.contains("metric_date >="))
            .collect();
        assert!(by_range.len() > usize::from(reads_revisions), "{values:?}: {plan:#?}");
        assert!(
            by_range.iter().all(|step| step.contains("metric_category = asked.metric_category")),
            "{values:?}: {plan:#?}"
        );
    }
}

#[tokio::test]
async fn sqlite_reads_the_asked_series_by_their_key() {
    let fixture = Fixture::sqlite();
    let run = fixture.ready().await;
    let days: Vec<_> = (0..365).map(|number| day(1).saturating_sub(number.days())).collect();
    let of_day = |date: &jiff::civil::Date| daymark::metric::Record {
        provenance: Provenance::Reconstructed,
        ..record(run, *date, "5")
    };
    fixture.store.commit(&days.iter().map(of_day).collect::<Vec<_>>(), None).await.unwrap();
    let revision = |date: &jiff::civil::Date| NewRevision {
        date: *date,
        key: key(MetricType::Count, "posts_total"),
        effect: RevisionEffect::Value { value: decimal("7"), metadata: serde_json::Map::new() },
        basis: RevisionBasis::MANUAL,
        number: None,
    };
    let batch = RevisionBatch {
        id: Uuid::new_v4(),
        reason: "why".to_owned(),
        author: "cli:test".to_owned(),
        made_at: noon(),
        revisions: days.iter().step_by(20).map(revision).collect(),
    };
    fixture.store.write_revisions(&batch).await.unwrap();
    fixture.sql("ANALYZE").await.unwrap();
    for (values, reads_revisions) in VIEWS {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", series_statement(false, values)));
        let mut connection = fixture.sqlite_connection().await;
        let mut query = sqlx::query(explain).bind("default").bind("2025-01-01").bind("2025-12-31").bind("[]");
        if values.as_of.is_some() {
            query = query.bind("2025-12-31T00:00:00.000000Z");
        }
        let rows = query.fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let by_key = |table: &str, more: &str| {
            let columns = format!("(tenant_id=? AND metric_category=? AND metric_type=? AND {more}");
            plan.iter().any(|step| step.starts_with(&format!("SEARCH {table} ")) && step.contains(&columns))
        };
        let range = "metric_date>? AND metric_date<?)";
        assert!(by_key("daily_metrics", range), "{values:?}: {plan:#?}");
        assert_eq!(by_key("kept", range), reads_revisions, "{values:?}: {plan:#?}");
        assert_eq!(by_key("later", "metric_date=?"), reads_revisions, "{values:?}: {plan:#?}");
        let scans = plan.iter().filter(|step| step.starts_with("SCAN") && !step.starts_with("SCAN asked"));
        assert_eq!(scans.collect::<Vec<_>>(), [""; 0], "{values:?}: {plan:#?}");
    }
}
