//! Reads a `[derived.…]` section: a metric that is computed from other metrics when it is read.

use std::ops::RangeInclusive;

use crate::{
    config::file::{
        declaration::DerivedDeclaration,
        document::Section,
        metric_section::{WINDOW_DAYS, read_texts},
    },
    metric::{Derivation, MetricFormula, MetricType, MovingFunction, is_name},
};

/// Returns nothing if it cannot be told how the metric is computed, which is then reported.
pub fn read_derived(category: &str, section: Section) -> Option<DerivedDeclaration> {
    let types = MetricType::ALL.map(|metric_type| (metric_type.name(), metric_type));
    let metric_type = section.choice("type", &types).map(|metric_type| metric_type.value);
    let texts = read_texts(&section);
    let derivation = match (section.has("formula"), section.has("moving")) {
        (true, false) => read_formula(&section),
        (false, true) => read_moving(&section),
        _ => {
            let message = "give either `formula` or `moving`";
            let hint = "write `formula = \"revenue / orders\"`, or `moving = \"average\"` with `of` and `window_days`";
            section.section_problem(message, Some(hint.to_owned()));
            None
        }
    };
    let place = section.place();
    // The keys of the other way are unknown ones, unless the way itself is.
    if derivation.is_none() {
        let _ = (section.text("formula"), section.text("of"), section.integer("window_days", WINDOW_DAYS));
    }
    section.finish();
    let [display_name, description, unit, format_pattern] = texts;
    Some(DerivedDeclaration {
        category: category.to_owned(),
        place,
        metric_type,
        display_name,
        description,
        unit,
        format_pattern,
        derivation: derivation?,
    })
}

fn read_formula(section: &Section) -> Option<Derivation> {
    let text = section.text("formula")?;
    match text.value.parse::<MetricFormula>() {
        Ok(formula) => Some(Derivation::Formula(formula)),
        Err(error) => {
            section.problem("formula", error, None);
            None
        }
    }
}

fn read_moving(section: &Section) -> Option<Derivation> {
    let function = section.choice("moving", &MovingFunction::ALL);
    let of = required(section, "of", "the metric whose values are combined");
    let window_days = section.integer("window_days", WINDOW);
    if !section.has("window_days") {
        let hint = "add `window_days = 7`: how many days end with the day";
        section.section_problem("`window_days` is missing", Some(hint.to_owned()));
    }
    let of = of.filter(|name| {
        if !is_name(name) {
            section.problem("of", format!("`{name}` is not the name of a metric"), None);
        }
        is_name(name)
    });
    Some(Derivation::Moving {
        of: of?,
        window_days: u32::try_from(window_days?.value).ok()?,
        function: function?.value,
    })
}

/// A window of one day is the metric itself.
const WINDOW: RangeInclusive<i64> = 2..=366;

fn required(section: &Section, key: &'static str, what: &str) -> Option<String> {
    if !section.has(key) {
        section.section_problem(format!("`{key}` is missing"), Some(format!("add `{key} = \"…\"`: {what}")));
    }
    Some(section.text(key)?.value)
}
