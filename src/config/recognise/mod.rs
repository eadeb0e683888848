//! Recognises the meaning of a table's columns (time of creation, actor, time of soft deletion, flags) and the tables
//! that belong to the platform's application.

mod boolean_values;
mod column_synonyms;
mod creation_time;
mod deletion;
pub mod dimensions;
pub mod ends;
pub mod flags;
mod guessed_time;
pub mod names;
pub mod quantities;
mod references;
pub mod system_tables;
pub mod time_format;
pub mod users;

pub use column_synonyms::ACTIVATED;
pub use deletion::can_mark_existing;

use crate::{
    config::recognise::{
        column_synonyms::{ACTORS, ENDED},
        creation_time::{candidates, created_columns, only_values_tell},
        deletion::{deleted_columns, named_ends, unusable_reason},
        dimensions::may_be_dimension,
        ends::end_columns,
        flags::may_be_flag,
        guessed_time::{GuessedTime, guessable, guessed_time},
        names::{grant, plain, table_name},
        references::possible_references,
        system_tables::{application_tables, supabase_users},
        time_format::{format_of, possible_formats, to_detect},
    },
    metric::{Filter, Source, TimeFormat},
    platform::{Column, DetectedFormats, SampledTable, Schema, Table, TableStatistics},
};

/// A table that can be a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised<'a> {
    pub table: &'a Table,
    pub source: Source,
    /// Why a column that looks like the time of deletion cannot be used.
    pub unusable_deletion: Option<String>,
    /// The time of creation, if only its values tell that it is one.
    pub guess: Option<GuessedTime<'a>>,
}

/// The role that the rows of a table have for the platform's actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowMeaning {
    /// What an actor did.
    Action,
    /// The actors: users, organizations.
    Actor,
    /// Something with a duration, such as a subscription, which lasts until it is cancelled.
    Term,
}

/// Returns a source that reads `table`, or the reason why that is not possible.
pub fn recognise<'a>(
    table: &'a Table,
    detected: &DetectedFormats,
    statistics: Option<&TableStatistics>,
    rows: RowMeaning,
) -> Result<Recognised<'a>, String> {
    if !table.readable {
        return Err(format!("the platform's role may not read {}; {}", table_name(table), grant(table)));
    }
    let told = time_of_creation(table, detected, statistics);
    let guess = if told.is_err() { guessed_time(table, detected, statistics) } else { None };
    let (time_column, time_format) = match &guess {
        Some(guess) => (guess.column, guess.format),
        None => told?,
    };
    let ends = if rows == RowMeaning::Term { named_ends(table, ENDED) } else { Vec::new() };
    let deletions: Vec<_> = deleted_columns(table)
        .into_iter()
        .chain(ends)
        .map(|column| match unusable_reason(table, column, time_format, detected) {
            None => Ok(column),
            Some(reason) => Err(reason),
        })
        .collect();
    let deleted_column = deletions.iter().find_map(|column| column.as_ref().ok());
    let unusable_deletion = deletions.iter().find_map(|column| column.as_ref().err().cloned());
    let actor_column = (rows != RowMeaning::Actor).then(|| actor_column(table)).flatten();
    let source = Source {
        schema: (!table.visible).then(|| table.schema.clone()),
        table: table.name.clone(),
        query: None,
        joined: Vec::new(),
        time_column: time_column.name.clone(),
        time_format,
        time_zone: "UTC".to_owned(),
        deleted_column: deleted_column.map(|column| column.name.clone()),
        actor_column: actor_column.map(|column| column.name.clone()),
        filter: Filter::default(),
    };
    let unusable_deletion = unusable_deletion.filter(|_| source.deleted_column.is_none());
    Ok(Recognised { table, source, unusable_deletion, guess })
}

/// Returns the same rows by the first of the columns that exists and contains a time; names are in lower case and without separators.
/// A source with a time of deletion is only read by times of its format.
pub fn recognise_moment<'a>(
    of: &Recognised<'a>,
    columns: &[&str],
    detected: &DetectedFormats,
) -> Option<Recognised<'a>> {
    let named =
        columns.iter().filter_map(|name| of.table.columns.iter().find(|column| plain(&column.name) == *name));
    let (column, time_format) =
        named.filter_map(|column| Some((column, format_of(of.table, column, detected).ok()?))).next()?;
    if of.source.deleted_column.is_some() && time_format != of.source.time_format {
        return None;
    }
    let source = Source { time_column: column.name.clone(), time_format, ..of.source.clone() };
    Some(Recognised { source, ..of.clone() })
}

