//! Definitions that are created through the API, one at a time, in addition to those of the file. They are read like a
//! section of the file, and checked against the platform before they are stored.

use serde_json::{Map, Value};

use super::{
    check::{explain, unplanned},
    resolve::detected_formats,
};
use crate::{
    collect::{CollectError, Context, EarlierMeaning, earlier_meanings, selection},
    config::{Config, Finding, MetricDeclaration, Severity, read_json_metric, shown, suggestion},
    database::{Fault, FaultClass},
    metric::{Definition, is_name},
    store::{DefinitionChange, Origin, StoreError, StoredDefinition},
};

/// The most metrics that can be created through the API, those that are switched off included.
const MAX_METRICS: usize = 2000;
/// The most bytes that their definitions may take, as JSON: `GET /api/v1/definitions` answers all of them at once.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// A definition that was created, changed, or was already stored like this.
#[derive(Debug, Clone)]
pub struct Defined {
    pub stored: StoredDefinition,
    /// Whether the metric was not in the store before.
    pub is_new: bool,
    /// Findings that suggest a mistake but do not prevent the definition.
    pub warnings: Vec<Finding>,
    /// The recorded days that keep the meaning of an earlier version.
    pub earlier_meaning: Option<EarlierMeaning>,
}

/// Why a definition cannot be created or switched off.
#[derive(Debug, thiserror::Error)]
pub enum DefineError {
    /// All errors in the definition. Places are paths in the request's body; errors of the whole definition have none.
    #[error("the definition is wrong: {}", described(.0))]
    Wrong(Vec<Finding>),
    #[error("metric {} is defined in daymark.toml or the preset: change it there and run `daymark apply`", shown(.0))]
    OfFile(String),
    #[error("no metric is called {}{suggestion}", shown(name))]
    Unknown { name: String, suggestion: String },
    #[error("metric {} is not defined on this platform: {reason}", shown(category))]
    LeftOut { category: String, reason: String },
    #[error(
        "metric {} is computed from the records of others when it is read: preview {}",
        shown(category),
        listed(inputs)
    )]
    Derived { category: String, inputs: Vec<String> },
    #[error(transparent)]
    Collect(#[from] CollectError),
}

fn listed(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| shown(name)).collect();
    names.join(" and ")
}

/// Defines the metric `category`. `body` has the keys of a `[metrics.…]` section of the file, and refers to the sources
/// of `config`. The definition becomes a new version if it differs from the stored one.
///
/// # Errors
/// When the definition is not valid, when the name belongs to the file or the preset, or when one of the databases
/// fails. Nothing is changed then.
pub async fn define(
    context: &Context,
    config: &Config,
    category: &str,
    body: &Map<String, Value>,
) -> Result<Defined, DefineError> {
    if !is_name(category) {
        let message = format!("{} cannot be a name", shown(category));
        let hint = "use at most 63 lower-case letters, digits and underscores, beginning with a letter";
        return Err(DefineError::Wrong(vec![Finding::error("category", message).hint(hint)]));
    }
    let stored = context.tenant.store.definitions().await.map_err(CollectError::from)?;
    let active: Vec<_> = stored.iter().filter(|stored| stored.is_active).cloned().collect();
    refuse_files(config, category, &active)?;
    selection::require_time_zone(context, &active)?;
    let (definition, warnings) = checked(context, config, category, body).await?;
    require_room(&stored, &definition)?;
    let key = definition.key();
    let now = context.now();
    // The store decides whether the metric is new or revised, because it serializes such changes.
    let changes = [DefinitionChange::Revise(definition)];
    let changed = context.tenant.store.change_definitions(&changes, Origin::Api, now).await?;
    let is_it = |stored: &StoredDefinition| stored.definition.key() == key;
    let is_new = !changed.before.iter().any(is_it);
    let stored = changed
        .after
        .into_iter()
        .find(is_it)
        .ok_or_else(|| unknown(category, changed.before.iter().map(|stored| &stored.definition)))?;
    let earlier_meaning = match is_new {
        true => None,
        false => earlier_meaning(context, &stored).await?,
    };
    Ok(Defined { stored, is_new, warnings, earlier_meaning })
}

/// # Errors
/// When the metrics that were created through the API would be more, or larger, than they may be. A definition that gets smaller is
/// always possible.
fn require_room(stored: &[StoredDefinition], definition: &Definition) -> Result<(), DefineError> {
    let bytes = |definition: &Definition| serde_json::to_string(definition).map_or(0, |text| text.len());
    let of_api = stored.iter().filter(|stored| stored.origin == Origin::Api).map(|stored| &stored.definition);
    let (mut others, mut others_bytes, mut before) = (0, 0, None);
    for other in of_api {
        match other.key() == definition.key() {
            true => before = Some(bytes(other)),
            false => (others, others_bytes) = (others + 1, others_bytes + bytes(other)),
        }
    }
    let own = bytes(definition);
    let refused =
        |message: String, hint: &str| Err(DefineError::Wrong(vec![Finding::error("", message).hint(hint)]));
    match before {
        None if others >= MAX_METRICS => refused(
            format!(
                "there are {others} metrics that were created through the API, and {MAX_METRICS} are possible"
            ),
            "change one of them, or define the metric in daymark.toml",
        ),
        before if others_bytes + own > MAX_BYTES && before.is_none_or(|before| own > before) => refused(
            format!(
                "with this definition, those that were created through the API would take {} bytes, and {MAX_BYTES} are possible",
                others_bytes + own
            ),
            "shorten the descriptions and queries of some of them, or define the metric in daymark.toml",
        ),
        _ => Ok(()),
    }
}

