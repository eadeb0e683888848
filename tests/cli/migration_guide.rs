//! The commands and statements of `docs/migration.md`, in their order, against a PostgreSQL server of their own. What the document
//! shows as output is compared, where `…` stands for any text.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::server::PrivateServer;

/// How long the server may take to listen.
const DEADLINE: Duration = Duration::from_secs(60);

/// A part of the document that is run, or compared.
#[derive(Debug)]
enum Step {
    Sql(String),
    Shell(String),
    Background(String),
    /// The output of the step before.
    Expected(String),
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The statements of the quick start for the service role.
fn service_role() -> String {
    let quick_start = document("quickstart-postgresql.md");
    let (_, rest) = quick_start.split_once("## 3. The service role").unwrap();
    rest.split("```sql\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (number, part) in text.split("\n```").enumerate() {
        if number % 2 == 0 {
            let includes = part.contains("<!-- run: quickstart-postgresql.md, the service role -->");
            steps.extend(includes.then(|| Step::Sql(service_role())));
            continue;
        }
        let (language, block) = part.split_once('\n').unwrap();
        match language {
            "sql" => steps.push(Step::Sql(block.to_owned())),
            "sh" => steps.push(Step::Shell(block.to_owned())),
            "sh background" => steps.push(Step::Background(block.to_owned())),
            "text" => steps.push(Step::Expected(block.to_owned())),
            "" => {}
            other => panic!("a block is in `{other}`"),
        }
    }
    steps
}

/// Whether `output` has the lines of `expected` in their order.
fn is_shown(expected: &str, output: &str) -> bool {
    let mut lines = output.lines();
    expected.lines().all(|line| {
        lines.any(|found| {
            let mut rest = found;
            let parts: Vec<_> = line.split('…').collect();
            parts.iter().enumerate().all(|(number, part)| match rest.find(part) {
                Some(at) if number > 0 || at == 0 => {
                    rest = &rest[at + part.len()..];
                    true
                }
                _ => false,
            })
        })
    })
}

/// A machine with the program, and the database of an application.
struct Machine {
    server: PrivateServer,
    directory: tempfile::TempDir,
    listen: u16,
    background: Vec<Child>,
}

impl Machine {
    async fn new() -> Self {
        let server = PrivateServer::new();
        let mut administrator = PgConnection::connect(&server.url()).await.unwrap();
        administrator.execute("CREATE DATABASE app").await.unwrap();
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let machine =
            Self { server, directory: tempfile::tempdir().unwrap(), listen, background: Vec::new() };
        machine.sql(APPLICATION).await;
        machine
    }

    /// The document's address, and passwords that are left to the reader, replaced by this machine's.
    fn here(&self, text: &str) -> String {
        let host = self.server.url();
        let host = host.strip_prefix("postgres://postgres@").unwrap().strip_suffix("/postgres").unwrap();
        let listen = format!("127.0.0.1:{}", self.listen);
        text.replace("db.example:5432", host).replace("127.0.0.1:8640", &listen).replace('…', "a-password")
    }

    /// Runs statements as an administrator. Returns the rows of the last one.
    async fn sql(&self, statements: &str) -> String {
        let mut url = url::Url::parse(&self.server.url()).unwrap();
        url.set_path("app");
        let mut session = PgConnection::connect(url.as_str()).await.unwrap();
        let mut shown = String::new();
        for statement in self.here(statements).split(';').map(str::trim).filter(|sql| !sql.is_empty()) {
            let rows = session.fetch_all(AssertSqlSafe(statement.to_owned())).await;
            for row in rows.unwrap_or_else(|error| panic!("{error}: {statement}")) {
                shown += &format!("{}\n", row.get::<bool, _>("is_equal"));
            }
        }
        shown
    }

    fn shell(&self, script: &str) -> Command {
        let programs = std::env::var("DAYMARK_TEST_POSTGRES_BIN").unwrap();
        let built = Path::new(env!("CARGO_BIN_EXE_daymark")).parent().unwrap().display().to_string();
        let path = format!("{built}:{programs}:{}", std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        // What a block exports holds for those that follow.
        let kept = "[ ! -f .exported ] || . ./.exported";
        let script = format!("{kept}\n{}\nexport -p | grep -v ' PATH=' >.exported", self.here(script));
        shell.args(["-euo", "pipefail", "-c", &script]).env_clear().env("PATH", path);
        shell.current_dir(self.directory.path()).stdin(Stdio::null());
        shell
    }

    fn start(&mut self, script: &str) {
        // The shell is replaced, so that stopping the process stops the server.
        let script = format!("exec {}", script.trim());
        let child = self.shell(&script).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.background.push(child);
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.listen)).is_err() {
            assert!(started.elapsed() < DEADLINE, "the server does not listen");
            std::thread::yield_now();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn said(output: Output, script: &str) -> String {
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "{script}\n{text}");
    text
}

/// An application with rows of the last 40 days, and the flag of its admins.
const APPLICATION: &str = "
    CREATE TABLE profiles (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL,
                           is_admin boolean NOT NULL DEFAULT false);
    CREATE TABLE posts (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, user_id uuid NOT NULL REFERENCES profiles,
                        created_at timestamptz NOT NULL);
    CREATE TABLE comments (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, user_id uuid NOT NULL REFERENCES profiles,
                           created_at timestamptz NOT NULL);
    INSERT INTO profiles (created_at) SELECT now() - n * interval '1 day' FROM generate_series(1, 40) AS n;
    INSERT INTO posts (user_id, created_at) SELECT id, created_at + interval '1 hour' FROM profiles;
    INSERT INTO comments (user_id, created_at) SELECT id, created_at + interval '2 hours' FROM profiles;
    ALTER TABLE posts ENABLE ROW LEVEL SECURITY";

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_of_the_migration_can_be_followed() {
    if Command::new("curl").arg("--version").output().is_err() {
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/apt-install");
        assert!(Command::new(install).arg("curl").status().unwrap().success(), "curl is needed");
    }
    let mut machine = Machine::new().await;
    let steps = steps(&document("migration.md"));
    assert!(steps.len() > 20, "{steps:?}");
    let (mut last, mut compared) = (String::new(), 0);
    for step in &steps {
        match step {
            Step::Sql(statements) => last = machine.sql(statements).await,
            Step::Shell(script) => last = said(machine.shell(script).output().unwrap(), script),
            Step::Background(script) => machine.start(script),
            Step::Expected(expected) => {
                assert!(is_shown(expected, &last), "expected\n{expected}\nbut it is\n{last}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 5, "{compared} outputs were compared");
    let baseline = fs::read_to_string(machine.directory.path().join("baseline.csv")).unwrap();
    assert!(baseline.lines().count() > 40, "{baseline}");
}

#[test]
fn expected_lines_are_found_in_their_order() {
    assert!(is_shown("…b…\nc…", "a b\nx\ncd"));
    assert!(!is_shown("…b…\nc…", "cd\na b"));
    assert!(!is_shown("b…", "a b"));
}
