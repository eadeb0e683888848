//! `daymark restate`: a history recorded under a wrong definition is put right from the platform's rows.

use serde_json::json;

use crate::site::Site;

const COUNTED: &str = "[metrics.articles_published]\nmeasure = \"created\"\nsource = \"articles\"\n";
/// Every article of one section is counted no more.
const FILTERED: &str = "[metrics.articles_published]\nmeasure = \"created\"\nsource = \"articles\"\n\
                        filter = { section = { not_equals = 'news' } }\n";
const RESTATE: [&str; 4] = ["restate", "articles_published", "--reason", "news were counted"];

/// The site with days recorded under a definition that counts all articles, and another definition applied since.
async fn redefined(site: Site) -> Site {
    let site = site.ready().await;
    site.run(&["backfill", "--to", "2025-01-12", "--yes"]).expect_code(0);
    site.write_config(&site.config().replace(COUNTED, FILTERED));
    let applied = site.run(&["apply"]).expect_code(0);
    assert!(applied.stdout.contains("`daymark restate articles_published --dry-run`"), "{}", applied.stdout);
    site
}

fn restate(site: &Site, more: &[&str]) -> serde_json::Value {
    site.json(&[RESTATE.as_slice(), more].concat())
}

/// The values in force of the ten first days of 2025 by the platform's own count.
async fn expected(site: &Site) -> Vec<i64> {
    let mut counts = Vec::new();
    for day in 1..=10 {
        counts.push(
            crate::site::count(
                &site.platform_url,
                &format!("SELECT count(*) FROM articles WHERE published_on = '2025-01-{day:02}' AND section <> 'news'"),
            )
            .await,
        );
    }
    counts
}

fn values(site: &Site, more: &[&str]) -> Vec<i64> {
    let query = ["query", "--metric", "articles_published", "--from", "2025-01-01", "--to", "2025-01-10"];
    let answer = site.json(&[query.as_slice(), more].concat());
    let points = answer["series"][0]["points"].as_array().unwrap().iter();
    points.map(|point| point["value"].as_i64().unwrap()).collect()
}

async fn a_history_is_put_right_from_the_platform(site: Site) {
    let site = redefined(site).await;
    let (before, recorded) = (site.records().await, values(&site, &[]));
    let expected = expected(&site).await;
    assert_ne!(recorded, expected, "the definitions differ on these days");

    let shown = restate(&site, &["--dry-run"]);
    let changes = shown["changes"].as_array().unwrap().len();
    assert!(changes > 0 && shown["written"].is_null(), "{shown}");
    assert_eq!(values(&site, &[]), recorded, "a dry run writes nothing");
    let refused = site.run(&RESTATE).expect_code(1);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);

    assert_eq!(restate(&site, &["--yes"])["written"], json!(changes));
    assert_eq!(values(&site, &[]), expected);
    assert_eq!(values(&site, &["--values", "recorded"]), recorded);
    assert_eq!(site.records().await, before, "no record is changed");
    let revisions = site.json(&["corrections"]);
    let first = &revisions[0];
    assert_eq!(revisions.as_array().unwrap().len(), changes, "days that agree get none");
    assert_eq!(
        (&first["basis"], &first["definition_version"]),
        (&json!("reconstruction"), &json!(2)),
        "{first}"
    );

    let again = restate(&site, &["--yes"]);
    assert_eq!((&again["changes"], &again["written"]), (&json!([]), &json!(null)), "{again}");
}

async fn days_outside_the_record_are_named_as_they_were_asked_for(site: Site) {
    let site = redefined(site).await;
    for (days, problem) in [
        (["--from", "2027-01-01"], "no record from 2027-01-01 on (the last recorded day is 2025-01-12)"),
        (["--to", "2019-12-31"], "no record up to 2019-12-31 (the first recorded day is "),
    ] {
        let refused = site.run(&[RESTATE.as_slice(), &days, &["--dry-run"]].concat()).expect_code(2).stderr;
        assert!(refused.contains(problem), "{refused}");
    }
}

async fn days_with_lost_rows_and_days_corrected_by_hand_stay(site: Site) {
    let site = redefined(site).await;
    let recorded = values(&site, &[]);
    let by_hand = [
        "correct",
        "articles_published",
        "--date",
        "2025-01-03",
        "--value",
        "77",
        "--reason",
        "known",
        "--yes",
    ];
    site.run(&by_hand).expect_code(0);
    site.on_platform("DELETE FROM articles WHERE published_on = '2025-01-02'").await;
    let shown = restate(&site, &["--yes"]);
    assert_eq!(shown["rows_lost"], json!(["2025-01-02"]), "{shown}");
    assert_eq!(shown["corrected_by_hand"], json!(1));
    let now = values(&site, &[]);
    assert_eq!((now[1], now[2]), (recorded[1], 77));
    let accepted = restate(&site, &["--yes", "--accept-loss"]);
    assert_eq!(
        (&accepted["written"], &accepted["changes"][0]["rows_lost"]),
        (&json!(1), &json!(true)),
        "{accepted}"
    );
    assert_eq!(values(&site, &[])[1..3], [0, 77]);
}

async fn what_cannot_be_restated_is_refused(site: Site) {
    let site = redefined(site).await;
    let wrong = |arguments: &[&str], message: &str| {
        let refused = site.run(arguments).expect_code(2);
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    };
    wrong(&["restate", "articles_publisht", "--reason", "x"], "articles_published");
    wrong(&["restate", "articles_published"], "--reason");
    wrong(&[RESTATE.as_slice(), &["--from", "2025-01-05", "--to", "2025-01-01"]].concat(), "empty");
    wrong(&[RESTATE.as_slice(), &["--from", "2030-01-05"]].concat(), "no record");
    wrong(&["restate", "articles_published", "--reason", " ", "--yes"], "reason of 1 to");
}

crate::on_both!(
    a_history_is_put_right_from_the_platform,
    days_outside_the_record_are_named_as_they_were_asked_for,
    days_with_lost_rows_and_days_corrected_by_hand_stay,
    what_cannot_be_restated_is_refused,
);
