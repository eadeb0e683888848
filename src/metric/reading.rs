//! Readings and tallies: questions to the platform about a day, and their answers. Several metrics may share a reading, and
//! the planner answers many readings with one statement.

use serde::{Deserialize, Serialize};

use super::{Decimal, LabelAggregate, Phase, Quantile, Rows, Window};

/// The placeholders of a user's own query for the bounds of the day.
const PLACEHOLDERS: [&str; 3] = ["{day_start}", "{day_end}", "{day}"];

/// Whether the query has a placeholder for the day.
pub fn uses_the_day(query: &str) -> bool {
    PLACEHOLDERS.iter().any(|name| query.contains(name))
}

/// A quantity to read from the platform for each requested day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reading {
    /// Answered with [`Tally::Count`].
    Count { rows: Rows, phase: Phase },
    /// Answered with [`Tally::Moments`]; rows created in the day.
    Moments { rows: Rows, column: String },
    /// Answered with [`Tally::Sum`].
    Sum { rows: Rows, column: String, phase: Phase },
    /// Answered with [`Tally::Extremes`]; rows created in the day.
    Extremes { rows: Rows, column: String },
    /// Answered with [`Tally::Quantile`]; rows created in the `window_days` calendar days that end with the day.
    Quantile { rows: Rows, column: String, quantile: Quantile, window_days: u32 },
    /// Answered with [`Tally::Labels`], or [`Tally::LabelMeans`] for averages.
    Labels { rows: Rows, column: String, phase: Phase, top: usize, aggregate: LabelAggregate },
    /// The distinct values of a column of each source, or of its actors. Answered with [`Tally::Count`].
    Distinct { rows: Vec<Rows>, column: Option<String>, window: Window },
    /// The actors of the day that lies `after_days` calendar days back, and those of them who are active in the `window_days` days that
    /// end with the day; see [`super::Retention`]. Answered with [`Tally::Ratio`].
    Retention { rows: Vec<Rows>, cohort: Option<Rows>, after_days: u32, window_days: u32 },
    /// The actors whose first row is in the `window_days` days that end with the day. Answered with [`Tally::Count`].
    Arrivals { rows: Vec<Rows>, window_days: u32 },
    /// The actors of the `window_days` days that end with the day and of as many days before them. Answered with [`Tally::Growth`].
    Growth { rows: Vec<Rows>, window_days: u32 },
    /// Answered with [`Tally::Value`], [`Tally::Average`], [`Tally::Ratio`] or [`Tally::Labels`], as the shape says.
    Query { sql: String, shape: QueryShape },
}

impl Reading {
    /// The rows that are read; none for a query of the user's own, which names them itself.
    pub fn rows(&self) -> Vec<&Rows> {
        match self {
            Self::Count { rows, .. }
            | Self::Moments { rows, .. }
            | Self::Sum { rows, .. }
            | Self::Extremes { rows, .. }
            | Self::Quantile { rows, .. }
            | Self::Labels { rows, .. } => vec![rows],
            Self::Distinct { rows, .. } | Self::Arrivals { rows, .. } | Self::Growth { rows, .. } => {
                rows.iter().collect()
            }
            Self::Retention { rows, cohort, .. } => rows.iter().chain(cohort).collect(),
            Self::Query { .. } => Vec::new(),
        }
    }
}

/// The columns that a user's own query returns, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryShape {
    /// One row: `value`.
    Value,
    /// One row: `value`, `sample_size`, and optionally `std_deviation`.
    Average,
    /// One row: `numerator`, `denominator`.
    Ratio,
    /// A row a label: `label`, `value`. The `top` largest are recorded by name. Values below 0 are refused unless `signed`.
    Labels {
        top: usize,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        signed: bool,
    },
}

/// The answer to a reading for one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tally {
    Count(i64),
    Moments(Moments),
    Sum(ColumnSum),
    Extremes(Extremes),
    Quantile(QuantileOfRows),
    Growth(GrowthCounts),
    Labels(TopLabels),
    LabelMeans(TopMeans),
    Value(Decimal),
    Average { value: Decimal, sample_size: i64, std_deviation: Option<Decimal> },
    Ratio { numerator: Decimal, denominator: Decimal },
}

/// The actors of a window and of the window before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GrowthCounts {
    /// In the window.
    pub active: i64,
    /// In both.
    pub retained: i64,
    /// In the window before only.
    pub churned: i64,
}

/// Number, sum and sum of squares of a column's non-NULL values. These add up over disjoint sets of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moments {
    pub count: i64,
    pub sum: Decimal,
    pub sum_of_squares: Decimal,
}

impl Moments {
    pub fn zero() -> Self {
        Self { count: 0, sum: Decimal::zero(), sum_of_squares: Decimal::zero() }
    }

    pub fn add(&self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: &self.sum + &other.sum,
            sum_of_squares: &self.sum_of_squares + &other.sum_of_squares,
        }
    }

    pub fn mean(&self) -> Option<Decimal> {
        self.sum.checked_div(&Decimal::from(self.count))
    }

    /// The sample standard deviation, `sqrt((Σx² − (Σx)²/n) / (n − 1))`. `None` for fewer than two values, and when
    /// the sums came from floats that cancel each other out to below zero.
    pub fn std_deviation(&self) -> Option<Decimal> {
        let count = Decimal::from(self.count);
        let scaled = &(&count * &self.sum_of_squares) - &(&self.sum * &self.sum);
        let variance = scaled.checked_div(&(&count * &Decimal::from(self.count - 1)))?;
        variance.sqrt()
    }
}

