//! No role can change recorded history with any statement, on either store.

use crate::{
    fixture::{Fixture, day, finish, record},
    revisions::{correction, write},
};

crate::on_both_stores!(
    records_versions_and_finished_runs_cannot_be_changed,
    a_running_log_entry_can_only_be_finished
);

/// Runs statements that a trigger must refuse.
async fn refused(fixture: &Fixture, statements: &[&str]) {
    for statement in statements {
        let error = fixture.sql(statement).await.expect_err(statement);
        assert!(error.contains("is refused:"), "{statement}: {error}");
    }
}

/// A store with one record and its finished run.
async fn with_history(fixture: &Fixture) {
    let run = fixture.ready().await;
    let records = [record(run, day(1), "5"), record(run, day(2), "6")];
    fixture.store.commit(&records, Some(&finish(run))).await.unwrap();
    write(fixture.store.as_ref(), vec![correction(1, "4")]).await.unwrap();
}

/// A store with a record for each day of a month.
async fn with_january(fixture: &Fixture) {
    let run = fixture.ready().await;
    let records: Vec<_> = (1..=31).map(|number| record(run, day(number), "5")).collect();
    fixture.store.commit(&records, Some(&finish(run))).await.unwrap();
    write(fixture.store.as_ref(), vec![correction(1, "4")]).await.unwrap();
}

async fn records_versions_and_finished_runs_cannot_be_changed(fixture: Fixture) {
    with_history(&fixture).await;
    let before = fixture.store.records(day(1), day(31), None).await.unwrap();
    refused(
        &fixture,
        &[
            "UPDATE daily_metrics SET value = 4",
            "UPDATE daily_metrics SET metric_date = '2025-01-09' WHERE metric_date = '2025-01-01'",
            "UPDATE daily_metrics SET metadata = metadata",
            "DELETE FROM daily_metrics",
            "DELETE FROM daily_metrics WHERE metric_date = '2025-01-01'",
            "INSERT INTO daily_metrics SELECT * FROM daily_metrics WHERE TRUE
             ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO UPDATE SET value = 4",
            "UPDATE metric_revisions SET value = 4",
            "UPDATE metric_revisions SET reason = reason",
            "UPDATE metric_revisions SET metric_date = '2025-01-02'",
            "DELETE FROM metric_revisions",
            "DELETE FROM metric_revisions WHERE kind = 'value'",
            "UPDATE metric_definition_versions SET spec = '{}'",
            "DELETE FROM metric_definition_versions",
            "UPDATE metric_collection_log SET metrics_collected = 7",
            "UPDATE metric_collection_log SET status = 'failed'",
            "UPDATE metric_collection_log SET status = 'running', completed_at = NULL",
            "DELETE FROM metric_collection_log",
        ],
    )
    .await;
    assert_eq!(fixture.store.records(day(1), day(31), None).await.unwrap(), before);
}

async fn a_running_log_entry_can_only_be_finished(fixture: Fixture) {
    fixture.ready().await;
    refused(
        &fixture,
        &[
            "UPDATE metric_collection_log SET metrics_collected = 7",
            "UPDATE metric_collection_log SET status = 'failed', completed_at = started_at, host = 'elsewhere'",
            "UPDATE metric_collection_log SET status = 'failed', completed_at = started_at, collection_date = '2024-12-31'",
            "DELETE FROM metric_collection_log",
        ],
    )
    .await;
    let finish = "UPDATE metric_collection_log SET status = 'failed', completed_at = started_at";
    assert_eq!(fixture.sql(finish).await, Ok(1));
}

