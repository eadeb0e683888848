//! The layers in which settings can be set. Each setting has the value of the first layer that contains it, parsed as
//! the setting's type.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    config::{
        finding::Finding,
        settings::{
            flags::GivenFlags,
            setting::{Setting, SettingKind},
            table::SETTINGS,
        },
        suggest::{nearest, nearest_zone, shown, suggestion},
    },
    database::DatabaseUrl,
    metric::is_name,
};

/// The environment variable that names the configuration file.
pub const CONFIG_VARIABLE: &str = "DAYMARK_CONFIG";
/// The variable that many hosts set for an application's database; the setting `platform.url` falls back to it.
const DATABASE_URL: &str = "DATABASE_URL";
const PREFIX: &str = "DAYMARK_";

/// The environment variables that Daymark reads, by name.
pub type Environment = BTreeMap<String, OsString>;

/// Returns the process's `DAYMARK_*` variables and `DATABASE_URL`.
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX) || name == DATABASE_URL)
        .collect()
}

/// The text of a setting, and the place where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenValue {
    pub text: String,
    pub place: String,
    /// The directory to which a path in the text is relative; `None` stands for the working directory.
    pub directory: Option<PathBuf>,
}

/// The settings in a file, by key.
pub type FileSettings = BTreeMap<&'static str, GivenValue>;

/// The layers in which settings can be set (flags, environment, file, defaults), and the problems found in them.
pub(super) struct SettingLayers<'a> {
    flags: &'a GivenFlags,
    environment: &'a Environment,
    file: &'a FileSettings,
    /// The settings of the file that could not be read.
    unread: &'a [&'static str],
    /// The directory of the file.
    directory: Option<&'a Path>,
    pub(super) problems: Vec<Finding>,
    /// The settings whose values are wrong, or may be.
    pub(super) wrong: Vec<&'static str>,
}

