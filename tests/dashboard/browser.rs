//! The pages in Chromium: the tests in `dashboard/browser`, which start the built program with the data of the demonstration.

use std::process::Command;

use crate::{
    built::build,
    packages::{directory, node_packages, run},
    support::fresh_database,
};

#[tokio::test]
async fn the_browser_tests_of_the_dashboard_pass() {
    build();
    let store = fresh_database().await;
    let chromium = run(&mut Command::new(directory("scripts/chromium")));
    let mut tests = Command::new("npm");
    tests
        .args(["run", "browser"])
        .current_dir(node_packages("dashboard"))
        .env("NODE_NO_WARNINGS", "1")
        .env("DAYMARK_TEST_STORE", store)
        .env("DAYMARK_TEST_SUPABASE", node_packages("tests/supabase"))
        .env("DAYMARK_TEST_CHROMIUM", chromium.trim())
        .env("DAYMARK_TEST_PROGRAM", env!("CARGO_BIN_EXE_daymark"));
    let said = run(&mut tests);
    assert!(said.contains("the overview shows what the API says"), "{said}");
}
