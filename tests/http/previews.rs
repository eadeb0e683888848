//! Previews of definitions, and what a definition can read.

use serde_json::json;

use crate::{on_both_stores, site::Site};

on_both_stores!(
    a_preview_has_the_values_of_the_last_days_and_records_nothing,
    the_sources_and_tables_are_listed_for_those_who_define,
    earlier_versions_have_their_declarations,
);

async fn a_preview_has_the_values_of_the_last_days_and_records_nothing(site: Site) {
    let body = json!({"measure": "created", "source": "posts", "unit": "posts"});
    let reply = site.post("/api/v1/previews", &body).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"), "{}", reply.text());
    let preview = reply.json();
    let days = preview["days"].as_array().unwrap();
    assert_eq!(
        (days.len(), &days[0]["date"], &days[13]["date"]),
        (14, &json!("2024-12-28"), &json!("2025-01-10"))
    );
    // World has as many posts on each day of January as its number.
    assert_eq!((&days[12]["value"], &days[13]["value"]), (&json!(9), &json!(10)), "{preview}");
    assert_eq!((&preview["unit"], &preview["left_out"]), (&json!("posts"), &json!(null)));
    assert!(preview["cannot_know"][0].as_str().unwrap().contains("deleted from `posts`"), "{preview}");
    assert_eq!(preview["statements"][0]["sources"], json!(["posts"]));
    assert!(preview["statements"][0]["sql"].as_str().unwrap().contains("SELECT"), "{preview}");
    let genres = json!({"measure": "breakdown", "source": "posts", "column": "genre"});
    let preview = site.post("/api/v1/previews", &genres).await.json();
    assert_eq!(preview["days"][13]["metadata"]["breakdown"], json!({"jazz": 10}), "{preview}");
    assert_eq!(preview["roll_up"], "merge");
    let created = json!({"measure": "created", "source": "posts"});
    let share = json!({"measure": "ratio", "numerator": created, "denominator": created});
    let days = site.post("/api/v1/previews", &share).await.json()["days"].clone();
    assert_eq!(
        (&days[0]["value"], &days[13]["value"]),
        (&json!(null), &json!(100)),
        "a share of nothing: {days}"
    );
    assert!(site.world.records().await.is_empty() && site.world.runs().await.is_empty());
    let listed = site.get("/api/v1/definitions").await.text();
    assert!(!listed.contains("preview"), "{listed}");

    let present =
        json!({"measure": "sql", "query": "SELECT 1 AS value", "returns": "value", "adds_up": "last"});
    let reply = site.post("/api/v1/previews", &present).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let preview = reply.json();
    assert_eq!(preview["days"], json!([]));
    assert!(preview["left_out"].as_str().unwrap().contains("{day_start}"), "{preview}");
    let parameter = json!({"measure": "sql", "query": "SELECT $1 AS value /* {day} */", "returns": "value", "adds_up": "last"});
    let reply = site.post("/api/v1/previews", &parameter).await;
    assert_eq!(
        (reply.status, &reply.json()["errors"][0]["parameter"]),
        (422, &json!("query")),
        "{}",
        reply.text()
    );
    assert!(reply.text().contains("the query has the parameter $1"), "{}", reply.text());
    let wrong = site
        .post("/api/v1/previews", &json!({"measure": "average", "source": "posts", "column": "colour"}))
        .await;
    assert_eq!(
        (wrong.status, &wrong.json()["errors"][0]["parameter"]),
        (422, &json!("column")),
        "{}",
        wrong.text()
    );
    let reader = [("apikey", site.reader.as_str()), ("content-type", "application/json")];
    let refused = site.send("POST", "/api/v1/previews", &reader, Some(body.to_string())).await;
    assert_eq!(refused.problem(), "forbidden");
}

/// The platform calls an immutable function of constants when it plans the statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_takes_long_to_plan_ends_after_twelve_seconds() {
    let site = Site::postgres().await;
    site.world
        .execute("CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(60); RETURN 1; END'")
        .await;
    let body = json!({"measure": "sql", "query": "SELECT slow() AS value /* {day} */", "returns": "value", "adds_up": "last"});
    let started = std::time::Instant::now();
    let reply = site.post("/api/v1/previews", &body).await;
    assert_eq!((reply.status, reply.problem()), (503, "timed-out".to_owned()), "{}", reply.text());
    assert!(reply.text().contains("within 12 s"), "{}", reply.text());
    let taken = started.elapsed();
    assert!(taken < std::time::Duration::from_secs(20), "{taken:?}");
}

async fn the_sources_and_tables_are_listed_for_those_who_define(site: Site) {
    let answer = site.get_as_admin("/api/v1/sources").await.json();
    let sources = answer["sources"].as_array().unwrap();
    let posts = sources.iter().find(|source| source["name"] == "posts").unwrap();
    assert_eq!(posts["table"]["name"], "posts", "{answer}");
    let columns = posts["table"]["columns"].as_array().unwrap();
    assert!(columns.iter().any(|column| column["name"] == "genre"), "{columns:?}");
    let tables = answer["tables"].as_array().unwrap();
    assert!(tables.iter().any(|table| table["name"] == "comments"), "{answer}");
    assert_eq!(site.get("/api/v1/sources").await.problem(), "forbidden");
}

async fn earlier_versions_have_their_declarations(site: Site) {
    let path = "/api/v1/definitions/jazz";
    for genres in [json!("jazz"), json!(["jazz", "blues"])] {
        let body = json!({"measure": "created", "source": "posts", "filter": {"genre": genres}});
        assert!(site.put(path, &body).await.status < 300);
    }
    let versions = site.get_as_admin(path).await.json()["versions"].clone();
    assert_eq!(versions[0]["declaration"]["filter"], json!({"genre": "jazz"}), "{versions}");
    assert_eq!(versions[1]["declaration"]["filter"], json!({"genre": ["jazz", "blues"]}), "{versions}");
    assert_eq!(versions[0]["version"], 1);
    let read = site.get(path).await.json()["versions"].clone();
    assert_eq!((&read[0]["declaration"], &read[0]["version"]), (&json!(null), &json!(1)));
}