#[tokio::test]
async fn postgres_refuses_truncate_and_bypasses_of_the_triggers() {
    let fixture = Fixture::postgres().await;
    with_january(&fixture).await;
    let statements = [
        "TRUNCATE daily_metrics",
        "TRUNCATE daily_metrics_2025",
        "TRUNCATE metric_revisions",
        "TRUNCATE metric_definition_versions CASCADE",
        "TRUNCATE metric_collection_log CASCADE",
        "UPDATE daily_metrics_2025 SET value = 4",
        "DELETE FROM daily_metrics_2025",
        "MERGE INTO daily_metrics USING (SELECT 1) AS one ON TRUE WHEN MATCHED THEN DELETE",
        "MERGE INTO metric_revisions USING (SELECT 1) AS one ON TRUE WHEN MATCHED THEN DELETE",
    ];
    refused(&fixture, &statements).await;
    for statement in
        statements.iter().chain(&["UPDATE daily_metrics SET value = 4", "DELETE FROM daily_metrics"])
    {
        refused(&fixture, &[&format!("SET session_replication_role = replica; {statement}")]).await;
    }
    assert_eq!(fixture.store.records(day(1), day(31), None).await.unwrap().len(), 31);
}

#[tokio::test]
async fn postgres_grants_no_role_the_privilege_to_change_history() {
    let fixture = Fixture::postgres().await;
    // An ordinary role owns the store, and default privileges grant all privileges on new tables to PUBLIC.
    let role = format!("owner_{}", uuid::Uuid::new_v4().simple());
    let setting_up = format!(
        "CREATE ROLE {role}; CREATE SCHEMA daymark AUTHORIZATION {role};
         ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT ALL ON TABLES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT ALL ON TABLES TO pg_monitor"
    );
    fixture.sql(&setting_up).await.unwrap();
    let as_owner = Fixture::as_role(&fixture, &role);
    with_january(&as_owner).await;
    assert_eq!(as_owner.store.records(day(1), day(31), None).await.unwrap().len(), 31);

    for statement in [
        "UPDATE daily_metrics SET value = 4",
        "DELETE FROM daily_metrics",
        "TRUNCATE daily_metrics",
        "UPDATE daily_metrics_2025 SET value = 4",
        "DELETE FROM daily_metrics_2025",
        "TRUNCATE daily_metrics_2025",
        "UPDATE metric_revisions SET value = 4",
        "DELETE FROM metric_revisions",
        "TRUNCATE metric_revisions",
        "DELETE FROM metric_collection_log",
        "DELETE FROM metric_definition_versions",
    ] {
        let error = fixture.sql(&format!("SET ROLE {role}; {statement}")).await.unwrap_err();
        assert!(error.contains("permission denied"), "{statement}: {error}");
    }
    let granted: Vec<String> = sqlx::query_scalar(
        "SELECT relname || ' to ' || grantee::regrole FROM pg_class, aclexplode(relacl)
         WHERE relnamespace = 'daymark'::regnamespace AND relname ~ '^(daily|metric)_' AND grantee <> relowner",
    )
    .fetch_all(&mut fixture.postgres_session().await)
    .await
    .unwrap();
    assert_eq!(granted, [""; 0]);
}

#[tokio::test]
async fn sqlite_refuses_insert_or_replace() {
    let fixture = Fixture::sqlite();
    with_history(&fixture).await;
    let before = fixture.store.records(day(1), day(31), None).await.unwrap();
    refused(
        &fixture,
        &[
            "INSERT OR REPLACE INTO daily_metrics SELECT * FROM daily_metrics",
            "REPLACE INTO daily_metrics SELECT * FROM daily_metrics",
            "INSERT OR REPLACE INTO metric_revisions SELECT * FROM metric_revisions",
            "REPLACE INTO metric_revisions SELECT * FROM metric_revisions",
            "UPDATE OR REPLACE daily_metrics SET metric_date = '2025-01-02'",
            "INSERT OR REPLACE INTO metric_definition_versions SELECT * FROM metric_definition_versions",
            "INSERT OR REPLACE INTO metric_collection_log SELECT * FROM metric_collection_log",
        ],
    )
    .await;
    assert_eq!(fixture.store.records(day(1), day(31), None).await.unwrap(), before);
}
