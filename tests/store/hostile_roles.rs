//! What a role of the database cannot do with the functions of the schema, and what the recording role cannot write to the tables beside
//! the record.

use uuid::Uuid;

use crate::fixture::Fixture;

/// A role that may use the schema and read records, like the one of a dashboard.
async fn reading_role(fixture: &Fixture) -> String {
    let role = format!("dash_{}", Uuid::new_v4().simple());
    let grants = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA daymark TO {role}; GRANT SELECT ON daily_metrics TO {role}"
    );
    fixture.sql(&grants).await.unwrap();
    role
}

/// A trigger of `function` on a temporary table of the session.
fn bait(function: &str) -> String {
    format!(
        "CREATE TEMP TABLE bait (tenant_id TEXT, metric_category TEXT, metric_type TEXT, metric_date DATE);
         CREATE TRIGGER bait AFTER INSERT ON bait REFERENCING NEW TABLE AS inserted
         FOR EACH STATEMENT EXECUTE FUNCTION daymark.{function}();
         INSERT INTO bait VALUES ('default', 'posts_total', 'count', '2025-01-01')"
    )
}

#[tokio::test]
async fn no_role_can_run_a_trigger_function_on_a_table_of_its_own() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let role = reading_role(&fixture).await;
    for function in ["forget_judgements", "refuse_change", "number_event", "number_notification"] {
        let refused = fixture.sql(&format!("SET ROLE {role}; {}", bait(function))).await.unwrap_err();
        assert!(
            refused.contains("permission denied for function") && refused.contains(function),
            "{refused}"
        );
    }
    // A superuser has the privilege, and the function still refuses the table.
    let refused = fixture.sql(&bait("forget_judgements")).await.unwrap_err();
    assert!(refused.contains("forget_judgements belongs to metric_revisions"), "{refused}");
    assert_eq!(fixture.store.integrity().await.unwrap(), []);
}

#[tokio::test]
async fn the_check_of_integrity_names_a_role_that_may_execute_a_trigger_function() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let role = reading_role(&fixture).await;
    for grantee in [role.as_str(), "PUBLIC"] {
        fixture.sql(&format!("GRANT EXECUTE ON FUNCTION forget_judgements TO {grantee}")).await.unwrap();
        let [found] = &fixture.store.integrity().await.unwrap()[..] else { panic!("not one finding") };
        let expected = format!(
            "the role {grantee} has the privilege EXECUTE on the trigger function forget_judgements()"
        );
        assert_eq!(found.message, expected);
        fixture.sql(found.remedy.as_deref().unwrap()).await.unwrap();
        assert_eq!(fixture.store.integrity().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_row_of_alerts_after_which_there_is_no_next_one_is_refused() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let state = |rule: &str, revision: i64, told: &str| {
        format!(
            "INSERT INTO alert_states (tenant_id, rule, state, since, started_at, summary, told, revision)
             VALUES ('default', '{rule}', 'firing', now(), now(), 'x', '{told}', {revision})"
        )
    };
    let deep = format!("{}1{}", r#"{"a":"#.repeat(64), "}".repeat(64));
    for hostile in [state("gone", i64::MAX, "{}"), state("gone", 2, "{}"), state("gone", 1, &deep)] {
        assert!(fixture.sql(&hostile).await.is_err(), "{hostile} was accepted");
    }
    fixture.sql(&state("kept", 1, "{}")).await.unwrap();
    let skipped = fixture.sql("UPDATE alert_states SET revision = 9").await.unwrap_err();
    assert!(skipped.contains("the revision of kept is 9"), "{skipped}");
    assert_eq!(fixture.sql("UPDATE alert_states SET revision = 2").await, Ok(1));

    let notification = |number: i64, content: &str| {
        format!(
            "INSERT INTO notifications (tenant_id, id, number, channel, kind, content, created_at, status, next_attempt_at)
             VALUES ('default', gen_random_uuid(), {number}, 'ops', 'test', '{content}', now(), 'pending', now())"
        )
    };
    assert!(fixture.sql(&notification(1, &deep)).await.is_err(), "content that no reader can read");
    for given in [i64::MAX, 7] {
        fixture.sql(&notification(given, "{}")).await.unwrap();
    }
    fixture.sql(&format!("UPDATE notifications SET number = {}", i64::MAX)).await.unwrap();
    let written = fixture.store.notifications(None, 10).await.unwrap();
    assert_eq!(written.len(), 2);
    let numbered = "DELETE FROM notifications WHERE number IN (1, 2)";
    assert_eq!(fixture.sql(numbered).await, Ok(2), "the numbers are those that follow each other");
}

#[tokio::test]
async fn rows_beside_the_record_that_no_reader_could_read_are_refused() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let digits = format!("0.{}", "1".repeat(31));
    for hostile in [
        "INSERT INTO metric_definition_versions (tenant_id, metric_type, metric_category, version, spec)
         SELECT tenant_id, metric_type, metric_category, version + 1, spec || '{\"measure\": 5}' FROM metric_definition_versions
         LIMIT 1"
            .to_owned(),
        "INSERT INTO api_keys (tenant_id, id, name, hash, role, scopes, created_at, created_by)
         VALUES ('default', gen_random_uuid(), 'x', repeat('a', 32)::BYTEA, 'reader', ARRAY[['read'], ['log']], now(), 'cli:a')"
            .to_owned(),
        "INSERT INTO daily_metric_judgements (tenant_id, metric_date, metric_type, metric_category, judge_version, verdict,
             baseline_days, baseline_from, baseline_to)
         VALUES ('default', '2025-01-01', 'count', 'posts_total', 1, 'normal', 3, '-infinity', '2024-12-31')"
            .to_owned(),
        format!(
            "INSERT INTO daily_metric_judgements (tenant_id, metric_date, metric_type, metric_category, judge_version, verdict,
                 expected_low, expected_high, baseline_days, baseline_from, baseline_to)
             VALUES ('default', '2025-01-01', 'count', 'posts_total', 1, 'normal', {digits}, 1, 3, '2024-12-01', '2024-12-31')"
        ),
        format!(
            "INSERT INTO drift_samples (tenant_id, metric_date, metric_type, metric_category, recorded, recounted, recounted_at)
             VALUES ('default', '2025-01-01', 'count', 'posts_total', 1, {digits}, now())"
        ),
    ] {
        let refused = fixture.sql(&hostile).await.unwrap_err();
        assert!(refused.contains("check constraint"), "{refused}\n{hostile}");
    }
}
