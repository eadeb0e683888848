//! Combinations of keys that do not make a metric, each with the message that says so.

use super::*;

const SOURCES: &str = r#"
preset = "none"
[sources.posts]
table = "posts"
time_column = "created_at"
actor_column = "author_id"
[sources.comments]
table = "comments"
time_column = "created_at"
[metrics.m]
"#;

/// The keys of a metric, what is wrong with them, and whether that is an error or a warning.
const COMBINATIONS: &[(&str, &str)] = &[
    ("measure = 'created'\nsources = ['posts', 'comments']", "Error: this measure reads one source"),
    (
        "measure = 'created'\nsource = 'posts'\nsources = ['posts']",
        "Error: give `source` or `sources`, not both",
    ),
    (
        "measure = 'existing'\nsource = 'posts'\nof = 'created'",
        "Error: the measure `existing` has no key `of`",
    ),
    (
        "measure = 'created'\nsource = 'posts'\ntype = 'average'",
        "Error: the measure `created` makes a count, which is not of type",
    ),
    (
        "measure = 'sum'\nsource = 'posts'\ncolumn = 'score'\ntype = 'count'",
        "Error: the measure `sum` makes an aggregate",
    ),
    ("measure = 'sum'\nsource = 'posts'\ncolumn = 'title'", "Error: `title` is of type text, not a number"),
    ("measure = 'distinct_actors'\nsource = 'comments'", "Error: source `comments` has no actor_column"),
    (
        "measure = 'distinct_actors'\nsource = 'posts'\nwindow = 'week'\nwindow_days = 7",
        "Error: give `window` or `window_days`, not both",
    ),
    ("measure = 'distinct'\nsource = 'posts'", "Error: `column` is missing"),
    (
        "measure = 'median'\nsource = 'posts'\ncolumn = 'score'\nquantile = 0.5",
        "Error: the measure `median` has no key `quantile`",
    ),
    ("measure = 'quantile'\nsource = 'posts'\ncolumn = 'score'", "Error: `quantile` is missing"),
    (
        "measure = 'quantile'\nsource = 'posts'\ncolumn = 'score'\nquantile = 95",
        "Error: `quantile` must be from 0 to 1",
    ),
    (
        "measure = 'quantile'\nsource = 'posts'\ncolumn = 'score'\nquantile = 0.5\nwindow = 'week'",
        "Error: the measure `quantile` has no key `window`",
    ),
    (
        "measure = 'breakdown'\nsource = 'posts'\ncolumn = 'status'\nsum = 'score'\naverage = 'score'",
        "Error: a breakdown has one of `sum`, `average` and `distinct`, not several",
    ),
    (
        "measure = 'breakdown'\nsource = 'posts'\ncolumn = 'status'\nsum = 'title'",
        "Error: `title` is of type text, not a number",
    ),
    (
        "measure = 'breakdown'\nsource = 'posts'\ncolumn = 'status'\nof = 'existing'\ndistinct = 'author_id'",
        "Error: distinct counts by label are of rows created in the day",
    ),
    (
        "measure = 'ratio'\nnumerator = 'm'\ndenominator = { measure = 'created', source = 'posts' }",
        "Error: numerator: a ratio consists of the measures",
    ),
    (
        "measure = 'retention'\nsource = 'posts'",
        "Error: `after_days` is missing, which the measure `retention` requires",
    ),
    (
        "measure = 'retention'\nsource = 'comments'\nafter_days = 1",
        "Error: source `comments` has no actor_column, which is needed to distinguish actors",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\ncohort = 'comments'\nafter_days = 1",
        "Error: source `comments` has no actor_column, which is needed to distinguish actors",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\ncohort = 'visits'\nafter_days = 1",
        "Error: source `visits` is not declared",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\ncohort = 3\nafter_days = 1",
        "Error: `cohort` must be a source",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\ncohort = { filter = {} }\nafter_days = 1",
        "Error: `source` is missing",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\ncohort = { source = 'posts', filter = { scroe = 3 } }\nafter_days = 1",
        "Error: table `posts` has no column `scroe`",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\nafter_days = 7\nwindow_days = 9",
        "Error: `window_days` is 9, so that the window begins before the day of the cohort, which is 7 days back; it must be at most 8",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\nafter_days = 7\nwindow_days = 8",
        "Warning: the window has the day of the cohort, on which everyone who comes then is active, so that the share is always 100; the window must have at most 7 days",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\nafter_days = 7\nwindow = 'week'",
        "Error: the measure `retention` has no key `window`",
    ),
    (
        "measure = 'retention'\nsource = 'posts'\nafter_days = 7\ntype = 'average'",
        "Error: the measure `retention` makes a percentage, which is not of type `average`",
    ),
    (
        "measure = 'growth'\nsource = 'posts'",
        "Error: `state` is missing, which the measure `growth` requires",
    ),
    ("measure = 'growth'\nsource = 'posts'\nstate = 'lost'", "Error: `state` cannot be `lost`"),
    (
        "measure = 'growth'\nsources = ['posts', 'comments']\nstate = 'new'",
        "Error: source `comments` has no actor_column, which is needed to distinguish actors",
    ),
    (
        "measure = 'growth'\nsource = 'posts'\nstate = 'new'\nwindow = 'month'",
        "Error: the measure `growth` has no key `window`",
    ),
    (
        "measure = 'growth'\nsource = 'posts'\nstate = 'new'\ncohort = 'posts'",
        "Error: the measure `growth` has no key `cohort`",
    ),
    ("measure = 'sql'\nquery = 'select {day} as value'\nreturns = 'value'", "Error: `adds_up` is missing"),
    (
        "measure = 'sql'\nquery = 'select {day} as value'\nreturns = 'value'\nadds_up = 'sum'\ntop = 3",
        "Error: `top` is only allowed for a query that returns \"labels\"",
    ),
    (
        "measure = 'sql'\nquery = 'select {day} as value'\nreturns = 'ratio'\nadds_up = 'sum'",
        "Error: `adds_up` is only allowed for a query that returns \"value\" or \"labels\"",
    ),
    (
        "measure = 'sql'\nquery = 'select {day} as value'\nreturns = 'average'\nsigned = true",
        "Error: `signed` is only allowed for a query that returns \"value\" or \"labels\"",
    ),
    (
        "type = 'count'\nmeasure = 'sql'\nquery = 'select {day} as value'\nreturns = 'value'\nadds_up = 'sum'\nsigned = true",
        "Error: a count is never negative, so that it cannot be `signed`",
    ),
    ("measure = 'created'\nsource = 'posts'\nexpected = { min = 3, max = 2 }", "Error: min 3 is above max 2"),
];

#[test]
fn each_combination_of_keys_that_makes_no_metric_has_its_own_message() {
    for (keys, message) in COMBINATIONS {
        let file = read(&format!("{SOURCES}{keys}"));
        let resolved = resolved_file(&file, &community(), &DetectedFormats::new());
        let findings: Vec<_> = file.problems.iter().chain(&resolved.findings).collect();
        let told: Vec<_> =
            findings.iter().map(|finding| format!("{:?}: {}", finding.severity, finding.message)).collect();
        assert!(told.len() == 1 && told[0].starts_with(message), "{keys}\n{told:?} instead of {message}");
        assert!(findings[0].place.contains("[metrics.m"), "{}", findings[0].place);
    }
}
