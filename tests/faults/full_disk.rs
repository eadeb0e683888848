//! A store whose disk is full: on a small file system where this process may mount one, and otherwise under `ulimit -f`,
//! which limits the size of files and needs no privilege.

use crate::{
    database::Database,
    installation::{Ended, FIRST, Installation, LAST},
    server::PrivateServer,
    small_disk::SmallDisk,
};

const BACKFILL: [&str; 5] = ["backfill", "--from", FIRST, "--to", LAST];

/// A run that found the disk full leaves whole days only, and an intact store.
async fn assert_cut_short(installation: &Installation, ended: &Ended) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("; free some space and try again; committed records are kept"),
        "{ended:?}"
    );
    let ledger = installation.ledger().await;
    ledger.assert_sound_after(&Default::default());
    assert!(ledger.dates().contains(FIRST), "what was committed before is there");
    assert!(!ledger.dates().contains(LAST));
    assert!(ledger.with_status("completed").is_empty());
    if !installation.store.is_postgres() {
        let integrity = installation.store.reader().await.rows("PRAGMA integrity_check").await;
        assert_eq!(integrity, [[Some("ok".to_owned())]]);
    }
}

/// Runs with a limit for the size of each file, in blocks of 512 bytes. A write beyond it fails instead of killing the
/// process, because SIGXFSZ is ignored.
fn run_limited(installation: &Installation, blocks: usize, arguments: &[&str]) -> Ended {
    let limit = format!("trap '' XFSZ; ulimit -f {blocks}");
    installation.command_after(&limit, arguments).output().unwrap().into()
}

/// With free space again, the next run closes the log entry of the run before as failed, and records the missing days.
async fn assert_made_up_for(installation: &Installation) {
    let before = installation.ledger().await;
    installation.succeed(&BACKFILL);
    let after = installation.ledger().await;
    after.assert_sound_after(&before);
    after.assert_complete(FIRST, LAST);
    assert_eq!(after.with_status("failed").len(), before.runs.len());
}

#[tokio::test]
async fn a_sqlite_store_at_the_file_size_limit_keeps_what_was_committed() {
    let mut installation = Installation::sqlite().await;
    installation.set("DAYMARK_BACKFILL_CHUNK_DAYS", 7);
    // While another process has the store open, its write-ahead log stays. It is beyond the limit before the run
    // begins, because the size of a run's writes differs by a page from run to run.
    let mut neighbour = installation.store.session().await;
    neighbour.execute("CREATE TABLE filler AS SELECT zeroblob(40000) AS room; DROP TABLE filler").await;
    let collected = run_limited(&installation, 72, &["collect", "--date", FIRST]);
    drop(neighbour);
    assert_eq!(collected.code, Some(1), "{collected:?}");
    assert!(collected.stderr.contains("the limit of the file size is reached"), "{collected:?}");
    let ledger = installation.ledger().await;
    assert!(ledger.records.is_empty() && ledger.with_status("completed").is_empty());

    let ended = run_limited(&installation, 1000, &BACKFILL);
    assert!(ended.stderr.contains("the limit of the file size is reached"), "{ended:?}");
    assert_cut_short(&installation, &ended).await;
    assert_made_up_for(&installation).await;
}

#[tokio::test]
async fn a_sqlite_store_on_a_full_disk_keeps_what_was_committed() {
    let mut installation = Installation::sqlite().await;
    installation.set("DAYMARK_BACKFILL_CHUNK_DAYS", 7);
    let disk = SmallDisk::mount(768);
    let ended = match &disk {
        Some(disk) => {
            installation.store = Database::Sqlite(disk.path().join("store.db"));
            installation.succeed(&["migrate"]);
            installation.succeed(&["apply"]);
            let ended = installation.run(&BACKFILL);
            assert!(ended.stderr.contains("database or disk is full (sqlite:13)"), "{ended:?}");
            ended
        }
        None => run_limited(&installation, 1000, &BACKFILL),
    };
    assert_cut_short(&installation, &ended).await;
    if let Some(disk) = &disk {
        disk.grow(64 * 1024);
    }
    assert_made_up_for(&installation).await;
}

/// The partitions of the records are on the small disk. Where none can be mounted, a trigger raises the server's error.
#[tokio::test]
async fn a_postgres_store_on_a_full_disk_keeps_what_was_committed() {
    let server = PrivateServer::new();
    let mut installation = Installation::of_store(Database::Postgres(server.url())).await;
    installation.set("DAYMARK_BACKFILL_CHUNK_DAYS", 7);
    let mut owner = installation.store.session().await;
    let disk = SmallDisk::mount(256);
    match &disk {
        Some(disk) => {
            disk.give_to_server();
            owner.execute(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display())).await;
            owner.execute("ALTER ROLE postgres SET default_tablespace = small").await;
        }
        None => {
            owner
                .execute(
                    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                         RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
                     END $$;
                     CREATE TRIGGER full_disk BEFORE INSERT ON daymark.daily_metrics FOR EACH ROW
                         WHEN (new.metric_date > '2024-12-24') EXECUTE FUNCTION full_disk()",
                )
                .await;
        }
    }
    let ended = installation.run(&BACKFILL);
    assert!(ended.stderr.contains("No space left on device (53100)"), "{ended:?}");
    assert_cut_short(&installation, &ended).await;
    let ledger = installation.ledger().await;
    assert_eq!(ledger.last_run().status, "failed");
    assert!(ledger.last_run().details.contains("53100"), "{:?}", ledger.last_run());
    match &disk {
        Some(disk) => disk.grow(64 * 1024),
        None => owner.execute("DROP TRIGGER full_disk ON daymark.daily_metrics").await,
    }
    assert_made_up_for(&installation).await;
}
