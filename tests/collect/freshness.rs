//! A platform that lags behind is never recorded as if it were up to date.

use std::{sync::Arc, time::Duration};

use daymark::{
    clock::{Clock, SetClock, SystemClock},
    collect::{
        BackfillRequest, Cancellation, CollectError, Context, PlatformLag, active_metrics, backfill,
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
    world::{Heard, World, definition, definitions, january},
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
        let scope = CheckScope { store: false, definitions: false, platform: true };
        let report = check(&context, &definitions("timestamptz"), scope).await;
        let texts = report.findings.iter().map(|finding| format!("{finding:?}"));
        texts.filter(|text| text.contains("standby")).collect()
    }
}

/// A count of the rows of `table`.
fn counted(table: &str) -> Definition {
    let mut counted =
        definition("timestamptz", "posts_total", json!({"measure": "existing", "source": "posts"}));
    counted.sources.get_mut("posts").unwrap().table = table.to_owned();
    counted
}

/// The value of a query of the user's own.
fn queried(query: &str) -> Definition {
    let measure = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
    definition("timestamptz", "queried", measure)
}

/// The error of a collection that must record nothing.
async fn refusal(world: &World, context: &Context) -> String {
    let error = collect_day(context, None, &[], &Cancellation::never()).await.unwrap_err();
    assert!(matches!(&error, CollectError::Stale { .. }), "{error}");
    assert!(world.records().await.is_empty(), "nothing may be recorded");
    error.to_string()
}

/// The errors of `check` about the platform.
async fn platform_errors(context: &Context, configured: &[Definition]) -> Vec<String> {
    let scope = CheckScope { store: false, definitions: false, platform: true };
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

    let never = Cancellation::never();
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
    let never = Cancellation::never();
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
    let never = Cancellation::never();
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
    let never = Cancellation::never();
    let error = collect_day(&world.context, None, &[], &never).await.unwrap_err();
    assert!(error.to_string().contains("materialized view copied shows the state of"), "{error}");
    assert!(lag_explanation(&world.context).await.unwrap().contains("materialized view copied"));

    Arc::make_mut(&mut world.context.tenant).settle = SignedDuration::ZERO;
    assert_eq!(lag_explanation(&world.context).await, None);
    let report = collect_day(&world.context, None, &[], &never).await.unwrap();
    assert_eq!(report.recorded.len(), 1, "the view was refreshed after the end of yesterday");
}

