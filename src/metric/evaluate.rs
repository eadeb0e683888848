//! From tallies to the value and metadata of a record.

use serde_json::{Map, Value, json};

use super::{
    ColumnSum, Decimal, Definition, Extremes, Measure, MetricType, QuantileOfRows, QueryShape, Tally,
    TopLabels, TopMeans,
};

/// The value and metadata of a record, without its key and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub value: Decimal,
    /// `sample_size`, `sum` and `std_deviation`, `numerator` and `denominator`, or `breakdown` and `other`, as the metric's
    /// type has it; `out_of_range` with the expected range when the value lies outside it.
    pub metadata: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    #[error("a count cannot be negative, but this one is {0}")]
    Negative(Decimal),
    #[error(
        "a count cannot be negative, but the query returned {0}; declare type = \"aggregate\" or type = \"average\" for \
         a value that may be negative"
    )]
    NegativeQuery(Decimal),
    #[error("the value has more than 38 digits before the point: {0}")]
    TooManyDigits(Decimal),
    #[error("the tallies do not fit the measure `{0}`; this is a defect in Daymark")]
    Shape(&'static str),
}

impl Definition {
    /// The metric's value from the tallies of its readings, in the order of [`Measure::readings`].
    ///
    /// An average, an extreme or a quantile of no rows and a percentage of a denominator of 0 are recorded as 0 with a sample size or
    /// denominator of 0, which gives them no weight in any roll-up and distinguishes them from a real zero. The sum of no
    /// rows is a real zero.
    ///
    /// # Errors
    /// When a count, a numerator, a denominator or a sample size is negative. The value of an average or an aggregate may be,
    /// and so may that of a label: a net revenue, a score. When the value has more digits before the point than a record may
    /// have; digits after the point are rounded.
    pub fn evaluate(&self, tallies: &[&Tally]) -> Result<Observation, EvaluationError> {
        let (value, mut metadata) = match (&self.measure, tallies) {
            (Measure::Ratio { .. }, [Tally::Count(numerator), Tally::Count(denominator)]) => {
                self.ratio(&Decimal::from(*numerator), &Decimal::from(*denominator))
            }
            (Measure::Growth { state, .. }, tallies) => match state.count(tallies) {
                Some(count) => (Decimal::from(count), Map::new()),
                None => return Err(EvaluationError::Shape(self.measure.name())),
            },
            (_, [Tally::Ratio { numerator, denominator }]) => self.ratio(numerator, denominator),
            (_, [Tally::Count(count)]) => (Decimal::from(*count), Map::new()),
            (_, [Tally::Value(value)]) => (value.clone(), Map::new()),
            (_, [Tally::Moments(moments)]) => {
                let value = moments.mean().unwrap_or_default();
                average(value, moments.count, Some(&moments.sum), moments.std_deviation())
            }
            (_, [Tally::Sum(sum)]) => (sum.sum.clone(), sampled(sum.count)),
            (Measure::Minimum { .. }, [Tally::Extremes(Extremes { count, least: value, .. })])
            | (Measure::Maximum { .. }, [Tally::Extremes(Extremes { count, largest: value, .. })]) => {
                (value.clone().unwrap_or_default(), sampled(*count))
            }
            (_, [Tally::Quantile(QuantileOfRows { count, value })]) => {
                (value.clone().unwrap_or_default(), sampled(*count))
            }
            (_, [Tally::Average { value, sample_size, std_deviation }]) => {
                average(value.clone(), *sample_size, None, std_deviation.clone())
            }
            (_, [Tally::Labels(labels)]) => breakdown(labels),
            (_, [Tally::LabelMeans(means)]) => breakdown_of_means(means),
            (measure, _) => return Err(EvaluationError::Shape(measure.name())),
        };
        self.refuse_negative(&value, &metadata)?;
        let value = value.rounded_for_record();
        if !value.is_recordable() {
            return Err(EvaluationError::TooManyDigits(value));
        }
        if let Some(expected) = self.expected_range().filter(|expected| !expected.contains(&value)) {
            metadata.insert("out_of_range".to_owned(), json!(expected));
        }
        Ok(Observation { value, metadata })
    }

    /// The declared range of plausible values; that of a percentage is 0 to 100 where none is declared.
    pub fn expected_range(&self) -> Option<super::ExpectedRange> {
        let percentage = (self.metric_type == MetricType::Percentage)
            .then(|| super::ExpectedRange { min: Some(Decimal::zero()), max: Some(Decimal::from(100)) });
        self.expected.clone().or(percentage)
    }

