//! Hostile strings in every parameter. Each answer is either an error with a status of 4xx or the rows that a naive search
//! finds, and the tables do not change.

use daymark::{
    metric::Decimal,
    store::{
        TableQuery,
        table::{Output, RowCondition, StoreTable},
    },
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use strum::IntoEnumIterator;
use tokio::{runtime::Handle, task::block_in_place};

use crate::{
    on_both_stores,
    site::{Answer, Site},
};

on_both_stores!(hostile_strings_are_treated_as_values_or_refused);

const CASES: u32 = 150;

/// Fragments that end a literal, a list, an identifier or a statement, and values that a column could have.
const FRAGMENTS: [&str; 34] = [
    "'",
    "\"",
    "\\",
    "`",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ".",
    ";",
    ":",
    "::",
    "--",
    "/*",
    "*/",
    "%",
    "*",
    "$1",
    "?1",
    "\0",
    "\u{feff}",
    " OR 1=1",
    "'; DROP TABLE daily_metrics; --",
    ") UNION SELECT * FROM metric_definition_versions --",
    "pg_sleep(5)",
    "tenant_id",
    "value",
    "not.",
    "eq.",
    "posts_total",
    "1e400",
];

fn hostile() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        4 => prop::sample::select(FRAGMENTS.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z_0-9]{1,8}",
    ];
    prop::collection::vec(fragment, 0..6).prop_map(|fragments| fragments.concat())
}

async fn hostile_strings_are_treated_as_values_or_refused(site: Site) {
    let site = site.recorded().await;
    let before = everything(&site).await;
    let rows = site.get("daily_metrics").await.json().as_array().unwrap().clone();
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let tried = block_in_place(|| {
        runner.run(&hostile(), |text| {
            Handle::current().block_on(async {
                compares_as_a_string(&site, &rows, &text).await;
                is_refused_or_harmless(&site, &rows, &text).await;
                starts_nothing(&site, &text).await;
            });
            Ok(())
        })
    });
    tried.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(everything(&site).await, before);
    assert_eq!(site.world.context.tenant.store.pending_migrations().await.unwrap(), Vec::<String>::new());
}

