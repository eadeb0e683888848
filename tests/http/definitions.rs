//! Definitions that are created, changed and switched off through the API, in addition to those of the file.

use daymark::{
    collect::{CancellationToken, collect_day},
    definitions::{apply, define, made_through_api, switch_off},
    metric::Definition,
    store::{DefinitionChange, Origin},
};
use jiff::civil::Date;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    on_both_stores,
    raw::until,
    site::{Reply, Settings, Site},
    support::fresh_database,
    world::{SOURCES, World, definitions, january},
};

on_both_stores!(
    a_metric_made_through_the_api_is_collected,
    a_changed_definition_is_a_new_version_and_an_equal_one_is_not,
    one_metric_is_shown_with_its_versions,
    a_metric_is_switched_off_and_on,
    a_metric_changes_its_type,
    apply_leaves_metrics_of_the_api_unchanged,
    apply_adopts_metrics_of_the_api_that_the_file_has,
    definitions_made_by_another_process_are_listed,
    every_measure_can_be_made,
    definitions_made_through_the_api_are_bounded_in_bytes,
);

pub const JAZZ: &str = "/api/v1/definitions/jazz_posts";

pub fn jazz() -> Value {
    json!({"measure": "created", "source": "posts", "filter": {"genre": "jazz"}, "unit": "posts"})
}

/// The entry of a metric in the list of definitions.
pub async fn listed(site: &Site, category: &str) -> Vec<Value> {
    let list = site.get("/api/v1/definitions").await.json();
    let of_name = |entry: &&Value| entry["metric_category"] == category;
    list["definitions"].as_array().unwrap().iter().filter(of_name).cloned().collect()
}

async fn collected(site: &Site, date: Date) -> usize {
    collect_day(&site.world.context, Some(date), &[], &CancellationToken::new()).await.unwrap().recorded.len()
}

/// The date, value and definition version of each record of a metric.
async fn records(site: &Site, category: &str) -> Vec<(Date, String, i32)> {
    let records = site.world.records().await.into_iter().filter(|record| record.key.category == category);
    records.map(|record| (record.metric_date, record.value.to_string(), record.definition_version)).collect()
}

pub async fn made(site: &Site, path: &str, body: &Value) -> Reply {
    let reply = site.put(path, body).await;
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    reply
}

