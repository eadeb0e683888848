//! Broken and missing configuration, through the program.

use insta::assert_snapshot;

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
fn files_that_cannot_be_read_are_named() {
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
async fn databases_that_are_none_are_named() {
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
