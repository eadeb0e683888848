//! The page of `docs/supabase-js.md` in Chromium, with the real @supabase/supabase-js and React.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    packages::{directory, node_packages, run},
    site::{JWT_SECRET, Site},
    supabase::{define_totals, token, user},
};

/// The page, as a file that is compiled and run.
const FILE: &str = "analytics-page.tsx";

#[test]
fn the_page_in_the_document_is_the_one_that_is_tested() {
    let page = fs::read_to_string(directory("tests/supabase").join(FILE)).unwrap();
    let document = fs::read_to_string(directory("docs/supabase-js.md")).unwrap();
    assert!(document.contains(&format!("```tsx\n{page}```")), "docs/supabase-js.md does not show {FILE}");
}

#[test]
fn the_clients_and_the_page_have_no_type_errors() {
    run(Command::new("npm").args(["run", "--silent", "check"]).current_dir(node_packages("tests/supabase")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_and_collects_metrics_with_the_token_of_its_user() {
    let site = Site::postgres().await;
    define_totals(&site).await;
    let site = site.recorded().await;
    let admin =
        json!({"role": "authenticated", "sub": "an admin", "app_metadata": {"daymark_role": "admin"}});
    let given = [
        ("URL", format!("http://{}", site.serve(false).await)),
        ("ANON_KEY", token(JWT_SECRET, json!({"iss": "supabase", "role": "anon"}))),
        ("USER_TOKEN", token(JWT_SECRET, user())),
        ("ADMIN_TOKEN", token(JWT_SECRET, admin)),
        ("CHROMIUM", run(&mut Command::new(directory("scripts/chromium"))).trim().to_owned()),
    ];
    let looked = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        node.args(["--import", "tsx", "--test", "--test-reporter=spec", "page.test.ts"])
            .current_dir(node_packages("tests/supabase"))
            .envs(given.iter().map(|(name, value)| (format!("DAYMARK_TEST_{name}"), value)))
            .env("NODE_NO_WARNINGS", "1");
        run(&mut node)
    });
    let said = looked.await.unwrap();
    assert!(said.contains("a second look is answered from the browser's cache"), "{said}");
}
