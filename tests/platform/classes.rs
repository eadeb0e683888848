//! Many filters at once, which SQLite's rows are told apart by, against each filter alone: whatever types and collations
//! the columns have, and whatever is in them.

use daymark::{
    metric::{
        Calendar, Condition, DayBounds, Filter, Literal, Phase, Reading, Source, Tally, Test, TimeFormat,
    },
    platform::{self, Parallel, Platform, PlatformOptions, Schema, Sources},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::subject::{options, rows, source};

const ROUNDS: usize = 60;
const FILTERS: usize = 12;

const COLUMNS: [(&str, &str); 6] = [
    ("plain", "TEXT"),
    ("folded", "TEXT COLLATE NOCASE"),
    ("trimmed", "TEXT COLLATE RTRIM"),
    ("number", "NUMERIC"),
    ("flag", "BOOLEAN"),
    ("untyped", ""),
];

/// As SQL writes them. Some are the same in some columns only.
const VALUES: [&str; 14] =
    ["NULL", "'a'", "'A'", "'a '", "'b'", "''", "0", "1", "1.0", "'1'", "'01'", "-3", "2.5", "x'61'"];

/// What filters are made of.
struct Kit {
    columns: Vec<&'static str>,
    literals: Vec<Literal>,
}

impl Kit {
    /// Literals of which no column takes two for the same, or others.
    fn new(apart: bool, random: &mut fastrand::Rng) -> Self {
        let texts: &[&str] = if apart { &["a", "b"] } else { &["a", "A", "a ", "b", "", "1", "01", "-0"] };
        let numbers: &[&str] = if apart { &["1", "2.5"] } else { &["0", "1", "-3", "2.5"] };
        let booleans: &[bool] = if apart { &[false] } else { &[true, false] };
        let texts = texts.iter().map(|text| Literal::Text((*text).to_owned()));
        let numbers = numbers.iter().map(|number| Literal::Number(number.parse().unwrap()));
        let booleans = booleans.iter().map(|value| Literal::Boolean(*value));
        Self {
            columns: random.choose_multiple(COLUMNS.map(|(name, _)| name), 2),
            literals: texts.chain(numbers).chain(booleans).collect(),
        }
    }

    fn condition(&self, random: &mut fastrand::Rng) -> Condition {
        let mut literal = || self.literals[random.usize(..self.literals.len())].clone();
        let (one, many) = (literal(), vec![literal(), literal()]);
        let test = match random.u8(..10) {
            0..=2 => Test::Equals(one),
            3 => Test::NotEquals(one),
            4 => Test::In(many),
            5 => Test::NotIn(if random.bool() { many } else { Vec::new() }),
            6 => Test::LessThan(one),
            7 => Test::AtLeast(one),
            8 => Test::In(Vec::new()),
            _ => Test::IsNull(random.bool()),
        };
        Condition { column: self.columns[random.usize(..self.columns.len())].to_owned(), test }
    }

    fn filters(&self, random: &mut fastrand::Rng) -> Vec<Filter> {
        let mut filters = Vec::new();
        while filters.len() < FILTERS {
            let filter = Filter((0..random.usize(1..3)).map(|_| self.condition(random)).collect());
            if !filters.contains(&filter) {
                filters.push(filter);
            }
        }
        filters
    }
}

/// Every value beside every other, before and on the day that is read; `rowid_step` apart.
async fn made(file: &std::path::Path, rowid_step: usize) {
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let columns: Vec<_> = COLUMNS.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let mut random = fastrand::Rng::with_seed(5);
    let rows: Vec<_> = (1..=400)
        .map(|row| {
            let at = date(2024, 1, 1).saturating_add(jiff::Span::new().days(row));
            let values = COLUMNS.map(|_| VALUES[random.usize(..VALUES.len())]);
            format!("({}, '{at} 12:00:00', {})", row as usize * rowid_step, values.join(", "))
        })
        .collect();
    let sql = format!(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, at TEXT, {}); CREATE INDEX things_at ON things (at);
         INSERT INTO things VALUES {}",
        columns.join(", "),
        rows.join(", ")
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

struct Scene {
    platform: std::sync::Arc<dyn Platform>,
    schema: Schema,
    sources: Sources,
    days: Vec<DayBounds>,
}

impl Scene {
    async fn open(file: &std::path::Path, sessions: usize) -> Self {
        let options =
            PlatformOptions { parallel: Parallel { sessions, min_rows: 0 }, ..options(&Calendar::utc()) };
        let platform = platform::open(&format!("sqlite:{}", file.display()).parse().unwrap(), options);
        let source = Source { actor_column: None, ..source(TimeFormat::IsoUtc, "UTC", false) };
        Self {
            schema: platform.inspect().await.unwrap(),
            platform,
            sources: Sources::from([("things".to_owned(), source)]),
            days: Calendar::utc().days(date(2025, 1, 10), date(2025, 1, 11)),
        }
    }

    fn lists(&self, readings: &[Reading]) -> bool {
        let plan = self.platform.plan(&self.schema, &self.sources, readings, &self.days).unwrap();
        plan.iter().any(|statement| statement.sql.contains("group_concat"))
    }

    async fn read(&self, readings: &[Reading]) -> Vec<Vec<Tally>> {
        let mut cut = self.platform.open_cut().await.unwrap();
        let answers = cut.read(&self.schema, &self.sources, readings, &self.days).await.unwrap();
        answers.into_iter().map(Result::unwrap).collect()
    }
}

fn existing(filters: &[Filter]) -> Vec<Reading> {
    let count = |filter: &Filter| Reading::Count { rows: rows(filter.clone()), phase: Phase::Existing };
    filters.iter().map(count).collect()
}

#[tokio::test]
async fn filters_together_pass_what_each_passes_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("platform.db");
    made(&file, 1).await;
    let mut random = fastrand::Rng::with_seed(11);
    let mut listed = 0;
    for sessions in [1, 3] {
        let scene = Scene::open(&file, sessions).await;
        for round in 0..ROUNDS {
            let readings = existing(&Kit::new(round % 2 == 0, &mut random).filters(&mut random));
            listed += usize::from(scene.lists(&readings));
            let together = scene.read(&readings).await;
            for (reading, together) in readings.iter().zip(together) {
                assert_eq!(scene.read(std::slice::from_ref(reading)).await, [together], "{reading:?}");
            }
        }
    }
    assert!((ROUNDS / 2..2 * ROUNDS).contains(&listed), "{listed} of {} were listed", 2 * ROUNDS);
}

/// There are as many parts as it takes for each to be small; some sessions take turns with them.
#[tokio::test]
async fn a_table_of_many_parts_is_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let genres = ["a", "b", "h", "c", "d", "e", "f", "g"];
    let filters: Vec<_> = genres
        .map(|text| Test::Equals(Literal::Text(text.to_owned())))
        .map(|test| Filter(vec![Condition { column: "plain".to_owned(), test }]))
        .into();
    let mut counts = Vec::new();
    for (name, rowid_step) in [("dense", 1), ("sparse", 30_000), ("huge", 10_000_000)] {
        let file = directory.path().join(name);
        made(&file, rowid_step).await;
        for sessions in [1, 3] {
            counts.push(Scene::open(&file, sessions).await.read(&existing(&filters)).await);
        }
    }
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{counts:?}");
    assert_ne!(counts[0][0][0], Tally::Count(0));
}
