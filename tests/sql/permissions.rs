//! Who may call the functions and read the views: every role of an API, admins and other users, and roles besides them.

use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};

use crate::{
    platform::{error_of, try_query},
    supabase::{ADMIN, Project, USER},
};

const CALLS: [&str; 4] = [
    "SELECT status FROM daymark.collect_daily_metrics()",
    "SELECT status FROM public.collect_daily_metrics()",
    "SELECT dates_processed FROM daymark.backfill_daily_metrics(current_date - 2, current_date - 1)",
    "SELECT dates_processed FROM public.backfill_daily_metrics(current_date - 2, current_date - 1)",
];

async fn installed() -> Project {
    let project = Project::new("").await;
    let installed = project.database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    assert!(installed.contains("in the schema \"daymark\" and public"), "{installed}");
    assert!(!installed.contains("No authenticated user"), "{installed}");
    project
}

#[tokio::test]
async fn the_service_role_and_admins_may_call_them() {
    let project = installed().await;
    for (role, user, actor) in
        [("service_role", None, "role:service_role"), ("authenticated", Some(ADMIN), "user:")]
    {
        let mut session = project.request_as(role, user).await;
        for call in CALLS {
            try_query(&mut session, call).await.unwrap_or_else(|error| panic!("{role}: {call}: {error}"));
        }
        let runs = "SELECT trigger, actor FROM daymark.metric_collection_log WHERE tenant_id = 'functions' ORDER BY started_at DESC";
        let run = project.database.query(runs).await[0].clone();
        assert_eq!(run["trigger"], "api");
        assert!(run["actor"].as_str().unwrap().starts_with(actor), "{run}");
        assert_eq!(
            try_query(&mut session, "SELECT count(*) > 0 AS seen FROM public.metric_collection_log")
                .await
                .unwrap(),
            json!([{"seen": true}])
        );
    }
    // Their owner may, as a cron job of it does.
    assert_eq!(project.database.query(CALLS[0]).await, json!([{"status": "completed"}]));
}

#[tokio::test]
async fn no_other_role_may_call_them() {
    let project = installed().await;
    project.database.execute("GRANT USAGE ON SCHEMA daymark TO stranger").await;
    let mut stranger = project.session_of("stranger").await;
    let mut anonymous = project.request_as("anon", None).await;
    let mut admin_without_role = project.request_as("anon", Some(ADMIN)).await;
    for call in CALLS {
        for session in [&mut stranger, &mut anonymous, &mut admin_without_role] {
            let error = error_of(session, call).await;
            assert!(error.starts_with("42501 permission denied for function"), "{call}: {error}");
        }
        let mut user = project.request_as("authenticated", Some(USER)).await;
        let mut unknown = project.request_as("authenticated", None).await;
        for session in [&mut user, &mut unknown] {
            let error = error_of(session, call).await;
            assert!(error.starts_with("42501 the role authenticated may not collect"), "{call}: {error}");
        }
    }
    // A grant alone does not let a role in.
    project
        .database
        .execute("GRANT EXECUTE ON FUNCTION daymark.collect_daily_metrics TO stranger, anon")
        .await;
    for session in [&mut stranger, &mut anonymous] {
        let error = error_of(session, CALLS[0]).await;
        assert!(error.starts_with("42501 the role") && error.contains("may not collect"), "{error}");
    }
    let log = "SELECT count(*) AS runs FROM daymark.metric_collection_log";
    assert_eq!(project.database.query(log).await, json!([{"runs": 0}]));
}

#[tokio::test]
async fn the_parts_of_the_functions_are_for_their_owner_only() {
    let project = installed().await;
    let parts = project
        .database
        .query("SELECT oid::regprocedure::text AS part, proname FROM pg_proc WHERE pronamespace = 'daymark'::regnamespace AND proname ~ '^sql_'")
        .await;
    let parts = parts.as_array().unwrap();
    assert!(parts.len() > 25, "{}", parts.len());
    for role in ["anon", "authenticated", "service_role", "stranger"] {
        for part in parts {
            let part = part["part"].as_str().unwrap();
            let may = format!("SELECT has_function_privilege('{role}', '{part}', 'EXECUTE') AS may");
            assert_eq!(project.database.query(&may).await, json!([{"may": false}]), "{role}: {part}");
        }
    }
}