async fn a_metric_made_through_the_api_is_collected(site: Site) {
    assert_eq!(listed(&site, "jazz_posts").await, [] as [Value; 0]);
    let reply = site.put(JAZZ, &jazz()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let mut made = reply.json();
    assert_eq!(made["warnings"], json!([]));
    assert_eq!(
        (&made["version"], &made["origin"], &made["is_active"], &made["roll_up"], &made["unit"]),
        (&json!(1), &json!("api"), &json!(true), &json!("sum"), &json!("posts"))
    );
    assert_eq!(made["earlier_days"], Value::Null);
    for own in ["warnings", "earlier_days"] {
        made.as_object_mut().unwrap().remove(own);
    }
    assert_eq!(listed(&site, "jazz_posts").await, [made], "the list has the same entry at once");
    assert_eq!(listed(&site, "posts_total").await[0]["origin"], "file");

    assert_eq!(collected(&site, january(10)).await, 5);
    assert_eq!(records(&site, "jazz_posts").await, [(january(10), "10".to_owned(), 1)]);
    let latest = site.get("/api/v1/latest?category=jazz_posts").await.json();
    assert_eq!(latest["metrics"][0]["value"], 10);
}

async fn a_changed_definition_is_a_new_version_and_an_equal_one_is_not(site: Site) {
    made(&site, JAZZ, &jazz()).await;
    collected(&site, january(9)).await;
    let reordered =
        json!({"unit": "posts", "filter": {"genre": "jazz"}, "source": "posts", "measure": "created"});
    let again = site.put(JAZZ, &reordered).await;
    assert_eq!((again.status, &again.json()["version"]), (200, &json!(1)), "{}", again.text());

    let mut of_one = jazz();
    of_one["filter"] = json!({"genre": "jazz", "author_id": 1});
    let changed = site.put(JAZZ, &of_one).await;
    assert_eq!((changed.status, &changed.json()["version"]), (200, &json!(2)), "{}", changed.text());
    of_one["filter"] = json!({"author_id": 1, "genre": "jazz"});
    assert_eq!(site.put(JAZZ, &of_one).await.json()["version"], 2, "the order of members does not matter");
    collected(&site, january(10)).await;
    let expected = [(january(9), "9".to_owned(), 1), (january(10), "5".to_owned(), 2)];
    assert_eq!(records(&site, "jazz_posts").await, expected);
    let versions = site.world.context.tenant.store.definition_versions().await.unwrap();
    let of_jazz: Vec<_> = versions.iter().filter(|version| version.key.category == "jazz_posts").collect();
    assert_eq!(of_jazz.len(), 2);
    assert_eq!(of_jazz[0].definition.measure.readings().len(), 1);
    assert_ne!(of_jazz[0].definition, of_jazz[1].definition);
}

async fn one_metric_is_shown_with_its_versions(site: Site) {
    let unknown = site.get("/api/v1/definitions/jazz_postz").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "not-found"));
    made(&site, JAZZ, &jazz()).await;
    site.world.set_clock("2025-01-11T12:30:00Z");
    let breakdown = json!({"measure": "breakdown", "source": "posts", "column": "genre"});
    made(&site, JAZZ, &breakdown).await;
    made(&site, JAZZ, &jazz()).await;
    site.world.set_clock("2025-01-11T13:00:00Z");
    let mut further = jazz();
    further["filter"] = json!({"genre": ["jazz", "swing"], "author_id": {"at_least": 1, "less_than": 9}});
    made(&site, JAZZ, &further).await;

    let shown = site.get_as_admin(JAZZ).await.json();
    assert_eq!((&shown["metric_type"], &shown["version"]), (&json!("count"), &json!(2)));
    let version = |number, made, declaration: &Value| json!({"version": number, "created_at": made, "roll_up": "sum", "declaration": declaration});
    let declared = |number: usize| &shown["versions"][number]["declaration"];
    let versions =
        [version(1, "2025-01-11T12:00:00Z", declared(0)), version(2, "2025-01-11T13:00:00Z", declared(1))];
    assert_eq!(shown["versions"], json!(versions));
    assert_eq!(declared(0)["filter"], jazz()["filter"]);
    further["type"] = json!("count");
    for (key, default) in [("display_name", "Jazz posts"), ("description", ""), ("format_pattern", "0,0")] {
        further[key] = json!(default);
    }
    assert_eq!((&shown["declaration"], declared(1)), (&further, &further));
    let to_readers = site.get(JAZZ).await;
    assert_eq!(to_readers.json()["declaration"], Value::Null, "tables and queries are not for readers");
    let versions =
        [version(1, "2025-01-11T12:00:00Z", &Value::Null), version(2, "2025-01-11T13:00:00Z", &Value::Null)];
    assert_eq!(to_readers.json()["versions"], json!(versions));
    assert!(!to_readers.text().contains("genre"), "{}", to_readers.text());
    let known = [("if-none-match", to_readers.header("etag"))];
    assert_eq!(site.get_with(JAZZ, &known).await.status, 304);

    // If both types are switched off, the one that was changed last is shown.
    site.world.set_clock("2025-01-11T13:30:00Z");
    made(&site, JAZZ, &json!({"measure": "breakdown", "source": "posts", "column": "genre", "top": 3})).await;
    site.delete(JAZZ).await;
    let off = site.get(JAZZ).await.json();
    assert_eq!((&off["metric_type"], &off["is_active"]), (&json!("aggregate"), &json!(false)));
    let near = site.get("/api/v1/definitions/jazz_postz").await;
    assert!(near.status == 404 && near.text().contains("jazz_posts"), "{}", near.text());
}

