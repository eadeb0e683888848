//! `daymark sql schedule` with a real pg_cron on a server of its own.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    packages::{directory, run},
    platform::Database,
    server::PrivateServer,
};

/// A job runs at the beginning of a minute.
const FIRES_WITHIN: Duration = Duration::from_secs(150);

/// A server that has preloaded pg_cron for the database `app`, if `settings` say nothing else.
fn server(settings: &str) -> PrivateServer {
    let programs = std::env::var("DAYMARK_TEST_POSTGRES_BIN").unwrap();
    run(std::process::Command::new(directory("scripts/pg-cron")).arg(programs));
    PrivateServer::made_by(
        "initdb",
        &["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"],
        settings,
    )
}

async fn database(server: &PrivateServer, settings: &str) -> Database {
    use sqlx::{Connection, Executor};
    let mut administrator = sqlx::PgConnection::connect(&server.url()).await.unwrap();
    administrator.execute("CREATE DATABASE app").await.unwrap();
    let database =
        Database::at(format!("{}app", server.url().strip_suffix("postgres").unwrap()), settings, "").await;
    database.run("functions", &["sql", "install"]).done();
    database
}

const PRELOADED: &str =
    "-c shared_preload_libraries=pg_cron -c cron.database_name=app -c cron.host=127.0.0.1";

