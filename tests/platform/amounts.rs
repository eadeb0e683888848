//! Sums, means, extremes and quantiles of decimal numbers have the same digits on both databases, where one has NUMERIC and the
//! other floats: alone and together, by label, with refunds.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use daymark::{
    database::Deadline,
    metric::{
        Calendar, ColumnSum, DayBounds, Decimal, Filter, LabelAggregate, Moments, Phase, Quantile, Reading,
        Tally, TimeFormat, TopLabels, TopMeans,
    },
    platform::{self, Platform, Sources},
};
use jiff::civil::date;
use proptest::{prelude::*, test_runner::TestRunner};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::{
    subject::{options, rows, source},
    support,
};

/// A number of cents, or of another decimal place, as it is written in SQL.
fn amount() -> impl Strategy<Value = String> {
    let of_places = |places: usize, most: i64| {
        (-most..=most).prop_map(move |number| {
            let digits = format!("{:0>width$}", number.abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let point = if places == 0 { "" } else { "." };
            format!("{}{whole}{point}{fraction}", if number < 0 { "-" } else { "" })
        })
    };
    prop_oneof![
        8 => of_places(2, 200_000),
        2 => of_places(2, 199_999_999_999),
        1 => of_places(6, 1_999_999_999_999_999),
        1 => of_places(1, 50),
        1 => of_places(0, 8_999_999_999_999_999),
    ]
}

/// A day from 0 to 3, whether the row is deleted on the last one, its label and its amount.
type Row = (i8, bool, &'static str, String);

fn inserted(all: &[Row], cast: &str) -> String {
    let row = |(day, is_deleted, label, amount): &Row| {
        let at = format!("'2025-01-0{} 12:00:00'", day + 1);
        let gone = if *is_deleted { "'2025-01-04 18:00:00'" } else { "NULL" };
        format!("({at}, {gone}, '{label}', {amount}{cast})")
    };
    let values: Vec<_> = all.iter().map(row).collect();
    format!("DELETE FROM things; INSERT INTO things (at, gone, genre, amount) VALUES {}", values.join(", "))
}

fn readings() -> Vec<Reading> {
    let (all, column) = (|| rows(Filter::default()), || "amount".to_owned());
    let labels = |phase, top, aggregate| {
        let column = "genre".to_owned();
        Reading::Labels { rows: all(), column, phase, top, aggregate }
    };
    let quantile = |share: &str, window_days| {
        let quantile = Quantile::new(&share.parse().unwrap()).unwrap();
        Reading::Quantile { rows: all(), column: column(), quantile, window_days }
    };
    vec![
        Reading::Sum { rows: all(), column: column(), phase: Phase::Created },
        Reading::Sum { rows: all(), column: column(), phase: Phase::Existing },
        Reading::Moments { rows: all(), column: column() },
        Reading::Extremes { rows: all(), column: column() },
        quantile("0.5", 1),
        quantile("0.123456", 2),
        labels(Phase::Created, 1, LabelAggregate::Sum(column())),
        labels(Phase::Existing, 1, LabelAggregate::Sum(column())),
        labels(Phase::Existing, 3, LabelAggregate::Sum(column())),
        labels(Phase::Created, 2, LabelAggregate::Average(column())),
    ]
}

/// The tallies as text, in which a decimal has its digits. Deviations of floats are not exact.
fn texts(tallies: &[Result<Vec<Tally>, daymark::database::Fault>]) -> Vec<Vec<String>> {
    let text = |tally: &Tally| match tally {
        Tally::Moments(Moments { count, sum, .. }) => format!("{count} values, {sum}"),
        other => format!("{other:?}"),
    };
    tallies.iter().map(|of_reading| of_reading.as_ref().unwrap().iter().map(text).collect()).collect()
}

/// What a platform answers for all days together, and for each alone.
async fn answers(
    platform: &Arc<dyn Platform>,
    format: TimeFormat,
    days: &[DayBounds],
) -> [Vec<Vec<String>>; 2] {
    let schema = platform.inspect().await.unwrap();
    let sources: Sources = BTreeMap::from([("things".to_owned(), source(format, "UTC", true))]);
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let together = texts(&cut.read(&schema, &sources, &readings(), days).await.unwrap());
    let mut alone = vec![Vec::new(); readings().len()];
    for day in days {
        let of_day = cut.read(&schema, &sources, &readings(), std::slice::from_ref(day)).await.unwrap();
        for (alone, of_day) in alone.iter_mut().zip(texts(&of_day)) {
            alone.extend(of_day);
        }
    }
    [together, alone]
}

/// Both platforms, with connections that write to them.
struct Both {
    sqlite: Arc<dyn Platform>,
    postgres: Arc<dyn Platform>,
    to_sqlite: SqliteConnection,
    to_postgres: PgConnection,
    _directory: tempfile::TempDir,
}

impl Both {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("platform.db").display());
        let mut to_sqlite = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        let table = "CREATE TABLE things (at TEXT, gone TEXT, genre TEXT, amount REAL)";
        sqlx::raw_sql(table).execute(&mut to_sqlite).await.unwrap();
        let server = support::fresh_database().await;
        let mut to_postgres = PgConnection::connect(&server).await.unwrap();
        let table = "CREATE TABLE things (at timestamptz, gone timestamptz, genre text, amount numeric)";
        sqlx::raw_sql(table).execute(&mut to_postgres).await.unwrap();
        let calendar = Calendar::utc();
        Self {
            sqlite: platform::open(&url.parse().unwrap(), options(&calendar)),
            postgres: platform::open(&server.parse().unwrap(), options(&calendar)),
            to_sqlite,
            to_postgres,
            _directory: directory,
        }
    }

    async fn replace_rows(&mut self, all: &[Row]) {
        sqlx::raw_sql(AssertSqlSafe(inserted(all, ""))).execute(&mut self.to_sqlite).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(inserted(all, "::numeric")))
            .execute(&mut self.to_postgres)
            .await
            .unwrap();
    }
}

