//! Objects of the platform whose state may be from before the end of the day: materialized views, foreign tables, logical
//! replicas. Only the metrics that read them are refused.

use std::{sync::Arc, time::Duration};

use daymark::{
    clock::{Clock, SystemClock},
    collect::{
        BackfillRequest, CancellationToken, Context, DriftRequest, Failure, Gap, GapCause, PlatformLag,
        active_metrics, backfill, collect_day, drift, gaps, platform_lag,
    },
    metric::Definition,
    store::RunStatus,
};
use jiff::tz::TimeZone;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    freshness::{counted, platform_errors, queried, refusal},
    server::PrivateServer,
    world::{Heard, World, definitions, january, range},
};

const COPIES: &str = "
    CREATE MATERIALIZED VIEW copied AS SELECT * FROM posts;
    CREATE SCHEMA reports;
    CREATE VIEW reports.seen AS SELECT * FROM copied;
    CREATE EXTENSION file_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE far (author_id integer, created_at timestamptz, genre text)
        SERVER elsewhere OPTIONS (program 'true');
    GRANT USAGE ON SCHEMA reports TO PUBLIC";

async fn world_with(sql: &str) -> World {
    let world = World::sqlite_store_of_postgres().await;
    world.execute(sql).await;
    world
}

fn named(category: &str, definition: Definition) -> Definition {
    Definition { category: category.to_owned(), ..definition }
}