#[tokio::test]
async fn the_views_show_what_their_reader_may_see_and_take_no_writes() {
    let project = installed().await;
    project.database.query(CALLS[0]).await;
    let counts = |view: &str| format!("SELECT count(*) > 0 AS seen FROM public.{view}");
    for (role, user, sees_the_log) in [
        ("anon", None, None),
        ("authenticated", Some(USER), Some(false)),
        ("authenticated", Some(ADMIN), Some(true)),
        ("service_role", None, Some(true)),
    ] {
        let mut session = project.request_as(role, user).await;
        for view in ["daily_metrics", "metric_definitions"] {
            assert_eq!(
                try_query(&mut session, &counts(view)).await.unwrap(),
                json!([{"seen": true}]),
                "{role}"
            );
        }
        match sees_the_log {
            Some(seen) => {
                let found = try_query(&mut session, &counts("metric_collection_log")).await.unwrap();
                assert_eq!(found, json!([{"seen": seen}]), "{role}");
            }
            None => {
                assert!(error_of(&mut session, &counts("metric_collection_log")).await.starts_with("42501"))
            }
        }
        for view in ["daily_metrics", "metric_definitions", "metric_collection_log"] {
            for write in
                [format!("DELETE FROM public.{view}"), format!("UPDATE public.{view} SET created_at = now()")]
            {
                let error = session.execute(AssertSqlSafe(write.clone())).await.unwrap_err();
                // A view of a join takes no writes from any role, and PostgreSQL says so before it looks at privileges.
                let code = if view == "daily_metrics" { "55000" } else { "42501" };
                assert_eq!(error.as_database_error().unwrap().code().unwrap(), code, "{role}: {write}");
            }
        }
    }
    // The other tenant's rows are not in the views.
    project.database.run("default", &["collect"]).done();
    let rows = "SELECT (SELECT count(*) FROM public.daily_metrics) * 2 = (SELECT count(*) FROM daymark.daily_metrics) AS half";
    assert_eq!(project.database.query(rows).await, json!([{"half": true}]));
}

#[tokio::test]
async fn objects_of_other_owners_are_refused_and_never_replaced() {
    let project = Project::new("").await;
    let install = ["sql", "install", "--api-schema", "public"];
    for (create, drop) in [
        ("CREATE TABLE public.daily_metrics (mine integer)", "DROP TABLE public.daily_metrics"),
        (
            "CREATE VIEW public.metric_collection_log AS SELECT 1 AS mine",
            "DROP VIEW public.metric_collection_log",
        ),
        (
            "CREATE FUNCTION public.collect_daily_metrics(target_date date) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION public.collect_daily_metrics",
        ),
    ] {
        project.database.execute(create).await;
        let refused = project.database.run("functions", &install);
        assert_eq!(refused.code, Some(1), "{create}");
        assert!(
            refused.stderr.contains("exist already, and Daymark did not make them: nothing was changed"),
            "{}",
            refused.stderr
        );
        let made = "SELECT count(*) AS made FROM pg_proc WHERE proname ~ '^sql_'";
        assert_eq!(project.database.query(made).await, json!([{"made": 0}]));
        project.database.execute(drop).await;
    }
    project.database.run("functions", &install).done();
    project.database.run("functions", &install).done();
    // An installation without the option, as after an update, leaves no page without its views.
    let again = project.database.run("functions", &["sql", "install"]).done();
    assert!(again.contains("are in the schema \"daymark\" and public"), "{again}");
    let left = "SELECT count(*) AS left FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = 'daily_metrics'";
    assert_eq!(project.database.query(left).await, json!([{"left": 1}]));
    project.database.run("functions", &["sql", "uninstall"]).done();
    assert_eq!(project.database.query(left).await, json!([{"left": 0}]));
}

