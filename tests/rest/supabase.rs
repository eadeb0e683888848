//! The code of a user of @supabase/supabase-js, under Node.

use std::process::Command;

use daymark::access::{KeyRequest, Role, create_key};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    on_both_stores,
    packages::{node_packages, run},
    site::{JWT_SECRET, Site},
    world::{definition, definitions},
};

on_both_stores!(a_client_of_supabase_runs_unchanged);

async fn a_client_of_supabase_runs_unchanged(site: Site) {
    // The three totals that the client shows.
    let format = site.world.time_format();
    let mut wanted = definitions(format);
    let authors = json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 365});
    wanted.push(definition(format, "users_total", authors));
    let comments = json!({"measure": "existing", "source": "comments"});
    wanted.push(definition(format, "comments_total", comments));
    site.world.apply(&wanted).await;
    let key = KeyRequest { name: "js".to_owned(), role: Role::Reader, scopes: None, expires_at: None };
    let context = &site.world.context;
    let key = create_key(context.tenant.store.as_ref(), context.installation.clock.now(), key).await.unwrap();
    let user = json!({"role": "authenticated", "aud": "authenticated", "sub": "7c9e6679-7425-40de-944b-e07fc1f90ae7"});
    let expired = json!({"role": "authenticated", "sub": "somebody", "exp": NOON_S - 60});
    let given = [
        ("URL", format!("http://{}", site.serve(false).await)),
        ("PUBLIC_URL", format!("http://{}", site.serve(true).await)),
        // The keys of a project have no subject and no audience.
        ("ANON_KEY", token(JWT_SECRET, json!({"iss": "supabase", "role": "anon"}))),
        ("SERVICE_ROLE_KEY", token(JWT_SECRET, json!({"iss": "supabase", "role": "service_role"}))),
        ("USER_TOKEN", token(JWT_SECRET, user.clone())),
        ("EXPIRED_TOKEN", token(JWT_SECRET, expired)),
        ("FORGED_TOKEN", token("another secret of thirty-two bytes", user)),
        ("READER_KEY", key.text.reveal().to_owned()),
    ];
    let said = tokio::task::spawn_blocking(move || talk(&given)).await.unwrap();
    assert!(said.contains("anonymous users read where reading is public"), "{said}");
}

/// Noon of 11 January 2025, as the clock of the site says.
const NOON_S: i64 = 1_736_596_800;

/// Signed as Supabase does, and valid for an hour unless the claims say otherwise.
fn token(secret: &str, mut claims: Value) -> String {
    let claims = claims.as_object_mut().unwrap();
    claims.entry("exp").or_insert(json!(NOON_S + 3600));
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn talk(given: &[(&str, String)]) -> String {
    let mut node = Command::new("node");
    // Node 20 has the WebSocket that supabase-js wants behind a flag; later releases have it anyway.
    node.args([
        "--experimental-websocket",
        "--import",
        "tsx",
        "--test",
        "--test-reporter=spec",
        "client.test.ts",
    ])
    .current_dir(node_packages("tests/supabase"))
    .envs(given.iter().map(|(name, value)| (format!("DAYMARK_TEST_{name}"), value)))
    .env("NODE_NO_WARNINGS", "1");
    run(&mut node)
}
