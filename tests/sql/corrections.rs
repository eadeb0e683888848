//! Corrections in the view and in the function `daily_metrics_as_of`, for every role that may read.

use serde_json::{Value, json};

use crate::{
    platform::{Database, error_of, try_query},
    supabase::{Project, USER},
};

const COLUMNS: &str = "value, recorded_value, revision, provenance";

/// The clock of the database, as text.
async fn now(database: &Database) -> String {
    let now = database.query("SELECT clock_timestamp()::text AS now").await;
    now[0]["now"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_view_has_the_values_in_force_and_the_function_what_was_known() {
    let project = Project::new("").await;
    let database = &project.database;
    database.run("functions", &["sql", "install", "--api-schema", "public"]).done();
    let before = now(database).await;
    database.query("SELECT status FROM public.collect_daily_metrics()").await;
    let day = database.query("SELECT max(metric_date)::text AS day FROM public.daily_metrics").await;
    let day = day[0]["day"].as_str().unwrap().to_owned();
    let recorded = now(database).await;
    let correct = |change: &[&str]| {
        let day = ["correct", "posts_total", "--date", &day, "--reason", "wrong", "--yes"];
        database.run("functions", &[day.as_slice(), change].concat()).done();
    };
    correct(&["--value", "7"]);
    let corrected = now(database).await;
    correct(&["--withdraw"]);
    let withdrawn = now(database).await;
    correct(&["--take-back", "2"]);

    let first = database
        .query("SELECT value, provenance FROM daymark.daily_metrics WHERE metric_category = 'posts_total'")
        .await;
    // It depends on the time of day at which the test runs.
    let provenance = first[0]["provenance"].clone();
    let first = first[0]["value"].clone();
    let known = |at: &str| {
        format!(
            "SELECT {COLUMNS} FROM public.daily_metrics_as_of('{at}') WHERE metric_category = 'posts_total'"
        )
    };
    let as_recorded =
        json!([{"value": first, "recorded_value": first, "revision": null, "provenance": provenance}]);
    let as_corrected =
        json!([{"value": 7, "recorded_value": first, "revision": 1, "provenance": "corrected"}]);
    for (role, user) in [("anon", None), ("authenticated", Some(USER)), ("service_role", None)] {
        let mut session = project.request_as(role, user).await;
        let mut ask = async |sql: &str| {
            try_query(&mut session, sql).await.unwrap_or_else(|error| panic!("{role}: {sql}: {error}"))
        };
        assert_eq!(ask(&known(&before)).await, json!([]), "{role}");
        assert_eq!(ask(&known(&recorded)).await, as_recorded, "{role}");
        assert_eq!(ask(&known(&corrected)).await, as_corrected, "{role}");
        assert_eq!(ask(&known(&withdrawn)).await, json!([]), "{role}: a withdrawn day has no row");
        let view =
            format!("SELECT {COLUMNS} FROM public.daily_metrics WHERE metric_category = 'posts_total'");
        assert_eq!(ask(&view).await, as_corrected, "{role}");
        // For the present instant, the function returns what the view returns, except the judgements.
        let differences = "SELECT count(*) AS count FROM (
            (SELECT to_jsonb(v) - 'judgement' FROM public.daily_metrics v EXCEPT
             SELECT to_jsonb(f) - 'judgement' FROM public.daily_metrics_as_of(clock_timestamp()) f)
            UNION ALL
            (SELECT to_jsonb(f) - 'judgement' FROM public.daily_metrics_as_of(clock_timestamp()) f EXCEPT
             SELECT to_jsonb(v) - 'judgement' FROM public.daily_metrics v)) AS different";
        assert_eq!(ask(differences).await, json!([{"count": 0}]), "{role}");
    }
    database.execute("GRANT USAGE ON SCHEMA public TO stranger").await;
    let mut stranger = project.session_of("stranger").await;
    assert!(error_of(&mut stranger, &known(&recorded)).await.starts_with("42501"));
    assert_eq!(documented(&project, &corrected).await, 7);
    assert_eq!(documented(&project, &recorded).await, first);
}

/// The value of `posts_total` by the query in docs/corrections.md.
async fn documented(project: &Project, at: &str) -> Value {
    let text = include_str!("../../docs/corrections.md");
    let query = text.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let query = query.replace(":as_of", &format!("'{at}'")).replace("'default'", "'functions'");
    let query = query.replace("FROM daily_metrics", "FROM daymark.daily_metrics");
    let query = query.replace("metric_revisions AS", "daymark.metric_revisions AS");
    let rows = project.database.query(&query).await;
    let rows = rows.as_array().unwrap().iter();
    let mut found = rows.filter(|row| row["metric_category"] == "posts_total");
    found.next().unwrap()["value"].clone()
}
