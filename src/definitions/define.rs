//! Definitions that are made through the API, one at a time, beside those of the file: read as the file is, and checked
//! against the platform as it is now before they are kept.

use serde_json::{Map, Value};

use super::{
    check::{explain, unplanned},
    resolve::detected_formats,
};
use crate::{
    collect::{CollectError, Context, selection},
    config::{Config, Finding, MetricDeclaration, read_json_metric, shown, suggestion},
    database::{Fault, FaultClass},
    metric::{Definition, is_name},
    store::{DefinitionChange, Origin, StoreError, StoredDefinition},
};

/// A definition that was made or changed, or was so already.
#[derive(Debug, Clone)]
pub struct Defined {
    pub stored: StoredDefinition,
    /// Whether the store did not know the metric.
    pub is_new: bool,
    /// What may not be as it was meant.
    pub warnings: Vec<Finding>,
}

/// Why a definition is not made or switched off.
#[derive(Debug, thiserror::Error)]
pub enum DefineError {
    /// Everything that is wrong with it. Places are paths in what was given; what is wrong with the whole has none.
    #[error("the definition is wrong: {}", described(.0))]
    Wrong(Vec<Finding>),
    #[error("metric {} is of daymark.toml or the preset: change it there and run `daymark apply`", shown(.0))]
    OfFile(String),
    #[error("no metric is called {}{suggestion}", shown(name))]
    Unknown { name: String, suggestion: String },
    #[error(transparent)]
    Collect(#[from] CollectError),
}

/// Makes `category` what `body` says, which is what a `[metrics.…]` section of the file may say, with the sources of
/// `config`; the definition is a new version if it differs from what is stored.
///
/// # Errors
/// When it is wrong, when the name is the file's or the preset's, or when one of the databases cannot be asked. Nothing
/// is changed then.
pub async fn define(
    context: &Context,
    config: &Config,
    category: &str,
    body: &Map<String, Value>,
) -> Result<Defined, DefineError> {
    if !is_name(category) {
        let message = format!("{} cannot be a name", shown(category));
        let hint = "use lower-case letters, digits and underscores, a letter first, 63 at most";
        return Err(DefineError::Wrong(vec![Finding::error("category", message).hint(hint)]));
    }
    let active = selection::active(context.tenant.store.as_ref()).await?;
    refuse_files(config, category, &active)?;
    selection::require_time_zone(context, &active)?;
    let (definition, warnings) = checked(context, config, category, body).await?;
    let key = definition.key();
    let now = context.now();
    // Whether it is new or revised is for the store to see, which lets one at a time do so.
    let changes = [DefinitionChange::Revise(definition)];
    let changed = context.tenant.store.change_definitions(&changes, Origin::Api, now).await?;
    let is_it = |stored: &StoredDefinition| stored.definition.key() == key;
    let is_new = !changed.before.iter().any(is_it);
    let stored = changed.after.into_iter().find(is_it).ok_or_else(|| unknown(category, &changed.before))?;
    Ok(Defined { stored, is_new, warnings })
}

/// Switches off the metric `category`: its records and versions stay. One that is off already stays so.
///
/// # Errors
/// When there is none of that name, when it is the file's or the preset's, or when the store fails.
pub async fn switch_off(context: &Context, config: &Config, category: &str) -> Result<(), DefineError> {
    let stored = context.tenant.store.definitions().await.map_err(CollectError::from)?;
    refuse_files(config, category, &stored)?;
    let of_name = stored.iter().map(|stored| stored.definition.key()).filter(|key| key.category == category);
    let changes: Vec<_> = of_name.map(DefinitionChange::Deactivate).collect();
    if changes.is_empty() {
        return Err(unknown(category, &stored));
    }
    context.tenant.store.change_definitions(&changes, Origin::Api, context.now()).await?;
    Ok(())
}

/// The store's own word on it comes with the change: the file may be applied in the meantime.
fn refuse_files(config: &Config, category: &str, stored: &[StoredDefinition]) -> Result<(), DefineError> {
    let is_files = |stored: &StoredDefinition| {
        stored.is_active && stored.origin == Origin::File && stored.definition.category == category
    };
    match config.declares(category) || stored.iter().any(is_files) {
        true => Err(DefineError::OfFile(category.to_owned())),
        false => Ok(()),
    }
}

/// The definition that `body` comes to, and the warnings about it.
async fn checked(
    context: &Context,
    config: &Config,
    category: &str,
    body: &Map<String, Value>,
) -> Result<(Definition, Vec<Finding>), DefineError> {
    let (declaration, mut findings) = read_json_metric(category, body);
    findings.extend(switched_off(&declaration));
    let platform = context.tenant.platform.as_ref();
    let schema = context.on_platform(|| platform.inspect()).await?;
    let detected = detected_formats(context, config, &schema).await?;
    let active = MetricDeclaration { active: None, ..declaration };
    let resolved = config.resolve_further(&active, &schema, &detected);
    findings.extend(resolved.findings);
    let definition = resolved.definitions.into_iter().next();
    let definition = definition.filter(|_| !findings.iter().any(Finding::is_error));
    let Some(definition) = definition else {
        if !findings.iter().any(Finding::is_error) {
            let message = "a source or a metric that it names has a problem of its own";
            findings.push(Finding::error(&active.place, message).hint("`daymark check` says which"));
        }
        return Err(wrong(findings));
    };
    let planned = async || of_platform(explain(context, &schema, &[&definition]).await?);
    let faults = context.on_platform(planned).await?;
    match faults.is_empty() {
        true => Ok((definition, findings)),
        false => {
            findings.extend(faults.iter().map(|fault| unplanned(query_place(&active), fault)));
            Err(wrong(findings))
        }
    }
}

/// What the platform has against the definition, unless it could not say because of something else.
fn of_platform(faults: Vec<(usize, Fault)>) -> Result<Vec<Fault>, Fault> {
    let of_definition = |class| {
        matches!(
            class,
            FaultClass::Sql
                | FaultClass::Denied
                | FaultClass::TooLarge
                | FaultClass::Data
                | FaultClass::Other
        )
    };
    faults
        .into_iter()
        .map(|(_, fault)| if of_definition(fault.class) { Ok(fault) } else { Err(fault) })
        .collect()
}

fn query_place(declaration: &MetricDeclaration) -> &str {
    declaration.formula.query.as_ref().map_or("", |query| query.place.as_str())
}

fn switched_off(declaration: &MetricDeclaration) -> Option<Finding> {
    let active = declaration.active.as_ref().filter(|active| !active.value)?;
    let message = "a metric that is made is active";
    Some(
        Finding::error(&active.place, message)
            .hint("leave `active` out, and delete the metric to switch it off"),
    )
}

fn wrong(findings: Vec<Finding>) -> DefineError {
    DefineError::Wrong(findings.into_iter().filter(Finding::is_error).collect())
}

fn unknown(name: &str, stored: &[StoredDefinition]) -> DefineError {
    let categories = stored.iter().map(|stored| stored.definition.category.as_str());
    let suggestion = suggestion(name, categories).map(|hint| format!("; {hint}")).unwrap_or_default();
    DefineError::Unknown { name: name.to_owned(), suggestion }
}

fn described(findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    lines.join("; ")
}

impl From<StoreError> for DefineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::OfFile { category } => Self::OfFile(category),
            other => Self::Collect(other.into()),
        }
    }
}
