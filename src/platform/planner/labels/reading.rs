//! The reading of a breakdown: which scans it makes, and how labels are ordered and become a tally.

use crate::{
    database::Fault,
    metric::{ColumnSum, DayBounds, LabelAggregate, Phase, Rows, Source, Tally, TopLabels, TopMeans},
    platform::{
        planner::{
            dialect::Dialect,
            execute::Executor,
            numbers::{is_present, number, read_sum, summands},
            parse::parse_count,
            scan::{Aggregates, AnswerForm, Scan, StatementBody, Stream},
            span::Span,
        },
        schema::Schema,
    },
};

/// Where all labels have to be read, a column with more distinct values than this is refused: all of them are held in
/// memory, at 200 characters each.
pub const MAX_LABELS: usize = 10_000;

pub struct LabelReading<'a> {
    pub source: &'a Source,
    pub rows: &'a Rows,
    pub column: &'a str,
    pub phase: Phase,
    pub top: usize,
    pub aggregate: &'a LabelAggregate,
}

/// The labels of a day: the largest, how many there are, and the sums over all of them and over the rows without one. The sum of
/// a label is its number of rows where nothing else is aggregated.
pub(super) struct LabelsOfDay {
    pub largest: Vec<(String, ColumnSum)>,
    pub labels: usize,
    pub total: ColumnSum,
    pub unlabelled: ColumnSum,
}

impl LabelReading<'_> {
    pub fn streams(&self) -> Vec<Stream> {
        match (&self.source.deleted_column, self.phase) {
            (Some(_), Phase::Existing) => vec![Stream::Entering, Stream::Leaving],
            _ => vec![Stream::Entering],
        }
    }

    /// What a scan answers of each span and label: the number of rows, and the parts of the sum where there is one.
    pub(super) fn body(&self, dialect: Dialect, schema: &Schema, form: AnswerForm) -> StatementBody {
        let column = |name: &str| schema.column_of(self.source, name);
        let (expressions, present) = match self.aggregate {
            LabelAggregate::Rows => (vec!["count(*)".to_owned()], None),
            LabelAggregate::Sum(name) | LabelAggregate::Average(name) => {
                let sums = summands(dialect, name, column(name))
                    .into_iter()
                    .map(|summand| format!("sum({summand})"));
                let count = format!("count({})", number(dialect, name));
                (std::iter::once(count).chain(sums).collect(), Some(is_present(dialect, name)))
            }
            LabelAggregate::Distinct(name) => {
                let column = dialect.name(name);
                (vec![format!("count(DISTINCT {column})")], Some(format!("({column}) IS NOT NULL")))
            }
        };
        let conditions: Vec<_> = dialect.filter(&self.rows.filter).into_iter().chain(present).collect();
        let aggregates = Aggregates { expressions, facets: None };
        StatementBody {
            of_days: aggregates.clone(),
            of_base: aggregates,
            label: Some(dialect.label(self.column)),
            max_labels: MAX_LABELS,
            condition: (!conditions.is_empty()).then(|| conditions.join(" AND ")),
            form,
        }
    }

    /// Whether an answer has a sum beside the number of rows.
    pub(super) fn has_sum(&self) -> bool {
        matches!(self.aggregate, LabelAggregate::Sum(_) | LabelAggregate::Average(_))
    }

    pub fn spans(&self, days: &[DayBounds]) -> Vec<Span> {
        Span::of_days(days, self.phase == Phase::Existing)
    }

    /// The scan of each stream. Its rows are tested for holding a time where some texts are none.
    pub(super) async fn scans(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Scan<'_>>, Fault> {
        let spans = self.spans(days);
        let mut scans = Vec::new();
        for stream in self.streams() {
            let scan = Scan::new(executor.dialect(), schema, self.source, stream)?;
            let has_other_texts = executor.has_other_texts(&scan, &spans).await?;
            scans.push(if has_other_texts { scan.testing_rows() } else { scan });
        }
        Ok(scans)
    }

    /// The label of an answer, and what is aggregated of its rows.
    pub(super) fn parse(
        &self,
        dialect: Dialect,
        values: &[Option<String>],
    ) -> Result<(Option<String>, ColumnSum), Fault> {
        let mut values = values.iter().map(Option::as_deref);
        let mut next = || values.next().flatten();
        let label = next().map(str::to_owned);
        let count = parse_count(next())?;
        let sum = if self.has_sum() { read_sum(dialect, &mut next)? } else { count.into() };
        Ok((label, ColumnSum { count, sum }))
    }

    /// Orders labels from the largest on: by their sum, or those of averages by the number of their values.
    fn sort(&self, labels: &mut [(String, ColumnSum)]) {
        let is_average = matches!(self.aggregate, LabelAggregate::Average(_));
        labels.sort_by(|(one_label, one), (other_label, other)| {
            let by_size = if is_average { other.count.cmp(&one.count) } else { other.sum.cmp(&one.sum) };
            by_size.then_with(|| one_label.cmp(other_label))
        });
    }

    pub(super) fn tally(&self, labels: LabelsOfDay) -> Tally {
        let LabelsOfDay { mut largest, labels, total, unlabelled } = labels;
        self.sort(&mut largest);
        largest.truncate(self.top);
        match self.aggregate {
            LabelAggregate::Average(_) => {
                Tally::LabelMeans(TopMeans { top: largest, labels, total, unlabelled })
            }
            _ => Tally::Labels(TopLabels {
                top: largest.into_iter().map(|(label, sum)| (label, sum.sum)).collect(),
                labels,
                total: total.sum,
                unlabelled: unlabelled.sum,
            }),
        }
    }
}
