//! A magazine whose tables do not match the preset: its platform, an empty store, and a working directory.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use daymark::{
    database::{DatabaseUrl, RetryPolicy},
    store::{Store, StoreOptions, open},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use crate::support::fresh_database;

pub struct Site {
    pub platform_url: String,
    pub store_url: String,
    pub directory: tempfile::TempDir,
}

/// How a command ended.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Definitions with every kind of time column, a soft delete, and no name that the preset knows.
pub const DEFINITIONS: &str = r#"preset = "none"

[sources.members]
table = "members"
time_column = "joined_at"
deleted_column = "left_at"

[sources.articles]
table = "articles"
time_column = "published_on"
actor_column = "member_id"

[sources.replies]
table = "replies"
time_column = "sent_ms"
time_format = "unix_millis"
actor_column = "member_id"

[metrics.members_total]
measure = "existing"
source = "members"

[metrics.articles_published]
measure = "created"
source = "articles"

[metrics.replies_sent]
measure = "created"
source = "replies"

[metrics.writing_members]
measure = "distinct_actors"
sources = ["articles", "replies"]
window_days = 7

[metrics.article_words]
measure = "average"
source = "articles"
column = "words"

[metrics.sections]
measure = "breakdown"
source = "articles"
column = "section"
top = 2
"#;

/// A metric whose query no platform can answer.
pub const BROKEN_METRIC: &str = r#"
[metrics.ghosts]
measure = "sql"
query = "select count(*) as value from ghosts where seen < {day_end}"
returns = "value"
adds_up = "last"
"#;

impl Site {
    pub async fn sqlite() -> Self {
        let site = Self::empty_sqlite().await;
        site.build().await;
        site
    }

    /// Without any table in the platform.
    pub async fn empty_sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
        let (platform_url, store_url) = (url("magazine.db"), url("records.db"));
        drop(sqlite(&platform_url, true).await);
        Self { platform_url, store_url, directory }
    }

    pub async fn postgres() -> Self {
        let site = Self::empty_postgres().await;
        site.build().await;
        site
    }

    /// Without any table in the platform.
    pub async fn empty_postgres() -> Self {
        let (platform_url, store_url) = (fresh_database().await, fresh_database().await);
        Self { platform_url, store_url, directory: tempfile::tempdir().unwrap() }
    }

    /// Writes [`DEFINITIONS`] into `daymark.toml`, and runs `migrate` and `apply`.
    pub async fn ready(self) -> Self {
        self.write_config(DEFINITIONS);
        for command in ["migrate", "apply"] {
            self.run(&[command]).expect_code(0);
        }
        self
    }

    pub fn is_postgres(&self) -> bool {
        self.platform_url.starts_with("postgres")
    }

    pub fn config(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("daymark.toml")).unwrap()
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.directory.path().join("daymark.toml"), text).unwrap();
    }

    /// The program in the site's directory. Its environment holds the URLs of both databases, and nothing else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare_command(self.directory.path(), arguments);
        command.env("DAYMARK_PLATFORM_URL", &self.platform_url).env("DAYMARK_STORE_URL", &self.store_url);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&mut self.command(arguments))
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let outcome = self.run(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", outcome.stdout, outcome.stderr))
    }

    /// The output of a terminal when the commands run one after the other, with the URLs and the directory replaced.
    pub fn transcript(&self, commands: &[&[&str]]) -> String {
        commands.iter().map(|arguments| self.shown(arguments, &self.run(arguments))).collect()
    }

    fn shown(&self, arguments: &[&str], outcome: &Outcome) -> String {
        let code = outcome.code.map_or("killed".to_owned(), |code| code.to_string());
        let text =
            format!("$ daymark {}\n{}{}[{code}]\n\n", arguments.join(" "), outcome.stdout, outcome.stderr);
        self.neutral(&text)
    }

    /// Replaces the URLs and the directory of this site, which differ from run to run.
    pub fn neutral(&self, text: &str) -> String {
        let directory = self.directory.path().to_str().unwrap();
        text.replace(&self.platform_url, "<platform>")
            .replace(&self.store_url, "<store>")
            .replace(directory, "<directory>")
    }

    pub fn store(&self) -> std::sync::Arc<dyn Store> {
        let retry = RetryPolicy { retries: 0, initial_delay: std::time::Duration::ZERO };
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: "daymark".to_owned(),
            retry,
            statement_timeout: None,
        };
        open(&self.store_url.parse::<DatabaseUrl>().unwrap(), options)
    }

    /// Runs SQL on the platform, as its application would.
    pub async fn on_platform(&self, sql: &str) {
        execute(&self.platform_url, sql).await;
    }

    /// Runs SQL on the store, as its owner.
    pub async fn on_store(&self, sql: &str) {
        execute(&self.store_url, sql).await;
    }

    /// Every column of every record, as text.
    pub async fn records(&self) -> Vec<String> {
        if self.is_postgres() {
            let mut session = PgConnection::connect(&self.store_url).await.unwrap();
            let sql = "SELECT r::text FROM daymark.daily_metrics r ORDER BY r::text";
            return sqlx::query_scalar(sql).fetch_all(&mut session).await.unwrap();
        }
        let mut session = sqlite(&self.store_url, false).await;
        let columns = "SELECT group_concat('quote(' || name || ')', ' || '','' || ') FROM pragma_table_info('daily_metrics')";
        let columns: String = sqlx::query_scalar(columns).fetch_one(&mut session).await.unwrap();
        let sql = format!("SELECT {columns} AS r FROM daily_metrics ORDER BY r");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut session).await.unwrap()
    }

    async fn build(&self) {
        let (instant, exact) =
            if self.is_postgres() { ("timestamptz", "numeric(40, 10)") } else { ("text", "text") };
        self.on_platform(&format!(
            "CREATE TABLE members (id integer PRIMARY KEY, joined_at {instant} NOT NULL, left_at {instant});
             CREATE TABLE articles (id integer PRIMARY KEY, member_id integer NOT NULL, published_on date NOT NULL,
                                    section text, words integer NOT NULL, fee {exact});
             CREATE TABLE replies (id integer PRIMARY KEY, member_id integer NOT NULL, sent_ms bigint NOT NULL);"
        ))
        .await;
        let mut rows = String::new();
        for id in 1..=12 {
            let left =
                if id % 5 == 0 { format!("'2025-01-{:02}T08:00:00Z'", id + 3) } else { "NULL".to_owned() };
            rows += &format!("INSERT INTO members VALUES ({id}, '2025-01-{id:02}T10:00:00Z', {left});");
        }
        for id in 1..=20 {
            let (member, day, words) = (id % 4 + 1, id / 2 + 2, id * 100);
            let section = ["'news'", "'essays'", "'letters'", "NULL"][id % 4];
            rows += &format!(
                "INSERT INTO articles VALUES ({id}, {member}, '2025-01-{day:02}', {section}, {words}, '9007199254740993.25');"
            );
        }
        for id in 1..=40_i64 {
            // Every six hours from the beginning of 2025-01-02.
            let sent_ms = 1_735_776_000_000 + id * 6 * 3_600_000;
            rows += &format!("INSERT INTO replies VALUES ({id}, {}, {sent_ms});", id % 7 + 1);
        }
        self.on_platform(&rows).await;
    }
}

