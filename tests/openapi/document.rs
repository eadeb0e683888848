//! The OpenAPI document is valid, and the server behaves as it describes.

use std::{path::PathBuf, process::Command};

use daymark::collect::{self, BackfillRequest, CancellationToken};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::{
    packages::{directory, python_packages, run},
    site::Site,
    world::Heard,
};

fn programs() -> PathBuf {
    python_packages("tests/openapi")
}

#[test]
fn the_document_is_valid_openapi() {
    let said =
        run(Command::new(programs().join("openapi-spec-validator")).arg(directory("docs/openapi.json")));
    assert!(said.contains("OK"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_fault_on_postgres() {
    finds_no_fault(Site::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_fault_on_sqlite() {
    finds_no_fault(Site::sqlite().await).await;
}

/// The number of operations in the document.
fn operations() -> usize {
    let document = std::fs::read_to_string(directory("docs/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    paths.map(|path| path.as_object().unwrap().len()).sum()
}

async fn finds_no_fault(site: Site) {
    let cancel = CancellationToken::new();
    let request = BackfillRequest::default();
    collect::backfill(&site.world.context, &request, &Heard::default(), &cancel).await.unwrap();
    let (address, key) = (site.address, site.admin.clone());
    let said = spawn_blocking(move || {
        let scratch = tempfile::tempdir().unwrap();
        let mut schemathesis = Command::new(programs().join("schemathesis"));
        schemathesis
            .arg("--config-file")
            .arg(directory("tests/openapi/schemathesis.toml"))
            .args(["run", "--no-color", &format!("http://{address}/openapi.json")])
            .env("DAYMARK_TEST_KEY", key)
            .current_dir(scratch.path());
        run(&mut schemathesis)
    });
    let said = said.await.unwrap();
    // The stream of events is left out.
    assert!(said.contains(&format!("Tested: {}\n", operations() - 1)), "{said}");
}
