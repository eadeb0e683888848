//! The messages about unusable databases have the cause, the place and the remedy.

use std::{
    fmt::Write,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use sqlx::{Connection, PgConnection};
use url::Url;

use crate::{
    database::Database,
    installation::{Ended, FIRST, Installation},
    server::PrivateServer,
};

const COLLECT: [&str; 3] = ["collect", "--date", FIRST];

/// The messages of one run after the other, without the directory and the port, which differ from run to run.
struct Page {
    text: String,
    directory: String,
}

impl Page {
    fn new(installation: &Installation) -> Self {
        Self { text: String::new(), directory: installation.directory().display().to_string() }
    }

    fn add(&mut self, what: &str, arguments: &[&str], ended: &Ended) {
        assert_eq!(ended.stdout, "", "{what}");
        let messages = ended.stderr.replace(&self.directory, "[directory]");
        let (command, code) = (arguments[0], ended.code.unwrap());
        writeln!(self.text, "{what}: daymark {command}, exit code {code}\n{messages}").unwrap();
    }

    fn assert(self, name: &str) {
        insta::with_settings!({filters => [(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]")]}, {
            insta::assert_snapshot!(name, self.text);
        });
    }
}

/// Runs a command for which file permissions hold. They do not hold for root, so its capabilities are dropped.
fn run_unprivileged(installation: &Installation, arguments: &[&str]) -> Ended {
    let command = installation.command(arguments);
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return installation.run(arguments);
    }
    let mut without = Command::new("setpriv");
    without.args(["--bounding-set", "-all", "--"]).arg(command.get_program()).args(command.get_args());
    for (variable, value) in command.get_envs() {
        without.env(variable, value.unwrap_or_default());
    }
    without.current_dir(installation.directory()).output().unwrap().into()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn messages_about_unusable_sqlite_files() {
    let mut installation = Installation::sqlite().await;
    let at = |path: &str| Database::Sqlite(installation.directory().join(path));
    let (store, platform) = (installation.store.clone(), installation.platform.clone());
    let closed = installation.directory().join("closed");
    let folder = installation.directory().join("folder");
    let text = installation.directory().join("letter.txt");
    let cases = [
        ("the store is a directory", at("folder"), platform.clone()),
        ("the store is not a database", at("letter.txt"), platform.clone()),
        ("the store's directory is missing", at("nowhere/store.db"), platform.clone()),
        ("the store is damaged", at("damaged.db"), platform.clone()),
        ("the platform is missing", store.clone(), at("nowhere.db")),
        ("the platform is not a database", store.clone(), at("letter.txt")),
        ("the platform is a directory", store.clone(), at("folder")),
    ];
    let (unreadable, of_shared) = (at("closed/platform.db"), at("shared.db"));
    let closed_cases = [
        (["migrate"].as_slice(), "the store would be in a read-only directory", at("closed/new.db")),
        (COLLECT.as_slice(), "the store is in a read-only directory", at("closed/store.db")),
    ];
    fs::create_dir(&folder).unwrap();
    fs::write(&text, "Dear database, ".repeat(100)).unwrap();
    fs::create_dir(&closed).unwrap();
    fs::copy(installation.directory().join("store.db"), closed.join("store.db")).unwrap();
    set_mode(&closed.join("store.db"), 0o444);
    fs::copy(installation.directory().join("platform.db"), closed.join("platform.db")).unwrap();
    set_mode(&closed.join("platform.db"), 0);
    set_mode(&closed, 0o555);
    let mut damaged = fs::read(installation.directory().join("store.db")).unwrap();
    damaged[100..400].fill(0xff);
    fs::write(installation.directory().join("damaged.db"), damaged).unwrap();

    let mut page = Page::new(&installation);
    for (what, store, platform) in cases {
        (installation.store, installation.platform) = (store, platform);
        let ended = installation.run(&COLLECT);
        page.add(what, &COLLECT, &ended);
    }
    installation.platform = platform;
    for (arguments, what, store) in closed_cases {
        installation.store = store;
        page.add(what, arguments, &run_unprivileged(&installation, arguments));
    }
    // SQLite gives the -shm file the mode of the database, which was read-only at first.
    let shared = installation.directory().join("shared.db");
    fs::copy(installation.directory().join("store.db"), &shared).unwrap();
    set_mode(&shared, 0o400);
    installation.store = of_shared;
    let check = run_unprivileged(&installation, &["check"]);
    assert!(check.stdout.contains("may not write to"), "{check:?}");
    set_mode(&shared, 0o600);
    page.add("the -shm file of the store is read-only", &COLLECT, &run_unprivileged(&installation, &COLLECT));
    (installation.store, installation.platform) = (store, unreadable);
    page.add("the platform may not be read", &COLLECT, &run_unprivileged(&installation, &COLLECT));
    set_mode(&closed, 0o755);
    page.assert("sqlite");
}

#[tokio::test]
async fn messages_about_unusable_postgres_databases() {
    let server = PrivateServer::new();
    let good: Url = server.url().parse().unwrap();
    let database = |change: &dyn Fn(&mut Url)| {
        let mut url = good.clone();
        url.set_password(Some("secret")).unwrap();
        change(&mut url);
        Database::Postgres(url.to_string())
    };
    let mut installation = Installation::of_store(Database::Postgres(server.url())).await;
    let platform = installation.platform.clone();
    ask_for_passwords(&installation).await;

    let right = database(&|_| {});
    let wrong = database(&|url| url.set_password(Some("hunter2")).unwrap());
    let missing = database(&|url| url.set_path("/nothing"));
    let away = database(&|url| url.set_port(Some(1)).unwrap());
    let cases = [
        ("the password of the store is wrong", wrong.clone(), platform.clone()),
        ("the database of the store is missing", missing.clone(), platform.clone()),
        ("the server of the store is not there", away.clone(), platform),
        ("the password of the platform is wrong", right.clone(), wrong),
        ("the database of the platform is missing", right.clone(), missing),
        ("the server of the platform is not there", right, away),
    ];
    let mut page = Page::new(&installation);
    for (what, store, platform) in cases {
        (installation.store, installation.platform) = (store, platform);
        let ended = installation.run(&COLLECT);
        assert!(!ended.stderr.contains("hunter2"), "a password is shown: {ended:?}");
        page.add(what, &COLLECT, &ended);
    }
    page.assert("postgres");
}

/// Makes the server require passwords. The password of its superuser is `secret`.
async fn ask_for_passwords(installation: &Installation) {
    let mut owner = installation.store.session().await;
    let [[rules]] = owner.rows("SELECT current_setting('hba_file')").await.try_into().unwrap();
    let rules = rules.unwrap();
    let strict = format!(
        "ALTER ROLE postgres PASSWORD 'secret';
         COPY (SELECT 'host all all 127.0.0.1/32 scram-sha-256') TO '{rules}';
         SELECT pg_reload_conf()"
    );
    owner.execute(&strict).await;
    // The server reads its rules some time after it was signalled.
    let Database::Postgres(url) = &installation.store else { unreachable!("the store is on a server") };
    let started = std::time::Instant::now();
    while PgConnection::connect(url).await.is_ok() {
        assert!(started.elapsed().as_secs() < 60, "the server still accepts connections without a password");
    }
}
