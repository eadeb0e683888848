//! Updates the definitions in the store to match the configured ones, and reports the difference. Definitions that were
//! created through the API are left unchanged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    collect::{CollectError, Context, EarlierMeaning, earlier_meanings, selection},
    metric::{Definition, MetricKey},
    store::{DefinitionChange, Origin, Store, StoredDefinition},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyReport {
    /// The changes, ordered by category.
    pub changes: Vec<AppliedChange>,
    /// The number of configured metrics that are active and unchanged.
    pub unchanged: usize,
    /// The number of other active metrics, which were created through the API and are unchanged.
    pub made_through_api: usize,
    pub zone_change: Option<ZoneChange>,
    /// Recorded days of revised metrics, which keep the meaning of the earlier definition.
    pub earlier_meanings: Vec<EarlierMeaning>,
}

/// A change of the reporting time zone of all metrics. Existing records keep days of the old zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneChange {
    pub old: String,
    pub new: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedChange {
    pub change: DefinitionChange,
    /// Whether it changes a definition that was created through the API.
    pub made_through_api: bool,
    /// The fields of a revised definition that differ.
    pub fields: Vec<FieldChange>,
}

/// A field of a definition that differs. A missing field is `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The path of the field with dots, such as `sources.posts.time_column`.
    pub field: String,
    pub old: Value,
    pub new: Value,
}

/// Updates the store's definitions to match `configured`; with `dry_run`, only reports the changes.
///
/// # Errors
/// When a definition is not valid, two have the same name, or the store fails. Nothing is changed then.
pub async fn apply(
    context: &Context,
    configured: &[Definition],
    dry_run: bool,
) -> Result<ApplyReport, CollectError> {
    refuse_problems(configured)?;
    let (store, zone) = (context.tenant.store.as_ref(), context.tenant.calendar.name());
    let stored = store.definitions().await?;
    let changes = diff(&stored, configured, zone);
    if !dry_run && !changes.is_empty() {
        store.change_definitions(&changes, Origin::File, context.now()).await?;
    }
    let revised: Vec<_> = changes.iter().filter_map(revised).collect();
    let earlier_meanings = match store.recorded_span().await? {
        Some((first, last)) if !revised.is_empty() => earlier_meanings(store, &revised, first, last).await?,
        _ => Vec::new(),
    };
    let touched = |stored: &StoredDefinition| {
        let of_name = |change: &DefinitionChange| change.category() == stored.definition.category;
        changes.iter().any(of_name)
    };
    let is_configured = |stored: &StoredDefinition| configured.contains(&stored.definition);
    let (mut unchanged, mut made_through_api) = (0, 0);
    for stored in stored.iter().filter(|stored| stored.is_active && !touched(stored)) {
        *if is_configured(stored) { &mut unchanged } else { &mut made_through_api } += 1;
    }
    let zone_change = zone_change(&stored, configured, zone);
    let changes = changes.into_iter().map(|change| applied(&stored, change)).collect();
    Ok(ApplyReport { changes, unchanged, made_through_api, zone_change, earlier_meanings })
}

fn revised(change: &DefinitionChange) -> Option<&Definition> {
    match change {
        DefinitionChange::Revise(definition) => Some(definition),
        _ => None,
    }
}

/// Returns the active definitions that were created through the API, without those whose names `configured` contains.
///
/// # Errors
/// When the store fails.
pub async fn made_through_api(
    store: &dyn Store,
    configured: &[Definition],
) -> Result<Vec<Definition>, CollectError> {
    let is_configured =
        |category: &String| configured.iter().any(|definition| definition.category == *category);
    let made = selection::active(store).await?.into_iter().filter(|stored| stored.origin == Origin::Api);
    Ok(made
        .map(|stored| stored.definition)
        .filter(|definition| !is_configured(&definition.category))
        .collect())
}

/// Returns the change of the time zone, if the active definitions have another one: all metrics use the configured
/// zone.
fn zone_change(stored: &[StoredDefinition], configured: &[Definition], zone: &str) -> Option<ZoneChange> {
    let continues = |stored: &&StoredDefinition| !configured.is_empty() || stored.origin == Origin::Api;
    let mut active = stored.iter().filter(|metric| metric.is_active).filter(continues);
    let other = active.find(|metric| metric.definition.time_zone != zone)?;
    Some(ZoneChange { old: other.definition.time_zone.clone(), new: zone.to_owned() })
}

fn refuse_problems(configured: &[Definition]) -> Result<(), CollectError> {
    let mut categories = BTreeSet::new();
    for definition in configured {
        let category = definition.category.clone();
        if let Some(problem) = definition.problems().into_iter().next() {
            return Err(CollectError::Definition { category, problem });
        }
        if !categories.insert(category.clone()) {
            return Err(CollectError::DuplicateDefinition(category));
        }
    }
    Ok(())
}

