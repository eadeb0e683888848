//! Answers a breakdown: for fewer days at a time where a statement takes too long or has too many answers, and at last by parts
//! of a day.

use super::reading::LabelReading;
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, LabelAggregate, Phase, Tally},
    platform::{
        planner::{
            execute::Executor,
            runs_of_days::RunsOfDays,
            scan::{AnswerForm, without_index},
            session::MAX_ANSWERS,
        },
        schema::Schema,
    },
};

impl LabelReading<'_> {
    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Tally>, Fault> {
        let mut tallies = Vec::with_capacity(days.len());
        let scans = self.scans(executor, schema, days).await?;
        let mut runs = RunsOfDays::new(days);
        while !runs.next().is_empty() {
            let run = runs.next();
            let body = self.body(executor.dialect(), schema, AnswerForm::Columns);
            let sql = self.ranked(&scans, &body, run);
            match executor.answers(&sql).await {
                Ok(answers) if answers.len() > MAX_ANSWERS && runs.halve() => {}
                Ok(answers) => {
                    let labels = self.days_of(executor.dialect(), run, answers)?;
                    tallies.extend(labels.into_iter().map(|labels| self.tally(labels)));
                    runs.advance();
                }
                Err(fault) if fault.class != FaultClass::TimedOut || executor.is_over() => return Err(fault),
                Err(fault) => {
                    let of_last = self.ranked(&scans, &body, &run[run.len().saturating_sub(1)..]);
                    if !scans[0].is_indexed() && !executor.reads_a_range(&of_last).await? {
                        return Err(without_index(self.source, fault));
                    }
                    // What existed before the first day would be read again for each part.
                    if self.phase == Phase::Created && runs.halve() {
                        continue;
                    }
                    if matches!(self.aggregate, LabelAggregate::Distinct(_)) {
                        return Err(fault);
                    }
                    tallies.extend(self.summed(executor, schema, run).await?);
                    runs.advance();
                }
            }
        }
        Ok(tallies)
    }
}
