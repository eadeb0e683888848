//! The program with a broken or a missing configuration.

use insta::assert_snapshot;

use sqlx::Executor;

use crate::site::{DEFINITIONS, Outcome, Site, bare_command};

const MISTAKES: &str = r#"
timezone = "Europe/Berlin"
settle_minutes = "15"

[platfrom]
url = "sqlite:magazine.db"

[sources.members]
tabel = "members"
time_column = "joined_at"

[metrics.Members]
measure = "existing"
source = "members"

[metrics.members_total]
measure = "exisitng"
source = "members"
expected = { min = 10, max = 1 }
"#;

#[tokio::test]
async fn every_mistake_in_the_file_is_named_at_once() {
    let site = Site::sqlite().await;
    site.write_config(MISTAKES);
    assert_snapshot!(site.transcript(&[&["check"]]));
}

/// A wrong value hides neither the mistakes of metrics nor those of the store. The message says nothing about things that the
/// wrong value would name, such as the definitions of another tenant.
#[tokio::test]
async fn a_wrong_setting_hides_no_other_mistake() {
    let site = Site::sqlite().await;
    let metrics = DEFINITIONS.replace("column = \"words\"", "column = \"wrods\"");
    let wrong = [
        "settle_minutes = 9999\n",
        "settle_minutes = \"soon\"\n",
        "time_zone = \"Mars/Olympus\"\n",
        "tenant = 5\n",
        "= 5\n",
    ];
    let mut story = String::new();
    for setting in wrong {
        site.write_config(&format!("{setting}{metrics}"));
        story += &format!("{setting}{}\n", site.transcript(&[&["check"]]));
    }
    // The environment names the platform, and wins over the file.
    site.write_config(&format!("platform = 5\n{metrics}"));
    story += &site.transcript(&[&["check"], &["check", "--platform-url", "mysql://app"]]);
    assert_snapshot!(story);
}

#[tokio::test]
async fn every_mistake_about_the_platform_is_named_at_once() {
    let site = Site::postgres().await;
    site.write_config(
        &(DEFINITIONS
            .replace("\"published_on\"", "\"publishd_on\"")
            .replace("column = \"words\"", "column = \"section\"")
            .replace("table = \"replies\"", "table = \"repleis\"")
            + crate::site::BROKEN_METRIC),
    );
    assert_snapshot!(site.transcript(&[&["check"], &["migrate"], &["apply"]]));
}

#[test]
fn configuration_files_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("folder.toml")).unwrap();
    std::fs::write(directory.path().join("latin.toml"), b"preset = \"none\"\ntenant = \"caf\xe9\"\n")
        .unwrap();
    std::fs::write(directory.path().join("broken.toml"), "preset = \n").unwrap();
    let mut story = String::new();
    for file in ["missing.toml", "folder.toml", "latin.toml", "broken.toml"] {
        let outcome = Outcome::of(&mut bare_command(directory.path(), &["status", "--config", file]));
        let outcome = outcome.expect_code(2);
        assert!(outcome.stdout.is_empty());
        story += &outcome.stderr;
    }
    assert_snapshot!(story);
}

#[test]
fn wrong_environment_variables_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = bare_command(directory.path(), &["status"]);
    command.envs([
        ("DAYMARK_TENNANT", "acme"),
        ("DAYMARK_SETTLE_MINUTES", "soon"),
        ("DAYMARK_TIME_ZONE", "CEST"),
        ("DAYMARK_PLATFORM_URL", "localhost/app"),
    ]);
    assert_snapshot!(Outcome::of(&mut command).expect_code(2).stderr);
}

#[tokio::test]
async fn without_a_platform_every_command_says_how_to_name_one() {
    let site = Site::sqlite().await.ready().await;
    let mut story = String::new();
    for command in ["init", "apply", "plan", "collect", "backfill"] {
        let mut command = bare_command(site.directory.path(), &[command]);
        story += &Outcome::of(command.env("DAYMARK_STORE_URL", &site.store_url)).expect_code(2).stderr;
    }
    let mut command = bare_command(site.directory.path(), &["check"]);
    story += &Outcome::of(command.env("DAYMARK_STORE_URL", &site.store_url)).expect_code(1).stdout;
    assert_snapshot!(story);
}

