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
    let written = with(&["--value", "705", "--yes"]).expect_code(0);
    assert!(written.stdout.contains("→ 705"), "{}", written.stdout);
    with(&["--withdraw", "--yes"]).expect_code(0);
    with(&["--take-back", "2", "--yes"]).expect_code(0);
    let twice = with(&["--take-back", "2", "--yes"]).expect_code(2);
    assert!(twice.stderr.contains("taken back already"), "{}", twice.stderr);
    let of_day = ["query", "--metric", "articles_published", "--from", "2025-01-05", "--to", "2025-01-05"];
    let point =
        |more: &[&str]| site.json(&[of_day.as_slice(), more].concat())["series"][0]["points"][0].clone();
    assert_eq!(point(&[])["value"].to_string(), "705");
    assert_eq!(point(&["--values", "recorded"])["revision"], json!(null));
    let listed = site.json(&["corrections"]);
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["reversal", "withdrawal", "value"]);
    // What was known before the withdrawal was taken back.
    let withdrawn = listed[1]["created_at"].as_str().unwrap();
    let at = point(&["--as-of", withdrawn]);
    assert_eq!((&at["value"], &at["revision"]), (&json!(null), &json!(null)), "{at}");
    every_command_answers_as_of(&site, &listed).await;
    assert_eq!(
        site.json(&["corrections", "--in-force", "--metric", "articles_published"]).as_array().unwrap().len(),
        1
    );
    every_list_is_filtered_by_basis(&site, &listed);
    assert!(site.run(&["corrections"]).expect_code(0).stdout.contains("drafts were counted"));
    assert_eq!(site.records().await, before, "no record is changed");
}

/// `listed` has the corrections, which are all made by hand.
fn every_list_is_filtered_by_basis(site: &Site, listed: &serde_json::Value) {
    let exported = |more: &[&str]| {
        let export = ["export", "--corrections", "--as", "json"];
        let file = site.run(&[export.as_slice(), more].concat()).expect_code(0).stdout;
        serde_json::from_str::<serde_json::Value>(&file).unwrap()
    };
    for (basis, expected) in [("manual", listed), ("reconstruction", &json!([])), ("redaction", &json!([]))] {
        assert_eq!(site.json(&["corrections", "--basis", basis]), *expected, "{basis}");
        assert_eq!(exported(&["--basis", basis]), *expected, "{basis}");
    }
    let in_force = site.json(&["corrections", "--basis", "manual", "--in-force"]);
    assert_eq!(
        (in_force.as_array().unwrap().len(), exported(&["--basis", "manual", "--in-force"])),
        (1, in_force)
    );
    let wrong = site.run(&["corrections", "--basis", "manuel"]).expect_code(2).stderr;
    assert!(wrong.contains("a similar value exists: 'manual'"), "{wrong}");
    for filter in [&["--basis", "manual"][..], &["--in-force"]] {
        site.run(&[&["export"], filter].concat()).expect_code(2);
    }
}

