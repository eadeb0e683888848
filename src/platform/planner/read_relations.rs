//! Which relations each reading reads, so that one that shows an old state is noticed before it is read: the tables of its
//! sources, or the relations that a query of the user's own names. What a function reads is not among them.

use std::collections::BTreeSet;

use super::{dialect::Dialect, execute::Executor, query::QueryReading, session::ends_the_cut};
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, QueryShape, Reading},
    platform::contract::{ReadRelations, Sources},
};

/// Returns the relations of each reading, in order. A query's text names the same relations on every day, so it is analysed
/// once, with the bounds of `day`.
///
/// # Errors
/// When the snapshot is lost.
pub async fn of_readings(
    executor: &mut Executor<'_>,
    sources: &Sources,
    readings: &[Reading],
    day: &DayBounds,
) -> Result<Vec<ReadRelations>, Fault> {
    let dialect = executor.dialect();
    let mut found = Vec::with_capacity(readings.len());
    for reading in readings {
        let relations = match reading {
            Reading::Query { sql, shape } => of_query(executor, sql, *shape, day).await?,
            reading => of_sources(dialect, sources, reading.rows().iter().map(|rows| &rows.source)),
        };
        found.push(relations);
    }
    Ok(found)
}

fn of_sources<'a>(
    dialect: Dialect,
    sources: &Sources,
    names: impl IntoIterator<Item = &'a String>,
) -> ReadRelations {
    let table = |name: &String| match sources.get(name) {
        Some(source) => Ok(dialect.table(source)),
        None => Err(Fault::new(FaultClass::Other, format!("source `{name}` is not defined"))),
    };
    names.into_iter().map(table).collect()
}

async fn of_query(
    executor: &mut Executor<'_>,
    sql: &str,
    shape: QueryShape,
    day: &DayBounds,
) -> Result<ReadRelations, Fault> {
    let statement = match (QueryReading { sql, shape }).statement(executor.dialect(), day) {
        Ok(statement) => statement,
        Err(fault) => return Ok(Err(fault)),
    };
    match executor.relations(&statement).await {
        Ok(relations) => Ok(Ok(BTreeSet::from_iter(relations))),
        Err(fault) if ends_the_cut(&fault) => Err(fault),
        Err(fault) => Ok(Err(fault)),
    }
}
