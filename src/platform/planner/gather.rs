//! Gathers readings into tasks.

use std::collections::BTreeMap;

use super::{
    actor_tasks::{ActorReadings, IndexedReadings},
    dialect::Dialect,
    labels::LabelReading,
    named_source::named_source,
    quantiles::QuantileGroup,
    query::QueryReading,
    scalars::ScalarGroup,
    task::{ReadingTask, TaskKind},
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Quantile, Reading, Rows},
    platform::{
        contract::{PlannedStatement, Sources},
        schema::Schema,
    },
};

/// All counts, sums, moments and extremes of a source make one task, and so do the quantiles of one column of the same rows, and the windows
/// over the same rows in which distinct actors are counted, or compared with the window before, and the cohorts of the same rows;
/// every other reading is a task of its own.
pub fn plan<'a>(
    dialect: Dialect,
    sources: &'a Sources,
    readings: &'a [Reading],
    wanted: &[usize],
) -> Vec<ReadingTask<'a>> {
    let mut scalars: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut actors = ActorReadings::default();
    let mut quantiles: BTreeMap<(&Rows, &str), IndexedReadings<(Quantile, u32)>> = BTreeMap::new();
    let mut others = Vec::new();
    for &index in wanted {
        match &readings[index] {
            Reading::Count { rows, .. }
            | Reading::Moments { rows, .. }
            | Reading::Sum { rows, .. }
            | Reading::Extremes { rows, .. } => {
                scalars.entry(&rows.source).or_default().push(index);
            }
            Reading::Quantile { rows, column, quantile, window_days } => {
                quantiles.entry((rows, column)).or_default().push((index, (*quantile, *window_days)));
            }
            reading if actors.add(index, reading) => {}
            reading => others.push(single(dialect, sources, index, reading)),
        }
    }
    let scalars = scalars.into_iter().map(|(name, indexes)| {
        let group: Vec<_> = indexes.iter().map(|&index| &readings[index]).collect();
        let work = match named_source(dialect, sources, name) {
            Ok(source) => TaskKind::Scalars(ScalarGroup::new(source, &group)),
            Err(fault) => TaskKind::Impossible(fault),
        };
        ReadingTask { readings: indexes, sources: vec![name.to_owned()], work }
    });
    let quantiles = quantiles.into_iter().map(|((rows, column), mut wanted)| {
        wanted.sort_by_key(|(_, (_, window))| *window);
        let (indexes, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        let work = match named_source(dialect, sources, &rows.source) {
            Ok(source) => TaskKind::Quantiles(QuantileGroup { source, rows, column, wanted }),
            Err(fault) => TaskKind::Impossible(fault),
        };
        ReadingTask { readings: indexes, sources: vec![rows.source.clone()], work }
    });
    scalars.chain(quantiles).chain(actors.into_tasks(sources)).chain(others).collect()
}

fn single<'a>(dialect: Dialect, sources: &'a Sources, index: usize, reading: &'a Reading) -> ReadingTask<'a> {
    let (names, work) = match reading {
        Reading::Labels { rows, column, phase, top, aggregate } => {
            let work = match named_source(dialect, sources, &rows.source) {
                Ok(source) => TaskKind::Labels(LabelReading {
                    source,
                    rows,
                    column,
                    phase: *phase,
                    top: *top,
                    aggregate,
                }),
                Err(fault) => TaskKind::Impossible(fault),
            };
            (vec![rows.source.clone()], work)
        }
        Reading::Query { sql, shape } => (Vec::new(), TaskKind::Query(QueryReading { sql, shape: *shape })),
        // These share a task with others.
        Reading::Count { .. }
        | Reading::Moments { .. }
        | Reading::Sum { .. }
        | Reading::Extremes { .. }
        | Reading::Quantile { .. }
        | Reading::Distinct { .. }
        | Reading::Growth { .. }
        | Reading::Arrivals { .. }
        | Reading::Retention { .. } => {
            let fault =
                Fault::new(FaultClass::Other, "this reading shares a task; this is a defect in Daymark");
            (Vec::new(), TaskKind::Impossible(fault))
        }
    };
    ReadingTask { readings: vec![index], sources: names, work }
}

/// The statements of all readings, for people; see [`crate::platform::Platform::plan`].
pub fn plan_statements(
    dialect: Dialect,
    calendar: &Calendar,
    schema: &Schema,
    sources: &Sources,
    readings: &[Reading],
    days: &[DayBounds],
) -> Result<Vec<PlannedStatement>, Fault> {
    let all: Vec<_> = (0..readings.len()).collect();
    let mut statements = Vec::new();
    for task in plan(dialect, sources, readings, &all) {
        statements.extend(task.statements(dialect, schema, calendar, days)?);
    }
    Ok(statements)
}
