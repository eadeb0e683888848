//! Configuration: settings from flags, environment and `daymark.toml`; the sources and metrics that the file declares;
//! the preset; and the resolution of all of these into definitions for a platform's tables.
//!
//! **Architecture Invariant:** this module opens no connection. Except for reading the file and the environment,
//! everything is a function of its arguments; facts about a platform are passed as a [`Schema`] and
//! [`DetectedFormats`].

mod alerting;
mod file;
mod finding;
mod presets;
mod recognise;
mod resolve;
mod settings;
mod suggest;
mod template;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use alerting::{
    AlertCondition, AlertRule, AlertSeverity, BUILT_IN, Channel, ChannelKind, EmailChannel, EmailTls,
    GivenSecret, HEARTBEAT_CHANNEL, MetricCondition, MetricTest, built_in_rules,
};
#[cfg(test)]
pub use file::json_metric::known_keys;
pub use file::{
    declaration::{Declarations, MeasureName, MetricDeclaration, PERIODS, Returns},
    json_metric::read_json_metric,
    written_metric::written_metric,
};
pub use finding::{ConfigProblems, Finding, Located, Severity};
pub use recognise::{columns_to_inspect, tables_to_sample};
pub use resolve::{Omission, Resolved, columns_to_detect, resolve, resolve_further};
pub use settings::{
    LogFormat, Preset, Settings, UnfinishedDay,
    delivery::DeliverySettings,
    flags::{GivenFlags, add_setting_flags, given_config_file, given_flags, without_effect},
    layers::{Environment, process_environment},
    reference::settings_reference,
    server::{AccessSettings, HttpSettings, KeySetLocation, QuerySettings, WEEKDAYS},
};
pub use suggest::{named_variants, nearest, shown, similar_names, suggestion};
pub use template::{
    Decisions, FoundTables, ProposedMetric, StarterFile, StarterOptions, UserTable, starter_file,
};

use file::{ReadFile, declaration::DerivedDeclaration, read_file};
use presets::BuiltInSet;
use resolve::{
    ResolveRequest, derived_findings, derived_metric, derived_metrics, empty_sources, source_tables,
    source_tables_by_name, unfiltered_flags,
};
use settings::{CheckedSettings, layers::CONFIG_VARIABLE};

pub use crate::platform::DetectedFormats;
use crate::{
    metric::{Definition, DerivedMetric},
    platform::{SampledTable, Schema, Statistics, Table},
};

/// The file that is read by default.
pub const DEFAULT_FILE: &str = "daymark.toml";

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub settings: Settings,
    pub declarations: Declarations,
}

/// Reads the configuration from the file that `named` or `DAYMARK_CONFIG` names, or else from `daymark.toml` in the
/// working directory if it exists. The environment overrides the file, and flags override both.
///
/// # Errors
/// All problems with the file, the environment and the flags.
pub fn load(
    named: Option<&Path>,
    flags: &GivenFlags,
    environment: &Environment,
) -> Result<Config, ConfigProblems> {
    let LoadedConfig { config, problems, .. } = load_with_problems(named, flags, environment);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigProblems(problems)),
    }
}

/// A configuration with all its problems, for `daymark check`, which continues with further checks.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The configuration, in which wrong values are replaced by defaults. `None` if a wrong setting has no default.
    pub config: Option<Config>,
    pub problems: Vec<Finding>,
    /// Whether the settings that locate the platform are correct.
    pub names_platform: bool,
    /// Whether the settings that locate the store are correct.
    pub names_store: bool,
    /// Whether the settings that decide which definitions the store should hold are correct.
    pub names_definitions: bool,
}

const OF_STORE: [&str; 2] = ["store.url", "store.schema"];
const OF_DEFINITIONS: [&str; 3] = ["tenant", "time_zone", "preset"];

