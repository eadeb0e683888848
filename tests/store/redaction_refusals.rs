//! Nothing but a redaction passes through the exception to immutability: for every role, and also within the transaction of a redaction.

use daymark::store::NewRedaction;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    fixture::{Fixture, day},
    redactions::{NAME, everything, recorded, redaction},
};

crate::on_both_stores!(the_log_of_redactions_is_immutable, records_stay_immutable_after_a_redaction);

async fn refused(fixture: &Fixture, statements: &[&str]) {
    for statement in statements {
        let error = fixture.sql(statement).await.expect_err(statement);
        assert!(error.contains("is refused:"), "{statement}: {error}");
    }
}

async fn redacted() -> Fixture {
    let fixture = Fixture::postgres().await;
    recorded(&fixture).await;
    fixture.store.redact(&redaction(NAME)).await.unwrap().unwrap();
    fixture
}

async fn the_log_of_redactions_is_immutable(fixture: Fixture) {
    recorded(&fixture).await;
    fixture.store.redact(&redaction(NAME)).await.unwrap().unwrap();
    let before = fixture.store.redactions().await.unwrap();
    refused(
        &fixture,
        &[
            "UPDATE redactions SET reason = 'another'",
            "UPDATE redactions SET author = author",
            "DELETE FROM redactions",
            // The same label with another placeholder, and the same placeholder for another label.
            "INSERT INTO redactions (tenant_id, id, placeholder, label_hash, reason, author, places)
             SELECT tenant_id, '00000000-0000-0000-0000-000000000001', 'redacted-0000000000000000', label_hash, reason, author, places
             FROM redactions",
        ],
    )
    .await;
    let (other, replace) = match fixture.is_postgres() {
        true => ("sha256('x')", "TRUNCATE redactions"),
        false => ("zeroblob(32)", "INSERT OR REPLACE INTO redactions SELECT * FROM redactions"),
    };
    let other = format!(
        "INSERT INTO redactions (tenant_id, id, placeholder, label_hash, reason, author, places)
         SELECT tenant_id, '00000000-0000-0000-0000-000000000001', placeholder, {other}, reason, author, places FROM redactions"
    );
    refused(&fixture, &[&other, replace]).await;
    assert_eq!(fixture.store.redactions().await.unwrap(), before);
}

async fn records_stay_immutable_after_a_redaction(fixture: Fixture) {
    recorded(&fixture).await;
    fixture.store.redact(&redaction(NAME)).await.unwrap().unwrap();
    let before = everything(&fixture).await;
    refused(
        &fixture,
        &[
            "UPDATE daily_metrics SET value = 4",
            "UPDATE daily_metrics SET metadata = metadata",
            "UPDATE daily_metrics SET metadata = '{}'",
            "DELETE FROM daily_metrics",
            "UPDATE metric_revisions SET metadata = '{}' WHERE kind = 'value'",
            "UPDATE metric_revisions SET reason = 'another'",
            "DELETE FROM metric_revisions",
            "UPDATE metric_collection_log SET error_message = 'another'",
            "UPDATE jobs SET result = '{}'",
            "UPDATE schedule_pauses SET reason = 'another'",
            "UPDATE alert_silences SET reason = 'another'",
            "UPDATE store_settings SET simulated_clock = TRUE",
        ],
    )
    .await;
    assert_eq!(everything(&fixture).await, before);
}

/// A transaction of the owner that has logged the redaction of a label and has all privileges that `redact_label` gives itself for a
/// moment. The tests' owner is a superuser, so that only the triggers are left to refuse a change.
async fn within_a_redaction(fixture: &Fixture, statement: &str) -> Result<u64, String> {
    let mut session = fixture.postgres_session().await;
    let mut transaction = session.begin().await.unwrap();
    log_redaction(&mut transaction, NAME).await;
    let outcome = transaction.execute(AssertSqlSafe(statement.to_owned())).await;
    outcome.map(|done| done.rows_affected()).map_err(|error| error.to_string())
}

async fn log_redaction(session: &mut PgConnection, label: &str) {
    let log = "INSERT INTO redactions (tenant_id, id, placeholder, label_hash, reason, author, places)
        SELECT 'default', gen_random_uuid(), 'redacted-0123456789abcdef', sha256(redaction_key || convert_to($1, 'UTF8')), 'test',
            'cli:test', '{}' FROM store_settings";
    sqlx::query(log).bind(label).execute(session).await.unwrap();
}

