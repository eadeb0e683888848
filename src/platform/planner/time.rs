//! Edges of days as literals of a time column's own type: half-open, sargable ranges, and the expression that computes in
//! which of many consecutive spans a row lies. Time zones are computed here, in Rust; databases only compare.

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    tz::TimeZone,
};

use super::{
    dialect::Dialect,
    sorted_text::{EARLIEST_TEXT, begins_with_a_date, other_text_query},
    span::Edge,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Source, TimeFormat},
};

/// A column (or expression) that says when something happened.
#[derive(Debug, Clone)]
pub struct TimeColumn {
    dialect: Dialect,
    pub sql: String,
    format: TimeFormat,
    zone: TimeZone,
    /// Whether every row is tested for holding a time; see [`Self::testing_rows`].
    tests_rows: bool,
}

const DAY_S: i64 = 86_400;

impl TimeColumn {
    /// `sql` is the quoted column, or an expression of the same format as the source's time column.
    pub fn new(dialect: Dialect, source: &Source, sql: String) -> Result<Self, Fault> {
        let zone = TimeZone::get(&source.time_zone).map_err(|_| {
            Fault::new(FaultClass::Other, format!("`{}` is not an IANA time zone", source.time_zone))
        })?;
        Ok(Self { dialect, sql, format: source.time_format, zone, tests_rows: false })
    }

    /// Whether times are texts whose order is the order of the times. Other texts have a place in that order too, but
    /// are in no day.
    pub fn is_sorted_text(&self) -> bool {
        self.is_text() && self.format != TimeFormat::Iso
    }

    /// The same column, of which [`Self::between`] tests every row, which takes several times as long. It is needed for
    /// sorted texts some of which are not times.
    pub fn testing_rows(&self) -> Self {
        Self { tests_rows: self.is_sorted_text(), ..self.clone() }
    }

    pub fn tests_rows(&self) -> bool {
        self.tests_rows
    }

    /// Whether spans shorter than a day can be distinguished.
    pub fn divides_days(&self) -> bool {
        self.format != TimeFormat::Date
    }

    /// Whether two spans may meet at the instant so that every row is in exactly one of them. Where clocks are set back,
    /// local times occur twice, and their order is not that of the instants.
    pub fn can_be_cut_at(&self, instant: Timestamp) -> bool {
        match self.format {
            TimeFormat::Timestamp | TimeFormat::IsoUtc | TimeFormat::IsoUtcT => {
                !self.zone.to_ambiguous_timestamp(self.zone.to_datetime(instant)).is_ambiguous()
            }
            _ => true,
        }
    }

    /// The condition that the column holds a time. In the format `iso` it may hold for texts that only look like one;
    /// [`Self::between`] excludes those.
    pub fn is_present(&self) -> String {
        match (self.is_text(), self.is_sorted_text()) {
            (_, true) => begins_with_a_date(&self.sql),
            (true, _) => format!("{} >= {EARLIEST_TEXT}", self.sql),
            _ => format!("{} IS NOT NULL", self.sql),
        }
    }

    /// The condition that a column of deletion times holds one: many platforms keep 0 in it until the row is deleted.
    pub fn says_when(&self) -> String {
        match self.format {
            TimeFormat::UnixSeconds | TimeFormat::UnixMillis => format!("{} <> 0", self.sql),
            _ => self.is_present(),
        }
    }

    fn is_text(&self) -> bool {
        use TimeFormat::{Date, Iso, IsoUtc, IsoUtcT};
        self.dialect == Dialect::Sqlite && matches!(self.format, Date | Iso | IsoUtc | IsoUtcT)
    }

    /// The later of two columns of this format.
    pub fn or_later(&self, other: &Self) -> String {
        let (this, that) = (&self.sql, &other.sql);
        match (self.dialect, self.format) {
            (Dialect::Postgres, _) => format!("greatest({this}, {that})"),
            (_, TimeFormat::Iso) => {
                // A text that is not a time is kept, so that its row is in no span here either.
                let (first, second) = (self.seconds(), other.seconds());
                format!("CASE WHEN {first} IS NULL OR {first} >= {second} THEN {this} ELSE {that} END")
            }
            _ => format!("max({this}, {that})"),
        }
    }

    /// The condition that a row lies between the edges.
    pub fn between(&self, lower: Option<Edge>, upper: Edge) -> String {
        let range = self.range(lower, upper);
        if self.tests_rows { format!("{range} AND {}", self.is_present()) } else { range }
    }

