//! A platform that lags behind is never recorded as if it were up to date.

use std::{sync::Arc, time::Duration};

use daymark::{
    clock::{Clock, SetClock, SystemClock},
    collect::{
        BackfillRequest, CancellationToken, CollectError, Context, PlatformLag, active_metrics, backfill,
        collect_day, platform_lag,
    },
    definitions::{CheckScope, check},
    metric::Definition,
    store::RunStatus,
};
use jiff::{SignedDuration, tz::TimeZone};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    server::PrivateServer,
    world::{Heard, World, definition, definitions},
};

/// A primary, its standby, and a world whose platform is the standby and whose clock is that of the machine.
struct Scene {
    primary: PrivateServer,
    standby: PrivateServer,
    world: World,
}

impl Scene {
    async fn new(settings: &str) -> Self {
        let primary = PrivateServer::new();
        // Creates the platform's tables; the store that it makes is not used.
        World::on_server(primary.url()).await;
        let source = primary.url();
        let copy = ["-d", &source, "-R", "--checkpoint=fast", "--no-sync"];
        let standby = PrivateServer::made_by("pg_basebackup", &copy, settings);
        let mut world = World::on_existing_server(standby.url()).await;
        Arc::make_mut(&mut world.context.installation).clock = Arc::new(SystemClock);
        Self { primary, standby, world }
    }

    fn context(&self, wait: Duration) -> Context {
        let mut context = self.world.context.clone();
        Arc::make_mut(&mut context.installation).freshness_wait = wait;
        context
    }

    async fn on_primary(&self, sql: &str) {
        execute(&self.primary.url(), sql).await;
    }

    async fn on_standby(&self, sql: &str) {
        execute(&self.standby.url(), sql).await;
    }

    /// Commits a post of yesterday on the primary, and waits until the standby has received it.
    async fn post_and_receive(&self) {
        self.on_primary("INSERT INTO posts VALUES (1, now() - interval '1 day', 'jazz')").await;
        let mut primary = PgConnection::connect(&self.primary.url()).await.unwrap();
        let mut standby = PgConnection::connect(&self.standby.url()).await.unwrap();
        let written: String = sqlx::query_scalar("SELECT pg_current_wal_flush_lsn()::text")
            .fetch_one(&mut primary)
            .await
            .unwrap();
        let received = format!("SELECT pg_last_wal_receive_lsn() >= '{written}'");
        while !sqlx::query_scalar::<_, bool>(AssertSqlSafe(received.clone()))
            .fetch_one(&mut standby)
            .await
            .unwrap()
        {}
    }

    /// The findings of `check` about the standby. Its clock is two seconds ahead, because it does not report a lag of less than
    /// one second.
    async fn findings(&self) -> Vec<String> {
        let mut context = self.world.context.clone();
        let later = SystemClock.now() + SignedDuration::from_secs(2);
        Arc::make_mut(&mut context.installation).clock = Arc::new(SetClock::at(later));
        let scope = CheckScope { store: false, definitions: false, platform: true, resolved: true };
        let report = check(&context, &definitions("timestamptz"), scope).await;
        let texts = report.findings.iter().map(|finding| format!("{finding:?}"));
        texts.filter(|text| text.contains("standby")).collect()
    }
}

/// A count of the rows of `table`.
pub fn counted(table: &str) -> Definition {
    let mut counted =
        definition("timestamptz", "posts_total", json!({"measure": "existing", "source": "posts"}));
    counted.sources.get_mut("posts").unwrap().table = table.to_owned();
    counted
}

/// The value of a query of the user's own.
pub fn queried(query: &str) -> Definition {
    let measure = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
    definition("timestamptz", "queried", measure)
}

/// The error of a collection that must record nothing.
pub async fn refusal(world: &World, context: &Context) -> String {
    let error = collect_day(context, None, &[], &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&error, CollectError::Stale { .. }), "{error}");
    assert!(world.records().await.is_empty(), "nothing may be recorded");
    error.to_string()
}

/// The errors of `check` about the platform.
pub async fn platform_errors(context: &Context, configured: &[Definition]) -> Vec<String> {
    let scope = CheckScope { store: false, definitions: false, platform: true, resolved: true };
    let report = check(context, configured, scope).await;
    let errors = report.findings.into_iter().filter(|finding| finding.is_error());
    errors.map(|finding| finding.message).collect()
}

/// Which part of the platform lags, as a health report tells it.
async fn lag_explanation(context: &Context) -> Option<String> {
    let metrics = active_metrics(context).await.unwrap();
    match platform_lag(context, &metrics).await {
        PlatformLag::Known { explanation, .. } => explanation,
        other => panic!("{other:?}"),
    }
}

