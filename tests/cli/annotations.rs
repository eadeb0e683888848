//! `daymark annotations`: days are annotated, listed and cleared.

use insta::assert_snapshot;

use crate::site::{Site, filtered};

async fn days_are_annotated_listed_and_cleared(site: Site) {
    let site = site.ready().await;
    let mut story = site.transcript(&[
        &["annotations"],
        &["annotations", "add", "2025-01-08", "Release 2.1"],
        &[
            "annotations",
            "add",
            "2025-01-02",
            "Outage of 🎷",
            "--to",
            "2025-01-04",
            "--metric",
            "articles_published",
        ],
        &["annotations", "add", "2025-01-08", "Release", "--metric", "article_published"],
        &["annotations", "add", "2025-01-08", "Release", "--to", "2025-01-01"],
        &["annotations", "add", "2025-01-08", " "],
        &["annotations", "add", "soon", "Release"],
        &["annotations", "list"],
        &["annotations", "list", "--from", "2025-01-03", "--to", "2025-01-05", "--format", "csv"],
        &["annotations", "remove", "1"],
    ]);
    let id = listed(&site)[0]["id"].as_str().unwrap().to_owned();
    story += &site.transcript(&[&["annotations", "remove", &id], &["annotations", "remove", &id]]);
    filtered(|| assert_snapshot!("annotations", story));
    let left = listed(&site);
    let texts: Vec<_> = left.iter().map(|annotation| annotation["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Outage of 🎷"]);
}

fn listed(site: &Site) -> Vec<serde_json::Value> {
    let listed = site.run(&["annotations", "--format", "json"]).expect_code(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    listed["annotations"].as_array().unwrap().clone()
}

crate::on_both!(days_are_annotated_listed_and_cleared);
