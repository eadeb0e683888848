//! The settings as typed values, each from the first place that has it: flag, environment, file, default.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use tracing::level_filters::LevelFilter;

use super::{
    Finding,
    flags::GivenFlags,
    nearest::{nearest, nearest_zone, shown, suggestion},
    serve_settings::{AccessSettings, HttpSettings, QuerySettings},
    setting::{SETTINGS, Setting, SettingKind},
};
use crate::{
    database::{DatabaseUrl, RetryPolicy},
    metric::{Calendar, is_name},
};

/// The variable that many hosts set for an application's database; [`Settings::platform_url`] falls back to it.
const DATABASE_URL: &str = "DATABASE_URL";
const PREFIX: &str = "DAYMARK_";

/// The environment variables that matter here, by name.
pub type Environment = BTreeMap<String, OsString>;

/// The process's `DAYMARK_*` variables and `DATABASE_URL`.
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX) || name == DATABASE_URL)
        .collect()
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The reporting time zone.
    pub calendar: Calendar,
    pub tenant: String,
    pub preset: Preset,
    pub settle: SignedDuration,
    pub platform_url: Option<DatabaseUrl>,
    pub platform_statement_timeout: Duration,
    pub platform_lock_timeout: Duration,
    pub store_url: DatabaseUrl,
    pub store_schema: String,
    pub retry: RetryPolicy,
    pub backfill_chunk_days: usize,
    pub query: QuerySettings,
    pub http: HttpSettings,
    pub access: AccessSettings,
    /// `None`: as the command likes.
    pub log_level: Option<LevelFilter>,
    pub log_format: LogFormat,
}

/// Which built-in metrics are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Community,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

/// A setting's text and where it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenValue {
    pub text: String,
    pub place: String,
    /// Where a relative path in it starts; `None` is the working directory.
    pub directory: Option<PathBuf>,
}

/// The settings that a file gives, by key.
pub type FileSettings = BTreeMap<&'static str, GivenValue>;

/// What the settings come to.
pub struct CheckedSettings {
    /// With the default in place of what is wrong; `None` if there is none.
    pub settings: Option<Settings>,
    /// Every value that is wrong, each with where it was given.
    pub problems: Vec<Finding>,
    /// The settings that are wrong, or may be.
    pub wrong: Vec<&'static str>,
}

/// Combines the places where settings are given. `unread` are those of the file that could not be read; `directory` is
/// the file's, if there is one.
pub fn settings(
    flags: &GivenFlags,
    environment: &Environment,
    file: &FileSettings,
    unread: &[&'static str],
    directory: Option<&Path>,
) -> CheckedSettings {
    let misspelt = misspelt(environment);
    // A variable whose name is wrong may have been meant for any of them.
    let all = if misspelt.is_empty() { &[] } else { SETTINGS };
    let wrong = all.iter().map(|setting| setting.key).collect();
    let mut given = Given { flags, environment, file, unread, directory, problems: misspelt, wrong };
    let settings = typed(&mut given);
    if let Some(settings) = &settings {
        given.refuse_the_platforms_file(settings);
    }
    CheckedSettings { settings, problems: given.problems, wrong: given.wrong }
}

/// Everything is asked for before the first missing value ends it, so that all problems are found.
fn typed(given: &mut Given) -> Option<Settings> {
    let calendar =
        given.parsed("time_zone", |zone| Calendar::new(&zone.text).map_err(|error| error.to_string()));
    let tenant = given.name("tenant");
    let preset = given.choice("preset", &[("community", Preset::Community), ("none", Preset::None)]);
    let settle_minutes = given.integer("settle_minutes");
    let platform_url = given.url("platform.url");
    let statement_timeout = given.integer("platform.statement_timeout_seconds");
    let lock_timeout = given.integer("platform.lock_timeout_seconds");
    let store_url = given.url("store.url");
    let store_schema = given.name("store.schema");
    let retries = given.integer("retry.attempts");
    let initial_delay_ms = given.integer("retry.initial_delay_ms");
    let chunk_days = given.integer("backfill.chunk_days");
    let query = QuerySettings::read(given);
    let http = HttpSettings::read(given);
    let access = AccessSettings::read(given);
    // `auto` is no level.
    let levels =
        ["auto", "off", "error", "warn", "info", "debug", "trace"].map(|name| (name, name.parse().ok()));
    let log_level: Option<Option<LevelFilter>> = given.choice("log.level", &levels);
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let log_format = given.choice("log.format", &formats);
    Some(Settings {
        calendar: calendar?,
        tenant: tenant?,
        preset: preset?,
        settle: SignedDuration::from_mins(i64::try_from(settle_minutes?).ok()?),
        platform_url,
        platform_statement_timeout: Duration::from_secs(statement_timeout?),
        platform_lock_timeout: Duration::from_secs(lock_timeout?),
        store_url: store_url?,
        store_schema: store_schema?,
        retry: RetryPolicy {
            retries: usize::try_from(retries?).ok()?,
            initial_delay: Duration::from_millis(initial_delay_ms?),
        },
        backfill_chunk_days: usize::try_from(chunk_days?).ok()?,
        query: query?,
        http: http?,
        access: access?,
        log_level: log_level?,
        log_format: log_format?,
    })
}

pub(super) struct Given<'a> {
    flags: &'a GivenFlags,
    environment: &'a Environment,
    file: &'a FileSettings,
    unread: &'a [&'static str],
    directory: Option<&'a Path>,
    problems: Vec<Finding>,
    /// The settings whose values are wrong.
    wrong: Vec<&'static str>,
}

impl Given<'_> {
    /// Daymark writes nothing where a platform's data are. A PostgreSQL database may hold both: the store has a schema of
    /// its own there.
    fn refuse_the_platforms_file(&mut self, settings: &Settings) {
        let (store, platform) = (&settings.store_url, &settings.platform_url);
        if platform.as_ref().is_some_and(|platform| platform.is_same_file(store)) {
            let message = format!("the store cannot be the platform's own file, {store}");
            let hint = "name another file, as in `sqlite:daymark.db`: Daymark makes it";
            self.problems.push(Finding::error("store.url", message).hint(hint));
            self.wrong.push("store.url");
        }
    }

    /// The value from the first place that has it.
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

    /// A variable that is set and not empty.
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
        let given = self.first(setting)?;
        match parse(&given) {
            Ok(value) => Some(value),
            Err(message) => {
                let hint = hint(setting, &given.text);
                self.problems.push(Finding::error(given.place, message).maybe_hint(hint));
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

    fn name(&mut self, key: &str) -> Option<String> {
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

    /// The value of a setting that may be left out, as it is where its value is wrong.
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

    /// The parts of a list, each parsed; an unset list is empty.
    pub(super) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let parts = |text: &str| -> Result<Vec<T>, String> {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(&parse).collect()
        };
        self.optional(key, |GivenValue { text, .. }| parts(text)).map(Option::unwrap_or_default)
    }

    fn url(&mut self, key: &str) -> Option<DatabaseUrl> {
        self.parsed(key, |GivenValue { text, directory, .. }| {
            let url =
                text.parse::<DatabaseUrl>().map_err(|error| format!("{key} cannot be used: {error}"))?;
            Ok(match (url, directory) {
                // Joining leaves an absolute path as it is.
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

/// Variables that look like ours and are not. Others with our prefix are left alone: container hosts make such
/// (`DAYMARK_SERVICE_HOST`).
fn misspelt(environment: &Environment) -> Vec<Finding> {
    let mut known: Vec<_> = SETTINGS.iter().map(Setting::env).collect();
    known.push(super::CONFIG_VARIABLE.to_owned());
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