async fn a_metric_is_switched_off_and_on(site: Site) {
    made(&site, JAZZ, &jazz()).await;
    collected(&site, january(9)).await;
    for _ in 0..2 {
        let off = site.delete(JAZZ).await;
        assert_eq!((off.status, off.body.len()), (204, 0), "{}", off.text());
        assert_eq!(listed(&site, "jazz_posts").await[0]["is_active"], false);
    }
    assert_eq!(collected(&site, january(10)).await, 4);
    assert_eq!(records(&site, "jazz_posts").await.len(), 1, "what is recorded stays");
    let on = site.put(JAZZ, &jazz()).await;
    assert_eq!(
        (on.status, &on.json()["version"], &on.json()["is_active"]),
        (200, &json!(1), &json!(true)),
        "{}",
        on.text()
    );
    assert_eq!(collected(&site, january(10)).await, 1);
}

/// A metric of another type is another metric. Only one metric of a name is active.
async fn a_metric_changes_its_type(site: Site) {
    made(&site, JAZZ, &jazz()).await;
    let share = json!({"measure": "breakdown", "source": "posts", "column": "genre"});
    let reply = site.put(JAZZ, &share).await;
    assert_eq!((reply.status, &reply.json()["metric_type"]), (201, &json!("aggregate")), "{}", reply.text());
    let states: Vec<_> = listed(&site, "jazz_posts")
        .await
        .iter()
        .map(|entry| (entry["metric_type"].clone(), entry["is_active"].clone()))
        .collect();
    assert_eq!(states, [(json!("aggregate"), json!(true)), (json!("count"), json!(false))]);
    assert_eq!(site.delete(JAZZ).await.status, 204);
    assert!(listed(&site, "jazz_posts").await.iter().all(|entry| entry["is_active"] == false));
}

async fn apply_leaves_metrics_of_the_api_unchanged(site: Site) {
    made(&site, JAZZ, &jazz()).await;
    made(&site, "/api/v1/definitions/off_again", &jazz()).await;
    assert_eq!(site.delete("/api/v1/definitions/off_again").await.status, 204);
    let (context, wanted) = (&site.world.context, definitions(site.world.time_format()));
    let report = apply(context, &wanted, false).await.unwrap();
    assert_eq!((report.changes.len(), report.unchanged, report.made_through_api), (0, 4, 1));
    // The same holds if a metric was removed from the file.
    let report = apply(context, &wanted[1..], false).await.unwrap();
    assert_eq!((report.changes.len(), report.unchanged, report.made_through_api), (1, 3, 1));
    assert_eq!(listed(&site, "jazz_posts").await[0]["is_active"], true);
    assert_eq!(listed(&site, "posts_total").await[0]["is_active"], false);
    let made = made_through_api(context.tenant.store.as_ref(), &wanted).await.unwrap();
    assert_eq!(made.iter().map(|made| made.category.as_str()).collect::<Vec<_>>(), ["jazz_posts"]);

    // The name that was removed from the file can be used through the API.
    let reply = site.put("/api/v1/definitions/posts_total", &jazz()).await;
    assert_eq!((reply.status, &reply.json()["origin"]), (200, &json!("api")), "{}", reply.text());
}

async fn apply_adopts_metrics_of_the_api_that_the_file_has(site: Site) {
    made(&site, JAZZ, &jazz()).await;
    made(&site, "/api/v1/definitions/other", &jazz()).await;
    let (context, mut wanted) = (&site.world.context, definitions(site.world.time_format()));
    let stored = context.tenant.store.definitions().await.unwrap();
    let of_api = |category: &str| {
        let metric = stored.iter().find(|stored| stored.definition.category == category).unwrap();
        assert_eq!(metric.origin, Origin::Api);
        metric.definition.clone()
    };
    wanted.push(of_api("jazz_posts"));
    wanted.push(Definition { unit: "others".to_owned(), ..of_api("other") });
    let report = apply(context, &wanted, false).await.unwrap();
    let changes: Vec<_> =
        report.changes.iter().map(|change| (change.change.category(), change.made_through_api)).collect();
    assert_eq!(changes, [("jazz_posts", true), ("other", true)]);
    assert_eq!((report.unchanged, report.made_through_api), (4, 0));
    let now = async |category| {
        let entry = listed(&site, category).await.remove(0);
        (entry["origin"].clone(), entry["version"].clone())
    };
    assert_eq!(now("jazz_posts").await, (json!("file"), json!(1)), "its definition is unchanged");
    assert_eq!(now("other").await, (json!("file"), json!(2)));
    assert_eq!(apply(context, &wanted, false).await.unwrap().changes, []);
    assert_eq!(site.put(JAZZ, &jazz()).await.problem(), "defined-in-file");
    assert_eq!(site.delete(JAZZ).await.problem(), "defined-in-file");
}

