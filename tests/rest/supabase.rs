//! The code of a user of @supabase/supabase-js, under Node.

use std::process::Command;

use serde_json::json;

use crate::{
    on_both_stores,
    site::{Site, node_package},
    world::{definition, definitions},
};

on_both_stores!(a_client_of_supabase_runs_unchanged);

async fn a_client_of_supabase_runs_unchanged(site: Site) {
    let package = tokio::task::spawn_blocking(node_package).await.unwrap();
    // The three totals that the client shows.
    let format = site.world.time_format();
    let mut wanted = definitions(format);
    let authors = json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 365});
    wanted.push(definition(format, "users_total", authors));
    let comments = json!({"measure": "existing", "source": "comments"});
    wanted.push(definition(format, "comments_total", comments));
    site.world.apply(&wanted).await;
    let address = site.listen().await;
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
    .current_dir(package)
    .env("DAYMARK_TEST_URL", format!("http://{address}"))
    .env("NODE_NO_WARNINGS", "1");
    let output = tokio::task::spawn_blocking(move || node.output().unwrap()).await.unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", said.join("\n"));
    assert!(said[0].contains("a reader reads, and no more"), "{}", said.join("\n"));
}
