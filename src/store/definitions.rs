//! What a list of [`DefinitionChange`]s means for a metric, the same on both stores.

use super::{DefinitionChange, StoredDefinition};
use crate::metric::{Definition, MetricKey};

/// What is to be written about one metric.
pub(super) enum Write<'a> {
    /// A further version, active.
    Version(&'a Definition),
    SetActive(MetricKey, bool),
}

/// What is to be written for `changes`, given what is stored; in an order in which no two metrics of a name are
/// active at once. A change that was already made, by an earlier attempt or by another process, asks for nothing.
///
/// # Errors
/// A metric that is to be switched on or off and does not exist.
pub(super) fn writes<'a>(
    stored: &[StoredDefinition],
    changes: &'a [DefinitionChange],
) -> Result<Vec<Write<'a>>, MetricKey> {
    let current = |key: &MetricKey| stored.iter().find(|candidate| candidate.definition.key() == *key);
    let mut writes = Vec::new();
    for change in changes {
        let switch = |key: &MetricKey, active: bool| match current(key) {
            None => Err(key.clone()),
            Some(stored) => Ok((stored.is_active != active).then(|| Write::SetActive(key.clone(), active))),
        };
        writes.extend(match change {
            DefinitionChange::Add(definition) | DefinitionChange::Revise(definition) => {
                match current(&definition.key()) {
                    Some(stored) if stored.definition == *definition => switch(&definition.key(), true)?,
                    _ => Some(Write::Version(definition)),
                }
            }
            DefinitionChange::Activate(key) => switch(key, true)?,
            DefinitionChange::Deactivate(key) => switch(key, false)?,
        });
    }
    writes.sort_by_key(|write| !matches!(write, Write::SetActive(_, false)));
    Ok(writes)
}
