//! Reads the statistics of tables: PostgreSQL's own where there are any, and otherwise a sample of each table's first rows.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{dialect::Dialect, session::Session};
use crate::{
    database::{Fault, FaultClass},
    platform::statistics::{PossibleReference, Reference, SampledTable, Statistics, TableStatistics},
};

/// How many rows of a table are read to find the filled columns and their values.
const SAMPLE_ROWS: u64 = 10_000;
/// How far rows are counted where the database has no estimate.
const MAX_COUNTED_ROWS: u64 = 1_000_000;
/// A column with more distinct values than this is not one of a few states.
const MAX_VALUES: usize = 20;
/// How many different values of a column are compared with the keys of another table.
const COMPARED_VALUES: u64 = 1000;
/// How many rows of that table are read if its key has no index.
const COMPARED_KEYS: u64 = 100_000;
/// The share of the values, in percent, that must be keys there. A database without foreign keys may have rows whose target was deleted.
const LEAST_SHARE_OF_KEYS: u64 = 90;
/// When this much time has passed, the tables that are left are not sampled.
const MAX_TIME: Duration = Duration::from_secs(60);

/// Rows of (schema, table, column, schema pointed at, table pointed at).
fn references_query(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "SELECT CAST(0 AS bigint), ARRAY[n.nspname, c.relname, a.attname, rn.nspname, r.relname]::text[]
             FROM pg_constraint AS k
             JOIN pg_class AS c ON c.oid = k.conrelid
             JOIN pg_namespace AS n ON n.oid = c.relnamespace
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
             JOIN pg_class AS r ON r.oid = k.confrelid
             JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
             WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND k.conparentid = 0"
        }
        Dialect::Sqlite => {
            "SELECT CAST(0 AS bigint), json_array('', t.name, f.\"from\", '', f.\"table\")
             FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS f
             WHERE t.type = 'table'
             GROUP BY t.name, f.id HAVING count(*) = 1"
        }
    }
}

/// Rows of (schema, table, estimated rows, column, share filled, values …), a row a column. The column is NULL for tables
/// that were never analyzed. Values are written as `CAST(column AS text)` writes them, which differs from how they stand in an
/// array: `true` for `t`, and a `char` without the spaces that fill it up.
const POSTGRES_ESTIMATES: &str = "
SELECT CAST(0 AS bigint),
       ARRAY[n.nspname, c.relname, greatest(c.reltuples, 0)::bigint::text, s.attname, (1 - s.null_frac)::text]
           || CASE WHEN s.n_distinct NOT BETWEEN 1 AND 20 THEN '{}'
                   WHEN 'bool'::regtype IN (t.oid, t.typbasetype) THEN s.most_common_vals::text::bool[]::text[]
                   WHEN 'bpchar'::regtype IN (t.oid, t.typbasetype) THEN s.most_common_vals::text::bpchar[]::text[]
                   ELSE s.most_common_vals::text::text[] END
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_stats AS s
       ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.inherited = (c.relkind = 'p')
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
LEFT JOIN pg_type AS t ON t.oid = a.atttypid
WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'";

/// Reads the statistics of `tables`. A table that cannot be read within the time limit has none.
///
/// # Errors
/// When the connection is lost.
pub async fn read(session: &mut dyn Session, tables: &[SampledTable]) -> Result<Statistics, Fault> {
    let begun = Instant::now();
    let dialect = session.dialect();
    let mut statistics = Statistics::default();
    for values in answers(session, references_query(dialect)).await? {
        if let [Some(schema), Some(table), Some(column), Some(to_schema), Some(to_table)] = &values[..] {
            let reference = Reference {
                column: column.clone(),
                to_schema: to_schema.clone(),
                to_table: to_table.clone(),
            };
            statistics.entry(schema, table).references.push(reference);
        }
    }
    for table in tables {
        if begun.elapsed() > MAX_TIME {
            break;
        }
        sample(session, table, statistics.entry(&table.schema, &table.table)).await?;
        for possible in &table.may_refer {
            if refers(session, table, possible).await? {
                let PossibleReference { column, to_schema, to_table, .. } = possible.clone();
                let reference = Reference { column, to_schema, to_table };
                statistics.entry(&table.schema, &table.table).references.push(reference);
            }
        }
    }
    if dialect == Dialect::Postgres {
        for values in answers(session, POSTGRES_ESTIMATES).await? {
            add_estimates(&mut statistics, &values);
        }
    }
    for table in tables {
        let sampled = statistics.entry(&table.schema, &table.table);
        if sampled.rows == Some(SAMPLE_ROWS) && begun.elapsed() < MAX_TIME {
            let name = dialect.qualified(&table.schema, &table.table);
            let limited = format!("SELECT 1 FROM {name} LIMIT {MAX_COUNTED_ROWS}");
            let counts = dialect.pack(&["count(*)".to_owned()]);
            let counted =
                first(session, &format!("SELECT CAST(0 AS bigint), {counts} FROM ({limited}) AS counted"))
                    .await?;
            sampled.rows = counted.and_then(|values| number(values.first()?.as_deref())).or(sampled.rows);
        }
    }
    Ok(statistics)
}

