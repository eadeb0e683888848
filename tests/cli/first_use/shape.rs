//! Small databases shaped like well-known applications: each table is one line of text, and its rows are random.

use std::fmt::Write;

use jiff::{Span, ToSpan, civil::DateTime};

/// An application: a line for each table, `name rows: column kind, column kind, …`. A kind is `id`, `text`, `number`, `signed` (a
/// number that may be negative), `money` (with two decimal places), `json`, `digits` (texts), `unix`, `millis` (a time as seconds or milliseconds since 1970), `unix N%`, `millis N%` (0 in the other
/// rows),
/// `ref TABLE` (a foreign key), `link TABLE` (the same without a constraint), `time` (never NULL), `time N%` (not NULL in N %
/// of the rows), `flag N%` (true in N % of the rows), `flag? N%` (the same, and NULL in some others), `mark TYPE yes|no N%` and `mark? TYPE yes|no N%` (the
/// same with these two values instead of true and false) or `one of a|b|c`.
pub struct Shape {
    pub tables: &'static [&'static str],
    /// Metrics, each with hand-written SQL that counts it for a day from `{start}` to `{end}`.
    pub totals: &'static [(&'static str, &'static str)],
    /// Flags that `check` names while they are not used, as `source: column`.
    pub flags: &'static [&'static str],
}

const DAYS: u64 = 30;

impl Shape {
    /// The SQL that makes the tables and their rows, which are of the 30 days before `today`, a midnight in UTC.
    pub fn sql(&self, is_postgres: bool, today: DateTime) -> String {
        self.sql_of_days(is_postgres, today, DAYS)
    }

    /// The same with rows of this many days.
    pub fn sql_of_days(&self, is_postgres: bool, today: DateTime, days: u64) -> String {
        let mut random = Random(7);
        let tables: Vec<_> = self.tables.iter().map(|line| Table::read(line)).collect();
        let mut sql = String::new();
        for table in &tables {
            let columns: Vec<_> = table.columns.iter().map(|column| column.definition(is_postgres)).collect();
            writeln!(sql, "CREATE TABLE {} ({});", table.name, columns.join(", ")).unwrap();
            for row in 1..=table.rows {
                let seconds = random.below(days * 86_400 - 1) + 1;
                let made = today - Span::new().seconds(i64::try_from(seconds).unwrap());
                let value = |column: &Column| column.value(row, made, &tables, is_postgres, &mut random);
                let values: Vec<_> = table.columns.iter().map(value).collect();
                writeln!(sql, "INSERT INTO {} VALUES ({});", table.name, values.join(", ")).unwrap();
            }
        }
        sql
    }
}

struct Table {
    name: &'static str,
    rows: u64,
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    kind: Kind,
}

enum Kind {
    Id,
    Text,
    Number,
    Signed,
    Money,
    Json,
    /// Numbers that are stored as texts.
    Digits,
    Link {
        table: &'static str,
        is_key: bool,
    },
    /// How many rows of a hundred have a time; 101 stands for a column that is NOT NULL.
    Time(u64),
    /// A time since 1970 in these parts of a second, and how many rows of a hundred have one.
    Epoch(i64, u64),
    /// How many rows of a hundred are true, and whether the others may be NULL.
    Flag(u64, bool),
    /// A flag of another type than boolean, with its values for true and false.
    Mark {
        of_type: &'static str,
        values: (&'static str, &'static str),
        share: u64,
        may_be_null: bool,
    },
    OneOf(Vec<&'static str>),
}

impl Table {
    fn read(line: &'static str) -> Self {
        let (head, columns) = line.split_once(": ").unwrap();
        let (name, rows) = head.split_once(' ').unwrap();
        Self { name, rows: rows.parse().unwrap(), columns: columns.split(", ").map(Column::read).collect() }
    }
}

impl Column {
    fn read(text: &'static str) -> Self {
        let (name, kind) = text.split_once(' ').unwrap();
        let share = |text: &str| text.trim_end_matches('%').parse().unwrap();
        let kind = match kind.split_once(' ').unwrap_or((kind, "")) {
            ("id", _) => Kind::Id,
            ("text", _) => Kind::Text,
            ("number", _) => Kind::Number,
            ("signed", _) => Kind::Signed,
            ("money", _) => Kind::Money,
            ("json", _) => Kind::Json,
            ("digits", _) => Kind::Digits,
            ("ref", table) => Kind::Link { table, is_key: true },
            ("link", table) => Kind::Link { table, is_key: false },
            ("time", "") => Kind::Time(101),
            ("time", text) => Kind::Time(share(text)),
            ("unix", "") => Kind::Epoch(1, 101),
            ("unix", text) => Kind::Epoch(1, share(text)),
            ("millis", "") => Kind::Epoch(1000, 101),
            ("millis", text) => Kind::Epoch(1000, share(text)),
            ("flag", text) => Kind::Flag(share(text), false),
            ("flag?", text) => Kind::Flag(share(text), true),
            ("mark" | "mark?", text) => {
                let [of_type, values, of_rows] = text.split(' ').collect::<Vec<_>>()[..] else {
                    panic!("no such kind: {text:?}")
                };
                let values = values.split_once('|').unwrap();
                Kind::Mark { of_type, values, share: share(of_rows), may_be_null: kind.starts_with("mark?") }
            }
            ("one", text) => Kind::OneOf(text.trim_start_matches("of ").split('|').collect()),
            other => panic!("no such kind: {other:?}"),
        };
        Self { name, kind }
    }

