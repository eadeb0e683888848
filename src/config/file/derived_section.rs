//! Reads a `[derived.…]` section: a metric that is computed from other metrics when it is read.

use std::ops::RangeInclusive;

use crate::{
    config::{
        file::{
            declaration::{DerivedDeclaration, PERIODS},
            document::Section,
            metric_section::{WINDOW_DAYS, read_texts},
        },
        suggest::named_variants,
    },
    metric::{Derivation, MetricFormula, Window, is_name},
};

/// Returns `None`, and reports a problem, if the section does not say how the metric is computed.
pub fn read_derived(category: &str, section: Section) -> Option<DerivedDeclaration> {
    let metric_type = section.choice("type", &named_variants()).map(|metric_type| metric_type.value);
    let texts = read_texts(&section);
    let derivation = match (section.has("formula"), section.has("moving")) {
        (true, false) => read_formula(&section),
        (false, true) => read_moving(&section),
        _ => {
            let message = "give either `formula` or `moving`";
            let hint = "write `formula = \"revenue / orders\"`, or `moving = \"average\"` with `of` and `window_days` or `window`";
            section.section_problem(message, Some(hint.to_owned()));
            None
        }
    };
    let place = section.place();
    // A formula has none of the keys of a moving value, and vice versa, so such keys are reported as unknown. They are accepted if neither kind was recognised, because that mistake is reported already.
    if derivation.is_none() {
        let _ = (section.text("formula"), section.text("of"));
        let _ = (section.integer("window_days", WINDOW_DAYS), section.choice("window", &PERIODS));
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
    let function = section.choice("moving", &named_variants());
    let of = required(section, "of", "the metric whose values are combined");
    let window = read_window(section);
    let of = of.filter(|name| {
        if !is_name(name) {
            section.problem("of", format!("`{name}` is not the name of a metric"), None);
        }
        is_name(name)
    });
    Some(Derivation::Moving { of: of?, window: window?, function: function?.value })
}

fn read_window(section: &Section) -> Option<Window> {
    let days = section.integer("window_days", WINDOW);
    let period = section.choice("window", &PERIODS);
    match (section.has("window_days"), section.has("window")) {
        (true, false) => Some(Window::Days(u32::try_from(days?.value).ok()?)),
        (false, true) => Some(Window::ToDate(period?.value)),
        (true, true) => {
            section.section_problem("give `window` or `window_days`, not both", None);
            None
        }
        (false, false) => {
            let hint = "add `window_days = 7` for a window of 7 days that ends with the day, or `window = \"month\"` for the month to date";
            section.section_problem("`window_days` is missing", Some(hint.to_owned()));
            None
        }
    }
}

/// A window of one day is the metric itself.
const WINDOW: RangeInclusive<i64> = 2..=366;

fn required(section: &Section, key: &'static str, what: &str) -> Option<String> {
    if !section.has(key) {
        section.section_problem(format!("`{key}` is missing"), Some(format!("add `{key} = \"…\"`: {what}")));
    }
    Some(section.text(key)?.value)
}
