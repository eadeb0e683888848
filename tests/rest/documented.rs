//! Checks that every answer of these tests is described in the OpenAPI document and in docs/supabase-js.md.

use std::{collections::BTreeSet, fs, path::Path, sync::LazyLock};

use serde_json::Value;

use crate::site::Answer;

static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&daymark::http::openapi_json().unwrap()).unwrap());

/// The codes and statuses of the errors in docs/supabase-js.md.
static ERRORS: LazyLock<BTreeSet<(String, String)>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/supabase-js.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| Code | Status | When |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let pairs = |code: &str| {
            cells[2].split(", ").map(|status| (code.to_owned(), status.to_owned())).collect::<Vec<_>>()
        };
        cells[1].split(", ").flat_map(pairs).collect::<Vec<_>>()
    })
    .collect()
});

/// Fails unless the documents describe the answer. `path` is relative to `/rest/v1/`.
pub fn expect(method: &str, path: &str, answer: &Answer) {
    let status = answer.status.to_string();
    let name = path.split('?').next().unwrap_or_default();
    let operation = &OPENAPI["paths"][format!("/rest/v1/{name}")][method.to_lowercase()];
    if let Some(responses) = operation["responses"].as_object() {
        assert!(responses.contains_key(&status), "/openapi.json: {method} {path}: {status} {}", answer.text);
    }
    if !answer.code().is_empty() {
        let is_listed = ERRORS.contains(&(answer.code(), status));
        assert!(is_listed, "docs/supabase-js.md: {method} {path}: {} {}", answer.status, answer.text);
    }
}