impl<'a> SettingLayers<'a> {
    pub(super) fn new(
        flags: &'a GivenFlags,
        environment: &'a Environment,
        file: &'a FileSettings,
        unread: &'a [&'static str],
        directory: Option<&'a Path>,
    ) -> Self {
        let problems = misspelt(environment);
        // A variable with a misspelt name may have been meant for any setting.
        let all = if problems.is_empty() { &[] } else { SETTINGS };
        let wrong = all.iter().map(|setting| setting.key).collect();
        Self { flags, environment, file, unread, directory, problems, wrong }
    }

    /// Reports a problem with a setting that depends on other settings too.
    pub(super) fn refuse(&mut self, key: &'static str, message: String, hint: &str) {
        self.problems.push(Finding::error(key, message).hint(hint));
        self.wrong.push(key);
    }

    /// Returns the value from the first layer that contains the setting.
    fn first(&mut self, setting: &Setting) -> Option<GivenValue> {
        if let Some(text) = self.flags.get(setting.key) {
            let place = format!("--{}", setting.flag());
            return Some(GivenValue { text: text.clone(), place, directory: None });
        }
        if let Some(value) = self.variable(&setting.env(), setting.key) {
            return Some(value);
        }
        if let Some(value) = self.file.get(setting.key) {
            return Some(value.clone());
        }
        if self.unread.contains(&setting.key) {
            self.wrong.push(setting.key);
        }
        if setting.key == "platform.url"
            && let Some(value) = self.variable(DATABASE_URL, setting.key)
        {
            return Some(value);
        }
        self.default(setting)
    }

    fn default(&self, setting: &Setting) -> Option<GivenValue> {
        let text = setting.default?.to_owned();
        let directory = self.directory.map(Path::to_owned);
        Some(GivenValue { text, place: format!("the default of {}", setting.key), directory })
    }

    /// Returns the value of a variable that is set and not empty.
    fn variable(&mut self, name: &str, key: &'static str) -> Option<GivenValue> {
        let value = self.environment.get(name).filter(|value| !value.is_empty())?;
        match value.to_str() {
            Some(text) => Some(GivenValue { text: text.to_owned(), place: name.to_owned(), directory: None }),
            None => {
                self.problems.push(Finding::error(name, "the value is not valid UTF-8"));
                self.wrong.push(key);
                None
            }
        }
    }

    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&GivenValue) -> Result<T, String>,
    ) -> Option<T> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key)?;
        let value = self.first(setting)?;
        match parse(&value) {
            Ok(value) => Some(value),
            Err(message) => {
                let hint = hint(setting, &value.text);
                self.problems.push(Finding::error(value.place, message).maybe_hint(hint));
                self.wrong.push(setting.key);
                parse(&self.default(setting)?).ok()
            }
        }
    }

    pub(super) fn integer(&mut self, key: &str) -> Option<u64> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key)?;
        let SettingKind::Integer { min, max } = setting.kind else { return None };
        self.parsed(key, |GivenValue { text, .. }| {
            let number = text.trim().parse::<i64>().ok().filter(|number| (min..=max).contains(number));
            number
                .and_then(|number| u64::try_from(number).ok())
                .ok_or_else(|| format!("{key} must be {}, not {}", setting.values(), shown(text)))
        })
    }

    pub(super) fn name(&mut self, key: &str) -> Option<String> {
        self.parsed(key, |GivenValue { text, .. }| match is_name(text) {
            true => Ok(text.to_owned()),
            false => Err(format!(
                "{key} must be a name of lower-case letters, digits and underscores that starts with a letter (63 at \
                 most), not {}",
                shown(text)
            )),
        })
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |GivenValue { text, .. }| {
            let chosen = choices.iter().find(|(name, _)| *name == *text).map(|(_, value)| *value);
            chosen.ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(name, _)| shown(name)).collect();
                format!("{key} must be one of {}, not {}", names.join(", "), shown(text))
            })
        })
    }

    /// Returns the value of an optional setting. A wrong value is reported and treated as not set.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&GivenValue) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key)?;
        match self.first(setting) {
            None => Some(None),
            Some(_) => Some(self.parsed(key, parse)),
        }
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        self.choice(key, &[("true", true), ("false", false)])
    }

    /// Returns the parsed elements of a list; an unset list is empty.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let parts = |text: &str| -> Result<Vec<T>, String> {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(&parse).collect()
        };
        self.optional(key, |GivenValue { text, .. }| parts(text)).map(Option::unwrap_or_default)
    }

    pub(super) fn url(&mut self, key: &str) -> Option<DatabaseUrl> {
        self.parsed(key, |GivenValue { text, directory, .. }| {
            let url =
                text.parse::<DatabaseUrl>().map_err(|error| format!("{key} cannot be used: {error}"))?;
            Ok(match (url, directory) {
                // `join` returns an absolute path unchanged.
                (DatabaseUrl::Sqlite(path), Some(directory)) => DatabaseUrl::Sqlite(directory.join(path)),
                (url, _) => url,
            })
        })
    }
}

fn hint(setting: &Setting, text: &str) -> Option<String> {
    match setting.kind {
        SettingKind::Choice(choices) => {
            nearest(text, choices.iter().copied()).map(|choice| format!("did you mean {}?", shown(choice)))
        }
        SettingKind::TimeZone => nearest_zone(text),
        _ => None,
    }
}

/// Reports variables with names within two edits of a known one. Other variables with the prefix are ignored, because
/// container hosts create some (`DAYMARK_SERVICE_HOST`).
fn misspelt(environment: &Environment) -> Vec<Finding> {
    let mut known: Vec<_> = SETTINGS.iter().map(Setting::env).collect();
    known.push(CONFIG_VARIABLE.to_owned());
    let is_unknown = |name: &&String| name.starts_with(PREFIX) && !known.contains(name);
    let near = |name: &String| known.iter().any(|known| strsim::damerau_levenshtein(known, name) <= 2);
    environment
        .keys()
        .filter(is_unknown)
        .filter(|name| near(name))
        .map(|name| {
            let hint = suggestion(name, known.iter().map(String::as_str));
            Finding::error(shown(name), "there is no such setting").maybe_hint(hint)
        })
        .collect()
}