#[tokio::test]
async fn check_names_functions_that_are_outdated_changed_or_open() {
    let project = installed().await;
    let findings = || {
        let check = project.database.run("functions", &["check", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&check.stdout).unwrap();
        let all = report["findings"].as_array().unwrap().clone();
        all.into_iter()
            .filter(|finding| finding["place"] == "sql functions")
            .map(|finding| finding.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(findings(), Vec::<String>::new());
    project.database.execute("CREATE INDEX ON profiles (created_at)").await;
    assert!(findings()[0].contains("they are not those that would be installed now"), "{:?}", findings());
    project.database.execute("GRANT EXECUTE ON FUNCTION daymark.sql_answer TO anon; REVOKE EXECUTE ON FUNCTION daymark.collect_daily_metrics FROM service_role").await;
    let open = findings().join("\n");
    assert!(open.contains("the role anon may execute the function sql_answer"), "{open}");
    assert!(
        open.contains("the role service_role may not execute the function collect_daily_metrics"),
        "{open}"
    );
    project.database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    assert_eq!(findings(), Vec::<String>::new());
    project.database.execute("CREATE OR REPLACE FUNCTION daymark.sql_exists(the_day date) RETURNS boolean LANGUAGE sql AS 'SELECT TRUE'").await;
    assert!(findings().join("\n").contains("are not as they were installed"), "{:?}", findings());
    // What a client of the API sees is Daymark's as well, and what the owner may read.
    let changed = "the functions, or the views and functions in public, are not as they were installed";
    for (sql, expected) in [
        ("ALTER VIEW public.metric_collection_log SET (security_invoker = false)", changed),
        ("DROP VIEW public.metric_definitions", changed),
        ("DROP FUNCTION public.collect_daily_metrics(date)", changed),
        (
            "GRANT EXECUTE ON FUNCTION public.backfill_daily_metrics TO PUBLIC",
            "PUBLIC may execute the function public.backfill_daily_metrics",
        ),
        (
            "REVOKE EXECUTE ON FUNCTION public.collect_daily_metrics FROM service_role",
            "the role service_role may not execute the function public.collect_daily_metrics",
        ),
    ] {
        project.database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
        assert_eq!(findings(), Vec::<String>::new(), "before {sql}");
        project.database.execute(sql).await;
        assert!(findings().join("\n").contains(expected), "{sql}: {:?}", findings());
    }
    project.database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    // As after the steps with which a backup is restored where a store is already: the views read the former one.
    let former = "CREATE TABLE daymark.former (LIKE daymark.metric_definitions);
        CREATE OR REPLACE VIEW public.metric_definitions WITH (security_invoker = TRUE) AS
            SELECT id, metric_type, metric_category, display_name, description, unit, format_pattern, is_active, created_at, version,
                   updated_at
            FROM daymark.former WHERE tenant_id = 'default'";
    project.database.execute(former).await;
    assert!(findings().join("\n").contains(changed), "{:?}", findings());
    project.database.run("functions", &["sql", "install"]).done();
    assert_eq!(findings(), Vec::<String>::new());
    let mut administrator = project.session_of("postgres").await;
    administrator.execute("GRANT CREATE ON SCHEMA public TO anon").await.unwrap();
    assert!(
        findings().join("\n").contains("anon may create objects in the schema public"),
        "{:?}",
        findings()
    );
}

#[tokio::test]
async fn installing_names_metrics_that_the_owner_of_the_functions_cannot_read() {
    let project = Project::new("").await;
    let mut administrator = project.session_of("postgres").await;
    administrator
        .execute("ALTER TABLE public.tracks OWNER TO postgres; REVOKE ALL ON public.tracks FROM owner")
        .await
        .unwrap();
    let platform = project.url_of("postgres");
    let installed =
        project.database.run("functions", &["sql", "install", "--platform-url", &platform]).done();
    let expected = "The functions will fail to record active_users, engagement_rate, top_genres, track_duration, tracks_uploaded, because \
                    owner, who owns them, cannot run what the platform's role can: permission denied for table tracks (grant that role SELECT on it).";
    assert!(installed.contains(expected), "{installed}");
    assert_eq!(project.database.query(CALLS[0]).await, json!([{"status": "partial"}]));
    let checked = project.database.run("functions", &["check", "--platform-url", &platform]);
    assert!(checked.stdout.contains(expected), "{}", checked.stdout);
}

/// The findings of `check` about the functions, as the role of the store.
fn functions_checked_as(project: &Project, role: &str) -> Vec<serde_json::Value> {
    let url = project.url_of(role);
    let check = project.database.run("functions", &["check", "--format", "json", "--store-url", &url]);
    let report: serde_json::Value = serde_json::from_str(&check.stdout).unwrap();
    let mut findings = report["findings"].as_array().unwrap().clone();
    findings.retain(|finding| finding["place"] == "sql functions");
    findings
}

#[tokio::test]
async fn check_as_a_role_that_only_records_says_that_it_cannot_tell() {
    let project = installed().await;
    let quick_start = include_str!("../../docs/quickstart-postgresql.md");
    let (_, service_role) = quick_start.split_once("## 3. The service role").unwrap();
    let grants = service_role.split("```").nth(1).unwrap().strip_prefix("sql").unwrap();
    project.session_of("postgres").await.execute(AssertSqlSafe(grants.to_owned())).await.unwrap();
    let [note] = functions_checked_as(&project, "daymark_service").try_into().unwrap();
    assert_eq!(
        (&note["severity"], &note["hint"]),
        (&json!("note"), &json!("run `daymark check` as the owner of the schema"))
    );
    assert_eq!(functions_checked_as(&project, "owner"), Vec::<serde_json::Value>::new());
}

/// Other columns of a part and of a view, as another version may have had them, and a part that there is no more.
#[tokio::test]
async fn functions_and_views_of_another_version_are_replaced() {
    let project = installed().await;
    for sql in [
        "DROP FUNCTION daymark.sql_settings",
        "CREATE FUNCTION daymark.sql_settings(OUT tenant_id TEXT, OUT other TEXT) LANGUAGE sql AS $$ SELECT 'functions', 'x' $$",
        "CREATE FUNCTION daymark.sql_of_another_version() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "DROP VIEW public.metric_definitions",
        "CREATE VIEW public.metric_definitions AS SELECT metric_category, id FROM daymark.metric_definitions",
        "COMMENT ON VIEW public.metric_definitions IS 'Installed by `daymark sql install`: of another version'",
    ] {
        project.database.execute(sql).await;
    }
    assert!(!functions_checked_as(&project, "owner").is_empty());
    project.database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    assert_eq!(functions_checked_as(&project, "owner"), Vec::<serde_json::Value>::new());
    let left = "SELECT to_regprocedure('daymark.sql_of_another_version()') IS NULL AS gone";
    assert_eq!(project.database.query(left).await, json!([{"gone": true}]));
    assert_eq!(project.database.query(CALLS[1]).await, json!([{"status": "completed"}]));
    // What others have made of a view stays where its columns can be replaced.
    project
        .database
        .execute("CREATE VIEW public.newest AS SELECT max(metric_date) AS day FROM public.daily_metrics")
        .await;
    project.database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    let newest = "SELECT day IS NOT NULL AS is_there FROM public.newest";
    assert_eq!(project.database.query(newest).await, json!([{"is_there": true}]));
}
