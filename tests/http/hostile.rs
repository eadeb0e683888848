//! Hostile texts in every parameter of every path, and in every member of every body. These are read from the OpenAPI
//! document, so that new ones are tested as well.

use std::collections::BTreeSet;

use daymark::http::openapi_json;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Map, Value, json};

use crate::{
    on_both_stores,
    site::{Reply, Site},
};

on_both_stores!(
    hostile_parameters_change_nothing,
    hostile_paths_change_nothing,
    hostile_members_start_nothing,
    hostile_definitions_break_nothing,
);

const FIXED: [&str; 7] = [
    "' OR 1=1 --",
    "posts_total'; DROP TABLE daily_metrics; --",
    "%00",
    "\0",
    "{}),(1",
    "../../etc/passwd",
    "18446744073709551615",
];
/// How many random texts are tried in addition to [`FIXED`].
const RANDOM: usize = 3;

fn texts() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let texts = prop_oneof!["\\PC{1,40}", "[0-9-]{8,12}"];
    let random = (0..RANDOM).map(|_| texts.new_tree(&mut runner).unwrap().current());
    FIXED.into_iter().map(str::to_owned).chain(random).collect()
}

struct Operation {
    method: String,
    path: String,
    /// The operation object of the document, with its parameters.
    described: Value,
}

fn document() -> Value {
    serde_json::from_str(&openapi_json().unwrap()).unwrap()
}

/// The operations of `/api/v1`. `tests/rest/injection.rs` does the same for `/rest/v1`.
fn operations() -> Vec<Operation> {
    let document = document();
    let paths = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/api/"));
    let operations = paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, described)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            described: described.clone(),
        })
    });
    operations.collect()
}

