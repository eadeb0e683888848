//! `/rest/v1/rpc`: the functions that start runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use daymark::store::LockName;
use serde_json::json;

use crate::{
    on_both_stores,
    site::Site,
    world::{LAST_FINISHED, SOURCES, definition, definitions, january},
};

on_both_stores!(
    the_row_of_a_function_is_counted_on_request,
    collect_records_a_named_day_or_the_last_finished_one,
    only_finished_days_are_recorded,
    today_may_stand_for_the_last_finished_day,
    a_backfill_ends_with_the_last_finished_day,
    a_day_whose_lock_is_held_answers_409,
    nothing_can_be_recorded_before_definitions_are_applied,
    an_unreachable_platform_answers_503,
    two_equal_calls_record_once,
    a_run_that_records_nothing_is_an_error,
    one_failing_day_makes_the_run_partial,
    invalid_arguments_are_refused_before_a_run_starts,
    collecting_needs_the_scope_collect,
);

async fn collect_records_a_named_day_or_the_last_finished_one(site: Site) {
    let answer = site.call("collect_daily_metrics", r#"{"target_date": "2025-01-09"}"#).await;
    assert_eq!((answer.status, answer.header("content-range")), (200, "0-0/*"), "{}", answer.text);
    let row = &answer.json()[0];
    assert_eq!(row["metrics_collected"], 4);
    assert_eq!(row["status"], "completed");
    assert_eq!(row["collection_date"], "2025-01-09");
    assert!(row["execution_time_ms"].is_u64());
    for (arguments, already) in [("", 0), ("{}", 4), (r#"{"target_date": null}"#, 4)] {
        let answer = site.call("collect_daily_metrics", arguments).await;
        let row = &answer.json()[0];
        assert_eq!(row["collection_date"], LAST_FINISHED.to_string(), "{arguments}");
        assert_eq!(row["metrics_already_recorded"], already, "{arguments}");
    }
    assert_eq!(site.world.records().await.len(), 8);
}

async fn the_row_of_a_function_is_counted_on_request(site: Site) {
    let headers = [("apikey", "service"), ("prefer", "count=exact")];
    let counted = site.ask("POST", "rpc/collect_daily_metrics", &headers, "{}").await;
    assert_eq!((counted.status, counted.header("content-range")), (200, "0-0/1"));
    assert_eq!(counted.header("preference-applied"), "count=exact");
    assert_eq!(site.call("collect_daily_metrics", "{}").await.header("content-range"), "0-0/*");
}

async fn only_finished_days_are_recorded(site: Site) {
    for date in ["2025-01-11", "2025-01-12", "2999-01-01"] {
        let answer = site.call("collect_daily_metrics", &json!({ "target_date": date }).to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "22023"), "{}", answer.text);
        let error = answer.json();
        assert!(error["message"].as_str().unwrap().contains("it can be recorded from 2"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("2025-01-10"), "{error}");
    }
    assert_eq!(site.call("collect_daily_metrics", r#"{"target_date": "1899-12-31"}"#).await.code(), "22023");
    assert!(site.world.runs().await.is_empty());
}

async fn today_may_stand_for_the_last_finished_day(site: Site) {
    let site = site.with_file(&format!("{SOURCES}\n[rest]\nunfinished_day = \"last_finished\"\n"));
    for (date, already) in [("2025-01-11", 0), ("2025-01-12", 4)] {
        let answer = site.call("collect_daily_metrics", &json!({ "target_date": date }).to_string()).await;
        let row = &answer.json()[0];
        assert_eq!(row["collection_date"], LAST_FINISHED.to_string(), "{}", answer.text);
        assert_eq!(row["metrics_already_recorded"], already, "{date}");
    }
    let later = site.call("collect_daily_metrics", r#"{"target_date": "2025-01-13"}"#).await;
    assert_eq!((later.status, later.code().as_str()), (400, "22023"), "{}", later.text);
    let past = site.call("collect_daily_metrics", r#"{"target_date": "2025-01-08"}"#).await;
    assert_eq!(past.json()[0]["collection_date"], "2025-01-08");
}

async fn a_backfill_ends_with_the_last_finished_day(site: Site) {
    let answer = site
        .call("backfill_daily_metrics", r#"{"start_date": "2025-01-08", "end_date": "2025-01-11"}"#)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let row = &answer.json()[0];
    assert_eq!(row["dates_processed"], 3);
    assert_eq!(row["total_metrics"], 12);
    assert_eq!(row["end_date"], "2025-01-10");
    assert!(row["execution_time_ms"].is_u64());
    let again = site.call("backfill_daily_metrics", r#"{"start_date": "2025-01-07"}"#).await;
    let row = &again.json()[0];
    assert_eq!(
        (row["total_metrics"].as_u64(), row["metrics_already_recorded"].as_u64()),
        (Some(4), Some(12))
    );
    for (start, end) in [("2025-01-11", "2025-01-12"), ("2025-01-05", "2025-01-04")] {
        let arguments = json!({"start_date": start, "end_date": end}).to_string();
        let answer = site.call("backfill_daily_metrics", &arguments).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "22023"), "{}", answer.text);
    }
}

async fn a_day_whose_lock_is_held_answers_409(site: Site) {
    let other = site.world.another_process();
    let lock = other.tenant.store.try_lock(&LockName::Day(january(10))).await.unwrap().unwrap();
    let answer = site.call("collect_daily_metrics", "{}").await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "55P03"), "{}", answer.text);
    drop(lock);
    assert_eq!(site.call("collect_daily_metrics", "{}").await.status, 200);
}

async fn nothing_can_be_recorded_before_definitions_are_applied(mut site: Site) {
    site.world.context = site.world.with_empty_store().await;
    site.world.context.tenant.store.migrate().await.unwrap();
    site.world.context.tenant.store.simulate_clock().await.unwrap();
    let site = Site::around(site.world);
    for (function, arguments) in
        [("collect_daily_metrics", "{}"), ("backfill_daily_metrics", r#"{"start_date": "2025-01-01"}"#)]
    {
        let answer = site.call(function, arguments).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "55000"), "{function}: {}", answer.text);
    }
}

async fn an_unreachable_platform_answers_503(mut site: Site) {
    site.world.context = site.world.without_platform();
    let site = Site::around(site.world);
    let answer = site.call("collect_daily_metrics", "{}").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "PGRST001"), "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "1");
    let log = site.get("metric_collection_log?select=status").await;
    assert_eq!(log.json(), json!([{"status": "failed"}]));
}

async fn two_equal_calls_record_once(site: Site) {
    let written = AtomicUsize::new(0);
    let call = async || {
        let answer = site.call("backfill_daily_metrics", r#"{"start_date": "2025-01-01"}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let total = answer.json()[0]["total_metrics"].as_u64().unwrap();
        written.fetch_max(usize::try_from(total).unwrap(), Ordering::Relaxed);
    };
    tokio::join!(call(), call());
    assert_eq!(written.into_inner(), 40);
    assert_eq!(site.world.records().await.len(), 40);
}

/// A client that only checks for an error would otherwise take such a run for a success.
async fn a_run_that_records_nothing_is_an_error(site: Site) {
    site.world.execute("ALTER TABLE posts RENAME TO moved").await;
    let partly = site.call("collect_daily_metrics", "{}").await;
    assert_eq!((partly.status, &partly.json()[0]["status"]), (200, &json!("partial")), "{}", partly.text);
    site.world.execute("ALTER TABLE comments RENAME TO moved_too").await;
    for (function, arguments) in [
        ("collect_daily_metrics", r#"{"target_date": "2025-01-09"}"#),
        ("backfill_daily_metrics", r#"{"start_date": "2025-01-08", "end_date": "2025-01-09"}"#),
    ] {
        let answer = site.call(function, arguments).await;
        assert_eq!((answer.status, answer.code().as_str()), (500, "XX000"), "{function}: {}", answer.text);
        let error = answer.json();
        assert!(error["message"].as_str().unwrap().starts_with("no metric was recorded; "), "{error}");
        assert_eq!(error["details"], "metrics that failed: 4");
    }
    assert_eq!(site.world.records().await.len(), 1);
}

/// A script that backfills every night would otherwise fail every night because of the same day.
async fn one_failing_day_makes_the_run_partial(site: Site) {
    let format = site.world.time_format();
    let query = "SELECT CASE WHEN {day} = '2025-01-03' THEN -1 ELSE 1 END AS value";
    let flaky = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
    let mut wanted = definitions(format);
    wanted.push(definition(format, "flaky", flaky));
    site.world.apply(&wanted).await;
    for (function, arguments, records) in [
        ("backfill_daily_metrics", r#"{"start_date": "2025-01-01"}"#, 49),
        ("collect_daily_metrics", r#"{"target_date": "2025-01-03"}"#, 4),
    ] {
        for _ in 0..2 {
            let answer = site.call(function, arguments).await;
            assert_eq!(answer.status, 200, "{function}: {}", answer.text);
            let row = &answer.json()[0];
            let written = ["total_metrics", "metrics_collected"].iter().find_map(|name| row[name].as_u64());
            let there = written.unwrap() + row["metrics_already_recorded"].as_u64().unwrap();
            assert_eq!((&row["status"], there), (&json!("partial"), records), "{function}");
        }
    }
    let log = site.get("metric_collection_log?select=status,error_message").await.json();
    for run in log.as_array().unwrap() {
        assert_eq!(run["status"], "partial");
        assert!(run["error_message"].as_str().unwrap().starts_with("flaky: "), "{run}");
    }
}

async fn invalid_arguments_are_refused_before_a_run_starts(site: Site) {
    for (function, arguments, status, code) in [
        ("collect_daily_metrics", r#"{"target_date": "10.1.2025"}"#, 400, "22007"),
        ("collect_daily_metrics", r#"{"target_date": "2025-02-30"}"#, 400, "22008"),
        ("collect_daily_metrics", r#"{"target_date": 20250110}"#, 400, "22007"),
        (
            "collect_daily_metrics",
            r#"{"target_date": "2025-01-10'; DROP TABLE daily_metrics; --"}"#,
            400,
            "22007",
        ),
        ("collect_daily_metrics", r#"{"date": "2025-01-10"}"#, 404, "PGRST202"),
        ("collect_daily_metrics", r#"["2025-01-10"]"#, 400, "PGRST102"),
        ("collect_daily_metrics", "{", 400, "PGRST102"),
        ("collect_daily_metrics?select=status", "{}", 400, "PGRST127"),
        ("backfill_daily_metrics", "{}", 404, "PGRST202"),
        ("backfill_daily_metrics", r#"{"start_date": null}"#, 400, "22004"),
        ("backfill_daily_metrics", r#"{"start_date": "x"}"#, 400, "22007"),
        ("collect_daily_metric", "{}", 404, "PGRST202"),
        ("pg_sleep", r#"{"seconds": 10}"#, 404, "PGRST202"),
    ] {
        let answer = site.call(function, arguments).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{function} {arguments}: {}",
            answer.text
        );
    }
    for near in ["collect_daily_metric", "collect_daily", "Collect"] {
        let hint = site.call(near, "{}").await.json()["hint"].clone();
        assert_eq!(hint, "Perhaps you meant to call the function public.collect_daily_metrics", "{near}");
    }
    let large = site.call("collect_daily_metrics", &" ".repeat(3 << 20)).await;
    assert_eq!((large.status, large.code().as_str()), (413, "54000"), "{}", large.text);
    assert!(site.world.runs().await.is_empty());
}

async fn collecting_needs_the_scope_collect(site: Site) {
    let call = async |headers: &[(&str, &str)]| {
        let answer = site.ask("POST", "rpc/collect_daily_metrics", headers, "{}").await;
        (answer.status, answer.code())
    };
    assert_eq!(call(&[("apikey", "reader")]).await, (403, "42501".to_owned()));
    assert_eq!(call(&[("apikey", "anonymous")]).await, (401, "42501".to_owned()));
    assert_eq!(call(&[]).await, (401, "PGRST302".to_owned()));
    for method in ["GET", "HEAD"] {
        let answer = site.ask(method, "rpc/collect_daily_metrics", &[("apikey", "service")], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
    }
    let put = site.ask("PUT", "rpc/collect_daily_metrics", &[("apikey", "service")], "").await;
    assert_eq!((put.code().as_str(), put.header("allow")), ("PGRST101", "POST"));
    assert!(site.world.runs().await.is_empty());
}
