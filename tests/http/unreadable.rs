//! What is no request, or more of one than is read.

use serde_json::Value;

use crate::{raw::RawClient, site::Site};

/// What is answered, as its status and its problem, after checking that it is one with an id.
async fn refusal(site: &Site, sent: &[u8]) -> (u16, String) {
    let mut client = RawClient::connect(site.address).await;
    client.send(sent).await;
    let answer = client.rest().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let header = |name: &str| {
        let found = head.lines().filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name);
        found.map_or("", |(_, value)| value).to_owned()
    };
    assert_eq!(header("content-type"), "application/problem+json", "{answer}");
    assert_eq!(header("content-length"), body.len().to_string(), "{answer}");
    assert_eq!((header("x-request-id").len(), header("connection").as_str()), (32, "close"), "{answer}");
    let problem: Value = serde_json::from_str(body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(problem["status"], status);
    (status, problem["type"].as_str().unwrap().trim_start_matches("urn:daymark:problem:").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_with_a_problem() {
    let site = Site::sqlite().await;
    let many: String = (0..101).map(|number| format!("x{number}: 1\r\n")).collect();
    for (sent, status, kind) in [
        (format!("GET /livez HTTP/1.1\r\n{many}\r\n"), 431, "headers-too-large"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(65_535)), 414, "uri-too-long"),
        ("GET /livez HTTP/3.7\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("GET /livez HTTP/1.1\r\nno header\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("\u{16}\u{3}\u{1} as TLS begins\r\n\r\n".to_owned(), 400, "invalid-request"),
    ] {
        let shown = &sent[..sent.len().min(60)];
        assert_eq!(refusal(&site, sent.as_bytes()).await, (status, kind.to_owned()), "{shown}");
    }
}

/// Whoever sent it may send nothing else: where a next request would begin is not known.
#[tokio::test(flavor = "multi_thread")]
async fn it_ends_the_connection_after_what_was_asked_before() {
    let site = Site::sqlite().await;
    let mut client = RawClient::connect(site.address).await;
    client.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
    client.send("what\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("urn:daymark:problem:"), "{answer}");
}