impl Operation {
    fn parameters(&self, place: &str) -> Vec<String> {
        let all = self.described["parameters"].as_array().into_iter().flatten();
        let placed = all.filter(|parameter| parameter["in"] == place);
        placed.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The schemas of its body.
    fn bodies(&self) -> Vec<Value> {
        let document = document();
        let resolved = |schema: &Value| {
            let pointer = schema["$ref"].as_str().unwrap().trim_start_matches('#');
            document.pointer(pointer).unwrap().clone()
        };
        let body = resolved(&self.described["requestBody"]["content"]["application/json"]["schema"]);
        match body["oneOf"].as_array() {
            Some(several) => several.iter().map(resolved).collect(),
            None => vec![body],
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn written(site: &Site) -> (usize, usize) {
    (site.world.records().await.len(), site.world.runs().await.len())
}

/// Whether the answer names the parameter, or a member of it, as wrong.
fn names(reply: &Reply, parameter: &str) -> bool {
    let errors = reply.json()["errors"].as_array().cloned().unwrap_or_default();
    let places = errors.iter().map(|error| error["parameter"].as_str().unwrap().to_owned());
    places.into_iter().any(|place| place == parameter || place.starts_with(&format!("{parameter}.")))
}

/// Each parameter's value is validated, and the answer names that parameter.
async fn hostile_parameters_change_nothing(site: Site) {
    let before = written(&site).await;
    let mut tried = 0;
    for operation in operations() {
        for parameter in operation.parameters("query") {
            for text in texts() {
                let target = format!("{}?{parameter}={}", operation.path, encoded(&text));
                let reply = site.get_as_admin(&target).await;
                // Digits may happen to be a valid number or date. Deliveries of a channel that was removed are kept, so any
                // name of a channel is valid.
                let is_any_valid =
                    parameter == "channel" || text.bytes().all(|byte| b"0123456789-".contains(&byte));
                let is_right = reply.status == 200 && is_any_valid;
                let is_refused = reply.status == 400 && names(&reply, &parameter);
                assert!(is_right || is_refused, "{target}: {} {}", reply.status, reply.text());
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "the document has lost its parameters: {tried}");
    assert_eq!(written(&site).await, before);
}

async fn hostile_paths_change_nothing(site: Site) {
    let before = written(&site).await;
    for operation in operations() {
        let Some(parameter) = operation.parameters("path").pop() else { continue };
        for text in texts() {
            let target = operation.path.replace(&format!("{{{parameter}}}"), &encoded(&text));
            let is_definition = operation.path.starts_with("/api/v1/definitions");
            let body = match is_definition {
                true => json!({"measure": "created", "source": "posts"}),
                false => json!({"from": "2025-01-08", "text": "release"}),
            };
            let body = (operation.method == "PUT").then(|| body.to_string());
            let headers = [("apikey", site.admin.as_str()), ("content-type", "application/json")];
            let reply = site.send(&operation.method, &target, &headers, body).await;
            let is_refused = match operation.method.as_str() {
                // A random name may be valid.
                "PUT" if is_definition => {
                    reply.status == 201 || (reply.status == 422 && names(&reply, "category"))
                }
                _ => reply.status == 404,
            };
            assert!(is_refused, "{} {target}: {} {}", operation.method, reply.status, reply.text());
        }
    }
    assert_eq!(written(&site).await, before);
}

async fn hostile_members_start_nothing(site: Site) {
    let before = written(&site).await;
    // A session begins with a request of a page of this server only; `sessions.rs` tests its credential. The members of a
    // definition are tried below.
    let is_tried = |operation: &&Operation| {
        operation.method == "POST"
            && !["/api/v1/session", "/api/v1/previews"].contains(&operation.path.as_str())
    };
    for operation in operations().iter().filter(is_tried) {
        let schema = &operation.bodies()[0];
        let is_required =
            |name: &str| schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
        let mut valid = json!({
            "reason": "maintenance", "until": "2025-01-12T00:00:00Z", "from": "2025-01-08", "text": "release", "name": "key",
            "role": "reader",
        });
        valid.as_object_mut().unwrap().retain(|name, _| is_required(name));
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            // The reason of a pause, the text of an annotation and the name of a key are free texts.
            for text in texts().into_iter().filter(|_| !["reason", "text", "name"].contains(&member.as_str()))
            {
                let value = if schema["type"] == "array" { json!([text]) } else { json!(text) };
                let mut body = valid.clone();
                body[member] = value;
                let reply = site.post(&operation.path, &body).await;
                let place = format!("{} {member} {text:?}", operation.path);
                assert!(reply.status == 400 && names(&reply, member), "{place}: {}", reply.text());
            }
        }
    }
    assert_eq!(written(&site).await, before);
}

/// Free texts may be anything; every other hostile value is refused.
async fn hostile_definitions_break_nothing(site: Site) {
    let before = written(&site).await;
    let is_definition = |operation: &Operation| {
        operation.method == "PUT" && operation.path.starts_with("/api/v1/definitions")
    };
    let put = operations().into_iter().find(is_definition).unwrap();
    let path = put.path.replace("{category}", "hostile");
    let mut tried = BTreeSet::new();
    for declaration in put.bodies() {
        let properties = declaration["properties"].as_object().unwrap();
        let right = right(&declaration);
        let reply = site.put(&path, &right.clone().into()).await;
        assert!(matches!(reply.status, 200 | 201), "{right:?}: {}", reply.text());
        // Members that several measures have in common are tried with the first of them.
        for (member, schema) in properties.iter().filter(|(member, _)| tried.insert((*member).clone())) {
            for text in texts() {
                let value = if schema["type"] == "array" { json!([text]) } else { json!(text) };
                let mut body = right.clone();
                body.insert(member.clone(), value);
                let reply = site.put(&path, &body.clone().into()).await;
                let is_fine =
                    matches!(reply.status, 200 | 201) || (reply.status == 422 && names(&reply, member));
                assert!(is_fine, "{body:?}: {} {}", reply.status, reply.text());
                let preview = site.post("/api/v1/previews", &body.clone().into()).await;
                let is_fine = preview.status == 200 || (preview.status == 422 && names(&preview, member));
                assert!(is_fine, "preview of {body:?}: {} {}", preview.status, preview.text());
            }
        }
    }
    assert_eq!(written(&site).await, before);
}

/// A valid declaration with every member that has a list of words.
fn right(declaration: &Value) -> Map<String, Value> {
    let properties = declaration["properties"].as_object().unwrap();
    let words = properties
        .iter()
        .filter_map(|(member, schema)| Some((member.clone(), schema["enum"].as_array()?.first()?.clone())));
    let mut right: Map<_, _> = words.collect();
    let count = json!({"measure": "created", "source": "posts"});
    let examples = [
        ("source", json!("posts")),
        ("column", json!("author_id")),
        ("quantile", json!(0.95)),
        ("after_days", json!(7)),
        ("query", json!("SELECT 1 AS value")),
        ("numerator", count.clone()),
        ("denominator", count),
    ];
    for (member, example) in examples {
        if properties.contains_key(member) {
            right.insert(member.to_owned(), example);
        }
    }
    right
}
