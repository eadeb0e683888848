//! Which relations each reading reads, so that one that shows an old state is noticed before it is read: the tables of its
//! sources, or the relations that a query of the user's own names, of a metric or of a source. What a function reads is not among them.

use std::collections::BTreeSet;

use super::{execute::Executor, named_source::named_source, query::QueryReading, session::ends_the_cut};
use crate::{
    database::Fault,
    metric::{DayBounds, QueryShape, Reading, Rows},
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
    let mut found = Vec::with_capacity(readings.len());
    for reading in readings {
        let relations = match reading {
            Reading::Query { sql, shape } => of_query(executor, sql, *shape, day).await?,
            reading => of_sources(executor, sources, reading.rows()).await?,
        };
        found.push(relations);
    }
    Ok(found)
}

async fn of_sources(
    executor: &mut Executor<'_>,
    sources: &Sources,
    rows: Vec<&Rows>,
) -> Result<ReadRelations, Fault> {
    let dialect = executor.dialect();
    let mut found = BTreeSet::new();
    for rows in rows {
        let source = match named_source(dialect, sources, &rows.source) {
            Ok(source) => source,
            Err(fault) => return Ok(Err(fault)),
        };
        if source.query.is_none() && source.joined.is_empty() {
            found.insert(dialect.table(source));
            continue;
        }
        match analysed(executor, &format!("SELECT 1 FROM {}", dialect.table(source))).await? {
            Ok(relations) => found.extend(relations),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(Ok(found))
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
    analysed(executor, &statement).await
}

async fn analysed(executor: &mut Executor<'_>, statement: &str) -> Result<ReadRelations, Fault> {
    match executor.relations(statement).await {
        Ok(relations) => Ok(Ok(BTreeSet::from_iter(relations))),
        Err(fault) if ends_the_cut(&fault) => Err(fault),
        Err(fault) => Ok(Err(fault)),
    }
}