/// Whether the values of the column in a sample are keys of the other table; 0 and an empty text stand for none.
async fn refers(
    session: &mut dyn Session,
    table: &SampledTable,
    possible: &PossibleReference,
) -> Result<bool, Fault> {
    let dialect = session.dialect();
    let name = dialect.qualified(&table.schema, &table.table);
    let target = dialect.qualified(&possible.to_schema, &possible.to_table);
    let (column, key) = (dialect.name(&possible.column), dialect.name(&possible.to_column));
    let values = format!(
        "(SELECT DISTINCT {column} AS v FROM (SELECT {column} FROM {name} LIMIT {SAMPLE_ROWS}) AS sampled \
         WHERE {column} IS NOT NULL AND CAST({column} AS text) NOT IN ('0', '') LIMIT {COMPARED_VALUES}) AS few"
    );
    let (is_key, from) = if possible.is_indexed {
        (
            format!(
                "CASE WHEN EXISTS (SELECT 1 FROM {target} AS target WHERE target.{key} = few.v) THEN 1 END"
            ),
            values,
        )
    } else {
        let keys = format!(
            "(SELECT DISTINCT k FROM (SELECT {key} AS k FROM {target} LIMIT {COMPARED_KEYS}) AS first) AS keys"
        );
        ("keys.k".to_owned(), format!("{values} LEFT JOIN {keys} ON keys.k = few.v"))
    };
    let counts = dialect.pack(&["count(*)".to_owned(), format!("count({is_key})")]);
    let sql = format!("SELECT CAST(0 AS bigint), {counts} FROM {from}");
    let Some(counts) = first(session, &sql).await? else { return Ok(false) };
    let count =
        |place: usize| counts.get(place).and_then(|count| number(count.as_deref())).unwrap_or_default();
    Ok(count(0) > 0 && 100 * count(1) >= LEAST_SHARE_OF_KEYS * count(0))
}

/// Counts the rows of a sample, those in which each column is filled, and its values if they are few.
async fn sample(
    session: &mut dyn Session,
    table: &SampledTable,
    statistics: &mut TableStatistics,
) -> Result<(), Fault> {
    let dialect = session.dialect();
    let name = dialect.qualified(&table.schema, &table.table);
    let columns: Vec<_> = table.columns.iter().map(|column| dialect.name(column)).collect();
    let listed = if columns.is_empty() { "1 AS one".to_owned() } else { columns.join(", ") };
    let counts = std::iter::once("count(*)".to_owned());
    let counts: Vec<_> = counts.chain(columns.iter().map(|column| format!("count({column})"))).collect();
    let sql = format!(
        "SELECT CAST(0 AS bigint), {} FROM (SELECT {listed} FROM {name} LIMIT {SAMPLE_ROWS}) AS sampled",
        dialect.pack(&counts)
    );
    let Some(counts) = first(session, &sql).await? else { return Ok(()) };
    let mut counts = counts.iter().map(|count| number(count.as_deref()).unwrap_or_default());
    let rows = counts.next().unwrap_or_default();
    statistics.rows = Some(rows);
    if rows == 0 {
        return Ok(());
    }
    for (name, filled) in table.columns.iter().zip(counts) {
        #[expect(clippy::cast_precision_loss, reason = "both are at most 10,000")]
        statistics.filled.insert(name.clone(), filled as f64 / rows as f64);
    }
    for (column, quoted) in table.columns.iter().zip(&columns) {
        let sql = format!(
            "SELECT CAST(0 AS bigint), {} FROM (SELECT DISTINCT {quoted} FROM \
             (SELECT {quoted} FROM {name} LIMIT {SAMPLE_ROWS}) AS sampled WHERE {quoted} IS NOT NULL LIMIT {}) AS few",
            dialect.pack(&[format!("CAST({quoted} AS text)")]),
            MAX_VALUES + 1
        );
        let values: BTreeSet<_> = answers(session, &sql).await?.into_iter().flatten().flatten().collect();
        if values.len() <= MAX_VALUES {
            statistics.values.insert(column.clone(), values);
        }
    }
    Ok(())
}

/// PostgreSQL's own statistics are of the whole table, where the sample is of its first rows.
fn add_estimates(statistics: &mut Statistics, values: &[Option<String>]) {
    let [Some(schema), Some(table), rows, column, filled, values @ ..] = values else { return };
    let Some(sampled) = statistics.0.get_mut(&(schema.clone(), table.clone())) else { return };
    let estimate = number(rows.as_deref()).filter(|rows| *rows > SAMPLE_ROWS);
    if let (Some(SAMPLE_ROWS), Some(estimate)) = (sampled.rows, estimate) {
        sampled.rows = Some(estimate);
    }
    let Some(column) = column else { return };
    if sampled.rows.is_some_and(|rows| rows > SAMPLE_ROWS) {
        let filled = filled.as_deref().and_then(|share| share.parse().ok());
        sampled.filled.extend(filled.map(|share: f64| (column.clone(), share)));
    }
    if let Some(known) = sampled.values.get_mut(column) {
        known.extend(values.iter().flatten().cloned());
    }
}

fn number(text: Option<&str>) -> Option<u64> {
    text?.parse().ok()
}

async fn first(session: &mut dyn Session, sql: &str) -> Result<Option<Vec<Option<String>>>, Fault> {
    Ok(answers(session, sql).await?.into_iter().next())
}

/// No rows where the statement fails for another reason than a lost connection.
async fn answers(session: &mut dyn Session, sql: &str) -> Result<Vec<Vec<Option<String>>>, Fault> {
    match session.answers(sql).await {
        Ok(answers) => Ok(answers.into_iter().map(|(_, values)| values).collect()),
        Err(fault) if fault.class == FaultClass::Unreachable => Err(fault),
        Err(_) => Ok(Vec::new()),
    }
}
