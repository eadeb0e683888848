//! The settings as typed values, each from the first layer that contains it: flag, environment, file, default.

pub mod delivery;
pub mod flags;
pub mod layers;
pub mod reference;
pub mod server;
pub mod setting;
pub mod table;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use strum::{EnumIter, IntoStaticStr};
use tracing::level_filters::LevelFilter;

use crate::{
    config::{
        finding::Finding,
        settings::{
            delivery::DeliverySettings,
            flags::GivenFlags,
            layers::{Environment, FileSettings, SettingLayers},
            server::{AccessSettings, HttpSettings, QuerySettings},
        },
        suggest::{named_variants, shown},
    },
    database::{DatabaseUrl, RetryPolicy},
    metric::{Calendar, CronSchedule},
};

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The reporting time zone.
    pub calendar: Calendar,
    pub tenant: String,
    pub preset: Preset,
    pub settle: SignedDuration,
    pub platform: PlatformSettings,
    pub store_url: DatabaseUrl,
    pub store_schema: String,
    pub retry: RetryPolicy,
    pub collect: CollectSettings,
    pub schedule: ScheduleSettings,
    /// How many recorded days `daymark serve` counts again each night; 0 for none.
    pub drift_sample_days: usize,
    pub backfill_chunk_days: usize,
    pub backup_directory: Option<PathBuf>,
    pub query: QuerySettings,
    pub http: HttpSettings,
    /// How a call of `/rest/v1` that names an unfinished day is answered.
    pub unfinished_day: UnfinishedDay,
    pub access: AccessSettings,
    pub delivery: DeliverySettings,
    pub log: LogSettings,
}

/// How the platform is reached and read.
#[derive(Debug, Clone)]
pub struct PlatformSettings {
    pub url: Option<DatabaseUrl>,
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    /// The tables and views whose state is taken to be fresh.
    pub assume_fresh: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// `None` stands for the command's default.
    pub level: Option<LevelFilter>,
    pub format: LogFormat,
}

/// The time limits of a run and of what it may record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectSettings {
    /// How long a run may read the platform; `None` sets no limit.
    pub deadline: Option<Duration>,
    /// How long after its end a day may be recorded as `observed`.
    pub observed_within: SignedDuration,
    /// How long a run waits for a platform that lags behind.
    pub freshness_wait: Duration,
}

/// When `daymark serve` collects by itself.
#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    pub enabled: bool,
    /// `None`: as soon as a day has settled.
    pub cron: Option<CronSchedule>,
}

/// The built-in metrics that are added to those of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Preset {
    Community,
    Shop,
    Saas,
    None,
}