async fn definitions_made_through_the_api_are_bounded_in_bytes(site: Site) {
    let made_of = |number: usize| {
        let mut definition = definitions(site.world.time_format()).remove(1);
        definition.category = format!("long_{number}");
        definition.description = "音".repeat(10_000);
        DefinitionChange::Revise(definition)
    };
    let changes: Vec<_> = (0..140).map(made_of).collect();
    let context = &site.world.context;
    context.tenant.store.change_definitions(&changes, Origin::Api, context.now()).await.unwrap();
    let refused = site.put(JAZZ, &jazz()).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("and 4194304 are possible"), "{}", refused.text());
    for number in 0..5 {
        let shorter = json!({"measure": "created", "source": "posts"});
        made(&site, &format!("/api/v1/definitions/long_{number}"), &shorter).await;
    }
    made(&site, JAZZ, &jazz()).await;
    assert!(site.get("/api/v1/definitions").await.body.len() < 8 * 1024 * 1024);
}

async fn definitions_made_by_another_process_are_listed(site: Site) {
    let (other, config) = (site.world.another_process(), site.world.config(SOURCES));
    define(&other, &config, "jazz_posts", jazz().as_object().unwrap()).await.unwrap();
    // PostgreSQL's notification may arrive a moment after the commit.
    until("it is listed", async || !listed(&site, "jazz_posts").await.is_empty()).await;
    switch_off(&other, &config, "jazz_posts").await.unwrap();
    until("it is off", async || listed(&site, "jazz_posts").await[0]["is_active"] == false).await;
}