fn days() -> Vec<DayBounds> {
    Calendar::utc().days(date(2025, 1, 2), date(2025, 1, 4))
}

/// Tries `check` with several sets of rows.
fn with_rows(
    rows: impl Strategy<Value = Vec<Row>>,
    check: impl AsyncFn(&Both, &[Row]) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let both = RefCell::new(runtime.block_on(Both::new()));
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let tried = TestRunner::new(config).run(&rows, |all| {
        let mut both = both.borrow_mut();
        runtime.block_on(both.replace_rows(&all));
        runtime.block_on(check(&both, &all))
    });
    tried.unwrap();
}

#[test]
fn amounts_have_the_same_digits_on_both_databases() {
    let label = prop::sample::select(vec!["a", "b", "c"]);
    let row = (0_i8..4, any::<bool>(), label, amount());
    with_rows(prop::collection::vec(row, 1..60), async |both, _| {
        let [together, alone] = answers(&both.sqlite, TimeFormat::IsoUtc, &days()).await;
        let [expected, expected_alone] = answers(&both.postgres, TimeFormat::Timestamptz, &days()).await;
        prop_assert_eq!(&expected, &expected_alone);
        prop_assert_eq!(&together, &expected, "all days together");
        prop_assert_eq!(&alone, &expected, "each day alone");
        Ok(())
    });
}

/// The labels that exist at the end of a day, counted row by row. Deleted rows are gone on the last day.
fn existing_labels(all: &[Row], day: i8, top: usize, aggregate: &LabelAggregate) -> Tally {
    let mut labels = BTreeMap::<&str, ColumnSum>::new();
    for (created, is_deleted, label, amount) in all {
        if *created <= day && !(*is_deleted && day == 3) {
            let row = ColumnSum { count: 1, sum: amount.parse().unwrap() };
            let sum = labels.entry(label).or_default();
            *sum = sum.add(&row);
        }
    }
    let named = labels.into_iter().map(|(label, sum)| (label.to_owned(), sum));
    match aggregate {
        LabelAggregate::Sum(_) => {
            let sums = named.map(|(label, sum)| (label, sum.sum.normalized()));
            Tally::Labels(TopLabels::select(sums, Decimal::zero(), top))
        }
        _ => {
            let mut all: Vec<_> = named.collect();
            all.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.count));
            let total = all.iter().fold(ColumnSum::default(), |total, (_, sum)| total.add(sum));
            let labels = all.len();
            all.truncate(top);
            Tally::LabelMeans(TopMeans { top: all, labels, total, unlabelled: ColumnSum::default() })
        }
    }
}

/// Sums that change their sign from day to day, where a label that was the last may be the first on the next day.
#[test]
fn the_largest_labels_by_sums_that_change_sign_are_found() {
    let labels: Vec<&'static str> =
        (0..30).map(|n| &*Box::leak(format!("label {n}").into_boxed_str())).collect();
    let amount = (-20_i64..=20).prop_map(|tenths| Decimal::from(tenths * 100_000).millionth().to_string());
    let row = (0_i8..4, any::<bool>(), prop::sample::select(labels), amount);
    let of_column = |aggregate: fn(String) -> LabelAggregate| aggregate("amount".to_owned());
    let aggregates = [of_column(LabelAggregate::Sum), of_column(LabelAggregate::Average)];
    let wanted: Vec<_> =
        aggregates.iter().flat_map(|aggregate| [1, 3, 8].map(|top| (top, aggregate.clone()))).collect();
    let readings: Vec<_> = wanted
        .iter()
        .map(|(top, aggregate)| Reading::Labels {
            rows: rows(Filter::default()),
            column: "genre".to_owned(),
            phase: Phase::Existing,
            top: *top,
            aggregate: aggregate.clone(),
        })
        .collect();
    with_rows(prop::collection::vec(row, 1..150), async |both, all| {
        for (platform, format) in
            [(&both.sqlite, TimeFormat::IsoUtc), (&both.postgres, TimeFormat::Timestamptz)]
        {
            let schema = platform.inspect().await.unwrap();
            let sources: Sources = BTreeMap::from([("things".to_owned(), source(format, "UTC", true))]);
            let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
            let answers = cut.read(&schema, &sources, &readings, &days()).await.unwrap();
            for ((top, aggregate), answer) in wanted.iter().zip(answers) {
                let expected: Vec<_> = (1..4).map(|day| existing_labels(all, day, *top, aggregate)).collect();
                prop_assert_eq!(answer.unwrap(), expected, "{:?} the top {} by {:?}", format, top, aggregate);
            }
        }
        Ok(())
    });
}
