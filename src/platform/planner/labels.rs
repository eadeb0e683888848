//! Breakdowns: rows by the value of a column. The database counts each label; the largest are selected here, because counts
//! of a day that is read in several segments have to be added up first.

use std::collections::HashMap;

use super::{
    dialect::Dialect,
    execute::Executor,
    parse::parse_count,
    scan::{Aggregates, Scan, StatementBody, Stream},
    span::Span,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, Decimal, Phase, Rows, Source, Tally, TopLabels},
    platform::schema::Schema,
};

/// A column with more distinct values than this is not one to break a metric down by: all of them are held in memory, at
/// 200 characters each.
pub const MAX_LABELS: usize = 10_000;

pub struct LabelReading<'a> {
    pub source: &'a Source,
    pub rows: &'a Rows,
    pub column: &'a str,
    pub phase: Phase,
    pub top: usize,
}

type Counts = HashMap<Option<String>, i64>;

impl LabelReading<'_> {
    pub fn streams(&self) -> Vec<Stream> {
        match (&self.source.deleted_column, self.phase) {
            (Some(_), Phase::Existing) => vec![Stream::Entering, Stream::Leaving],
            _ => vec![Stream::Entering],
        }
    }

    pub fn spans(&self, days: &[DayBounds]) -> Vec<Span> {
        Span::of_days(days, self.phase == Phase::Existing)
    }

    pub fn body(&self, dialect: Dialect) -> StatementBody {
        let aggregates = Aggregates { expressions: vec!["count(*)".to_owned()], facets: None };
        StatementBody {
            of_days: aggregates.clone(),
            of_base: aggregates,
            label: Some(dialect.label(self.column)),
            max_labels: MAX_LABELS,
            condition: dialect.filter(&self.rows.filter),
        }
    }

    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Tally>, Fault> {
        let mut picker = Picker::new(self);
        let dialect = executor.dialect();
        let body = self.body(dialect);
        // Soft deletions are read first, and subtracted as the creations are read.
        for stream in self.streams().into_iter().rev() {
            let scan = Scan::new(dialect, schema, self.source, stream)?;
            let mut sink = |id: usize, values: Vec<Option<String>>| {
                let (label, count) = parse(values)?;
                match stream {
                    Stream::Leaving => picker.leave(id, label, count),
                    Stream::Entering => picker.enter(id, label, count),
                }
            };
            executor.scan(&scan, &body, self.spans(days), &mut sink).await?;
        }
        picker.finish(days.len())
    }
}

fn parse(values: Vec<Option<String>>) -> Result<(Option<String>, i64), Fault> {
    let mut values = values.into_iter();
    let label = values.next().flatten();
    Ok((label, parse_count(values.next().flatten().as_deref())?))
}

/// Takes counts by span and label, in order of the spans, and selects each day's largest. Only one day's labels are held.
struct Picker<'a> {
    reading: &'a LabelReading<'a>,
    leaving: HashMap<usize, Vec<(Option<String>, i64)>>,
    current: usize,
    counts: Counts,
    tallies: Vec<Tally>,
}

impl<'a> Picker<'a> {
    fn new(reading: &'a LabelReading<'a>) -> Self {
        Self { reading, leaving: HashMap::new(), current: 0, counts: Counts::new(), tallies: Vec::new() }
    }

    fn leave(&mut self, id: usize, label: Option<String>, count: i64) -> Result<(), Fault> {
        self.leaving.entry(id).or_default().push((label, count));
        Ok(())
    }

    fn enter(&mut self, id: usize, label: Option<String>, count: i64) -> Result<(), Fault> {
        while self.current < id {
            self.close_span();
        }
        *self.counts.entry(label).or_default() += count;
        if self.counts.len() <= MAX_LABELS {
            return Ok(());
        }
        let (column, table) = (self.reading.column, &self.reading.source.table);
        let message = format!(
            "`{column}` of `{table}` has more than {MAX_LABELS} different values; break down by a column with fewer"
        );
        Err(Fault::new(FaultClass::TooLarge, message))
    }

    fn close_span(&mut self) {
        for (label, count) in self.leaving.remove(&self.current).unwrap_or_default() {
            *self.counts.entry(label).or_default() -= count;
        }
        self.counts.retain(|_, count| *count != 0);
        if self.current > 0 {
            let named =
                self.counts.iter().filter_map(|(label, count)| Some((label.clone()?, Decimal::from(*count))));
            let unlabelled = self.counts.get(&None).copied().unwrap_or_default();
            self.tallies.push(Tally::Labels(TopLabels::select(named, unlabelled.into(), self.reading.top)));
        }
        if self.reading.phase == Phase::Created {
            self.counts.clear();
        }
        self.current += 1;
    }

    fn finish(mut self, days: usize) -> Result<Vec<Tally>, Fault> {
        while self.current <= days {
            self.close_span();
        }
        Ok(self.tallies)
    }
}
