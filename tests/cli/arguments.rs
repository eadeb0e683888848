//! Wrong arguments: the message names the mistake and the remedy.

use insta::assert_snapshot;

use crate::site::{Outcome, Site, bare_command, filtered};

#[tokio::test]
async fn wrong_arguments_are_explained() {
    let site = Site::sqlite().await.ready().await;
    let story = site.transcript(&[
        &["colect"],
        &["collect", "--dat", "2025-01-01"],
        &["collect", "--date", "2025-02-30"],
        &["collect", "--date", "yesterday"],
        &["collect", "--date", "0001-01-01"],
        &["collect", "--date", "2011-12-30", "--time-zone", "Pacific/Apia"],
        &["collect", "--date", "2999-12-31", "--time-zone", "America/Los_Angeles"],
        &["collect", "--metric", "member_total"],
        &["collect", "--metric", "revenue"],
        &["backfill", "--from", "2025-02-01", "--to", "2025-01-01"],
        &["backfill", "--to", "2999-12-31"],
        &["gaps", "--from", "1700-01-01"],
        &["plan", "--from", "2025-02-01", "--to", "2025-01-01"],
        &["plan", "--to", "2025-01-01"],
        &["status", "--format", "xml"],
        &["status", "--tenant", "Not a name"],
        &["status", "--time-zone", "Europe/Berln"],
        &["status", "--settle-minutes", "-1"],
        &["status", "--store-url", "mysql://root@localhost/app"],
        &["init", "--output", "no/such/folder/daymark.toml"],
        &["keys"],
        &["keys", "create", "--name", "dashboard"],
        &["keys", "create", "--name", "dashboard", "--role", "anonymous"],
        &["keys", "create", "--name", " ", "--role", "reader"],
        &["keys", "create", "--name", "dashboard", "--role", "reader", "--scope", "collect"],
        &["keys", "create", "--name", "dashboard", "--role", "reader", "--scope", "everything"],
        &["keys", "create", "--name", "dashboard", "--role", "reader", "--expires-in", "soon"],
        &["keys", "create", "--name", "dashboard", "--role", "reader", "--expires", "2001-01-01"],
        &[
            "keys",
            "create",
            "--name",
            "dashboard",
            "--role",
            "reader",
            "--expires-in",
            "1d",
            "--expires",
            "2999-01-01",
        ],
        &["keys", "revoke", "dashboard"],
    ]);
    filtered(|| assert_snapshot!(story));
}

#[test]
fn every_command_has_its_help() {
    let directory = tempfile::tempdir().unwrap();
    let commands = [
        "demo",
        "init",
        "check",
        "migrate",
        "apply",
        "plan",
        "preview",
        "collect",
        "backfill",
        "gaps",
        "drift",
        "judge",
        "correct",
        "redact",
        "corrections",
        "query",
        "export",
        "status",
        "backup",
        "restore",
        "annotations",
        "keys",
        "sql",
    ];
    let help = |arguments: &[&str]| {
        let outcome = Outcome::of(&mut bare_command(directory.path(), arguments)).expect_code(0);
        format!("$ daymark {}\n{}\n", arguments.join(" "), outcome.stdout)
    };
    let all: String = commands.iter().map(|command| help(&[command, "-h"])).collect();
    assert_snapshot!(help(&["-h"]) + &all);
}

#[test]
fn without_arguments_the_help_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = Outcome::of(&mut bare_command(directory.path(), &[])).expect_code(2);
    assert!(outcome.stdout.is_empty());
    assert!(outcome.stderr.contains("Usage: daymark"), "{}", outcome.stderr);
}
