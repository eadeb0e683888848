//! Databases behind PgBouncer, in session mode and in transaction mode.

use crate::{
    database::Database,
    installation::{Installation, METRICS},
    pooler::Pooler,
};

const DAY: &str = "2024-07-15";
const COLLECT: [&str; 3] = ["collect", "--date", DAY];

/// An installation whose databases are both on PostgreSQL.
async fn installation() -> Installation {
    Installation::postgres().await
}

fn behind(pooler: &Pooler, database: &Database) -> Database {
    Database::Postgres(pooler.url(&database.url()))
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_and_store_work_behind_a_pooler_in_session_mode() {
    let mut installation = installation().await;
    let pooler = Pooler::new(&installation.store.url(), "session", "");
    installation.platform = behind(&pooler, &installation.platform);
    installation.store = behind(&pooler, &Database::fresh_postgres().await);
    for arguments in [["migrate"].as_slice(), &["apply"], &["check"], &COLLECT] {
        installation.succeed(arguments);
    }
    assert_eq!(installation.ledger().await.metrics_of(DAY), METRICS);

    let Database::Postgres(url) = &installation.platform else { unreachable!("it is behind a pooler") };
    installation.platform = Database::Postgres(format!("{url}?options=-c%20geqo%3Doff"));
    let ended = installation.run(&["collect", "--date", "2024-07-16"]);
    assert!(ended.stderr.contains("unsupported startup parameter: options"), "{ended:?}");
    assert!(ended.stderr.contains("ignore_startup_parameters"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_works_behind_a_pooler_in_transaction_mode() {
    let mut installation = installation().await;
    let pooler = Pooler::new(&installation.platform.url(), "transaction", "");
    installation.platform = behind(&pooler, &installation.platform);
    installation.succeed(&["check"]);
    installation.succeed(&COLLECT);
    assert_eq!(installation.ledger().await.metrics_of(DAY), METRICS);
    let mut session = installation.platform.session().await;
    for (setting, default) in [("statement_timeout", "0"), ("row_security", "on")] {
        let query = format!("SELECT current_setting('{setting}')");
        let [[left]] = session.rows(&query).await.try_into().unwrap();
        assert_eq!(left.as_deref(), Some(default), "a setting is left in a session that other clients get");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_behind_a_pooler_in_transaction_mode_is_refused_before_anything_is_set() {
    for settings in ["", "default_pool_size = 1", "server_round_robin = 1"] {
        let mut installation = installation().await;
        let server = Database::fresh_postgres().await;
        let pooler = Pooler::new(&server.url(), "transaction", settings);
        installation.store = behind(&pooler, &server);
        for arguments in [["migrate"].as_slice(), &["apply"], &["status"], &COLLECT] {
            let ended = installation.run(arguments);
            assert_eq!(ended.code, Some(1), "{settings}: {ended:?}");
            assert!(ended.stderr.contains("pool_mode = transaction"), "{settings}: {ended:?}");
        }
        let mut client = installation.store.session().await;
        let [[path]] = client.rows("SELECT current_setting('search_path')").await.try_into().unwrap();
        assert_eq!(path.as_deref(), Some("\"$user\", public"), "{settings}");
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database =
                     (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert_eq!(client.count(locks).await, 0, "{settings}: a lock is left behind");
    }
}
