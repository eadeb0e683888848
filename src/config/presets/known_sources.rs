//! The choice of a platform's table for each source that a preset knows.

use crate::{
    config::{
        presets::{
            built_in_set::BuiltInSet,
            known_source::{KnownMoment, KnownPart, KnownSource, People},
        },
        recognise::{
            Recognised,
            names::{plain, singular, table_name, words},
            quantities::{Quantity, quantity},
            recognise, recognise_moment,
            system_tables::{application_tables, supabase_users},
            users::{Pointers, most_referenced_people},
        },
    },
    metric::{Condition, Filter, JoinedColumn, Source},
    platform::{DetectedFormats, ForeignKey, Schema, Statistics, Table, TableKind},
};

/// First words of the names of tables whose rows are no longer, or not yet, part of the platform.
const SHADOWS: &[&str] =
    &["deleted", "archived", "archive", "old", "tmp", "temp", "backup", "draft", "hidden"];

/// Returns why the preset does not choose `table` by itself, if its rows may be those of an earlier time.
fn may_be_old(table: &Table) -> Option<String> {
    let what = match table.kind {
        TableKind::Current | TableKind::Query => return None,
        TableKind::MaterializedView => {
            "is a materialized view, whose last refresh may be earlier than the day's end"
        }
        TableKind::ForeignTable => "is a foreign table, whose server may lag",
    };
    Some(format!("{} {what}; declare it as a source to read it all the same", table_name(table)))
}

/// Returns the table of the preset's source `name`, or the reason why there is none. With `statistics`, a table without
/// rows is chosen only if no other fits, and the table of users is the one of people that most tables reference.
pub fn recognise_known<'a>(
    set: &BuiltInSet,
    name: &str,
    schema: &'a Schema,
    detected: &DetectedFormats,
    statistics: Option<&Statistics>,
) -> Result<Recognised<'a>, String> {
    let Some(known) = set.source(name) else {
        return Err(format!("`{name}` is not a source of {}", set.place));
    };
    let of_table = |table| recognise_as(known, table, detected, statistics);
    let is_filled =
        |found: &Recognised| statistics.is_none_or(|statistics| !statistics.is_empty(found.table));
    let people = |pointers, tables: &[&'a Table]| {
        let statistics = statistics.filter(|_| known.people != People::No)?;
        of_table(most_referenced_people(tables, pointers, statistics)?).ok()
    };
    let mut tables = application_tables(schema);
    let is_people_first = known.people == People::MostReferenced;
    if let Some(users) = is_people_first.then(|| people(Pointers::ForeignKeys, &tables)).flatten() {
        return Ok(users);
    }
    let (named, reasons): (Vec<_>, Vec<_>) =
        tables_named(known.tables, schema).into_iter().map(of_table).partition(Result::is_ok);
    let named: Vec<_> = named.into_iter().flatten().collect();
    let similar = tables_ending(known, schema).into_iter().map(of_table);
    let (similar, empty): (Vec<_>, Vec<_>) = similar.flatten().partition(is_filled);
    if let Some(found) = named.iter().find(|found| is_filled(found)) {
        return Ok(found.clone());
    }
    tables.extend(supabase_users(schema));
    let further = || people(Pointers::ForeignKeys, &tables).or_else(|| people(Pointers::Names, &tables));
    if let Some(users) = similar.is_empty().then(further).flatten() {
        return Ok(users);
    }
    match (&similar[..], named.first().or(empty.first())) {
        ([one], _) | ([], Some(one)) => Ok(one.clone()),
        ([], None) => {
            let reason = reasons.into_iter().find_map(Result::err);
            Err(reason.unwrap_or_else(|| format!("no table of {} was found", name.replace('_', " "))))
        }
        (several, _) => Err(ambiguous(name, several)),
    }
}

/// Returns `table` as the preset's source, or the reason why it cannot be that.
fn recognise_as<'a>(
    known: &KnownSource,
    table: &'a Table,
    detected: &DetectedFormats,
    statistics: Option<&Statistics>,
) -> Result<Recognised<'a>, String> {
    if let Some(reason) = may_be_old(table) {
        return Err(reason);
    }
    let recognised = recognise(table, detected, statistics.and_then(|all| all.of(table)), known.rows)?;
    if recognised.guess.is_some() {
        return Err(format!(
            "table {} has no column that is known to contain the time of creation",
            table_name(table)
        ));
    }
    if known.needs_actor.contains(&table.name.as_str()) && recognised.source.actor_column.is_none() {
        return Err(format!("table {} has no actor column", table_name(table)));
    }
    let has_money = || {
        let is_money = |column| matches!(quantity(column), Some(Quantity::Money | Quantity::Price));
        table.columns.iter().any(is_money)
    };
    if known.is_free && has_money() {
        return Err(format!(
            "table {} has prices or amounts, so it is not one of {}",
            table_name(table),
            known.name
        ));
    }
    let has_one =
        || table.columns.iter().any(|column| known.needs_column.contains(&plain(&column.name).as_str()));
    if !known.needs_column.is_empty() && !has_one() {
        return Err(format!(
            "table {} has none of the columns by which {} are known",
            table_name(table),
            known.name
        ));
    }
    Ok(recognised)
}