async fn earlier_meaning(
    context: &Context,
    stored: &StoredDefinition,
) -> Result<Option<EarlierMeaning>, StoreError> {
    let store = context.tenant.store.as_ref();
    let Some((first, last)) = store.recorded_span().await? else { return Ok(None) };
    Ok(earlier_meanings(store, &[&stored.definition], first, last).await?.into_iter().next())
}

/// Switches off the metric `category`; its records and versions stay. A metric that is already off is left unchanged.
///
/// # Errors
/// When there is no metric of that name, when it belongs to the file or the preset, or when the store fails.
pub async fn switch_off(context: &Context, config: &Config, category: &str) -> Result<(), DefineError> {
    let stored = context.tenant.store.definitions().await.map_err(CollectError::from)?;
    refuse_files(config, category, &stored)?;
    let of_name = stored.iter().map(|stored| stored.definition.key()).filter(|key| key.category == category);
    let changes: Vec<_> = of_name.map(DefinitionChange::Deactivate).collect();
    if changes.is_empty() {
        return Err(unknown(category, stored.iter().map(|stored| &stored.definition)));
    }
    context.tenant.store.change_definitions(&changes, Origin::Api, context.now()).await?;
    Ok(())
}

/// Refuses metrics of the file or the preset. The store checks this again with the change, as the file may be applied
/// in the meantime.
fn refuse_files(config: &Config, category: &str, stored: &[StoredDefinition]) -> Result<(), DefineError> {
    let is_files = |stored: &StoredDefinition| {
        stored.is_active && stored.origin == Origin::File && stored.definition.category == category
    };
    match config.declares(category) || stored.iter().any(is_files) {
        true => Err(DefineError::OfFile(category.to_owned())),
        false => Ok(()),
    }
}

/// Resolves and checks the definition in `body`. Returns it with the warnings about it.
pub(super) async fn checked(
    context: &Context,
    config: &Config,
    category: &str,
    body: &Map<String, Value>,
) -> Result<(Definition, Vec<Finding>), DefineError> {
    let (declaration, mut findings) = read_json_metric(category, body);
    findings.extend(switched_off(&declaration));
    let platform = context.tenant.platform.as_ref();
    let queries = config.source_queries();
    let schema = context.on_platform(|| platform.inspect_with(&queries)).await?;
    let detected = detected_formats(context, config, &schema).await?;
    let active = MetricDeclaration { active: None, ..declaration };
    let resolved = config.resolve_further(&active, &schema, &detected);
    findings.extend(resolved.findings);
    let definition = resolved.definitions.into_iter().next();
    let definition = definition.filter(|_| !findings.iter().any(Finding::is_error));
    let Some(definition) = definition else {
        if !findings.iter().any(Finding::is_error) {
            let message = "a source or a metric that it names has an error";
            findings.push(Finding::error(&active.place, message).hint("`daymark check` reports it"));
        }
        return Err(wrong(findings));
    };
    let planned = async || of_platform(explain(context, &schema, &[&definition]).await?);
    let faults = context.on_platform(planned).await?;
    match faults.is_empty() {
        true => {
            findings.retain(|finding| finding.severity == Severity::Warning);
            Ok((definition, findings))
        }
        false => {
            findings.extend(faults.iter().map(|fault| unplanned(query_place(&active), fault)));
            Err(wrong(findings))
        }
    }
}

/// Returns the faults that are due to the definition.
fn of_platform(faults: Vec<(usize, Fault)>) -> Result<Vec<Fault>, Fault> {
    let of_definition = |class| {
        matches!(
            class,
            FaultClass::Sql
                | FaultClass::Denied
                | FaultClass::HiddenRows
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
    let message = "a metric that is created through the API is always active";
    Some(
        Finding::error(&active.place, message)
            .hint("leave out `active`; to switch the metric off, delete it"),
    )
}

fn wrong(findings: Vec<Finding>) -> DefineError {
    DefineError::Wrong(findings.into_iter().filter(Finding::is_error).collect())
}

/// The error for a name that none of `defined` has.
pub(super) fn unknown<'a>(name: &str, defined: impl Iterator<Item = &'a Definition>) -> DefineError {
    let categories = defined.map(|definition| definition.category.as_str());
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