/// `listed` has the three corrections, newest first: the second one withdraws the day.
async fn every_command_answers_as_of(site: &Site, listed: &serde_json::Value) {
    let [reversed, withdrawn, corrected] =
        [0, 1, 2].map(|place| listed[place]["created_at"].as_str().unwrap());
    let shown = |arguments: &[&str], at: &str| site.json(&[arguments, &["--as-of", at]].concat());
    // On SQLite, whose clock has milliseconds, two corrections may have the same time.
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let count = |at: &str| {
        let times =
            listed.as_array().unwrap().iter().map(|entry| time(entry["created_at"].as_str().unwrap()));
        times.filter(|made| *made <= time(at)).count()
    };
    for at in [reversed, withdrawn, corrected] {
        assert_eq!(shown(&["corrections"], at).as_array().unwrap().len(), count(at), "{at}");
        let file = site.run(&["export", "--corrections", "--as-of", at]).expect_code(0);
        assert_eq!(file.stdout.lines().count(), count(at) + 1, "{}", file.stdout);
    }
    let month = ["--metric", "articles_published", "--from", "2025-01-01", "--to", "2025-01-10"];
    let gaps = |at: &str| {
        let known = shown(&["gaps", "--from", "2025-01-01", "--to", "2025-01-10"], at);
        let gaps = known["gaps"].as_array().unwrap().clone();
        gaps.into_iter().filter(|gap| gap["cause"] == "withdrawn").collect::<Vec<_>>()
    };
    let (is_withdrawn, is_back) = (count(withdrawn) == 2, count(reversed) == 3);
    assert!(is_back, "{listed}");
    if is_withdrawn {
        assert_eq!(gaps(withdrawn).len(), 1);
        assert_eq!(gaps(withdrawn)[0]["first"], "2025-01-05");
    }
    assert!(gaps(reversed).is_empty());
    let text = site.run(&["gaps", "--as-of", "2025-01-01"]).expect_code(0).stdout;
    assert!(text.contains("as known at 2025-01-01"), "{text}");
    site.run(&["gaps", "--as-of", "yesterday"]).expect_code(2);
    let before = "2025-01-20T00:00:00Z";
    assert_eq!(shown(&["corrections"], before), json!([]));
    for arguments in [[&["query"], month.as_slice()].concat(), ["query", "--latest"].to_vec()] {
        shown(&arguments, reversed);
    }
    let exported =
        |more: &[&str]| site.run(&[&["export"], month.as_slice(), more].concat()).expect_code(0).stdout;
    assert!(exported(&["--as-of", reversed]).contains(",705,"));
    assert!(!exported(&["--as-of", before]).contains(",705,"));
    assert!(!exported(&["--values", "recorded"]).contains(",705,"));
    let json: serde_json::Value =
        serde_json::from_str(&site.run(&["export", "--corrections", "--as", "json"]).expect_code(0).stdout)
            .unwrap();
    assert_eq!(json, *listed);
    assert_eq!(documented(site, reversed).await, 1);
    assert_eq!(documented(site, before).await, 0);
}

