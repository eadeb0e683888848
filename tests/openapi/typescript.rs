//! The client in `clients/typescript`: its types match the document, it compiles, and its own tests pass against a server.

use std::process::Command;

use tokio::task::spawn_blocking;

use crate::{
    packages::{node_packages, run},
    site::Site,
};

const CLIENT: &str = "clients/typescript";

#[test]
fn the_types_of_the_client_match_the_document() {
    run(npm("check-generated").current_dir(node_packages(CLIENT)));
}

#[test]
fn the_client_compiles() {
    run(npm("check").current_dir(node_packages(CLIENT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tests_of_the_client_pass_against_a_server() {
    let site = Site::sqlite().await;
    let (url, admin, reader) = (format!("http://{}", site.address), site.admin.clone(), site.reader.clone());
    let said = spawn_blocking(move || {
        let mut tests = npm("test");
        tests
            .env("DAYMARK_TEST_URL", url)
            .env("DAYMARK_TEST_ADMIN", admin)
            .env("DAYMARK_TEST_READER", reader);
        run(tests.current_dir(node_packages(CLIENT)))
    });
    let said = said.await.unwrap();
    assert!(said.contains("paging returns every series once"), "{said}");
}

fn npm(script: &str) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["run", script]).env("NODE_NO_WARNINGS", "1");
    npm
}
