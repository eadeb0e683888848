//! Three servers of the built program on one PostgreSQL server, which they reach through a proxy.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use daymark::{
    clock::{Clock, SystemClock},
    collect,
    metric::{BackfillMode, Definition},
    store::{AlertStatus, NotificationKind},
};
use jiff::SignedDuration;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    process::Process,
    proxy::Proxy,
    server::PrivateServer,
    sink::Sink,
    world::{NOON, World, definition, definitions},
};

const INSTANCES: usize = 3;
/// How long the servers may take until what was missed is recorded and told: a backfill whose commit is never answered gives up
/// after 300 s, and one that failed is tried again after a minute at the earliest.
const DEADLINE: Duration = Duration::from_secs(600);
/// How long they may take until an alert is evaluated: an answer that never comes is waited for half a minute, once in each of the
/// instances, and a silent lock for some seconds.
const ALERTING_DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks at the database.
const PAUSE: Duration = Duration::from_millis(50);
/// The rule that the test makes fire and end as it wants.
const RULE: &str = "forgotten_pause";

/// The days of which the metrics must have records, beside what the platform has of them: of `posts_created` those since its definition,
/// of the others those since the platform's first row. The last day is the last that has ended and settled for 15 minutes.
const EXPECTED: &str = "
    SELECT category, day, (
        SELECT count(*) FROM posts
        WHERE created_at >= day::TIMESTAMP AT TIME ZONE 'UTC' AND created_at < (day + 1)::TIMESTAMP AT TIME ZONE 'UTC'
    ) AS value
    FROM (
        SELECT day::DATE FROM generate_series('2025-01-01', (now() AT TIME ZONE 'UTC' - INTERVAL '1 day 15 minutes')::DATE,
                                              INTERVAL '1 day') AS day
    ) AS days CROSS JOIN (
        SELECT metric_category AS category FROM daymark.metric_definitions WHERE metric_category LIKE 'posts_created%'
    ) AS metrics
    WHERE day >= '2025-01-11' OR category <> 'posts_created'";

pub struct Cluster {
    pub server: PrivateServer,
    pub proxy: Proxy,
    pub instances: Vec<Process>,
    world: World,
    sink: Sink,
    file: PathBuf,
    _directory: tempfile::TempDir,
    metrics: usize,
    pauses: usize,
}

impl Cluster {
    pub async fn start() -> Self {
        let server = PrivateServer::new();
        let world = World::at(tempfile::tempdir().unwrap(), server.url(), server.url()).await;
        // Each day has one to seven posts, also the days that end while the test runs.
        let rows = "INSERT INTO posts SELECT 1, day + INTERVAL '12 hours', 'jazz'
                    FROM generate_series(TIMESTAMPTZ '2025-01-11', now() + INTERVAL '2 days', INTERVAL '1 day') AS day,
                         generate_series(0, extract(DOY FROM day)::INTEGER % 7)";
        world.execute(rows).await;
        let (sink, proxy) = (Sink::start().await, Proxy::before(&server.url()).await);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("daymark.toml");
        std::fs::write(&file, config(&sink)).unwrap();
        let (instances, metrics, pauses) = (Vec::new(), 0, 0);
        let mut cluster =
            Self { server, proxy, instances, world, sink, file, _directory: directory, metrics, pauses };
        for _ in 0..INSTANCES {
            cluster.start_instance();
        }
        cluster
    }

    fn start_instance(&mut self) {
        let url = self.proxy.url(&self.server.url());
        let settings = [
            ("DAYMARK_CONFIG", self.file.to_str().unwrap()),
            ("DAYMARK_SCHEDULE_ENABLED", "true"),
            ("DAYMARK_ALERTING_ENABLED", "true"),
            // Many commits, so that a fault meets one that is half done.
            ("DAYMARK_BACKFILL_CHUNK_DAYS", "10"),
            ("DAYMARK_PLATFORM_STATEMENT_TIMEOUT_SECONDS", "5"),
            ("DAYMARK_ACCESS_JWT_SECRET", "a secret of at least thirty-two characters"),
        ];
        self.instances.push(Process::start(&url, &url, &settings));
    }

    /// Starts the database again. The sessions of this test ended with it, and the test retries less often than a server does, so it
    /// continues with new sessions.
    pub fn start_database(&mut self) {
        self.server.start();
        self.world.context = self.world.another_process();
    }

    /// Kills an instance, in half of the cases the one that leads the schedule, and starts another one.
    pub async fn kill_one(&mut self) {
        let leader = self.world.context.tenant.store.schedule_state().await.unwrap().leader;
        let leads =
            |instance: &Process| leader.as_ref().is_some_and(|leader| leader.process_id == instance.id);
        let leading = self.instances.iter().position(leads).filter(|_| fastrand::bool());
        let killed = leading.unwrap_or_else(|| fastrand::usize(0..self.instances.len()));
        self.instances.swap_remove(killed).kill();
        self.start_instance();
    }

    /// Defines a metric like `posts_created` with automatic backfill, so that all days since January 2025 are missing.
    pub async fn add_metric(&mut self) {
        self.metrics += 1;
        let clock = &self.world.clock;
        clock.set(SystemClock.now());
        let mut wanted = definitions(self.world.time_format());
        wanted.extend((1..=self.metrics).map(|number| {
            let measure = serde_json::json!({"measure": "created", "source": "posts"});
            let name = format!("posts_created_{number}");
            Definition {
                backfill: BackfillMode::Auto,
                ..definition(self.world.time_format(), &name, measure)
            }
        }));
        self.world.apply(&wanted).await;
        self.world.set_clock(NOON);
    }

