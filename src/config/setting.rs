//! The one table of all settings. The path in the file, the environment variable, the flag and the reference in
//! `docs/settings.md` are derived from it.

/// What a setting's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// A name of lower-case letters, digits and underscores.
    Name,
    /// The IANA name of a time zone.
    TimeZone,
    /// `postgres://…` or `sqlite:path`.
    Url,
    Integer {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The path in the file: `platform.url`.
    pub key: &'static str,
    pub kind: SettingKind,
    pub default: Option<&'static str>,
    /// Of an integer: `minutes`, `seconds`, …
    pub unit: Option<&'static str>,
    /// One paragraph; its first sentence is the help text of the flag.
    pub doc: &'static str,
}

const fn setting(
    key: &'static str,
    kind: SettingKind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Setting {
    Setting { key, kind, default, unit: None, doc }
}

const fn integer(
    key: &'static str,
    range: (i64, i64),
    default: &'static str,
    unit: &'static str,
    doc: &'static str,
) -> Setting {
    let kind = SettingKind::Integer { min: range.0, max: range.1 };
    Setting { key, kind, default: Some(default), unit: Some(unit), doc }
}

pub static SETTINGS: &[Setting] = &[
    setting(
        "time_zone",
        SettingKind::TimeZone,
        Some("UTC"),
        "The time zone that decides where a day begins and ends. An IANA name such as `Europe/Berlin`; days are 23 to \
         25 hours long where the clocks are changed. Records are never recomputed, so choose it before the first \
         collection.",
    ),
    setting(
        "tenant",
        SettingKind::Name,
        Some("default"),
        "The tenant whose days are recorded. Records, definitions and log entries of different tenants never meet. It \
         is also the value that a source's `tenant_column` is compared with.",
    ),
    setting(
        "preset",
        SettingKind::Choice(&["community", "none"]),
        Some("community"),
        "Which built-in metrics are added to those of the file. `community` has totals and activity of users, posts, \
         comments, tracks, likes and follows, and leaves out what the platform has no table for.",
    ),
    integer(
        "settle_minutes",
        (0, 720),
        "15",
        "minutes",
        "How long after its end a day may be recorded. It gives transactions that were still open at midnight the time \
         to commit.",
    ),
    setting(
        "platform.url",
        SettingKind::Url,
        None,
        "The database whose activity is recorded. `postgres://user@host:5432/database` or `sqlite:path/to/file.db`; \
         Daymark only ever reads it, and SELECT is the only permission it needs. When it is not set, the plain \
         environment variable `DATABASE_URL` is used.",
    ),
    integer(
        "platform.statement_timeout_seconds",
        (1, 86_400),
        "30",
        "seconds",
        "How long one statement may run on the platform. A statement over this limit is cancelled, split by time range \
         where its measure adds up, and otherwise logged as timed out.",
    ),
    integer(
        "platform.lock_timeout_seconds",
        (1, 86_400),
        "10",
        "seconds",
        "How long a statement may wait on the platform for a lock that somebody else holds.",
    ),
    setting(
        "store.url",
        SettingKind::Url,
        Some("sqlite:daymark.db"),
        "The database in which Daymark keeps its records. A SQLite file needs nothing installed; PostgreSQL is for \
         production, and may be the platform's own database.",
    ),
    setting(
        "store.schema",
        SettingKind::Name,
        Some("daymark"),
        "The PostgreSQL schema that holds Daymark's tables. It has no meaning for a store in SQLite.",
    ),
    integer(
        "retry.attempts",
        (0, 100),
        "3",
        "retries",
        "How often something is tried again after its first failure. Only what may pass is tried again: a broken \
         connection, a serialization failure, a lock.",
    ),
    integer(
        "retry.initial_delay_ms",
        (0, 60_000),
        "500",
        "milliseconds",
        "How long to wait before the first retry. The wait is doubled before each further one, up to 30 seconds, and up \
         to as much again is added at random.",
    ),
    integer(
        "backfill.chunk_days",
        (1, 366),
        "60",
        "days",
        "How many days a backfill commits at once. What is committed is kept when the backfill is stopped.",
    ),
    setting(
        "log.level",
        SettingKind::Choice(&["off", "error", "warn", "info", "debug", "trace"]),
        Some("warn"),
        "How much is logged to standard error.",
    ),
    setting(
        "log.format",
        SettingKind::Choice(&["auto", "text", "json"]),
        Some("auto"),
        "How log lines are written. `auto` writes text to a terminal and JSON to anything else.",
    ),
];

impl Setting {
    /// `DAYMARK_PLATFORM_URL`.
    pub fn env(&self) -> String {
        format!("DAYMARK_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The long flag without its dashes: `platform-url`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The first sentence of the documentation, without its full stop.
    pub fn summary(&self) -> &'static str {
        self.doc.split_once(". ").map_or(self.doc.trim_end_matches('.'), |(first, _)| first)
    }

    /// What the value may be, for people.
    pub fn values(&self) -> String {
        match self.kind {
            SettingKind::Name => "lower-case letters, digits and underscores".to_owned(),
            SettingKind::TimeZone => "an IANA time zone".to_owned(),
            SettingKind::Url => "`postgres://…` or `sqlite:path`".to_owned(),
            SettingKind::Integer { min, max } => {
                format!("from {min} to {max} {}", self.unit.unwrap_or_default())
            }
            SettingKind::Choice(choices) => {
                choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
            }
        }
    }
}