/// Like [`load`], but returns the readable part together with the problems.
pub fn load_with_problems(
    named: Option<&Path>,
    flags: &GivenFlags,
    environment: &Environment,
) -> LoadedConfig {
    let by_variable = environment.get(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let default = PathBuf::from(DEFAULT_FILE);
    let file = named.map(Path::to_owned).or(by_variable).or_else(|| default.exists().then_some(default));
    let read = file.as_deref().map(read_file).unwrap_or_default();
    let ReadFile { settings: from_file, mut declarations, mut problems, unread } = read;
    declarations.channels.iter_mut().for_each(|channel| channel.look_up(environment));
    let directory = file.as_deref().and_then(Path::parent);
    let CheckedSettings { settings, problems: more, wrong } =
        settings::settings(flags, environment, &from_file, &unread, directory);
    problems.extend(more);
    problems.extend(derived_findings(&declarations, &BTreeSet::new()).into_iter().filter(Finding::is_error));
    LoadedConfig {
        names_platform: !wrong.contains(&"platform.url"),
        names_store: !OF_STORE.iter().any(|key| wrong.contains(key)),
        names_definitions: !OF_DEFINITIONS.iter().any(|key| wrong.contains(key)),
        config: settings.map(|settings| Config { settings, declarations }),
        problems,
    }
}

impl Config {
    /// Returns the columns whose time format [`Config::resolve`] needs to know from the platform's values, by table and
    /// column.
    pub fn columns_to_detect(&self, schema: &Schema) -> Vec<(String, String)> {
        columns_to_detect(&self.declarations, self.settings.preset, schema)
    }

    /// The queries that sources of the file read, each once.
    pub fn source_queries(&self) -> BTreeSet<String> {
        self.declarations
            .sources
            .iter()
            .filter_map(|source| Some(source.query.as_ref()?.value.clone()))
            .collect()
    }

    /// Resolves the configuration into definitions for a platform with these tables.
    pub fn resolve(&self, schema: &Schema, detected: &DetectedFormats) -> Resolved {
        resolve(self.request(schema, detected))
    }

    /// Returns the tables whose statistics [`Config::source_warnings`] needs: those that `definitions` read.
    pub fn source_tables(&self, schema: &Schema, definitions: &[Definition]) -> Vec<SampledTable> {
        source_tables(schema, definitions)
    }

    /// Returns a warning for each source of `definitions` whose table has columns that look like flags, which neither the source
    /// nor any metric that reads it filters by, and for each whose table has no rows.
    pub fn source_warnings(
        &self,
        schema: &Schema,
        definitions: &[Definition],
        statistics: &Statistics,
    ) -> Vec<Finding> {
        let place = presets::built_in(self.settings.preset).map_or("", |set| set.place);
        let mut warnings = unfiltered_flags(&self.declarations, place, schema, definitions, statistics);
        warnings.extend(empty_sources(&self.declarations, place, schema, definitions, statistics));
        warnings
    }

    /// Resolves a metric that was declared outside the file, such as through the API, into at most one definition. The
    /// metric may refer to the sources and metrics of the file.
    pub fn resolve_further(
        &self,
        metric: &MetricDeclaration,
        schema: &Schema,
        detected: &DetectedFormats,
    ) -> Resolved {
        resolve_further(self.request(schema, detected), metric)
    }

    /// The table of each source of the file and the preset by name, or the reason why it cannot be read.
    pub fn source_tables_by_name<'a>(
        &'a self,
        schema: &'a Schema,
        detected: &'a DetectedFormats,
    ) -> Vec<(String, Result<&'a Table, String>)> {
        source_tables_by_name(&self.request(schema, detected))
    }

    /// The metrics that are computed from others when they are read.
    pub fn derived(&self) -> Arc<[DerivedMetric]> {
        let (time_zone, week_start) = (self.settings.calendar.name(), self.settings.query.week_start);
        let mut metrics = derived_metrics(&self.declarations, time_zone, week_start);
        let of_preset = presets::built_in(self.settings.preset).map(BuiltInSet::derived).unwrap_or_default();
        let is_new = |declared: &DerivedDeclaration| {
            let metrics_of_file = self.declarations.metrics.iter().map(|metric| &metric.category);
            let mut names =
                metrics_of_file.chain(self.declarations.derived.iter().map(|derived| &derived.category));
            names.all(|name| *name != declared.category)
        };
        let of_preset = of_preset.iter().filter(|declared| is_new(declared));
        metrics.extend(of_preset.map(|declared| derived_metric(declared, time_zone, week_start, true)));
        metrics.sort_by(|one, other| one.key.category.cmp(&other.key.category));
        metrics.into()
    }

    /// Warnings about derived metrics that are computed from metrics which neither the file nor the preset defines.
    pub fn derived_warnings(&self) -> Vec<Finding> {
        let of_file = self.declarations.metrics.iter().map(|metric| metric.category.clone());
        let set = presets::built_in(self.settings.preset);
        let of_preset = set.map(BuiltInSet::metrics).unwrap_or_default();
        let derived = set.map(BuiltInSet::derived).unwrap_or_default();
        let of_preset = of_preset
            .into_iter()
            .map(|metric| metric.category)
            .chain(derived.into_iter().map(|metric| metric.category));
        let known = of_file.chain(of_preset).collect();
        let findings = derived_findings(&self.declarations, &known);
        findings.into_iter().filter(|finding| !finding.is_error()).collect()
    }

    /// Whether the file or the preset has a metric of that name, active or not.
    pub fn declares(&self, category: &str) -> bool {
        let in_file = self.declarations.metrics.iter().any(|metric| metric.category == category)
            || self.declarations.derived.iter().any(|metric| metric.category == category);
        in_file || presets::built_in(self.settings.preset).is_some_and(|set| set.has_metric(category))
    }

    fn request<'a>(&'a self, schema: &'a Schema, detected: &'a DetectedFormats) -> ResolveRequest<'a> {
        ResolveRequest {
            declarations: &self.declarations,
            preset: self.settings.preset,
            tenant: &self.settings.tenant,
            time_zone: self.settings.calendar.name(),
            week_start: self.settings.query.week_start,
            schema,
            detected,
        }
    }
}
