//! A platform whose tables its application has locked.

use std::io::{BufRead, BufReader};

use crate::{
    database::Database,
    installation::{Installation, METRICS},
};

const DAY: &str = "2024-07-15";
const COLLECT: [&str; 3] = ["collect", "--date", DAY];
/// Like [`COLLECT`], but without the pause that follows a failure.
const RETRY: [&str; 4] = ["collect", "--date", DAY, "--retry"];
/// The metrics that do not read posts.
const WITHOUT_POSTS: [&str; 3] = ["comments_created", "comments_total", "users_total"];

#[tokio::test]
async fn a_lock_timeout_on_one_table_fails_its_own_metrics_only() {
    let mut installation = Installation::of_platform(Database::fresh_postgres().await).await;
    installation.set("DAYMARK_PLATFORM_LOCK_TIMEOUT_SECONDS", 1);
    fails_with(&installation, "55P03", "lock timeout", false).await;
}

#[tokio::test]
async fn a_statement_timeout_on_one_table_fails_its_own_metrics_only() {
    let mut installation = Installation::of_platform(Database::fresh_postgres().await).await;
    installation.set("DAYMARK_PLATFORM_STATEMENT_TIMEOUT_SECONDS", 1);
    fails_with(&installation, "57014", "statement timeout", true).await;
}

async fn fails_with(installation: &Installation, sqlstate: &str, reason: &str, timed_out: bool) {
    let mut application = installation.platform.session().await;
    application.execute("BEGIN; LOCK TABLE posts IN ACCESS EXCLUSIVE MODE").await;
    let ended = installation.run(&COLLECT);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.stderr, "", "failures are in the result on stdout only");

    let ledger = installation.ledger().await;
    assert_eq!(ledger.metrics_of(DAY), WITHOUT_POSTS);
    let run = ledger.last_run();
    assert_eq!((run.status.as_str(), run.metrics_collected), ("partial", WITHOUT_POSTS.len()));
    let details: serde_json::Value = serde_json::from_str(&run.details).unwrap();
    let failures = details["failures"].as_array().unwrap();
    let mut failed: Vec<_> =
        failures.iter().map(|failure| failure["metric_category"].as_str().unwrap()).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["active_users", "engagement_rate", "posts_created", "posts_total"]);
    for failure in failures {
        assert_eq!((&failure["sqlstate"], &failure["timed_out"]), (&sqlstate.into(), &timed_out.into()));
        assert!(failure["message"].as_str().unwrap().contains(reason), "{failure}");
    }
    for line in run.message.lines() {
        assert!(line.contains(reason) && line.contains(sqlstate), "{line}");
        assert!(ended.stdout.contains(line), "{ended:?}");
    }

    application.execute("ROLLBACK").await;
    let ended = installation.run(&COLLECT);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stdout.contains("not tried again yet, 3 already there, 4 failed"), "{ended:?}");
    assert!(ended.stdout.contains("`--retry` makes one now"), "{ended:?}");
    assert_eq!(
        installation.ledger().await.runs.len(),
        ledger.runs.len(),
        "the skipped run writes no log entry"
    );
    let ended = installation.succeed(&RETRY);
    assert!(ended.stdout.contains("3 already there"), "{ended:?}");
    let after = installation.ledger().await;
    assert_eq!(after.metrics_of(DAY), METRICS);
    for (key, recorded) in &ledger.records {
        assert_eq!(after.records.get(key), Some(recorded));
    }
}

#[tokio::test]
async fn a_locked_sqlite_platform_fails_the_collection_with_a_hint() {
    let mut installation = Installation::sqlite().await;
    installation.set("DAYMARK_PLATFORM_LOCK_TIMEOUT_SECONDS", 1);
    let mut application = installation.platform.session().await;
    application.execute("BEGIN EXCLUSIVE").await;
    let ended = installation.run(&COLLECT);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = format!(
        "the platform {}: database is locked (sqlite:5); find the other transactions that hold locks there, and try again",
        installation.platform.url()
    );
    assert_eq!(ended.stderr.lines().last(), Some(format!("error: {said}").as_str()));
    let ledger = installation.ledger().await;
    assert_eq!((ledger.last_run().status.as_str(), &ledger.last_run().message), ("failed", &said));
    assert!(ledger.records.is_empty());

    application.execute("ROLLBACK").await;
    installation.succeed(&COLLECT);
    assert_eq!(installation.ledger().await.metrics_of(DAY), METRICS);
}

#[tokio::test]
async fn a_migration_reports_that_it_waits_for_the_migration_lock() {
    let installation = Installation::of_store(Database::fresh_postgres().await).await;
    let mut other = installation.store.session().await;
    other.execute("SELECT pg_advisory_lock(hashtextextended('daymark:daymark:migrate', 0))").await;
    let mut child = installation.spawn(&["migrate"]);
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("holds the lock for migrations of schema daymark"), "{line}");
    drop(other);
    assert!(child.wait().unwrap().success());
}