/// All rows of all tables.
async fn everything(site: &Site) -> Vec<String> {
    let mut all = Vec::new();
    for table in StoreTable::iter() {
        let output = |column| Output { column, alias: None, as_text: false };
        let query = TableQuery {
            table,
            columns: table.columns().iter().map(output).collect(),
            condition: RowCondition::All(Vec::new()),
            order: Vec::new(),
            limit: 100_000,
            offset: 0,
            max_bytes: 1 << 30,
            count: false,
            as_of: None,
        };
        all.push(site.world.context.tenant.store.table(&query).await.unwrap().json.unwrap());
    }
    all
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn quoted(text: &str) -> String {
    encoded(&format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Checks parameters in which the string is a value: it compares as that value.
async fn compares_as_a_string(site: &Site, rows: &[Value], text: &str) {
    let (plain, quoted) = (encoded(text), quoted(text));
    let is = |row: &Value, category: &str| row["metric_category"] == category;
    let same = |row: &Value| is(row, text);
    type Wanted<'a> = Box<dyn Fn(&Value) -> bool + 'a>;
    let questions: [(String, Wanted<'_>); 6] = [
        (format!("metric_category=eq.{plain}"), Box::new(same)),
        (format!("metric_category=neq.{plain}"), Box::new(|row| !same(row))),
        (
            format!("metric_category=not.gte.{plain}"),
            Box::new(|row| row["metric_category"].as_str() < Some(text)),
        ),
        (format!("metric_category=in.({quoted},authors)"), Box::new(|row| same(row) || is(row, "authors"))),
        (
            format!("or=(metric_category.eq.{quoted},value.gt.50)"),
            Box::new(|row| same(row) || row["value"] == 55),
        ),
        (
            format!("and=(metric_category.neq.{quoted},value.gt.50)"),
            Box::new(|row| !same(row) && row["value"] == 55),
        ),
    ];
    for (question, wanted) in questions {
        let answer = site.get(&format!("daily_metrics?{question}")).await;
        if text.contains('\0') {
            assert_eq!((answer.status, answer.code().as_str()), (400, "22021"), "{question}");
        } else {
            let expected: Vec<_> = rows.iter().filter(|row| wanted(row)).cloned().collect();
            assert_eq!((answer.status, answer.json()), (200, Value::Array(expected)), "{question}");
        }
    }
    let answer = site.get(&format!("daily_metrics?value=gte.{plain}")).await;
    match text.parse::<Decimal>() {
        Ok(least) => {
            let value = |row: &Value| row["value"].to_string().parse::<Decimal>().unwrap();
            let expected: Vec<_> = rows.iter().filter(|row| value(row) >= least).cloned().collect();
            assert_eq!(answer.json(), Value::Array(expected), "{text}");
        }
        Err(_) => assert_eq!((answer.status, answer.code().as_str()), (400, "22P02"), "{text}"),
    }
    let answer = site.get(&format!("daily_metrics?select={quoted}:value&limit=1")).await;
    match text.contains('\0') {
        true => assert_eq!(answer.code(), "PGRST100"),
        false => assert_eq!(answer.json(), json!([{ text: rows[0]["value"] }]), "{text}"),
    }
}

/// Checks parameters in which the string is part of the query language: the request is answered or refused.
async fn is_refused_or_harmless(site: &Site, rows: &[Value], text: &str) {
    let plain = encoded(text);
    let path: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for question in [
        format!("daily_metrics?select={plain}"),
        format!("daily_metrics?select=value,{plain}:{plain}::{plain}"),
        format!("daily_metrics?order={plain}"),
        format!("daily_metrics?order=value.{plain}"),
        format!("daily_metrics?limit={plain}"),
        format!("daily_metrics?offset={plain}"),
        format!("daily_metrics?{plain}=eq.1"),
        format!("daily_metrics?value={plain}"),
        format!("daily_metrics?value=is.{plain}"),
        format!("daily_metrics?metric_date=eq.{plain}"),
        format!("daily_metrics?collection_id=in.({plain})"),
        format!("daily_metrics?or={plain}"),
        format!("daily_metrics?or=(value.eq.1,{plain})"),
        format!("daily_metrics?{plain}"),
        format!("metric_definitions?is_active=eq.{plain}"),
        format!("{path}?select=*"),
    ] {
        harmless(&site.get(&question).await, rows, &question);
    }
    for name in ["range", "prefer", "accept", "accept-profile"] {
        if axum::http::HeaderValue::from_str(text).is_ok() {
            harmless(&site.get_with("daily_metrics", (name, text)).await, rows, name);
        }
    }
}

/// Asserts that the answer is an error with a status of 4xx, or has at most the rows that exist.
fn harmless(answer: &Answer, rows: &[Value], question: &str) {
    match answer.status {
        200 | 206 => {
            assert!(answer.json().as_array().unwrap().len() <= rows.len(), "{question}: {}", answer.text)
        }
        status => assert!((400..500).contains(&status), "{question}: {status} {}", answer.text),
    }
}

/// Checks that a hostile name or argument of a function starts no run.
async fn starts_nothing(site: &Site, text: &str) {
    let path: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for (function, arguments) in [
        ("collect_daily_metrics", json!({ "target_date": text })),
        ("collect_daily_metrics", json!({ text: "2025-01-10" })),
        ("backfill_daily_metrics", json!({ "start_date": text, "end_date": text })),
        (path.as_str(), json!({})),
    ] {
        let answer = site.call(function, &arguments.to_string()).await;
        assert!((400..500).contains(&answer.status), "{function} {arguments}: {}", answer.text);
    }
}
