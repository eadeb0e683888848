//! Derived metrics of a file: what is read, and what is refused.

use jiff::civil::Weekday;

use super::*;
use crate::{
    config::resolve::{derived_findings, derived_metrics},
    metric::{CalendarPeriod, Derivation, MetricType, MovingFunction, Window},
};

/// Every finding, one a line; `posts` and `users` are metrics that exist.
fn shown(text: &str) -> String {
    let ReadFile { declarations, problems, .. } = read(text);
    let known = ["posts", "users"].map(str::to_owned).into();
    let found = problems.into_iter().chain(derived_findings(&declarations, &known));
    found.map(|finding| format!("{:?} {finding}\n", finding.severity)).collect()
}

#[test]
fn formulas_and_moving_values_are_read() {
    let text = r#"
        [derived.per_user]
        formula = "posts / users"
        unit = "posts"
        [derived.posts_weekly_mean]
        moving = "average"
        of = "posts"
        window_days = 7
        display_name = "Posts, mean of a week"
        [derived.posts_this_week]
        moving = "sum"
        of = "posts"
        window = "week"
        [derived.of_both]
        type = "count"
        formula = "per_user + posts_weekly_mean"
    "#;
    assert_eq!(shown(text), "");
    let metrics = derived_metrics(&read(text).declarations, "Europe/Berlin", Weekday::Sunday);
    let of: Vec<_> =
        metrics.iter().map(|metric| (metric.key.category.as_str(), metric.key.metric_type)).collect();
    assert_eq!(
        of,
        [
            ("of_both", MetricType::Count),
            ("per_user", MetricType::Aggregate),
            ("posts_this_week", MetricType::Aggregate),
            ("posts_weekly_mean", MetricType::Average)
        ]
    );
    let moving = Derivation::Moving {
        of: "posts".to_owned(),
        window: Window::Days(7),
        function: MovingFunction::Average,
    };
    assert_eq!(metrics[3].derivation, moving);
    let window = Window::ToDate(CalendarPeriod::WeekFromSunday);
    let moving = Derivation::Moving { of: "posts".to_owned(), window, function: MovingFunction::Sum };
    assert_eq!(metrics[2].derivation, moving, "a week begins on the day that the settings name");
    assert_eq!((metrics[1].unit.as_str(), metrics[1].display_name.as_str()), ("posts", "Per user"));
}

#[test]
fn every_mistake_in_a_derived_metric_is_refused() {
    for (section, message) in [
        ("unit = \"x\"", "give either `formula` or `moving`"),
        ("formula = \"a\"\nmoving = \"sum\"", "give either `formula` or `moving`"),
        ("formula = \"posts ^ 2\"", "`^` has no meaning in a formula"),
        ("formula = \"posts +\"", "cannot be read"),
        ("formula = \"posts / user\"", "`user`, which neither this file nor the preset defines"),
        ("formula = \"posts / user\"", "did you mean `users`?"),
        ("moving = \"sum\"\nwindow_days = 7", "`of` is missing"),
        ("moving = \"sum\"\nof = \"posts\"", "`window_days` is missing"),
        ("moving = \"sum\"\nof = \"posts\"\nwindow_days = 1", "window_days"),
        (
            "moving = \"sum\"\nof = \"posts\"\nwindow_days = 7\nwindow = \"week\"",
            "give `window` or `window_days`, not both",
        ),
        ("moving = \"sum\"\nof = \"posts\"\nwindow = \"year\"", "year"),
        ("formula = \"posts\"\nwindow = \"month\"", "window"),
        ("moving = \"median\"\nof = \"posts\"\nwindow_days = 7", "median"),
        ("moving = \"sum\"\nof = \"Posts!\"\nwindow_days = 7", "is not the name of a metric"),
        ("formula = \"posts\"\nmeasure = \"created\"", "measure"),
        ("formula = \"posts\"\nexpected = { min = 1 }", "expected"),
        ("formula = \"x * 2\"", "it is computed from itself: `x` from `x`"),
    ] {
        let found = shown(&format!("[derived.x]\n{section}\n"));
        assert!(found.contains(message), "{section}: {found}");
    }
    let circle = shown(
        "[derived.a]\nformula = \"b\"\n[derived.b]\nformula = \"posts + c\"\n[derived.c]\nformula = \"a\"",
    );
    assert!(circle.contains("it is computed from itself: `a` from `b` from `c` from `a`"), "{circle}");
    let chain: String = (0..7).map(|n| format!("[derived.d{n}]\nformula = \"d{}\"\n", n + 1)).collect();
    assert!(shown(&chain).contains("more than 5 of them"), "{}", shown(&chain));
    let twice = shown(
        "[derived.visits]\nformula = \"posts\"\n[metrics.visits]\nmeasure = \"created\"\nsource = \"posts\"",
    );
    assert!(twice.contains("[metrics.visits] has this name already"), "{twice}");
}
