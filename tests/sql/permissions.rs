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
async fn objects_of_others_are_refused_and_never_replaced() {
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
    // Without the option, the views of an earlier installation go.
    project.database.run("functions", &["sql", "install"]).done();
    let left = "SELECT count(*) AS left FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = 'daily_metrics'";
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
    assert!(
        findings().join("\n").contains("the functions are not as they were installed"),
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
                    owner, who owns them, cannot run what the platform's role can: permission denied for table tracks";
    assert!(installed.contains(expected), "{installed}");
    assert_eq!(project.database.query(CALLS[0]).await, json!([{"status": "partial"}]));
}
