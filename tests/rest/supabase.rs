//! Runs the code of a user of @supabase/supabase-js under Node.

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

on_both_stores!(code_of_a_supabase_js_user_runs_unchanged);

async fn code_of_a_supabase_js_user_runs_unchanged(site: Site) {
    define_totals(&site).await;
    let key = KeyRequest {
        name: "js".to_owned(),
        role: Role::Reader,
        scopes: None,
        expires_at: None,
        created_by: "test".to_owned(),
    };
    let context = &site.world.context;
    let key = create_key(context.tenant.store.as_ref(), context.installation.clock.now(), key).await.unwrap();
    let user = user();
    let expired = json!({"role": "authenticated", "sub": "a user", "exp": NOON_S - 60});
    let given = [
        ("URL", format!("http://{}", site.serve(false).await)),
        ("PUBLIC_URL", format!("http://{}", site.serve(true).await)),
        // The keys of a Supabase project have no subject and no audience.
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

/// Defines what the clients show: three totals and two daily counts.
pub async fn define_totals(site: &Site) {
    let format = site.world.time_format();
    let mut wanted = definitions(format);
    let authors = json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 365});
    wanted.push(definition(format, "users_total", authors));
    let comments = json!({"measure": "existing", "source": "comments"});
    wanted.push(definition(format, "comments_total", comments));
    site.world.apply(&wanted).await;
}

/// Noon of 11 January 2025, the time of the site's clock.
const NOON_S: i64 = 1_736_596_800;

/// The claims of a user of Supabase.
pub fn user() -> Value {
    json!({"role": "authenticated", "aud": "authenticated", "sub": "7c9e6679-7425-40de-944b-e07fc1f90ae7"})
}

/// A token signed as Supabase signs them. It is valid for an hour unless the claims have another `exp`.
pub fn token(secret: &str, mut claims: Value) -> String {
    let claims = claims.as_object_mut().unwrap();
    claims.entry("exp").or_insert(json!(NOON_S + 3600));
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn talk(given: &[(&str, String)]) -> String {
    let mut node = Command::new("node");
    // supabase-js needs a global WebSocket, which Node 20 has behind a flag and later releases have by default.
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
