//! What a value of a metric may be, by the definition that made it.

use serde_json::{Map, Value, json};

use crate::metric::{Decimal, Definition, ExpectedRange, LabelAggregate, Measure, MetricType};

/// Members of the metadata that Daymark makes by itself. They are not read from a correction.
const MADE: [&str; 2] = ["top_items", "out_of_range"];

/// The rules for a value and its metadata.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub metric_type: MetricType,
    /// Whether the value, or that of each label, counts rows or distinct values, and so is a whole number that is not negative.
    pub is_count: bool,
    /// Whether it is computed from values of a column, so that its metadata have the number of these values.
    pub has_sample: bool,
    /// How a share is computed, as text: the numerator and the denominator.
    pub calculation: Option<String>,
    pub expected: Option<ExpectedRange>,
}

impl Rules {
    pub fn of(definition: &Definition) -> Self {
        let is_count = match &definition.measure {
            Measure::Created(_)
            | Measure::Existing(_)
            | Measure::Distinct { .. }
            | Measure::Growth { .. } => true,
            Measure::Breakdown(breakdown) => {
                matches!(breakdown.aggregate, LabelAggregate::Rows | LabelAggregate::Distinct(_))
            }
            _ => false,
        };
        let has_sample = matches!(
            definition.measure,
            Measure::Sum { .. }
                | Measure::Minimum { .. }
                | Measure::Maximum { .. }
                | Measure::Quantile { .. }
        );
        Self {
            metric_type: definition.metric_type,
            is_count,
            has_sample,
            calculation: definition.measure.calculation(),
            expected: definition.expected_range(),
        }
    }

    /// The rules for a metric whose definition is not known.
    pub fn unknown(metric_type: MetricType) -> Self {
        Self { metric_type, is_count: false, has_sample: true, calculation: None, expected: None }
    }

    /// # Errors
    /// Why this is no value of the metric.
    pub fn check_value(&self, value: &Decimal) -> Result<(), String> {
        if !value.is_recordable() {
            return Err("a value has at most 38 digits before the point and 30 after it".to_owned());
        }
        let is_size = matches!(self.metric_type, MetricType::Count | MetricType::Percentage);
        if *value < Decimal::zero() && is_size {
            return Err(format!("a {} is never negative, but {value} is", self.metric_type));
        }
        match self.is_count && !value.is_whole() {
            true => {
                Err(format!("the metric counts rows or distinct values, and {value} is not a whole number"))
            }
            false => Ok(()),
        }
    }

    /// # Errors
    /// Why this is no value of a label, or of a total of labels.
    pub fn check_of_labels(&self, name: &str, value: &Decimal) -> Result<(), String> {
        match self.is_count && (!value.is_whole() || *value < Decimal::zero()) {
            true => Err(format!(
                "{} of its metadata is {value}, but a count must be a whole number and not negative",
                crate::config::shown(name)
            )),
            false => Ok(()),
        }
    }

    /// The members that its metadata may have, where the metadata in force are `in_force`.
    pub fn members(&self, in_force: &Map<String, Value>) -> &'static [&'static str] {
        match self.metric_type {
            MetricType::Count => &[],
            MetricType::Average => {
                &["sample_size", "sum", "std_deviation", "numerator", "denominator", "calculation"]
            }
            MetricType::Percentage => &["numerator", "denominator", "calculation"],
            MetricType::Aggregate if in_force.contains_key("sums") => {
                &["breakdown", "sums", "sample_sizes", "other", "sum", "sample_size", "total", "unlabelled"]
            }
            MetricType::Aggregate if in_force.contains_key("breakdown") => {
                &["breakdown", "other", "total", "unlabelled"]
            }
            MetricType::Aggregate if self.has_sample => &["sample_size"],
            MetricType::Aggregate => &[],
        }
    }

    /// Adds what Daymark makes by itself of each value.
    pub fn complete(&self, value: &Decimal, metadata: &mut Map<String, Value>) {
        metadata.shift_remove("calculation");
        if let Some(calculation) = self.calculation.as_ref().filter(|_| metadata.contains_key("denominator"))
        {
            metadata.insert("calculation".to_owned(), json!(calculation));
            // The order of records, which is that of PostgreSQL's `jsonb`.
            let mut members: Vec<_> = std::mem::take(metadata).into_iter().collect();
            members.sort_by(|(one, _), (other, _)| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
            metadata.extend(members);
        }
        if let Some(expected) = self.expected.as_ref().filter(|expected| !expected.contains(value)) {
            metadata.insert("out_of_range".to_owned(), json!(expected));
        }
    }
}

/// The metadata without the members that Daymark makes by itself.
pub(super) fn without_made(mut metadata: Map<String, Value>) -> Map<String, Value> {
    metadata.retain(|member, _| !MADE.contains(&member.as_str()));
    metadata
}

/// # Errors
/// When the metadata have a member that no reader knows: a text in it would never be shown, and a redaction could not replace it.
pub(super) fn check_members(given: &Map<String, Value>, allowed: &[&str], of: &str) -> Result<(), String> {
    let Some(unknown) = given.keys().find(|member| !allowed.contains(&member.as_str())) else {
        return Ok(());
    };
    let listed: Vec<_> = allowed.iter().map(|member| format!("`{member}`")).collect();
    let listed = match listed.as_slice() {
        [] => "it has none".to_owned(),
        listed => format!("they may have {}", listed.join(", ")),
    };
    Err(format!("{} is not a known member of {of}; {listed}", crate::config::shown(unknown)))
}
