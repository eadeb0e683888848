//! Numbers that SQLite keeps as texts are refused by every measure that reads numbers, and only where such a row is read.

use std::collections::BTreeMap;

use daymark::{
    database::{Deadline, Fault, FaultClass},
    metric::{
        Calendar, Condition, Filter, LabelAggregate, Literal, Phase, Quantile, Reading, Source, Tally, Test,
        TimeFormat,
    },
    platform::{self, Sources},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection};

use crate::subject::{options, rows, source};

const NUMBERS: &str = "INSERT INTO things VALUES ('2025-01-01 12:00:00', 'north', 10), ('2025-01-02 12:00:00', 'north', 2.5),
    ('2025-01-02 12:00:00', 'south', 'n/a'), ('2025-01-02 12:00:00', 'south', ''), ('2025-01-02 12:00:00', 'south', NULL);";

/// What the readings answer for the two days, each day alone. The column `amount` is of `column_type`, and the source is `query` where
/// there is one.
async fn read(
    [column_type, insert]: [&str; 2],
    query: Option<&str>,
    readings: &[Reading],
) -> [Vec<Result<Vec<Tally>, Fault>>; 2] {
    let file = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", file.path().join("platform.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let sql = format!(
        "CREATE TABLE things (at TEXT, shop TEXT, amount {column_type}); CREATE INDEX things_at ON things (at); {NUMBERS} {insert}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let calendar = Calendar::utc();
    let platform = platform::open(&url.parse().unwrap(), options(&calendar));
    let source = Source { query: query.map(str::to_owned), ..source(TimeFormat::IsoUtc, "UTC", false) };
    let sources: Sources = BTreeMap::from([("things".to_owned(), source)]);
    let schema = platform.inspect_with(&query.map(str::to_owned).into_iter().collect()).await.unwrap();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 2));
    let first = cut.read(&schema, &sources, readings, &days[..1]).await.unwrap();
    [first, cut.read(&schema, &sources, readings, &days[1..]).await.unwrap()]
}

/// Every reading of numbers over the rows that pass the filter.
fn readings(filter: &Filter) -> Vec<Reading> {
    let (all, column) = (|| rows(filter.clone()), || "amount".to_owned());
    let labels = |phase, aggregate| Reading::Labels {
        rows: all(),
        column: "shop".to_owned(),
        phase,
        top: 1,
        aggregate,
    };
    let quantile = |window_days| {
        let quantile = Quantile::new(&"0.5".parse().unwrap()).unwrap();
        Reading::Quantile { rows: all(), column: column(), quantile, window_days }
    };
    vec![
        Reading::Sum { rows: all(), column: column(), phase: Phase::Created },
        Reading::Sum { rows: all(), column: column(), phase: Phase::Existing },
        Reading::Moments { rows: all(), column: column() },
        Reading::Extremes { rows: all(), column: column() },
        quantile(1),
        quantile(2),
        labels(Phase::Created, LabelAggregate::Sum(column())),
        labels(Phase::Existing, LabelAggregate::Sum(column())),
        labels(Phase::Created, LabelAggregate::Average(column())),
    ]
}

const AS_TEXT: &str = "SELECT at, shop, CAST(amount AS TEXT) AS amount FROM things";
const FROM_JSON: &str = "SELECT at, shop, json_extract(json_object('amount', CAST(amount AS TEXT)), '$.amount') AS amount FROM things";

/// Columns that may have numbers as texts: with a text, and with the text that the error names.
const TEXTS: [([&str; 2], Option<&str>, &str); 6] = [
    (["", "INSERT INTO things VALUES ('2025-01-02 12:00:00', 'south', '12.50');"], None, "'12.50'"),
    (["NUMERIC", "INSERT INTO things VALUES ('2025-01-02 12:00:00', 'south', '12,50');"], None, "'12,50'"),
    (["INTEGER", "INSERT INTO things VALUES ('2025-01-02 12:00:00', NULL, '5 ''€''');"], None, "'5 '€''"),
    (["BLOB", "INSERT INTO things VALUES ('2025-01-02 12:00:00', 'south', x'3132');"], None, "'12'"),
    (["NUMERIC", ""], Some(AS_TEXT), "'2.5'"),
    (["NUMERIC", ""], Some(FROM_JSON), "'2.5'"),
];

#[tokio::test]
async fn every_measure_refuses_a_number_that_is_a_text() {
    for (table, query, text) in TEXTS {
        let [_, second] = read(table, query, &readings(&Filter::default())).await;
        for (reading, answer) in readings(&Filter::default()).iter().zip(second) {
            let fault = answer.expect_err(&format!("{reading:?} of {table:?} {query:?}"));
            assert_eq!(fault.class, FaultClass::Data);
            // Existing rows, and windows, have those of the day before, which is a text as well where the query makes all of them texts.
            let is_expected = |text: &str| {
                let expected = format!("column `amount` has the text {text}, which would be left out");
                fault.message.starts_with(&expected)
            };
            let is_known = is_expected(text) || query.is_some() && is_expected("'10'");
            assert!(is_known, "{reading:?}: {}", fault.message);
        }
    }
}

/// The hint is only for a text that CAST makes the right number of.
#[tokio::test]
async fn an_error_says_how_to_make_a_number_of_the_text() {
    let of = async |(table, query, _): ([&str; 2], Option<&str>, &str)| {
        let [_, second] = read(table, query, &readings(&Filter::default())[..1]).await;
        second.into_iter().next().unwrap().unwrap_err().message
    };
    assert!(of(TEXTS[0]).await.ends_with("a query that selects `CAST(amount AS REAL)`"));
    assert!(of(TEXTS[1]).await.ends_with("makes numbers of them, or leave these rows out with a filter"));
}

/// A text on the second day does not make the reading of the first day fail, nor does a text in a row that a filter excludes. Many filters
/// are counted by facets, of which one has the text.
#[tokio::test]
async fn a_text_in_a_row_that_is_not_read_is_no_reason_to_refuse() {
    let north =
        Condition { column: "shop".to_owned(), test: Test::Equals(Literal::Text("north".to_owned())) };
    let mut many = readings(&Filter(vec![north]));
    let of_north = many.len();
    many.extend((0..9).map(|number| {
        let test = Test::NotEquals(Literal::Text(format!("shop {number}")));
        let filter = Filter(vec![Condition { column: "shop".to_owned(), test }]);
        Reading::Sum { rows: rows(filter), column: "amount".to_owned(), phase: Phase::Created }
    }));
    for (table, query, _) in [TEXTS[0], TEXTS[1], TEXTS[3]] {
        let [first, second] = read(table, query, &many).await;
        assert!(first.iter().all(Result::is_ok), "{first:?}");
        let (north, others) = second.split_at(of_north);
        assert!(north.iter().all(Result::is_ok), "{north:?}");
        assert!(others.iter().all(Result::is_err), "{others:?}");
    }
}
