//! `daymark demo`: what it shows is so, and what is there already it leaves alone.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::site::{Outcome, bare_command};

fn run(directory: &Path, arguments: &[&str]) -> Outcome {
    Outcome::of(&mut bare_command(directory, arguments))
}

/// The contents of every file, by name; locks are folders.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

/// Recorded and recounted on the last day.
fn last(seen: &Value, category: &str) -> (u64, u64) {
    let days = seen["days"].as_array().unwrap();
    let metrics = days.last().unwrap()["metrics"].as_array().unwrap();
    let values = metrics.iter().find(|metric| metric["metric_category"] == category).unwrap();
    (values["recorded"].as_u64().unwrap(), values["recounted_now"].as_u64().unwrap())
}

#[test]
fn the_history_survives_the_departure_and_the_second_demonstration() {
    let home = tempfile::tempdir().unwrap();
    let demo = ["demo", "--days", "15", "--dir", "new/kept", "--format", "json"];
    let shown = run(home.path(), &demo).expect_code(0).stdout;
    let seen: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(seen["days"].as_array().unwrap().len(), 15);
    assert_eq!((&seen["first"], &seen["last"]), (&"2024-01-01".into(), &"2024-01-15".into()));
    assert_eq!(seen["recorded_again"]["written"], 0);
    let metrics = seen["recorded_again"]["already_there"].as_u64().unwrap();
    assert_eq!(seen["records"].as_u64().unwrap(), 15 * metrics);
    // The last day was recorded before the account left, and recounted after.
    for (category, table) in [("users_total", "profiles"), ("posts_total", "posts"), ("likes_total", "likes")]
    {
        let (recorded, recounted) = last(&seen, category);
        let went = seen["departure"]["rows_deleted"][table].as_u64().unwrap();
        assert!(went > 0 && recounted == recorded - went, "{category}: {recorded} - {went}, {recounted}");
    }

    let kept = home.path().join("new/kept");
    let range = ["gaps", "--from", "2024-01-01", "--to", "2024-01-15", "--format", "json"];
    let gaps: Value = serde_json::from_str(&run(&kept, &range).expect_code(0).stdout).unwrap();
    assert_eq!(gaps["missing"], 0, "{gaps}");

    let before = files(&kept);
    assert!(["platform.db", "daymark.db", "daymark.toml"].iter().all(|name| before.contains_key(*name)));
    let refused = run(home.path(), &demo).expect_code(1);
    assert_eq!(refused.stdout, "");
    let message = "error: `new/kept` is not empty, and the demonstration overwrites nothing; name a new or an empty directory\n";
    assert_eq!(refused.stderr, message);
    assert!(files(&kept) == before, "the second demonstration changed a file");
}

#[test]
fn somebodys_configuration_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("daymark.toml"), "tenant = \"acme\"\n").unwrap();
    let before = files(home.path());
    let refused = run(home.path(), &["demo", "--days", "14", "--dir", "."]).expect_code(1);
    assert!(refused.stderr.contains("`.` is not empty"), "{}", refused.stderr);
    assert_eq!(files(home.path()), before);
}

#[test]
fn settings_are_refused_rather_than_ignored() {
    let home = tempfile::tempdir().unwrap();
    let given = ["--store-url", "sqlite:mine.db", "demo", "--config", "mine.toml", "--tenant", "acme"];
    let refused = run(home.path(), &given).expect_code(2);
    let expected = "error: the configuration has 3 problems:\n\
        --config: `daymark demo` makes a platform, a store and a configuration of its own\n    leave it out\n\
        --tenant: `daymark demo` makes a platform, a store and a configuration of its own\n    leave it out\n\
        --store-url: `daymark demo` makes a platform, a store and a configuration of its own\n    leave it out\n";
    assert_eq!(refused.stderr, expected);
}

#[test]
fn fewer_days_than_the_chart_needs_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused = run(home.path(), &["demo", "--days", "13", "--dir", "new"]).expect_code(2);
    assert!(refused.stderr.contains("13 is not in 14..=3650"), "{}", refused.stderr);
    assert!(!home.path().join("new").exists());
}
