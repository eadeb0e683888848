//! Gathers the readings that count distinct actors, or distinct values of another column. Readings over the same rows share a task.

use std::collections::BTreeMap;

use super::{
    cohorts::{CohortCount, CohortGroup},
    distinct::DistinctGroup,
    growth::GrowthGroup,
    task::{ReadingTask, TaskKind},
};
use crate::{
    metric::{Reading, Rows, Window},
    platform::contract::Sources,
};

/// Readings by their index, each with what it asks for.
pub type IndexedReadings<T> = Vec<(usize, T)>;

/// The readings by the rows that they share, and by the column or the cohorts.
#[derive(Default)]
pub struct ActorReadings<'a> {
    distinct: BTreeMap<(Vec<&'a Rows>, Option<&'a str>), IndexedReadings<Window>>,
    growth_counts: BTreeMap<Vec<&'a Rows>, IndexedReadings<u32>>,
    cohorts: BTreeMap<(Vec<&'a Rows>, Option<&'a Rows>), IndexedReadings<CohortCount>>,
}

impl<'a> ActorReadings<'a> {
    /// Takes the reading, if it is one of these. Returns whether it is.
    pub fn add(&mut self, index: usize, reading: &'a Reading) -> bool {
        match reading {
            Reading::Distinct { rows, column, window } => {
                self.distinct.entry((sorted(rows), column.as_deref())).or_default().push((index, *window));
            }
            Reading::Growth { rows, window_days } => {
                self.growth_counts.entry(sorted(rows)).or_default().push((index, *window_days));
            }
            Reading::Retention { rows, cohort, after_days, window_days } => {
                let count = CohortCount::Retention { after_days: *after_days, window_days: *window_days };
                self.cohorts.entry((sorted(rows), cohort.as_ref())).or_default().push((index, count));
            }
            Reading::Arrivals { rows, window_days } => {
                let count = CohortCount::Arrivals { window_days: *window_days };
                self.cohorts.entry((sorted(rows), None)).or_default().push((index, count));
            }
            _ => return false,
        }
        true
    }

    pub fn into_tasks(self, sources: &'a Sources) -> Vec<ReadingTask<'a>> {
        let distinct = self.distinct.into_iter().map(|((rows, column), mut wanted)| {
            wanted.sort_by_key(|(_, window)| window.longest());
            let (readings, windows) = wanted.into_iter().unzip();
            task(
                readings,
                &rows,
                None,
                TaskKind::Distinct(DistinctGroup { rows: rows.clone(), column, sources, windows }),
            )
        });
        let growth_counts = self.growth_counts.into_iter().map(|(rows, mut wanted)| {
            wanted.sort_by_key(|(_, window)| *window);
            let (readings, windows) = wanted.into_iter().unzip();
            task(
                readings,
                &rows,
                None,
                TaskKind::Growth(GrowthGroup { rows: rows.clone(), sources, windows }),
            )
        });
        let cohorts = self.cohorts.into_iter().map(|((rows, cohort), wanted)| {
            let (readings, wanted) = wanted.into_iter().unzip();
            task(
                readings,
                &rows,
                cohort,
                TaskKind::Cohorts(CohortGroup { rows: rows.clone(), cohort, sources, wanted }),
            )
        });
        distinct.chain(growth_counts).chain(cohorts).collect()
    }
}

fn sorted(rows: &[Rows]) -> Vec<&Rows> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.sort_unstable();
    rows
}

fn task<'a>(
    readings: Vec<usize>,
    rows: &[&'a Rows],
    cohort: Option<&'a Rows>,
    work: TaskKind<'a>,
) -> ReadingTask<'a> {
    let sources = rows.iter().copied().chain(cohort).map(|rows| rows.source.clone()).collect();
    ReadingTask { readings, sources, work }
}
