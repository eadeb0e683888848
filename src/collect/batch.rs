//! A batch of metrics that are read together. Each reading is made once, however many metrics need it.

use std::{collections::HashMap, sync::Arc};

use super::lost_sessions::LostSessions;
use crate::{
    database::Fault,
    metric::{DayBounds, Definition, Reading, Tally},
    platform::{Cut, FunctionTask, PlannedStatement, Platform, ReadRelations, Schema, Sources},
};

/// Metrics to be read together; answers name a metric by the index that was passed to [`Batch::new`].
pub(crate) struct Batch {
    parts: Vec<Arc<Part>>,
}

/// Metrics whose source names have the same definitions. There is more than one part only when metrics were stored
/// before and after a change of a source's definition.
#[derive(Default)]
struct Part {
    sources: Sources,
    readings: Vec<Reading>,
    positions: HashMap<Reading, usize>,
    /// The index of each metric, and the positions of its readings in `readings`.
    metrics: Vec<(usize, Vec<usize>)>,
}

/// The platform's answer to each reading of each part.
pub(crate) struct Answers<T> {
    parts: Vec<PartAnswers<T>>,
}

/// A part, and the answer to each of its readings.
type PartAnswers<T> = (Arc<Part>, Vec<Result<T, Fault>>);

/// The platform's answer for one metric.
pub(crate) struct MetricReadings<'a, T> {
    pub metric: usize,
    /// The answers to the metric's readings, in order; or the fault of the first reading that failed.
    pub readings: Result<Vec<&'a T>, &'a Fault>,
}

impl Batch {
    pub fn new<'a>(definitions: impl IntoIterator<Item = (usize, &'a Definition)>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for (index, definition) in definitions {
            let compatible = parts.iter().position(|part| part.agrees_with(&definition.sources));
            let position = compatible.unwrap_or_else(|| {
                parts.push(Part::default());
                parts.len() - 1
            });
            parts[position].add(index, definition);
        }
        Self { parts: parts.into_iter().map(Arc::new).collect() }
    }

    /// Reads the tallies of every metric for every day of `days`.
    ///
    /// # Errors
    /// When the cut is lost; everything must then be read again from a new one.
    pub(super) async fn read(
        &self,
        cut: &mut dyn Cut,
        schema: &Schema,
        days: &[DayBounds],
        lost_sessions: &LostSessions,
    ) -> Result<Answers<Vec<Tally>>, Fault> {
        let mut parts = Vec::new();
        for part in &self.parts {
            let answers = lost_sessions.read(cut, schema, &part.sources, &part.readings, days).await?;
            parts.push((Arc::clone(part), answers));
        }
        Ok(Answers { parts })
    }

    /// Returns the relations that each metric reads, or why they are unknown.
    ///
    /// # Errors
    /// When the cut is lost.
    pub async fn relations(
        &self,
        cut: &mut dyn Cut,
        day: &DayBounds,
    ) -> Result<Vec<(usize, ReadRelations)>, Fault> {
        let mut found = Vec::new();
        for part in &self.parts {
            let of_readings = cut.relations(&part.sources, &part.readings, day).await?;
            for (metric, needed) in &part.metrics {
                let needed: Result<Vec<_>, _> =
                    needed.iter().map(|position| of_readings[*position].clone()).collect();
                found.push((*metric, needed.map(|relations| relations.into_iter().flatten().collect())));
            }
        }
        Ok(found)
    }

    /// Lets the platform plan every reading for `days` without running it.
    ///
    /// # Errors
    /// When the cut is lost.
    pub async fn explain(
        &self,
        cut: &mut dyn Cut,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Answers<String>, Fault> {
        let mut parts = Vec::new();
        for part in &self.parts {
            parts.push((Arc::clone(part), cut.explain(schema, &part.sources, &part.readings, days).await?));
        }
        Ok(Answers { parts })
    }

    /// Returns the statements that [`Self::read`] would run.
    pub fn plan(
        &self,
        platform: &dyn Platform,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault> {
        let mut statements = Vec::new();
        for part in &self.parts {
            statements.extend(platform.plan(schema, &part.sources, &part.readings, days)?);
        }
        Ok(statements)
    }
}

/// The statements that a function in the database runs for a batch.
pub(crate) struct FunctionBatch {
    /// Their readings are numbered through all parts of the batch.
    pub tasks: Vec<FunctionTask>,
    /// The index of each metric, and its readings.
    pub metrics: Vec<(usize, Vec<usize>)>,
}

impl Batch {
    /// The statements with which a function in the database would read the batch. `helpers` is the schema of its helper
    /// functions, as SQL.
    pub fn plan_function(
        &self,
        platform: &dyn Platform,
        schema: &Schema,
        helpers: &str,
    ) -> Result<FunctionBatch, Fault> {
        let mut planned = FunctionBatch { tasks: Vec::new(), metrics: Vec::new() };
        let mut first = 0;
        for part in &self.parts {
            let numbered = |readings: &[usize]| readings.iter().map(|reading| reading + first).collect();
            let tasks = platform.plan_function(schema, &part.sources, &part.readings, helpers)?;
            planned.tasks.extend(
                tasks.into_iter().map(|task| FunctionTask { readings: numbered(&task.readings), ..task }),
            );
            planned.metrics.extend(part.metrics.iter().map(|(metric, needed)| (*metric, numbered(needed))));
            first += part.readings.len();
        }
        Ok(planned)
    }
}

impl Part {
    fn agrees_with(&self, sources: &Sources) -> bool {
        sources.iter().all(|(name, source)| self.sources.get(name).is_none_or(|known| known == source))
    }

    fn add(&mut self, index: usize, definition: &Definition) {
        self.sources.extend(definition.sources.clone());
        let mut needed = Vec::new();
        for reading in definition.measure.readings() {
            let next = self.readings.len();
            let position = *self.positions.entry(reading.clone()).or_insert(next);
            if position == next {
                self.readings.push(reading);
            }
            needed.push(position);
        }
        self.metrics.push((index, needed));
    }
}

impl<T> Answers<T> {
    /// The answers where no day is asked about.
    pub fn none() -> Self {
        Self { parts: Vec::new() }
    }

    pub fn iter(&self) -> impl Iterator<Item = MetricReadings<'_, T>> {
        self.parts.iter().flat_map(|(part, answers)| {
            part.metrics.iter().map(|(metric, needed)| {
                let readings = needed.iter().map(|position| answers[*position].as_ref()).collect();
                MetricReadings { metric: *metric, readings }
            })
        })
    }
}

impl<T> MetricReadings<'_, T> {
    pub fn fault(&self) -> Option<&Fault> {
        self.readings.as_ref().err().copied()
    }
}

impl MetricReadings<'_, Vec<Tally>> {
    /// Returns the tallies of the day with this index, in the order of the metric's readings.
    pub fn of_day(&self, day: usize) -> Result<Vec<&Tally>, &Fault> {
        let readings = self.readings.as_ref().map_err(|fault| *fault)?;
        Ok(readings.iter().filter_map(|tallies| tallies.get(day)).collect())
    }
}
