//! Checks the derived metrics of a file, which needs no platform: what they are computed from, and that none is computed from
//! itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Weekday;

use crate::{
    config::{
        file::declaration::{Declarations, DerivedDeclaration},
        finding::Finding,
        recognise::names::title,
        suggest::suggestion,
    },
    metric::{Derivation, DerivedMetric, MetricKey, MetricType, MovingFunction},
};

/// How many derived metrics may be computed from each other, one after the other.
const MAX_DEPTH: usize = 5;

/// Returns the derived metrics, by name. Those with mistakes are left out; [`derived_findings`] has the mistakes.
pub fn derived_metrics(
    declarations: &Declarations,
    time_zone: &str,
    week_start: Weekday,
) -> Vec<DerivedMetric> {
    let wrong = wrong(declarations);
    let right =
        declarations.derived.iter().filter(|declared| !wrong.contains_key(declared.category.as_str()));
    let mut metrics: Vec<_> =
        right.map(|declared| derived_metric(declared, time_zone, week_start, false)).collect();
    metrics.sort_by(|one, other| one.key.category.cmp(&other.key.category));
    metrics
}

/// Returns an error for each mistake, and a warning for each input that is none of `known`: it may be made through the API.
pub fn derived_findings(declarations: &Declarations, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings: Vec<_> = wrong(declarations).into_values().collect();
    let is_derived = |name: &String| declarations.derived.iter().any(|declared| declared.category == *name);
    for declared in &declarations.derived {
        for name in
            declared.derivation.inputs().iter().filter(|name| !known.contains(*name) && !is_derived(name))
        {
            let message = format!(
                "it is computed from `{name}`, which neither this file nor the preset defines, so that it has values only if \
                 `{name}` is made through the API"
            );
            let hint = suggestion(name, known.iter().map(String::as_str));
            findings.push(Finding::warning(&declared.place, message).maybe_hint(hint));
        }
    }
    findings
}

/// Returns the metric. An optional one is left out where nothing records what it is computed from.
pub fn derived_metric(
    declared: &DerivedDeclaration,
    time_zone: &str,
    week_start: Weekday,
    is_optional: bool,
) -> DerivedMetric {
    let mut derivation = declared.derivation.clone();
    if let Derivation::Moving { window, .. } = &mut derivation {
        *window = window.with_week_from(week_start);
    }
    let implied = match &declared.derivation {
        Derivation::Moving { function: MovingFunction::Average, .. } => MetricType::Average,
        _ => MetricType::Aggregate,
    };
    let or = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    DerivedMetric {
        key: MetricKey {
            metric_type: declared.metric_type.unwrap_or(implied),
            category: declared.category.clone(),
        },
        display_name: or(&declared.display_name, &title(&declared.category)),
        description: or(&declared.description, ""),
        unit: or(&declared.unit, ""),
        format_pattern: or(&declared.format_pattern, "0,0.00"),
        time_zone: time_zone.to_owned(),
        derivation,
        is_optional,
    }
}

/// The first mistake of each metric that has one, by name.
fn wrong(declarations: &Declarations) -> BTreeMap<&str, Finding> {
    let by_name: BTreeMap<_, _> =
        declarations.derived.iter().map(|declared| (declared.category.as_str(), declared)).collect();
    let mut wrong = BTreeMap::new();
    for declared in &declarations.derived {
        let name = declared.category.as_str();
        let mut path = vec![name];
        let problem = if declarations.metrics.iter().any(|metric| metric.category == name) {
            Some(format!("[metrics.{name}] has this name already"))
        } else {
            depth_problem(&by_name, &mut path)
        };
        wrong.extend(problem.map(|problem| (name, Finding::error(&declared.place, problem))));
    }
    wrong
}

/// Follows the inputs of the last metric of `path`.
fn depth_problem<'a>(
    by_name: &BTreeMap<&'a str, &'a DerivedDeclaration>,
    path: &mut Vec<&'a str>,
) -> Option<String> {
    let last = path.last().and_then(|name| by_name.get(name))?;
    for input in last.derivation.inputs() {
        let Some((input, _)) = by_name.get_key_value(input.as_str()) else { continue };
        if path.contains(input) {
            let way: Vec<_> = path.iter().chain([input]).map(|name| format!("`{name}`")).collect();
            return Some(format!("it is computed from itself: {}", way.join(" from ")));
        }
        if path.len() == MAX_DEPTH {
            return Some(format!(
                "it is computed from derived metrics that are computed from others, more than {MAX_DEPTH} of them one after \
                 the other"
            ));
        }
        path.push(input);
        if let Some(problem) = depth_problem(by_name, path) {
            return Some(problem);
        }
        path.pop();
    }
    None
}