/// The message of the failure of a metric.
fn message<'a>(failed: &'a [Failure], category: &str) -> &'a str {
    &failed.iter().find(|failure| failure.category == category).unwrap().message
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_unknown_age_is_refused_unless_it_is_assumed_fresh() {
    let world = world_with(COPIES).await;
    for (table, named, assumed) in [
        ("copied", "materialized view copied may show an old state", "public.copied"),
        ("far", "foreign table far may show an old state", "far"),
    ] {
        world.apply(&[counted(table)]).await;
        let mut context = world.context.clone();
        // A run does not wait for an object whose age stays unknown.
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
        collect_day(&world.assuming_fresh(&["copied"]), None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!(report.recorded.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_metrics_that_read_an_old_object_are_refused() {
    let world = world_with(COPIES).await;
    let metrics = [
        definitions("timestamptz"),
        vec![
            named("far_total", counted("far")),
            named("copied_now", queried("SELECT count(*) AS value FROM copied WHERE created_at < {day_end}")),
            named("broken", queried("SELECT count(*) AS value FROM nowhere WHERE {day} IS NOT NULL")),
        ],
    ]
    .concat();
    world.apply(&metrics).await;
    let never = CancellationToken::new();
    let report = collect_day(&world.context, None, &[], &never).await.unwrap();
    assert_eq!((report.status, report.recorded.len(), report.failed.len()), (RunStatus::Partial, 4, 3));
    let far = message(&report.failed, "far_total").to_owned();
    assert!(
        far.contains(
            "foreign table far may show an old state: Daymark cannot determine whether its server `elsewhere`"
        ),
        "{far}"
    );
    assert!(far.contains("name the table in `platform.assume_fresh`"), "{far}");
    assert!(message(&report.failed, "copied_now").contains("materialized view copied"));
    assert!(message(&report.failed, "broken").contains("nowhere"));
    assert_eq!(world.runs().await[0].status, RunStatus::Partial);

    // Of metrics that are missing alone, the day has other records.
    let again = collect_day(&world.context, None, &[], &never).await.unwrap();
    assert_eq!((again.status, again.already_there, again.failed.len()), (RunStatus::Partial, 4, 3));

    let report = backfill(&world.context, &range(1, 10), &Heard::default(), &never).await.unwrap();
    assert_eq!(report.status, Some(RunStatus::Partial));
    assert_eq!(world.values("posts_created").await.len(), 10);
    assert_eq!(message(&report.failed, "far_total"), format!("{far} (10 days)"));
    let found = gaps(&world.context, Some(january(1)), None).await.unwrap();
    let of_far: Vec<_> = found.gaps.iter().filter(|gap| gap.key.category == "far_total").collect();
    assert_eq!(of_far.iter().map(|gap| gap.days).sum::<usize>(), 10);
    let is_named =
        |gap: &&Gap| matches!(&gap.cause, GapCause::Failed { message } if message.starts_with(&far));
    assert!(of_far.iter().all(is_named), "{of_far:?}");

    let report = drift(&world.context, &DriftRequest::default(), &never).await.unwrap();
    assert_eq!((report.metrics.len(), report.failed.len()), (4, 3));
    assert_eq!(message(&report.failed, "far_total"), far);

    let hints =
        daymark::definitions::check(&world.context, &metrics, daymark::definitions::CheckScope::ALL).await;
    let hints: Vec<_> =
        hints.findings.into_iter().filter(|finding| finding.message.contains("old state")).collect();
    let hint = |of: &str| hints.iter().find(|finding| finding.message.contains(of)).unwrap().hint.clone();
    assert_eq!(
        hint("foreign table far").unwrap(),
        "until then a collection records the other metrics, and not `far_total`"
    );
    assert!(hint("materialized view copied").unwrap().ends_with("not `copied_now`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_a_query_names_are_refused_like_sources() {
    let world = world_with(COPIES).await;
    let inlined = "CREATE VIEW twice AS SELECT * FROM reports.seen UNION ALL SELECT * FROM posts";
    world.execute(inlined).await;
    for query in [
        "SELECT count(*) AS value FROM reports.seen WHERE created_at < {day_end}",
        "WITH old AS MATERIALIZED (SELECT * FROM copied) SELECT count(*) AS value FROM posts, old",
        "SELECT (SELECT count(*) FROM copied) AS value -- and a comment",
        "SELECT count(*) AS value FROM twice",
        // The planner would leave out the branch.
        "SELECT count(*) AS value FROM (SELECT FROM posts UNION ALL SELECT FROM copied WHERE {day} < '2025-01-05') AS p",
        "SELECT count(*) / (SELECT count(*) FROM copied WHERE FALSE) AS value FROM posts;",
    ] {
        world.apply(&[queried(query)]).await;
        let message = refusal(&world, &world.context).await;
        assert!(message.contains("materialized view copied may show an old state"), "{query}: {message}");
        let errors = platform_errors(&world.context, &[queried(query)]).await;
        assert!(errors.iter().any(|error| error.contains("materialized view copied")), "{errors:?}");
    }
    world.apply(&[queried("SELECT count(*) AS value FROM twice")]).await;
    for vouched in ["copied", "twice"] {
        let assuming = world.assuming_fresh(&[vouched]);
        assert_eq!(platform_errors(&assuming, &[]).await, Vec::<String>::new());
    }
    let report =
        collect_day(&world.assuming_fresh(&["twice"]), None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!(report.recorded[0].value.to_string(), "110", "55 posts and as many copies");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_assumed_fresh_answers_for_no_other_object_of_a_query() {
    let world = world_with(COPIES).await;
    world
        .apply(&[queried("SELECT (SELECT count(*) FROM reports.seen) + (SELECT count(*) FROM far) AS value")])
        .await;
    let message = refusal(&world, &world.assuming_fresh(&["reports.seen"])).await;
    assert!(message.contains("foreign table far"), "{message}");
}

/// Adds a foreign table `far`, which is `posts` of the same database.
async fn add_loopback(world: &World) {
    let url = url::Url::parse(&world.platform_url).unwrap();
    let of_url =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let host = of_url("host").or(url.host_str().map(str::to_owned)).unwrap();
    let port = of_url("port").or(url.port().map(|port| port.to_string())).unwrap();
    world
        .execute(&format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw
                 OPTIONS (host '{host}', port '{port}', dbname '{}', use_remote_estimate 'true');
             CREATE USER MAPPING FOR PUBLIC SERVER elsewhere OPTIONS (user '{}', password_required 'false');
             CREATE FOREIGN TABLE far (author_id integer, created_at timestamptz, genre text)
                 SERVER elsewhere OPTIONS (table_name 'posts')",
            url.path().trim_start_matches('/'),
            url.username(),
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_or_join_that_runs_on_the_foreign_server_is_refused() {
    let world = World::sqlite_store_of_postgres().await;
    add_loopback(&world).await;
    for query in [
        "SELECT count(*) AS value FROM far WHERE created_at < {day_end}",
        "SELECT count(*) AS value FROM far AS a JOIN far AS b USING (created_at)",
    ] {
        world.apply(&[queried(query)]).await;
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "EXPLAIN {}",
            query.replace("{day_end}", "'2025-01-11'")
        )))
        .fetch_all(&mut PgConnection::connect(&world.platform_url).await.unwrap())
        .await
        .unwrap();
        assert!(plan[0].starts_with("Foreign Scan"), "it runs here: {plan:?}");
        let message = refusal(&world, &world.context).await;
        assert!(message.contains("foreign table far"), "{query}: {message}");
    }
    world.apply(&[queried("SELECT count(*) AS value FROM far WHERE created_at < {day_end}")]).await;
    let report =
        collect_day(&world.assuming_fresh(&["far"]), None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!(report.recorded[0].value.to_string(), "55");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_beneath_a_table_or_a_view_are_found() {
    let world = world_with(COPIES).await;
    world
        .execute(
            "CREATE TABLE parted (author_id integer, created_at timestamptz, genre text) PARTITION BY RANGE (created_at);
             CREATE FOREIGN TABLE parted_old PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ('2025-01-05')
                 SERVER elsewhere OPTIONS (program 'true');
             CREATE TABLE parted_new PARTITION OF parted FOR VALUES FROM ('2025-01-05') TO (MAXVALUE);
             CREATE EXTENSION dblink;
             CREATE VIEW linked AS SELECT * FROM dblink('host=127.0.0.1 port=1', 'SELECT 1, now(), NULL')
                 AS t (author_id integer, created_at timestamptz, genre text);
             CREATE VIEW over_linked AS SELECT * FROM linked;
             CREATE SCHEMA _timescaledb_internal;
             CREATE TABLE _timescaledb_internal._materialized_hypertable_2 (LIKE posts);
             CREATE VIEW hourly AS SELECT * FROM _timescaledb_internal._materialized_hypertable_2",
        )
        .await;
    for (table, object) in [
        ("parted", "foreign table parted_old may show an old state"),
        ("over_linked", "view linked may show an old state: it reads another server through `dblink`"),
        (
            "hourly",
            "continuous aggregate _timescaledb_internal._materialized_hypertable_2 may show an old state",
        ),
    ] {
        for metric in [counted(table), queried(&format!("SELECT count(*) AS value FROM {table}"))] {
            let errors = platform_errors(&world.context, std::slice::from_ref(&metric)).await;
            assert!(errors.iter().any(|error| error.contains(object)), "{table}: {errors:?}");
            world.apply(&[metric]).await;
            assert!(refusal(&world, &world.context).await.contains(object));
        }
    }
    let assuming = world.assuming_fresh(&["hourly"]);
    assert!(collect_day(&assuming, None, &[], &CancellationToken::new()).await.is_ok());
}

/// A reader that has the grants of the documentation and no others. The view is read with the rights of its owner.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_may_read_a_schema_that_the_reader_must_not_use() {
    let world = world_with(COPIES).await;
    let reader = format!("plain_{}", uuid::Uuid::new_v4().simple());
    world
        .execute(&format!(
            "CREATE SCHEMA hidden;
             CREATE TABLE hidden.posts AS SELECT * FROM posts;
             CREATE MATERIALIZED VIEW hidden.copied AS SELECT * FROM posts;
             CREATE VIEW daymark_posts AS SELECT * FROM hidden.posts;
             CREATE VIEW daymark_copied AS SELECT * FROM hidden.copied;
             CREATE ROLE {reader} LOGIN;
             GRANT USAGE ON SCHEMA public TO {reader};
             GRANT SELECT ON daymark_posts, daymark_copied TO {reader}"
        ))
        .await;
    let context = world.read_as(&reader);
    let query = |table: &str| {
        queried(&format!("SELECT count(*) AS value FROM {table} WHERE created_at < {{day_end}}"))
    };
    let metrics = [
        named("counted", counted("daymark_posts")),
        named("queried", query("daymark_posts")),
        named("old", query("daymark_copied")),
    ];
    world.apply(&metrics).await;
    let report = collect_day(&context, None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!(report.recorded.len(), 2, "{:?}", report.failed);
    assert!(report.recorded.iter().all(|metric| metric.value.to_string() == "55"));
    let old = message(&report.failed, "old");
    assert!(old.contains("materialized view hidden.copied may show an old state"), "{old}");
    let errors = platform_errors(&context, &metrics).await;
    assert!(matches!(&errors[..], [error] if error.contains("hidden.copied")), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logical_replica_is_refused_unless_it_is_assumed_fresh() {
    let arguments = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"];
    let origin = PrivateServer::made_by("initdb", &arguments, "-c wal_level=logical");
    // The worker asks the origin for a sign of life when it has heard nothing for half of this time.
    let replica = PrivateServer::made_by("initdb", &arguments, "-c wal_receiver_timeout=2s");
    let mut world = World::on_server(replica.url()).await;
    world.apply(&[counted("posts")]).await;
    let mut on_origin = PgConnection::connect(&origin.url()).await.unwrap();
    let tables =
        "CREATE TABLE posts (author_id integer NOT NULL, created_at timestamptz NOT NULL, genre text);
        CREATE PUBLICATION everything FOR ALL TABLES";
    on_origin.execute(tables).await.unwrap();
    let subscribe = format!(
        "CREATE SUBSCRIPTION copy CONNECTION '{}' PUBLICATION everything WITH (copy_data = false)",
        origin.url()
    );
    world.execute(&subscribe).await;
    let mut session = PgConnection::connect(&replica.url()).await.unwrap();
    // The time that keepalive messages move, although a transaction is not applied.
    let heard = "SELECT coalesce((SELECT latest_end_time > date_trunc('day', now()) FROM pg_stat_subscription), FALSE)
                     AND (SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel)";
    while !sqlx::query_scalar::<_, bool>(heard).fetch_one(&mut session).await.unwrap() {}
    Arc::make_mut(&mut world.context.installation).clock = Arc::new(SystemClock);
    Arc::make_mut(&mut world.context.tenant).settle = jiff::SignedDuration::ZERO;
    let message = refusal(&world, &world.context).await;
    assert!(message.contains("table posts, a logical replica, may show an old state"), "{message}");
    assert!(
        message.contains("whether the subscription `copy` has applied every change of its origin"),
        "{message}"
    );

    let mut assuming = world.assuming_fresh(&["posts"]);
    Arc::make_mut(&mut assuming.installation).clock = Arc::new(SystemClock);
    let report = collect_day(&assuming, None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!(report.recorded.len(), 1);
}

/// A server that keeps the commit times of transactions and counts statements, and a world on it whose days end now.
async fn tracking() -> (PrivateServer, World) {
    let arguments = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"];
    let settings = "-c track_commit_timestamp=on -c shared_preload_libraries=pg_stat_statements";
    let server = PrivateServer::made_by("initdb", &arguments, settings);
    let world = World::on_server(server.url()).await;
    world
        .execute(
            "CREATE EXTENSION pg_stat_statements; CREATE MATERIALIZED VIEW copied AS SELECT * FROM posts",
        )
        .await;
    (server, world)
}

/// The same world at a time at which the materialized view has to be refreshed.
fn ready_now(world: &World, wait: Duration) -> Context {
    let mut context = world.context.clone();
    Arc::make_mut(&mut context.installation).clock = Arc::new(SystemClock);
    Arc::make_mut(&mut context.installation).freshness_wait = wait;
    let midnight = SystemClock.now().to_zoned(TimeZone::UTC).start_of_day().unwrap().timestamp();
    Arc::make_mut(&mut context.tenant).settle = SystemClock.now().duration_since(midnight);
    context
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_analysed_once_a_run_and_not_while_it_waits() {
    let (_server, world) = tracking().await;
    let query = "SELECT count(*) AS value FROM copied WHERE created_at < {day_end}";
    world.apply(&[named("old", queried(query)), named("posts", counted("posts"))]).await;
    let mut session = PgConnection::connect(&world.platform_url).await.unwrap();
    let mut calls = async |of: &str| -> i64 {
        let counted = format!(
            "SELECT coalesce(sum(calls), 0)::int8 FROM pg_stat_statements WHERE query LIKE '%{of}%' AND query NOT LIKE '%calls%'"
        );
        sqlx::query_scalar(AssertSqlSafe(counted)).fetch_one(&mut session).await.unwrap()
    };
    let context = ready_now(&world, Duration::from_secs(600));
    let refresh = async {
        while calls("assumed_fresh").await < 2 {}
        world.execute("REFRESH MATERIALIZED VIEW copied").await;
    };
    let (never, heard) = (CancellationToken::new(), Heard::default());
    let last = context.last_finished();
    let request = BackfillRequest {
        from: Some(last.saturating_sub(jiff::ToSpan::days(9))),
        to: Some(last),
        ..BackfillRequest::default()
    };
    let (report, ()) = tokio::join!(backfill(&context, &request, &heard, &never), refresh);
    assert_eq!(report.unwrap().status, Some(RunStatus::Completed));
    assert_eq!(world.records().await.len(), 20);
    assert!(calls("assumed_fresh").await >= 2, "each cut is looked at");
    assert_eq!(calls("daymark_analysed").await, 1, "of ten days and several cuts");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_is_recorded_when_a_materialized_view_is_not_refreshed_in_time() {
    let (_server, world) = tracking().await;
    world.apply(&[named("old", counted("copied")), named("posts", counted("posts"))]).await;
    let context = ready_now(&world, Duration::from_millis(1));
    let report = collect_day(&context, None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!((report.status, report.recorded.len()), (RunStatus::Partial, 1));
    let old = message(&report.failed, "old");
    assert!(
        old.contains("materialized view copied shows the state of") && old.contains("refresh it"),
        "{old}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_materialized_view_is_refused_as_one() {
    let (_server, world) = tracking().await;
    world.execute("CREATE MATERIALIZED VIEW none AS SELECT * FROM posts WHERE FALSE").await;
    world.apply(&[counted("none")]).await;
    let message = refusal(&world, &world.context).await;
    assert!(message.contains("Daymark cannot determine when it was refreshed (it has no rows "), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_does_not_report_its_lag_in_time_counts_as_reachable() {
    let (_server, world) = tracking().await;
    world.apply(&[counted("copied")]).await;
    let metrics = active_metrics(&world.context).await.unwrap();
    // Nothing can be read from the materialized view as long as its refresh is not committed.
    let mut refreshing = PgConnection::connect(&world.platform_url).await.unwrap();
    refreshing.execute("BEGIN; REFRESH MATERIALIZED VIEW copied").await.unwrap();
    let lag = platform_lag(&world.context, &metrics).await;
    assert!(matches!(&lag, PlatformLag::Unknown { .. }), "{lag:?}");
    let gone = platform_lag(&world.without_platform(), &metrics).await;
    assert!(matches!(&gone, PlatformLag::Unreachable { .. }), "{gone:?}");
}
