//! Determines which tables of a platform can be sources, in the order in which they are offered.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{
    config::{
        presets::{BuiltInSet, built_in, known_source::People, known_sources::recognise_known},
        recognise::{
            Recognised, RowMeaning,
            ends::{EndColumn, unused_end},
            flags::{FlagColumn, FlagMeaning, unused_flags},
            names::words,
            recognise,
            system_tables::application_tables,
            users::is_of_people,
        },
        settings::Preset,
        template::{
            actors::{Actors, add_actor, find_actors},
            decisions::{Decisions, UserTable},
            proposal::Proposal,
        },
    },
    platform::{DetectedFormats, Schema, Statistics, TableKind},
};

/// The longest name of a source, in characters: a name of a metric has 63, which leaves room for `_created` and a
/// unique number.
const MAX_NAME_CHARS: usize = 48;

/// The name of the source of users where no preset has another one.
const USERS: &str = "users";

/// What is known of a platform before its file is written.
#[derive(Clone, Copy)]
pub struct InspectedPlatform<'a> {
    pub schema: &'a Schema,
    pub detected: &'a DetectedFormats,
    pub statistics: &'a Statistics,
}

/// A source that is written to the file.
pub struct OfferedSource<'a> {
    pub name: String,
    /// Whether it is one of the preset's.
    pub is_known: bool,
    /// Whether its rows are the actors.
    pub is_of_actors: bool,
    pub recognised: Recognised<'a>,
    pub rows: Option<u64>,
    pub flags: Vec<FlagColumn<'a>>,
    /// The time at which a row ended, which the source does not use.
    pub end: Option<EndColumn<'a>>,
    /// The metrics that are proposed of it.
    pub metrics: Vec<Proposal>,
}

/// The tables of a platform, grouped by how the file offers them.
pub struct SourceCandidates<'a> {
    /// The sources that the preset reads; without a preset, that of the users.
    pub known: Vec<OfferedSource<'a>>,
    /// Other tables that can be sources, the largest first.
    others: Vec<OfferedSource<'a>>,
    /// Tables that could be sources but have no rows.
    pub empty: Vec<OfferedSource<'a>>,
    /// Tables that can be sources if what looks like a time is that of creation.
    pub guessed: Vec<OfferedSource<'a>>,
    /// Materialized views and foreign tables, which may show an old state.
    pub copies: Vec<OfferedSource<'a>>,
    /// The reasons why the other application tables cannot be sources.
    pub unusable: Vec<String>,
    pub actors: Option<Actors<'a>>,
    /// The metrics that are proposed of who is active.
    pub active: Vec<Proposal>,
}

impl<'a> SourceCandidates<'a> {
    pub fn of(set: Option<&BuiltInSet>, platform: InspectedPlatform<'a>, decisions: &Decisions) -> Self {
        let InspectedPlatform { schema, statistics, .. } = platform;
        let tables = application_tables(schema);
        let mut known = known(set, platform, decisions);
        let (mut others, unusable) = others(set, platform, &known);
        let users = known.iter().find(|found| found.name == people(set));
        let users = users.map(|found| (found.recognised.table, found.name.as_str()));
        let with_time: Vec<_> = known.iter().chain(&others).map(|found| found.recognised.table).collect();
        let actors = find_actors(users, decisions, &tables, &with_time, statistics);
        if let Some(actors) = &actors {
            for found in known.iter_mut().chain(&mut others) {
                add_actor(&mut found.recognised, actors.table, &tables, statistics);
            }
        }
        // If no table of the platform has rows, empty tables are not treated differently.
        let has_rows = tables.iter().any(|table| !statistics.is_empty(table));
        let is_filled = |found: &OfferedSource| !has_rows || found.rows != Some(0);
        let is_unsure =
            |found: &OfferedSource| found.recognised.guess.as_ref().is_some_and(|guess| !guess.is_used);
        let (guessed, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_unsure);
        let (copies, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|found| found.recognised.table.kind != TableKind::Current);
        let (mut others, mut empty): (Vec<_>, Vec<_>) = others.into_iter().partition(is_filled);
        let (known, without_rows): (Vec<_>, Vec<_>) = known.into_iter().partition(is_filled);
        empty.splice(0..0, without_rows);
        let place = |found: &OfferedSource| {
            let is_it = |name: &String| *name == found.recognised.table.name;
            decisions.content.iter().position(is_it).unwrap_or(usize::MAX)
        };
        others.sort_by_key(|found| (place(found), Reverse(found.rows)));
        Self { known, others, empty, guessed, copies, unusable, actors, active: Vec::new() }
    }

    /// Whether the preset knows none of the tables, including those without rows.
    pub fn knows_nothing(&self) -> bool {
        self.known.is_empty() && !self.empty.iter().any(|found| found.is_known)
    }

    /// Whether the preset has found rows for its source of that name.
    pub fn has(&self, name: &str) -> bool {
        self.known.iter().any(|found| found.name == name)
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

    /// The tables with rows that the preset reads.
    pub fn known_tables(&self) -> Vec<String> {
        let named = |found: &OfferedSource| {
            let table = &found.recognised.table.name;
            if *table == found.name { format!("`{table}`") } else { format!("`{table}` as {}", found.name) }
        };
        self.known.iter().map(named).collect()
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
            let flags = found.flags.iter().filter(|flag| flag.condition().is_some());
            flags.map(|flag| format!("`{}.{}`", found.name, flag.column.name)).collect::<Vec<_>>()
        };
        recorded.flat_map(of_source).collect()
    }