    /// As [`Self::between`], for rows that were tested.
    fn range(&self, lower: Option<Edge>, upper: Edge) -> String {
        let subject = self.comparable();
        let (from, until) =
            (|edge| format!("{subject} >= {}", self.edge(edge)), format!("{subject} < {}", self.edge(upper)));
        let conditions = match (self.format, lower) {
            // The text's own order is only good to the day, as offsets reach from −14 to +14 hours. It lets an index
            // narrow down the range. Each text is still converted: one that is not a time is in no span.
            (TimeFormat::Iso, _) => {
                let day = |edge: Edge, days: i64| self.dialect.text(&date_text(edge.instant, days));
                let column = &self.sql;
                let earliest = lower.map_or_else(|| EARLIEST_TEXT.to_owned(), |edge| day(edge, -1));
                let narrowed = format!("{column} >= {earliest} AND {column} < {}", day(upper, 2));
                std::iter::once(narrowed).chain(lower.map(from)).chain([until]).collect()
            }
            (_, Some(edge)) => vec![from(edge), until],
            (_, None) if self.is_text() => vec![format!("{subject} >= {EARLIEST_TEXT}"), until],
            (_, None) => vec![until],
        };
        conditions.join(" AND ")
    }

    /// The expression that is compared with [`Self::edge`].
    pub fn comparable(&self) -> String {
        if self.format == TimeFormat::Iso { self.seconds() } else { self.sql.clone() }
    }

    /// The edge as a local time. If clocks skip midnight, the first local times of the day did not occur; a row with
    /// such a time, for example from a bare date, belongs to that day.
    fn local(&self, instant: Timestamp) -> DateTime {
        let shown = self.zone.to_datetime(instant);
        let midnight = shown.date().to_datetime(Time::midnight());
        let begins = self.zone.to_timestamp(midnight).is_ok_and(|start| start == instant);
        if begins { midnight } else { shown }
    }

    /// The edge as a literal of the column's own type.
    pub fn edge(&self, edge: Edge) -> String {
        if let Some(parameter) = edge.parameter {
            return parameter.of_type(self.format, self.zone.iana_name().unwrap_or("UTC"));
        }
        let instant = edge.instant;
        match self.format {
            TimeFormat::Timestamptz => {
                format!(
                    "'{}+00'::timestamptz",
                    TimeZone::UTC.to_datetime(instant).strftime("%Y-%m-%d %H:%M:%S%.f")
                )
            }
            TimeFormat::Timestamp => {
                format!("'{}'::timestamp", self.local(instant).strftime("%Y-%m-%d %H:%M:%S%.f"))
            }
            TimeFormat::Date if self.dialect == Dialect::Postgres => format!("'{}'::date", edge.date),
            TimeFormat::Date => self.dialect.text(&edge.date.to_string()),
            TimeFormat::IsoUtc => self.iso(instant, ' '),
            TimeFormat::IsoUtcT => self.iso(instant, 'T'),
            TimeFormat::Iso | TimeFormat::UnixSeconds | TimeFormat::UnixMillis => {
                self.number(edge).to_string()
            }
        }
    }

    /// A text that sorts before every time at or after the instant, with any fraction or suffix. At midnight that is
    /// the date alone, with any separator after it.
    fn iso(&self, instant: Timestamp, separator: char) -> String {
        let civil = self.local(instant);
        let date = civil.date();
        if civil.time() == Time::midnight() {
            return self.dialect.text(&date.to_string());
        }
        self.dialect.text(&format!("{date}{separator}{}", civil.time().strftime("%H:%M:%S")))
    }

    /// The expression of a row's span: 0 before `edges[0]`, 1 from there to `edges[1]`, and so on. For two spans on PostgreSQL
    /// it is a boolean: for any other type the planner estimates as many groups as the column has values, and would not scan
    /// in parallel.
    pub fn bucket(&self, edges: &[Edge]) -> String {
        match (edges, self.dialect) {
            ([only], Dialect::Postgres) => return format!("{} >= {}", self.comparable(), self.edge(*only)),
            ([only], Dialect::Sqlite) => {
                let (before, after) = (self.range(None, *only), self.comparable());
                return format!("CASE WHEN {before} THEN 0 WHEN {after} >= {} THEN 1 END", self.edge(*only));
            }
            _ => {}
        }
        if self.dialect == Dialect::Postgres {
            let array: Vec<_> = edges.iter().map(|edge| self.edge(*edge)).collect();
            return format!("width_bucket({}, ARRAY[{}])", self.sql, array.join(", "));
        }
        self.arithmetic_bucket(edges)
    }

    /// SQLite has no `width_bucket`. Nearly all days are 24 hours long, so the edges fall into runs of equal steps, and
    /// within a run the index is a quotient.
    fn arithmetic_bucket(&self, edges: &[Edge]) -> String {
        let Some(first) = edges.first() else { return "0".to_owned() };
        let unit = if self.format == TimeFormat::UnixMillis { 1000 } else { 1 };
        let subject = self.seconds();
        let mut runs: Vec<(usize, i64)> = Vec::new();
        for (index, edge) in edges.iter().map(|edge| self.number(*edge)).enumerate() {
            let continues = runs.last().is_some_and(|(first, start)| {
                edge == start + i64::try_from(index - first).unwrap_or_default() * DAY_S * unit
            });
            if !continues {
                runs.push((index, edge));
            }
        }
        // Most rows of a long history lie before the first edge; comparing their text is cheaper than converting it.
        let mut sql = format!("CASE WHEN {} THEN 0", self.range(None, *first));
        for (position, (index, start)) in runs.iter().enumerate() {
            let value = format!("{} + CAST(({subject} - {start}) / {} AS INTEGER)", index + 1, DAY_S * unit);
            match runs.get(position + 1) {
                Some((next, end)) => sql += &format!(" WHEN {subject} < {end} THEN min({next}, {value})"),
                None => sql += &format!(" ELSE min({}, {value})", edges.len()),
            }
        }
        sql + " END"
    }

