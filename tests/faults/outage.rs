//! A PostgreSQL server that crashes in the middle of a run and restarts.

use crate::{
    database::Database,
    installation::{Ended, FIRST, Installation, LAST, METRICS, end, wait_until_blocked},
    server::PrivateServer,
};

/// Recorded before the first crash.
const BEFORE: [&str; 5] = ["backfill", "--from", FIRST, "--to", "2024-07-31"];

/// An installation, and the server that one of its databases is on.
struct Scene {
    installation: Installation,
    server: PrivateServer,
    on_server: Database,
}

impl Scene {
    async fn with_platform() -> Self {
        let server = PrivateServer::new();
        let on_server = Database::Postgres(server.url());
        let installation = Installation::of_platform(on_server.clone()).await;
        Self { installation, server, on_server }.prepared()
    }

    async fn with_store() -> Self {
        let server = PrivateServer::new();
        let on_server = Database::Postgres(server.url());
        let installation = Installation::of_store(on_server.clone()).await;
        Self { installation, server, on_server }.prepared()
    }

    fn prepared(mut self) -> Self {
        self.installation.set("DAYMARK_BACKFILL_CHUNK_DAYS", 7);
        self.installation.set("DAYMARK_RETRY_INITIAL_DELAY_MS", 100);
        self.installation.succeed(&BEFORE);
        self
    }

    /// Crashes the server while a run waits for the lock that `statement` takes, so that the run is certainly in
    /// progress. With `back`, the server is started again while the run retries.
    async fn crash_during(&self, statement: &str, arguments: &[&str], back: bool) -> Ended {
        let mut other = self.on_server.session().await;
        other.execute(statement).await;
        let mut observer = self.on_server.session().await;
        let child = self.installation.spawn(arguments);
        wait_until_blocked(&mut observer).await;
        self.server.stop();
        if back {
            self.server.start();
        }
        let ended = end(child);
        if !back {
            self.server.start();
        }
        ended
    }

    /// Without retries the run fails, and no earlier record is lost.
    async fn fails(&mut self, statement: &str, arguments: &[&str]) -> Ended {
        self.installation.set("DAYMARK_RETRY_ATTEMPTS", 0);
        let before = self.installation.ledger().await;
        let ended = self.crash_during(statement, arguments, false).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let after = self.installation.ledger().await;
        after.assert_sound_after(&before);
        assert_eq!(after.runs.len(), before.runs.len() + 1);
        assert_ne!(after.last_run().status, "completed");
        ended
    }

    /// With enough retries the run completes.
    async fn rides_it_out(&mut self, statement: &str, arguments: &[&str]) {
        self.installation.set("DAYMARK_RETRY_ATTEMPTS", 30);
        let before = self.installation.ledger().await;
        let ended = self.crash_during(statement, arguments, true).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let after = self.installation.ledger().await;
        after.assert_sound_after(&before);
        assert_eq!(after.runs.len(), before.runs.len() + 1);
        assert_eq!(after.last_run().status, "completed");
        assert!(after.written_by(after.last_run()) > 0);
        assert!(after.with_status("running").is_empty());
    }

    /// Runs again after a run that could not log its failure.
    async fn the_next_run_fills_the_gap(&mut self, arguments: &[&str]) {
        let before = self.installation.ledger().await;
        let dead = before.last_run();
        // A crash does not end all sessions at the same moment. Another session of the run may have committed the failure before
        // it ended.
        assert!(["running", "failed"].contains(&dead.status.as_str()), "{dead:?}");
        self.installation.succeed(arguments);
        let after = self.installation.ledger().await;
        after.assert_sound_after(&before);
        assert_eq!(after.last_run().status, "completed");
        let closed = after.runs.iter().find(|run| run.id == dead.id).unwrap();
        assert_eq!((closed.status.as_str(), closed.metrics_collected), ("failed", after.written_by(dead)));
    }
}

#[tokio::test]
async fn runs_survive_a_crash_of_the_platforms_server() {
    const COLLECT: [&str; 3] = ["collect", "--date", "2024-08-01"];
    const BACKFILL: [&str; 5] = ["backfill", "--from", FIRST, "--to", LAST];
    const LOCK: &str = "BEGIN; LOCK TABLE posts IN ACCESS EXCLUSIVE MODE";
    let mut scene = Scene::with_platform().await;
    for arguments in [COLLECT.as_slice(), BACKFILL.as_slice()] {
        let ended = scene.fails(LOCK, arguments).await;
        let ledger = scene.installation.ledger().await;
        let logged = ledger.last_run();
        assert_eq!((logged.status.as_str(), logged.metrics_collected), ("failed", 0));
        assert!(ended.stderr.contains(&logged.message), "{ended:?} {logged:?}");
        scene.rides_it_out(LOCK, arguments).await;
    }
    scene.installation.ledger().await.assert_complete(FIRST, LAST);
}

/// SQL that inserts a record and does not commit. An insert of the same day and metric waits for it.
fn open_record(date: &str) -> String {
    format!(
        "BEGIN;
         WITH run AS (
             INSERT INTO daymark.metric_collection_log
                 (tenant_id, kind, collection_date, collection_end_date, started_at, status, trigger, actor, host, process_id)
             VALUES ('default', 'collect', '{date}', '{date}', now(), 'running', 'cli', 'cli:test', 'elsewhere', 1)
             RETURNING tenant_id, id
         )
         INSERT INTO daymark.daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, provenance,
                                            definition_version, collection_id, collection_timestamp)
         SELECT tenant_id, '{date}', 'count', 'posts_total', 0, 'reconstructed', 1, id, now() FROM run"
    )
}

#[tokio::test]
async fn a_collection_survives_a_crash_of_the_stores_server() {
    let mut scene = Scene::with_store().await;
    let collect = ["collect", "--date", "2024-08-01"];
    let ended = scene.fails(&open_record("2024-08-01"), &collect).await;
    assert!(ended.stderr.contains("could not be marked as failed"), "{ended:?}");
    assert!(scene.installation.ledger().await.metrics_of("2024-08-01").is_empty());
    scene.the_next_run_fills_the_gap(&collect).await;

    scene.rides_it_out(&open_record("2024-08-02"), &["collect", "--date", "2024-08-02"]).await;
    assert_eq!(scene.installation.ledger().await.metrics_of("2024-08-02"), METRICS);
}

#[tokio::test]
async fn a_backfill_survives_a_crash_of_the_stores_server() {
    let mut scene = Scene::with_store().await;
    let backfill = ["backfill", "--from", FIRST, "--to", "2025-01-31"];
    let ended = scene.fails(&open_record("2024-12-24"), &backfill).await;
    assert!(ended.stderr.contains("could not be marked as failed"), "{ended:?}");
    let ledger = scene.installation.ledger().await;
    assert!(ledger.dates().contains("2024-12-10"), "what was committed before the crash is there");
    assert!(!ledger.dates().contains("2024-12-24"));
    scene.the_next_run_fills_the_gap(&backfill).await;

    scene.rides_it_out(&open_record("2025-03-24"), &["backfill", "--from", FIRST, "--to", LAST]).await;
    scene.installation.ledger().await.assert_complete(FIRST, LAST);
}
