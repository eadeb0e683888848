//! Each exit code that the help names, and the stream that each output goes to.

use std::process::Stdio;

use daymark::store::LockName;
use jiff::civil::date;

use crate::site::{BROKEN_METRIC, DEFINITIONS, Site};

async fn a_collection_exits_with_0_and_a_wrong_date_with_2(site: Site) {
    let site = site.ready().await;
    site.run(&["collect", "--date", "2025-01-05"]).expect_code(0);
    site.run(&["collect", "--date", "05.01.2025"]).expect_code(2);
}

async fn an_unreachable_platform_exits_with_1_and_logs_a_failed_run(site: Site) {
    let site = site.ready().await;
    let nowhere = ["--platform-url", "postgres://postgres@127.0.0.1:1/app", "--retry-attempts", "0"];
    let failed = site.run(&[&["collect", "--date", "2025-01-05"], &nowhere[..]].concat()).expect_code(1);
    assert!(failed.stderr.contains("Connection refused"), "{}", failed.stderr);
    let status = site.json(&["status"]);
    assert_eq!(status["last_run"]["status"], "failed");
}

async fn one_failing_metric_exits_with_3_and_leaves_a_gap(site: Site) {
    let site = site.ready().await;
    site.write_config(&format!("{DEFINITIONS}{BROKEN_METRIC}"));
    site.run(&["apply"]).expect_code(0);
    let partial = site.run(&["collect", "--date", "2025-01-05"]).expect_code(3);
    assert!(partial.stdout.contains("failed    ghosts: "), "{}", partial.stdout);
    assert!(partial.stdout.contains("`daymark plan` shows the SQL"), "{}", partial.stdout);
    assert!(partial.stdout.contains("2025-01-05: 6 metrics reconstructed, 1 failed"), "{}", partial.stdout);
    let early = site.run(&["collect", "--date", "2025-01-05"]).expect_code(3);
    assert!(early.stdout.contains("failed    ghosts: "), "{}", early.stdout);
    let not_yet = "2025-01-05: not tried again yet, 6 already there, 1 failed. The next attempt is from ";
    assert!(early.stdout.contains(not_yet), "{}", early.stdout);
    let again = site.run(&["collect", "--date", "2025-01-05", "--retry"]).expect_code(3);
    assert!(again.stdout.contains("0 metrics reconstructed, 6 already there, 1 failed"), "{}", again.stdout);
    site.run(&["collect", "--date", "2025-01-05", "--metric", "ghosts"]).expect_code(1);
    let gaps = site.json(&["gaps", "--from", "2025-01-05", "--to", "2025-01-05"]);
    assert_eq!(gaps["gaps"][0]["metric_category"], "ghosts");
    assert_eq!(gaps["gaps"][0]["cause"], "failed");
    let check = site.json(&["check"]);
    assert_eq!(check["ok"], false);
    assert_eq!(check["findings"][0]["place"], "metric ghosts");
}

/// A trigger that is not Daymark's drops the records of one day. No metric fails, but its records are missing.
async fn a_backfill_that_lacks_records_exits_with_1(site: Site) {
    let site = site.ready().await;
    let swallow = match site.is_postgres() {
        true => {
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER swallow BEFORE INSERT ON daymark.daily_metrics FOR EACH ROW
                 WHEN (NEW.metric_date = '2025-01-04') EXECUTE FUNCTION swallow()"
        }
        false => {
            "CREATE TRIGGER swallow BEFORE INSERT ON daily_metrics WHEN NEW.metric_date = '2025-01-04'
             BEGIN SELECT RAISE(IGNORE); END"
        }
    };
    site.on_store(swallow).await;
    let range = ["backfill", "--from", "2025-01-03", "--to", "2025-01-05"];
    let discrepancy = site.run(&range).expect_code(1);
    let expected = "wrong     members_total lacks 1 day between 2025-01-04 and 2025-01-04\n";
    assert!(discrepancy.stdout.contains(expected), "{}", discrepancy.stdout);
    assert!(!discrepancy.stdout.contains("failed"), "{}", discrepancy.stdout);
    assert_eq!(site.records().await.len(), 12);
}

async fn a_run_exits_with_4_while_another_process_holds_its_lock(site: Site) {
    let site = site.ready().await;
    let store = site.store();
    let lock = store.try_lock(&LockName::Day(date(2025, 1, 5))).await.unwrap();
    assert!(lock.is_some());
    let busy = site.run(&["collect", "--date", "2025-01-05"]).expect_code(4);
    assert!(
        busy.stderr.starts_with("error: collecting 2025-01-05 is already being done by "),
        "{}",
        busy.stderr
    );
    drop(lock);
    let lock = store.try_lock(&LockName::Backfill).await.unwrap();
    assert!(lock.is_some());
    site.run(&["backfill", "--to", "2025-01-05"]).expect_code(4);
    site.run(&["backfill", "--to", "2025-01-05", "--dry-run"]).expect_code(0);
}

async fn an_unfinished_day_exits_with_5_and_names_the_time_it_can_be_recorded_from(site: Site) {
    let site = site.ready().await;
    let refused =
        site.run(&["collect", "--date", "2999-12-30", "--time-zone", "Asia/Kolkata"]).expect_code(5);
    let expected = "error: 2999-12-30 is not finished: it can be recorded from 2999-12-31 00:15 IST; the last finished day is ";
    assert!(refused.stderr.starts_with(expected), "{}", refused.stderr);
    site.run(&["backfill", "--to", "2999-12-30"]).expect_code(5);
    site.run(&["gaps", "--to", "2999-12-30"]).expect_code(5);
    assert!(site.records().await.is_empty());
}

/// A program that parses stdout finds either a whole document there or nothing.
async fn errors_are_written_to_stderr_only(site: Site) {
    let site = site.ready().await;
    for arguments in [
        &["collect", "--date", "2999-12-30"][..],
        &["collect", "--metric", "revenue"],
        &["gaps", "--from", "2025-02-01", "--to", "2025-01-01"],
        &["status", "--tenant", "Not a name"],
    ] {
        for format in ["json", "csv"] {
            let outcome = site.run(&[arguments, &["--format", format]].concat());
            assert!(matches!(outcome.code, Some(2 | 5)), "{arguments:?}: {:?}", outcome.code);
            assert_eq!(outcome.stdout, "", "{arguments:?}");
            assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
        }
    }
}

/// The reader leaves early in `daymark … | head` and `daymark … 2>&1 | head`.
async fn a_reader_that_closes_the_pipe_early_does_not_change_the_exit_code(site: Site) {
    let site = site.ready().await;
    for (arguments, code) in [
        (&["plan", "--from", "2024-01-01", "--to", "2025-01-01"][..], 0),
        (&["backfill", "--to", "2025-01-05"], 0),
        (&["collect", "--metric", "revenue"], 2),
        (&["status", "--help"], 0),
    ] {
        let mut command = site.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
    }
    assert_eq!(site.records().await.len(), 30);
}

crate::on_both!(
    a_collection_exits_with_0_and_a_wrong_date_with_2,
    an_unreachable_platform_exits_with_1_and_logs_a_failed_run,
    one_failing_metric_exits_with_3_and_leaves_a_gap,
    a_backfill_that_lacks_records_exits_with_1,
    a_run_exits_with_4_while_another_process_holds_its_lock,
    an_unfinished_day_exits_with_5_and_names_the_time_it_can_be_recorded_from,
    errors_are_written_to_stderr_only,
    a_reader_that_closes_the_pipe_early_does_not_change_the_exit_code,
);
