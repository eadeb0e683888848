//! `daymark redact`: shown first, replaced everywhere, killed in the middle, and not found again in any file.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::site::{DEFINITIONS, Outcome, Site, count};

/// Quotation marks and letters that JSON and a file may write in several ways.
const NAME: &str = "Ada \"Byron\" Lövelace";
const REASON: &str = "erasure request 17";

/// Recorded days with a person's name as a section.
async fn recorded(site: Site) -> Site {
    let site = site.ready().await;
    site.on_platform(&format!("UPDATE articles SET section = '{NAME}' WHERE section = 'essays'")).await;
    site.run(&["backfill", "--to", "2025-01-12", "--yes"]).expect_code(0);
    site
}

fn redact<'a>(label: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["redact", "--label", label, "--reason", REASON], more].concat()
}

async fn a_label_is_shown_first_and_replaced_everywhere(site: Site) {
    let site = recorded(site).await;
    site.run(&["annotations", "add", "2025-01-05", &format!("{NAME} joined")]).expect_code(0);
    let before = site.records().await;
    let shown = site.json(&redact(NAME, &["--dry-run"]));
    let metric = &shown["places"]["metrics"][0];
    assert_eq!(
        (&metric["metric_category"], &shown["redacted"]),
        (&json!("sections"), &json!(false)),
        "{shown}"
    );
    assert_eq!(shown["places"]["texts"], json!([{"place": "annotations.text", "texts": 1}]));
    let there = metric["records"].as_u64().unwrap();
    assert!(there > 3, "{shown}");
    assert!(shown["notes"][0].as_str().unwrap().contains("The platform still has the label"), "{shown}");
    let refused = site.run(&redact(NAME, &[])).expect_code(1);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    assert_eq!(site.records().await, before, "nothing was changed");

    let made = site.json(&redact(NAME, &["--yes"]));
    let placeholder = made["placeholder"].as_str().unwrap();
    assert!(made["redacted"] == true && placeholder.starts_with("redacted-"), "{made}");
    // The records differ only in the label.
    let after = site.records().await;
    let quoted = Value::from(NAME).to_string();
    let named = |text: &str| {
        text.replace(&quoted, &format!("\"{placeholder}\"")).replace(&quoted.replace('"', "\"\""), "")
    };
    assert_eq!(before.len(), after.len());
    let changed = before.iter().filter(|record| !after.contains(record)).count();
    assert_eq!(changed as u64, there);
    if !site.is_postgres() {
        let mut expected: Vec<_> = before.iter().map(|record| named(record)).collect();
        expected.sort();
        assert_eq!(after, expected, "every byte but those of the label stays");
    }
    nothing_has_the_label(&site, placeholder);
    let log = site.json(&["redact", "--list"]);
    assert_eq!((&log[0]["placeholder"], &log[0]["reason"]), (&json!(placeholder), &json!(REASON)), "{log}");
    assert_eq!(log[0]["places"], made["places"]);
    assert!(log[0]["author"].as_str().unwrap().starts_with("cli:"));
    let again = site.run(&redact(NAME, &["--yes"])).expect_code(0);
    assert!(again.stdout.contains(&format!("redacted before, as {placeholder}")), "{}", again.stdout);
    let check = site.run(&["check"]);
    assert!(!check.stdout.contains("redacted") && !check.stdout.contains("trigger"), "{}", check.stdout);
}

/// Asks every command and looks into every file.
fn nothing_has_the_label(site: &Site, placeholder: &str) {
    let directory = site.directory.path();
    let range = ["--metric", "sections", "--from", "2025-01-01", "--to", "2025-01-12"];
    let mut outputs = vec![
        site.run(&["corrections"]),
        site.run(&["corrections", "--format", "json"]),
        site.run(&["annotations", "--format", "json"]),
        site.run(&[&["query"][..], &range].concat()),
        site.run(&["redact", "--list", "--format", "json"]),
    ];
    for view in [&[][..], &["--values", "recorded"], &["--as-of", "2025-01-31"], &["--interval", "month"]] {
        outputs.push(site.run(&[&["query", "--metadata", "--format", "json"][..], &range, view].concat()));
    }
    for format in ["csv", "json", "ndjson", "parquet"] {
        let file = directory.join(format!("export.{format}"));
        let path = file.display().to_string();
        let export = [&["export", "--as", format, "--output", &path][..], &range].concat();
        site.run(&export).expect_code(0);
    }
    let names = |text: &str| text.contains("Byron") || text.contains("vel") && text.contains("Ada");
    let mut shown = 0;
    for output in outputs {
        let output = output.expect_code(0);
        assert!(!names(&output.stdout), "{}", output.stdout);
        shown += usize::from(output.stdout.contains(placeholder));
    }
    assert!(shown >= 6, "{shown}");
    if site.is_postgres() {
        let dump = Command::new("pg_dump")
            .args(["--inserts", "--schema=daymark", &site.store_url])
            .output()
            .unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        let text = String::from_utf8(dump.stdout).unwrap();
        assert!(text.contains(placeholder) && !names(&text), "{text}");
    }
    // The platform's own file has it.
    for file in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if file.is_file() && !name.starts_with("magazine") {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains("Byron"), "{name}");
        }
    }
}

