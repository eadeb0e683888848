//! Many concurrent clients of every kind while runs are in progress, one run is killed, and the store's server crashes
//! and restarts.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use daymark::{
    collect::{CancellationToken, backfill},
    store::{JobFilter, JobStatus},
};
use fastrand::Rng;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};

use crate::{
    raw::{RawClient, until},
    server::PrivateServer,
    site::{Reply, Settings, Site},
    witness::{Witness, truth},
    world::{Heard, World, range},
};

const CLIENTS: u64 = 32;
/// How many answers are awaited between two events.
const ANSWERS: usize = 100;
/// The limit of concurrent requests. It is lower than the number of clients, so that some requests are refused.
const MAX_CONCURRENT: usize = 24;
/// The requests, which are sent with the key of a reader.
const TARGETS: [&str; 9] = [
    "/api/v1/metrics?from=2025-01-01&to=2025-01-10",
    "/api/v1/metrics?from=2025-01-02&to=2025-01-09&category=posts_total",
    "/api/v1/metrics?from=2025-01-01&to=2025-01-10&category=posts_created&interval=day,week",
    "/api/v1/latest",
    "/api/v1/activity?days=10",
    "/api/v1/export?from=2025-01-01&to=2025-01-10",
    "/rest/v1/daily_metrics?select=metric_date,metric_category,value",
    "/rest/v1/daily_metrics?select=metric_date,metric_category,value&metric_category=eq.authors",
    "/rest/v1/daily_metrics?select=metric_date,metric_category,value&metric_date=lte.2025-01-05",
];

struct Scene {
    site: Site,
    store_url: String,
    witness: Witness,
    over: AtomicBool,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_right_through_crashes_and_kills() {
    let server = PrivateServer::new();
    let scene = Arc::new(Scene::set(&server).await);
    let clients: Vec<_> = (0..CLIENTS).map(|seed| tokio::spawn(client(Arc::clone(&scene), seed))).collect();
    scene.more_of(200).await;

    // The platform is locked, so its readers wait.
    let platform = locked(&scene.site.world.platform_url).await;
    scene.kill_a_backfill().await;
    let jobs = [
        scene.start("/api/v1/backfills", &json!({"from": "2025-01-01", "to": "2025-01-06"})).await,
        scene.start("/api/v1/collections", &json!({"date": "2025-01-10"})).await,
    ];
    until("both jobs are running", async || scene.running().await == 2).await;
    let server = away_from_here(server, PrivateServer::stop).await;
    scene.more_of(503).await;
    until("the server knows", async || scene.ready().await == 503).await;
    drop(platform);
    let _server = away_from_here(server, PrivateServer::start).await;
    until("the server knows of its own accord", async || scene.ready().await == 200).await;
    scene.more_of(200).await;

    for job in jobs {
        scene.ended(&job).await;
    }
    until("everything is recorded", async || {
        let job = scene.start("/api/v1/backfills", &json!({"from": "2025-01-01", "to": "2025-01-10"})).await;
        scene.ended(&job).await["status"] == "completed"
    })
    .await;
    scene.more_of(200).await;
    scene.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    println!("answers by status: {}", scene.witness.summary());
    scene.assert_all_is_well().await;
}

/// Stops or starts the server on a thread that may block.
async fn away_from_here(server: PrivateServer, act: fn(&PrivateServer)) -> PrivateServer {
    let acting = move || {
        act(&server);
        server
    };
    tokio::task::spawn_blocking(acting).await.unwrap()
}

impl Scene {
    /// Three of the ten days are recorded.
    async fn set(server: &PrivateServer) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
        let world = World::at(directory, server.url(), platform_url).await;
        backfill(&world.context, &range(1, 3), &Heard::default(), &CancellationToken::new()).await.unwrap();
        let mut settings = Settings::default();
        settings.http.max_concurrent_requests = MAX_CONCURRENT;
        settings.http.request_timeout = Duration::from_secs(1);
        let site = Site::start(world, settings).await;
        until("the reader's key is known", async || site.get(TARGETS[3]).await.status == 200).await;
        until("the admin's key is known", async || site.get_as_admin(TARGETS[3]).await.status == 200).await;
        Self { site, store_url: server.url(), witness: Witness::default(), over: AtomicBool::new(false) }
    }

    /// Waits until [`ANSWERS`] more answers had this status.
    async fn more_of(&self, status: u16) {
        let before = self.witness.count(status);
        until("more answers", async || self.witness.count(status) >= before + ANSWERS).await;
    }

    async fn ready(&self) -> u16 {
        self.site.send("GET", "/readyz", &[], None).await.status
    }

    /// Starts a job as soon as the server accepts it, and returns its location.
    async fn start(&self, path: &str, body: &Value) -> String {
        let mut location = String::new();
        until("the run is accepted", async || {
            let reply = self.site.post(path, body).await;
            assert!(matches!(reply.status, 202 | 503), "{}", reply.text());
            reply.header("location").clone_into(&mut location);
            reply.status == 202
        })
        .await;
        location
    }

