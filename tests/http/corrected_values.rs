//! Corrections of values that are not counts alone: averages, percentages and breakdowns, whose weeks and months are made of their
//! metadata, and days of no rows.

use daymark::{
    collect::{CancellationToken, backfill},
    metric::{Definition, MetricType},
};
use serde_json::{Value, json};

use crate::{
    on_both_stores,
    site::{Reply, Site},
    world::{Heard, range},
};

on_both_stores!(
    corrected_averages_and_percentages_are_rolled_up,
    corrected_breakdowns_are_rolled_up,
    metadata_that_do_not_make_the_value_are_refused,
);

const PATH: &str = "/api/v1/corrections";
const FROM_FIFTH: &str = "from=2025-01-05&to=2025-01-10";

/// A metric of posts.
fn metric(site: &Site, metric_type: MetricType, category: &str, measure: Value) -> Definition {
    let source =
        json!({"table": "posts", "time_column": "created_at", "time_format": site.world.time_format()});
    let mut definition = json!({
        "metric_type": metric_type, "category": category, "display_name": category, "sources": {"posts": source},
    });
    definition.as_object_mut().unwrap().extend(measure.as_object().unwrap().clone());
    serde_json::from_value(definition).unwrap()
}

/// Ten recorded days. The nth has n posts, in turn by the authors 1 and 2; the fifth has none.
async fn recorded(site: &Site) {
    site.world
        .execute("DELETE FROM posts WHERE created_at >= '2025-01-05' AND created_at < '2025-01-06'")
        .await;
    let posts = json!({"measure": "created", "source": "posts"});
    let mut of_first = posts.clone();
    of_first["filter"] = json!([{"column": "author_id", "test": {"equals": 1}}]);
    site.world
        .apply(&[
            metric(
                site,
                MetricType::Average,
                "mean",
                json!({"measure": "average", "rows": {"source": "posts"}, "column": "author_id"}),
            ),
            metric(
                site,
                MetricType::Percentage,
                "share",
                json!({"measure": "ratio", "numerator": of_first, "denominator": posts}),
            ),
            metric(
                site,
                MetricType::Aggregate,
                "genres",
                json!({"measure": "breakdown", "rows": {"source": "posts"}, "column": "genre", "phase": "created", "top": 5}),
            ),
        ])
        .await;
    backfill(&site.world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    // Otherwise the catalogue of the server may be that of a moment ago.
    site.service.cache.changed_here();
}

async fn post(site: &Site, category: &str, day: i8, change: &Value) -> Reply {
    let mut correction = json!({"metric_category": category, "date": format!("2025-01-{day:02}")});
    correction.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    site.post(PATH, &json!({"reason": "a filter let no row through", "corrections": [correction]})).await
}

async fn correct(site: &Site, category: &str, day: i8, change: Value) -> Value {
    let reply = post(site, category, day, &change).await;
    assert_eq!(reply.status, 201, "{change}: {}", reply.text());
    reply.json()["changes"][0].clone()
}

async fn refused(site: &Site, category: &str, day: i8, change: Value, problem: &str) {
    let reply = post(site, category, day, &change).await;
    let detail = reply.json()["errors"][0]["detail"].as_str().unwrap_or_default().to_owned();
    assert!(reply.status == 400 && detail.contains(problem), "{change}: {}", reply.text());
}

/// The values of the days from the fifth to the tenth, which are the same with and without metadata.
async fn days(site: &Site, category: &str) -> Vec<Value> {
    let path = format!("/api/v1/metrics?category={category}&{FROM_FIFTH}");
    let of = async |path: &str| {
        let points = site.get(path).await.json()["series"][0]["points"].clone();
        points.as_array().unwrap().iter().map(|point| point["value"].clone()).collect::<Vec<_>>()
    };
    let values = of(&path).await;
    assert_eq!(of(&format!("{path}&metadata=true")).await, values, "with metadata");
    let export =
        site.get(&format!("/api/v1/export?category={category}&{FROM_FIFTH}&format=json")).await.json();
    let exported: Vec<_> = export.as_array().unwrap().iter().map(|row| row["value"].clone()).collect();
    assert_eq!(exported, values, "the export");
    values
}

async fn month(site: &Site, category: &str, from: i8) -> Value {
    let path = format!(
        "/api/v1/metrics?category={category}&from=2025-01-{from:02}&to=2025-01-10&interval=month&metadata=true"
    );
    site.get(&path).await.json()["series"][0]["points"][0].clone()
}

async fn latest(site: &Site, category: &str) -> Value {
    site.get(&format!("/api/v1/latest?category={category}")).await.json()["metrics"][0].clone()
}

async fn corrected_averages_and_percentages_are_rolled_up(site: Site) {
    recorded(&site).await;
    for category in ["mean", "share"] {
        assert_eq!(days(&site, category).await[0], Value::Null, "a day of no rows has no value");
        for value in [0, 2] {
            refused(&site, category, 5, json!({"value": value}), "is of no rows: give the metadata").await;
        }
    }
    // By hand, four rows of that day are known; of the tenth day, only the value.
    let change =
        correct(&site, "mean", 5, json!({"value": 2, "metadata": {"sample_size": 4, "sum": 8}})).await;
    assert_eq!(
        (&change["before"], &change["after"], &change["recorded_value"]),
        (&Value::Null, &json!(2), &json!(0))
    );
    correct(&site, "share", 5, json!({"value": 25, "metadata": {"numerator": 1, "denominator": 4}})).await;
    correct(&site, "mean", 10, json!({"value": 3})).await;
    correct(&site, "share", 10, json!({"value": 10})).await;
    let values = days(&site, "mean").await;
    assert_eq!((&values[0], &values[1], &values[5]), (&json!(2), &json!(1.5), &json!(3)));
    let values = days(&site, "share").await;
    assert_eq!((&values[0], &values[1], &values[5]), (&json!(25), &json!(50), &json!(10)));
    assert_eq!(
        (&latest(&site, "mean").await["value"], &latest(&site, "share").await["value"]),
        (&json!(3), &json!(10))
    );
    // Of the days 5 to 10, the sums are 8, 9, 10, 12, 13 and 10 times 3, of 4 + 6 + 7 + 8 + 9 + 10 rows.
    let mean = month(&site, "mean", 5).await;
    assert_eq!(
        (&mean["value"], &mean["metadata"]["sample_size"]),
        (&json!(1.863_636_363_636), &json!(44)),
        "{mean}"
    );
    // The numerators are 1, 3, 4, 4, 5 and 1.
    let share = month(&site, "share", 5).await;
    let metadata = json!({"numerator": 18, "denominator": 44});
    assert_eq!((&share["value"], &share["metadata"]), (&json!(40.909_090_909_091), &metadata), "{share}");

    // And back: a day of no rows is shown as none by every reader.
    for (category, metadata) in
        [("mean", json!({"sample_size": 0})), ("share", json!({"numerator": 0, "denominator": 0}))]
    {
        refused(&site, category, 10, json!({"value": 3, "metadata": metadata}), "the value must be 0").await;
        let change = correct(&site, category, 10, json!({"value": 0, "metadata": metadata})).await;
        assert_eq!(change["after"], Value::Null);
        assert_eq!(days(&site, category).await[5], Value::Null);
        assert_eq!(latest(&site, category).await["value"], Value::Null);
        assert_eq!(month(&site, category, 10).await["no_data"], true);
        // What is taken back is in force again.
        let change = correct(&site, category, 10, json!({"take_back": 2})).await;
        assert_eq!((&change["before"], change["after"].is_null()), (&Value::Null, false));
    }
    assert_eq!((month(&site, "mean", 5).await, month(&site, "share", 5).await), (mean, share));
}

async fn corrected_breakdowns_are_rolled_up(site: Site) {
    recorded(&site).await;
    refused(
        &site,
        "genres",
        10,
        json!({"value": 3}),
        "its value is the number of its labels: give the right metadata",
    )
    .await;
    let metadata = json!({
        "breakdown": {"jazz": 4, "rock": 3}, "other": {"labels": 1, "value": 2}, "total": 9, "unlabelled": 0,
    });
    correct(&site, "genres", 10, json!({"value": 3, "metadata": metadata})).await;
    assert_eq!(days(&site, "genres").await[5], 3);
    let latest = latest(&site, "genres").await;
    assert_eq!((&latest["value"], &latest["metadata"]["breakdown"]), (&json!(3), &metadata["breakdown"]));
    // Nine posts of the ninth day are jazz.
    let both = month(&site, "genres", 9).await;
    assert_eq!(both["metadata"]["breakdown"], json!({"jazz": 13, "rock": 3}), "{both}");
    assert_eq!(
        (&both["metadata"]["other"], &both["metadata"]["total"]),
        (&json!({"labels": 1, "value": 2}), &json!(18)),
    );
    // A day without a post has no label.
    let none = json!({"breakdown": {}, "other": {"labels": 0, "value": 0}, "total": 0, "unlabelled": 0});
    correct(&site, "genres", 9, json!({"value": 0, "metadata": none})).await;
    assert_eq!(month(&site, "genres", 9).await["metadata"]["breakdown"], json!({"jazz": 4, "rock": 3}));
}

async fn metadata_that_do_not_make_the_value_are_refused(site: Site) {
    recorded(&site).await;
    for (category, value, metadata, problem) in [
        ("mean", 3, json!({"sum": 30}), "lack `sample_size`"),
        ("mean", 3, json!({"sample_size": "4"}), "must be a number"),
        ("mean", 3, json!({"sample_size": 4, "sum": 13}), "is 3.25, not 3"),
        ("share", 25, json!({"numerator": 1}), "lack `denominator`"),
        ("share", 25, json!({"numerator": 1, "denominator": 5}), "is 20, not 25"),
        ("share", 25, json!({"numerator": -1, "denominator": 4}), "must not be negative"),
        ("genres", 1, json!({"breakdown": {"jazz": 1}}), "lack `other`"),
        (
            "genres",
            7,
            json!({"breakdown": {"jazz": 7}, "other": {"labels": 0, "value": 0}, "total": 7, "unlabelled": 0}),
            "the number of its labels, which is 1",
        ),
    ] {
        refused(&site, category, 10, json!({"value": value, "metadata": metadata}), problem).await;
    }
    assert_eq!(site.get(PATH).await.json()["corrections"], json!([]));
}
