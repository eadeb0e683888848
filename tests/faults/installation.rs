//! A platform, a store, and the program that reads the one and writes the other.

use std::{
    fmt::Write,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use jiff::{ToSpan, civil::Date};

use crate::{
    database::{Database, Session},
    ledger::Ledger,
};

/// The built-in metrics that the platform has tables for.
pub const METRICS: [&str; 7] = [
    "active_users",
    "comments_created",
    "comments_total",
    "engagement_rate",
    "posts_created",
    "posts_total",
    "users_total",
];
/// The first of the 300 days on which the platform has rows; they include the turn of a year.
pub const FIRST: &str = "2024-07-01";
pub const LAST: &str = "2025-04-26";

/// How long a test waits for an event before it fails.
const DEADLINE: Duration = Duration::from_secs(60);
/// The pause between two checks for that event.
const PAUSE: Duration = Duration::from_millis(5);

pub struct Installation {
    pub platform: Database,
    pub store: Database,
    pub tenant: String,
    settings: Vec<(&'static str, String)>,
    directory: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal ended the process.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Installation {
    pub async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let platform = Database::Sqlite(directory.path().join("platform.db"));
        let store = Database::Sqlite(directory.path().join("store.db"));
        Self::ready(directory, platform, store).await
    }

    pub async fn postgres() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::ready(directory, Database::fresh_postgres().await, Database::fresh_postgres().await).await
    }

    /// With a store on SQLite.
    pub async fn of_platform(platform: Database) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Database::Sqlite(directory.path().join("store.db"));
        Self::ready(directory, platform, store).await
    }

    /// With a platform on SQLite.
    pub async fn of_store(store: Database) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let platform = Database::Sqlite(directory.path().join("platform.db"));
        Self::ready(directory, platform, store).await
    }

    /// Fills the platform, migrates the store, and applies the built-in definitions.
    async fn ready(directory: tempfile::TempDir, platform: Database, store: Database) -> Self {
        platform.execute(&content(platform.is_postgres())).await;
        let settings = vec![("DAYMARK_RETRY_ATTEMPTS", "0".to_owned())];
        let installation = Self { platform, store, tenant: "default".to_owned(), settings, directory };
        installation.succeed(&["migrate"]);
        installation.succeed(&["apply"]);
        installation
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sets an environment variable for every later run.
    pub fn set(&mut self, variable: &'static str, value: impl ToString) {
        self.settings.retain(|(known, _)| *known != variable);
        self.settings.push((variable, value.to_string()));
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daymark"));
        command.args(arguments);
        self.surround(&mut command);
        command
    }

    /// Like [`Self::command`], but started by a shell that first runs `shell`.
    pub fn command_after(&self, shell: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{shell}; exec \"$@\"")).arg("sh");
        command.arg(env!("CARGO_BIN_EXE_daymark")).args(arguments);
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        let kept = ["PATH", "LLVM_PROFILE_FILE"].map(|name| (name, std::env::var_os(name)));
        command
            .env_clear()
            .envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .env("DAYMARK_PLATFORM_URL", self.platform.url())
            .env("DAYMARK_STORE_URL", self.store.url())
            .env("DAYMARK_TENANT", &self.tenant)
            .envs(self.settings.iter().map(|(variable, value)| (*variable, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs a command that must exit with 0.
    pub fn succeed(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "daymark {}: {ended:?}", arguments.join(" "));
        ended
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub async fn ledger(&self) -> Ledger {
        let schema = if self.store.is_postgres() { "daymark." } else { "" };
        Ledger::read(&mut self.store.reader().await, schema, &self.tenant).await
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Waits until the process has ended.
pub fn end(child: Child) -> Ended {
    child.wait_with_output().unwrap().into()
}

/// Waits until a query for a number returns more than 0.
pub async fn wait_until_any(session: &mut Session, count: &str) {
    let started = Instant::now();
    while session.count(count).await == 0 {
        assert!(started.elapsed() < DEADLINE, "never happened: {count}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until a session of Daymark in this PostgreSQL database waits for a lock.
pub async fn wait_until_blocked(session: &mut Session) {
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daymark'
                   AND datname = current_database() AND wait_event_type = 'Lock'";
    wait_until_any(session, blocked).await;
}

/// The dates from `from` to `to`.
pub fn days(from: &str, to: &str) -> Vec<String> {
    let (from, to): (Date, Date) = (from.parse().unwrap(), to.parse().unwrap());
    from.series(1.day()).take_while(|date| *date <= to).map(|date| date.to_string()).collect()
}

/// The platform's tables. Each day has one new account, two posts by accounts that exist, and a comment on each post.
fn content(postgres: bool) -> String {
    let time = if postgres { "timestamptz" } else { "text" };
    let mut sql = String::new();
    if postgres {
        sql += "SET TimeZone = 'UTC';";
    }
    let zero = if postgres { "+00" } else { "" };
    for (table, columns) in [
        ("profiles", ""),
        ("posts", ", author_id integer NOT NULL"),
        ("comments", ", author_id integer NOT NULL"),
    ] {
        write!(sql, "CREATE TABLE {table} (id integer PRIMARY KEY, created_at {time} NOT NULL{columns});")
            .unwrap();
    }
    let (mut profiles, mut posts) = (Vec::new(), Vec::new());
    for (number, date) in days(FIRST, LAST).iter().enumerate() {
        profiles.push(format!("({number}, '{date} 00:00:00{zero}')"));
        for (post, hour) in [(2 * number, 9), (2 * number + 1, 21)] {
            posts.push(format!("({post}, '{date} {hour:02}:30:00{zero}', {})", post * 7 % (number + 1)));
        }
    }
    let (profiles, posts) = (profiles.join(", "), posts.join(", "));
    sql + &format!(
        "INSERT INTO profiles VALUES {profiles}; INSERT INTO posts VALUES {posts}; INSERT INTO comments VALUES {posts}"
    )
}