impl Preset {
    /// The name in `daymark.toml`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum UnfinishedDay {
    Error,
    /// Takes the last finished day instead.
    LastFinished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

/// The typed settings, and the problems with them.
pub struct CheckedSettings {
    /// The settings, in which wrong values are replaced by defaults; `None` if a wrong value has no default.
    pub settings: Option<Settings>,
    /// All wrong values, each with the place where it was set.
    pub problems: Vec<Finding>,
    /// The settings with wrong values, and those that could not be read.
    pub wrong: Vec<&'static str>,
}

/// Combines the layers of settings. `unread` are the settings of the file that could not be read; `directory` is that
/// of the file, if there is one.
pub fn settings(
    flags: &GivenFlags,
    environment: &Environment,
    file: &FileSettings,
    unread: &[&'static str],
    directory: Option<&Path>,
) -> CheckedSettings {
    let mut layers = SettingLayers::new(flags, environment, file, unread, directory);
    let settings = typed(&mut layers);
    if let Some(settings) = &settings {
        refuse_the_platforms_file(settings, &mut layers);
    }
    CheckedSettings { settings, problems: layers.problems, wrong: layers.wrong }
}

/// Parses all settings. All are read before a missing value ends the function, so that all problems are found.
fn typed(layers: &mut SettingLayers) -> Option<Settings> {
    let calendar =
        layers.parsed("time_zone", |zone| Calendar::new(&zone.text).map_err(|error| error.to_string()));
    let tenant = layers.name("tenant");
    let preset = layers.choice("preset", &named_variants());
    let settle_minutes = layers.integer("settle_minutes");
    let platform = PlatformSettings::read(layers);
    let store_url = layers.url("store.url");
    let store_schema = layers.name("store.schema");
    let retry = retry_policy(layers);
    let collect = CollectSettings::read(layers);
    let schedule = ScheduleSettings::read(layers, calendar.as_ref());
    let drift_sample_days = layers.integer("drift.sample_days");
    let chunk_days = layers.integer("backfill.chunk_days");
    let backup_directory = layers.optional("backup.directory", |text| Ok(PathBuf::from(&text.text)));
    let query = QuerySettings::read(layers);
    let http = HttpSettings::read(layers);
    let unfinished_day = layers.choice("rest.unfinished_day", &named_variants());
    let access = AccessSettings::read(layers);
    let delivery = DeliverySettings::read(layers);
    let log = LogSettings::read(layers);
    Some(Settings {
        calendar: calendar?,
        tenant: tenant?,
        preset: preset?,
        settle: SignedDuration::from_mins(i64::try_from(settle_minutes?).ok()?),
        platform: platform?,
        store_url: store_url?,
        store_schema: store_schema?,
        retry: retry?,
        collect: collect?,
        schedule: schedule?,
        drift_sample_days: usize::try_from(drift_sample_days?).ok()?,
        backfill_chunk_days: usize::try_from(chunk_days?).ok()?,
        backup_directory: backup_directory?,
        query: query?,
        http: http?,
        unfinished_day: unfinished_day?,
        access: access?,
        delivery: delivery?,
        log: log?,
    })
}

fn retry_policy(layers: &mut SettingLayers) -> Option<RetryPolicy> {
    let retries = layers.integer("retry.attempts");
    let initial_delay_ms = layers.integer("retry.initial_delay_ms");
    Some(RetryPolicy {
        retries: usize::try_from(retries?).ok()?,
        initial_delay: Duration::from_millis(initial_delay_ms?),
    })
}

impl PlatformSettings {
    fn read(layers: &mut SettingLayers) -> Option<Self> {
        let url = layers.url("platform.url");
        let statement_timeout = layers.integer("platform.statement_timeout_seconds");
        let lock_timeout = layers.integer("platform.lock_timeout_seconds");
        let assume_fresh = layers.list("platform.assume_fresh", |name| Ok(name.to_owned()));
        Some(Self {
            url,
            statement_timeout: Duration::from_secs(statement_timeout?),
            lock_timeout: Duration::from_secs(lock_timeout?),
            assume_fresh: assume_fresh?,
        })
    }
}

impl LogSettings {
    fn read(layers: &mut SettingLayers) -> Option<Self> {
        // `auto` has no level.
        let levels =
            ["auto", "off", "error", "warn", "info", "debug", "trace"].map(|name| (name, name.parse().ok()));
        let level: Option<Option<LevelFilter>> = layers.choice("log.level", &levels);
        let format = layers.choice("log.format", &named_variants());
        Some(Self { level: level?, format: format? })
    }
}

impl CollectSettings {
    fn read(layers: &mut SettingLayers) -> Option<Self> {
        let deadline_minutes = layers.integer("collect.deadline_minutes");
        let observed_within_hours = layers.integer("collect.observed_within_hours");
        let freshness_wait_seconds = layers.integer("collect.freshness_wait_seconds");
        let deadline = deadline_minutes?;
        Some(Self {
            deadline: (deadline > 0).then(|| Duration::from_secs(deadline * 60)),
            observed_within: SignedDuration::from_hours(i64::try_from(observed_within_hours?).ok()?),
            freshness_wait: Duration::from_secs(freshness_wait_seconds?),
        })
    }
}

impl ScheduleSettings {
    fn read(layers: &mut SettingLayers, calendar: Option<&Calendar>) -> Option<Self> {
        let enabled = layers.boolean("schedule.enabled");
        let named = layers.optional("schedule.time_zone", |zone| {
            Calendar::new(&zone.text)
                .map(|zone| zone.name().to_owned())
                .map_err(|error| format!("schedule.time_zone: {error}"))
        })?;
        let zone = named.or_else(|| calendar.map(|calendar| calendar.name().to_owned()))?;
        let cron = layers.optional("schedule.cron", |expression| {
            CronSchedule::new(&expression.text, &zone).map_err(|error| {
                format!("schedule.cron is {}, which cannot be used: {error}", shown(&expression.text))
            })
        });
        Some(Self { enabled: enabled?, cron: cron? })
    }
}

/// Refuses a store in the platform's SQLite file, because Daymark never writes to the platform's file. A PostgreSQL
/// database may contain both, as the store has a separate schema there.
fn refuse_the_platforms_file(settings: &Settings, layers: &mut SettingLayers) {
    let (store, platform) = (&settings.store_url, &settings.platform.url);
    if platform.as_ref().is_some_and(|platform| platform.is_same_file(store)) {
        let message = format!("the store cannot be the platform's own file, {store}");
        layers.refuse(
            "store.url",
            message,
            "name another file, as in `sqlite:daymark.db`; Daymark creates it",
        );
    }
}
