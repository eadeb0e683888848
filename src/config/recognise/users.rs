//! Recognises the table of users as the one that most other tables reference, if its name is not sufficient.

use crate::{
    config::recognise::names::{plain, singular, words},
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
        .filter(|table| describes_people(table) && !is_of_staff(table) && !statistics.is_empty(table))
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

/// Returns the table of people to which the most tables of `activity`, the tables with a time of creation, have a foreign key, and the
/// number of these tables. If two tables of people are equal in this, it is the one with more rows.
pub fn people_of_activity<'a>(
    tables: &[&'a Table],
    activity: &[&Table],
    statistics: &Statistics,
) -> Option<(&'a Table, usize)> {
    let rows = |table: &Table| statistics.of(table).and_then(|of_table| of_table.rows);
    let are_people = |table: &&&Table| may_be_people(table) && !statistics.is_empty(table);
    let ranked = tables
        .iter()
        .filter(are_people)
        .map(|table| (*table, pointing(table, activity, Pointers::ForeignKeys, statistics)));
    // `max_by_key` returns the last of equal elements, so the order is reversed to prefer the first.
    ranked
        .rev()
        .filter(|(_, pointing)| *pointing > 0)
        .max_by_key(|(table, pointing)| (*pointing, rows(table)))
}

/// Last words of the names of tables whose rows are people, or say more about them.
const PEOPLE: &[&str] = &[
    "user",
    "users",
    "profile",
    "profiles",
    "account",
    "accounts",
    "member",
    "members",
    "person",
    "persons",
    "people",
    "customer",
    "customers",
    "contact",
    "contacts",
];

/// Last words of the names of further tables of people who use a platform, in the singular.
const OTHER_PEOPLE: &[&str] = &[
    "patient",
    "donor",
    "listener",
    "holder",
    "student",
    "learner",
    "pupil",
    "subscriber",
    "visitor",
    "guest",
    "client",
    "player",
    "reader",
    "borrower",
    "tenant",
    "buyer",
    "shopper",
    "passenger",
    "rider",
    "driver",
    "participant",
    "attendee",
    "contributor",
    "supporter",
    "backer",
    "viewer",
    "applicant",
    "candidate",
    "resident",
    "citizen",
    "volunteer",
    "traveler",
    "traveller",
    "renter",
];
/// Last words of the names of tables of people who work for a platform, in the singular.
const STAFF: &[&str] = &[
    "doctor",
    "physician",
    "nurse",
    "therapist",
    "agent",
    "staff",
    "employee",
    "admin",
    "administrator",
    "operator",
    "moderator",
    "instructor",
    "teacher",
    "librarian",
    "technician",
];

fn is_named(table: &Table, nouns: &[&str]) -> bool {
    let last = words(&table.name).pop().unwrap_or_default();
    nouns.iter().any(|noun| *noun == last || *noun == singular(&last))
}

/// Whether the rows of the table may be the people who use the platform, by its name and columns.
pub fn may_be_people(table: &Table) -> bool {
    (is_named(table, PEOPLE) || is_named(table, OTHER_PEOPLE) || describes_people(table))
        && !is_of_staff(table)
}

fn is_of_staff(table: &Table) -> bool {
    is_named(table, STAFF)
}

/// Whether the column is a foreign key to a table whose rows are neither those of `people` nor say more about people, such as the
/// doctors beside the patients.
pub fn points_elsewhere(
    table: &Table,
    column: &str,
    people: &Table,
    statistics: &Statistics,
    tables: &[&Table],
) -> bool {
    tables
        .iter()
        .filter(|other| **other != people && !is_named(other, PEOPLE))
        .any(|other| references(table, other, statistics).any(|key| key == column))
}

/// Whether the rows of the table are people, or say more about them as those of `local_user` do, so that they are nothing that people
/// do.
pub fn is_of_people(table: &Table) -> bool {
    is_named(table, PEOPLE) && describes_people(table)
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
