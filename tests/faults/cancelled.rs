//! The statement of a run that is interrupted, killed or cancelled ends on the platform as well, and is not retried.

use std::{
    fs,
    process::{Child, Command},
    time::{Duration, Instant},
};

use crate::{
    database::{Database, Session},
    installation::{Ended, Installation, end, wait_until_any},
    pooler::Pooler,
};

/// How long a statement may outlive the process that waits for it.
const LEFT_OVER: Duration = Duration::from_secs(2);
const COLLECT: &[&str] = &["collect", "--date", "2024-07-15"];
const BACKFILL: &[&str] = &["backfill", "--from", "2024-07-10", "--to", "2024-07-15"];
/// A metric whose statement takes minutes.
const HEAVY: &str = r#"
preset = "none"
[metrics.heavy]
measure = "sql"
query = "SELECT count(*) AS value FROM generate_series(1, 4000000000) g WHERE {day_start} < {day_end}"
returns = "value"
adds_up = "never"
"#;
/// Without the statements that plan and analyse it, which end within milliseconds.
const ACTIVE: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daymark' AND state = 'active'
                      AND query LIKE '%generate_series(1, 4000000000)%' AND datname = current_database()
                      AND query NOT LIKE 'EXPLAIN%' AND query NOT LIKE '%pg_locks%' AND pid <> pg_backend_pid()";

/// A run that is in the middle of a statement of its platform, and a session that sees it.
async fn running(run: &[&str]) -> (Installation, Child, Session) {
    running_at(Installation::of_platform(Database::fresh_postgres().await).await, run).await
}

async fn running_at(mut installation: Installation, run: &[&str]) -> (Installation, Child, Session) {
    installation.set("DAYMARK_RETRY_ATTEMPTS", 3);
    installation.set("DAYMARK_RETRY_INITIAL_DELAY_MS", 1);
    installation.set("DAYMARK_PLATFORM_STATEMENT_TIMEOUT_SECONDS", 600);
    fs::write(installation.directory().join("daymark.toml"), HEAVY).unwrap();
    installation.succeed(&["apply"]);
    let child = installation.spawn(run);
    let mut observer = installation.platform.session().await;
    wait_until_any(&mut observer, ACTIVE).await;
    (installation, child, observer)
}

async fn ends(observer: &mut Session) {
    let started = Instant::now();
    while observer.count(ACTIVE).await > 0 {
        assert!(started.elapsed() < LEFT_OVER, "the statement still runs on the platform");
    }
}

fn interrupted(child: Child, signal: &str) -> Ended {
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    end(child)
}

#[tokio::test]
async fn a_statement_ends_within_two_seconds_of_its_process() {
    for run in [COLLECT, BACKFILL] {
        for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
            let (_installation, child, mut observer) = running(run).await;
            let ended = interrupted(child, signal);
            assert_eq!(ended.code, code, "{run:?}: {ended:?}");
            ends(&mut observer).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_behind_a_pooler_ends_within_two_seconds_of_its_process() {
    for mode in ["session", "transaction"] {
        let mut installation = Installation::of_platform(Database::fresh_postgres().await).await;
        let pooler = Pooler::new(&installation.platform.url(), mode, "");
        installation.platform = Database::Postgres(pooler.url(&installation.platform.url()));
        let (_installation, child, mut observer) = running_at(installation, COLLECT).await;
        let ended = interrupted(child, "-INT");
        assert_eq!(ended.code, Some(130), "{mode}: {ended:?}");
        ends(&mut observer).await;
    }
}

#[tokio::test]
async fn a_statement_cancelled_by_an_administrator_fails_the_run_without_a_retry() {
    let (installation, child, mut observer) = running(COLLECT).await;
    let cancel = ACTIVE.replace("count(*)", "count(pg_cancel_backend(pid))");
    assert_eq!(observer.count(&cancel).await, 1);
    let ended = end(child);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let ledger = installation.ledger().await;
    let run = ledger.last_run();
    assert_eq!(run.status, "failed");
    assert!(run.message.contains("cancelled by an administrator"), "{run:?}");
    assert_eq!(observer.count(ACTIVE).await, 0, "the statement was retried");
}
