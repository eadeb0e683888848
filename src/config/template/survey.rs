//! Determines which tables of a platform can be sources, in the order in which they are offered.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{
    config::{
        presets::known_sources::{known_sources, recognise_known},
        recognise::{
            Recognised,
            flags::{FlagColumn, unused_flags},
            names::{table_name, words},
            recognise,
            system_tables::application_tables,
            users::{Pointers, most_referenced, pointing, points_at},
        },
        template::proposal::Proposal,
    },
    platform::{DetectedFormats, Schema, Statistics, Table, TableKind},
};

/// The longest name of a source, in characters: a name of a metric has 63, which leaves room for `_created` and a
/// unique number.
const MAX_NAME_CHARS: usize = 48;

/// The name of the preset's source of users.
const USERS: &str = "users";

/// A source that is written to the file.
pub struct OfferedSource<'a> {
    pub name: String,
    pub recognised: Recognised<'a>,
    pub rows: Option<u64>,
    pub flags: Vec<FlagColumn<'a>>,
    /// The metrics that are proposed of it.
    pub metrics: Vec<Proposal>,
}

/// The table of those who act on the platform.
pub struct Actors<'a> {
    pub table: &'a Table,
    /// What metrics call them, in the plural.
    pub name: String,
    /// Why it is this table.
    pub reason: String,
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
    pub actors: Option<Actors<'a>>,
    /// The metrics that are proposed of who is active.
    pub active: Vec<Proposal>,
}

/// What was decided about a platform before the file is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The table of users, where it is not the one that is recognised.
    pub users: Option<String>,
    /// Tables that come first, the most important one before the others.
    pub content: Vec<String>,
}

impl<'a> Survey<'a> {
    pub fn of(
        schema: &'a Schema,
        detected: &DetectedFormats,
        statistics: &Statistics,
        decisions: &Decisions,
    ) -> Self {
        let tables = application_tables(schema);
        // If no table of the platform has rows, empty tables are not treated differently.
        let has_rows = tables.iter().any(|table| !statistics.is_empty(table));
        let offered = |name: &str, recognised: Recognised<'a>| {
            let of_table = statistics.of(recognised.table);
            let flags = unused_flags(recognised.table, &recognised.source, of_table);
            let rows = of_table.and_then(|statistics| statistics.rows);
            OfferedSource { name: name.to_owned(), recognised, rows, flags, metrics: Vec::new() }
        };
        let mut known: Vec<_> = known_sources()
            .filter_map(|name| {
                Some(offered(name, recognise_known(name, schema, detected, Some(statistics)).ok()?))
            })
            .collect();
        if let Some(named) = &decisions.users
            && let Some(table) = tables.iter().find(|table| &table.name == named)
            && let Ok(recognised) = recognise(table, detected, statistics.of(table), false)
        {
            known.retain(|found| found.name != USERS && found.recognised.table != *table);
            known.insert(0, offered(USERS, recognised));
        }
        let known_users = known.iter().find(|found| found.name == USERS).map(|found| found.recognised.table);
        let actors = actors(known_users, &tables, statistics);
        let users = actors.as_ref().map(|actors| actors.table);
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
        if let Some(users) = users {
            for found in known.iter_mut().chain(&mut others) {
                add_actor(&mut found.recognised, users, statistics);
            }
        }
        let (copies, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|found| found.recognised.table.kind != TableKind::Current);
        let (mut others, mut empty): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|found| !has_rows || found.rows != Some(0));
        let (known, without_rows): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|found| !has_rows || found.rows != Some(0));
        empty.splice(0..0, without_rows);
        let place = |found: &OfferedSource| {
            let is_it = |name: &String| *name == found.recognised.table.name;
            decisions.content.iter().position(is_it).unwrap_or(usize::MAX)
        };
        others.sort_by_key(|found| (place(found), Reverse(found.rows)));
        Self { known, others, empty, copies, unusable, actors, active: Vec::new() }
    }

    /// Whether the preset knows none of the tables, including those without rows.
    pub fn knows_nothing(&self) -> bool {
        let is_known = |found: &OfferedSource| known_sources().any(|name| name == found.name);
        self.known.is_empty() && !self.empty.iter().any(is_known)
    }

    /// The sources with rows: those of the preset, then the others.
    pub fn sources(&self) -> impl Iterator<Item = &OfferedSource<'a>> {
        self.known.iter().chain(&self.others)
    }

    pub fn sources_mut(&mut self) -> impl Iterator<Item = &mut OfferedSource<'a>> {
        self.known.iter_mut().chain(&mut self.others)
    }

    /// The other tables of which a metric is recorded.
    pub fn recorded(&self) -> Vec<&OfferedSource<'a>> {
        self.others.iter().filter(|found| found.is_recorded()).collect()
    }

    /// The other tables of which nothing is recorded.
    pub fn further(&self) -> Vec<&OfferedSource<'a>> {
        self.others.iter().filter(|found| !found.is_recorded()).collect()
    }

    /// The tables with rows that can be sources.
    pub fn tables(&self) -> Vec<String> {
        self.sources().map(|found| found.recognised.table.name.clone()).collect()
    }

    /// The metrics that are recorded beside those of the preset.
    pub fn taken(&self) -> impl Iterator<Item = &Proposal> {
        let all = self.active.iter().chain(self.sources().flat_map(|found| &found.metrics));
        all.filter(|proposal| proposal.is_taken)
    }

    /// How many metrics were proposed and are not recorded.
    pub fn left(&self) -> usize {
        let all = self.active.iter().chain(self.sources().flat_map(|found| &found.metrics));
        all.filter(|proposal| !proposal.is_taken).count()
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

impl OfferedSource<'_> {
    fn is_recorded(&self) -> bool {
        self.metrics.iter().any(|metric| metric.is_taken)
    }
}

/// The table of those who act: that of the preset's users, or else the one at which most foreign keys point.
fn actors<'a>(users: Option<&'a Table>, tables: &[&'a Table], statistics: &Statistics) -> Option<Actors<'a>> {
    let reason = |table: &Table, pointing: usize| match pointing {
        0 => format!("{} has the users", table_name(table)),
        _ => format!("{pointing} tables refer to {}", table_name(table)),
    };
    if let Some(table) = users {
        let reason = reason(table, pointing(table, tables, Pointers::ForeignKeys, statistics));
        return Some(Actors { table, name: USERS.to_owned(), reason });
    }
    let (table, pointing) = most_referenced(tables, statistics)?;
    let name = words(&table.name).join("_");
    Some(Actors { table, name, reason: reason(table, pointing) })
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

/// Adds the actor column of a source whose table references `users`, if no actor column is known by its name.
fn add_actor(recognised: &mut Recognised, users: &Table, statistics: &Statistics) {
    let (table, source) = (recognised.table, &mut recognised.source);
    if source.actor_column.is_none() && table != users {
        source.actor_column = points_at(table, users, statistics).map(str::to_owned);
    }
}