    /// Waits until the job has ended, and returns it.
    async fn ended(&self, location: &str) -> Value {
        let mut job = Value::Null;
        until("the job has ended", async || {
            let reply = self.site.get_as_admin(location).await;
            assert!(matches!(reply.status, 200 | 503), "{}", reply.text());
            job = reply.json();
            reply.status == 200 && job["status"] != "queued" && job["status"] != "running"
        })
        .await;
        job
    }

    /// How many jobs are running according to the store.
    async fn running(&self) -> usize {
        let filter = JobFilter { status: Some(JobStatus::Running), limit: None };
        self.site.world.context.tenant.store.jobs(&filter).await.unwrap().len()
    }

    /// Starts a backfill as a process of its own, and kills it once its log entry is written.
    async fn kill_a_backfill(&self) {
        let mut child = self.backfill_in_a_process();
        let id = child.id();
        let is_logged = async || self.site.world.runs().await.iter().any(|run| run.process_id == id);
        until("the run is logged", is_logged).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn backfill_in_a_process(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_daymark"))
            // With `--before-first-row` the log entry is written before the run waits for the platform.
            .args(["backfill", "--before-first-row", "--from", "2025-01-01", "--to", "2025-01-10"])
            .current_dir("/")
            .env_clear()
            .env("DAYMARK_STORE_URL", &self.store_url)
            .env("DAYMARK_PLATFORM_URL", &self.site.world.platform_url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Asserts that every record has its true value, that the answers show the records, and that no permit is left taken.
    async fn assert_all_is_well(&self) {
        let records = self.site.world.records().await;
        assert_eq!(records.len(), 40);
        for record in &records {
            let truth = truth(&record.key.category, &record.metric_date.to_string());
            assert_eq!(record.value.to_string(), truth.to_string(), "{:?}", record.key);
        }
        for target in TARGETS {
            let known = self.witness.known(target);
            until("the last answer", async || {
                let reply = self.site.get(target).await;
                self.witness.hear(target, &known, &reply);
                reply.status == 200
            })
            .await;
        }
        assert_eq!(self.witness.known(TARGETS[0]).len(), 40);
        let service = &self.site.service;
        let in_flight = || {
            let counted = service.counters.render();
            counted.lines().any(|line| line == "daymark_http_requests_in_flight 0")
        };
        until("nothing is in flight", async || in_flight()).await;
        assert_eq!(service.permits.available_permits(), MAX_CONCURRENT);
        assert_eq!(service.exports.held(), 0);
    }
}

async fn client(scene: Arc<Scene>, seed: u64) {
    let mut chance = Rng::with_seed(seed);
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(15)))
        .build()
        .new_agent();
    let asks = async |target: &'static str, key: String, expected: &[u16]| {
        let known = scene.witness.known(target);
        match fetch(&agent, format!("http://{}{target}", scene.site.address), key).await {
            Ok(reply) => {
                assert!(expected.contains(&reply.status), "{target}: {} {}", reply.status, reply.text());
                scene.witness.hear(target, &known, &reply);
            }
            // An export is cut off in the middle of the file when the store crashes.
            Err(_) if target.starts_with("/api/v1/export") => {}
            Err(error) => panic!("{target}: {error}"),
        }
    };
    let site = &scene.site;
    while !scene.over.load(Ordering::Relaxed) {
        let target = TARGETS[chance.usize(..TARGETS.len())];
        match chance.u8(..20) {
            0 => asks(target, format!("dm_{:x}", chance.u128(..)), &[401, 429, 503]).await,
            1 => asks(target, String::new(), &[401, 429, 503]).await,
            2 => asks("/api/v1/runs", site.reader.clone(), &[403, 503]).await,
            3 | 4 => {
                let mut leaving = RawClient::connect(site.address).await;
                leaving.get(target, &site.reader).await;
                if chance.bool() {
                    leaving.some().await;
                }
            }
            _ if target.starts_with("/api/v1/export") => {
                asks(target, site.reader.clone(), &[200, 429, 503]).await;
            }
            _ => asks(target, site.reader.clone(), &[200, 503]).await,
        }
    }
}

async fn fetch(agent: &ureq::Agent, url: String, key: String) -> Result<Reply, ureq::Error> {
    let agent = agent.clone();
    let asking = move || {
        let request = agent.get(url);
        let mut response = if key.is_empty() { request } else { request.header("apikey", key) }.call()?;
        let body = response.body_mut().read_to_vec()?;
        Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), body })
    };
    tokio::task::spawn_blocking(asking).await.unwrap()
}

/// Opens a connection that keeps all others from reading the file until it is dropped.
async fn locked(platform_url: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::connect(platform_url).await.unwrap();
    connection.execute("BEGIN EXCLUSIVE").await.unwrap();
    connection
}
