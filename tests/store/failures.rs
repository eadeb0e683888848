//! The errors of a store that cannot be used.

use std::{fs, time::Duration};

use daymark::{
    database::{DatabaseUrl, FaultClass, RetryPolicy},
    store::{StoreError, StoreOptions, open},
};
use url::Url;

use crate::{
    fixture::{Fixture, day, definitions, record},
    support::fresh_database,
};

crate::on_both_stores!(
    a_store_of_a_newer_version_is_refused,
    a_changed_migration_is_refused,
    an_unreadable_definition_is_left_out
);

/// The error of a first call to the store at `url`.
async fn error_at(url: &str) -> StoreError {
    let url: DatabaseUrl = url.parse().unwrap();
    let retry = RetryPolicy { retries: 0, initial_delay: Duration::ZERO };
    let options = StoreOptions {
        tenant: "default".to_owned(),
        schema: "daymark".to_owned(),
        retry,
        statement_timeout: None,
    };
    let error = open(&url, options).recorded_span().await.unwrap_err();
    assert!(error.to_string().contains(&url.to_string()), "{error} does not say where");
    error
}

async fn a_store_of_a_newer_version_is_refused(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, '9999_from_the_future', TRUE, '', 0)";
    fixture.sql(newer).await.unwrap();
    for result in [
        fixture.again().definitions().await.map(drop),
        fixture.again().pending_migrations().await.map(drop),
        fixture.again().migrate().await.map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, StoreError::Newer { migration, .. } if migration == "9999_from_the_future"),
            "{error}"
        );
    }
}

async fn a_changed_migration_is_refused(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    fixture.sql("UPDATE _sqlx_migrations SET checksum = '' WHERE version = 1").await.unwrap();
    let error = fixture.again().definitions().await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains("0001_tables")), "{error}");
}

async fn an_unreadable_definition_is_left_out(fixture: Fixture) {
    fixture.ready().await;
    let version = "INSERT INTO metric_definition_versions
                   SELECT tenant_id, metric_type, metric_category, 2, '{\"metric_type\": \"average\", \"category\": \"mood\", \"display_name\": \"\", \"measure\": \"unknown\"}', created_at
                   FROM metric_definition_versions WHERE metric_category = 'mood'";
    fixture.sql(version).await.unwrap();
    fixture.sql("UPDATE metric_definitions SET version = 2 WHERE metric_category = 'mood'").await.unwrap();
    let readable = fixture.store.definitions().await.unwrap();
    assert_eq!(readable.len(), definitions().len() - 1);
    assert!(readable.iter().all(|stored| stored.definition.category != "mood"));
}

#[tokio::test]
async fn an_unreachable_server_is_reported_with_the_drivers_message() {
    let error = error_at("postgres://someone@127.0.0.1:1/nowhere").await;
    assert!(
        matches!(&error, StoreError::Fault { fault, .. } if fault.class == FaultClass::Unreachable),
        "{error}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.to_string().contains("check that it is running"), "{error}");
}

#[tokio::test]
async fn a_missing_database_and_a_missing_schema_have_different_errors() {
    let mut url = Url::parse(&fresh_database().await).unwrap();
    assert!(matches!(error_at(url.as_str()).await, StoreError::NotMigrated { .. }));
    url.set_path("there_is_no_such_database");
    let error = error_at(url.as_str()).await;
    assert!(error.to_string().contains("create the database"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn missing_privileges_are_reported() {
    let fixture = Fixture::postgres().await;
    fixture.store.migrate().await.unwrap();
    let role = format!("stranger_{}", uuid::Uuid::new_v4().simple());
    fixture.sql(&format!("CREATE ROLE {role}")).await.unwrap();
    let stranger = Fixture::as_role(&fixture, &role);
    let error = stranger.store.definitions().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Fault { fault, .. } if fault.class == FaultClass::Denied),
        "{error}"
    );
    assert!(error.to_string().contains("no USAGE privilege on the schema daymark"), "{error}");
    // The role may read now, but not write.
    let grant = format!(
        "GRANT USAGE ON SCHEMA daymark TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA daymark TO {role}"
    );
    fixture.sql(&grant).await.unwrap();
    stranger.store.records(day(1), day(2), None).await.unwrap();
    let error = stranger.store.start_run(&crate::fixture::new_run(day(1))).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Fault { fault, .. } if fault.class == FaultClass::Denied),
        "{error}"
    );
}

#[tokio::test]
async fn an_unusable_sqlite_path_is_reported_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("sqlite:{}", directory.path().join(name).display());

    let error = error_at(&at("missing/store.db")).await;
    assert!(error.to_string().contains("missing does not exist; create it"), "{error}");
    assert!(matches!(error_at(&at("store.db")).await, StoreError::NotMigrated { .. }));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "reading creates no file");

    fs::write(directory.path().join("letter.txt"), "Dear database, ".repeat(100)).unwrap();
    let error = error_at(&at("letter.txt")).await;
    assert!(error.to_string().contains("not an SQLite database"), "{error}");
    fs::create_dir(directory.path().join("folder")).unwrap();
    let error = error_at(&at("folder")).await;
    assert!(error.to_string().contains("it is a directory; name a file"), "{error}");
    assert!(!error.is_transient());
    fs::write(directory.path().join("file"), "").unwrap();
    let error = error_at(&at("file/store.db")).await;
    assert!(error.to_string().contains("file"), "{error}");
    assert!(!error.is_transient());
}

/// The store's sessions set `synchronous_commit`, also where the default of the database is off.
#[tokio::test]
async fn postgres_commits_are_durable() {
    let fixture = Fixture::postgres().await;
    let setting = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit TO off', current_database()); END $$";
    fixture.sql(setting).await.unwrap();
    let run = fixture.ready().await;
    // The trigger stores the setting of the store's own session in the record.
    let spy = "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   NEW.metadata := jsonb_build_object('synchronous_commit', current_setting('synchronous_commit'));
                   RETURN NEW;
               END $$;
               CREATE TRIGGER spy BEFORE INSERT ON daily_metrics FOR EACH ROW EXECUTE FUNCTION spy()";
    fixture.sql(spy).await.unwrap();
    fixture.store.commit(&[record(run, day(1), "5")], None).await.unwrap();
    let read = fixture.store.records(day(1), day(1), None).await.unwrap();
    assert_eq!(read[0].metadata["synchronous_commit"], "on");
}
