//! Definitions as a store holds them, and what a list of [`DefinitionChange`]s means for them, the same on both stores.

use jiff::Timestamp;

use super::StoreError;
use crate::{
    database::{Fault, FaultClass},
    metric::{Definition, MetricKey},
};

/// Whom a definition belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `daymark.toml` or the preset: `daymark apply` brings it in line with them.
    File,
    /// Whoever made it through the API.
    Api,
}

/// A definition as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDefinition {
    pub definition: Definition,
    /// Counts from 1 for each metric.
    pub version: i32,
    pub is_active: bool,
    pub origin: Origin,
    /// When the metric was first defined.
    pub created_at: Timestamp,
}

/// A version that a definition has or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionVersion {
    pub key: MetricKey,
    pub version: i32,
    pub definition: Definition,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One step of bringing the stored definitions in line with what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionChange {
    /// A metric that the store does not know: version 1.
    Add(Definition),
    /// What makes or presents the values is different: the next version, active.
    Revise(Definition),
    /// Known, unchanged, and inactive until now.
    Activate(MetricKey),
    /// Known, active, unchanged, and somebody else's until now.
    Adopt(Definition),
    /// Whosever it is, it goes on in days of this time zone: the next version.
    MoveZone(MetricKey, String),
    /// No longer wanted. Its records and versions stay.
    Deactivate(MetricKey),
}

/// The definitions before and after a change, read in its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionsChanged {
    pub before: Vec<StoredDefinition>,
    pub after: Vec<StoredDefinition>,
}

/// What is to be written about one metric.
pub(super) enum Write {
    /// A further version, active.
    Version(Box<Definition>, Origin),
    /// Active and somebody's, or inactive and whosever it was.
    Active(MetricKey, Option<Origin>),
}

/// Why nothing is written.
pub(super) enum Refused {
    /// It is to be changed and does not exist.
    Undefined(MetricKey),
    /// The API is to change what is the file's.
    OfFile(String),
}

impl Origin {
    pub const ALL: [Self; 2] = [Self::File, Self::Api];

    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.name() == name)
    }
}

impl DefinitionChange {
    pub fn category(&self) -> &str {
        match self {
            Self::Add(definition) | Self::Revise(definition) | Self::Adopt(definition) => {
                &definition.category
            }
            Self::Activate(key) | Self::MoveZone(key, _) | Self::Deactivate(key) => &key.category,
        }
    }
}

/// What is to be written for `changes`, given what is stored; in an order in which no two metrics of a name are
/// active at once. A change that was already made, by an earlier attempt or by another process, asks for nothing.
///
/// # Errors
/// A metric that is to be changed and does not exist, or is not for the API to change.
pub(super) fn writes(
    stored: &[StoredDefinition],
    changes: &[DefinitionChange],
    by: Origin,
) -> Result<Vec<Write>, Refused> {
    let active = || stored.iter().filter(|stored| stored.is_active);
    let mut writes = Vec::new();
    for change in changes {
        let of_file = |stored: &StoredDefinition| {
            stored.origin == Origin::File && stored.definition.category == change.category()
        };
        if by == Origin::Api && active().any(of_file) {
            return Err(Refused::OfFile(change.category().to_owned()));
        }
        writes.extend(write(stored, change, by)?);
    }
    // Whatever is active of a name makes room for another type, also where that came after the change was decided on.
    let in_the_way = |key: &MetricKey| {
        active()
            .map(|stored| stored.definition.key())
            .find(|other| other.category == key.category && other.metric_type != key.metric_type)
    };
    let replaced: Vec<_> =
        writes.iter().filter_map(Write::activated).filter_map(|key| in_the_way(&key)).collect();
    writes.extend(replaced.into_iter().map(|key| Write::Active(key, None)));
    writes.sort_by_key(|write| !matches!(write, Write::Active(_, None)));
    Ok(writes)
}

fn write(
    stored: &[StoredDefinition],
    change: &DefinitionChange,
    by: Origin,
) -> Result<Option<Write>, Refused> {
    let current = |key: &MetricKey| stored.iter().find(|candidate| candidate.definition.key() == *key);
    let known = |key: &MetricKey| current(key).ok_or_else(|| Refused::Undefined(key.clone()));
    let activate = |stored: &StoredDefinition| {
        let is_so = stored.is_active && stored.origin == by;
        (!is_so).then(|| Write::Active(stored.definition.key(), Some(by)))
    };
    Ok(match change {
        DefinitionChange::Add(definition)
        | DefinitionChange::Revise(definition)
        | DefinitionChange::Adopt(definition) => match current(&definition.key()) {
            Some(stored) if stored.definition == *definition => activate(stored),
            _ => Some(Write::Version(Box::new(definition.clone()), by)),
        },
        DefinitionChange::Activate(key) => activate(known(key)?),
        DefinitionChange::MoveZone(key, zone) => {
            let StoredDefinition { definition, origin, is_active, .. } = known(key)?;
            let moved = Definition { time_zone: zone.clone(), ..definition.clone() };
            (*is_active && moved != *definition).then(|| Write::Version(Box::new(moved), *origin))
        }
        DefinitionChange::Deactivate(key) => known(key)?.is_active.then(|| Write::Active(key.clone(), None)),
    })
}

impl Write {
    /// The metric that is active afterwards.
    fn activated(&self) -> Option<MetricKey> {
        match self {
            Self::Version(definition, _) => Some(definition.key()),
            Self::Active(key, Some(_)) => Some(key.clone()),
            Self::Active(_, None) => None,
        }
    }
}

impl Refused {
    pub(super) fn at(self, location: &str) -> StoreError {
        match self {
            Self::OfFile(category) => StoreError::OfFile { category },
            Self::Undefined(MetricKey { metric_type, category }) => StoreError::Fault {
                location: location.to_owned(),
                fault: Fault::new(FaultClass::Other, format!("there is no {metric_type} named `{category}`")),
            },
        }
    }
}
