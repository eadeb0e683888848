//! The same requests get the same answers from a real PostgREST on the same database, apart from the differences that
//! docs/supabase-js.md lists. PostgREST is release 12.0, the latest that is packaged for npm; later releases have other texts for
//! some errors.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    postgrest_server::PostgRest,
    site::{Answer, Site, escaped},
};

const SETTINGS: [(&str, &str); 2] = [("PGRST_DB_SCHEMAS", "daymark"), ("PGRST_DB_ANON_ROLE", "postgres")];

/// The path of each request, and a header or nothing. Every order is total, because servers may differ in any other.
const REQUESTS: [(&str, &str); 61] = [
    ("daily_metrics?select=metric_date,metric_category,value&order=metric_date,metric_category", ""),
    ("daily_metrics?select=id,metadata,provenance,collection_timestamp,created_at&order=id&limit=3", ""),
    ("daily_metrics?select=d:metric_date,value::text,value&order=metric_date.desc,value&limit=3", ""),
    ("daily_metrics?select=value&order=value.desc,id&limit=5&offset=3", ""),
    ("daily_metrics?select=value&order=value.desc,id&limit=5", "Prefer: count=exact"),
    ("daily_metrics?select=value&order=value,id&limit=500", "Prefer: count=exact"),
    ("daily_metrics?select=value&order=value,id&limit=5", "Prefer: handling=strict, count=exact"),
    ("daily_metrics?select=value&order=value,id&limit=5", "Prefer: handling=lenient, foo=bar"),
    ("daily_metrics?select=value&order=value,id&limit=5", "Prefer: count=nope"),
    ("daily_metrics?select=value&limit=5", "Prefer: handling=strict, count=nope, return=minimal"),
    ("daily_metrics?select=value&limit=5", "Prefer: foo=bar, handling=strict, missing=null, x"),
    ("daily_metrics?select=value&offset=40", "Prefer: count=exact"),
    ("daily_metrics?select=value&offset=41", "Prefer: count=exact"),
    ("daily_metrics?select=value&offset=41", ""),
    ("daily_metrics?select=value&limit=0", "Prefer: count=exact"),
    ("daily_metrics?select=value&limit=-1", ""),
    ("daily_metrics?select=value&order=value,id", "Range: 5-6"),
    ("daily_metrics?select=value&order=value,id", "Range: 5-"),
    ("daily_metrics?select=value&order=value,id", "Range: 6-5"),
    ("daily_metrics?select=value&order=value,id&limit=3", "Range: 1-20"),
    ("daily_metrics?select=value&order=value,id", "Range: bytes=1-2"),
    ("daily_metrics?select=value&value=gt.9&value=lte.45&order=value,id", ""),
    ("daily_metrics?select=value&value=eq.10.0&order=id", ""),
    ("daily_metrics?select=value&value=neq.1e0&order=value,id", ""),
    ("daily_metrics?select=value&metric_category=in.(posts_total,\"authors\")&order=value,id", ""),
    ("daily_metrics?select=value&metric_category=in.()", ""),
    ("daily_metrics?select=value&metric_category=in.(\"\")", ""),
    ("daily_metrics?select=value&metric_category=not.in.(posts_total)&order=value,id", ""),
    ("daily_metrics?select=value&metric_category=eq.\"authors\"", ""),
    ("daily_metrics?select=value&metric_date=lt.2025-01-03&order=value,id", ""),
    ("daily_metrics?select=value&collection_timestamp=gte.2025-01-11T12:00:00Z&order=value,id", ""),
    ("daily_metrics?select=value&collection_timestamp=lt.2025-01-11&order=value,id", ""),
    (
        "daily_metrics?select=value&or=(value.gt.50,and(metric_date.eq.2025-01-01,metric_category.eq.authors))&order=value",
        "",
    ),
    ("daily_metrics?select=value&not.or=(value.gt.3,value.lt.2)&order=value,id", ""),
    (
        "daily_metrics?select=value&or=(metric_category.in.(\"a)\",authors),value.not.lt.50)&order=value,id",
        "",
    ),
    ("daily_metrics?select=value&metadata=not.is.null&order=value,id&limit=1", ""),
    ("daily_metrics?select=value&order=value,id&limit=1", "Accept: application/vnd.pgrst.object+json"),
    ("metric_definitions?select=metric_category,is_active,version,unit&order=metric_category.desc", ""),
    ("metric_definitions?select=metric_category&is_active=is.true&order=metric_category", ""),
    ("metric_definitions?select=metric_category&is_active=eq.false", ""),
    ("metric_definitions?select=metric_category&is_active=not.is.false&order=metric_category", ""),
    ("metric_definitions?select=metric_category&is_active=is.unknown", ""),
    (
        "metric_collection_log?select=kind,status,completed_at,error_message,error_details&order=started_at,id",
        "",
    ),
    ("metric_collection_log?select=kind,metrics_collected&order=completed_at,id", ""),
    ("metric_collection_log?select=kind,metrics_collected&order=completed_at.desc,id", ""),
    ("metric_collection_log?select=kind,metrics_collected&order=completed_at.desc.nullslast,id", ""),
    ("metric_collection_log?select=kind,metrics_collected&order=completed_at.asc.nullsfirst,id", ""),
    ("metric_collection_log?select=kind&completed_at=is.null", ""),
    ("metric_collection_log?select=kind&error_message=neq.x", ""),
    ("daily_metrics?select=nothing", ""),
    ("daily_metrics?nothing=eq.1", ""),
    ("daily_metrics?order=nothing", ""),
    ("daily_metrics?value=eq.x", ""),
    ("daily_metrics?value=eq.", ""),
    ("daily_metrics?metric_date=eq.x", ""),
    ("daily_metrics?metric_date=eq.2025-02-30", ""),
    ("daily_metrics?collection_timestamp=eq.x", ""),
    ("daily_metrics?id=eq.x", ""),
    ("metric_definitions?is_active=eq.x", ""),
    ("daily_metrics?metric_date=in.(2025-01-01,x)", ""),
    ("daily_metrics?posts.value=eq.1", ""),
];