    fn definition(&self, is_postgres: bool) -> String {
        let either = |postgres: &str, sqlite: &str| if is_postgres { postgres } else { sqlite }.to_owned();
        let of_type = match &self.kind {
            Kind::Id => either("bigint PRIMARY KEY", "INTEGER PRIMARY KEY"),
            Kind::Text | Kind::Json | Kind::Digits => "text".to_owned(),
            Kind::Money => "numeric(10,2)".to_owned(),
            Kind::Number | Kind::Signed => "integer".to_owned(),
            Kind::Link { table, is_key: true } => format!("bigint NOT NULL REFERENCES {table} (id)"),
            Kind::Link { .. } => "bigint NOT NULL".to_owned(),
            Kind::Time(101) => either("timestamptz NOT NULL", "DATETIME NOT NULL"),
            Kind::Time(_) => either("timestamptz", "DATETIME"),
            Kind::Epoch(..) => "bigint NOT NULL".to_owned(),
            Kind::Flag(_, false) => "boolean NOT NULL".to_owned(),
            Kind::Flag(_, true) => "boolean".to_owned(),
            Kind::Mark { of_type, may_be_null: false, .. } => format!("{of_type} NOT NULL"),
            Kind::Mark { of_type, .. } => (*of_type).to_owned(),
            Kind::OneOf(_) => "varchar(20) NOT NULL".to_owned(),
        };
        format!("{} {of_type}", self.name)
    }

    fn value(
        &self,
        row: u64,
        made: DateTime,
        tables: &[Table],
        is_postgres: bool,
        random: &mut Random,
    ) -> String {
        let boolean = |value: bool| match is_postgres {
            true => value.to_string(),
            false => i32::from(value).to_string(),
        };
        match &self.kind {
            Kind::Id => row.to_string(),
            Kind::Text => format!("'{} {row}'", self.name),
            Kind::Money => format!("{}.50", random.below(90)),
            Kind::Json => format!("'{{\"room\": {}}}'", random.below(4)),
            Kind::Digits => format!("'{}'", random.below(4) * 30),
            Kind::Number => random.below(5).to_string(),
            Kind::Signed => (i64::try_from(random.below(9)).unwrap() - 4).to_string(),
            Kind::Link { table, .. } => {
                let rows = tables.iter().find(|other| other.name == *table).unwrap().rows;
                (random.below(rows) + 1).to_string()
            }
            Kind::Time(share) if *share > 100 => instant(made, is_postgres),
            Kind::Time(share) if random.below(100) < *share => {
                let later = if *share == 100 { 0 } else { random.below(5 * 86_400) };
                instant(made + i64::try_from(later).unwrap().seconds(), is_postgres)
            }
            Kind::Epoch(parts, share) if *share > 100 => (seconds(made) * parts).to_string(),
            Kind::Epoch(parts, share) if random.below(100) < *share => {
                let later = i64::try_from(random.below(5 * 86_400)).unwrap();
                ((seconds(made) + later) * parts).to_string()
            }
            Kind::Epoch(..) => "0".to_owned(),
            Kind::Flag(share, _) if random.below(100) < *share => boolean(true),
            Kind::Flag(_, true) if random.below(2) == 0 => "NULL".to_owned(),
            Kind::Flag(..) => boolean(false),
            Kind::Mark { values: (yes, _), share, .. } if random.below(100) < *share => format!("'{yes}'"),
            Kind::Mark { may_be_null: true, .. } if random.below(2) == 0 => "NULL".to_owned(),
            Kind::Mark { values: (_, no), .. } => format!("'{no}'"),
            Kind::OneOf(values) => {
                let index = usize::try_from(random.below(values.len() as u64)).unwrap();
                format!("'{}'", values[index])
            }
            Kind::Time(_) => "NULL".to_owned(),
        }
    }
}

/// The seconds from 1970 to a time in UTC.
pub fn seconds(time: DateTime) -> i64 {
    time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second()
}

fn instant(time: DateTime, is_postgres: bool) -> String {
    format!("'{}{}'", time.strftime("%Y-%m-%d %H:%M:%S"), if is_postgres { "+00" } else { "" })
}

/// A linear congruential generator, which returns the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}