/// The statement that replaces the label in the metadata of the first day, with `change` made to its text as well.
fn replacing(change: &str) -> String {
    let replaced = format!("replace(metadata::TEXT, '\"{NAME}\"', '\"redacted-0123456789abcdef\"')");
    format!(
        "UPDATE daily_metrics SET metadata = {} WHERE metric_category = 'top_genres' AND metric_date = '2025-01-01'",
        change.replace("@", &replaced)
    )
}

#[tokio::test]
async fn within_a_redaction_only_its_own_change_passes() {
    let fixture = Fixture::postgres().await;
    recorded(&fixture).await;
    assert_eq!(within_a_redaction(&fixture, &replacing("@::JSONB")).await, Ok(1), "exactly the redaction");
    let metadata = [
        // The text of another label, another number, the digits of a number, a label or a member less or more, another placeholder.
        "replace(@, '\"Zoe\"', '\"redacted-0123456789abcdef\"')::JSONB",
        "replace(@, '\"Zoe\"', '\"Ada\"')::JSONB",
        "replace(@, ': 2', ': 3')::JSONB",
        "replace(@, '1.50', '1.5')::JSONB",
        "@::JSONB - 'sums'",
        "@::JSONB || '{\"note\": 1}'",
        "@::JSONB #- '{breakdown,Zoe}'",
        "replace(@, 'redacted-0123456789abcdef', 'redacted-0123456789abcdee')::JSONB",
        // Only one of the places.
        "jsonb_set(metadata, '{top_items}', @::JSONB -> 'top_items')",
        "'{}'",
    ];
    let mut statements: Vec<String> = metadata.into_iter().map(replacing).collect();
    for other in [
        "value = 4",
        "value = 3.100",
        "metric_date = '2025-01-09'",
        "collection_timestamp = now()",
        "created_at = now()",
        "provenance = 'reconstructed'",
        "id = gen_random_uuid()",
        "tenant_id = 'other'",
    ] {
        statements.push(replacing(&format!("@::JSONB, {other}")));
        statements.push(format!("UPDATE daily_metrics SET {other} WHERE metric_date = '2025-01-01'"));
    }
    statements.extend(
        [
            "DELETE FROM daily_metrics",
            "DELETE FROM metric_revisions",
            "TRUNCATE daily_metrics, daily_metrics_2025, metric_revisions",
            "UPDATE redactions SET reason = 'another'",
            "DELETE FROM redactions",
            "UPDATE metric_revisions SET reason = 'another'",
            "UPDATE metric_revisions SET reason = 'redacted-0123456789abcdef was counted twice' WHERE reason LIKE 'Ada%'",
            "UPDATE metric_revisions SET reason = reason || ' redacted-0123456789abcdef'",
            "UPDATE metric_revisions SET value = 4 WHERE kind = 'value'",
            "UPDATE metric_revisions SET author = 'redacted-0123456789abcdef'",
            "UPDATE metric_collection_log SET error_message = NULL",
            "UPDATE metric_collection_log SET metrics_collected = 4, error_message = replace(error_message, 'Ada Lovelace', 'redacted-0123456789abcdef')",
            "UPDATE metric_collection_log SET host = 'redacted-0123456789abcdef'",
            "UPDATE jobs SET result = '{\"error\": \"redacted-0123456789abcdef\"}'",
            "UPDATE schedule_pauses SET reason = 'until Ada is back'",
            "UPDATE alert_silences SET reason = 'until redacted-0123456789abcdef is back', rule = 'x'",
            "UPDATE metric_definition_versions SET spec = spec",
        ]
        .map(str::to_owned),
    );
    for statement in statements {
        let error = within_a_redaction(&fixture, &statement).await.expect_err(&statement);
        assert!(error.contains("is refused:"), "{statement}: {error}");
    }
    // These are the redaction of a text.
    for statement in [
        "UPDATE metric_revisions SET reason = replace(reason, 'Ada Lovelace', 'redacted-0123456789abcdef') WHERE reason LIKE 'Ada%'",
        "UPDATE jobs SET result = '{\"error\": \"\\\"redacted-0123456789abcdef\\\"\"}'",
        "UPDATE alert_silences SET reason = 'until redacted-0123456789abcdef is back'",
    ] {
        assert_eq!(within_a_redaction(&fixture, statement).await, Ok(1), "{statement}");
    }
}

