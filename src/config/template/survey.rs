//! Determines which tables of a platform can be sources, in the order in which they are offered.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{
    config::{
        presets::known_sources::{known_sources, recognise_known},
        recognise::{
            Recognised,
            flags::{FlagColumn, unused_flags},
            names::words,
            recognise,
            system_tables::application_tables,
            users::points_at,
        },
    },
    platform::{DetectedFormats, Schema, Statistics, TableKind},
};

/// The most tables outside the preset that are recorded by default; further ones are written as comments.
const MAX_OTHER_TABLES: usize = 20;
/// The longest name of a source, in characters: a name of a metric has 63, which leaves room for `_created` and a
/// unique number.
const MAX_NAME_CHARS: usize = 48;

/// A source that is written to the file.
pub struct OfferedSource<'a> {
    pub name: String,
    pub recognised: Recognised<'a>,
    pub rows: Option<u64>,
    pub flags: Vec<FlagColumn<'a>>,
}

/// The tables of a platform, grouped by how the file offers them.
pub struct Survey<'a> {
    /// The sources that the preset reads.
    pub known: Vec<OfferedSource<'a>>,
    /// Other tables that can be sources, the largest first.
    others: Vec<OfferedSource<'a>>,
    /// Tables that could be sources but have no rows.
    pub empty: Vec<OfferedSource<'a>>,
    /// Materialized views and foreign tables, which may show an old state.
    pub copies: Vec<OfferedSource<'a>>,
    /// The reasons why the other application tables cannot be sources.
    pub unusable: Vec<String>,
}

impl<'a> Survey<'a> {
    pub fn of(schema: &'a Schema, detected: &DetectedFormats, statistics: &Statistics) -> Self {
        let tables = application_tables(schema);
        // If no table of the platform has rows, empty tables are not treated differently.
        let has_rows = tables.iter().any(|table| !statistics.is_empty(table));
        let offered = |name: &str, recognised: Recognised<'a>| {
            let of_table = statistics.of(recognised.table);
            let flags = unused_flags(recognised.table, &recognised.source, of_table);
            let rows = of_table.and_then(|statistics| statistics.rows);
            OfferedSource { name: name.to_owned(), recognised, rows, flags }
        };
        let mut known: Vec<_> = known_sources()
            .filter_map(|name| {
                Some(offered(name, recognise_known(name, schema, detected, Some(statistics)).ok()?))
            })
            .collect();
        let users = known.iter().find(|found| found.name == "users").map(|found| found.recognised.table);
        let mut names: BTreeSet<_> = known_sources().map(str::to_owned).collect();
        let (mut others, mut unusable) = (Vec::new(), Vec::new());
        for table in tables {
            if known.iter().any(|found| found.recognised.table == table) {
                continue;
            }
            match recognise(table, detected, statistics.of(table), true) {
                Ok(recognised) => others.push(offered(&source_name(&table.name, &mut names), recognised)),
                Err(reason) => unusable.push(reason),
            }
        }
        for found in known.iter_mut().chain(&mut others) {
            let table = found.recognised.table;
            let actor =
                users.filter(|users| *users != table).and_then(|users| points_at(table, users, statistics));
            let source = &mut found.recognised.source;
            source.actor_column = source.actor_column.take().or(actor.map(str::to_owned));
        }
        let (copies, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|found| found.recognised.table.kind != TableKind::Current);
        let (mut others, mut empty): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|found| !has_rows || found.rows != Some(0));
        let (known, without_rows): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|found| !has_rows || found.rows != Some(0));
        empty.splice(0..0, without_rows);
        others.sort_by_key(|found| Reverse(found.rows));
        Self { known, others, empty, copies, unusable }
    }

    /// Whether the preset knows none of the tables, including those without rows.
    pub fn knows_nothing(&self) -> bool {
        let is_known = |found: &OfferedSource| known_sources().any(|name| name == found.name);
        self.known.is_empty() && !self.empty.iter().any(is_known)
    }

    /// The other tables that are recorded by default.
    pub fn recorded(&self) -> &[OfferedSource<'a>] {
        &self.others[..self.others.len().min(MAX_OTHER_TABLES)]
    }

    /// The other tables beyond [`MAX_OTHER_TABLES`].
    pub fn further(&self) -> &[OfferedSource<'a>] {
        &self.others[self.recorded().len()..]
    }

    /// The flags of the tables that are recorded by default, such as `posts.deleted`.
    pub fn flags(&self) -> Vec<String> {
        let recorded = self.known.iter().chain(self.recorded());
        let of_source = |found: &OfferedSource| {
            let columns = found.flags.iter().map(|flag| format!("`{}.{}`", found.name, flag.column.name));
            columns.collect::<Vec<_>>()
        };
        recorded.flat_map(of_source).collect()
    }
}

/// Returns a name for a source that reads `table` that is not yet in `taken`, and adds it to `taken`.
fn source_name(table: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name: String = words(table).join("_").chars().take(MAX_NAME_CHARS).collect();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name = format!("table_{name}").trim_end_matches('_').to_owned();
    }
    let mut unique = name.clone();
    let mut number = 2;
    while !taken.insert(unique.clone()) {
        unique = format!("{name}_{number}");
        number += 1;
    }
    unique
}
