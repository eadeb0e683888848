//! Definitions that are refused because they are wrong, hostile, not permitted, or cannot be checked.

use daymark::{access::Role, definitions::define};
use serde_json::{Value, json};

use crate::{
    definitions::{JAZZ, jazz, listed},
    on_both_stores,
    process::Process,
    raw::until,
    site::{Reply, Settings, Site, new_key, request},
    support::fresh_database,
    world::{SOURCES, World},
};

on_both_stores!(
    every_mistake_in_a_definition_is_reported_at_once,
    a_definition_that_the_platform_cannot_plan_is_refused,
    texts_beyond_their_length_limits_are_named,
    hostile_definitions_do_no_harm,
    an_unknown_metric_is_refused_with_a_suggestion,
    defining_needs_the_scope_define,
    the_body_is_json_of_a_bounded_size,
);

/// The errors of a reply: the member of the body, and its mistake.
fn errors(reply: &Reply) -> Vec<(String, String)> {
    assert_eq!((reply.status, reply.problem().as_str()), (422, "invalid-definition"), "{}", reply.text());
    let text = |error: &Value, member| error[member].as_str().unwrap().to_owned();
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    errors.iter().map(|error| (text(error, "parameter"), text(error, "detail"))).collect()
}

async fn every_mistake_in_a_definition_is_reported_at_once(site: Site) {
    let body = json!({
        "measure": "created", "source": "post", "untt": "posts", "description": 5, "top": 3, "type": "cont",
        "expected": {"min": 3, "max": 1, "mean": 2}, "display_name": null, "active": false,
    });
    let errors = errors(&site.put(JAZZ, &body).await);
    let expected = [
        ("display_name", "null"),
        ("description", "must be a string, not an integer"),
        ("type", "`count`"),
        ("expected", "min 3 is above max 1"),
        ("expected.mean", "unknown key `mean`; possible here: `min`, `max`"),
        ("untt", "unknown key `untt`; did you mean `unit`?"),
        ("active", "delete"),
        ("top", "the measure `created` has no key `top`"),
        ("source", "source `post` is not declared; did you mean `posts`?"),
    ];
    let places: Vec<_> = errors.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, expected.map(|(place, _)| place), "{errors:?}");
    for ((_, said), (place, part)) in errors.iter().zip(expected) {
        assert!(said.contains(part), "{place}: {said}");
    }
    assert_eq!(site.put(JAZZ, &json!({})).await.json()["errors"][0]["parameter"], "");
    // Mistakes that follow from the misspelt measure are not reported.
    let misspelt = self::errors(&site.put(JAZZ, &json!({"measure": "creatd", "source": "posts"})).await);
    assert_eq!((misspelt.len(), misspelt[0].0.as_str()), (1, "measure"), "{misspelt:?}");
    assert!(misspelt[0].1.contains("did you mean `created`?"), "{misspelt:?}");
    assert!(listed(&site, "jazz_posts").await.is_empty());
}

async fn a_definition_that_the_platform_cannot_plan_is_refused(site: Site) {
    let filter = json!({"gnre": "jazz", "author_id": {"equals": "x"}, "genre": {"in": []}});
    let body = json!({"measure": "average", "source": "posts", "column": "genre", "filter": filter});
    let errors_of_columns = errors(&site.put(JAZZ, &body).await);
    let places: Vec<_> = errors_of_columns.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["filter.genre.in", "filter.author_id", "filter.gnre", "column"]);
    assert!(errors_of_columns[2].1.contains("did you mean `genre`?"), "{errors_of_columns:?}");

    let query = |sql: &str| json!({"measure": "sql", "query": sql, "returns": "value", "adds_up": "last"});
    for sql in ["SELECT count(*) AS value FROM nowhere WHERE {day} = {day}", "DELETE FROM posts", "nonsense"]
    {
        let errors = errors(&site.put(JAZZ, &query(sql)).await);
        assert_eq!((errors.len(), errors[0].0.as_str()), (1, "query"), "{sql}: {errors:?}");
    }
    let breakout = "SELECT 1 AS value) AS answer; SELECT 1, 2, 3, json_extract('{}', (SELECT sql FROM sqlite_schema LIMIT 1)) \
                    FROM (SELECT 1";
    let said = errors(&site.put(JAZZ, &query(breakout)).await);
    assert_eq!((said.len(), said[0].0.as_str()), (1, "query"), "{said:?}");
    assert!(!said[0].1.contains("CREATE"), "the query read the schema: {said:?}");
    let of_now = site.put(JAZZ, &query("SELECT count(*) AS value FROM posts")).await;
    assert_eq!(of_now.status, 201, "{}", of_now.text());
    assert_eq!(of_now.json()["warnings"][0]["parameter"], "query");
    assert!(of_now.text().contains("only be recorded on time"), "{}", of_now.text());
}

