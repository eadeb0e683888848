//! `daymark correct` and `daymark corrections`: shown first, written beside the record, and found again.

use std::fs;

use serde_json::json;

use crate::site::Site;

async fn recorded(site: Site) -> Site {
    let site = site.ready().await;
    site.run(&["backfill", "--to", "2025-01-12", "--yes"]).expect_code(0);
    site
}

async fn values_are_put_right_and_the_records_stay(site: Site) {
    let site = recorded(site).await;
    let before = site.records().await;
    let day = ["correct", "articles_published", "--date", "2025-01-05", "--reason", "drafts were counted"];
    let with = |more: &[&str]| site.run(&[day.as_slice(), more].concat());
    let shown = with(&["--value", "70", "--dry-run"]).expect_code(0);
    assert!(shown.stdout.contains("1 day would be corrected"), "{}", shown.stdout);
    let refused = with(&["--value", "70"]).expect_code(1);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    assert_eq!(site.json(&["corrections"]), json!([]), "nothing was written");
    let written = with(&["--value", "70.5", "--yes"]).expect_code(0);
    assert!(written.stdout.contains("→ 70.5"), "{}", written.stdout);
    with(&["--withdraw", "--yes"]).expect_code(0);
    with(&["--take-back", "2", "--yes"]).expect_code(0);
    let twice = with(&["--take-back", "2", "--yes"]).expect_code(2);
    assert!(twice.stderr.contains("taken back already"), "{}", twice.stderr);
    let of_day = ["query", "--metric", "articles_published", "--from", "2025-01-05", "--to", "2025-01-05"];
    let point =
        |more: &[&str]| site.json(&[of_day.as_slice(), more].concat())["series"][0]["points"][0].clone();
    assert_eq!(point(&[])["value"].to_string(), "70.5");
    assert_eq!(point(&["--values", "recorded"])["revision"], json!(null));
    let listed = site.json(&["corrections"]);
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["reversal", "withdrawal", "value"]);
    // What was known before the withdrawal was taken back.
    let withdrawn = listed[1]["created_at"].as_str().unwrap();
    let at = point(&["--as-of", withdrawn]);
    assert_eq!((&at["value"], &at["revision"]), (&json!(null), &json!(null)), "{at}");
    assert_eq!(
        site.json(&["corrections", "--in-force", "--metric", "articles_published"]).as_array().unwrap().len(),
        1
    );
    assert!(site.run(&["corrections"]).expect_code(0).stdout.contains("drafts were counted"));
    assert_eq!(site.records().await, before, "no record is changed");
}

async fn many_days_are_corrected_by_a_file(site: Site) {
    let site = recorded(site).await;
    let file = site.directory.path().join("right.csv");
    fs::write(
        &file,
        "metric_category,metric_date,value\nmembers_total,2025-01-03,2\nmembers_total,2025-01-04,withdrawn\n",
    )
    .unwrap();
    let path = file.display().to_string();
    let arguments = ["correct", "--file", &path, "--reason", "counted by hand", "--yes"];
    let done = site.json(&arguments);
    assert_eq!(
        (done["written"].as_bool(), done["changes"].as_array().unwrap().len()),
        (Some(true), 2),
        "{done}"
    );
    let again = site.json(&arguments);
    assert_eq!((&again["unchanged"], &again["written"]), (&json!(2), &json!(false)), "{again}");
    fs::write(
        &file,
        "metric_category,metric_date,value\nmembers_total,2025-01-03,many\nmembers,2025-01-04,1\n",
    )
    .unwrap();
    let wrong = site.run(&arguments).expect_code(1);
    assert!(wrong.stderr.contains("line 2: value"), "{}", wrong.stderr);
    site.run(&["correct", "members_total", "--date", "2025-01-03", "--reason", "x"]).expect_code(2);
    site.run(&["correct", "members_total", "--value", "3", "--reason", "x"]).expect_code(2);
}

crate::on_both!(values_are_put_right_and_the_records_stay, many_days_are_corrected_by_a_file);
