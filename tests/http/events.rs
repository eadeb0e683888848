//! Server-sent events: their content, their readers, their duration, and the limit on the number of streams.

use daymark::{
    access::{Role, revoke_key},
    collect::{CancellationToken, collect_day},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    on_both_stores,
    raw::RawClient,
    site::{Site, new_key},
    world::january,
};

on_both_stores!(records_and_annotations_are_sent_as_events, the_progress_of_jobs_needs_the_scope_log,);

/// The last chunk of an answer.
const END: &str = "\r\n0\r\n\r\n";

/// A client of the stream that keeps what it has received.
struct Listener {
    client: RawClient,
    received: String,
}

impl Listener {
    async fn new(site: &Site, key: &str) -> Self {
        Self::of("/api/v1/events", site, key).await
    }

    async fn of(path: &str, site: &Site, key: &str) -> Self {
        let mut client = RawClient::connect(site.address).await;
        client.get(path, key).await;
        let mut listener = Self { client, received: String::new() };
        listener.hear(": connected").await;
        listener
    }

    /// Reads until `text` has come.
    async fn hear(&mut self, text: &str) {
        while !self.received.contains(text) {
            let some = self.client.some().await;
            assert!(!some.is_empty(), "the stream ended before {text:?}: {}", self.received);
            self.received.push_str(&String::from_utf8_lossy(&some));
        }
    }

    /// The data of the events with this name.
    fn events(&self, name: &str) -> Vec<Value> {
        let begin = format!("event: {name}\ndata: ");
        let data = self.received.split(&begin).skip(1).map(|rest| rest.split('\n').next().unwrap());
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

async fn records_and_annotations_are_sent_as_events(site: Site) {
    let mut listener = Listener::new(&site, &site.reader).await;
    // A page that was made before a change is notified of it at once.
    let mut late = Listener::of("/api/v1/events?since=m0", &site, &site.reader).await;
    late.hear("event: changed").await;
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(listener.received.contains(header), "{}", listener.received);
    }
    // Another process records, and this one annotates.
    let other = site.world.another_process();
    collect_day(&other, Some(january(10)), &[], &CancellationToken::new()).await.unwrap();
    listener.hear("event: changed").await;
    assert_eq!(listener.events("changed")[0], json!({"last_finished": "2025-01-10"}));
    listener.received.clear();
    let note = json!({"from": "2025-01-08", "text": "release"});
    assert_eq!(site.post("/api/v1/annotations", &note).await.status, 201);
    listener.hear("event: changed").await;
}

async fn the_progress_of_jobs_needs_the_scope_log(site: Site) {
    let (mut admin, mut reader) =
        (Listener::new(&site, &site.admin).await, Listener::new(&site, &site.reader).await);
    // The job may be over before it is looked at, and is then told of by its commits only.
    let started = site.post("/api/v1/backfills", &json!({"from": "2025-01-01"})).await.json();
    admin.hear("event: changed").await;
    reader.hear("event: changed").await;
    assert!(reader.events("job").is_empty(), "{}", reader.received);
    for job in admin.events("job") {
        assert_eq!((&job["id"], &job["kind"]), (&started["id"], &json!("backfill")), "{job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_credentials_and_with_the_server() {
    let site = Site::sqlite().await;
    let key = new_key(&site.world.context, "browser", Role::Reader).await;
    let (mut revoked, mut other) =
        (Listener::new(&site, &key).await, Listener::new(&site, &site.reader).await);
    revoke_key(site.world.context.tenant.store.as_ref(), site.world.context.now(), "browser", "test")
        .await
        .unwrap();
    site.world.set_clock(&(site.world.context.now() + SignedDuration::from_secs(30)).to_string());
    revoked.hear(END).await;
    site.stop();
    other.hear(END).await;
    site.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_eight_streams_and_one_that_ends_makes_room() {
    let site = Site::sqlite().await;
    let mut listeners = Vec::new();
    for _ in 0..8 {
        listeners.push(Listener::new(&site, &site.reader).await);
    }
    assert_eq!(site.get("/api/v1/events").await.status, 503);
    assert_eq!(Listener::new(&site, &site.admin).await.events("job"), [] as [Value; 0]);
    listeners.pop();
    // The server notices that the client is gone when it next writes.
    crate::raw::until("a place is free", async || {
        let mut client = RawClient::connect(site.address).await;
        client.get("/api/v1/events", &site.reader).await;
        String::from_utf8_lossy(&client.some().await).contains("200 OK")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_there_is_no_stream() {
    let site = Site::sqlite().await;
    assert_eq!(site.send("GET", "/api/v1/events", &[], None).await.problem(), "unauthenticated");
    assert_eq!(site.get("/api/v1/events?from=x").await.problem(), "invalid-parameter");
}
