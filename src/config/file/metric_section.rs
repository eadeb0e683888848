//! Reads a `[metrics.…]` section.

use toml_edit::Item;

use crate::{
    config::{
        file::{
            declaration::{CohortDeclaration, Formula, MetricDeclaration, PERIODS, RatioSide},
            document::Section,
            filter_section::read_filter,
        },
        finding::Located,
        suggest::named_variants,
    },
    metric::{DashboardPlace, ExpectedRange, Quantile, Retention},
};

/// The limits of `top`, `window_days` and `after_days`, which are the same as in definitions.
const TOP: std::ops::RangeInclusive<i64> = 1..=1000;
pub(super) const WINDOW_DAYS: std::ops::RangeInclusive<i64> = 1..=366;
const AFTER_DAYS: std::ops::RangeInclusive<i64> = 0..=Retention::MAX_AFTER_DAYS as i64;
/// The limits of texts in characters, which are the same as in the store's table of definitions.
const DISPLAY_NAME: std::ops::RangeInclusive<usize> = 1..=1000;
const DESCRIPTION: std::ops::RangeInclusive<usize> = 0..=10_000;
const UNIT: std::ops::RangeInclusive<usize> = 0..=1000;
const FORMAT_PATTERN: std::ops::RangeInclusive<usize> = 0..=1000;
/// A heading is a few words.
const GROUP: std::ops::RangeInclusive<usize> = 1..=100;

pub fn read_metric(category: &str, section: Section) -> MetricDeclaration {
    let [display_name, description, unit, format_pattern] = read_texts(&section);
    let declaration = MetricDeclaration {
        category: category.to_owned(),
        place: section.place(),
        metric_type: section.choice("type", &named_variants()),
        display_name,
        description,
        unit,
        format_pattern,
        dashboard: section.section("dashboard").map(read_dashboard),
        expected: section.section("expected").and_then(read_expected),
        active: section.boolean("active"),
        backfill: section.choice("backfill", &named_variants()).map(|mode| mode.value),
        formula: read_formula(&section),
    };
    section.finish();
    declaration
}

/// The display name, the description, the unit and the format pattern.
pub(super) fn read_texts(section: &Section) -> [Option<String>; 4] {
    [
        read_text(section, "display_name", DISPLAY_NAME),
        read_text(section, "description", DESCRIPTION),
        read_text(section, "unit", UNIT),
        read_text(section, "format_pattern", FORMAT_PATTERN),
    ]
}

fn read_text<'a>(
    section: &Section<'a>,
    key: &'a str,
    lengths: std::ops::RangeInclusive<usize>,
) -> Option<String> {
    let text = section.text(key)?.value;
    let length = text.chars().count();
    if !lengths.contains(&length) {
        let (min, max) = (lengths.start(), lengths.end());
        section.problem(key, format!("`{key}` must have {min} to {max} characters, not {length}"), None);
        return None;
    }
    Some(text)
}

fn read_dashboard(section: Section) -> DashboardPlace {
    let place = DashboardPlace {
        headline: section.boolean("headline").is_some_and(|headline| headline.value),
        group: read_text(&section, "group", GROUP).unwrap_or_default(),
    };
    section.finish();
    place
}

fn read_expected(section: Section) -> Option<ExpectedRange> {
    let expected = ExpectedRange { min: section.number("min"), max: section.number("max") };
    let mut usable = expected.min.is_some() || expected.max.is_some();
    if let ExpectedRange { min: Some(min), max: Some(max) } = &expected
        && min > max
    {
        section.section_problem(format!("min {min} is above max {max}"), None);
        usable = false;
    }
    section.finish();
    usable.then_some(expected)
}

/// Keys that at least one measure requires.
const REQUIRED: [&str; 14] = [
    "measure",
    "source",
    "sources",
    "column",
    "of",
    "quantile",
    "after_days",
    "cohort",
    "state",
    "numerator",
    "denominator",
    "query",
    "returns",
    "adds_up",
];

