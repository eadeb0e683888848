//! The lines of a server's log.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use daymark::access::Role;
use serde_json::{Value, json};

use crate::{
    process::Process,
    raw::until,
    site::{new_key, request},
    world::World,
};

/// Sends a request whose handler writes a line of its own, and returns the lines of that request in the log.
async fn lines(format: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let (store_url, platform_url) = (url("store.db"), url("platform.db"));
    let world = World::at(tempfile::tempdir().unwrap(), store_url.clone(), platform_url.clone()).await;
    let key = new_key(&world.context, "service", Role::Service).await;
    let server = Process::start(&store_url, &platform_url, &[("DAYMARK_LOG_FORMAT", format)]);
    let headers = [("apikey", key.as_str()), ("x-request-id", "the-one")];
    let reply = request(server.address, "POST", "/api/v1/collections", &headers, None).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    until("the request is logged", async || server.logged("duration_us") == 1).await;
    server.lines("the-one")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_log_line_of_a_request_has_its_id() {
    let lines: Vec<Value> =
        lines("json").await.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [own, of_the_request] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (&own["span"]["id"], &own["fields"]["message"]),
        (&json!("the-one"), &json!("a request started a job"))
    );
    let fields = &of_the_request["fields"];
    assert_eq!(of_the_request["span"], json!({"id": "the-one", "name": "request"}));
    let expected = json!({
        "method": "POST", "path": "/api/v1/collections", "status": 202, "duration_us": fields["duration_us"],
    });
    assert_eq!((fields, &of_the_request["level"]), (&expected, &json!("INFO")));
    assert!(fields["duration_us"].is_u64(), "{fields}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_lines_have_the_same_fields_and_no_colours_in_a_pipe() {
    let lines = lines("text").await;
    let [own, of_the_request] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(own.contains("INFO request{id=\"the-one\"}: a request started a job"), "{own:?}");
    let fields =
        "INFO request{id=\"the-one\"}: method=\"POST\" path=\"/api/v1/collections\" status=202 duration_us=";
    assert!(of_the_request.contains(fields), "{of_the_request:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_and_missing_authentication_are_logged_at_every_level() {
    let directory = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let (store_url, platform_url) = (url("store.db"), url("platform.db"));
    drop(World::at(tempfile::tempdir().unwrap(), store_url.clone(), platform_url.clone()).await);
    let settings = [("DAYMARK_LOG_FORMAT", "json"), ("DAYMARK_LOG_LEVEL", "error")];
    let server = Process::start(&store_url, &platform_url, &settings);
    for (said, level) in [("authentication is off: every program", "WARN"), ("listening on http", "INFO")] {
        let lines = server.lines(said);
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], level);
        assert!(line["fields"]["message"].as_str().unwrap().starts_with(said), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_run_is_not_logged_as_an_error() {
    let world = World::sqlite().await;
    let key = new_key(&world.context, "service", Role::Service).await;
    let server = Process::start(&world.store_url, &world.platform_url, &[("DAYMARK_LOG_FORMAT", "json")]);
    let headers = [("apikey", key.as_str()), ("content-type", "application/json")];
    let body = Some(r#"{"target_date": "2999-01-01"}"#.to_owned());
    let path = "/rest/v1/rpc/collect_daily_metrics";
    assert_eq!(request(server.address, "POST", path, &headers, body).await.status, 400);
    until("the request is logged", async || server.logged("duration_us") == 1).await;
    assert_eq!((server.logged("that cannot be"), server.lines(r#""ERROR""#)), (1, vec![]));
}

/// A background thread writes the lines. Those that wait when the server stops are written before it ends.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_is_lost_when_the_server_stops() {
    let directory = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let (store_url, platform_url) = (url("store.db"), url("platform.db"));
    let world = World::at(tempfile::tempdir().unwrap(), store_url.clone(), platform_url.clone()).await;
    let key = new_key(&world.context, "reader", Role::Reader).await;
    for _ in 0..3 {
        let server = Process::start(&store_url, &platform_url, &[("DAYMARK_LOG_FORMAT", "json")]);
        for number in 0..50 {
            let id = format!("request-{number:02}");
            let headers = [("apikey", key.as_str()), ("x-request-id", &id)];
            let reply = request(server.address, "GET", "/api/v1/definitions", &headers, None).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        server.terminate();
        until("its last line is there", async || server.logged(r#""message":"stopping""#) == 1).await;
        let described = |line: &String| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            let fields = &line["fields"];
            line["span"]["id"].as_str().or(fields["message"].as_str()).unwrap().to_owned()
        };
        let described: Vec<_> = server.lines("").iter().map(described).collect();
        let [listening, requests @ .., stops, stopping] = &described[..] else { panic!("{described:?}") };
        assert!(listening.starts_with("listening on http://127.0.0.1:"), "{listening}");
        let expected: Vec<_> = (0..50).map(|number| format!("request-{number:02}")).collect();
        assert_eq!(requests, expected);
        assert!(stops.starts_with("stopping; committed records are kept"), "{stops}");
        assert_eq!(stopping, "stopping");
    }
}

/// Nothing reads the pipe of the log, which is full after some hundred lines.
#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_while_the_log_pipe_is_full() {
    let world = World::sqlite().await;
    new_key(&world.context, "reader", Role::Reader).await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_daymark"))
        .arg("serve")
        .env_clear()
        .env("DAYMARK_STORE_URL", &world.store_url)
        .env("DAYMARK_PLATFORM_URL", &world.platform_url)
        .env("DAYMARK_HTTP_LISTEN", "127.0.0.1:0")
        .env("DAYMARK_SCHEDULE_ENABLED", "false")
        .env("DAYMARK_ALERTING_ENABLED", "false")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server does not start");
        if let Some((_, rest)) = line.split_once("listening on http://") {
            break rest.split(';').next().unwrap().parse().unwrap();
        }
    };
    let path = format!("/api/v1/{}", "x".repeat(2000));
    for _ in 0..100 {
        assert_eq!(request(address, "GET", &path, &[], None).await.status, 404);
    }
    drop(log);
    child.kill().unwrap();
    child.wait().unwrap();
}
