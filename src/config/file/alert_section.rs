//! Reads an `[alerts.…]` section: a rule about a metric, or changes of a built-in rule.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::{
    config::{
        alerting::{
            AlertCondition, AlertRule, AlertSeverity, BUILT_IN_RULES, MetricCondition, MetricTest,
            built_in_rules,
        },
        file::document::Section,
        suggest::{named_variants, shown, suggestion},
    },
    metric::Decimal,
};

/// The words of `condition`.
const CONDITIONS: [&str; 5] = ["above", "below", "rises", "falls", "missing"];
/// The longest time in minutes for which a condition can be wanted to hold: 30 days.
const MAX_FOR_MINUTES: i64 = 30 * 24 * 60;
/// The labels that notifications have beside those of their rule.
const RESERVED_LABELS: [&str; 3] = ["alertname", "severity", "tenant"];
/// The most labels of a rule, and the greatest lengths of their names and values, in characters.
const MAX_LABELS: usize = 20;
const MAX_LABEL_NAME: usize = 100;
const MAX_LABEL_VALUE: usize = 200;
/// The most days of `for_days` and of `window_days`.
const MAX_DAYS: i64 = 366;

/// The rules of a file together with the built-in ones that it does not turn off.
pub fn read_rules<'a>(sections: Vec<(&'a str, Section<'a>)>, channels: &[&str]) -> Vec<AlertRule> {
    let mut rules = built_in_rules();
    for (name, section) in sections {
        // These are read before a wrong condition ends the rule, so that all problems are found.
        let enabled = section.boolean("enabled").is_none_or(|enabled| enabled.value);
        let common = CommonKeys::read(&section, channels);
        let built_in = rules.iter().position(|rule| rule.name == name);
        let rule = match built_in {
            Some(at) => {
                let rule = rules.remove(at);
                Some(AlertRule { condition: adjusted(&section, rule.condition), ..rule })
            }
            None => metric_rule(name, &section),
        };
        section.finish();
        rules.extend(rule.filter(|_| enabled).map(|rule| common.applied_to(rule)));
    }
    rules
}

/// The keys that every rule has; `None` where a rule keeps its default.
struct CommonKeys {
    place: String,
    severity: Option<AlertSeverity>,
    holds_for: Option<SignedDuration>,
    channels: Option<Vec<String>>,
    labels: BTreeMap<String, String>,
}

impl CommonKeys {
    fn read(section: &Section, channels: &[&str]) -> Self {
        let severity = section.choice("severity", &named_variants()).map(|severity| severity.value);
        let minutes = section.integer("for_minutes", 0..=MAX_FOR_MINUTES).map(|minutes| minutes.value);
        let named = section.texts("channels").map(|names| names.value);
        for name in named.iter().flatten().filter(|name| !channels.contains(&name.as_str())) {
            let hint = suggestion(name, channels.iter().copied())
                .or_else(|| Some(format!("declare it under [channels.{name}]")));
            section.problem("channels", format!("there is no channel {}", shown(name)), hint);
        }
        Self {
            place: section.place(),
            severity,
            holds_for: minutes.map(SignedDuration::from_mins),
            channels: named,
            labels: labels(section),
        }
    }

    fn applied_to(self, rule: AlertRule) -> AlertRule {
        AlertRule {
            place: self.place,
            severity: self.severity.unwrap_or(rule.severity),
            holds_for: self.holds_for.unwrap_or(rule.holds_for),
            channels: self.channels.or(rule.channels),
            labels: self.labels,
            ..rule
        }
    }
}

fn labels(section: &Section) -> BTreeMap<String, String> {
    let Some(labels) = section.section("labels") else { return BTreeMap::new() };
    let mut read = BTreeMap::new();
    for name in labels.keys() {
        let value = labels.text(name).map(|value| value.value);
        if let Some((problem, hint)) = label_problem(name, value.as_deref()) {
            labels.problem(name, problem, Some(hint));
        } else if let Some(value) = value {
            read.insert(name.to_owned(), value);
        }
    }
    if read.len() > MAX_LABELS {
        section.problem("labels", format!("a rule can have {MAX_LABELS} labels at most"), None);
    }
    labels.finish();
    read
}

/// The problem with a label, and what to do. Alertmanager refuses a whole request if it does not accept one of its labels.
fn label_problem(name: &str, value: Option<&str>) -> Option<(String, String)> {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let is_name = begins && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_name || name.len() > MAX_LABEL_NAME {
        let hint = format!(
            "use at most {MAX_LABEL_NAME} ASCII letters, digits and underscores, not beginning with a digit"
        );
        return Some((format!("{} cannot be the name of a label", shown(name)), hint));
    }
    if name.starts_with("__") || RESERVED_LABELS.contains(&name) {
        let hint = format!(
            "names that begin with `__` belong to Prometheus, and Daymark itself sets {}",
            RESERVED_LABELS.map(shown).join(", ")
        );
        return Some((format!("the label {} is reserved", shown(name)), hint));
    }
    let length = value?.chars().count();
    ((length == 0) || length > MAX_LABEL_VALUE).then(|| {
        let message = format!("the value of the label {} has {length} characters", shown(name));
        (
            message,
            format!("use 1 to {MAX_LABEL_VALUE} characters; a label without a value is the same as no label"),
        )
    })
}

