//! The sources of a platform by name: those that the file declares, checked against the schema, and those of the preset
//! that are recognised in the schema.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::{
        file::declaration::SourceDeclaration,
        finding::Finding,
        presets::{
            BuiltInSet,
            known_source::KnownSource,
            known_sources::{known_tables, recognise_known, recognise_known_moment, recognise_part},
        },
        recognise::{
            Recognised,
            names::{grant, table_name},
        },
        resolve::source_check::check_source,
        suggest::suggestion,
    },
    platform::{DetectedFormats, Schema, Table},
};

enum Entry<'a> {
    Ready(Box<Recognised<'a>>),
    /// The source is declared with errors, which have been reported.
    Broken,
    /// The source is one of the preset and was not found, for this reason.
    Missing(String),
}

pub struct SourceCatalogue<'a>(BTreeMap<String, Entry<'a>>);

/// Why a source cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// The source has errors, which have been reported.
    Broken,
    /// The preset knows the source, but the platform has no table for it, for this reason.
    Missing(String),
    /// The source is neither declared nor known to the preset. The text is a hint.
    Unknown(Option<String>),
}

impl<'a> SourceCatalogue<'a> {
    /// Collects the declared sources, and those of the preset. Problems are added to `findings`.
    pub fn new(
        declared: &[SourceDeclaration],
        set: Option<&BuiltInSet>,
        tenant: &str,
        schema: &'a Schema,
        detected: &DetectedFormats,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut entries = BTreeMap::new();
        for declaration in declared {
            let (recognised, found) = check_source(declaration, tenant, schema, detected);
            findings.extend(found);
            findings.extend(recognised.as_ref().and_then(|source| hidden_rows(&declaration.place, source)));
            entries.insert(
                declaration.name.clone(),
                recognised.map_or(Entry::Broken, |found| Entry::Ready(Box::new(found))),
            );
        }
        let mut catalogue = Self(entries);
        if let Some(set) = set {
            catalogue.add_preset(set, schema, detected, findings);
        }
        catalogue
    }

    /// Adds the preset's sources that are not declared.
    fn add_preset(
        &mut self,
        set: &BuiltInSet,
        schema: &'a Schema,
        detected: &DetectedFormats,
        findings: &mut Vec<Finding>,
    ) {
        let declared: BTreeSet<_> = self.0.keys().cloned().collect();
        for known in set.sources.iter().filter(|known| !declared.contains(known.name)) {
            let recognised = recognise_known(set, known.name, schema, detected, None);
            match &recognised {
                Ok(recognised) => findings.extend(deletions_unseen(set, known.name, recognised)),
                Err(_) => findings.extend(may_not_be_read(set, known, schema)),
            }
            self.add(set, known.name, recognised, findings);
        }
        for part in set.parts.iter().filter(|part| !declared.contains(part.source.name)) {
            let recognised =
                self.whole(part.of).and_then(|whole| recognise_part(part, whole, schema, detected));
            self.add(set, part.source.name, recognised, findings);
        }
        for moment in set.moments.iter().filter(|moment| !declared.contains(moment.name)) {
            let recognised =
                self.whole(moment.of).and_then(|of| recognise_known_moment(moment, of, detected));
            self.add(set, moment.name, recognised, findings);
        }
    }

    fn add(
        &mut self,
        set: &BuiltInSet,
        name: &str,
        recognised: Result<Recognised<'a>, String>,
        findings: &mut Vec<Finding>,
    ) {
        let entry = match recognised {
            Ok(recognised) => {
                findings.extend(hidden_rows(set.place, &recognised));
                Entry::Ready(Box::new(recognised))
            }
            Err(reason) => Entry::Missing(reason),
        };
        self.0.insert(name.to_owned(), entry);
    }

    /// The source that another one is made of, or why there is none.
    fn whole(&self, name: &str) -> Result<&Recognised<'a>, String> {
        self.ready(name).ok_or_else(|| self.reason(name))
    }

    pub fn ready(&self, name: &str) -> Option<&Recognised<'a>> {
        self.get(name).ok()
    }

    pub fn get(&self, name: &str) -> Result<&Recognised<'a>, Unready> {
        match self.0.get(name) {
            Some(Entry::Ready(recognised)) => Ok(recognised),
            Some(Entry::Broken) => Err(Unready::Broken),
            Some(Entry::Missing(reason)) => Err(Unready::Missing(reason.clone())),
            None => Err(Unready::Unknown(suggestion(name, self.0.keys().map(String::as_str)))),
        }
    }

    /// The table of each source by name, or the reason why it cannot be read.
    pub fn tables(&self) -> Vec<(String, Result<&'a Table, String>)> {
        let table = |(name, entry): (&String, &Entry<'a>)| {
            let read = match entry {
                Entry::Ready(recognised) => Ok(recognised.table),
                Entry::Broken | Entry::Missing(_) => Err(self.reason(name)),
            };
            (name.clone(), read)
        };
        self.0.iter().map(table).collect()
    }

    /// Returns the reason why the source `name` is not ready, for messages.
    pub fn reason(&self, name: &str) -> String {
        match self.get(name) {
            Err(Unready::Missing(reason)) => reason,
            Err(Unready::Broken) => format!("its source `{name}` has an error"),
            _ => format!("no table of {name} was found"),
        }
    }
}

/// How the warning about a table begins for which the role lacks the privilege.
pub const MAY_NOT_READ: &str = "the platform's role may not read ";

/// Warns if a table for the source exists but cannot be read, which differs from a missing table.
fn may_not_be_read(set: &BuiltInSet, known: &KnownSource, schema: &Schema) -> Option<Finding> {
    let name = known.name;
    let table = known_tables(known, schema).into_iter().find(|table| !table.readable)?;
    let message = format!(
        "{MAY_NOT_READ}{}, so that metrics of {name} are left out or computed without it",
        table_name(table)
    );
    Some(Finding::warning(set.place, message).hint(grant(table)))
}

/// Warns that soft-deleted rows count as existing, because the format of the column with the time of deletion cannot be
/// used.
fn deletions_unseen(set: &BuiltInSet, name: &str, recognised: &Recognised) -> Option<Finding> {
    let reason = recognised.unusable_deletion.as_ref()?;
    let message = format!("{reason}, so that soft-deleted rows of {name} count as existing");
    let hint = format!(
        "declare [sources.{name}] to read a view with both columns in one format, or to exclude deleted rows \
         with a filter"
    );
    Some(Finding::warning(set.place, message).hint(hint))
}

/// Warns of row level security, because a session refuses to read a table of which a policy may hide rows.
fn hidden_rows(place: &str, recognised: &Recognised) -> Option<Finding> {
    let table = table_name(recognised.table);
    let message = format!(
        "row level security applies to the platform's role on {table}, so that no metric that reads it is recorded"
    );
    let hint = "have an administrator run, for the role of platform.url: ALTER ROLE <role> BYPASSRLS; or read a view that belongs \
                to the table's owner";
    recognised.table.row_security.then(|| Finding::warning(place, message).hint(hint))
}
