//! Definitions that are changed by concurrent requests, and while days are collected.

use std::collections::BTreeSet;

use daymark::collect::{CancellationToken, collect_day};
use daymark::definitions::apply;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    definitions::{JAZZ, jazz, listed},
    on_both_stores,
    raw::until,
    site::{Settings, Site},
    world::{World, definitions, january},
};

on_both_stores!(
    concurrent_definitions_get_consecutive_versions,
    concurrent_definitions_of_two_types_leave_one_active,
    applying_the_file_wins_over_concurrent_requests,
    records_name_the_version_that_made_them,
);

/// A definition that counts the posts of one author.
fn of_author(author: usize) -> Value {
    json!({"measure": "created", "source": "posts", "filter": {"author_id": author}})
}

async fn concurrent_definitions_get_consecutive_versions(site: Site) {
    let bodies: Vec<_> = (0..12).map(|number| of_author(number % 3)).collect();
    let replies = join_all(bodies.iter().map(|body| site.put(JAZZ, body))).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 1, "{:?}", replies.iter().map(|reply| reply.status).collect::<Vec<_>>());
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 201)));
    let versions = site.world.context.tenant.store.definition_versions().await.unwrap();
    let of_name = versions.iter().filter(|version| version.key.category == "jazz_posts");
    let numbers: Vec<_> = of_name.map(|version| version.version).collect();
    assert_eq!(numbers, (1..=i32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
    // Each reply names the version that has the filter of its request.
    for (reply, number) in replies.iter().zip(0..) {
        let version = i32::try_from(reply.json()["version"].as_i64().unwrap()).unwrap();
        let named = versions.iter().find(|v| v.key.category == "jazz_posts" && v.version == version).unwrap();
        let text = serde_json::to_string(&named.definition).unwrap();
        assert!(text.contains(&format!("{{\"equals\":{}}}", number % 3)), "{text}");
    }
    let entry = listed(&site, "jazz_posts").await.remove(0);
    assert_eq!((&entry["version"], &entry["is_active"]), (&json!(numbers.len()), &json!(true)));
}

async fn concurrent_definitions_of_two_types_leave_one_active(site: Site) {
    let breakdown = json!({"measure": "breakdown", "source": "posts", "column": "genre"});
    for _ in 0..5 {
        let jazz = jazz();
        let (one, other) = tokio::join!(site.put(JAZZ, &jazz), site.put(JAZZ, &breakdown));
        assert!(
            matches!((one.status, other.status), (200 | 201, 200 | 201)),
            "{} {}",
            one.text(),
            other.text()
        );
        let active =
            listed(&site, "jazz_posts").await.iter().filter(|entry| entry["is_active"] == true).count();
        assert_eq!(active, 1);
    }
}

/// Each request is refused or applied before the file. The result is never a mixture.
async fn applying_the_file_wins_over_concurrent_requests(site: Site) {
    site.put(JAZZ, &jazz()).await;
    let stored = site.world.context.tenant.store.definitions().await.unwrap();
    let of_api = stored.iter().find(|stored| stored.definition.category == "jazz_posts").unwrap();
    let mut wanted = definitions(site.world.time_format());
    wanted.push(of_api.definition.clone());
    let bodies: Vec<_> = (0..6).map(of_author).collect();
    let (applied, replies) = tokio::join!(
        apply(&site.world.context, &wanted, false),
        join_all(bodies.iter().map(|body| site.put(JAZZ, body)))
    );
    applied.unwrap();
    for reply in replies {
        assert!(reply.status == 200 || reply.problem() == "defined-in-file", "{}", reply.text());
    }
    let entry = listed(&site, "jazz_posts").await.remove(0);
    assert_eq!(entry["origin"], "file");
    let stored = site.world.context.tenant.store.definitions().await.unwrap();
    assert!(
        stored.iter().any(|stored| stored.definition == wanted[4] && stored.is_active),
        "the stored definition is that of the file"
    );
}

async fn records_name_the_version_that_made_them(site: Site) {
    site.put(JAZZ, &of_author(0)).await;
    let changing = async {
        for number in 1..=12 {
            assert_eq!(site.put(JAZZ, &of_author(number % 3)).await.status, 200);
        }
    };
    let collecting = async {
        let context = site.world.another_process();
        for day in 1..=10 {
            collect_day(&context, Some(january(day)), &[], &CancellationToken::new()).await.unwrap();
        }
    };
    tokio::join!(changing, collecting);
    let versions = site.world.context.tenant.store.definition_versions().await.unwrap();
    let records = site.world.records().await.into_iter().filter(|record| record.key.category == "jazz_posts");
    let mut days = BTreeSet::new();
    for record in records {
        let of_version =
            versions.iter().find(|v| v.key == record.key && v.version == record.definition_version);
        let text = serde_json::to_string(&of_version.unwrap().definition).unwrap();
        let author = (0..3).find(|author| text.contains(&format!("{{\"equals\":{author}}}"))).unwrap();
        // Day n has n posts: the first, the third and so on are by author 1, the others by author 2.
        let posts = record.metric_date.day();
        let expected = [0, (posts + 1) / 2, posts / 2][usize::from(author as u8)];
        assert_eq!(record.value.to_string(), expected.to_string(), "{} by {text}", record.metric_date);
        days.insert(record.metric_date);
    }
    assert_eq!(days.len(), 10);
}

/// A check runs several statements on the platform. Here a lock delays them until two checks are running.
#[tokio::test(flavor = "multi_thread")]
async fn at_most_two_definitions_are_checked_at_once() {
    let site = Site::start(World::sqlite_store_of_postgres().await, Settings::default()).await;
    let free = || site.service.checks.available_permits();
    assert_eq!(free(), 2);
    let mut session = PgConnection::connect(&site.world.platform_url).await.unwrap();
    session.execute("BEGIN; LOCK TABLE posts").await.unwrap();
    let bodies: Vec<_> = (0..3).map(of_author).collect();
    let paths = ["one", "two", "three"].map(|name| format!("/api/v1/definitions/{name}"));
    let made = join_all(paths.iter().zip(&bodies).map(|(path, body)| site.put(path, body)));
    let unlocked = async {
        until("two are being checked", async || free() == 0).await;
        session.execute("ROLLBACK").await.unwrap();
    };
    let (made, ()) = tokio::join!(made, unlocked);
    assert!(made.iter().all(|reply| reply.status == 201), "{:?}", made[0].text());
    assert_eq!(free(), 2);
}
