//! Comparing recorded values with those of SQL that is written apart.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date, tz::TimeZone};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::site::{Site, sqlite};

pub fn is_close(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-6,
        (one, other) => one == other,
    }
}

/// The points of all series with their metadata, from the first day to the last, by metric.
pub fn all_points(site: &Site, interval: &str, (from, to): (Date, Date)) -> BTreeMap<String, Vec<Value>> {
    let (from, to) = (from.to_string(), to.to_string());
    let answer = site.json(&["query", "--interval", interval, "--from", &from, "--to", &to, "--metadata"]);
    let of_series = |series: &Value| {
        let name = series["metric_category"].as_str().unwrap().to_owned();
        (name, series["points"].as_array().unwrap().clone())
    };
    answer["series"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(of_series).collect()
}

/// The platform of a site, read by SQL. Days are those of the zone.
pub struct Oracle {
    session: OracleSession,
    zone: TimeZone,
}

enum OracleSession {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Oracle {
    pub async fn new(site: &Site, zone: &str) -> Self {
        let session = match site.is_postgres() {
            true => OracleSession::Postgres(PgConnection::connect(&site.platform_url).await.unwrap()),
            false => OracleSession::Sqlite(sqlite(&site.platform_url, false).await),
        };
        Self { session, zone: TimeZone::get(zone).unwrap() }
    }

    /// The beginning of the day, as a literal of SQL.
    fn instant(&self, day: Date) -> String {
        let start = day.to_zoned(self.zone.clone()).unwrap().with_time_zone(TimeZone::UTC);
        let offset = if matches!(self.session, OracleSession::Postgres(_)) { "+00" } else { "" };
        format!("'{}{offset}'", start.strftime("%Y-%m-%d %H:%M:%S"))
    }

    /// The number that the platform answers to `SELECT sql`; `None` for NULL. `{from}` to `{to}` is the day, `{back 7}` the beginning of
    /// seven days that end with it, `{ago 7}` that of the day seven days before, `{after 7}` that of the day seven days after it, `{monday}`
    /// and `{first}` those of its week and month, and `{next}` that of the month after it.
    pub async fn number(&mut self, sql: &str, day: Date) -> Option<f64> {
        let mut sql = sql.replace("{from}", &self.instant(day)).replace("{day}", &format!("'{day}'"));
        sql = sql.replace("{to}", &self.instant(day.tomorrow().unwrap()));
        sql = sql.replace("{first}", &self.instant(day.first_of_month()));
        sql = sql.replace("{next}", &self.instant(day.last_of_month().tomorrow().unwrap()));
        let monday = day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days());
        sql = sql.replace("{monday}", &self.instant(monday));
        for days in [6, 7, 13, 27, 28] {
            sql = sql.replace(&format!("{{ago {days}}}"), &self.instant(day.saturating_sub(days.days())));
        }
        for days in [7, 14, 30] {
            let first = day.saturating_sub((days - 1).days());
            sql = sql.replace(&format!("{{back {days}}}"), &self.instant(first));
        }
        for days in [22, 29] {
            sql = sql.replace(&format!("{{after {days}}}"), &self.instant(day.saturating_add(days.days())));
        }
        let sql = AssertSqlSafe(format!("SELECT CAST((SELECT {sql}) AS double precision)"));
        match &mut self.session {
            OracleSession::Postgres(session) => sqlx::query_scalar(sql).fetch_one(session).await.unwrap(),
            OracleSession::Sqlite(session) => sqlx::query_scalar(sql).fetch_one(session).await.unwrap(),
        }
    }
}