/// The entry of an earlier transaction, and one of another label, let nothing through.
#[tokio::test]
async fn an_entry_of_another_transaction_or_label_lets_nothing_through() {
    let fixture = redacted().await;
    let unredacted = Fixture::postgres().await;
    recorded(&unredacted).await;
    log_redaction(&mut unredacted.postgres_session().await, NAME).await;
    refused(&unredacted, &[&replacing("@::JSONB")]).await;
    let call = "SELECT redact_label('default', (SELECT id FROM redactions), '{}')";
    refused(&fixture, &[call]).await;
    let mut session = fixture.postgres_session().await;
    let mut transaction = session.begin().await.unwrap();
    log_redaction(&mut transaction, "Zoe Zoe").await;
    let other = "UPDATE daily_metrics SET metadata = replace(metadata::TEXT, '\"Zoe\"', '\"redacted-0123456789abcdef\"')::JSONB
                 WHERE metric_category = 'top_genres' AND metric_date = '2025-01-01'";
    let error = transaction.execute(other).await.unwrap_err();
    assert!(error.to_string().contains("is refused:"), "{error}");
}

/// A store that an ordinary role owns, with roles that record and correct.
#[tokio::test]
async fn only_the_owner_redacts_and_gains_nothing_for_longer() {
    let fixture = Fixture::postgres().await;
    let id = uuid::Uuid::new_v4().simple();
    let [owner, service, corrector] = ["owner", "service", "corrector"].map(|role| format!("{role}_{id}"));
    fixture
        .sql(&format!(
            "CREATE ROLE {owner}; CREATE ROLE {service}; CREATE ROLE {corrector} IN ROLE {service};
             CREATE SCHEMA daymark AUTHORIZATION {owner}"
        ))
        .await
        .unwrap();
    let as_owner = Fixture::as_role(&fixture, &owner);
    recorded(&as_owner).await;
    fixture
        .sql(&format!(
            "GRANT USAGE ON SCHEMA daymark TO {service};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA daymark TO {service};
             REVOKE ALL ON daymark.redactions FROM {service}; GRANT SELECT ON daymark.redactions TO {service};
             REVOKE UPDATE, DELETE ON daymark.daily_metrics, daymark.metric_revisions FROM {service}"
        ))
        .await
        .unwrap();
    for role in [&service, &corrector] {
        let store = Fixture::as_role(&fixture, role).store;
        let error = store.find_label(NAME).await.unwrap_err();
        assert!(error.is_denied(), "{role} may not look for a label either: {error}");
        assert!(store.label_redactions().await.unwrap().is_empty(), "{role} needs them to record");
        let error = store.redact(&redaction(NAME)).await.unwrap_err();
        assert!(error.is_denied(), "{role}: {error}");
        let call =
            format!("SET ROLE {role}; SELECT daymark.redact_label('default', gen_random_uuid(), '{{}}')");
        let error = fixture.sql(&call).await.unwrap_err();
        assert!(error.contains("permission denied"), "{role}: {error}");
    }
    let before = privileges(&fixture).await;
    let own = NewRedaction { author: "cli:owner".to_owned(), ..redaction(NAME) };
    assert_eq!(as_owner.store.redact(&own).await.unwrap().unwrap().places.metrics[0].records, 3);
    assert_eq!(privileges(&fixture).await, before, "what the procedure granted is revoked");
    for statement in
        ["UPDATE daily_metrics SET metadata = metadata", "UPDATE metric_revisions SET reason = reason"]
    {
        let error = fixture.sql(&format!("SET ROLE {owner}; {statement}")).await.unwrap_err();
        assert!(error.contains("permission denied"), "{statement}: {error}");
    }
    assert_eq!(as_owner.store.records(day(1), day(31), None).await.unwrap().len(), 5);
}

async fn privileges(fixture: &Fixture) -> Vec<String> {
    let select = "SELECT concat_ws(' ', relname, attname, relacl, attacl) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
                  WHERE relnamespace = 'daymark'::regnamespace AND attnum > 0 ORDER BY 1";
    sqlx::query_scalar(select).fetch_all(&mut fixture.postgres_session().await).await.unwrap()
}