/// The limits are those of the store's table, which would otherwise refuse the whole definition.
async fn texts_beyond_their_length_limits_are_named(site: Site) {
    let of = |display_name: usize, description: usize, unit: usize, format_pattern: usize| {
        json!({
            "measure": "created", "source": "posts", "display_name": "ä".repeat(display_name),
            "description": "ä".repeat(description), "unit": "ä".repeat(unit), "format_pattern": "ä".repeat(format_pattern),
        })
    };
    let errors_of_long = errors(&site.put(JAZZ, &of(1001, 10_001, 1001, 1001)).await);
    let places: Vec<_> = errors_of_long.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["display_name", "description", "unit", "format_pattern"]);
    assert!(errors_of_long[1].1.contains("0 to 10000 characters, not 10001"), "{errors_of_long:?}");
    let errors_of_empty = errors(&site.put(JAZZ, &of(0, 0, 0, 0)).await);
    assert_eq!((errors_of_empty.len(), errors_of_empty[0].0.as_str()), (1, "display_name"));
    for body in [of(1000, 10_000, 1000, 1000), of(1, 0, 0, 0)] {
        let reply = site.put(JAZZ, &body).await;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    }
}

async fn hostile_definitions_do_no_harm(site: Site) {
    let long = "x".repeat(10_000);
    let longest = "🜁".repeat(1000);
    for text in ["'; DROP TABLE posts; --", "\"", "\\", "\u{1b}[31m", "\u{202e}", "🜁", &longest, &long] {
        let short = if text.chars().count() > 1000 { "short" } else { text };
        let body = json!({
            "measure": "created", "source": "posts", "filter": {"genre": text}, "display_name": short, "description": text,
            "unit": short, "format_pattern": short,
        });
        let reply = site.put(JAZZ, &body).await;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
        assert_eq!(listed(&site, "jazz_posts").await[0]["description"], text);
        for key in ["source", "column", "of", "measure", "type", text] {
            let mut body = json!({"measure": "breakdown", "source": "posts", "column": "genre"});
            body[key] = json!(text);
            assert!(!errors(&site.put("/api/v1/definitions/hostile", &body).await).is_empty());
        }
        let body = json!({"measure": "created", "source": "posts", "filter": {text: "x"}});
        let said = errors(&site.put("/api/v1/definitions/hostile", &body).await);
        assert!(
            said[0].0.len() < 1000 && said[0].1.len() < 1000 && !said[0].0.contains('\u{1b}'),
            "{said:?}"
        );
    }
    let nul = json!({"measure": "created", "source": "posts", "filter": {"genre": "a\0b"}, "unit": "\0"});
    let places: Vec<_> = errors(&site.put(JAZZ, &nul).await).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["unit", "filter.genre"]);
    for wrong in [json!([]), json!({"a": [[], {"b": null}]}), json!({"measure": {"measure": {}}})] {
        let body =
            json!({"measure": "created", "source": wrong, "filter": wrong, "expected": wrong, "top": wrong});
        assert!(!errors(&site.put("/api/v1/definitions/hostile", &body).await).is_empty());
    }
    let deep = format!("{}{}", "{\"a\":".repeat(5000), "}".repeat(5000));
    assert_eq!(site.put_text(JAZZ, deep).await.problem(), "invalid-body");
    let huge = r#"{"measure": "created", "source": "posts", "expected": {"max": 1e99999}}"#;
    assert_eq!(errors(&site.put_text(JAZZ, huge.to_owned()).await)[0].0, "expected.max");
    for name in ["Jazz", "%00", "a%2Fb", "a-b", "1", "%27%3B--", &"x".repeat(64)] {
        let path = format!("/api/v1/definitions/{name}");
        assert_eq!(errors(&site.put(&path, &jazz()).await)[0].0, "category", "{name}");
        assert_eq!(site.delete(&path).await.problem(), "not-found", "{name}");
    }
    assert_eq!(site.put("/api/v1/definitions/%ff", &jazz()).await.problem(), "invalid-parameter");
    assert!(listed(&site, "hostile").await.is_empty());
    assert_eq!(site.put(&format!("{JAZZ}?dry_run=true"), &jazz()).await.problem(), "invalid-parameter");
}

async fn an_unknown_metric_is_refused_with_a_suggestion(site: Site) {
    site.put(JAZZ, &jazz()).await;
    let unknown = site.delete("/api/v1/definitions/jaz_posts").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "not-found"));
    assert!(unknown.text().contains("did you mean `jazz_posts`?"), "{}", unknown.text());
}