const COPIES: &str = "
    CREATE MATERIALIZED VIEW copied AS SELECT * FROM posts;
    CREATE SCHEMA reports;
    CREATE VIEW reports.seen AS SELECT * FROM copied;
    CREATE EXTENSION file_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE far (author_id integer, created_at timestamptz, genre text)
        SERVER elsewhere OPTIONS (program 'true')";

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_age_cannot_be_told_is_refused_unless_it_is_assumed_fresh() {
    let world = World::sqlite_store_of_postgres().await;
    world.execute(COPIES).await;
    for (table, named, assumed) in [
        ("copied", "materialized view copied may show an old state", "public.copied"),
        ("far", "foreign table far may show an old state", "far"),
    ] {
        world.apply(&[counted(table)]).await;
        let mut context = world.context.clone();
        // A run does not wait for what waiting cannot tell.
        Arc::make_mut(&mut context.installation).freshness_wait = Duration::MAX;
        let message = refusal(&world, &context).await;
        assert!(message.contains(named) && message.contains("`platform.assume_fresh`"), "{message}");
        assert!(world.runs().await.iter().all(|run| run.status == RunStatus::Failed));
        let errors = platform_errors(&context, &[counted(table)]).await;
        assert!(errors.iter().any(|error| error.contains(named)), "{errors:?}");
        let lag = platform_lag(&context, &active_metrics(&context).await.unwrap()).await;
        assert!(
            matches!(&lag, PlatformLag::Unknown { explanation } if explanation.contains(named)),
            "{lag:?}"
        );

        let assuming = world.assuming_fresh(&[assumed]);
        assert_eq!(platform_errors(&assuming, &[counted(table)]).await, Vec::<String>::new());
        let other = world.assuming_fresh(&["reports.copied", "public.farther"]);
        assert_eq!(refusal(&world, &other).await, message, "another object is named");
    }
    world.apply(&[counted("copied")]).await;
    let report =
        collect_day(&world.assuming_fresh(&["copied"]), None, &[], &Cancellation::never()).await.unwrap();
    assert_eq!(report.recorded.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_reads_is_refused_like_a_source() {
    let world = World::sqlite_store_of_postgres().await;
    world.execute(COPIES).await;
    world.execute("GRANT USAGE ON SCHEMA reports TO PUBLIC").await;
    for query in [
        "SELECT count(*) AS value FROM reports.seen WHERE created_at < {day_end}",
        "WITH old AS MATERIALIZED (SELECT * FROM copied) SELECT count(*) AS value FROM posts, old",
        "SELECT (SELECT count(*) FROM copied) AS value",
    ] {
        world.apply(&[queried(query)]).await;
        let message = refusal(&world, &world.context).await;
        assert!(message.contains("materialized view copied may show an old state"), "{query}: {message}");
        let errors = platform_errors(&world.context, &[queried(query)]).await;
        assert!(errors.iter().any(|error| error.contains("materialized view copied")), "{errors:?}");
    }
    let assuming = world.assuming_fresh(&["copied"]);
    let report = collect_day(&assuming, None, &[], &Cancellation::never()).await.unwrap();
    assert_eq!(report.recorded.len(), 1);
}

/// The day decides which part of the query is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_refused_for_the_days_of_which_it_reads_an_old_copy() {
    let world = World::sqlite_store_of_postgres().await;
    world.execute(COPIES).await;
    let query = "SELECT sum(one) AS value FROM (
        SELECT 1 AS one FROM posts UNION ALL SELECT 1 FROM copied WHERE {day} < '2025-01-05') AS parts";
    world.apply(&[queried(query)]).await;
    let (never, heard) = (Cancellation::never(), Heard::default());
    let request = |from| BackfillRequest {
        from: Some(january(from)),
        to: Some(january(10)),
        ..BackfillRequest::default()
    };
    let error = backfill(&world.context, &request(4), &heard, &never).await.unwrap_err();
    assert!(error.to_string().contains("materialized view copied"), "{error}");
    let report = backfill(&world.context, &request(5), &heard, &never).await.unwrap();
    assert_eq!(report.missing_days, 6);
    assert_eq!(world.values("queried").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logical_replica_is_waited_for_and_then_refused() {
    let arguments = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"];
    let origin = PrivateServer::made_by("initdb", &arguments, "-c wal_level=logical");
    // The worker asks the origin for a sign of life when it has heard nothing for half of this time.
    let replica = PrivateServer::made_by("initdb", &arguments, "-c wal_receiver_timeout=2s");
    let mut world = World::on_server(replica.url()).await;
    world.apply(&[counted("posts")]).await;
    let tables =
        "CREATE TABLE posts (author_id integer NOT NULL, created_at timestamptz NOT NULL, genre text);
        CREATE PUBLICATION everything FOR ALL TABLES";
    execute(&origin.url(), tables).await;
    let subscribe =
        "CREATE SUBSCRIPTION copy CONNECTION '{}' PUBLICATION everything WITH (copy_data = false)";
    execute(&replica.url(), &subscribe.replace("{}", &origin.url())).await;
    let mut session = PgConnection::connect(&replica.url()).await.unwrap();
    let mut is_true = async |condition: &str| -> bool {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT {condition}")))
            .fetch_one(&mut session)
            .await
            .unwrap()
    };
    let applies = "EXISTS (SELECT FROM pg_stat_subscription WHERE latest_end_time IS NOT NULL) \
                   AND (SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel)";
    while !is_true(applies).await {}

    // Nothing is applied as long as the table is locked. The settle delay of yesterday ends after that.
    let mut locking = PgConnection::connect(&replica.url()).await.unwrap();
    locking.execute("BEGIN; LOCK TABLE posts IN SHARE MODE").await.unwrap();
    execute(&origin.url(), "INSERT INTO posts VALUES (1, now() - interval '1 day', 'jazz')").await;
    while !is_true("EXISTS (SELECT FROM pg_locks WHERE NOT granted)").await {}
    Arc::make_mut(&mut world.context.installation).clock = Arc::new(SystemClock);
    let midnight = SystemClock.now().to_zoned(TimeZone::UTC).start_of_day().unwrap().timestamp();
    Arc::make_mut(&mut world.context.tenant).settle = SystemClock.now().duration_since(midnight);
    let message = refusal(&world, &world.context).await;
    assert!(message.contains("table posts, a logical replica, shows the state of"), "{message}");
    assert!(message.contains("subscription `copy` has not applied more"), "{message}");

    let mut context = world.context.clone();
    Arc::make_mut(&mut context.installation).freshness_wait = Duration::from_secs(60);
    let unlock = async { locking.execute("COMMIT").await.unwrap() };
    let never = Cancellation::never();
    let (report, _) = tokio::join!(collect_day(&context, None, &[], &never), unlock);
    let counted: i64 = report.unwrap().recorded[0].value.to_string().parse().unwrap();
    assert_eq!(counted, 56, "the post is counted after it was applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logical_replica_without_a_worker_is_refused() {
    let world = World::sqlite_store_of_postgres().await;
    world.apply(&[counted("posts")]).await;
    let subscribe = "CREATE SUBSCRIPTION {} CONNECTION 'host=127.0.0.1 port=1' PUBLICATION everything
            WITH (connect = false, slot_name = NONE);
        INSERT INTO pg_subscription_rel SELECT oid, 'posts'::regclass, 'r', NULL FROM pg_subscription WHERE subname = '{}'";
    let name = format!("copy_{}", uuid::Uuid::new_v4().simple());
    world.execute(&subscribe.replace("{}", &name)).await;
    let message = refusal(&world, &world.context).await;
    assert!(message.contains(&format!("no worker of subscription `{name}` runs")), "{message}");
    let assuming = world.assuming_fresh(&["posts"]);
    let report = collect_day(&assuming, None, &[], &Cancellation::never()).await.unwrap();
    assert_eq!(report.recorded.len(), 1);
    world.execute(&format!("DROP SUBSCRIPTION {name}")).await;
}
