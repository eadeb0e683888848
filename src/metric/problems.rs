//! The mistakes of a definition that can be found without a platform.

use super::{
    Breakdown, Decimal, Definition, ExpectedRange, LabelAggregate, Measure, MetricType, Phase, QueryShape,
    Retention, Rows, Window,
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    #[error("the measure `{measure}` makes {possible}, which is not of type `{metric_type}`")]
    TypeMismatch { metric_type: MetricType, measure: &'static str, possible: &'static str },
    #[error("source `{0}` is not defined; add a [sources.{0}] section")]
    UnknownSource(String),
    #[error("source `{0}` has no actor_column, which is needed to distinguish actors")]
    NoActor(String),
    #[error("`window_days` must be from 1 to 366, not {0}")]
    Window(u32),
    #[error("`after_days` must be from 0 to {max}, not {0}", max = Retention::MAX_AFTER_DAYS)]
    AfterDays(u32),
    #[error(
        "`window_days` is {window_days}, so that the window begins before the day of the cohort, which is {after_days} days back; it \
         must be at most {}", after_days + 1
    )]
    WindowBeforeCohort { window_days: u32, after_days: u32 },
    #[error("`top` must be from 1 to 1000, not {0}")]
    Top(usize),
    #[error(
        "distinct counts by label are of rows created in the day: of existing rows, those of a day do not follow from those of the day before, so \
         that each day of a backfill would read all rows"
    )]
    DistinctExisting,
    #[error("a ratio is made of `created`, `existing`, `distinct_actors` and `distinct`, not of `{0}`")]
    RatioOf(&'static str),
    #[error(
        "`{0}` is not a name of lower-case letters, digits and underscores that starts with a letter (63 at most)"
    )]
    Name(String),
    #[error("the expected range is empty: min {0} is above max {1}")]
    EmptyRange(Decimal, Decimal),
}

impl Definition {
    /// All mistakes of the definition that can be found without a platform.
    pub fn problems(&self) -> Vec<DefinitionError> {
        let mut problems = Vec::new();
        if !is_name(&self.category) {
            problems.push(DefinitionError::Name(self.category.clone()));
        }
        let possible = self.measure.makes();
        if !possible.contains(&self.metric_type) {
            problems.push(DefinitionError::TypeMismatch {
                metric_type: self.metric_type,
                measure: self.measure.name(),
                possible: match possible {
                    [MetricType::Count] => "a count",
                    [MetricType::Average] => "an average",
                    [MetricType::Aggregate] => "an aggregate",
                    [MetricType::Percentage] => "a percentage",
                    [MetricType::Count, ..] => "a count, an aggregate or an average",
                    _ => "a percentage or an average",
                },
            });
        }
        if let Some(ExpectedRange { min: Some(min), max: Some(max) }) = &self.expected
            && min > max
        {
            problems.push(DefinitionError::EmptyRange(min.clone(), max.clone()));
        }
        self.measure_problems(&self.measure, &mut problems);
        problems
    }

    fn measure_problems(&self, measure: &Measure, problems: &mut Vec<DefinitionError>) {
        match measure {
            Measure::Distinct { rows, column, window } => {
                if let Window::Days(days) = window
                    && !(1..=366).contains(days)
                {
                    problems.push(DefinitionError::Window(*days));
                }
                if column.is_none() {
                    problems.extend(self.without_actor(rows));
                }
            }
            Measure::Growth { rows, window_days, .. } => {
                problems.extend(window_problem(*window_days));
                problems.extend(self.without_actor(rows));
            }
            Measure::Retention(retention) => {
                problems.extend(retention_problem(retention));
                problems.extend(self.without_actor(retention.all_rows()));
            }
            Measure::Quantile { window_days, .. } => problems.extend(window_problem(*window_days)),
            Measure::Breakdown(Breakdown {
                aggregate: LabelAggregate::Distinct(_),
                phase: Phase::Existing,
                ..
            }) => {
                problems.push(DefinitionError::DistinctExisting);
            }
            Measure::Breakdown(breakdown) if !(1..=1000).contains(&breakdown.top) => {
                problems.push(DefinitionError::Top(breakdown.top));
            }
            Measure::Sql { shape: QueryShape::Labels { top, .. }, .. } if !(1..=1000).contains(top) => {
                problems.push(DefinitionError::Top(*top));
            }
            Measure::Ratio { numerator, denominator } => {
                for operand in [numerator, denominator] {
                    match **operand {
                        Measure::Created(_) | Measure::Existing(_) | Measure::Distinct { .. } => {
                            self.measure_problems(operand, problems);
                        }
                        _ => problems.push(DefinitionError::RatioOf(operand.name())),
                    }
                }
                return;
            }
            _ => {}
        }
        let missing = measure.source_names().into_iter().filter(|name| !self.sources.contains_key(*name));
        problems.extend(missing.map(|name| DefinitionError::UnknownSource(name.to_owned())));
    }

    fn without_actor<'a>(&self, rows: impl IntoIterator<Item = &'a Rows>) -> Vec<DefinitionError> {
        let names = rows.into_iter().map(|rows| rows.source.as_str());
        let without =
            |name: &&str| self.sources.get(*name).is_some_and(|source| source.actor_column.is_none());
        names.filter(without).map(|name| DefinitionError::NoActor(name.to_owned())).collect()
    }
}

fn window_problem(days: u32) -> Option<DefinitionError> {
    (!(1..=366).contains(&days)).then_some(DefinitionError::Window(days))
}

fn retention_problem(retention: &Retention) -> Option<DefinitionError> {
    let Retention { after_days, window_days, .. } = *retention;
    if after_days > Retention::MAX_AFTER_DAYS {
        return Some(DefinitionError::AfterDays(after_days));
    }
    let before_cohort = || DefinitionError::WindowBeforeCohort { window_days, after_days };
    window_problem(window_days).or_else(|| (window_days > after_days + 1).then(before_cohort))
}

/// Whether `name` may be a category, a source or a tenant.
pub fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
