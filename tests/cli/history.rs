//! Records stay as they were written, and values are exact.

use crate::site::{DEFINITIONS, Site};

async fn a_second_run_changes_no_record(site: Site) {
    let site = site.ready().await;
    site.run(&["collect", "--date", "2025-01-05"]).expect_code(0);
    let once = site.records().await;
    assert_eq!(once.len(), 6);
    site.run(&["collect", "--date", "2025-01-05"]).expect_code(0);
    site.run(&["backfill", "--from", "2025-01-05", "--to", "2025-01-05"]).expect_code(0);
    assert_eq!(site.records().await, once);
}

async fn a_day_before_all_data_is_recorded_as_zeros_only_on_demand(site: Site) {
    let site = site.ready().await;
    let refused = site.run(&["collect", "--date", "2019-06-01"]).expect_code(2);
    assert!(refused.stderr.contains("so there is nothing to reconstruct"), "{}", refused.stderr);
    assert_eq!(site.records().await.len(), 0);
    let range = ["backfill", "--from", "2019-06-01", "--to", "2019-06-01"];
    site.run(&range).expect_code(2);
    site.run(&[range.as_slice(), &["--before-first-row"]].concat()).expect_code(0);
    assert_eq!(site.records().await.len(), 6);
    let gaps = site.json(&["gaps", "--from", "2019-06-01", "--to", "2019-06-01"]);
    assert_eq!(gaps["missing"], 0);
}

async fn deleting_the_sources_rows_changes_no_record(site: Site) {
    let site = site.ready().await;
    site.run(&["backfill", "--to", "2025-01-12"]).expect_code(0);
    let before = site.records().await;
    assert_eq!(before.len(), 72);
    site.on_platform("DELETE FROM replies; DELETE FROM articles; DELETE FROM members WHERE id > 2;").await;
    site.run(&["collect", "--date", "2025-01-05"]).expect_code(0);
    site.run(&["backfill", "--from", "2025-01-01", "--to", "2025-01-12"]).expect_code(0);
    assert_eq!(site.records().await, before);
    // The next day counts the rows that are left.
    let after = site.json(&["collect", "--date", "2025-01-13"]);
    let total =
        after["recorded"].as_array().unwrap().iter().find(|m| m["metric_category"] == "members_total");
    assert_eq!(total.unwrap()["value"].to_string(), "2");
}

/// 2^53 + 1 is the first whole number that a double cannot hold.
async fn large_values_are_exact_in_the_json(site: Site) {
    let site = site.ready().await;
    site.write_config(&format!(
        "{DEFINITIONS}\n[metrics.highest_fee]\nmeasure = \"sql\"\nreturns = \"value\"\nadds_up = \"last\"\n\
         query = \"select max(fee) as value from articles where published_on < {{day}}\"\n"
    ));
    site.run(&["apply"]).expect_code(0);
    let arguments = ["collect", "--date", "2025-01-05", "--metric", "highest_fee", "--format", "json"];
    let shown = site.run(&arguments).expect_code(0).stdout;
    assert!(shown.contains(r#""value": 9007199254740993.25"#), "{shown}");
    let records = site.records().await;
    assert!(records.iter().any(|record| record.contains("9007199254740993.25")), "{records:?}");
}

/// systemd and containers set no variable with the name of the user.
#[tokio::test]
async fn a_user_without_a_name_is_recorded_by_number() {
    let site = Site::sqlite().await.ready().await;
    site.run(&["collect", "--date", "2025-01-05"]).expect_code(0);
    let number = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
    let actor = format!("by cli:uid={})", String::from_utf8(number).unwrap().trim());
    let status = site.run(&["status"]).expect_code(0).stdout;
    assert!(status.contains(&actor), "{status}");
    let mut named = site.command(&["collect", "--date", "2025-01-06"]);
    named.env("USER", "").env("LOGNAME", "night");
    assert!(named.output().unwrap().status.success());
    let status = site.run(&["status"]).expect_code(0).stdout;
    assert!(status.contains("by cli:night)"), "{status}");
}

crate::on_both!(
    a_second_run_changes_no_record,
    a_day_before_all_data_is_recorded_as_zeros_only_on_demand,
    deleting_the_sources_rows_changes_no_record,
    large_values_are_exact_in_the_json,
);
