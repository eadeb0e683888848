//! `daymark demo`: its numbers are true, and it overwrites nothing.

use std::{collections::BTreeMap, fs, path::Path};

use daymark::clock::{Clock as _, SystemClock};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
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

/// The recorded and the recounted value of a metric on the last day.
fn last(seen: &Value, category: &str) -> (u64, u64) {
    let days = seen["days"].as_array().unwrap();
    let metrics = days.last().unwrap()["metrics"].as_array().unwrap();
    let values = metrics.iter().find(|metric| metric["metric_category"] == category).unwrap();
    (values["recorded"].as_u64().unwrap(), values["recounted_now"].as_u64().unwrap())
}

#[test]
fn the_record_survives_the_deletion_of_an_account_and_a_second_demonstration() {
    let home = tempfile::tempdir().unwrap();
    let until = ["--until", "2024-01-15"];
    let demo = ["demo", "--days", "15", until[0], until[1], "--dir", "new/kept", "--format", "json"];
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
    let message = "error: `new/kept` is not empty, and the demonstration overwrites no files; give a new or an empty directory\n";
    assert_eq!(refused.stderr, message);
    assert!(files(&kept) == before, "the second demonstration changed a file");
}

#[test]
fn an_existing_configuration_is_not_overwritten() {
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
        --config: `daymark demo` creates a platform, a store and a configuration of its own\n    leave it out\n\
        --tenant: `daymark demo` creates a platform, a store and a configuration of its own\n    leave it out\n\
        --store-url: `daymark demo` creates a platform, a store and a configuration of its own\n    leave it out\n";
    assert_eq!(refused.stderr, expected);
}

#[test]
fn fewer_days_than_the_chart_needs_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused = run(home.path(), &["demo", "--days", "13", "--dir", "new"]).expect_code(2);
    assert!(refused.stderr.contains("13 is not in 14..=3650"), "{}", refused.stderr);
    assert!(!home.path().join("new").exists());
}

#[test]
fn the_days_end_with_yesterday_unless_a_finished_day_is_named() {
    let home = tempfile::tempdir().unwrap();
    let last_finished = || {
        let now = SystemClock.now().to_zoned(TimeZone::UTC).saturating_sub(15.minutes());
        now.date().saturating_sub(1.day())
    };
    let before = last_finished();
    let shown = run(home.path(), &["demo", "--days", "14", "--dir", "kept", "--format", "json"])
        .expect_code(0)
        .stdout;
    let seen: Value = serde_json::from_str(&shown).unwrap();
    let last: Date = seen["last"].as_str().unwrap().parse().unwrap();
    // Midnight may have passed while the command ran.
    assert!((before..=last_finished()).contains(&last), "{last}");
    assert_eq!(seen["first"], last.saturating_sub(13.days()).to_string());
    // The day that is recorded last is the last finished one, so nothing is due.
    let status = run(&home.path().join("kept"), &["status"]).expect_code(0).stdout;
    assert!(status.contains(&last.to_string()), "{status}");

    let refused = run(home.path(), &["demo", "--until", "2999-01-01", "--dir", "new"]).expect_code(5);
    assert!(refused.stderr.contains("2999-01-01"), "{}", refused.stderr);
    assert!(!home.path().join("new").exists());
}

#[test]
fn the_printed_commands_work_on_the_kept_files() {
    let home = tempfile::tempdir().unwrap();
    let shown = run(home.path(), &["demo", "--days", "14", "--dir", "kept"]).expect_code(0).stdout;
    let commands: Vec<_> =
        shown.lines().filter_map(|line| line.split_once(" --config kept/daymark.toml ")).collect();
    assert!(commands.iter().any(|(_, command)| *command == "serve"), "{shown}");
    for (program, command) in commands {
        assert!(Path::new(program.trim()).ends_with("daymark"), "{program}");
        if command != "serve" {
            let arguments = ["--config", "kept/daymark.toml"].into_iter().chain(command.split(' '));
            run(home.path(), &arguments.collect::<Vec<_>>()).expect_code(0);
        }
    }
}
