//! Requests that are malformed or whose head is too long.

use crate::{raw::RawClient, site::Site};

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused_and_end_the_connection() {
    let site = Site::sqlite().await;
    let many: String = (0..101).map(|number| format!("x{number}: 1\r\n")).collect();
    for (sent, status) in [
        (format!("GET /livez HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(65_535)), 414),
        ("GET /livez HTTP/3.7\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nno header\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1} as TLS begins\r\n\r\n".to_owned(), 400),
    ] {
        let mut client = RawClient::connect(site.address).await;
        client.send(&sent).await;
        let answer = client.rest().await;
        let shown = &sent[..sent.len().min(60)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
        assert!(answer.contains("connection: close") && answer.ends_with("\r\n\r\n"), "{shown}: {answer}");
    }
}

/// The server cannot know where the next request would begin.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_ends_a_connection_after_earlier_answers() {
    let site = Site::sqlite().await;
    let mut client = RawClient::connect(site.address).await;
    client.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(client.some().await.starts_with(b"HTTP/1.1 200"));
    client.send("what\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