/// How often the query in docs/corrections.md finds the corrected value.
async fn documented(site: &Site, at: &str) -> i64 {
    let text = include_str!("../../docs/corrections.md");
    let query = text.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let instant: jiff::Timestamp = at.parse().unwrap();
    let mut query = query.replace(":as_of", &format!("'{instant:.6}'"));
    if site.is_postgres() {
        query = query.replace("FROM daily_metrics", "FROM daymark.daily_metrics");
        query = query.replace("metric_revisions AS", "daymark.metric_revisions AS");
    }
    let count = format!("SELECT count(*) FROM ({query}) AS known WHERE CAST(value AS TEXT) = '705'");
    crate::site::count(&site.store_url, &count).await
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

async fn a_changed_export_puts_averages_and_labels_right(site: Site) {
    let site = recorded(site).await;
    let path = site.directory.path().join("right.csv").display().to_string();
    let of_day = ["--from", "2025-01-05", "--to", "2025-01-05"];
    let corrected = |metric: &str, change: &dyn Fn(&mut Vec<String>)| {
        let export = [["export", "--metric", metric].as_slice(), &of_day].concat();
        let exported = site.run(&export).expect_code(0).stdout;
        let mut reader = csv::Reader::from_reader(exported.as_bytes());
        let mut writer = csv::Writer::from_path(&path).unwrap();
        writer.write_record(reader.headers().unwrap()).unwrap();
        for row in reader.records() {
            let mut cells: Vec<_> = row.unwrap().iter().map(str::to_owned).collect();
            change(&mut cells);
            writer.write_record(&cells).unwrap();
        }
        writer.flush().unwrap();
        site.run(&["correct", "--file", &path, "--reason", "counted by hand", "--yes", "--format", "json"])
    };
    let columns = site.run(&[["export"].as_slice(), &of_day].concat()).expect_code(0).stdout;
    let columns: Vec<_> = columns.lines().next().unwrap().split(',').map(str::to_owned).collect();
    let place = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (value, metadata) = (place("value"), place("metadata"));
    // The metadata of the export are those of the old value.
    let done = corrected("article_words", &|cells| cells[value] = "10.5".to_owned()).expect_code(0);
    let done: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(done["changes"][0]["after"].to_string(), "10.5", "{done}");
    let point =
        site.json(&[["query", "--metric", "article_words", "--metadata"].as_slice(), &of_day].concat());
    let kept = &point["series"][0]["points"][0]["metadata"];
    assert_eq!(kept.as_object().unwrap().keys().collect::<Vec<_>>(), ["sample_size"], "{point}");
    let unchanged = corrected("sections", &|_| ()).expect_code(0);
    assert!(unchanged.stdout.contains("\"unchanged\": 1"), "{}", unchanged.stdout);
    let labels = corrected("sections", &|cells| cells[value] = "9".to_owned()).expect_code(2);
    assert!(labels.stderr.contains("give the right metadata too"), "{}", labels.stderr);
    let wrong = corrected("article_words", &|cells| {
        (cells[value], cells[metadata]) = ("11".to_owned(), "{\"sum\": 9, \"sample_size\": 3}".to_owned());
    });
    let wrong = wrong.expect_code(2).stderr;
    assert!(wrong.contains("is 3, not 11: put both right, or leave the metadata out"), "{wrong}");
}

async fn a_metric_whose_type_was_changed_is_corrected_by_its_type(site: Site) {
    let site = recorded(site).await;
    let measure = "[metrics.article_words]\nmeasure = \"average\"";
    site.write_config(&site.config().replace(measure, "[metrics.article_words]\nmeasure = \"sum\""));
    site.run(&["apply"]).expect_code(0);
    let day = ["correct", "article_words", "--date", "2025-01-05", "--value", "7", "--reason", "x", "--yes"];
    let refused = site.run(&day).expect_code(2).stderr;
    assert!(refused.contains("of this name and the type average was recorded too"), "{refused}");
    let refused = site.run(&["restate", "article_words", "--dry-run"]).expect_code(2).stderr;
    assert!(refused.contains("correct its days with `daymark correct --type`"), "{refused}");
    site.run(&[day.as_slice(), &["--type", "average"]].concat()).expect_code(0);
    let wrong = site.run(&[day.as_slice(), &["--type", "mean"]].concat()).expect_code(2).stderr;
    assert!(wrong.contains("possible values: count"), "{wrong}");
    site.run(&["collect", "--date", "2025-01-13"]).expect_code(0);
    let query = ["query", "--metric", "article_words", "--from", "2025-01-05", "--to", "2025-01-13"];
    let shown = site.run(&query).expect_code(0).stdout;
    assert!(
        shown.contains("article_words (average)") && shown.contains("article_words (aggregate)"),
        "{shown}"
    );
}

async fn a_derived_metric_names_its_inputs_instead(site: Site) {
    let site = recorded(site).await;
    let mean = "\n[derived.mean_7]\nmoving = \"average\"\nof = \"articles_published\"\nwindow_days = 7\n";
    site.write_config(&(site.config() + mean));
    let correct = ["correct", "mean_7", "--date", "2025-01-05", "--value", "1", "--reason", "x", "--yes"];
    for arguments in [
        correct.as_slice(),
        &["restate", "mean_7", "--dry-run"],
        &["collect", "--metric", "mean_7"],
        &["judge", "--again", "--metric", "mean_7"],
    ] {
        let refused = site.run(arguments).expect_code(2).stderr;
        assert!(refused.contains("`mean_7` is a derived metric"), "{refused}");
        assert!(refused.contains("what it is computed from: `articles_published`"), "{refused}");
    }
}

crate::on_both!(
    values_are_put_right_and_the_records_stay,
    many_days_are_corrected_by_a_file,
    a_changed_export_puts_averages_and_labels_right,
    a_metric_whose_type_was_changed_is_corrected_by_its_type,
    a_derived_metric_names_its_inputs_instead,
);
