//! `daymark demo`: its numbers are true, and it overwrites nothing.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

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

/// Each preset has a platform on which it records all that it looks for, and the platform loses rows that the record keeps.
#[test]
fn every_preset_has_a_demonstration() {
    for (preset, category, table, metrics) in [
        (
            "shop",
            "orders_total",
            "orders",
            &["refunded", "top_products", "customers_active", "large_orders"][..],
        ),
        (
            "saas",
            "seats_total",
            "seats",
            &["recurring_revenue", "activation_rate", "subscriptions_by_plan"][..],
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        let days = if preset == "shop" { "310" } else { "90" };
        let demo = [
            "demo",
            "--preset",
            preset,
            "--days",
            days,
            "--until",
            "2024-11-15",
            "--dir",
            "kept",
            "--format",
            "json",
        ];
        let shown = run(home.path(), &demo).expect_code(0).stdout;
        let seen: Value = serde_json::from_str(&shown).unwrap();
        let (recorded, recounted) = last(&seen, category);
        let went = seen["departure"]["rows_deleted"][table].as_u64().unwrap();
        assert!(went > 0 && recounted < recorded, "{category}: {recorded}, {recounted}");
        assert!(seen["rows_deleted"].as_u64().unwrap() > 0);
        let last_day = seen["days"].as_array().unwrap().last().unwrap()["metrics"].as_array().unwrap();
        for metric in metrics {
            let found = last_day.iter().find(|found| found["metric_category"] == *metric);
            assert!(
                found.is_some_and(|found| found["recorded"].as_f64().unwrap() > 0.0),
                "{metric}: {last_day:?}"
            );
        }
    }
    let home = tempfile::tempdir().unwrap();
    let refused = run(home.path(), &["demo", "--preset", "none"]).expect_code(2);
    assert!(refused.stderr.contains("there is no demonstration of `none`"), "{}", refused.stderr);
}

/// Churn is what ended in 30 days for each 100 subscriptions that there were at their beginning.
#[tokio::test]
async fn the_churn_of_the_demonstration_matches_sql() {
    let home = tempfile::tempdir().unwrap();
    let demo =
        ["demo", "--preset", "saas", "--days", "120", "--until", "2024-06-30", "--dir", "kept", "--exit"];
    run(home.path(), &demo).expect_code(0);
    let kept = home.path().join("kept");
    let asked =
        ["query", "--metric", "churn_rate", "--from", "2024-06-30", "--to", "2024-06-30", "--format", "json"];
    let answer: Value = serde_json::from_str(&run(&kept, &asked).expect_code(0).stdout).unwrap();
    let seen = answer["series"][0]["points"][0]["value"].as_f64().unwrap();
    let count = |sql: &str| {
        let asked =
            ["query", "--metric", sql, "--from", "2024-06-30", "--to", "2024-06-30", "--format", "json"];
        let answer: Value = serde_json::from_str(&run(&kept, &asked).expect_code(0).stdout).unwrap();
        answer["series"][0]["points"][0]["value"].as_f64().unwrap()
    };
    let ended = count("subscriptions_ended_30_days");
    let at_first = count("subscriptions_total") - count("subscriptions_created_30_days") + ended;
    assert!(ended > 0.0 && at_first > 0.0, "{ended} {at_first}");
    assert!((seen - 100.0 * ended / at_first).abs() < 1e-6, "{seen}: {ended} / {at_first}");
}

/// The demonstration in a pseudo-terminal.
fn on_a_terminal(directory: &Path, environment: &[(&str, &str)]) -> Command {
    // The shell gives its place to the program, so that the interrupt is for that alone.
    let line = format!("exec {} demo --days 14 --until 2024-01-14", env!("CARGO_BIN_EXE_daymark"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(directory);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

#[test]
fn on_a_terminal_the_demonstration_serves_its_dashboard_until_ctrl_c() {
    let home = tempfile::tempdir().unwrap();
    let mut demo = on_a_terminal(home.path(), &[]).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let said = lines.find(|line| line.contains("The dashboard is at ")).unwrap();
    let address = said.split(' ').find(|word| word.starts_with("http://")).unwrap();
    assert!(address.ends_with("/?recount"), "the record is shown beside a recount: {address}");
    let mut page = ureq::get(address).header("accept", "text/html").call().unwrap();
    assert!(page.body_mut().read_to_string().unwrap().contains("<title>"));
    let url = address.replace("/?recount", "/api/v1/latest");
    let latest: Value =
        serde_json::from_str(&ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap()).unwrap();
    let newest = latest["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| &metric["metric_date"])
        .max_by_key(|date| date.to_string());
    assert_eq!(newest.unwrap(), "2024-01-14");
    // The terminal makes an interrupt of this character.
    demo.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let rest: Vec<_> = lines.collect();
    assert!(demo.wait().unwrap().success(), "{rest:?}");
    assert!(ureq::get(address).call().is_err(), "the server still answers");
}

#[test]
fn on_a_terminal_demo_exit_ends_the_demonstration_after_its_story() {
    let home = tempfile::tempdir().unwrap();
    let ended = on_a_terminal(home.path(), &[("DEMO_EXIT", "1")]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success() && said.contains("The demonstration took"), "{said}");
    assert!(!said.contains("The dashboard is at"), "{said}");
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
