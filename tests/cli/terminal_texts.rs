//! Texts of a store or a platform are printed so that they cannot move the cursor of a terminal or change its colours.

use crate::site::Site;

/// An escape sequence, the end of a line, and a change of the direction of writing.
const TEXT: &str = "a\nb\u{1b}[31mred\u{202e}x";
const SHOWN: &str = "a\\nb\\u{1b}[31mred\\u{202e}x";

async fn texts_of_others_are_printed_escaped(site: Site) {
    let site = site.ready().await;
    site.on_platform(&format!("UPDATE articles SET section = '{TEXT}'")).await;
    site.run(&["backfill", "--to", "2025-01-12", "--yes"]).expect_code(0);
    let day = ["--date", "2025-01-05", "--value", "7", "--reason", TEXT, "--yes"];
    site.run(&[["correct", "articles_published"].as_slice(), &day].concat()).expect_code(0);
    site.run(&["annotations", "add", "2025-01-08", TEXT]).expect_code(0);
    let made = [
        ["alerts", "silence", "day_missing", "--reason", TEXT, "--for", "4h"].as_slice(),
        &["schedule", "pause", "--reason", TEXT],
    ];
    let read = [
        ["corrections"].as_slice(),
        &["annotations"],
        &["alerts"],
        &["schedule"],
        &["query", "--metric", "sections", "--from", "2025-01-01", "--to", "2025-01-12"],
        &["preview", "sections", "--days", "12", "--to", "2025-01-12"],
    ];
    for arguments in made.into_iter().chain(read) {
        let stdout = site.run(arguments).expect_code(0).stdout;
        assert!(stdout.contains(SHOWN), "{arguments:?}: {stdout}");
        let steering = stdout.chars().find(|character| character.is_control() && *character != '\n');
        assert_eq!(steering, None, "{arguments:?}: {stdout}");
    }
}

crate::on_both!(texts_of_others_are_printed_escaped);
