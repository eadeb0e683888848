//! Stores of earlier releases are brought forward. The migrations of a release are frozen when it is made: their hashes are added to
//! `samples/released-migrations.txt`, and a backup of a store with rows in every table to `samples/RELEASE/`:
//!
//! ```text
//! RELEASE=1.2.3 scripts/with-postgres cargo test --test store a_release_is_frozen
//! ```
//!
//! From then on a changed file and a store that cannot be brought forward are failures.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use daymark::{
    backup::{self, Restored},
    store::StoreContents,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, Executor, Row, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::{
    fixture::{Fixture, day, exact_metadata, finish, new_run, noon, record},
    sample::fill,
};

const STORES: [&str; 2] = ["postgres", "sqlite"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn samples() -> PathBuf {
    root().join("tests/store/samples")
}

/// The migrations of a store in their order.
fn migrations(store: &str) -> Vec<PathBuf> {
    let directory = root().join("src/store").join(store).join("migrations");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn name_of(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

fn sha256(file: &Path) -> String {
    Sha256::digest(fs::read(file).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A migration that was released.
struct Released {
    release: String,
    store: String,
    file: String,
    sha256: String,
}

fn released() -> Vec<Released> {
    let text = fs::read_to_string(samples().join("released-migrations.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let parse = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let [release, store, file, sha256] = words.try_into().unwrap();
        Released { release, store, file, sha256 }
    };
    lines.map(parse).collect()
}

#[test]
fn released_migrations_are_not_changed_and_further_ones_come_after_them() {
    let released = released();
    for store in STORES {
        let of_store: Vec<_> = released.iter().filter(|migration| migration.store == store).collect();
        assert!(!of_store.is_empty(), "no migration of {store} is released");
        for (migration, file) in of_store.iter().zip(migrations(store)) {
            let what = format!("{store}/{}, released with {}", migration.file, migration.release);
            assert_eq!(migration.file, name_of(&file), "{what}, is not the next one any more");
            assert_eq!(migration.sha256, sha256(&file), "{what}, was changed: add a migration instead");
        }
        assert!(of_store.len() <= migrations(store).len(), "a released migration of {store} is missing");
    }
}

async fn tables(fixture: &Fixture) -> BTreeSet<String> {
    if fixture.is_postgres() {
        let select = "SELECT relname::TEXT FROM pg_class WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE
                      AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> '_sqlx_migrations'";
        let rows = fixture.postgres_session().await.fetch_all(select).await.unwrap();
        return rows.iter().map(|row| row.get(0)).collect();
    }
    let select = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> '_sqlx_migrations'";
    let rows = fixture.sqlite_connection().await.fetch_all(select).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn count(fixture: &Fixture, table: &str) -> i64 {
    let select = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    match fixture.is_postgres() {
        true => fixture.postgres_session().await.fetch_one(select).await.unwrap().get(0),
        false => fixture.sqlite_connection().await.fetch_one(select).await.unwrap().get(0),
    }
}

/// A store with rows in every table: what a later migration finds. A new table needs rows in `sample.rs`.
async fn sample(fixture: &Fixture) {
    let run = fixture.ready().await;
    let records = [
        record(run, day(1), "1"),
        daymark::metric::Record { metadata: exact_metadata(), ..record(run, day(2), "2.50") },
    ];
    fixture.store.commit(&records, Some(&finish(run))).await.unwrap();
    fill(fixture).await;
    for table in tables(fixture).await {
        assert!(count(fixture, &table).await > 0, "the sample has no row in {table}: add some in sample.rs");
    }
}

/// Restores a backup into a new store, and tries what a store is for.
async fn assert_brought_forward(directory: &Path, into: Fixture) -> Restored {
    let restored = backup::restore(into.store.as_ref(), directory).await.unwrap();
    let again = into.again();
    assert_eq!(again.pending_migrations().await.unwrap(), Vec::<String>::new());
    assert_eq!(again.integrity().await.unwrap(), Vec::new());
    assert_eq!(again.contents().await.unwrap(), restored.manifest.contents);
    // An empty store has a real clock, which refuses the days of these tests.
    if restored.manifest.contents.definition_versions > 0 {
        let run = new_run(day(3));
        again.start_run(&run).await.unwrap();
        let written = again.commit(&[record(run.id, day(3), "3")], Some(&finish(run.id))).await.unwrap();
        assert_eq!(written.len(), 1);
    }
    restored
}

async fn new_fixture(store: &str) -> Fixture {
    if store == "postgres" { Fixture::postgres().await } else { Fixture::sqlite() }
}

#[tokio::test]
async fn the_store_of_every_release_is_brought_forward() {
    let releases: BTreeSet<_> = released().into_iter().map(|migration| migration.release).collect();
    for release in releases {
        for store in STORES {
            let directory = samples().join(&release).join(store);
            assert!(
                directory.is_dir(),
                "there is no sample data of release {release}: {}",
                directory.display()
            );
            let restored = assert_brought_forward(&directory, new_fixture(store).await).await;
            assert!(restored.manifest.contents.records() > 0);
        }
    }
}

/// Without `RELEASE` it is only tried.
#[tokio::test]
async fn a_release_is_frozen_with_its_sample_data() {
    let release = std::env::var("RELEASE").ok();
    let known = released();
    assert!(
        !known.iter().any(|migration| Some(&migration.release) == release.as_ref()),
        "{release:?} was released already"
    );
    let mut list = fs::read_to_string(samples().join("released-migrations.txt")).unwrap();
    let work = tempfile::tempdir().unwrap();
    for store in STORES {
        let fixture = new_fixture(store).await;
        sample(&fixture).await;
        let made = backup::back_up(fixture.store.as_ref(), work.path(), noon()).await.unwrap();
        let directory = work.path().join(store);
        fs::rename(&made.path, &directory).unwrap();
        let restored = assert_brought_forward(&directory, new_fixture(store).await).await;
        assert!(restored.migrated.is_empty());
        let is_new = |file: &PathBuf| {
            !known.iter().any(|migration| migration.store == store && migration.file == name_of(file))
        };
        for file in migrations(store).into_iter().filter(is_new) {
            let version = release.as_deref().unwrap_or("unreleased");
            list += &format!("{version} {store} {} {}\n", name_of(&file), sha256(&file));
        }
    }
    let Some(release) = release else { return };
    for store in STORES {
        let to = samples().join(&release).join(store);
        fs::create_dir_all(&to).unwrap();
        for file in ["store", "manifest.json"] {
            fs::copy(work.path().join(store).join(file), to.join(file)).unwrap();
        }
    }
    fs::write(samples().join("released-migrations.txt"), list).unwrap();
}

/// The migrations of a store but the last.
fn earlier(store: &str) -> Migrator {
    let files = migrations(store);
    let migrations = (1..).zip(&files[..files.len() - 1]).map(|(version, file)| {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let sql = AssertSqlSafe(fs::read_to_string(file).unwrap()).into_sql_str();
        Migration::new(version, Cow::Owned(name), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_locking(false);
    migrator
}

/// A backup of an empty store that lacks the last migration, as an earlier release would have made it.
async fn earlier_backup(store: &str, directory: &Path) {
    let fixture = new_fixture(store).await;
    let copy = directory.join("store");
    let format = if fixture.is_postgres() {
        let mut session = fixture.postgres_session().await;
        session.execute("CREATE SCHEMA daymark").await.unwrap();
        session.execute("SET search_path TO daymark, pg_temp").await.unwrap();
        earlier(store).run_direct(None, &mut session, false).await.unwrap();
        let database: String = session.fetch_one("SELECT current_database()::TEXT").await.unwrap().get(0);
        let mut url = url::Url::parse(&std::env::var("DAYMARK_TEST_POSTGRES").unwrap()).unwrap();
        url.set_path(&database);
        let mut dump = Command::new("pg_dump");
        dump.args(["--format=custom", "--schema=daymark", "--file"]).arg(&copy).arg(url.as_str());
        assert!(dump.status().unwrap().success());
        "postgresql:daymark"
    } else {
        let mut connection = fixture.sqlite_connection_to_new_file().await;
        earlier(store).run_direct(None, &mut connection, false).await.unwrap();
        let into = AssertSqlSafe(format!("VACUUM INTO '{}'", copy.display()));
        connection.execute(into).await.unwrap();
        "sqlite"
    };
    let bytes = fs::metadata(&copy).unwrap().len();
    let contents = StoreContents::default();
    let manifest = json!({"layout": 1, "created_at": noon(), "made_by": "0.0.1", "format": format, "bytes": bytes,
                          "sha256": sha256(&copy), "contents": contents});
    fs::write(directory.join("manifest.json"), manifest.to_string()).unwrap();
}

#[tokio::test]
async fn a_backup_of_an_earlier_release_is_migrated_when_it_is_restored() {
    for store in STORES {
        let directory = tempfile::tempdir().unwrap();
        earlier_backup(store, directory.path()).await;
        let restored = assert_brought_forward(directory.path(), new_fixture(store).await).await;
        let last = migrations(store).pop().unwrap();
        assert_eq!(restored.migrated, [last.file_stem().unwrap().to_str().unwrap()]);
    }
}