impl Outcome {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }
}

/// The program with an empty environment.
pub fn bare_command(directory: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daymark"));
    command.args(arguments).current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

/// Runs the program in a pseudo-terminal, with `typed` at its keyboard.
pub fn in_terminal(site: &Site, arguments: &[&str], typed: &str) -> Outcome {
    let line = format!("{} {}", env!("CARGO_BIN_EXE_daymark"), arguments.join(" "));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(site.directory.path());
    command.env("DAYMARK_PLATFORM_URL", &site.platform_url).env("DAYMARK_STORE_URL", &site.store_url);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Replaces values that differ from run to run. The rows of a site are from January 2025; later times are those of the test.
pub fn filtered(test: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"20(2[6-9]|[3-9]\d)-\d\d-\d\d(T[0-9:.]+Z| \d\d:\d\d)?", "[recent]");
    settings.add_filter(r"\d+\.\d+ s\b|\d+ min \d+ s\b", "[time]");
    settings.add_filter(r"\d+ days/s", "[rate]");
    settings.add_filter(r"cli:uid=\d+", "cli:uid=[number]");
    settings.add_filter(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[id]");
    settings.add_filter(r#"("execution_time_ms"|"process_id"|"missing"): \d+"#, "$1: [number]");
    settings.add_filter(r#""host": "[^"]*""#, r#""host": "[host]""#);
    settings.add_filter(r"(Missing +)\d+ records", "$1[number] records");
    settings.bind(test);
}

async fn execute(url: &str, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("postgres") {
        PgConnection::connect(url).await.unwrap().execute(sql).await.unwrap();
    } else {
        sqlite(url, false).await.execute(sql).await.unwrap();
    }
}

/// The result of a query for one number.
pub async fn count(url: &str, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("postgres") {
        let mut session = PgConnection::connect(url).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut session).await.unwrap()
    } else {
        sqlx::query_scalar(sql).fetch_one(&mut sqlite(url, false).await).await.unwrap()
    }
}

pub async fn sqlite(url: &str, create: bool) -> SqliteConnection {
    let path = url.strip_prefix("sqlite:").unwrap();
    SqliteConnectOptions::new().filename(path).create_if_missing(create).connect().await.unwrap()
}
