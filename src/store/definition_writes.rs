//! The rows that each store writes for a list of [`DefinitionChange`]s, given the stored definitions.

use super::{DefinitionChange, Origin, StoreError, StoredDefinition};
use crate::{
    database::{Fault, FaultClass},
    metric::{Definition, MetricKey},
};

/// The rows to write for one metric.
pub(super) enum Write {
    /// A further version, active.
    Version(Box<Definition>, Origin),
    /// Active with this origin, or, without one, inactive with the origin that it had.
    Active(MetricKey, Option<Origin>),
}

/// The reason why a change is refused.
pub(super) enum RefusedChange {
    /// The change names a metric that does not exist.
    Undefined(MetricKey),
    /// The API may not change a definition that belongs to the file.
    OfFile(String),
}

/// The rows to write for `changes`, given the stored definitions, in an order in which no two metrics of a name are
/// active at once. A change that was already made, by an earlier attempt or by another process, needs no row.
///
/// # Errors
/// A metric that is to be changed and does not exist, or is not for the API to change.
pub(super) fn writes(
    stored: &[StoredDefinition],
    changes: &[DefinitionChange],
    by: Origin,
) -> Result<Vec<Write>, RefusedChange> {
    let active = || stored.iter().filter(|stored| stored.is_active);
    let mut writes = Vec::new();
    for change in changes {
        let of_file = |stored: &StoredDefinition| {
            stored.origin == Origin::File && stored.definition.category == change.category()
        };
        if by == Origin::Api && active().any(of_file) {
            return Err(RefusedChange::OfFile(change.category().to_owned()));
        }
        writes.extend(write(stored, change, by)?);
    }
    // The active metric of a name is deactivated for one of another type, even if it was added after the change was
    // decided.
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
) -> Result<Option<Write>, RefusedChange> {
    let current = |key: &MetricKey| stored.iter().find(|candidate| candidate.definition.key() == *key);
    let known = |key: &MetricKey| current(key).ok_or_else(|| RefusedChange::Undefined(key.clone()));
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
    pub(super) fn category(&self) -> &str {
        match self {
            Self::Version(definition, _) => &definition.category,
            Self::Active(key, _) => &key.category,
        }
    }

    /// The metric that is active afterwards.
    fn activated(&self) -> Option<MetricKey> {
        match self {
            Self::Version(definition, _) => Some(definition.key()),
            Self::Active(key, Some(_)) => Some(key.clone()),
            Self::Active(_, None) => None,
        }
    }
}

impl RefusedChange {
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
