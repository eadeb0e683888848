//! What a metric gives before it is recorded: `daymark preview`, and the question before a first backfill.

use serde_json::{Value, json};

use crate::site::{DEFINITIONS, Site, in_terminal};

async fn a_preview_has_the_values_that_a_backfill_then_records(site: Site) {
    let site = site.ready().await;
    let range = ["--from", "2025-01-02", "--to", "2025-01-09"];
    let metrics = ["members_total", "articles_published", "writing_members", "article_words", "sections"];
    let previewed: Vec<Value> = metrics
        .iter()
        .map(|metric| site.json(&["preview", metric, "--days", "8", "--to", "2025-01-09"])["days"].clone())
        .collect();
    assert!(site.records().await.is_empty(), "a preview records nothing");
    site.run(&[&["backfill"], &range[..]].concat()).expect_code(0);
    for (metric, days) in metrics.iter().zip(previewed) {
        let recorded = site.json(&[&["query", "--metric", metric], &range[..]].concat());
        let values = |days: &Value| -> Vec<_> {
            days.as_array().unwrap().iter().map(|day| day["value"].clone()).collect()
        };
        assert_eq!(values(&days), values(&recorded["series"][0]["points"]), "{metric}: {days} {recorded}");
    }
}

async fn a_day_of_no_rows_has_no_value(site: Site) {
    let site = site.ready().await;
    site.on_platform("DELETE FROM articles WHERE published_on = '2025-01-03'").await;
    let preview = ["preview", "article_words", "--days", "2", "--to", "2025-01-03"];
    let days = site.json(&preview)["days"].clone();
    assert_eq!((&days[0]["no_data"], days[0]["value"].is_number()), (&json!(false), true), "{days}");
    assert_eq!((&days[1]["no_data"], &days[1]["value"]), (&json!(true), &Value::Null), "{days}");
    assert_eq!(days[1]["metadata"]["sample_size"], 0, "{days}");
    let shown = site.run(&preview).expect_code(0).stdout;
    assert!(shown.contains("2025-01-03  no data\n"), "{shown}");
    let shown = site.run(&[preview.as_slice(), &["--format", "csv"]].concat()).expect_code(0).stdout;
    assert!(shown.ends_with("2025-01-03,\n"), "{shown}");
}

async fn a_preview_draws_the_days_and_prints_the_sql(site: Site) {
    let site = site.ready().await;
    let shown = site.run(&["preview", "articles_published", "--days", "3", "--to", "2025-01-04"]);
    let shown = shown.expect_code(0).stdout;
    let chart = format!("2025-01-02  1  {}\n2025-01-03  2  {}\n", "█".repeat(20), "█".repeat(40));
    assert!(shown.starts_with(&format!("articles_published  (count, created)\n{chart}")), "{shown}");
    assert!(shown.contains("Nothing was recorded.\n\n-- ") && shown.contains("SELECT"), "{shown}");
    let labels =
        site.run(&["preview", "sections", "--days", "1", "--to", "2025-01-04"]).expect_code(0).stdout;
    assert!(labels.contains("2025-01-04: "), "{labels}");
    let csv = ["preview", "articles_published", "--days", "2", "--to", "2025-01-03", "--format", "csv"];
    assert_eq!(site.run(&csv).stdout, "metric_date,value\n2025-01-02,1\n2025-01-03,2\n");
}

