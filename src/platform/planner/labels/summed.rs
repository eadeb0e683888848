//! All labels of each day, added up over the segments into which a scan is bisected, and the largest of them selected.

use std::collections::HashMap;

use super::reading::{LabelReading, LabelsOfDay, MAX_LABELS};
use crate::{
    database::{Fault, FaultClass},
    metric::{ColumnSum, DayBounds, Phase, Tally},
    platform::{
        planner::{
            execute::Executor,
            scan::{AnswerForm, Scan, Stream},
            span::Span,
        },
        schema::Schema,
    },
};

type SumsByLabel = HashMap<Option<String>, ColumnSum>;

impl LabelReading<'_> {
    /// # Errors
    /// Also where a day has more than [`MAX_LABELS`] labels.
    pub(super) async fn summed(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Tally>, Fault> {
        let dialect = executor.dialect();
        let body = self.body(dialect, schema, AnswerForm::Packed);
        let mut picker = Picker::new(self);
        // Soft deletions are read first, and subtracted as the creations are read.
        for stream in self.streams().into_iter().rev() {
            let scan = Scan::new(dialect, schema, self.source, stream)?;
            let spans = Span::of_days(days, self.phase == Phase::Existing);
            let mut sink = |id: usize, values: Vec<Option<String>>| {
                let (label, sum) = self.parse(dialect, &values)?;
                match stream {
                    Stream::Leaving => picker.leave(id, label, sum),
                    Stream::Entering => picker.enter(id, label, &sum),
                }
            };
            executor.scan(&scan, &body, spans, &mut sink).await?;
        }
        Ok(picker.finish(days.len()))
    }
}

/// Takes sums by span and label, in order of the spans, and selects each day's largest. Only one day's labels are held.
struct Picker<'a> {
    reading: &'a LabelReading<'a>,
    leaving: HashMap<usize, Vec<(Option<String>, ColumnSum)>>,
    current: usize,
    sums: SumsByLabel,
    tallies: Vec<Tally>,
}

impl<'a> Picker<'a> {
    fn new(reading: &'a LabelReading<'a>) -> Self {
        Self { reading, leaving: HashMap::new(), current: 0, sums: SumsByLabel::new(), tallies: Vec::new() }
    }

    fn leave(&mut self, id: usize, label: Option<String>, sum: ColumnSum) -> Result<(), Fault> {
        self.leaving.entry(id).or_default().push((label, sum));
        Ok(())
    }

    fn enter(&mut self, id: usize, label: Option<String>, sum: &ColumnSum) -> Result<(), Fault> {
        while self.current < id {
            self.close_span();
        }
        let of_label = self.sums.entry(label).or_default();
        *of_label = of_label.add(sum);
        if self.sums.len() <= MAX_LABELS {
            return Ok(());
        }
        let (column, table) = (self.reading.column, &self.reading.source.table);
        let message = format!(
            "the largest values of `{column}` of `{table}` could not be found within the time limit, and it has more than \
             {MAX_LABELS}, too many to read them all; break down by a column with fewer, or raise \
             `platform.statement_timeout_seconds`"
        );
        Err(Fault::new(FaultClass::TooLarge, message))
    }

    fn close_span(&mut self) {
        for (label, sum) in self.leaving.remove(&self.current).unwrap_or_default() {
            let of_label = self.sums.entry(label).or_default();
            *of_label = of_label.subtract(&sum);
        }
        self.sums.retain(|_, sum| sum.count != 0);
        if self.current > 0 {
            self.tallies.push(self.reading.tally(self.labels_of_day()));
        }
        if self.reading.phase == Phase::Created {
            self.sums.clear();
        }
        self.current += 1;
    }

    fn labels_of_day(&self) -> LabelsOfDay {
        let named = self.sums.iter().filter_map(|(label, sum)| Some((label.clone()?, sum.clone())));
        let largest: Vec<_> = named.collect();
        let total = largest.iter().fold(ColumnSum::default(), |total, (_, sum)| total.add(sum));
        let unlabelled = self.sums.get(&None).cloned().unwrap_or_default();
        LabelsOfDay { labels: largest.len(), largest, total, unlabelled }
    }

    fn finish(mut self, days: usize) -> Vec<Tally> {
        while self.current <= days {
            self.close_span();
        }
        self.tallies
    }
}