    fn ratio(&self, numerator: &Decimal, denominator: &Decimal) -> (Decimal, Map<String, Value>) {
        let percent = self.metric_type == MetricType::Percentage;
        let scaled = if percent { numerator * &Decimal::from(100) } else { numerator.clone() };
        let value = scaled.checked_div(denominator).unwrap_or_default();
        let mut metadata = Map::new();
        metadata.insert("numerator".to_owned(), numerator.to_json());
        metadata.extend(self.measure.calculation().map(|text| ("calculation".to_owned(), json!(text))));
        metadata.insert("denominator".to_owned(), denominator.to_json());
        if !percent {
            metadata.insert("sample_size".to_owned(), denominator.to_json());
        }
        (value, metadata)
    }

    fn refuse_negative(&self, value: &Decimal, metadata: &Map<String, Value>) -> Result<(), EvaluationError> {
        let negative = |value: &Decimal| *value < Decimal::zero();
        let may_be_negative = matches!(self.metric_type, MetricType::Average | MetricType::Aggregate);
        if !may_be_negative && negative(value) {
            return Err(match self.measure {
                Measure::Sql { shape: QueryShape::Value, .. } => {
                    EvaluationError::NegativeQuery(value.clone())
                }
                _ => EvaluationError::Negative(value.clone()),
            });
        }
        for part in ["numerator", "denominator", "sample_size"] {
            if let Some(Ok(number)) = metadata.get(part).map(|part| part.to_string().parse::<Decimal>())
                && negative(&number)
            {
                return Err(EvaluationError::Negative(number));
            }
        }
        Ok(())
    }
}

/// The metadata of a value that was computed from `size` values of a column.
fn sampled(size: i64) -> Map<String, Value> {
    Map::from_iter([("sample_size".to_owned(), json!(size))])
}

/// `sum` is that of the samples, exactly: the mean is rounded, and would be off when it is multiplied again. The order is
/// that of PostgreSQL's `jsonb`, shorter names first, so that both stores export the same bytes.
fn average(
    value: Decimal,
    sample_size: i64,
    sum: Option<&Decimal>,
    deviation: Option<Decimal>,
) -> (Decimal, Map<String, Value>) {
    let mut metadata = Map::new();
    if let Some(sum) = sum {
        metadata.insert("sum".to_owned(), sum.to_json());
    }
    metadata.insert("sample_size".to_owned(), json!(sample_size));
    if let Some(deviation) = deviation {
        metadata.insert("std_deviation".to_owned(), deviation.to_json());
    }
    (value, metadata)
}

/// The summary value of a breakdown is its number of distinct labels.
fn breakdown(labels: &TopLabels) -> (Decimal, Map<String, Value>) {
    let mut metadata = Map::new();
    let named: Map<_, _> = labels.top.iter().map(|(label, count)| (label.clone(), count.to_json())).collect();
    metadata.insert("breakdown".to_owned(), Value::Object(named));
    metadata.insert(
        "other".to_owned(),
        json!({"labels": labels.labels - labels.top.len(), "value": labels.other()}),
    );
    metadata.insert("total".to_owned(), labels.total.to_json());
    metadata.insert("unlabelled".to_owned(), labels.unlabelled.to_json());
    (Decimal::from(i64::try_from(labels.labels).unwrap_or(i64::MAX)), metadata)
}