/// Returns the source of the parts of `whole`. With a foreign key, a part has the time, the actor and the filter of its whole.
pub fn recognise_part<'a>(
    part: &KnownPart,
    whole: &Recognised<'a>,
    schema: &'a Schema,
    detected: &DetectedFormats,
) -> Result<Recognised<'a>, String> {
    let name = part.source.name;
    let tables = known_tables(&part.source, schema);
    let usable = tables.into_iter().find(|table| table.readable && may_be_old(table).is_none());
    let table = usable.ok_or_else(|| format!("no table of {} was found", name.replace('_', " ")))?;
    let keys: Vec<_> = schema
        .foreign_keys_of(table)
        .filter(|key| key.to_table == whole.table.name && key.to_schema == whole.table.schema)
        .collect();
    match &keys[..] {
        [key] if whole.source.joined.is_empty() && whole.source.query.is_none() => {
            Ok(through_key(table, key, &whole.source))
        }
        _ => recognise(table, detected, None, part.source.rows),
    }
}

/// The source that reads `table`, with the columns of `whole` that the foreign key leads to.
fn through_key<'a>(table: &'a Table, key: &ForeignKey, whole: &Source) -> Recognised<'a> {
    let mut joined: Vec<JoinedColumn> = Vec::new();
    let mut through = |column: &str| {
        let name = format!("{}.{column}", key.column);
        if !joined.iter().any(|join| join.name == name) {
            joined.push(JoinedColumn {
                name: name.clone(),
                foreign_key: key.column.clone(),
                schema: whole.schema.clone(),
                table: whole.table.clone(),
                key: key.to_column.clone(),
                column: column.to_owned(),
            });
        }
        name
    };
    let conditions = whole
        .filter
        .0
        .iter()
        .map(|Condition { column, test }| Condition { column: through(column), test: test.clone() });
    let filter = Filter(conditions.collect());
    let source = Source {
        schema: (!table.visible).then(|| table.schema.clone()),
        table: table.name.clone(),
        time_column: through(&whole.time_column),
        actor_column: whole.actor_column.as_deref().map(&mut through),
        deleted_column: None,
        filter,
        joined: Vec::new(),
        ..whole.clone()
    };
    Recognised { table, source: Source { joined, ..source }, unusable_deletion: None, guess: None }
}

/// Returns the source of the rows of `of` by another time of theirs, or the reason why there is none.
pub fn recognise_known_moment<'a>(
    moment: &KnownMoment,
    of: &Recognised<'a>,
    detected: &DetectedFormats,
) -> Result<Recognised<'a>, String> {
    let missing = || {
        format!(
            "{} has no column that is known to contain the time of its {}",
            table_name(of.table),
            moment.what
        )
    };
    if moment.columns.is_empty() {
        let column = of.source.deleted_column.clone().ok_or_else(missing)?;
        let source = Source { time_column: column, deleted_column: None, ..of.source.clone() };
        return Ok(Recognised { source, ..of.clone() });
    }
    recognise_moment(of, moment.columns, detected).ok_or_else(missing)
}

fn ambiguous(name: &str, several: &[Recognised]) -> String {
    let names: Vec<_> = several.iter().map(|recognised| table_name(recognised.table)).collect();
    format!(
        "several tables may contain the {name} ({}); declare one of them in [sources.{name}]",
        names.join(", ")
    )
}

/// Returns the tables that may be the source.
pub fn known_tables<'a>(known: &KnownSource, schema: &'a Schema) -> Vec<&'a Table> {
    [tables_named(known.tables, schema), tables_ending(known, schema)].concat()
}

/// Returns the tables with exactly one of the names, in the order of the names, those on the search path first.
fn tables_named<'a>(names: &[&str], schema: &'a Schema) -> Vec<&'a Table> {
    let rank = |table: &Table| {
        let name = table.name.to_lowercase();
        names.iter().position(|plural| name == *plural || name == singular(plural))
    };
    let tables = application_tables(schema).into_iter();
    let mut found: Vec<_> = tables.filter_map(|table| Some((rank(table)?, !table.visible, table))).collect();
    found.sort_by_key(|(rank, hidden, _)| (*hidden, *rank));
    found.into_iter().map(|(_, _, table)| table).collect()
}

fn tables_ending<'a>(known: &KnownSource, schema: &'a Schema) -> Vec<&'a Table> {
    let ends = |table: &&Table| {
        let words = words(&table.name);
        let first = words.first().map_or("", String::as_str);
        let means_other = SHADOWS.contains(&first) || known.other_first_words.contains(&first);
        !means_other && known.name_ends.iter().any(|end| ends_with(&words, end))
    };
    application_tables(schema).into_iter().filter(ends).collect()
}

/// Whether the words of a name are more than those of `end`, and end with them in the plural or the singular.
fn ends_with(name: &[String], end: &str) -> bool {
    let end = words(end);
    let Some(start) = name.len().checked_sub(end.len()).filter(|start| *start > 0) else { return false };
    let is_same = |(word, of_end): (&String, &String)| word == of_end || *word == singular(of_end);
    name[start..].iter().zip(&end).all(is_same)
}
