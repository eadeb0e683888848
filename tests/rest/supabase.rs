//! The code of a user of @supabase/supabase-js, under Node.

use std::process::Command;

use serde_json::json;

use crate::{
    on_both_stores,
    packages::{node_packages, run},
    site::Site,
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
    let address = site.listen().await;
    let url = format!("http://{address}");
    let said = tokio::task::spawn_blocking(move || talk(&url)).await.unwrap();
    assert!(said.contains("a reader reads, and no more"), "{said}");
}

fn talk(url: &str) -> String {
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
    .env("DAYMARK_TEST_URL", url)
    .env("NODE_NO_WARNINGS", "1");
    run(&mut node)
}