    /// Makes an alert fire. The clock of the test says January 2025, so the pause counts as forgotten at once. Each begins later than
    /// the one before.
    pub async fn pause(&mut self) {
        let clock = &self.world.clock;
        clock.set(clock.now() + SignedDuration::from_secs(i64::try_from(self.pauses).unwrap()));
        collect::pause(&self.world.context, "a fault is coming", None).await.unwrap();
        self.pauses += 1;
    }

    pub async fn wait_until_fired(&self) {
        self.wait_for(AlertStatus::Firing).await;
    }

    /// Ends the alert.
    pub async fn resume(&self) {
        assert!(collect::resume(&self.world.context).await.unwrap(), "the schedule was paused");
    }

    pub async fn wait_until_resolved(&self) {
        self.wait_for(AlertStatus::Resolved).await;
    }

    async fn wait_for(&self, expected: AlertStatus) {
        wait_within(ALERTING_DEADLINE, &format!("{RULE} is evaluated"), async || {
            let states = self.world.context.tenant.store.alert_states().await.unwrap();
            states.iter().any(|state| state.rule == RULE && state.status == expected)
        })
        .await;
    }

    /// Waits until every day is recorded, no run is open, and every notification is delivered.
    pub async fn settle(&self) {
        let missing = format!(
            "SELECT count(*) FROM ({EXPECTED}) AS expected WHERE NOT EXISTS (
                SELECT FROM daymark.daily_metrics WHERE metric_category = category AND metric_date = day)"
        );
        let running = "SELECT count(*) FROM daymark.metric_collection_log WHERE status = 'running'";
        wait_until("every day is recorded", async || {
            self.number(&missing).await == 0 && self.number(running).await == 0
        })
        .await;
        let store = &self.world.context.tenant.store;
        wait_until("no alert fires", async || {
            store.alert_states().await.unwrap().iter().all(|state| state.status != AlertStatus::Firing)
        })
        .await;
        wait_until("everything is delivered", async || {
            store.notification_counts().await.unwrap().pending == 0
        })
        .await;
    }

    /// Every day is recorded once, with the value that the platform's rows give.
    pub async fn assert_records_are_right(&self) -> i64 {
        let wrong = format!(
            "SELECT count(*) FROM ({EXPECTED}) AS expected
             FULL JOIN (SELECT * FROM daymark.daily_metrics WHERE metric_category LIKE 'posts_created%') AS recorded
                 ON metric_category = category AND metric_date = day
             WHERE recorded.value IS DISTINCT FROM expected.value"
        );
        assert_eq!(self.number(&wrong).await, 0, "records differ from the platform, or are of other days");
        let by_the_log =
            "SELECT coalesce(sum(metrics_collected), 0)::BIGINT FROM daymark.metric_collection_log";
        let recorded = self.number("SELECT count(*) FROM daymark.daily_metrics").await;
        assert_eq!(self.number(by_the_log).await, recorded, "the log counts each record once");
        recorded
    }

    /// Every notification was received once, and each rule fires and is resolved in turn. Returns how many there were.
    pub async fn assert_notifications_are_right(&self) -> usize {
        let mut written = self.world.context.tenant.store.notifications(None, 100_000).await.unwrap();
        written.reverse();
        let ids: Vec<_> = written.iter().map(|notification| notification.id.to_string()).collect();
        let mut received = self.sink.header("webhook-id");
        // Requests in a row with the same id are one notification, whose first attempt could not be noted.
        received.dedup();
        assert_eq!(received, ids, "every notification is received once, in order");
        let mut changes = std::collections::BTreeMap::<String, Vec<NotificationKind>>::new();
        for notification in &written {
            for alert in notification.content["alerts"].as_array().unwrap() {
                let rule = alert["rule"].as_str().unwrap().to_owned();
                changes.entry(rule).or_default().push(notification.kind);
            }
        }
        let in_turn = [NotificationKind::Firing, NotificationKind::Resolved];
        for (rule, kinds) in &changes {
            let expected: Vec<_> = in_turn.into_iter().cycle().take(kinds.len()).collect();
            assert_eq!(*kinds, expected, "{rule}");
        }
        assert_eq!(changes[RULE].len(), 2 * self.pauses, "each pause was told of, and its end");
        written.len()
    }

    /// The sessions of the servers and of this test.
    pub async fn sessions(&self) -> i64 {
        self.number("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'").await
    }

    /// The resident memory of each instance, in bytes.
    pub fn memory(&self) -> Vec<u64> {
        let resident = |instance: &Process| {
            let statistics = std::fs::read_to_string(format!("/proc/{}/statm", instance.id)).unwrap();
            statistics.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
        };
        self.instances.iter().map(resident).collect()
    }

    async fn number(&self, sql: &str) -> i64 {
        let mut session = PgConnection::connect(&self.server.url()).await.unwrap();
        let number = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut session).await.unwrap();
        session.close().await.unwrap();
        number
    }
}

/// All built-in rules but those whose alerts would depend on how fast this machine is.
fn config(sink: &Sink) -> String {
    format!(
        "[delivery]\nallow_private = true\n[channels.ops]\nkind = 'webhook'\nurl = '{}'\n\
         [alerts.{RULE}]\nhours = 1\n[alerts.day_missing]\nfor_minutes = 0\n\
         [alerts.slow_collection]\nenabled = false\n[alerts.anomaly]\nenabled = false\n[alerts.drift]\nenabled = false\n",
        sink.url
    )
}

async fn wait_until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    wait_within(DEADLINE, what, is_so).await;
}

async fn wait_within(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