/// A built-in condition with the threshold of the section.
fn adjusted(section: &Section, condition: AlertCondition) -> AlertCondition {
    let whole = |key, max, default| section.integer(key, 1..=max).map_or(default, |value| value.value);
    match condition {
        AlertCondition::CollectionFailing { runs } => {
            AlertCondition::CollectionFailing { runs: whole("runs", 100, runs) }
        }
        AlertCondition::NothingRecorded { hours } => {
            AlertCondition::NothingRecorded { hours: whole("hours", 8_760, hours) }
        }
        AlertCondition::QueryErrors { percent: default } => {
            let percent = percent(section).unwrap_or(default);
            if percent >= Decimal::from(100) {
                let message =
                    format!("`percent` must be below 100, not {percent}: more than all requests cannot fail");
                section.problem("percent", message, None);
            }
            AlertCondition::QueryErrors { percent }
        }
        AlertCondition::SlowCollection { seconds } => {
            AlertCondition::SlowCollection { seconds: whole("seconds", 86_400, seconds) }
        }
        AlertCondition::ForgottenPause { hours } => {
            AlertCondition::ForgottenPause { hours: whole("hours", 8_760, hours) }
        }
        AlertCondition::Anomaly { values } => {
            AlertCondition::Anomaly { values: whole("values", 100_000, values) }
        }
        AlertCondition::Drift { percent: default } => {
            AlertCondition::Drift { percent: percent(section).unwrap_or(default) }
        }
        other @ (AlertCondition::DayMissing | AlertCondition::Metric(_)) => other,
    }
}

fn metric_rule(name: &str, section: &Section) -> Option<AlertRule> {
    let metric = section.text("metric");
    if metric.is_none() && !section.has("metric") {
        let hint = suggestion(name, BUILT_IN_RULES).unwrap_or_else(|| {
            "add `metric = \"…\"`: the metric whose values are tested; the built-in rules are listed in docs/alerts.md"
                .to_owned()
        });
        section.section_problem("`metric` is missing, and this is no built-in rule", Some(hint));
    }
    let test = metric_test(section);
    let days = section.integer("for_days", 1..=MAX_DAYS).map_or(1, |days| days.value);
    // A day that was due a moment ago is being collected.
    let holds_for = match test {
        Some(MetricTest::Missing) => SignedDuration::from_hours(1),
        _ => SignedDuration::ZERO,
    };
    let condition = MetricCondition { metric: metric?.value, test: test?, days: u32::try_from(days).ok()? };
    Some(AlertRule {
        name: name.to_owned(),
        place: section.place(),
        condition: AlertCondition::Metric(condition),
        severity: AlertSeverity::Warning,
        holds_for,
        channels: None,
        labels: BTreeMap::new(),
    })
}

fn metric_test(section: &Section) -> Option<MetricTest> {
    let Some(word) = section.text("condition") else {
        mark_parameters(section);
        if !section.has("condition") {
            let words = CONDITIONS.map(shown).join(", ");
            let hint = format!("add `condition = \"…\"`: one of {words}");
            section.section_problem("`condition` is missing", Some(hint));
        }
        return None;
    };
    match word.value.as_str() {
        "above" => value(section).map(MetricTest::Above),
        "below" => value(section).map(MetricTest::Below),
        "missing" => Some(MetricTest::Missing),
        "rises" | "falls" => {
            let window = section.integer("window_days", 1..=MAX_DAYS).map_or(7, |days| days.value);
            let (percent, window_days) = (required_percent(section)?, u32::try_from(window).ok()?);
            Some(match word.value.as_str() {
                "rises" => MetricTest::Rises { percent, window_days },
                _ => MetricTest::Falls { percent, window_days },
            })
        }
        other => {
            mark_parameters(section);
            let hint = suggestion(other, CONDITIONS);
            section.problem("condition", format!("`condition` cannot be {}", shown(other)), hint);
            None
        }
    }
}

/// Marks the parameters of all conditions as known, so that a wrong condition is the only problem.
fn mark_parameters(section: &Section) {
    for key in ["value", "percent", "window_days"] {
        section.item(key);
    }
}

fn value(section: &Section) -> Option<Decimal> {
    if !section.has("value") {
        section.section_problem(
            "`value` is missing",
            Some("add `value = …`: the number that the metric is compared with".to_owned()),
        );
    }
    section.number("value")
}

fn required_percent(section: &Section) -> Option<Decimal> {
    if !section.has("percent") {
        section.section_problem(
            "`percent` is missing",
            Some("add `percent = …`: the least change, such as 50".to_owned()),
        );
    }
    percent(section)
}

fn percent(section: &Section) -> Option<Decimal> {
    let percent = section.number("percent")?;
    if percent <= Decimal::zero() {
        section.problem("percent", format!("`percent` must be above 0, not {percent}"), None);
        return None;
    }
    Some(percent)
}
