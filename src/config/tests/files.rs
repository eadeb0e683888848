//! Reading the file: valid values are read, and every mistake is reported with its line.

use proptest::prelude::*;

use super::*;
use crate::config::{Environment, GivenFlags, load, process_environment};

fn shown_problems(text: &str) -> String {
    read(text).problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_is_reported_with_its_line_and_a_suggestion() {
    insta::assert_snapshot!(shown_problems(include_str!("mistakes.toml")));
}

#[test]
fn toml_syntax_errors_are_reported_with_their_line() {
    insta::assert_snapshot!(shown_problems("tenant = \"a\"\n[sources.posts\ntable = 1"), @r#"
    daymark.toml:2: this is not TOML: unclosed table, expected `]`
        fix this first; other mistakes can only be found then
    "#);
    insta::assert_snapshot!(shown_problems("tenant = \"a\"\ntenant = \"b\""), @r#"
    daymark.toml:2: this is not TOML: duplicate key at `tenant`
        fix this first; other mistakes can only be found then
    "#);
    insta::assert_snapshot!(shown_problems("[sources.a]\ntable='x'\ntime_column='y'\n[sources.a]"), @r#"
    daymark.toml:4: this is not TOML: duplicate key at `a`
        fix this first; other mistakes can only be found then
    "#);
}

#[test]
fn hostile_files_are_refused() {
    let deep = format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000));
    let dotted = format!("{} = 1", vec!["a"; 50_000].join("."));
    let tables = format!("[{}]", vec!["a"; 50_000].join("."));
    let braces = format!("filter = {}", "{a=".repeat(50_000));
    for text in [deep, dotted, tables, braces] {
        let problems = read(&text).problems;
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().len() < 1000, "{}", problems[0]);
    }
    let names =
        format!("[sources.\"{}\"]\n[sources.\"a\\u001b[2J\"]\n[sources.\"a\\\"b\"]", "x".repeat(100_000));
    let shown = shown_problems(&names);
    assert!(shown.len() < 3000 && !shown.contains('\u{1b}'), "{shown}");
    assert!(shown.contains("`a\\\"b` cannot be a name"), "{shown}");
    let nul = shown_problems("[sources.a]\ntable = \"a\\u0000b\"\ntime_column = \"t\"");
    assert!(nul.contains("NUL"), "{nul}");
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |name: &str, contents: Option<&[u8]>| {
        let path = directory.path().join(name);
        if let Some(contents) = contents {
            std::fs::write(&path, contents).unwrap();
        }
        load(Some(&path), &GivenFlags::new(), &Environment::new()).unwrap_err().to_string()
    };
    assert!(refused("absent.toml", None).contains("cannot be read: No such file"));
    assert!(refused("large.toml", Some(&vec![b'#'; 2 << 20])).contains("larger than 1048576 bytes"));
    assert!(refused("latin1.toml", Some(b"# 1\n# 2\nx = \"\xe9\"")).contains("line 3 is not valid UTF-8"));
    assert!(refused("", None).contains("cannot be read"), "a directory");
}

#[test]
fn the_file_is_found_by_flag_or_variable_and_its_paths_start_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.toml");
    let text =
        "[platform]\nurl = \"sqlite:app.db\"\n[sources.posts]\ntable = \"posts\"\ntime_column = \"at\"";
    std::fs::write(&path, text).unwrap();
    let by_flag = load(Some(&path), &GivenFlags::new(), &Environment::new()).unwrap();
    let environment = Environment::from([("DAYMARK_CONFIG".to_owned(), path.clone().into_os_string())]);
    let by_variable = load(None, &GivenFlags::new(), &environment).unwrap();
    for config in [by_flag, by_variable] {
        assert_eq!(config.declarations.sources.len(), 1);
        let url = config.settings.platform.url.unwrap().to_string();
        assert_eq!(url, format!("sqlite:{}", directory.path().join("app.db").display()));
    }
    assert!(process_environment().keys().all(|name| name.starts_with("DAYMARK_") || name == "DATABASE_URL"));
}

#[test]
fn problems_of_the_file_and_of_the_settings_come_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("daymark.toml");
    std::fs::write(&path, "settle_minutes = 1000\nsettle_minuts = 1\n").unwrap();
    let flags = GivenFlags::from([("tenant", "A B".to_owned())]);
    let problems = load(Some(&path), &flags, &Environment::new()).unwrap_err();
    assert_eq!(problems.0.len(), 3, "{problems}");
    assert!(problems.to_string().starts_with("the configuration has 3 problems:"));
}

/// Generates files of almost valid lines, which reach more code than random text.
fn almost_valid_file() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "[sources.posts]",
        "[metrics.a]",
        "[metrics.a.filter]",
        "[[sources]]",
        "[platform]",
        "table",
        "time_column",
        "measure",
        "filter",
        "numerator",
        "expected",
        "top",
        "=",
        "{",
        "}",
        "[",
        "]",
        "\"created\"",
        "\"ratio\"",
        "1",
        "-1",
        "nan",
        "1e400",
        "true",
        "2024-01-01",
        "\"\"\"",
        "'",
        "\"",
        ".",
        ",",
        "\n",
        "\r\n",
        "#",
        "\u{0}",
        "\u{feff}",
        "é",
    ]);
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.join(" "))
}

proptest! {
    #[test]
    fn the_reader_never_panics(text in "\\PC*", near in almost_valid_file()) {
        for text in [text, near] {
            let file = read(&text);
            let resolved = resolve(ResolveRequest {
                declarations: &file.declarations,
                preset: Preset::Community,
                tenant: "acme",
                time_zone: "UTC",
                week_start: jiff::civil::Weekday::Monday,
                schema: &community(),
                detected: &DetectedFormats::new(),
            });
            prop_assert!(file.problems.iter().chain(&resolved.findings).all(|problem| !problem.place.is_empty()));
        }
    }
}