/// Returns the column that contains the time of creation, and its format.
fn time_of_creation<'a>(
    table: &'a Table,
    detected: &DetectedFormats,
    statistics: Option<&TableStatistics>,
) -> Result<(&'a Column, TimeFormat), String> {
    let candidates = created_columns(table, statistics);
    let Some(first) = candidates.first() else {
        return Err(format!(
            "table {} has no column that is known to contain the time of creation",
            table_name(table)
        ));
    };
    let usable = |column: &'a Column| {
        let format = format_of(table, column, detected)?;
        let found = to_detect(table, column).and_then(|column| detected.get(&column));
        match only_values_tell(table, column) && found.is_none_or(|found| found.is_doubtful) {
            true => Err(format!("the numbers of `{}.{}` are not those of times", table.name, column.name)),
            false => Ok((column, format)),
        }
    };
    let found = candidates.iter().find_map(|column| usable(column).ok());
    found.ok_or_else(|| usable(first).err().unwrap_or_default())
}

/// Returns the columns of `table` whose time format must be detected from their values before the table can be
/// recognised without statistics.
pub fn undecided_columns(table: &Table) -> Vec<(String, String)> {
    let columns =
        created_columns(table, None).into_iter().chain(deleted_columns(table)).chain(moments(table));
    columns.filter(|_| table.readable).filter_map(|column| to_detect(table, column)).collect()
}

/// Returns the columns of the application's tables whose time format must be detected from their values before the
/// tables can be recognised with statistics, by table and column.
pub fn columns_to_inspect(schema: &Schema) -> Vec<(String, String)> {
    let tables = application_tables(schema).into_iter().filter(|table| table.readable);
    let columns = tables.flat_map(|table| {
        let columns = candidates(table).into_iter().chain(guessable(table)).chain(end_columns(table));
        let columns = columns.chain(deleted_columns(table)).chain(moments(table));
        columns.filter_map(|column| to_detect(table, column)).collect::<Vec<_>>()
    });
    let mut columns: Vec<_> = columns.collect();
    columns.sort();
    columns.dedup();
    columns
}

/// Returns the application's tables, for which statistics are needed, each with the columns that may contain the time
/// of creation, those that look like flags, those that may have few different values and those that may refer to another table.
pub fn tables_to_sample(schema: &Schema) -> Vec<SampledTable> {
    let tables: Vec<_> = application_tables(schema).into_iter().chain(supabase_users(schema)).collect();
    let of_table = |table: &&Table| {
        let dimensions = table.columns.iter().filter(|column| may_be_dimension(column));
        let further = candidates(table).into_iter().chain(guessable(table)).chain(dimensions).collect();
        SampledTable { may_refer: possible_references(table, &tables, schema), ..sampled(table, further) }
    };
    tables.iter().filter(|table| table.readable).map(of_table).collect()
}

/// Returns `table` with the columns that look like flags, and the `further` ones.
pub fn sampled<'a>(table: &'a Table, further: Vec<&'a Column>) -> SampledTable {
    let flags = table.columns.iter().filter(|column| may_be_flag(column));
    let mut columns: Vec<_> = further.into_iter().chain(flags).map(|column| column.name.clone()).collect();
    columns.sort();
    columns.dedup();
    SampledTable { schema: table.schema.clone(), table: table.name.clone(), columns, may_refer: Vec::new() }
}

/// The columns with the time of a change that a preset may ask for.
fn moments(table: &Table) -> Vec<&Column> {
    let is_activation = |column: &&Column| {
        ACTIVATED.contains(&plain(&column.name).as_str()) && !possible_formats(table, column).is_empty()
    };
    let activations = table.columns.iter().filter(is_activation);
    named_ends(table, ENDED).into_iter().chain(activations).collect()
}

fn actor_column(table: &Table) -> Option<&Column> {
    ACTORS.iter().find_map(|name| table.columns.iter().find(|column| plain(&column.name) == *name))
}
