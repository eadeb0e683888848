//! Ctrl-C in the middle of a backfill.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use crate::site::Site;

/// One chunk for each day, over years before the platform's first row, makes the run long enough to be interrupted.
const RUN: [&str; 10] = [
    "backfill",
    "--from",
    "2021-01-01",
    "--to",
    "2025-01-12",
    "--metric",
    "members_total",
    "--before-first-row",
    "--backfill-chunk-days",
    "1",
];
const DAYS: usize = 1_473;

async fn an_interrupted_backfill_keeps_its_commits_and_the_next_one_continues(site: Site) {
    let site = site.ready().await;
    let mut child = site.command(&RUN).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("days committed") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the run ended by itself");
    }
    interrupt(child.id());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(
        rest.contains("stopping; committed records are kept (a second signal stops at once)\n"),
        "{rest}"
    );

    let kept = site.records().await;
    assert!(!kept.is_empty() && kept.len() < DAYS, "{}", kept.len());
    let message = format!(
        "error: interrupted: {} of {DAYS} days are recorded and stay; run it again to record the rest\n",
        kept.len()
    );
    assert!(rest.ends_with(&message), "{rest}");
    let status = site.json(&["status"]);
    assert_eq!(status["last_run"]["status"], "failed");
    assert_eq!(status["last_run"]["metrics_collected"], kept.len());

    let again = site.run(&[&RUN[..RUN.len() - 1], &["365"]].concat()).expect_code(0);
    let (missing, there) = (DAYS - kept.len(), kept.len());
    let summary =
        format!("{missing} records missing on {missing} days, {missing} written, {there} already there");
    assert!(again.stdout.contains(&summary), "{}", again.stdout);
    let all = site.records().await;
    assert_eq!(all.len(), DAYS);
    assert!(kept.iter().all(|record| all.binary_search(record).is_ok()), "a record changed");
}

fn interrupt(process: u32) {
    let sent = Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

crate::on_both!(an_interrupted_backfill_keeps_its_commits_and_the_next_one_continues);