async fn the_label_may_come_from_standard_input(site: Site) {
    let site = recorded(site).await;
    let run = |arguments: &[&str], typed: &str| {
        let mut command = site.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    };
    let refused = run(&redact("-", &[]), NAME).expect_code(1);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    let made = run(&redact("-", &["--yes"]), &format!("{NAME}\n")).expect_code(0);
    assert!(made.stdout.contains("Replaced by redacted-"), "{}", made.stdout);
    assert!(!made.stdout.contains("Byron"), "{}", made.stdout);
}

async fn what_cannot_be_redacted_is_refused(site: Site) {
    let site = recorded(site).await;
    let wrong = |arguments: &[&str], message: &str| {
        let refused = site.run(arguments).expect_code(2);
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
        assert!(!refused.stderr.contains("Byron"), "a message does not repeat the label: {}", refused.stderr);
    };
    wrong(&["redact"], "--label");
    wrong(&["redact", "--label", NAME, "--list"], "cannot be used with");
    wrong(&["redact", "--label", NAME, "--yes"], "--reason");
    wrong(&["redact", "--label", NAME, "--reason", " ", "--yes"], "needs a reason");
    wrong(
        &["redact", "--label", NAME, "--reason", "Ada \"byron\" lövelace asked", "--yes"],
        "contains the label",
    );
    wrong(&redact("(other)", &["--yes"]), "rest of a breakdown");
    wrong(&redact("redacted-0123456789abcdef", &["--yes"]), "form of a placeholder");
    let nothing = site.run(&redact("Grace Hopper", &["--yes"])).expect_code(0);
    assert_eq!(nothing.stdout, "Nothing in the store has this label.\n");
    assert_eq!(site.json(&["redact", "--list"]), json!([]));
}

/// How many redactions are killed, on each store.
const KILLS: usize = 12;
/// The seed of the random moments.
const SEED: u64 = 20_250_301;

async fn a_redaction_that_is_killed_is_finished_by_the_next(site: Site) {
    let site = site.ready().await;
    site.write_config(&DEFINITIONS.replace("top = 2", "top = 50"));
    site.run(&["apply"]).expect_code(0);
    site.on_platform("UPDATE articles SET section = 'Person ' || (1000 + id)").await;
    site.run(&["backfill", "--to", "2025-01-12", "--yes"]).expect_code(0);
    let person = |number: usize| format!("Person {}", 1000 + number);
    for number in 1..=20 {
        let text = format!("{} joined", person(number));
        site.run(&["annotations", "add", "2025-01-05", &text]).expect_code(0);
    }
    let started = Instant::now();
    site.run(&redact(&person(20), &["--yes"])).expect_code(0);
    let whole = started.elapsed();
    let mut chance = fastrand::Rng::with_seed(SEED);
    let mut killed_before = 0;
    for number in 1..=KILLS {
        let label = person(number);
        let find = || site.json(&redact(&label, &["--dry-run"]))["places"].clone();
        let before = find();
        let mut child = site.command(&redact(&label, &["--yes"]));
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(chance.f64()).max(Duration::from_millis(1)));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = find();
        let nothing = json!({"metrics": [], "texts": []});
        assert!(after == before || after == nothing, "a part was changed: {before} {after}");
        killed_before += usize::from(after == before);
        site.run(&redact(&label, &["--yes"])).expect_code(0);
        assert_eq!(find(), nothing);
    }
    assert!(killed_before > 0, "no redaction was killed before its end");
    println!("seed {SEED}, {whole:?} a run: {killed_before} of {KILLS} were killed before their commit");
    let check = site.run(&["check"]);
    assert!(!check.stdout.contains("trigger"), "{}", check.stdout);
    let log = site.json(&["redact", "--list"]);
    assert_eq!(log.as_array().unwrap().len(), KILLS + 1, "each label was redacted once: {log}");
    if !site.is_postgres() {
        let bytes = std::fs::read(site.directory.path().join("records.db")).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!((1..=KILLS).all(|number| !text.contains(&person(number))));
    }
    let articles =
        count(&site.platform_url, "SELECT count(*) FROM articles WHERE section = 'Person 1001'").await;
    assert!(articles > 0, "the platform is left alone");
}

