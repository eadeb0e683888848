//! Recognises the table of users as the one that most other tables reference, if its name is not sufficient.

use crate::{
    config::recognise::names::{plain, singular},
    platform::{Statistics, Table},
};

/// Names of columns that occur only in tables of people, in lower case and without separators.
const OF_PEOPLE: &[&str] = &[
    "email",
    "emailaddress",
    "username",
    "login",
    "nickname",
    "handle",
    "passwordhash",
    "passworddigest",
    "encryptedpassword",
    "firstname",
    "lastname",
    "fullname",
    "displayname",
    "screenname",
    "avatar",
    "avatarurl",
    "lastseenat",
    "lastloginat",
];
/// The least number of tables that must reference a table of users.
const LEAST_POINTERS: usize = 2;

/// How a table references another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointers {
    ForeignKeys,
    /// By a column that is named after the other table, such as `person_id`.
    Names,
}

/// Returns the table among `tables` that describes people and that most other tables reference; `None` if there is none
/// or two are equal.
pub fn most_referenced_people<'a>(
    tables: &[&'a Table],
    pointers: Pointers,
    statistics: &Statistics,
) -> Option<&'a Table> {
    let mut ranked: Vec<_> = tables
        .iter()
        .filter(|table| describes_people(table) && !statistics.is_empty(table))
        .map(|table| (pointing(table, tables, pointers, statistics), *table))
        .filter(|(pointing, _)| *pointing >= LEAST_POINTERS)
        .collect();
    ranked.sort_by_key(|(pointing, _)| std::cmp::Reverse(*pointing));
    match &ranked[..] {
        [(first, _), (second, _), ..] if first == second => None,
        [(_, table), ..] => Some(table),
        [] => None,
    }
}

/// The least number of tables that must reference a table that does not describe people for it to be that of the actors.
const LEAST_POINTERS_OF_OTHERS: usize = 3;

/// Returns the table that most foreign keys point at, whatever it describes, and from how many tables; `None` if two are equal.
pub fn most_referenced<'a>(tables: &[&'a Table], statistics: &Statistics) -> Option<(&'a Table, usize)> {
    let filled = tables.iter().filter(|table| !statistics.is_empty(table));
    let mut ranked: Vec<_> = filled
        .map(|table| (*table, pointing(table, tables, Pointers::ForeignKeys, statistics)))
        .filter(|(_, pointing)| *pointing >= LEAST_POINTERS_OF_OTHERS)
        .collect();
    ranked.sort_by_key(|(_, pointing)| std::cmp::Reverse(*pointing));
    match &ranked[..] {
        [(_, first), (_, second), ..] if first == second => None,
        [most, ..] => Some(*most),
        [] => None,
    }
}

fn describes_people(table: &Table) -> bool {
    table.columns.iter().any(|column| OF_PEOPLE.contains(&plain(&column.name).as_str()))
}

/// Returns how many other tables with rows reference `table`.
pub fn pointing(table: &Table, tables: &[&Table], pointers: Pointers, statistics: &Statistics) -> usize {
    let named_after = format!("{}id", singular(&plain(&table.name)));
    let others = tables.iter().filter(|other| **other != table && !statistics.is_empty(other));
    others
        .filter(|other| match pointers {
            Pointers::ForeignKeys => references(other, table, statistics).next().is_some(),
            Pointers::Names => other.columns.iter().any(|column| plain(&column.name) == named_after),
        })
        .count()
}

/// Returns the column of `table` that is a foreign key to `target`; `None` if there is none or there are several.
pub fn points_at<'a>(table: &Table, target: &Table, statistics: &'a Statistics) -> Option<&'a str> {
    let mut columns = references(table, target, statistics);
    columns.next().filter(|_| columns.next().is_none())
}

fn references<'a>(
    table: &Table,
    target: &Table,
    statistics: &'a Statistics,
) -> impl Iterator<Item = &'a str> {
    let references = statistics.of(table).map_or(&[][..], |statistics| &statistics.references);
    references
        .iter()
        .filter(|reference| reference.to_schema == target.schema && reference.to_table == target.name)
        .map(|reference| reference.column.as_str())
}