#[tokio::test]
async fn a_job_records_the_day_when_it_has_settled() {
    let server = server(PRELOADED);
    let database = database(&server, "settle_minutes = 20\ntime_zone = \"Asia/Kolkata\"\n").await;
    let scheduled = database.run("functions", &["sql", "schedule"]).done();
    // 20 minutes after midnight five and a half hours ahead of UTC.
    assert!(scheduled.contains("collect_daily_metrics()` at `50 18 * * *` (GMT)"), "{scheduled}");
    assert_eq!(database.run("functions", &["sql", "schedule"]).done(), scheduled, "again is the same");
    assert_eq!(database.query("SELECT jobname FROM cron.job").await, json!([{"jobname": "daymark-collect"}]));
    // The same job at the next minute. While a day settles, it is the day before that is recorded by name.
    database
        .execute("SELECT cron.alter_job(jobid, '* * * * *', command := replace(command, '()', '((now() AT TIME ZONE ''Asia/Kolkata'')::date - 2)')) FROM cron.job")
        .await;
    let deadline = Instant::now() + FIRES_WITHIN;
    let runs = "SELECT trigger, actor, status FROM daymark.metric_collection_log";
    while database.query(runs).await == json!([]) {
        let details = database.query("SELECT status, return_message FROM cron.job_run_details").await;
        assert!(Instant::now() < deadline, "the job did not fire: {details}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(
        database.query(runs).await,
        json!([{"trigger": "schedule", "actor": "sql:postgres", "status": "completed"}])
    );
    let removed = database.run("functions", &["sql", "schedule", "--remove"]).done();
    assert!(removed.contains("is removed"), "{removed}");
    assert_eq!(database.query("SELECT jobname FROM cron.job").await, json!([]));
}

#[tokio::test]
async fn a_job_at_midnight_is_found_and_check_names_it() {
    let server = server(PRELOADED);
    let database = database(&server, "").await;
    database.execute("CREATE EXTENSION pg_cron").await;
    database
        .execute(
            "SELECT cron.schedule('collect-daily-metrics', '0 0 * * *', 'SELECT collect_daily_metrics()')",
        )
        .await;
    let scheduled = database.run("functions", &["sql", "schedule"]).done();
    assert!(scheduled.contains("at `15 0 * * *` (GMT)"), "{scheduled}");
    let warning =
        "the job collect-daily-metrics of pg_cron runs `SELECT collect_daily_metrics()` at `0 0 * * *`";
    assert!(scheduled.contains(&format!("warning: {warning}")), "{scheduled}");
    let check = database.run("functions", &["check"]).stdout;
    assert!(check.contains(warning), "{check}");
    database.execute("SELECT cron.unschedule('collect-daily-metrics'), cron.alter_job(jobid, '30 0 * * *', active := FALSE) FROM cron.job WHERE jobname = 'daymark-collect'").await;
    let check = database.run("functions", &["check"]).stdout;
    assert!(check.contains("the job daymark-collect is not active"), "{check}");
    assert!(check.contains("at `30 0 * * *`, and would be made to run"), "{check}");
}

#[tokio::test]
async fn without_preloaded_pg_cron_the_message_names_the_setting() {
    let server = server("");
    let database = database(&server, "").await;
    let refused = database.run("functions", &["sql", "schedule"]);
    assert_eq!(refused.code, Some(1));
    let expected = "pg_cron is not preloaded: set `shared_preload_libraries = 'pg_cron'` and `cron.database_name = 'app'` in \
                    postgresql.conf, and restart the server";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
}

#[tokio::test]
async fn another_database_of_pg_cron_is_named_with_the_call_that_works_there() {
    let server = server("-c shared_preload_libraries=pg_cron");
    let database = database(&server, "").await;
    let refused = database.run("functions", &["sql", "schedule"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("pg_cron has its jobs in the database postgres, and the store is in app"),
        "{}",
        refused.stderr
    );
    let begin = refused.stderr.find("SELECT cron.schedule_in_database").unwrap();
    let call = refused.stderr[begin..].trim().to_owned();
    use sqlx::{AssertSqlSafe, Connection, Executor};
    let mut other = sqlx::PgConnection::connect(&server.url()).await.unwrap();
    other.execute("CREATE EXTENSION pg_cron").await.unwrap();
    other.execute(AssertSqlSafe(call)).await.unwrap();
}

#[tokio::test]
async fn without_the_privilege_for_the_extension_the_message_has_the_command() {
    let server = server(PRELOADED);
    let database = database(&server, "").await;
    database.execute("CREATE ROLE keeper LOGIN; GRANT ALL ON DATABASE app TO keeper; GRANT USAGE ON SCHEMA daymark TO keeper; GRANT SELECT ON ALL TABLES IN SCHEMA daymark TO keeper").await;
    let as_keeper = database.url.replace("postgres@", "keeper@");
    let schedule = ["sql", "schedule", "--store-url", &as_keeper];
    let refused = database.run("functions", &schedule);
    assert!(
        refused.stderr.contains("have an administrator run `CREATE EXTENSION pg_cron` in the database app"),
        "{}",
        refused.stderr
    );
    database.execute("CREATE EXTENSION pg_cron").await;
    let refused = database.run("functions", &schedule);
    assert!(refused.stderr.contains("run `GRANT USAGE ON SCHEMA cron TO keeper`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("run this command as the owner of the store"), "{}", refused.stderr);
    database.execute("GRANT USAGE ON SCHEMA cron TO keeper").await;
    database.run("functions", &schedule).done();
}

/// pg_cron cannot connect, and the server is started again without it.
#[tokio::test]
async fn check_names_a_job_that_cannot_run() {
    let server = server("-c cron.database_name=app -c cron.host=/nowhere");
    let again_with = async |setting: &str| {
        use sqlx::{AssertSqlSafe, Connection, Executor};
        let mut administrator = sqlx::PgConnection::connect(&server.url()).await.unwrap();
        administrator.execute(AssertSqlSafe(format!("ALTER SYSTEM {setting}"))).await.unwrap();
        server.stop();
        server.start();
    };
    again_with("SET shared_preload_libraries = 'pg_cron'").await;
    let database = database(&server, "").await;
    database.run("functions", &["sql", "schedule"]).done();
    let check = || database.run("functions", &["check"]).stdout;
    assert!(!check().contains("error: pg_cron"), "{}", check());
    database.execute("SELECT cron.alter_job(jobid, '* * * * *') FROM cron.job").await;
    let deadline = Instant::now() + FIRES_WITHIN;
    while database.query("SELECT status FROM cron.job_run_details WHERE status = 'failed'").await == json!([])
    {
        assert!(Instant::now() < deadline, "no run has failed");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let found = check();
    assert!(
        found.contains("error: pg_cron: the last run of the job daymark-collect failed: connection failed"),
        "{found}"
    );
    assert!(found.contains("let the role postgres connect from where pg_cron does"), "{found}");
    again_with("RESET shared_preload_libraries").await;
    let found = check();
    assert!(
        found.contains("error: pg_cron: pg_cron is not preloaded: set `shared_preload_libraries"),
        "{found}"
    );
}