/// Number and sum of a column's non-NULL values. These add up over disjoint sets of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnSum {
    pub count: i64,
    pub sum: Decimal,
}

impl ColumnSum {
    pub fn add(&self, other: &Self) -> Self {
        Self { count: self.count + other.count, sum: &self.sum + &other.sum }
    }

    /// 0 of no values.
    pub fn mean(&self) -> Decimal {
        self.sum.checked_div(&Decimal::from(self.count)).unwrap_or_default()
    }

    /// The sum over the rows that are left when those of `other` are gone.
    pub fn subtract(&self, other: &Self) -> Self {
        Self { count: self.count - other.count, sum: &self.sum - &other.sum }
    }
}

/// Number of a column's non-NULL values, the least and the largest of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extremes {
    pub count: i64,
    /// `None` where there is no value.
    pub least: Option<Decimal>,
    pub largest: Option<Decimal>,
}

impl Extremes {
    /// The extremes over both sets of rows.
    pub fn merge(self, other: Self) -> Self {
        // `None` is less than every value.
        let least = [self.least, other.least].into_iter().flatten().min();
        Self { count: self.count + other.count, least, largest: self.largest.max(other.largest) }
    }
}

/// Number of a column's non-NULL values, and a quantile of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuantileOfRows {
    pub count: i64,
    /// `None` where there is no value.
    pub value: Option<Decimal>,
}

/// The rows of a day by label, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopLabels {
    /// At most `top` labels, by descending count, then by name.
    pub top: Vec<(String, Decimal)>,
    /// How many distinct labels there were, those not in `top` included.
    pub labels: usize,
    /// The sum over all labels, those not in `top` included.
    pub total: Decimal,
    /// Rows whose label was NULL; not in `total`.
    pub unlabelled: Decimal,
}

/// The values of a column by label, those with the most values first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopMeans {
    /// At most `top` labels, by descending number of values, then by name.
    pub top: Vec<(String, ColumnSum)>,
    /// How many distinct labels there were, those not in `top` included.
    pub labels: usize,
    /// Over all labels, those not in `top` included.
    pub total: ColumnSum,
    /// Of rows whose label was NULL; not in `total`.
    pub unlabelled: ColumnSum,
}

impl TopMeans {
    /// Over the labels that are not in `top`.
    pub fn other(&self) -> ColumnSum {
        self.top.iter().fold(self.total.clone(), |rest, (_, sum)| rest.subtract(sum))
    }
}

impl Default for Decimal {
    fn default() -> Self {
        Self::zero()
    }
}

impl TopLabels {
    /// Keeps the `top` largest of `counts`.
    pub fn select(
        counts: impl IntoIterator<Item = (String, Decimal)>,
        unlabelled: Decimal,
        top: usize,
    ) -> Self {
        let mut all: Vec<_> = counts.into_iter().collect();
        all.sort_by(|(a_label, a), (b_label, b)| b.cmp(a).then_with(|| a_label.cmp(b_label)));
        let total = all.iter().fold(Decimal::zero(), |sum, (_, count)| &sum + count);
        let labels = all.len();
        all.truncate(top);
        Self { top: all, labels, total, unlabelled }
    }

    /// The sum over the labels that are not in `top`.
    pub fn other(&self) -> Decimal {
        self.top.iter().fold(self.total.clone(), |rest, (_, count)| &rest - count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments(values: &[i64]) -> Moments {
        values.iter().fold(Moments::zero(), |sum, value| {
            let value = Decimal::from(*value);
            sum.add(&Moments { count: 1, sum: value.clone(), sum_of_squares: &value * &value })
        })
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_textbook() {
        let sample = moments(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!(sample.mean().unwrap().to_string(), "5");
        assert_eq!(sample.std_deviation().unwrap().to_string(), "2.138089935299");
        assert_eq!(moments(&[3]).std_deviation(), None);
        assert_eq!(moments(&[]).mean(), None);
    }

    proptest! {
        #[test]
        fn moments_of_parts_add_up(a in prop::collection::vec(-1000i64..1000, 0..20), b in prop::collection::vec(-1000i64..1000, 0..20)) {
            prop_assert_eq!(moments(&a).add(&moments(&b)), moments(&[a, b].concat()));
        }

        #[test]
        fn other_and_top_are_the_total(counts in prop::collection::btree_map("[a-e]{1,3}", 1i64..50, 0..12), top in 0usize..6) {
            let all: i64 = counts.values().sum();
            let labels = TopLabels::select(
                counts.iter().map(|(label, count)| (label.clone(), Decimal::from(*count))), Decimal::zero(), top,
            );
            prop_assert_eq!(labels.labels, counts.len());
            let named = labels.top.iter().fold(Decimal::zero(), |sum, (_, count)| &sum + count);
            prop_assert_eq!(&named + &labels.other(), Decimal::from(all));
            prop_assert!(labels.top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        }
    }
}
