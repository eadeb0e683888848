//! `daymark query` and `daymark export`.

use insta::assert_snapshot;

use crate::site::{Site, filtered};

async fn recorded_values_are_queried_and_exported(site: Site) {
    let site = site.ready().await;
    site.run(&["backfill", "--from", "2025-01-01", "--to", "2025-01-12", "--metric", "articles_published"])
        .expect_code(0);
    site.run(&["collect", "--date", "2025-01-05"]).expect_code(0);
    let range = ["--from", "2025-01-03", "--to", "2025-01-14"];
    let query = |more: &[&'static str]| [&["query"], &range[..], more].concat();
    let story = site.transcript(&[
        &query(&["--metric", "articles_published", "--interval", "week"]),
        &query(&["--metric", "sections", "--interval", "month", "--format", "csv"]),
        &query(&["--metric", "writing_members", "--interval", "month"]),
        &query(&["--type", "count", "--interval", "month", "--week-start", "sunday"]),
        &query(&["--metric", "articles_publishd"]),
        &["query", "--from", "2020-01-01", "--to", "2025-01-14"],
        &["query", "--from", "2025-1-5"],
        &["query", "--latest", "--metric", "articles_published", "--metric", "article_words"],
        &["query", "--latest", "--activity", "3"],
        &["query", "--activity", "0"],
        &["query", "--activity", "400"],
        &["query", "--interval", "dya"],
        &["query", "--type", "percent"],
        &["query", "--metadata", "--format", "csv"],
        &["export", "--from", "2025-01-05", "--to", "2025-01-06", "--metric", "replies_sent"],
        &["export", "--to", "2025-01-12", "--interval", "month", "-o", "months.ndjson"],
        &["export", "--metric", "writing_members", "--interval", "year"],
        &["export", "--latest", "--metric", "articles_published", "--metric", "article_words"],
        &["export", "--activity", "2", "--metric", "articles_published", "--as", "ndjson"],
        &["export", "--definitions", "-o", "definitions.parquet"],
        &["export", "--runs", "--from", "2020-01-01", "--to", "2020-01-31"],
        &["export", "--runs", "--metric", "articles_published"],
        &["export", "-o", "no/such/folder/record.csv"],
        &["export", "-o", "record.xlsx"],
        &["export", "-o", "record.cvs", "--as", "cvs"],
    ]);
    filtered(|| assert_snapshot!("recorded_values_are_queried_and_exported", story));
    let points = |interval| site.json(&query(&["--metric", "articles_published", "--interval", interval]));
    assert_eq!(points("weekly"), points("week"));
}

/// An export is written to a temporary file and renamed when it is complete.
async fn a_failed_export_leaves_the_previous_file_unchanged(site: Site) {
    let site = site.ready().await;
    site.run(&["collect", "--date", "2025-01-05"]).expect_code(0);
    let file = site.directory.path().join("record.csv");
    std::fs::write(&file, "before").unwrap();
    let range = ["--from", "2025-01-05", "--to", "2025-01-06"];
    let export = |more: &[&str]| site.run(&[&["export"], &range[..], more].concat());
    export(&["-o", "record.csv", "--interval", "month", "--metric", "writing_members"]).expect_code(2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    let done = export(&["-o", "record.csv"]).expect_code(0);
    assert_eq!(done.stdout, "record.csv: 12 rows from 2025-01-05 to 2025-01-06 (csv).\n");
    let printed = export(&["--format", "json"]).expect_code(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), printed.stdout, "stdout has the file and no more");
    export(&["-o", "no/such/folder/record.csv"]).expect_code(1);
    export(&["-o", "record.parquet"]).expect_code(0);
    let names = std::fs::read_dir(site.directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left = names.filter(|name| name.to_string_lossy().starts_with(".daymark-export")).count();
    assert_eq!(left, 0);
    assert!(std::fs::read(site.directory.path().join("record.parquet")).unwrap().starts_with(b"PAR1"));
}

crate::on_both!(recorded_values_are_queried_and_exported, a_failed_export_leaves_the_previous_file_unchanged);