    /// The column as a number that [`Self::number`] can be compared with (SQLite only).
    fn seconds(&self) -> String {
        let column = &self.sql;
        match self.format {
            TimeFormat::UnixSeconds | TimeFormat::UnixMillis => column.clone(),
            // SQLite also reads `now`, a time without a date and the number of a Julian day, which are none of these
            // formats. The fraction is cut off, not handed to SQLite, which rounds it to milliseconds and so into the next day.
            TimeFormat::Iso => format!(
                "CASE WHEN {} THEN unixepoch(substr({column}, 1, 19) \
                 || CASE substr({column}, 20, 1) WHEN '.' THEN ltrim(substr({column}, 21), '0123456789') \
                 ELSE substr({column}, 20) END) END",
                begins_with_a_date(column)
            ),
            // A date with something else behind it than a time of day is in that day.
            _ => format!("coalesce(unixepoch(substr({column}, 1, 19)), unixepoch(substr({column}, 1, 10)))"),
        }
    }

    fn number(&self, edge: Edge) -> i64 {
        let as_utc = |civil: DateTime| {
            TimeZone::UTC.to_timestamp(civil).map_or(i64::MAX, |instant| instant.as_second())
        };
        match self.format {
            TimeFormat::UnixMillis => edge.instant.as_second().saturating_mul(1000),
            TimeFormat::Date => as_utc(edge.date.to_datetime(Time::midnight())),
            TimeFormat::IsoUtc | TimeFormat::IsoUtcT => as_utc(self.local(edge.instant)),
            _ => edge.instant.as_second(),
        }
    }

    /// A query that answers with a text between the edges that is not a time, if there is one.
    pub fn other_text_query(&self, table: &str, lower: Option<Edge>, upper: Edge) -> String {
        let first = lower.map_or_else(|| EARLIEST_TEXT.to_owned(), |edge| self.edge(edge));
        other_text_query(&self.sql, table, &first, &self.edge(upper))
    }

    /// A query for the earliest finite time, as a number that [`Self::earliest_from`] reads. It has no row where there is none. It
    /// takes the first row in the order of the column, and not the minimum, because an index answers this also for a join.
    pub fn earliest_query(&self, table: &str) -> String {
        let column = &self.sql;
        let first = |answer: String, condition: String| {
            format!("SELECT {answer} FROM {table} WHERE {condition} ORDER BY {column} LIMIT 1")
        };
        match (self.dialect, self.format) {
            (Dialect::Postgres, TimeFormat::UnixSeconds | TimeFormat::UnixMillis) => {
                first(format!("0::int8, ARRAY[{column}::text]"), format!("{column} IS NOT NULL"))
            }
            (Dialect::Postgres, _) => first(
                format!("0::int8, ARRAY[extract(epoch FROM {column})::text]"),
                format!("{column} > '-infinity'"),
            ),
            (Dialect::Sqlite, TimeFormat::UnixSeconds | TimeFormat::UnixMillis) => {
                first(format!("0, json_array({column})"), format!("{column} IS NOT NULL"))
            }
            // The order of such texts is not that of their times.
            (Dialect::Sqlite, TimeFormat::Iso) => {
                format!("SELECT 0, json_array(min({})) FROM {table}", self.seconds())
            }
            (Dialect::Sqlite, _) => first(
                format!("0, json_array({})", self.seconds()),
                format!("{column} >= {EARLIEST_TEXT} AND {column} < ':' AND {}", self.is_present()),
            ),
        }
    }

    /// The instant of an answer to [`Self::earliest_query`]; `None` outside of the years -9999 to 9999.
    pub fn earliest_from(&self, seconds: &str) -> Option<Timestamp> {
        let number = seconds.split('.').next()?.parse::<i64>().ok()?;
        let number = if self.format == TimeFormat::UnixMillis { number.div_euclid(1000) } else { number };
        let instant = Timestamp::from_second(number).ok()?;
        match self.format {
            TimeFormat::Timestamp | TimeFormat::IsoUtc | TimeFormat::IsoUtcT => {
                self.zone.to_timestamp(TimeZone::UTC.to_datetime(instant)).ok()
            }
            _ => Some(instant),
        }
    }
}

fn date_text(instant: Timestamp, days: i64) -> String {
    let date = TimeZone::UTC.to_datetime(instant).date();
    date.saturating_add(jiff::Span::new().days(days)).to_string()
}
