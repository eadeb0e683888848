//! Questions about an instant at which a commit was under way, or that is in the future.

use jiff::ToSpan;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::site::Site;

/// The lock that a commit of records holds until it has ended.
const LOCK: &str =
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('daymark:daymark:default:redactions', 0))";

/// The readers that take `as_of`.
const READERS: [&str; 9] = [
    "/api/v1/metrics?from=2025-01-01&to=2025-01-05&",
    "/api/v1/latest?",
    "/api/v1/activity?days=5&",
    "/api/v1/corrections?",
    "/api/v1/export?from=2025-01-01&to=2025-01-05&",
    "/api/v1/export/latest?",
    "/api/v1/export/activity?days=5&",
    "/api/v1/export/corrections?",
    "/rest/v1/rpc/daily_metrics_as_of?",
];

crate::on_both_stores!(an_instant_in_the_future_is_refused);

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_waits_for_the_commits_that_were_under_way() {
    let site = Site::postgres().await;
    let mut session = PgConnection::connect(&site.world.store_url).await.unwrap();
    let mut commit = session.begin().await.unwrap();
    sqlx::query(LOCK).execute(&mut *commit).await.unwrap();
    let at = site.world.context.tenant.store.now().await.unwrap();
    site.world.set_clock(&at.saturating_add(1.minute()).unwrap().to_string());
    let paths = READERS.map(|path| format!("{path}as_of={at}"));
    for path in &paths {
        let reply = site.get(path).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, "1"), "{path}: {}", reply.text());
        let problem: Value = reply.json();
        let message = problem["detail"].as_str().or(problem["message"].as_str()).unwrap();
        assert!(
            message.starts_with(&format!("a commit that was under way at {at} has not ended")),
            "{message}"
        );
    }
    commit.rollback().await.unwrap();
    for path in &paths {
        let reply = site.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
}

/// The clock of the server may be ahead of that of the store's database, and does not count.
async fn an_instant_in_the_future_is_refused(site: Site) {
    let at = site.world.context.tenant.store.now().await.unwrap().saturating_add(4.minutes()).unwrap();
    site.world.set_clock(&at.saturating_add(1.minute()).unwrap().to_string());
    for path in READERS {
        let reply = site.get(&format!("{path}as_of={at}")).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.text());
        let problem: Value = reply.json();
        let message = problem["detail"].as_str().or(problem["message"].as_str()).unwrap();
        assert!(
            message.contains(&format!("{at} is in the future; by the clock of the store's database it is ")),
            "{message}"
        );
        match path.starts_with("/rest/v1") {
            true => assert_eq!(problem["code"], "22023"),
            false => assert_eq!(problem["errors"][0]["parameter"], "as_of"),
        }
    }
}
