//! Reading the tables of `/rest/v1`.

use std::net::SocketAddr;

use daymark::{
    http::rest::MAX_ROWS,
    metric::{MetricKey, MetricType, Provenance, Record},
    store::{NewRun, RunKind},
};
use jiff::ToSpan;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    documented, on_both_stores,
    site::{Answer, Site},
    world::instant,
};

on_both_stores!(
    a_deep_offset_is_refused_with_a_hint,
    the_code_of_an_error_is_in_the_proxy_status_header,
    rows_match_the_selected_columns_and_filters,
    pages_have_a_content_range,
    head_has_a_content_range_and_no_body,
    a_single_row_is_returned_as_an_object,
    an_answer_of_more_than_10000_rows_is_refused,
    an_answer_of_more_than_8_mib_is_refused,
    each_role_reads_the_tables_of_its_scopes,
    missing_and_wrong_credentials_have_different_codes,
    unknown_preferences_are_refused_with_handling_strict,
    unknown_tables_and_columns_are_named_with_a_hint,
);

async fn rows_match_the_selected_columns_and_filters(site: Site) {
    let site = site.recorded().await;
    let total =
        "metric_category=eq.posts_total&select=d:metric_date,value,v:value::text&order=metric_date.desc";
    let answer = site.get(&format!("daily_metrics?{total}&limit=2")).await;
    assert_eq!((answer.status, answer.header("content-range")), (200, "0-1/*"));
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    let expected = json!([
        {"d": "2025-01-10", "value": 55, "v": "55"}, {"d": "2025-01-09", "value": 45, "v": "45"},
    ]);
    assert_eq!(answer.json(), expected);
    let rows = async |query: &str| {
        site.get(&format!("daily_metrics?{query}")).await.json().as_array().unwrap().len()
    };
    assert_eq!(rows("").await, 40);
    assert_eq!(rows("metric_date=gte.2025-01-09&metric_category=in.(posts_total,\"authors\",x)").await, 4);
    assert_eq!(rows("metric_category=eq.posts_total&value=gt.9").await, 7, "values compare as numbers");
    assert_eq!(rows("or=(value.gt.50,and(metric_date.eq.2025-01-01,metric_category.eq.authors))").await, 2);
    assert_eq!(rows("metric_category=not.in.(posts_total,posts_created)&metadata=not.is.null").await, 20);
    assert_eq!(rows("collection_timestamp=gte.2025-01-11T12:00:00Z").await, 40);
    assert_eq!(site.get("daily_metrics?metric_date=eq.2030-01-01").await.text, "[]");
}

async fn pages_have_a_content_range(site: Site) {
    let site = site.recorded().await;
    for (path, range, count, status, content_range) in [
        ("limit=10", "", false, 200, "0-9/*"),
        ("limit=10", "", true, 206, "0-9/40"),
        ("offset=30", "", true, 206, "30-39/40"),
        ("", "", true, 200, "0-39/40"),
        ("", "5-9", false, 200, "5-9/*"),
        ("", "5-9", true, 206, "5-9/40"),
        ("limit=0", "", true, 206, "*/40"),
        ("offset=41", "", true, 416, "*/40"),
        ("offset=41", "", false, 200, "*/*"),
        ("limit=-1", "", false, 416, ""),
        ("", "9-5", false, 416, ""),
    ] {
        let prefer = if count { "count=exact" } else { "" };
        let headers = [("apikey", "service"), ("range", range), ("range-unit", "items"), ("prefer", prefer)];
        let answer = site.ask("GET", &format!("daily_metrics?{path}"), &headers, "").await;
        let found = (answer.status, answer.header("content-range"));
        assert_eq!(found, (status, content_range), "{path} {range} {count}: {}", answer.text);
        let applied = if count && status != 416 { "count=exact" } else { "" };
        assert_eq!(answer.header("preference-applied"), applied);
    }
}

async fn head_has_a_content_range_and_no_body(site: Site) {
    let site = site.recorded().await;
    let headers = [("apikey", "service"), ("prefer", "count=exact"), ("range", "0-1")];
    let answer = site.ask("HEAD", "daily_metrics?metric_category=eq.authors&select=*", &headers, "").await;
    assert_eq!((answer.status, answer.header("content-range")), (200, "0-9/10"), "Range applies to GET only");
    assert_eq!(
        (answer.text.as_str(), answer.header("content-length")),
        ("", ""),
        "the length of the body of GET is not known"
    );
}