/// Returns the changes that turn `stored` into `configured`, ordered by category. A metric whose type changes becomes
/// another metric of the same name: the old one is deactivated before the new one is added. Metrics that were created
/// through the API stay, but are moved to the time zone `zone`, because all metrics use one zone.
pub fn diff(stored: &[StoredDefinition], configured: &[Definition], zone: &str) -> Vec<DefinitionChange> {
    let known: BTreeMap<MetricKey, &StoredDefinition> =
        stored.iter().map(|stored| (stored.definition.key(), stored)).collect();
    let configured_keys: BTreeSet<_> = configured.iter().map(Definition::key).collect();
    let mut changes: Vec<_> = configured.iter().filter_map(|configured| change(&known, configured)).collect();
    let of_name = |key: &MetricKey| configured.iter().any(|configured| configured.category == key.category);
    let not_configured =
        known.iter().filter(|(key, stored)| stored.is_active && !configured_keys.contains(key));
    changes.extend(not_configured.filter_map(|(key, stored)| match stored.origin {
        Origin::Api if !of_name(key) => {
            let has_other_zone = stored.definition.time_zone != zone;
            has_other_zone.then(|| DefinitionChange::MoveZone(key.clone(), zone.to_owned()))
        }
        _ => Some(DefinitionChange::Deactivate(key.clone())),
    }));
    changes.sort_by_key(|change| {
        (change.category().to_owned(), !matches!(change, DefinitionChange::Deactivate(_)))
    });
    changes
}

fn change(
    known: &BTreeMap<MetricKey, &StoredDefinition>,
    configured: &Definition,
) -> Option<DefinitionChange> {
    match known.get(&configured.key()) {
        None => Some(DefinitionChange::Add(configured.clone())),
        Some(stored) if stored.definition != *configured => {
            Some(DefinitionChange::Revise(configured.clone()))
        }
        Some(stored) if !stored.is_active => Some(DefinitionChange::Activate(configured.key())),
        Some(stored) if stored.origin == Origin::Api => Some(DefinitionChange::Adopt(configured.clone())),
        Some(_) => None,
    }
}

fn applied(stored: &[StoredDefinition], change: DefinitionChange) -> AppliedChange {
    let of = |key: &MetricKey| stored.iter().find(|stored| stored.definition.key() == *key);
    let (old, new) = match &change {
        DefinitionChange::Revise(new) => (of(&new.key()), Some(new.clone())),
        DefinitionChange::MoveZone(key, zone) => {
            let moved =
                |old: &StoredDefinition| Definition { time_zone: zone.clone(), ..old.definition.clone() };
            (of(key), of(key).map(moved))
        }
        DefinitionChange::Add(definition) | DefinitionChange::Adopt(definition) => {
            (of(&definition.key()), None)
        }
        DefinitionChange::Activate(key) | DefinitionChange::Deactivate(key) => (of(key), None),
    };
    let fields = old.zip(new).map(|(old, new)| revised_fields(&old.definition, &new)).unwrap_or_default();
    AppliedChange { made_through_api: old.is_some_and(|old| old.origin == Origin::Api), fields, change }
}

fn revised_fields(old: &Definition, new: &Definition) -> Vec<FieldChange> {
    let as_json = |definition: &Definition| serde_json::to_value(definition).unwrap_or(Value::Null);
    let mut fields = Vec::new();
    compare("", &as_json(old), &as_json(new), &mut fields);
    fields
}

/// Objects are compared field by field, everything else as a whole.
fn compare(path: &str, old: &Value, new: &Value, fields: &mut Vec<FieldChange>) {
    let (Value::Object(old_fields), Value::Object(new_fields)) = (old, new) else {
        if old != new {
            fields.push(FieldChange { field: path.to_owned(), old: old.clone(), new: new.clone() });
        }
        return;
    };
    let names = old_fields.keys().chain(new_fields.keys().filter(|name| !old_fields.contains_key(*name)));
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let of = |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or(Value::Null);
        compare(&path, &of(old_fields), &of(new_fields), fields);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{collect::sample, metric::MetricType};

    #[test]
    fn each_kind_of_change_is_found_in_the_order_of_categories() {
        let stored = [
            sample::created("same"),
            sample::created("gone"),
            StoredDefinition { is_active: false, ..sample::created("back") },
            StoredDefinition { is_active: false, ..sample::created("forgotten") },
            sample::created("revised"),
        ];
        let mut revised = sample::created("revised").definition;
        revised.unit = "posts".to_owned();
        let configured = [
            sample::created("same").definition,
            revised.clone(),
            sample::created("added").definition,
            sample::created("back").definition,
        ];
        let changes = diff(&stored, &configured, "UTC");
        assert_eq!(
            changes,
            [
                DefinitionChange::Add(configured[2].clone()),
                DefinitionChange::Activate(configured[3].key()),
                DefinitionChange::Deactivate(stored[1].definition.key()),
                DefinitionChange::Revise(revised),
            ]
        );
    }

    #[test]
    fn a_metric_whose_type_changes_is_deactivated_first() {
        let stored = sample::created("activity");
        let mut configured = stored.definition.clone();
        configured.metric_type = MetricType::Percentage;
        let changes = diff(std::slice::from_ref(&stored), std::slice::from_ref(&configured), "UTC");
        assert_eq!(
            changes,
            [DefinitionChange::Deactivate(stored.definition.key()), DefinitionChange::Add(configured),]
        );
    }

    #[test]
    fn a_revision_shows_the_fields_that_differ() {
        let stored = sample::created("posts_created");
        let mut configured = stored.definition.clone();
        let source = configured.sources.get_mut("posts").unwrap();
        source.time_column = "published_at".to_owned();
        source.actor_column = Some("author_id".to_owned());
        let fields = revised_fields(&stored.definition, &configured);
        let shown: Vec<_> = fields
            .iter()
            .map(|change| (change.field.as_str(), change.old.clone(), change.new.clone()))
            .collect();
        assert_eq!(
            shown,
            [
                ("sources.posts.time_column", json!("created_at"), json!("published_at")),
                ("sources.posts.actor_column", json!(null), json!("author_id")),
            ]
        );
    }
}