#[tokio::test]
async fn urls_that_lead_to_no_database_are_reported() {
    let site = Site::sqlite().await.ready().await;
    std::fs::write(
        site.directory.path().join("notes.txt"),
        "not a database, but long enough to look at\n".repeat(50),
    )
    .unwrap();
    let mut story = String::new();
    for url in ["sqlite:nowhere.db", "sqlite:notes.txt", "sqlite:/", "postgres://postgres@127.0.0.1:1/app"] {
        story += &site.transcript(&[&["check", "--retry-attempts", "0", "--platform-url", url]]);
    }
    for url in ["sqlite:no/such/folder/a.db", "sqlite:notes.txt", "postgres://postgres@127.0.0.1:1/app"] {
        story += &site.transcript(&[&["status", "--retry-attempts", "0", "--store-url", url]]);
    }
    assert_snapshot!(story);
}

/// `check` detects the time format of columns from their values. Here the file is locked, and then the view that it reads
/// does not answer within the time limit.
#[tokio::test]
async fn a_platform_that_cannot_be_inspected_in_time_is_one_finding() {
    let site = Site::sqlite().await.ready().await;
    let check = |limit: &str| {
        let checked =
            site.run(&["check", limit, "1", "--retry-attempts", "0", "--format", "json"]).expect_code(1);
        let found: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
        let findings = found["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{}", checked.stdout);
        assert_eq!((&findings[0]["severity"], &findings[0]["place"]), (&"error".into(), &"platform".into()));
        findings[0]["message"].as_str().unwrap().to_owned()
    };
    let mut application = crate::site::sqlite(&site.platform_url, false).await;
    application.execute("BEGIN EXCLUSIVE").await.unwrap();
    let locked = check("--platform-lock-timeout-seconds");
    assert!(locked.contains("database is locked"), "{locked}");
    application.execute("ROLLBACK").await.unwrap();

    // Only the first rows of the view are read, but the view never returns a row.
    let endless = "ALTER TABLE members RENAME TO people;
         CREATE VIEW members AS WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
             SELECT id, '2025-01-01T00:00:00Z' AS joined_at, NULL AS left_at FROM n WHERE id < 0";
    application.execute(endless).await.unwrap();
    let slow = check("--platform-statement-timeout-seconds");
    assert!(slow.contains("stopped after the time limit of 1 s"), "{slow}");
}

const CHANNELS: &str = r#"
[channels.chat]
kind = "slack"
url = "https://hooks.example/nothing-is-sent"
text = "{{ kind }}: {{ alerts | map(attribute='rule') | join(', ') or 'a test' }}"

[channels.pager]
kind = "alertmanager"
url = "https://alerts.example"
"#;

#[tokio::test]
async fn a_preview_shows_what_the_templates_make_of_alerts_and_sends_nothing() {
    let site = Site::sqlite().await;
    site.write_config(&format!("{DEFINITIONS}{CHANNELS}"));
    assert_snapshot!(site.transcript(&[
        &["alerts", "test", "--preview"],
        &["alerts", "test", "caht", "--preview"],
        &["alerts", "test", "chat", "--preview", "--format", "csv"],
    ]));
    site.run(&["migrate"]).expect_code(0);
    let deliveries = site.run(&["alerts", "deliveries"]).expect_code(0);
    assert!(deliveries.stdout.contains("no notifications"), "{}", deliveries.stdout);
}

/// The authorities of the web are not trusted instead.
#[tokio::test]
async fn a_receiver_is_not_trusted_without_the_certificate_authorities_that_are_named() {
    let site = Site::sqlite().await;
    site.write_config(&format!("{DEFINITIONS}{CHANNELS}"));
    site.run(&["migrate"]).expect_code(0);
    let authorities = site.directory.path().join("authorities.pem");
    std::fs::write(&authorities, "").unwrap();
    let mut command = site.command(&["alerts", "test", "chat"]);
    let said = Outcome::of(command.env("SSL_CERT_FILE", authorities));
    let said = format!("{}{}", said.stdout, said.stderr);
    assert!(said.contains("certificate authority"), "{said}");
}