async fn a_single_row_is_returned_as_an_object(site: Site) {
    let site = site.recorded().await;
    let object = ("accept", "application/vnd.pgrst.object+json");
    let query = "daily_metrics?select=value,metadata&metric_category=eq.posts_total&order=metric_date&limit=";
    let one = site.get_with(&format!("{query}1"), object).await;
    assert_eq!((one.status, one.json()), (200, json!({"value": 1, "metadata": {}})), "{}", one.text);
    for rows in [0, 2] {
        let answer = site.get_with(&format!("{query}{rows}"), object).await;
        assert_eq!((answer.status, answer.code().as_str()), (406, "PGRST116"));
        assert_eq!(answer.json()["details"], format!("The result contains {rows} rows"));
    }
}

/// Commits as many records of posts, one a day from 1990 on.
async fn commit_records(site: &Site, count: u64, metadata: Map<String, Value>) {
    let store = &site.world.context.tenant.store;
    let run = NewRun {
        id: Uuid::new_v4(),
        kind: RunKind::Backfill,
        from: jiff::civil::date(1990, 1, 1),
        to: jiff::civil::date(2024, 12, 31),
        started_at: instant("2025-01-11T12:00:00Z"),
        trigger: daymark::store::Trigger::Cli,
        actor: "cli:test".to_owned(),
        host: "somewhere".to_owned(),
        process_id: 7,
    };
    store.start_run(&run).await.unwrap();
    let record = |day: u64| Record {
        metric_date: run.from + i64::try_from(day).unwrap().days(),
        key: MetricKey { metric_type: MetricType::Count, category: "posts_total".to_owned() },
        value: i64::try_from(day).unwrap().into(),
        metadata: metadata.clone(),
        provenance: Provenance::Reconstructed,
        definition_version: 1,
        collection_id: run.id,
        collection_timestamp: run.started_at,
    };
    let records: Vec<_> = (0..count).map(record).collect();
    store.commit(&records, None).await.unwrap();
}

