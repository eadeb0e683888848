//! What `daymark check` says on a machine where something is broken.

use std::{
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;

use crate::{
    database::Database,
    installation::{FIRST, Installation, LAST},
    small_disk::SmallDisk,
};

/// The findings of `check`, each as `severity place: message`.
fn findings(installation: &Installation) -> Vec<String> {
    let ended = installation.run(&["check", "--format", "json"]);
    let said: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or_default().to_owned();
    let shown = |finding: &Value| {
        let [severity, place, message, hint] =
            ["severity", "place", "message", "hint"].map(|member| text(finding, member));
        format!("{severity} {place}: {message} ({hint})")
    };
    said["findings"].as_array().unwrap().iter().map(shown).collect()
}

#[track_caller]
fn assert_says(findings: &[String], begin: &str, parts: &[&str]) {
    let says =
        |finding: &&String| finding.starts_with(begin) && parts.iter().all(|part| finding.contains(part));
    assert!(findings.iter().any(|finding| says(&finding)), "{begin} … {parts:?}: {findings:#?}");
}

super::on_both!(
    a_day_that_was_due_and_is_missing_is_named_with_its_cause,
    a_pause_that_was_forgotten_is_named,
    a_schedule_that_is_always_too_late_is_named,
    a_directory_of_backups_that_cannot_be_written_to_is_named,
);

/// A quiet platform's file looks like a copy, so the day is recorded.
#[tokio::test]
async fn a_collection_from_a_file_that_was_not_written_since_the_day_ended_says_so() {
    let installation = Installation::sqlite().await;
    let warning = "what is read may be old: the platform's file shows the state of";
    let said = installation.succeed(&["collect"]).stderr;
    assert!(!said.contains(warning), "{said}");
    let Database::Sqlite(path) = &installation.platform else { unreachable!("it is on SQLite") };
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let days_ago = file.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(3 * 86_400);
    file.set_modified(days_ago).unwrap();
    let said = installation.succeed(&["backfill", "--from", FIRST]).stderr;
    assert!(said.contains(warning), "{said}");
}

async fn a_day_that_was_due_and_is_missing_is_named_with_its_cause(installation: Installation) {
    assert!(
        !findings(&installation).iter().any(|finding| finding.contains("was due")),
        "nothing is recorded yet"
    );
    installation.succeed(&["backfill", "--from", FIRST, "--to", LAST]);
    let found = findings(&installation);
    assert_says(
        &found,
        "warning schedule: nothing is recorded of 20",
        &["which was due", LAST, "daymark serve"],
    );
    let table = "ALTER TABLE posts RENAME TO elsewhere";
    installation.platform.execute(table).await;
    installation.platform.execute("ALTER TABLE comments RENAME TO elsewhere_too").await;
    installation.platform.execute("ALTER TABLE profiles RENAME TO elsewhere_as_well").await;
    // For an hour and a half after midnight this is the day before the last finished one.
    let due = found.iter().find_map(|finding| finding.split_once("nothing is recorded of ")).unwrap().1[..10]
        .to_owned();
    assert_ne!(installation.run(&["collect", "--date", &due]).code, Some(0));
    let found = findings(&installation);
    assert_says(
        &found,
        "warning schedule: nothing is recorded of 20",
        &["its last attempt, at 20", "failed: "],
    );
}

async fn a_pause_that_was_forgotten_is_named(installation: Installation) {
    installation.succeed(&["schedule", "pause", "--reason", "moving the database"]);
    let found = findings(&installation);
    assert_says(
        &found,
        "warning schedule: collecting on schedule is paused without an end, since 20",
        &["moving the database", "daymark schedule resume"],
    );
    installation.succeed(&["schedule", "resume"]);
    assert!(!findings(&installation).iter().any(|finding| finding.contains("paused")));
}

async fn a_schedule_that_is_always_too_late_is_named(mut installation: Installation) {
    installation.set("DAYMARK_SCHEDULE_CRON", "0 9 * * *");
    assert_says(
        &findings(&installation),
        "warning schedule: by `schedule.cron` the next day",
        &["reconstructed", "9h"],
    );
    installation.set("DAYMARK_SCHEDULE_CRON", "0 0 * * *");
    assert_says(
        &findings(&installation),
        "warning schedule: by `schedule.cron` the next day",
        &["reconstructed", "00:00 UTC the day still settles", "a time at or after ", "00:15 UTC"],
    );
    installation.set("DAYMARK_SCHEDULE_CRON", "0 4 * * *");
    assert!(!findings(&installation).iter().any(|finding| finding.contains("schedule.cron")));
}

/// No user, not even root, may make a file there.
async fn a_directory_of_backups_that_cannot_be_written_to_is_named(mut installation: Installation) {
    installation.set("DAYMARK_BACKUP_DIRECTORY", "/proc/backups");
    assert_says(&findings(&installation), "warning backup: a backup cannot be written into /proc: ", &[]);
}

/// Each finding has the command that mends it.
#[tokio::test]
async fn a_store_that_others_can_change_or_that_is_gone_is_named() {
    let mut installation = Installation::sqlite().await;
    installation.succeed(&["backfill", "--from", FIRST, "--to", LAST]);
    installation
        .set("DAYMARK_BACKUP_DIRECTORY", installation.directory().join("backups").display().to_string());
    installation.succeed(&["backup"]);
    installation.store.execute("DROP TRIGGER daily_metrics_refuse_update").await;
    let Database::Sqlite(file) = installation.store.clone() else { panic!("a store on SQLite") };
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = findings(&installation);
    let place = file.display();
    assert_says(&found, &format!("error store: {place} can be read"), &[&format!("run `chmod 600 {place}`")]);
    let trigger = "error store: the trigger daily_metrics_refuse_update is missing";
    assert_says(&found, trigger, &["daymark migrate --show"]);
    let shown = installation.run(&["migrate", "--show"]);
    assert!(shown.stdout.contains("CREATE TRIGGER daily_metrics_refuse_update"), "{shown:?}");
    std::fs::remove_file(&file).unwrap();
    let found = findings(&installation);
    let restore = ["the newest backup has ", "run `daymark restore ", "instead of `daymark migrate`"];
    assert_says(&found, "warning backup: the store is empty", &restore);
}

#[tokio::test]
async fn a_store_whose_disk_is_nearly_full_is_named() {
    let mut installation = Installation::sqlite().await;
    let Some(disk) = SmallDisk::mount(8 * 1024) else {
        println!("not tried: this user may not mount a file system");
        return;
    };
    installation.store = Database::Sqlite(disk.path().join("store.db"));
    installation.succeed(&["migrate"]);
    installation.succeed(&["apply"]);
    assert_says(
        &findings(&installation),
        "error disk: the file system of ",
        &["MiB left", "free some space"],
    );
    disk.grow(100 * 1024);
    assert_says(&findings(&installation), "warning disk: the file system of ", &["MiB left"]);
    disk.grow(400 * 1024);
    assert!(!findings(&installation).iter().any(|finding| finding.contains("disk")));
}

#[tokio::test]
async fn the_programs_that_a_backup_needs_are_named_when_they_are_missing() {
    let mut installation = Installation::postgres().await;
    installation
        .set("DAYMARK_BACKUP_DIRECTORY", installation.directory().join("backups").display().to_string());
    assert!(!findings(&installation).iter().any(|finding| finding.contains("pg_dump")));
    installation.set("PATH", "/nowhere");
    assert_says(
        &findings(&installation),
        "warning backup: pg_dump cannot be started",
        &["install PostgreSQL's client programs"],
    );
}

/// A question to a store that refuses connections is repeated for some seconds.
#[tokio::test]
async fn a_store_that_refuses_connections_is_not_asked_by_every_check() {
    let installation = Installation::sqlite().await;
    // It accepts connections and closes them, so that they can be counted.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://daymark@127.0.0.1:{}/app", listener.local_addr().unwrap().port());
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            drop(connection);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let ended = installation.run(&["check", "--store-url", &url]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let attempts = attempts.load(Ordering::Relaxed);
    assert!((1..=2).contains(&attempts), "{attempts} connections");
}

/// Nothing of it would be noticed before the first day of the next year.
#[tokio::test]
async fn a_table_of_the_next_year_that_cannot_be_created_is_named() {
    let installation = Installation::postgres().await;
    let cannot = "error store: the table for the records of a new year cannot be created: ";
    let is_named = |installation: &Installation| {
        findings(installation).iter().any(|finding| finding.starts_with(cannot))
    };
    assert!(!is_named(&installation));
    let forbid = "CREATE FUNCTION public.no_tables() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'tables are made by the platform team'; END $$;
        CREATE EVENT TRIGGER no_tables ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.no_tables()";
    installation.store.execute(forbid).await;
    assert_says(&findings(&installation), cannot, &["event trigger", "server's log"]);
    let ended = installation.run(&["collect", "--date", FIRST]);
    assert!(ended.stderr.contains("the table for the records of a year cannot be created"), "{ended:?}");
    installation.store.execute("DROP EVENT TRIGGER no_tables").await;
    let tables = "SELECT count(*) FROM pg_class WHERE relname LIKE 'daily_metrics_%' AND relkind = 'r'
        AND relnamespace = 'daymark'::REGNAMESPACE AND relispartition";
    assert_eq!(
        installation.store.session().await.count(tables).await,
        0,
        "what the check creates does not stay"
    );

    let owner = format!("owner_{}", uuid::Uuid::new_v4().simple());
    let give = format!(
        "CREATE ROLE {owner}; GRANT USAGE, CREATE ON SCHEMA daymark TO {owner};
         ALTER FUNCTION daymark.ensure_partition OWNER TO {owner}; REVOKE CREATE ON SCHEMA daymark FROM {owner}"
    );
    installation.store.execute(&give).await;
    let grant = format!("GRANT USAGE, CREATE ON SCHEMA daymark TO {owner}");
    assert_says(&findings(&installation), cannot, &[&grant]);
    let drop = format!(
        "ALTER FUNCTION daymark.ensure_partition OWNER TO CURRENT_USER; DROP OWNED BY {owner}; DROP ROLE {owner}"
    );
    installation.store.execute(&drop).await;
    assert!(!is_named(&installation));
}
