//! Builds ratios: each side is a measure of its own, or that of another metric.

use crate::{
    config::{
        file::declaration::{Formula, MeasureName, RatioSide},
        finding::{Finding, Located},
        resolve::{
            built_measure::{BuiltMeasure, required},
            measures::MeasureBuilder,
        },
        suggest::{shown, suggestion},
    },
    metric::Measure,
};

/// The measures that a ratio may consist of. Excluding ratios also ends the recursion.
const COUNTS: [MeasureName; 4] =
    [MeasureName::Created, MeasureName::Existing, MeasureName::DistinctActors, MeasureName::Distinct];

impl MeasureBuilder<'_> {
    pub(super) fn ratio(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let numerator = self.operand(formula, "numerator", &formula.numerator, built);
        let denominator = self.operand(formula, "denominator", &formula.denominator, built);
        Some(Measure::Ratio { numerator: Box::new(numerator?), denominator: Box::new(denominator?) })
    }

    /// Builds one side of a ratio.
    fn operand(
        &self,
        formula: &Formula,
        key: &str,
        operand: &Option<Located<RatioSide>>,
        built: &mut BuiltMeasure,
    ) -> Option<Measure> {
        let Located { value, place } = required(formula, key, operand, built)?;
        let inner = match value {
            RatioSide::Measure(inner) => inner.as_ref(),
            RatioSide::Metric(category) => match self.metrics.get(category) {
                Some(metric) => &metric.formula,
                None => {
                    built.findings.push(self.unknown_metric(key, category, place));
                    return None;
                }
            },
        };
        if let Some(measure) = inner.measure.as_ref().filter(|measure| !COUNTS.contains(&measure.value)) {
            let message = format!(
                "a ratio consists of the measures `created`, `existing`, `distinct_actors` and `distinct`, not of `{}`",
                measure.value.name()
            );
            built.findings.push(Finding::error(place, of_side(key, place, message)));
            return None;
        }
        let BuiltMeasure { measure, findings, missing, broken, joined } = self.build(inner);
        built.joined.extend(joined);
        built.missing.extend(missing);
        built.broken = built.broken.take().or(broken);
        match value {
            // The problems of an active metric are reported when it is resolved itself, those of an inactive metric
            // here.
            RatioSide::Metric(category) if self.is_active(category) => {
                built.broken = built.broken.take().or((!findings.is_empty()).then(|| category.clone()));
            }
            _ => built.findings.extend(findings),
        }
        measure
    }

    fn is_active(&self, category: &str) -> bool {
        let active = self.metrics.get(category).and_then(|metric| metric.active.as_ref());
        active.is_none_or(|active| active.value)
    }

    fn unknown_metric(&self, key: &str, category: &str, place: &str) -> Finding {
        let hint = suggestion(category, self.metrics.keys().map(String::as_str));
        let message = format!("there is no metric {}", shown(category));
        Finding::error(place, of_side(key, place, message)).maybe_hint(hint)
    }
}

/// A message about one side of a ratio, with its name where the place does not end with it.
fn of_side(key: &str, place: &str, message: String) -> String {
    match place.rsplit('.').next() == Some(key) {
        true => message,
        false => format!("{key}: {message}"),
    }
}