/// Requests whose errors have the same status and code, but other texts.
const REFUSED: [(&str, &str); 13] = [
    ("daily_metrics?select=value,", ""),
    ("daily_metrics?select=*,posts(*)", ""),
    ("daily_metrics?value=equals.1", ""),
    ("daily_metrics?value=1", ""),
    ("daily_metrics?value=", ""),
    ("daily_metrics?value=is.nothing", ""),
    ("daily_metrics?metric_category=in.(a", ""),
    ("daily_metrics?order=value.up", ""),
    ("daily_metrics?or=(value.eq.1", ""),
    ("metric_definitions?metric_type=is.true", ""),
    ("daily_metrics?limit=2", "Accept: application/vnd.pgrst.object+json"),
    ("daily_metrics?limit=0", "Accept: application/vnd.pgrst.object+json"),
    ("daily_metrics", "Accept-Profile: elsewhere"),
];

/// Asks PostgREST at this port.
fn get(port: u16, path: &str, header: Option<(&str, &str)>) -> Answer {
    let mut request = ureq::get(format!("http://127.0.0.1:{}/{}", port, escaped(path)));
    request = request.config().http_status_as_error(false).build();
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let mut response = request.call().unwrap();
    let headers: HeaderMap = response.headers().clone();
    let text = response.body_mut().read_to_string().unwrap();
    Answer { status: response.status().as_u16(), headers, text }
}

/// The parts of an answer that must be the same; with `words` also the texts of an error.
fn compared(answer: &Answer, words: bool) -> Value {
    let is_success = answer.status < 400;
    let applied = if is_success { answer.header("preference-applied") } else { "" };
    let body = match is_success {
        true => answer.json(),
        false if words => json!({"message": answer.json()["message"], "details": answer.json()["details"]}),
        false => Value::Null,
    };
    json!([answer.status, answer.header("content-range"), applied, answer.code(), body])
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_the_same_as_those_of_postgrest() {
    let site = Site::postgres().await.recorded().await;
    let running = daymark::store::NewRun {
        id: uuid::Uuid::new_v4(),
        kind: daymark::store::RunKind::Collect,
        from: crate::world::january(10),
        to: crate::world::january(10),
        started_at: crate::world::instant("2025-01-11T12:00:00.5Z"),
        trigger: daymark::store::Trigger::Cli,
        actor: "cli:test".to_owned(),
        host: "here".to_owned(),
        process_id: 1,
    };
    site.world.context.tenant.store.start_run(&running).await.unwrap();
    // The store's location without the schema is a URL that works, because the server of the tests needs no password.
    let location = site.world.context.tenant.store.location();
    let database = location.split(" (schema").next().unwrap().to_owned();
    let postgrest =
        tokio::task::spawn_blocking(move || PostgRest::start(&database, &SETTINGS)).await.unwrap();
    let mut differences = Vec::new();
    for ((path, header), words) in
        REQUESTS.map(|request| (request, true)).into_iter().chain(REFUSED.map(|request| (request, false)))
    {
        let header = header.split_once(": ");
        let theirs = tokio::task::block_in_place(|| get(postgrest.port, path, header));
        let headers: Vec<_> = [("apikey", "service")].into_iter().chain(header).collect();
        let ours = site.ask("GET", path, &headers, "").await;
        let (theirs, ours) = (compared(&theirs, words), compared(&ours, words));
        if theirs != ours {
            differences.push(format!("{path} {header:?}\n  PostgREST {theirs}\n  Daymark   {ours}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