async fn a_label_that_was_cut_is_found_by_its_whole_text(site: Site) {
    let site = site.ready().await;
    let long = format!("{}y", "x".repeat(250));
    site.on_platform(&format!("UPDATE articles SET section = '{long}' WHERE section = 'essays'")).await;
    site.run(&["backfill", "--to", "2025-01-12", "--yes"]).expect_code(0);
    let made = site.json(&redact(&long, &["--yes"]));
    assert!(
        made["redacted"] == true && made["notes"][1].as_str().unwrap().contains("200 characters"),
        "{made}"
    );
    let labels = site.run(&["export", "--metric", "sections", "--as", "ndjson"]).expect_code(0).stdout;
    assert!(!labels.contains("xxx") && labels.contains(made["placeholder"].as_str().unwrap()), "{labels}");
}

async fn a_label_that_is_called_as_a_member_is_a_label(site: Site) {
    let site = site.ready().await;
    site.run(&["backfill", "--to", "2025-01-06", "--yes"]).expect_code(0);
    let refused = site.run(&redact("other", &["--dry-run"])).expect_code(2).stderr;
    assert!(refused.contains("no breakdown has this label"), "{refused}");
    site.on_platform("UPDATE articles SET section = 'other' WHERE section = 'essays'").await;
    site.run(&["backfill", "--to", "2025-01-12", "--yes"]).expect_code(0);
    let found = site.json(&redact("other", &["--dry-run"]));
    assert_eq!(found["places"]["metrics"][0]["metric_category"], "sections", "{found}");
    assert_eq!(found["notes"].as_array().unwrap().len(), 1, "only that the platform has it: {found}");
    let made = site.json(&redact("other", &["--yes"]));
    let metadata = site.json(&[
        "query",
        "--metric",
        "sections",
        "--from",
        "2025-01-12",
        "--to",
        "2025-01-12",
        "--metadata",
    ]);
    let metadata = &metadata["series"][0]["points"][0]["metadata"];
    assert!(
        metadata["other"]["labels"].is_number() && metadata["breakdown"]["other"].is_null(),
        "{metadata}"
    );
    assert_eq!(made["redacted"], true, "{made}");
}

async fn a_backup_carries_the_log(site: Site) {
    let site = recorded(site).await;
    let made = site.json(&redact(NAME, &["--yes"]));
    let into = site.directory.path().join("backups").display().to_string();
    let backup = site.json(&["backup", "--into", &into]);
    assert_eq!(backup["manifest"]["contents"]["redactions"], 1, "{backup}");
    let restored = match site.is_postgres() {
        true => Site::empty_postgres().await,
        false => Site::empty_sqlite().await,
    };
    restored.write_config(DEFINITIONS);
    restored.run(&["restore", backup["backup"].as_str().unwrap()]).expect_code(0);
    let log = restored.json(&["redact", "--list"]);
    assert_eq!(log[0]["placeholder"], made["placeholder"]);
    // The key is carried too, so that the label is recognised.
    let again = restored.run(&redact(NAME, &["--dry-run"])).expect_code(0);
    assert!(again.stdout.contains("redacted before"), "{}", again.stdout);
}

crate::on_both!(
    a_label_is_shown_first_and_replaced_everywhere,
    the_label_may_come_from_standard_input,
    what_cannot_be_redacted_is_refused,
    a_redaction_that_is_killed_is_finished_by_the_next,
    a_label_that_was_cut_is_found_by_its_whole_text,
    a_label_that_is_called_as_a_member_is_a_label,
    a_backup_carries_the_log,
);
