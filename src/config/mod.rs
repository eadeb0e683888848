//! Configuration: settings from flags, environment and `daymark.toml`; the sources and metrics that the file declares;
//! the preset; and what all that comes to on a platform with certain tables.
//!
//! **Architecture Invariant:** no connection is opened in here. Reading the file and the environment apart, everything
//! is a function of its arguments; what must be known of a platform comes as a [`Schema`] and
//! as [`DetectedFormats`].

mod build;
mod catalogue;
mod column_check;
mod declaration;
mod file;
mod filter_section;
mod finding;
mod flags;
mod given;
mod json_metric;
mod known_names;
mod metric_section;
mod nearest;
mod preset;
mod reader;
mod recognise;
mod reference;
mod resolve;
mod serve_settings;
mod setting;
mod setting_table;
mod settings;
mod source_check;
mod template;
#[cfg(test)]
mod tests;
mod time_format;
mod written_metric;

use std::path::{Path, PathBuf};

pub use declaration::{ADDS_UP, Declarations, MeasureName, MetricDeclaration, PHASES, Returns};
pub use finding::{ConfigProblems, Finding, Located, Severity};
pub use flags::{GivenFlags, add_setting_flags, given_config_file, given_flags, without_effect};
pub use given::{Environment, process_environment};
#[cfg(test)]
pub use json_metric::known_keys;
pub use json_metric::read_json_metric;
pub use nearest::{meant, nearest, shown, suggestion};
pub use reference::settings_reference;
pub use resolve::{Omission, Request, Resolved, columns_to_detect, resolve, resolve_further};
pub use serve_settings::{AccessSettings, HttpSettings, KeySetLocation, QuerySettings, WEEKDAYS};
pub use settings::{LogFormat, Preset, Settings};
pub use template::{columns_to_survey, template};
pub use written_metric::written_metric;

use file::{ReadFile, read_file};
use settings::CheckedSettings;

pub use crate::platform::DetectedFormats;
use crate::platform::Schema;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "daymark.toml";
/// The environment variable that names the file.
const CONFIG_VARIABLE: &str = "DAYMARK_CONFIG";

/// Everything that is configured.
#[derive(Debug, Clone)]
pub struct Config {
    pub settings: Settings,
    pub declarations: Declarations,
}

/// Reads the configuration: the file that `named` or `DAYMARK_CONFIG` names, or else `daymark.toml` in the working
/// directory if there is one; and over it the environment and the flags.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn load(
    named: Option<&Path>,
    flags: &GivenFlags,
    environment: &Environment,
) -> Result<Config, ConfigProblems> {
    let Loaded { config, problems, .. } = load_with_problems(named, flags, environment);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigProblems(problems)),
    }
}

/// A configuration with all that is wrong with it, for who looks for further mistakes.
#[derive(Debug)]
pub struct Loaded {
    /// With defaults for what is wrong; `None` if there is no such thing.
    pub config: Option<Config>,
    pub problems: Vec<Finding>,
    /// Whether the settings are right that say where the platform is…
    pub names_platform: bool,
    /// …where the store is…
    pub names_store: bool,
    /// …and which definitions it is to have.
    pub names_definitions: bool,
}

const OF_STORE: [&str; 2] = ["store.url", "store.schema"];
const OF_DEFINITIONS: [&str; 3] = ["tenant", "time_zone", "preset"];

/// As [`load`], but with everything that is right beside what is wrong.
pub fn load_with_problems(named: Option<&Path>, flags: &GivenFlags, environment: &Environment) -> Loaded {
    let by_variable = environment.get(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let default = PathBuf::from(DEFAULT_FILE);
    let file = named.map(Path::to_owned).or(by_variable).or_else(|| default.exists().then_some(default));
    let read = file.as_deref().map(read_file).unwrap_or_default();
    let ReadFile { settings: from_file, declarations, mut problems, unread } = read;
    let directory = file.as_deref().and_then(Path::parent);
    let CheckedSettings { settings, problems: more, wrong } =
        settings::settings(flags, environment, &from_file, &unread, directory);
    problems.extend(more);
    Loaded {
        names_platform: !wrong.contains(&"platform.url"),
        names_store: !OF_STORE.iter().any(|key| wrong.contains(key)),
        names_definitions: !OF_DEFINITIONS.iter().any(|key| wrong.contains(key)),
        config: settings.map(|settings| Config { settings, declarations }),
        problems,
    }
}

impl Config {
    /// The columns whose format of time [`Config::resolve`] wants the platform's values to tell.
    pub fn columns_to_detect(&self, schema: &Schema) -> Vec<(String, String)> {
        columns_to_detect(&self.declarations, self.settings.preset, schema)
    }

    /// What the configuration comes to on a platform.
    pub fn resolve(&self, schema: &Schema, detected: &DetectedFormats) -> Resolved {
        resolve(self.request(schema, detected))
    }

    /// What a metric comes to that is declared elsewhere than in the file, beside those that are. One definition at most.
    pub fn resolve_further(
        &self,
        metric: &MetricDeclaration,
        schema: &Schema,
        detected: &DetectedFormats,
    ) -> Resolved {
        resolve_further(self.request(schema, detected), metric)
    }

    /// Whether the file or the preset has a metric of that name, switched off ones included.
    pub fn declares(&self, category: &str) -> bool {
        let in_file = self.declarations.metrics.iter().any(|metric| metric.category == category);
        in_file || (self.settings.preset == Preset::Community && preset::has_metric(category))
    }

    fn request<'a>(&'a self, schema: &'a Schema, detected: &'a DetectedFormats) -> Request<'a> {
        Request {
            declarations: &self.declarations,
            preset: self.settings.preset,
            tenant: &self.settings.tenant,
            time_zone: self.settings.calendar.name(),
            schema,
            detected,
        }
    }
}