/// A page that ends early would look like a whole one to a client that ignores the headers, as more than 10,000 rows would.
async fn an_answer_of_more_than_8_mib_is_refused(site: Site) {
    let metadata = Map::from_iter([("note".to_owned(), "ä".repeat(50_000).into())]);
    commit_records(&site, 100, metadata).await;
    let ask = async |question: &str| site.get(&format!("daily_metrics?order=metric_date{question}")).await;
    for question in ["", "&limit=84", "&select=metadata", "&select=a:metadata,b:metadata&limit=42"] {
        let error = ask(question).await;
        assert_eq!((error.status, error.code().as_str()), (413, "54000"), "{question}: {:.400}", error.text);
        let error = error.json();
        assert!(error["message"].as_str().unwrap().contains("an answer has 8 MiB at most"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("range(0, 999)"), "{error}");
    }
    for (question, rows) in
        [("&limit=83", 83), ("&select=value", 100), ("&limit=20&offset=85", 15), ("&limit=5", 5)]
    {
        let answer = ask(question).await;
        let found = answer.json().as_array().map(Vec::len);
        assert_eq!((answer.status, found), (200, Some(rows)), "{question}: {:.400}", answer.text);
    }
    let headers = [("apikey", "service"), ("prefer", "count=exact")];
    let head = site.ask("HEAD", "daily_metrics", &headers, "").await;
    assert_eq!((head.status, head.header("content-range")), (200, "0-99/100"));
    let only = site.get_with("daily_metrics", ("accept", "application/vnd.pgrst.object+json")).await;
    assert_eq!((only.status, only.code().as_str()), (406, "PGRST116"));
}

/// Otherwise a client that ignores the headers would not notice that rows are missing.
async fn an_answer_of_more_than_10000_rows_is_refused(site: Site) {
    commit_records(&site, MAX_ROWS + 1, Map::new()).await;
    let ask = async |question: &str, header: (&str, &str)| {
        let answer =
            site.get_with(&format!("daily_metrics?select=value&order=metric_date{question}"), header).await;
        (answer.status, answer.header("content-range").to_owned())
    };
    let (none, counted) = (("range-unit", "items"), ("prefer", "count=exact"));
    for (question, header) in [
        ("", none),
        ("&limit=10001", none),
        ("&limit=20000", counted),
        ("", counted),
        ("", ("range", "0-")),
        ("", ("range", "0-20000")),
    ] {
        assert_eq!(ask(question, header).await, (413, String::new()), "{question} {header:?}");
    }
    let error = site.get("daily_metrics").await.json();
    assert_eq!(error["code"], "54000");
    assert!(error["message"].as_str().unwrap().contains("an answer can have 10000 at most"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("range(0, 9999)"), "{error}");
    for (question, header, status, content_range) in [
        ("&limit=10000", none, 200, "0-9999/*"),
        ("&limit=10000", counted, 206, "0-9999/10001"),
        ("", ("range", "0-9999"), 200, "0-9999/*"),
        ("", ("range", "10000-19999"), 200, "10000-10000/*"),
        ("&offset=1", none, 200, "1-10000/*"),
        ("&offset=1", counted, 206, "1-10000/10001"),
    ] {
        let found = ask(question, header).await;
        assert_eq!(found, (status, content_range.to_owned()), "{question} {header:?}");
    }
    let rest = site.get("daily_metrics?select=value&order=metric_date&offset=10000").await;
    assert_eq!((rest.status, rest.json()), (200, json!([{"value": MAX_ROWS}])));
    for (prefer, content_range) in [("count=exact", "0-9999/10001"), ("", "0-9999/*")] {
        let headers = [("apikey", "service"), ("prefer", prefer)];
        let head = site.ask("HEAD", "daily_metrics", &headers, "").await;
        assert_eq!((head.status, head.header("content-range")), (206, content_range));
    }
    let only = site.get_with("daily_metrics", ("accept", "application/vnd.pgrst.object+json")).await;
    assert_eq!((only.status, only.code().as_str()), (406, "PGRST116"));
    assert_eq!(only.json()["details"], "The result contains more than 10000 rows");
}

async fn a_deep_offset_is_refused_with_a_hint(site: Site) {
    assert_eq!(site.get("daily_metrics?offset=100000").await.status, 200);
    let deep = site.get("daily_metrics?offset=100001").await;
    assert_eq!((deep.status, deep.code().as_str()), (400, "54000"));
    assert!(deep.json()["hint"].as_str().unwrap().starts_with("Page by a key instead"), "{}", deep.text);
    let by_header = site.get_with("daily_metrics", ("range", "100001-100002")).await;
    assert_eq!((by_header.status, by_header.code().as_str()), (400, "54000"));
}

/// An answer to HEAD has no body that could contain the code.
async fn the_code_of_an_error_is_in_the_proxy_status_header(site: Site) {
    for (method, path, code) in [
        ("HEAD", "daily_metrics?nothing=eq.1", "42703"),
        ("HEAD", "nothing", "PGRST205"),
        ("GET", "nothing", "PGRST205"),
    ] {
        let answer = site.ask(method, path, &[("apikey", "service")], "").await;
        assert_eq!(answer.header("proxy-status"), format!("daymark; error={code}"), "{method} {path}");
    }
}

async fn missing_and_wrong_credentials_have_different_codes(site: Site) {
    let address = site.serve(false).await;
    for path in ["daily_metrics", "metric_collection_log"] {
        for (key, code) in [(None, "PGRST302"), (Some("an unknown key"), "PGRST301"), (Some(""), "PGRST301")]
        {
            let answer = served(address, path, key);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, code),
                "{path} {key:?}: {}",
                answer.text
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            documented::expect("GET", path, &answer);
        }
    }
}

/// The answer of a complete server with its own authentication.
fn served(address: SocketAddr, path: &str, key: Option<&str>) -> Answer {
    let mut request = ureq::get(format!("http://{address}/rest/v1/{path}"));
    request = request.config().http_status_as_error(false).build();
    if let Some(key) = key {
        request = request.header("apikey", key);
    }
    let mut response = tokio::task::block_in_place(|| request.call().unwrap());
    let headers = response.headers().clone();
    let text = tokio::task::block_in_place(|| response.body_mut().read_to_string().unwrap());
    Answer { status: response.status().as_u16(), headers, text }
}

async fn unknown_preferences_are_refused_with_handling_strict(site: Site) {
    for (prefer, status, applied) in [
        ("count=nope", 200, ""),
        ("foo=bar, count=exact", 200, "count=exact"),
        ("handling=lenient, foo=bar", 200, "handling=lenient"),
        ("handling=strict, count=exact, return=representation", 200, "count=exact, handling=strict"),
        ("handling=strict, count=nope", 400, ""),
        ("handling=strict,foo=bar", 400, ""),
        // Daymark cannot roll a call back.
        ("handling=strict, tx=rollback", 400, ""),
    ] {
        let answer = site.get_with("metric_definitions", ("prefer", prefer)).await;
        assert_eq!((answer.status, answer.header("preference-applied")), (status, applied), "{prefer}");
        let headers = [("apikey", "service"), ("prefer", prefer)];
        let called = site.ask("POST", "rpc/collect_daily_metrics", &headers, "{}").await;
        assert_eq!((called.status, called.code()), (status, answer.code()), "{prefer}");
    }
    let error = site.get_with("metric_definitions", ("prefer", "handling=strict,foo=bar")).await.json();
    assert_eq!(
        (&error["code"], &error["details"]),
        (&json!("PGRST122"), &json!("Invalid preferences: foo=bar"))
    );
}

async fn each_role_reads_the_tables_of_its_scopes(site: Site) {
    let site = site.recorded().await;
    let status = async |key: &str, table: &str| {
        let answer = site.ask("GET", table, &[("apikey", key)], "").await;
        (answer.status, answer.code())
    };
    let denied = |status| (status, "42501".to_owned());
    let seen = (200, String::new());
    for table in ["daily_metrics", "metric_definitions"] {
        assert_eq!(status("service", table).await, seen);
        assert_eq!(status("reader", table).await, seen);
        assert_eq!(status("anonymous", table).await, seen);
        assert_eq!(status("unprivileged", table).await, denied(401));
        assert_eq!(status("", table).await, (401, "PGRST302".to_owned()));
    }
    assert_eq!(status("service", "metric_collection_log").await, seen);
    assert_eq!(status("reader", "metric_collection_log").await, denied(403));
    assert_eq!(status("anonymous", "metric_collection_log").await, denied(401));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let answer = site.ask(method, "daily_metrics?value=eq.1", &[("apikey", "service")], "{}").await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "42501"), "{method}");
    }
    let challenge = site.ask("GET", "daily_metrics", &[], "").await;
    assert_eq!(challenge.header("www-authenticate"), "Bearer");
    assert_eq!(site.world.records().await.len(), 40);
}

async fn unknown_tables_and_columns_are_named_with_a_hint(site: Site) {
    for (path, status, code) in [
        ("posts", 404, "PGRST205"),
        ("metric_definition_versions", 404, "PGRST205"),
        ("sqlite_master", 404, "PGRST205"),
        ("daily_metrics/x", 404, "PGRST125"),
        ("daily_metrics?nothing=eq.1", 400, "42703"),
        ("daily_metrics?tenant_id=eq.default", 400, "42703"),
        ("daily_metrics?select=*,metric_collection_log(*)", 400, "PGRST200"),
        ("daily_metrics?value=eq.x", 400, "22P02"),
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}: {}", answer.text);
        let members: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["code", "details", "hint", "message"]);
    }
    let near = site.get("daily_metric").await.json();
    assert_eq!(near["hint"], "Perhaps you meant the table 'public.daily_metrics'");
    let begun = site.get("metric_coll").await.json();
    assert_eq!(begun["hint"], "Perhaps you meant the table 'public.metric_collection_log'");
    assert_eq!(site.get_with("daily_metrics", ("accept", "text/csv")).await.code(), "PGRST107");
    assert_eq!(site.get_with("daily_metrics", ("accept-profile", "auth")).await.code(), "PGRST106");
}