    /// The ends of rows of the tables that are recorded by default, such as `loans.returned_at`.
    pub fn ends(&self) -> Vec<String> {
        let recorded = self.known.iter().chain(self.recorded());
        let of_source =
            |found: &OfferedSource| Some(format!("`{}.{}`", found.name, found.end.as_ref()?.column.name));
        recorded.filter_map(of_source).collect()
    }
}

impl<'a> OfferedSource<'a> {
    fn new(name: &str, is_known: bool, recognised: Recognised<'a>, platform: InspectedPlatform) -> Self {
        let InspectedPlatform { statistics, detected, .. } = platform;
        let of_table = statistics.of(recognised.table);
        let end = unused_end(recognised.table, &recognised.source, detected);
        let mut flags = unused_flags(recognised.table, &recognised.source, of_table);
        // A time of cancellation says until which day a row counts; a filter on it would leave the row out of every day.
        flags.retain(|flag| {
            let is_end = end.as_ref().is_some_and(|end| end.problem.is_none() && end.column == flag.column);
            !(is_end && flag.meaning == FlagMeaning::Time)
        });
        let rows = of_table.and_then(|statistics| statistics.rows);
        Self {
            name: name.to_owned(),
            is_known,
            is_of_actors: false,
            recognised,
            rows,
            flags,
            end,
            metrics: Vec::new(),
        }
    }

    /// Whether its rows are of people or say more about them, so that they are not what they do.
    pub fn is_of_people(&self) -> bool {
        is_of_people(self.recognised.table)
    }

    fn is_recorded(&self) -> bool {
        self.metrics.iter().any(|metric| metric.is_taken)
    }
}

/// The name of the preset's source of users.
fn people(set: Option<&BuiltInSet>) -> &'static str {
    let known = set.and_then(|set| set.sources.iter().find(|known| known.people != People::No));
    known.map_or(USERS, |known| known.name)
}

/// The sources of the preset that have tables, with the table of users that was decided for.
fn known<'a>(
    set: Option<&BuiltInSet>,
    platform: InspectedPlatform<'a>,
    decisions: &Decisions,
) -> Vec<OfferedSource<'a>> {
    let InspectedPlatform { schema, detected, statistics } = platform;
    let find =
        |set: &BuiltInSet, name: &str| recognise_known(set, name, schema, detected, Some(statistics)).ok();
    let users = people(set);
    // Without a preset, the users are recognised as those of a community are.
    let (names, searched): (Vec<_>, _) = match set {
        Some(set) => (set.sources.iter().map(|known| known.name).collect(), Some(set)),
        None if decisions.users == UserTable::Missing => (Vec::new(), None),
        None => (vec![users], built_in(Preset::Community)),
    };
    let mut known: Vec<OfferedSource> = Vec::new();
    for name in names {
        let is_new = |found: &Recognised| known.iter().all(|other| other.recognised.table != found.table);
        // A table that may be both the accounts and the users is the first of them.
        if let Some(found) = searched.and_then(|searched| find(searched, name)).filter(is_new) {
            known.push(OfferedSource::new(name, set.is_some(), found, platform));
        }
    }
    if let UserTable::Named(named) = &decisions.users
        && let Some(table) = application_tables(schema).into_iter().find(|table| &table.name == named)
        && let Ok(recognised) = recognise(table, detected, statistics.of(table), RowMeaning::Actor)
    {
        known.retain(|found| found.name != users && found.recognised.table != table);
        known.insert(0, OfferedSource::new(users, set.is_some(), recognised, platform));
    }
    for found in &mut known {
        let source = set.and_then(|set| set.source(&found.name));
        found.is_of_actors =
            found.name == users || source.is_some_and(|known| known.rows == RowMeaning::Actor);
    }
    known
}

/// The tables that are none of the known ones: those that can be sources, and the reasons why others cannot.
fn others<'a>(
    set: Option<&BuiltInSet>,
    platform: InspectedPlatform<'a>,
    known: &[OfferedSource<'a>],
) -> (Vec<OfferedSource<'a>>, Vec<String>) {
    let InspectedPlatform { schema, detected, statistics } = platform;
    let mut names: BTreeSet<_> =
        set.into_iter().flat_map(BuiltInSet::source_names).map(str::to_owned).collect();
    names.extend(known.iter().map(|found| found.name.clone()));
    let (mut others, mut unusable) = (Vec::new(), Vec::new());
    for table in application_tables(schema) {
        if known.iter().any(|found| found.recognised.table == table) {
            continue;
        }
        match recognise(table, detected, statistics.of(table), RowMeaning::Action) {
            Ok(recognised) => {
                let name = source_name(&table.name, &mut names);
                others.push(OfferedSource::new(&name, false, recognised, platform));
            }
            Err(reason) => unusable.push(reason),
        }
    }
    (others, unusable)
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
