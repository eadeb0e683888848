//! The table of all settings.

use crate::config::settings::setting::{Setting, SettingKind};

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
        "The time zone that decides when a day begins and ends. An IANA name such as `Europe/Berlin`; days are 23 to 25 hours long when the clocks are changed. Records are never recomputed, so choose it before the first \
         collection.",
    ),
    setting(
        "tenant",
        SettingKind::Name,
        Some("default"),
        "The tenant whose days are recorded. Records, definitions and log entries of different tenants are separate. It \
         is also the value that a source's `tenant_column` is compared with.",
    ),
    setting(
        "preset",
        SettingKind::Choice(&["community", "shop", "saas", "none"]),
        Some("community"),
        "Which built-in metrics are added to those of the file. `community` has totals and activity of users, posts, \
         comments, tracks, likes and follows; `shop` has orders, revenue, refunds, customers and products; `saas` has accounts, \
         seats, subscriptions, recurring revenue and churn. Metrics for which the platform has no table are left out.",
    ),
    integer(
        "settle_minutes",
        (0, 720),
        "15",
        "minutes",
        "How long after its end a day may be recorded. In that time transactions that were still open at midnight can commit.",
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
        "How long a statement may wait on the platform for a lock that another session holds.",
    ),
    setting(
        "platform.assume_fresh",
        SettingKind::List,
        None,
        "The materialized views, foreign tables, tables of a subscription, and views over them that are taken to be up to \
         date. Each is named as in `daily_posts` or `reports.daily_posts`. Daymark records no metric that reads an object of \
         which it cannot tell that it shows the whole day; name it here if it is refreshed, or its server has caught up, \
         before each collection. Only PostgreSQL has such objects.",
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
        "How often an operation is tried again after its first failure. Only transient failures are tried again: a broken \
         connection, a serialization failure, a lock.",
    ),
    integer(
        "retry.initial_delay_ms",
        (0, 60_000),
        "500",
        "milliseconds",
        "How long to wait before the first retry. The wait doubles before each further one, up to 30 seconds, and a random addition of up to the same length is added.",
    ),
    integer(
        "collect.deadline_minutes",
        (0, 10_080),
        "60",
        "minutes",
        "How long a collection or a backfill may read the platform. At the deadline the running statement is cancelled; values that have been read are recorded, the other metrics are logged as timed out, and the next run continues with them. 0 means no limit.",
    ),
    integer(
        "collect.observed_within_hours",
        (1, 168),
        "6",
        "hours",
        "How long after its end a day may be recorded as `observed`. A day that is recorded later than this is \
         `reconstructed`, because rows may have been changed or deleted in between.",
    ),
    integer(
        "collect.freshness_wait_seconds",
        (0, 86_400),
        "600",
        "seconds",
        "How long a collection waits for a platform, or an object of it, that does not show the whole day yet. If a platform that is a standby still lags \
         then, nothing is recorded and the run ends with exit code 5; if a materialized view was not refreshed by then, the \
         metrics that read it fail and the others are recorded.",
    ),
    integer(
        "drift.sample_days",
        (0, 31),
        "3",
        "days",
        "How many recorded days `daymark serve` counts again each night from the platform's present rows, to notice that its past \
         changes; see `daymark drift --recorded`. The days are chosen at random from the whole record. 0 turns it off.",
    ),
    setting(
        "schedule.enabled",
        SettingKind::Boolean,
        Some("true"),
        "Whether `daymark serve` collects on schedule: each day as soon as it has settled, and days that were missed. Of several instances on one store, only the leader collects. With `false`, cron, a systemd timer or the API must start collections.",
    ),
    setting(
        "schedule.cron",
        SettingKind::Text,
        None,
        "When `daymark serve` collects, as a cron expression of five fields (`30 2 * * *`). A day is collected at the first of these times after it has settled, together with the days since the time before. When it is not set, each day is \
         collected as soon as it has settled.",
    ),
    setting(
        "schedule.time_zone",
        SettingKind::TimeZone,
        None,
        "The time zone of `schedule.cron`, an IANA name. When it is not set, it is the reporting time zone.",
    ),
    integer(
        "backfill.chunk_days",
        (1, 366),
        "366",
        "days",
        "The maximum number of days that a backfill commits at once. It commits fewer if they have more than 5000 records, which take about a \
         tenth of a second to write, but at least one day. Committed days are kept when the backfill is stopped.",
    ),
    setting(
        "backup.directory",
        SettingKind::Text,
        None,
        "The directory in which `daymark backup` puts its backups, each in a directory of its own. `daymark check` reports the \
         newest backup there, and warns when it is older than a week.",
    ),
    setting(
        "query.week_start",
        SettingKind::Choice(&["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]),
        Some("monday"),
        "The day on which a week begins in weekly figures, and in metrics of the week to date (`window = \"week\"`), of which a change makes new \
         versions. `monday` gives the weeks of ISO 8601; a request may name another day for its weekly figures.",
    ),
    integer(
        "query.max_points",
        (1, 100_000),
        "365",
        "points",
        "How many points a series of an answer may have: days, weeks, months, quarters or years. A request for more is refused with a message that names an interval that fits. Exports have no such limit.",
    ),
    setting(
        "http.listen",
        SettingKind::Text,
        Some("127.0.0.1:8640"),
        "The address and port that `daymark serve` listens on. `0.0.0.0:8640` is every IPv4 address of the machine, \
         `[::]:8640` every address; port 0 takes a free one. On an address that is not a loopback address \
         authentication is required.",
    ),
    setting(
        "http.management_listen",
        SettingKind::Text,
        None,
        "A further address and port on which only `/livez`, `/readyz` and `/metrics` are served. They answer there even \
         while the server has as many connections as it accepts. When it is not set, they are served on `http.listen`.",
    ),
    setting(
        "http.cache",
        SettingKind::Boolean,
        Some("true"),
        "Whether answers are cached in memory. They are never older than the records: every commit invalidates \
         them at once.",
    ),
    setting(
        "http.cors_origins",
        SettingKind::List,
        None,
        "The origins whose pages may call the API from a browser, as in `https://app.example.com`. `*` allows every \
         origin; if it is not set, browsers allow only pages of the server itself to call it.",
    ),
    setting(
        "http.trusted_proxies",
        SettingKind::List,
        None,
        "The addresses or networks of reverse proxies, as in `10.0.0.0/8`. The header `X-Forwarded-For` is used only in \
         requests that come from one of them.",
    ),
    integer(
        "http.request_timeout_seconds",
        (1, 3600),
        "30",
        "seconds",
        "How long a request may take until it is answered with 503. An export whose body is being sent is not cut off.",
    ),
    integer(
        "http.max_concurrent_requests",
        (1, 100_000),
        "256",
        "requests",
        "How many requests are processed at once. Further ones are answered with 503 and `Retry-After` at once, before \
         the store is overloaded. Requests that wait for a run (`/rest/v1/rpc`) do not count; they have a limit of 64.",
    ),
    integer(
        "http.max_concurrent_exports",
        (1, 10_000),
        "4",
        "exports",
        "How many exports may be sent at once, each for as long as its client takes. Further ones are answered with 503 and \
         `Retry-After`. A user who already has half of them, and at least one, is answered with 429. \
         An export may use about 12 MB of memory.",
    ),
    integer(
        "http.max_connections",
        (1, 1_000_000),
        "512",
        "connections",
        "How many connections may be open at once, including idle ones. Further ones are answered with 503 and closed, or closed at \
         once if there are many; `/livez`, `/readyz` and `/metrics` are still answered, on a few reserved connections or on \
         `http.management_listen`. A connection without a request is closed after a minute. There is no limit for each address: put a public server behind a proxy that has such a limit. Each connection is an open file: the system's \
         limit (`ulimit -n`) must be larger by about 100.",
    ),
    integer(
        "http.stall_timeout_seconds",
        (1, 3600),
        "60",
        "seconds",
        "How long a client may read nothing of an answer before its connection is closed; on Linux only. A slow client that reads something within this time is not disconnected.",
    ),
    integer(
        "http.shutdown_seconds",
        (0, 3600),
        "30",
        "seconds",
        "How long requests in flight may take to finish when the server is stopped.",
    ),
    setting(
        "rest.unfinished_day",
        SettingKind::Choice(&["error", "last_finished"]),
        Some("error"),
        "What `rpc/collect_daily_metrics` does when a client names a day that is not finished. `error` says when the day can be \
         recorded; `last_finished` records the last finished day instead, and says in `collection_date` which one that is. \
         Days after tomorrow are errors in every case.",
    ),
    setting(
        "access.public_read",
        SettingKind::Boolean,
        Some("false"),
        "Whether records and definitions may be read without authentication. The collection log, exports of it and \
         triggers still require it.",
    ),
    setting(
        "access.jwt_secret",
        SettingKind::Secret,
        None,
        "The secret of tokens signed with HS256, which Supabase calls the JWT secret. At least 32 characters.",
    ),
    setting(
        "access.jwks",
        SettingKind::Text,
        None,
        "The location of the public keys of tokens signed with RS256 or ES256: an `https://` URL or a file. The set is read \
         again when a token names a key that it does not contain, so keys may be rotated.",
    ),
    setting(
        "access.jwt_audience",
        SettingKind::Text,
        Some("authenticated"),
        "The audience that a token with an `aud` claim must name. A token without that claim is accepted, as Supabase's \
         own keys have none.",
    ),
    setting(
        "access.jwt_issuer",
        SettingKind::Text,
        None,
        "The issuer that a token's `iss` claim must name. When it is not set, every issuer whose signature is valid is \
         accepted.",
    ),
    setting(
        "access.admin_column",
        SettingKind::Text,
        None,
        "A column of the platform that marks admins, as in `profiles.is_admin`. The row is the one whose `id` \
         is the token's `sub`. When it is not set, only the token's claims determine the role. Admins may create definitions, with \
         SQL queries.",
    ),
    integer(
        "access.rate_limit_per_minute",
        (1, 1_000_000_000),
        "100",
        "requests",
        "How many requests per minute each user may make: each key, each subject of a token, or each address of anonymous \
         users.",
    ),
    setting(
        "access.session_secret",
        SettingKind::Secret,
        None,
        "The secret that encrypts the sessions of browsers that signed in to the dashboard; at least 32 characters. When it is \
         not set, each server uses a random one: a restart then ends all sessions, and several servers cannot share them. \
         Changing it signs all users out.",
    ),
    setting(
        "alerting.enabled",
        SettingKind::Boolean,
        Some("true"),
        "Whether `daymark serve` evaluates the rules of alerts and delivers notifications. If it is true for several instances \
         on one store, one of them does this; it need not be the instance that collects, and `schedule.enabled` has no effect on \
         it.",
    ),
    setting(
        "delivery.allow_private",
        SettingKind::Boolean,
        Some("false"),
        "Whether notifications and the heartbeat may be sent to loopback, link-local and private addresses. The address that is \
         connected to is checked, not the name. Mail servers are checked as well.",
    ),
    integer(
        "delivery.timeout_seconds",
        (1, 300),
        "10",
        "seconds",
        "How long a receiver of notifications may take to answer. A slow receiver delays neither other receivers nor a collection.",
    ),
    integer(
        "delivery.give_up_hours",
        (1, 720),
        "72",
        "hours",
        "How long the delivery of a notification is retried. The pause between two attempts begins with 5 seconds and doubles up to an \
         hour. After that time the notification is given up; the log and `daymark alerts deliveries` report this.",
    ),
    integer(
        "delivery.repeat_hours",
        (1, 720),
        "24",
        "hours",
        "The interval at which the notification of an alert that still fires is repeated.",
    ),
    setting(
        "delivery.heartbeat_url",
        SettingKind::Secret,
        None,
        "A URL that `daymark serve` calls after each collection that recorded everything, such as a check of healthchecks.io. The \
         service behind it notices when the calls stop.",
    ),
    setting(
        "log.level",
        SettingKind::Choice(&["auto", "off", "error", "warn", "info", "debug", "trace"]),
        Some("auto"),
        "How much is logged to standard error. `auto` is `info` for `daymark serve`, which then logs each request, and \
         `warn` for all other commands.",
    ),
    setting(
        "log.format",
        SettingKind::Choice(&["auto", "text", "json"]),
        Some("auto"),
        "How log lines are written. `auto` writes text to a terminal and JSON to anything else.",
    ),
];