/// The sums are recorded beside the means, which are rounded.
fn breakdown_of_means(means: &TopMeans) -> (Decimal, Map<String, Value>) {
    let each = |value: fn(&ColumnSum) -> Value| {
        Value::Object(means.top.iter().map(|(label, sum)| (label.clone(), value(sum))).collect())
    };
    let other = means.other();
    let mut metadata = Map::new();
    metadata.insert("breakdown".to_owned(), each(|sum| sum.mean().to_json()));
    metadata.insert("sums".to_owned(), each(|sum| sum.sum.to_json()));
    metadata.insert("sample_sizes".to_owned(), each(|sum| json!(sum.count)));
    metadata.insert(
        "other".to_owned(),
        json!({
            "labels": means.labels - means.top.len(),
            "value": other.mean(),
            "sum": other.sum,
            "sample_size": other.count,
        }),
    );
    metadata.insert("total".to_owned(), means.total.mean().to_json());
    metadata.insert("sum".to_owned(), means.total.sum.to_json());
    metadata.insert("sample_size".to_owned(), json!(means.total.count));
    metadata.insert("unlabelled".to_owned(), json!(means.unlabelled.count));
    (Decimal::from(i64::try_from(means.labels).unwrap_or(i64::MAX)), metadata)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metric::{
        AddsUp, Condition, DashboardPlace, ExpectedRange, Filter, Kind, Moments, Phase, Rows, Test, has_value,
    };

    fn definition(metric_type: MetricType, measure: Measure) -> Definition {
        Definition {
            metric_type,
            category: "m".to_owned(),
            display_name: "M".to_owned(),
            description: String::new(),
            unit: String::new(),
            format_pattern: String::new(),
            dashboard: DashboardPlace::default(),
            expected: None,
            backfill: crate::metric::BackfillMode::default(),
            time_zone: "UTC".to_owned(),
            measure,
            sources: BTreeMap::new(),
        }
    }

    fn rows() -> Rows {
        Rows { source: "posts".to_owned(), filter: Filter::default() }
    }

    fn ratio(metric_type: MetricType) -> Definition {
        let part = || Box::new(Measure::Created(rows()));
        definition(metric_type, Measure::Ratio { numerator: part(), denominator: part() })
    }

    #[test]
    fn a_percentage_keeps_its_parts() {
        let seen =
            ratio(MetricType::Percentage).evaluate(&[&Tally::Count(235), &Tally::Count(1000)]).unwrap();
        assert_eq!(seen.value.to_string(), "23.5");
        assert_eq!(
            Value::Object(seen.metadata),
            json!({"numerator": 235, "denominator": 1000, "calculation": "created(posts) / created(posts)"})
        );
    }

    #[test]
    fn only_a_part_of_what_its_denominator_counts_is_a_share() {
        let sold = Condition { column: "sold_at".to_owned(), test: Test::IsNull(false) };
        let filtered = Rows { filter: Filter(vec![sold]), ..rows() };
        let other = Rows { source: "comments".to_owned(), ..rows() };
        let percentage = |part: &Rows, all: &Rows| {
            let [numerator, denominator] = [part, all].map(|rows| Box::new(Measure::Created(rows.clone())));
            definition(MetricType::Percentage, Measure::Ratio { numerator, denominator })
        };
        assert!(percentage(&filtered, &rows()).is_share());
        assert!(!percentage(&rows(), &filtered).is_share());
        assert!(!percentage(&other, &rows()).is_share());
        assert!(!ratio(MetricType::Average).is_share());
    }

    #[test]
    fn a_percentage_of_a_zero_denominator_has_no_weight_and_one_above_100_is_flagged() {
        let definition = ratio(MetricType::Percentage);
        let nothing = definition.evaluate(&[&Tally::Count(0), &Tally::Count(0)]).unwrap();
        assert_eq!((nothing.value, nothing.metadata["denominator"].clone()), (Decimal::zero(), json!(0)));
        let above = definition.evaluate(&[&Tally::Count(3), &Tally::Count(2)]).unwrap();
        assert_eq!(above.metadata["out_of_range"], json!({"min": 0, "max": 100}));
    }

    #[test]
    fn an_average_of_two_counts_is_weighted_by_the_lower_one() {
        let seen = ratio(MetricType::Average).evaluate(&[&Tally::Count(3), &Tally::Count(2)]).unwrap();
        assert_eq!(seen.value.to_string(), "1.5");
        assert_eq!(seen.metadata["sample_size"], json!(2));
    }

    #[test]
    fn an_average_has_its_sample_size() {
        let measure = Measure::Average { rows: rows(), column: "seconds".to_owned() };
        let definition = definition(MetricType::Average, measure);
        let of = |numbers: &[i64]| {
            let moments = numbers.iter().fold(Moments::zero(), |sum, x| {
                sum.add(&Moments { count: 1, sum: (*x).into(), sum_of_squares: (x * x).into() })
            });
            definition.evaluate(&[&Tally::Moments(moments)]).unwrap()
        };
        assert_eq!(of(&[1, 2]).value.to_string(), "1.5");
        assert_eq!(
            Value::Object(of(&[1, 3]).metadata),
            json!({"sample_size": 2, "sum": 4, "std_deviation": serde_json::from_str::<Value>("1.414213562373").unwrap()})
        );
        assert_eq!(Value::Object(of(&[]).metadata), json!({"sample_size": 0, "sum": 0}));
    }

    #[test]
    fn a_sum_may_be_negative_and_of_no_rows_it_is_zero() {
        let measure = Measure::Sum { rows: rows(), column: "amount".to_owned(), phase: Phase::Created };
        let definition = definition(MetricType::Aggregate, measure);
        assert_eq!(
            (definition.problems().len(), definition.kind()),
            (1, Kind::Flow),
            "its source is not defined"
        );
        let of = |count, sum: &str| {
            definition.evaluate(&[&Tally::Sum(ColumnSum { count, sum: sum.parse().unwrap() })]).unwrap()
        };
        assert_eq!(of(3, "-12.5").value.to_string(), "-12.5");
        assert_eq!(Value::Object(of(3, "-12.50").metadata), json!({"sample_size": 3}));
        let nothing = of(0, "0");
        assert!(has_value(MetricType::Aggregate, &nothing.metadata));
    }

    #[test]
    fn an_extreme_of_no_rows_has_no_value() {
        let column = || "amount".to_owned();
        let extremes = Extremes { count: 2, least: Some((-3).into()), largest: Some(5.into()) };
        for (measure, kind, expected) in [
            (Measure::Minimum { rows: rows(), column: column() }, Kind::Minimum, -3),
            (Measure::Maximum { rows: rows(), column: column() }, Kind::Maximum, 5),
        ] {
            let definition = definition(MetricType::Average, measure);
            assert_eq!(definition.kind(), kind);
            let seen = definition.evaluate(&[&Tally::Extremes(extremes.clone())]).unwrap();
            assert_eq!((seen.value, seen.metadata["sample_size"].clone()), (expected.into(), json!(2)));
            let nothing = definition.evaluate(&[&Tally::Extremes(Extremes::default())]).unwrap();
            assert!(!has_value(MetricType::Average, &nothing.metadata), "{nothing:?}");
        }
    }

    #[test]
    fn a_label_named_other_is_distinct_from_the_rest() {
        let counts =
            [("other", 5), ("rock", 9), ("jazz", 2)].map(|(label, n)| (label.to_owned(), Decimal::from(n)));
        let labels = TopLabels::select(counts, Decimal::from(4), 2);
        let measure = Measure::Sql {
            query: String::new(),
            shape: QueryShape::Labels { top: 2, signed: false },
            adds_up: AddsUp::Sum,
        };
        let seen = definition(MetricType::Aggregate, measure).evaluate(&[&Tally::Labels(labels)]).unwrap();
        assert_eq!(seen.value, Decimal::from(3));
        assert_eq!(
            Value::Object(seen.metadata),
            json!({
                "breakdown": {"rock": 9, "other": 5},
                "other": {"labels": 1, "value": 2},
                "total": 16,
                "unlabelled": 4,
            })
        );
    }

    #[test]
    fn a_query_may_return_a_negative_value_that_is_no_count_and_labels_of_any_value() {
        let sql = |shape| Measure::Sql { query: String::new(), shape, adds_up: AddsUp::Sum };
        let revenue = Tally::Value(Decimal::from(-3));
        for metric_type in [MetricType::Aggregate, MetricType::Average] {
            let net = definition(metric_type, sql(QueryShape::Value));
            assert_eq!(net.problems(), []);
            assert_eq!(net.evaluate(&[&revenue]).unwrap().value, Decimal::from(-3));
        }
        let count = definition(MetricType::Count, sql(QueryShape::Value));
        let refused = count.evaluate(&[&revenue]).unwrap_err();
        assert_eq!(refused, EvaluationError::NegativeQuery((-3).into()));
        assert!(refused.to_string().contains("declare type = \"aggregate\""), "{refused}");
        let counts = [("a", -3), ("b", 0), ("c", 2)].map(|(label, n)| (label.to_owned(), Decimal::from(n)));
        let labels = Tally::Labels(TopLabels::select(counts, Decimal::zero(), 9));
        let by_label = definition(MetricType::Aggregate, sql(QueryShape::Labels { top: 9, signed: true }));
        let seen = by_label.evaluate(&[&labels]).unwrap();
        assert_eq!(seen.value, Decimal::from(3));
        assert_eq!(seen.metadata["breakdown"], json!({"a": -3, "b": 0, "c": 2}));
    }

    #[test]
    fn a_value_has_38_digits_before_the_point_at_most_and_is_rounded_to_30_after_it() {
        let measure = Measure::Sql { query: String::new(), shape: QueryShape::Value, adds_up: AddsUp::Sum };
        let total = definition(MetricType::Aggregate, measure);
        let value = |text: &str| Tally::Value(text.parse().unwrap());
        assert!(total.evaluate(&[&value("1e37")]).is_ok());
        let refused = total.evaluate(&[&value("1e38")]).unwrap_err().to_string();
        assert!(refused.starts_with("the value has more than 38 digits"), "{refused}");
        let tenth = "0.1000000000000000055511151231257827021181583404541015625";
        let recorded = total.evaluate(&[&value(tenth)]).unwrap().value.to_string();
        assert_eq!(recorded, "0.100000000000000005551115123126");
    }

    #[test]
    fn a_value_outside_the_expected_range_is_flagged_and_a_negative_count_refused() {
        let mut definition = definition(MetricType::Count, Measure::Created(rows()));
        definition.expected = Some(ExpectedRange { min: Some(10.into()), max: None });
        assert_eq!(
            definition.evaluate(&[&Tally::Count(9)]).unwrap().metadata["out_of_range"],
            json!({"min": 10})
        );
        assert!(definition.evaluate(&[&Tally::Count(10)]).unwrap().metadata.is_empty());
        assert_eq!(definition.evaluate(&[&Tally::Count(-1)]), Err(EvaluationError::Negative((-1).into())));
    }
}
