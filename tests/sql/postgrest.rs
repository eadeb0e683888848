//! The code of a user of supabase-js against a real PostgREST on the database itself, without Daymark's server.

use std::process::Command;

use daymark::clock::{Clock, SystemClock};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    packages::{node_packages, run},
    postgrest_server::PostgRest,
    supabase::{ADMIN, Project, USER},
};

const JWT_SECRET: &str = "a secret of thirty-two characters";
const SETTINGS: [(&str, &str); 3] =
    [("PGRST_DB_SCHEMAS", "public"), ("PGRST_DB_ANON_ROLE", "anon"), ("PGRST_JWT_SECRET", JWT_SECRET)];

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
    let postgrest =
        tokio::task::spawn_blocking(move || PostgRest::start(&database, &SETTINGS)).await.unwrap();
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