async fn a_definition_that_is_not_made_yet_can_be_previewed(site: Site) {
    // Neither applied nor migrated: a preview needs only the platform.
    site.write_config(DEFINITIONS);
    let given =
        json!({"measure": "created", "source": "articles", "filter": {"section": "news"}}).to_string();
    let days = ["--days", "10", "--to", "2025-01-11", "--definition"];
    let preview = site.json(&[&["preview"], &days[..], &[&given]].concat());
    let sum: i64 = preview["days"].as_array().unwrap().iter().map(|day| day["value"].as_i64().unwrap()).sum();
    // Every fourth of the twenty articles; the day of the last one is 2025-01-12.
    assert_eq!(sum, 4, "{preview}");
    assert_eq!(site.run(&["preview", "articles_published"]).expect_code(0).stderr, "");
    for (arguments, message) in [
        (&["preview", "article_published"][..], "did you mean"),
        (&["preview", "--definition", "[]"], "not a JSON object"),
        (&["preview", "--definition", r#"{"measure": "created", "source": "article"}"#], "articles"),
        (
            &[
                "preview",
                "--definition",
                r#"{"measure": "breakdown", "source": "articles", "column": "section", "of": "existing", "distinct": "member_id"}"#,
            ],
            "the definition is wrong: distinct counts by label",
        ),
        (&["preview"], "CATEGORY"),
        (&["preview", "articles_published", "--days", "0"], "0"),
        (&["preview", "articles_published", "--to", "1600-01-01"], "1600"),
    ] {
        let refused = site.run(arguments).expect_code(2);
        assert!(refused.stderr.contains(message), "{arguments:?}: {}", refused.stderr);
    }
}

/// A derived metric is computed from records; an error is that of the metric, not of others.
async fn a_metric_that_cannot_be_previewed_has_its_own_reason(site: Site) {
    let further = "
        [derived.articles_per_member]
        formula = \"articles_published / members_total\"
        [derived.articles_of_a_week]
        moving = \"average\"
        of = \"articles_per_member\"
        window_days = 7
        [metrics.wrong_words]
        measure = \"average\"
        source = \"articles\"
        column = \"wordz\"
        [metrics.wrong_source]
        measure = \"created\"
        source = \"articlez\"
    ";
    site.write_config(&format!("{DEFINITIONS}\n{further}"));
    for metric in ["articles_per_member", "articles_of_a_week"] {
        let refused = site.run(&["preview", metric]).expect_code(2).stderr;
        assert!(refused.contains("preview `articles_published` and `members_total`"), "{refused}");
    }
    let refused = site.run(&["preview", "wrong_words"]).expect_code(2).stderr;
    assert!(refused.contains("wordz") && !refused.contains("articlez"), "{refused}");
}

async fn a_first_backfill_asks_in_a_terminal(site: Site) {
    let site = site.ready().await;
    let backfill = ["backfill", "--from", "2025-01-02", "--to", "2025-01-09"];
    let refused = in_terminal(&site, &backfill, "n\n");
    assert!(refused.stdout.contains("Record 6 metrics for the first time?"), "{}", refused.stdout);
    assert!(
        refused.stdout.contains("articles_published  ·") || refused.stdout.contains('█'),
        "{}",
        refused.stdout
    );
    assert!(refused.stdout.contains("Nothing was recorded."), "{}", refused.stdout);
    assert!(site.records().await.is_empty());
    let accepted = in_terminal(&site, &backfill, "y\n");
    assert!(accepted.stdout.contains("48 written"), "{}", accepted.stdout);
    assert_eq!(site.records().await.len(), 48);
    let again = in_terminal(&site, &backfill, "");
    assert!(!again.stdout.contains("for the first time"), "{}", again.stdout);
}

async fn a_first_backfill_of_a_script_shows_values_with_yes_and_never_asks(site: Site) {
    let site = site.ready().await;
    let backfill = ["backfill", "--from", "2025-01-02", "--to", "2025-01-09"];
    let quiet = site.run(&[&backfill[..], &["--metric", "members_total"]].concat()).expect_code(0);
    assert!(!quiet.stderr.contains("Not recorded before"), "{}", quiet.stderr);
    let shown = site.run(&[&backfill[..], &["--yes"]].concat()).expect_code(0);
    let title = "Not recorded before; the 14 days 2024-12-27 to 2025-01-09:";
    assert!(shown.stderr.contains(title), "{}", shown.stderr);
    assert!(!shown.stderr.contains("members_total"), "it was recorded before: {}", shown.stderr);
    assert_eq!(site.records().await.len(), 48);
}

crate::on_both!(
    a_preview_has_the_values_that_a_backfill_then_records,
    a_day_of_no_rows_has_no_value,
    a_preview_draws_the_days_and_prints_the_sql,
    a_definition_that_is_not_made_yet_can_be_previewed,
    a_metric_that_cannot_be_previewed_has_its_own_reason,
    a_first_backfill_asks_in_a_terminal,
    a_first_backfill_of_a_script_shows_values_with_yes_and_never_asks,
);
