//! Drift over HTTP: who may ask for it, what it lists, and its bound.

use daymark::collect::{CancellationToken, backfill, sample_drift};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    on_both_stores,
    raw::until,
    site::{Settings, Site},
    world::{Heard, World, january, range},
};

on_both_stores!(a_recount_lists_the_days_that_differ, recorded_recounts_are_listed_without_counting_again);

async fn a_recount_lists_the_days_that_differ(site: Site) {
    backfill(&site.world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    site.world.execute("DELETE FROM posts WHERE author_id = 2 AND created_at < '2025-01-03'").await;
    let path = "/api/v1/drift?from=2025-01-01&to=2025-01-04&category=posts_created,posts_total";
    assert_eq!(
        site.get(path).await.status,
        403,
        "a recount reads the platform, which a reader may not ask for"
    );
    let answer = site.get_as_admin(path).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    assert_eq!(
        (&answer["metrics"][0]["metric_category"], &answer["metrics"][0]["days_compared"]),
        (&json!("posts_created"), &json!(4))
    );
    assert_eq!(
        answer["metrics"][0]["changed"],
        json!([{"metric_date": "2025-01-02", "recorded": 2, "in_force": 2, "recounted": 1, "difference": -1}])
    );
    let totals = answer["metrics"][1]["changed"].as_array().unwrap();
    assert_eq!(totals.len(), 3, "the total is smaller from that day on: {totals:?}");
    assert_eq!((&answer["failed"], &answer["left_out"]), (&json!([]), &json!([])));
}

async fn recorded_recounts_are_listed_without_counting_again(site: Site) {
    let context = &site.world.context;
    backfill(context, &range(1, 4), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let path = "/api/v1/drift/recorded";
    assert_eq!(site.get(path).await.status, 403, "a reader may not see the log");
    let nothing = site.get_as_admin(path).await.json();
    assert_eq!(nothing, json!({"last_recounted_at": null, "recounted": 0, "changed": []}));
    site.world
        .execute("DELETE FROM posts WHERE author_id = 2 AND created_at BETWEEN '2025-01-02' AND '2025-01-03'")
        .await;
    sample_drift(context, january(10), 100, &CancellationToken::new()).await.unwrap();
    site.world.execute("DELETE FROM posts").await;
    let answer = site.get_as_admin(path).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    assert_eq!(
        (&answer["recounted"], &answer["last_recounted_at"]),
        (&json!(16), &json!("2025-01-11T12:00:00Z"))
    );
    let changed = answer["changed"].as_array().unwrap();
    let created: Vec<_> =
        changed.iter().filter(|entry| entry["metric_category"] == "posts_created").collect();
    assert_eq!(created.len(), 1, "{answer}");
    assert_eq!(
        (&created[0]["metric_date"], &created[0]["difference"]),
        (&json!("2025-01-02"), &json!(-1)),
        "the recount is that of the night"
    );
}

#[tokio::test]
async fn a_range_that_is_too_large_or_wrong_is_refused() {
    let site = Site::start(World::sqlite().await, Settings::default()).await;
    for (query, word) in [
        ("from=1950-01-01&to=2025-01-10", "20000"),
        ("from=2025-01-05&to=2025-01-04", "empty"),
        ("from=yesterday", "YYYY-MM-DD"),
        ("category=post_total", "posts_total"),
    ] {
        let answer = site.get_as_admin(&format!("/api/v1/drift?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert!(answer.text().contains(word), "{query}: {}", answer.text());
    }
    let unfinished = site.get_as_admin("/api/v1/drift?to=2025-01-11").await;
    assert_eq!(unfinished.status, 409, "{}", unfinished.text());
}

/// Recounts that wait for a lock on the platform hold the permits of recounts alone.
#[tokio::test(flavor = "multi_thread")]
async fn recounts_keep_no_definition_from_being_checked() {
    let site = Site::start(World::postgres().await, Settings::default()).await;
    backfill(&site.world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let mut locking = PgConnection::connect(&site.world.platform_url).await.unwrap();
    locking.execute("BEGIN; LOCK TABLE posts").await.unwrap();
    let mut watching = PgConnection::connect(&site.world.platform_url).await.unwrap();
    let path = "/api/v1/drift?from=2025-01-01&to=2025-01-04&category=posts_created";
    let recounts = async { tokio::join!(site.get_as_admin(path), site.get_as_admin(path)) };
    let defining = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'posts'::regclass";
        until("two recounts wait", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watching).await.unwrap() == 2
        })
        .await;
        let metric = json!({"measure": "created", "source": "comments"});
        let made = site.put("/api/v1/definitions/more_comments", &metric).await;
        locking.execute("COMMIT").await.unwrap();
        made
    };
    let ((one, other), made) = tokio::join!(recounts, defining);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!((one.status, other.status), (200, 200), "{}", one.text());
}