async fn execute(url: &str, sql: &str) {
    PgConnection::connect(url).await.unwrap().execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_with_paused_replay_is_waited_for_and_then_refused() {
    let scene = Scene::new("").await;
    assert_eq!(scene.findings().await, Vec::<String>::new());
    scene.on_standby("SELECT pg_wal_replay_pause()").await;
    scene.post_and_receive().await;

    let never = CancellationToken::new();
    let error = collect_day(&scene.context(Duration::ZERO), None, &[], &never).await.unwrap_err();
    assert!(matches!(&error, CollectError::Stale { .. }), "{error}");
    assert!(error.to_string().contains("behind: its replay is paused"), "{error}");
    let request = BackfillRequest::default();
    let heard = Heard::default();
    let error = backfill(&scene.context(Duration::ZERO), &request, &heard, &never).await.unwrap_err();
    assert!(matches!(&error, CollectError::Stale { .. }), "{error}");
    assert!(scene.world.records().await.is_empty(), "nothing may be recorded");
    assert!(scene.world.runs().await.iter().all(|run| run.status == RunStatus::Failed));
    let findings = scene.findings().await;
    assert!(findings.iter().any(|finding| finding.contains("its replay is paused")), "{findings:?}");
    let lag = lag_explanation(&scene.context(Duration::ZERO)).await.unwrap();
    assert!(lag.contains("its replay is paused"), "{lag}");

    let context = scene.context(Duration::from_secs(60));
    let resume = scene.on_standby("SELECT pg_wal_replay_resume()");
    let (report, ()) = tokio::join!(collect_day(&context, None, &[], &never), resume);
    let report = report.unwrap();
    let created = report.recorded.iter().find(|metric| metric.key.category == "posts_created").unwrap();
    assert_eq!(created.value.to_string(), "1", "the post is counted after the replay was resumed");
    assert_eq!(lag_explanation(&context).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_with_an_apply_delay_is_refused() {
    let scene = Scene::new("-c recovery_min_apply_delay=1h").await;
    scene.post_and_receive().await;
    let never = CancellationToken::new();
    let error = collect_day(&scene.context(Duration::ZERO), None, &[], &never).await.unwrap_err();
    assert!(error.to_string().contains("applies changes 1h late"), "{error}");
    assert!(scene.world.records().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_without_a_wal_receiver_is_refused() {
    let scene = Scene::new("").await;
    scene.on_standby("ALTER SYSTEM SET primary_conninfo = ''").await;
    scene.on_standby("SELECT pg_reload_conf()").await;
    let mut standby = PgConnection::connect(&scene.standby.url()).await.unwrap();
    let receives = "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)";
    while sqlx::query_scalar::<_, bool>(receives).fetch_one(&mut standby).await.unwrap() {}
    scene.on_primary("INSERT INTO posts VALUES (1, now() - interval '1 day', 'jazz')").await;
    let never = CancellationToken::new();
    let error = collect_day(&scene.context(Duration::ZERO), None, &[], &never).await.unwrap_err();
    assert!(error.to_string().contains("receives nothing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_materialized_view_not_refreshed_since_the_day_ended_is_refused() {
    let arguments = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"];
    let server = PrivateServer::made_by("initdb", &arguments, "-c track_commit_timestamp=on");
    let mut world = World::on_server(server.url()).await;
    world.execute("CREATE MATERIALIZED VIEW copied AS SELECT * FROM posts; CREATE VIEW seen AS SELECT * FROM copied").await;
    world.apply(&[counted("seen")]).await;
    // The settle delay of yesterday ends now, which is after the refresh of the view.
    Arc::make_mut(&mut world.context.installation).clock = Arc::new(SystemClock);
    let midnight = SystemClock.now().to_zoned(TimeZone::UTC).start_of_day().unwrap().timestamp();
    Arc::make_mut(&mut world.context.tenant).settle = SystemClock.now().duration_since(midnight);
    let never = CancellationToken::new();
    let error = collect_day(&world.context, None, &[], &never).await.unwrap_err();
    assert!(error.to_string().contains("materialized view copied shows the state of"), "{error}");
    assert!(lag_explanation(&world.context).await.unwrap().contains("materialized view copied"));

    Arc::make_mut(&mut world.context.tenant).settle = SignedDuration::ZERO;
    assert_eq!(lag_explanation(&world.context).await, None);
    let report = collect_day(&world.context, None, &[], &never).await.unwrap();
    assert_eq!(report.recorded.len(), 1, "the view was refreshed after the end of yesterday");
}

/// Its rows cannot be seen before it ends, whatever time they say.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_from_before_the_day_was_complete_is_waited_for_and_then_refused() {
    let arguments = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"];
    let server = PrivateServer::made_by("initdb", &arguments, "-c max_prepared_transactions=2");
    // Creates the platform's tables; the store that it makes is not used.
    World::on_server(server.url()).await;
    let mut world = World::on_existing_server(server.url()).await;
    Arc::make_mut(&mut world.context.installation).clock = Arc::new(SystemClock);
    let settled_now = |world: &mut World| {
        let midnight = SystemClock.now().to_zoned(TimeZone::UTC).start_of_day().unwrap().timestamp();
        Arc::make_mut(&mut world.context.tenant).settle = SystemClock.now().duration_since(midnight);
    };
    let mut writer = PgConnection::connect(&server.url()).await.unwrap();
    writer.execute("BEGIN").await.unwrap();
    writer.execute("INSERT INTO posts VALUES (1, now() - interval '1 day', 'jazz')").await.unwrap();
    settled_now(&mut world);
    Arc::make_mut(&mut world.context.installation).freshness_wait = Duration::ZERO;
    let error = refusal(&world, &world.context).await;
    assert!(error.contains("the platform shows the state of"), "{error}");
    assert!(error.contains("a transaction of role postgres (process "), "{error}");
    assert!(lag_explanation(&world.context).await.unwrap().contains("has been open since then"));

    writer.execute("PREPARE TRANSACTION 'transfer 7'").await.unwrap();
    settled_now(&mut world);
    let error = refusal(&world, &world.context).await;
    assert!(
        error.contains("the transaction 'transfer 7' of role postgres is prepared since then"),
        "{error}"
    );
    let errors = platform_errors(&world.context, &definitions("timestamptz")).await;
    assert!(errors.len() == 1 && errors[0].contains("transfer 7"), "{errors:?}");

    Arc::make_mut(&mut world.context.installation).freshness_wait = Duration::from_secs(60);
    let never = CancellationToken::new();
    let commit = writer.execute("COMMIT PREPARED 'transfer 7'");
    let (report, committed) = tokio::join!(collect_day(&world.context, None, &[], &never), commit);
    committed.unwrap();
    let report = report.unwrap();
    let created = report.recorded.iter().find(|metric| metric.key.category == "posts_created").unwrap();
    assert_eq!(created.value.to_string(), "1", "the post is counted after its transaction was committed");
}

/// A transaction that began after the day was complete, or that only reads, is none of its matter.
#[tokio::test(flavor = "multi_thread")]
async fn later_transactions_and_those_that_only_read_are_not_waited_for() {
    let world = World::postgres().await;
    let mut reading = PgConnection::connect(&world.platform_url).await.unwrap();
    reading.execute("BEGIN; SELECT count(*) FROM posts").await.unwrap();
    let mut writing = PgConnection::connect(&world.platform_url).await.unwrap();
    writing.execute("BEGIN; INSERT INTO posts VALUES (1, '2025-01-10T12:00:00Z', 'jazz')").await.unwrap();
    let observing = World::on_existing_server(world.platform_url.clone()).await;
    let report = collect_day(&observing.context, None, &[], &CancellationToken::new()).await.unwrap();
    assert!(!report.recorded.is_empty() && report.failed.is_empty());
}

/// A copy that is made every night looks like a platform without activity, so that its days are recorded.
#[tokio::test]
async fn check_warns_of_a_sqlite_file_that_was_not_written_since_the_day_ended() {
    let world = World::sqlite().await;
    let warnings = async || {
        let scope = CheckScope { store: false, definitions: false, platform: true, resolved: true };
        let report = check(&world.context, &definitions(world.time_format()), scope).await;
        let warnings = report.findings.into_iter().filter(|finding| !finding.is_error());
        warnings.map(|finding| finding.message).filter(|message| message.contains("copy")).collect::<Vec<_>>()
    };
    assert!(
        warnings().await.is_empty(),
        "the platform was written after the day's end: {:?}",
        warnings().await
    );
    let day_before = world.clock.now() - SignedDuration::from_hours(36);
    let path = world.platform_url.strip_prefix("sqlite:").unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(day_before.into()).unwrap();
    let named = warnings().await;
    assert!(named.len() == 1 && named[0].contains("it was not written since"), "{named:?}");
    let report = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    assert!(!report.recorded.is_empty() && report.failed.is_empty());
}