async fn defining_needs_the_scope_define(site: Site) {
    let service = new_key(&site.world.context, "service", Role::Service).await;
    for method in ["PUT", "DELETE"] {
        let ask = async |headers: &[(&str, &str)]| {
            let headers = [headers, &[("content-type", "application/json")]].concat();
            site.send(method, JAZZ, &headers, Some(jazz().to_string())).await
        };
        let anonymous = ask(&[]).await;
        let seen = (anonymous.status, anonymous.header("www-authenticate"));
        assert_eq!(seen, (401, "Bearer"), "{}", anonymous.text());
        let reader = ask(&[("apikey", &site.reader)]).await;
        assert_eq!((reader.status, reader.problem().as_str()), (403, "forbidden"));
        assert!(reader.text().contains("`define`"), "{}", reader.text());
        assert!(matches!(ask(&[("apikey", &service)]).await.status, 201 | 204));
    }
}

async fn the_body_is_json_of_a_bounded_size(site: Site) {
    let mut body = jazz();
    body["description"] = json!("x".repeat(64 * 1024));
    let large = site.put(JAZZ, &body).await;
    assert_eq!((large.status, large.problem().as_str()), (413, "body-too-large"));
    for text in ["[]", "{", "nonsense", "\"\"", "null"] {
        assert_eq!(site.put_text(JAZZ, text.to_owned()).await.problem(), "invalid-body", "{text}");
    }
    let admin = [("apikey", site.admin.as_str()), ("content-type", "text/plain")];
    let plain = site.send("PUT", JAZZ, &admin, Some(jazz().to_string())).await;
    assert_eq!((plain.status, plain.problem().as_str()), (415, "unsupported-media-type"));
    assert_eq!(site.send("PUT", JAZZ, &admin[..1], None).await.status, 422, "the body is empty");
}

/// A superuser of the platform's server could write files with a query, even in a read-only transaction.
#[tokio::test(flavor = "multi_thread")]
async fn queries_are_refused_where_the_platforms_role_may_do_more_than_read() {
    let directory = tempfile::tempdir().unwrap();
    let store_url = format!("sqlite:{}", directory.path().join("store.db").display());
    let world = World::at(directory, store_url.clone(), fresh_database().await).await;
    let key = new_key(&world.context, "admin", Role::Admin).await;
    let server = Process::start(&store_url, &world.platform_url, &[]);
    let query =
        json!({"measure": "sql", "query": "SELECT 1 AS value", "returns": "value", "adds_up": "last"});
    for (method, path) in [("PUT", "/api/v1/definitions/of_the_api"), ("POST", "/api/v1/previews")] {
        let headers = [("apikey", key.as_str()), ("content-type", "application/json")];
        let refused = request(server.address, method, path, &headers, Some(query.to_string())).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (403, "forbidden"),
            "{path}: {}",
            refused.text()
        );
        assert!(refused.text().contains("superuser"), "{path}: {}", refused.text());
    }
    until("the server warns", async || server.logged("the platform's role may do more than read") == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_source_is_reported_as_such() {
    let gone = "[sources.gone]\ntable = \"gone\"\ntime_column = \"created_at\"\n";
    let settings = Settings { file: format!("{SOURCES}\n{gone}"), ..Settings::default() };
    let site = Site::start(World::sqlite().await, settings).await;
    let said = errors(&site.put(JAZZ, &json!({"measure": "created", "source": "gone"})).await);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].1.contains("a source or a metric that it names has an error"), "{said:?}");
}

/// Otherwise metrics of the same store would have days in two time zones.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_refused_while_the_time_zone_is_not_applied() {
    let mut world = World::sqlite().await;
    world.in_zone("Europe/Berlin");
    let site = Site::start(world, Settings::default()).await;
    assert_eq!(site.put(JAZZ, &jazz()).await.problem(), "not-applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_definition_is_made_without_the_platform_or_a_migrated_store() {
    for world in [World::sqlite().await, World::postgres().await] {
        let (empty, body) = (world.with_empty_store().await, jazz());
        let config = world.config(SOURCES);
        let refused = define(&empty, &config, "jazz_posts", body.as_object().unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("run `daymark migrate`"), "{refused}");
        let away = world.without_platform();
        let site = Site::start_with_context(world, away, Settings::default()).await;
        let reply = site.put(JAZZ, &jazz()).await;
        assert_eq!((reply.status, reply.problem().as_str()), (503, "unavailable"), "{}", reply.text());
        assert!(!reply.text().contains("nowhere"), "the answer shows the platform's path: {}", reply.text());
        assert!(listed(&site, "jazz_posts").await.is_empty());
    }
}