async fn every_measure_can_be_made(site: Site) {
    let created = json!({"measure": "created", "source": "posts"});
    let authors = json!({"measure": "distinct_actors", "sources": ["posts", "comments"], "window_days": 7});
    let bodies = [
        ("count", created.clone()),
        ("count", json!({"measure": "existing", "source": "comments", "expected": {"min": 0, "max": 1e6}})),
        ("count", authors.clone()),
        ("average", json!({"measure": "average", "source": "posts", "column": "author_id"})),
        ("percentage", json!({"measure": "ratio", "numerator": authors, "denominator": created})),
        (
            "average",
            json!({"measure": "ratio", "type": "average", "numerator": created, "denominator": created}),
        ),
        (
            "aggregate",
            json!({"measure": "breakdown", "source": "posts", "column": "genre", "of": "existing", "top": 3}),
        ),
        ("aggregate", json!({"measure": "sum", "source": "posts", "column": "author_id", "of": "existing"})),
        (
            "count",
            json!({"measure": "sql", "query": "SELECT count(*) AS value FROM posts WHERE created_at < {day_end}",
                   "returns": "value", "adds_up": "last"}),
        ),
        (
            "average",
            json!({"measure": "sql", "query": "SELECT 1 AS value, 2 AS sample_size", "returns": "average"}),
        ),
        (
            "percentage",
            json!({"measure": "sql", "query": "SELECT 1 AS numerator, 2 AS denominator", "returns": "ratio"}),
        ),
        (
            "aggregate",
            json!({"measure": "sql", "query": "SELECT genre AS label, count(*) AS value FROM posts GROUP BY genre",
                   "returns": "labels", "top": 3}),
        ),
    ];
    let filter = json!({
        "genre": ["jazz", "soul"], "author_id": {"at_least": 1, "less_than": 12345678901234567890.5, "not_in": [7, 8]},
        "created_at": {"is_null": false},
    });
    for (number, (metric_type, mut body)) in bodies.into_iter().enumerate() {
        if body["source"].is_string() {
            body["filter"] = filter.clone();
        }
        let reply = site.put(&format!("/api/v1/definitions/metric_{number}"), &body).await;
        assert_eq!(reply.status, 201, "{body}: {}", reply.text());
        assert_eq!(reply.json()["metric_type"], metric_type);
        // A sum of a column is an aggregate without labels.
        let has_labels = body["measure"] == "breakdown" || body["returns"] == "labels";
        assert_eq!(reply.json().get("has_labels"), has_labels.then_some(&json!(true)), "{body}");
        // The declaration that is read back makes the same definition, so that a client can edit it.
        let path = format!("/api/v1/definitions/metric_{number}");
        let declared = site.get_as_admin(&path).await.json()["declaration"].clone();
        let again = site.put(&path, &declared).await;
        assert_eq!(
            (again.status, &again.json()["version"]),
            (200, &json!(1)),
            "{declared}: {}",
            again.text()
        );
    }
    let day =
        collect_day(&site.world.context, Some(january(10)), &[], &CancellationToken::new()).await.unwrap();
    assert_eq!((day.recorded.len(), day.failed.len()), (16, 0));
    let labels = format!("/api/v1/metrics?category=metric_6,metric_7&from={0}&to={0}", january(10));
    let series = site.get(&labels).await.json()["series"].clone();
    assert_eq!([&series[0]["has_labels"], &series[1]["has_labels"]], [&json!(true), &Value::Null]);
}

/// A name that the server read from the file is refused, also before the file is applied.
#[tokio::test(flavor = "multi_thread")]
async fn names_declared_in_the_file_or_the_preset_are_refused() {
    let file = SOURCES.replace("preset = \"none\"", "")
        + "[metrics.of_file]\nmeasure = \"created\"\nsource = \"posts\"\n[metrics.off]\nactive = false\nmeasure = \
           \"created\"\nsource = \"posts\"\n";
    let site = Site::start(World::sqlite().await, Settings { file, ..Settings::default() }).await;
    for category in ["of_file", "off", "engagement_rate", "posts_total"] {
        let path = format!("/api/v1/definitions/{category}");
        for refused in [site.put(&path, &jazz()).await, site.delete(&path).await] {
            assert_eq!((refused.status, refused.problem().as_str()), (409, "defined-in-file"), "{category}");
            assert!(refused.text().contains("`daymark apply`"), "{}", refused.text());
        }
    }
    // A ratio may refer to them.
    let ratio = json!({"measure": "ratio", "numerator": "of_file", "denominator": "posts_total"});
    made(&site, "/api/v1/definitions/share", &ratio).await;
}

/// PostgreSQL's notification may arrive after the client has its answer. Here the trigger that sends it is dropped.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_metric_is_listed_without_waiting_for_a_notification() {
    let (store_url, platform_url) = (fresh_database().await, fresh_database().await);
    let world = World::at(tempfile::tempdir().unwrap(), store_url.clone(), platform_url).await;
    let mut owner = PgConnection::connect(&store_url).await.unwrap();
    owner.execute("DROP TRIGGER notify_change ON daymark.metric_definitions").await.unwrap();
    let site = Site::start(world, Settings::default()).await;
    until("the store is watched", async || site.service.cache.store_version().is_some()).await;
    assert!(listed(&site, "jazz_posts").await.is_empty());
    made(&site, JAZZ, &jazz()).await;
    assert_eq!(listed(&site, "jazz_posts").await[0]["is_active"], true);
    site.delete(JAZZ).await;
    assert_eq!(listed(&site, "jazz_posts").await[0]["is_active"], false);
}