fn read_formula(section: &Section) -> Formula {
    Formula {
        of: section.choice("of", &named_variants()),
        top: section.integer("top", TOP).and_then(narrowed),
        quantile: read_quantile(section),
        after_days: section.integer("after_days", AFTER_DAYS).and_then(narrowed),
        cohort: read_cohort(section),
        state: section.choice("state", &named_variants()),
        sum: section.text("sum"),
        average: section.text("average"),
        distinct: section.text("distinct"),
        numerator: read_operand(section, "numerator"),
        denominator: read_operand(section, "denominator"),
        query: section.text("query"),
        returns: section.choice("returns", &named_variants()),
        adds_up: section.choice("adds_up", &named_variants()),
        signed: section.boolean("signed"),
        ..read_count_formula(section)
    }
    .with_unreadable_keys(section)
}

/// Reads the keys of the measures that count, which are the only ones allowed as a side of a ratio.
fn read_count_formula(section: &Section) -> Formula {
    Formula {
        place: section.place(),
        measure: section.choice("measure", &named_variants()),
        sources: read_sources(section),
        filter: read_filter(section),
        window_days: section.integer("window_days", WINDOW_DAYS).and_then(narrowed),
        window: section.choice("window", &PERIODS),
        column: section.text("column"),
        ..Formula::default()
    }
    .with_unreadable_keys(section)
}

impl Formula {
    /// Records which keys of the section are present but could not be read.
    fn with_unreadable_keys(mut self, section: &Section) -> Self {
        let mut read: Vec<_> = self.given_keys().into_iter().map(|(key, _)| key).collect();
        read.extend(self.measure.as_ref().map(|_| "measure"));
        read.extend(self.sources.as_ref().map(|_| "sources"));
        let is_unreadable = |key: &&str| section.has(key) && !read.contains(key);
        self.unreadable = REQUIRED.into_iter().filter(is_unreadable).collect();
        self
    }
}

fn narrowed<T: TryFrom<i64>>(number: Located<i64>) -> Option<Located<T>> {
    Some(Located::new(T::try_from(number.value).ok()?, number.place))
}

fn read_sources(section: &Section) -> Option<Located<Vec<String>>> {
    let one = section.text("source").map(|source| Located::new(vec![source.value], source.place));
    let many = section.texts("sources");
    if one.is_some() && many.is_some() {
        section.problem("sources", "give `source` or `sources`, not both", None);
    }
    one.or(many)
}

fn read_quantile(section: &Section) -> Option<Located<Quantile>> {
    let share = section.number("quantile")?;
    let Some(quantile) = Quantile::new(&share) else {
        let message = format!("`quantile` must be from 0 to 1, with at most six decimal places, not {share}");
        section.problem("quantile", message, Some("the 95th percentile is `quantile = 0.95`".to_owned()));
        return None;
    };
    Some(Located::new(quantile, section.place_of("quantile")))
}

/// Reads the name of a source, or a source with a filter of its own.
fn read_cohort(section: &Section) -> Option<Located<CohortDeclaration>> {
    let cohort = match section.item("cohort")? {
        Item::Value(value) if value.is_str() => {
            CohortDeclaration { source: section.text("cohort")?, filter: Vec::new() }
        }
        item if item.is_table_like() => {
            let inner = section.section("cohort")?;
            let source = inner.text("source");
            if source.is_none() && !inner.has("source") {
                inner.section_problem("`source` is missing".to_owned(), None);
            }
            let filter = read_filter(&inner).map(|filter| filter.value).unwrap_or_default();
            inner.finish();
            CohortDeclaration { source: source?, filter }
        }
        _ => {
            let hint = "write `cohort = \"accounts\"` or `cohort = { source = \"accounts\", filter = { plan = \"free\" } }`";
            section.problem("cohort", "`cohort` must be a source", Some(hint.to_owned()));
            return None;
        }
    };
    Some(Located::new(cohort, section.place_of("cohort")))
}

fn read_operand<'a>(section: &Section<'a>, key: &'a str) -> Option<Located<RatioSide>> {
    let operand = match section.item(key)? {
        Item::Value(value) if value.is_str() => RatioSide::Metric(section.text(key)?.value),
        item if item.is_table_like() => {
            let inner = section.section(key)?;
            let formula = read_count_formula(&inner);
            inner.finish();
            RatioSide::Measure(Box::new(formula))
        }
        _ => {
            let hint = format!(
                "write `{key} = \"posts_created\"` or `{key} = {{ measure = \"created\", source = \"posts\" }}`"
            );
            section.problem(key, format!("`{key}` must be the name of a metric or a measure"), Some(hint));
            return None;
        }
    };
    Some(Located::new(operand, section.place_of(key)))
}
