//! Extreme values: large numbers, long labels, and columns of mixed types.

use std::collections::BTreeMap;

use daymark::{
    database::Deadline,
    metric::{
        Calendar, Condition, Decimal, Filter, LabelAggregate, Literal, Moments, Phase, QueryShape, Reading,
        Tally, Test, TimeFormat,
    },
    platform,
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    subject::{BOTH, Storage, options, rows, small, source},
    support,
};

/// Creates a SQLite platform with the table `things` and reads 2025-01-01.
async fn of_one_day(
    table: &str,
    rows_sql: &str,
    readings: &[Reading],
) -> Vec<Result<Vec<Tally>, daymark::database::Fault>> {
    let file = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", file.path().join("platform.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let sql = format!("CREATE TABLE things ({table}); INSERT INTO things VALUES {rows_sql};");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let calendar = Calendar::utc();
    let platform = platform::open(&url.parse().unwrap(), options(&calendar));
    let sources = BTreeMap::from([("things".to_owned(), source(TimeFormat::IsoUtc, "UTC", false))]);
    let schema = platform.inspect().await.unwrap();
    let days = calendar.days(date(2025, 1, 1), date(2025, 1, 1));
    platform.open_cut(Deadline::none()).await.unwrap().read(&schema, &sources, readings, &days).await.unwrap()
}

async fn moments_of(values: &[&str]) -> Result<Vec<Tally>, daymark::database::Fault> {
    let rows_sql: Vec<_> = values.iter().map(|value| format!("('2025-01-01 12:00:00', {value})")).collect();
    let reading = Reading::Moments { rows: rows(Filter::default()), column: "x".to_owned() };
    of_one_day("at TEXT, x NUMERIC", &rows_sql.join(", "), &[reading]).await.remove(0)
}

#[tokio::test]
async fn sqlite_squares_neither_overflow_nor_cancel_out() {
    // The sum of the squares of a thousand numbers around 100,000,000 does not fit into 64 bits.
    let large: Vec<String> = (0..1000).map(|n| (100_000_000 + n * 1000).to_string()).collect();
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    let Tally::Moments(moments) = moments_of(&large).await.unwrap().remove(0) else { panic!() };
    assert_eq!(moments.mean().unwrap().to_string(), "100499500");
    assert!(
        moments.std_deviation().unwrap().to_string().starts_with("288819.4"),
        "{:?}",
        moments.std_deviation()
    );
    // Large floats with small differences do not cancel out.
    let Tally::Moments(moments) =
        moments_of(&["50000000.25", "50000000.5", "50000000.75"]).await.unwrap().remove(0)
    else {
        panic!()
    };
    assert_eq!(
        (moments.mean().unwrap().to_string(), moments.std_deviation().unwrap().to_string()),
        ("50000000.5".to_owned(), "0.25".to_owned())
    );
}

/// The squares of whole numbers are added up exactly. A float would keep 15 to 17 digits of their sum.
#[tokio::test]
async fn sqlite_deviations_of_whole_numbers_are_exact() {
    let values: Vec<i64> = (0..1000).map(|n| n * n * 2_999 + n % 7).collect();
    let expected = values.iter().fold(Moments::zero(), |sum, value| {
        let value = Decimal::from(*value);
        sum.add(&Moments { count: 1, sum: value.clone(), sum_of_squares: &value * &value })
    });
    let texts: Vec<String> = values.iter().map(i64::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(moments_of(&texts).await.unwrap(), [Tally::Moments(expected)]);
}

/// A direct cast from `double precision` to `numeric` would keep 15 digits only, as would the text of a number where the
/// database or the role sets `extra_float_digits = 0`.
#[tokio::test]
async fn postgres_floats_keep_all_of_their_digits() {
    let url = support::fresh_database().await;
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let sql = "CREATE TABLE things (at timestamptz, x float8, y real);
        INSERT INTO things VALUES ('2025-01-01', 123456789.12345678, 16777215), ('2025-01-01', 0.1, 0.1);
        DO $$ BEGIN
            EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database());
        END $$";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    let platform = platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
    let sources = BTreeMap::from([("things".to_owned(), source(TimeFormat::Timestamptz, "UTC", false))]);
    let schema = platform.inspect().await.unwrap();
    let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 1));
    let readings = ["x", "y"]
        .map(|column| Reading::Moments { rows: rows(Filter::default()), column: column.to_owned() });
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    let answers = cut.read(&schema, &sources, &readings, &days).await.unwrap();
    for (answer, expected) in answers.iter().zip(["123456789.22345678", "16777215.1"]) {
        let Tally::Moments(moments) = &answer.as_ref().unwrap()[0] else { panic!("{answer:?}") };
        assert_eq!(moments.sum.to_string(), expected);
    }
}

/// Amounts of money in columns of every numeric type, with refunds. Sums of floats have the digits that the amounts have.
#[tokio::test]
async fn sums_and_extremes_of_amounts_have_their_digits() {
    let amounts = ["0.1", "0.2", "19.99", "-5.25", "1000000.01"];
    let readings = |name: &str| {
        let (rows, column) = (rows(Filter::default()), name.to_owned());
        [
            Reading::Sum { rows: rows.clone(), column: column.clone(), phase: Phase::Existing },
            Reading::Extremes { rows, column },
        ]
    };
    let expected = |answers: &[Result<Vec<Tally>, daymark::database::Fault>], what: &str| {
        let Tally::Sum(sum) = &answers[0].as_ref().unwrap()[0] else { panic!("{answers:?}") };
        assert_eq!((sum.count, sum.sum.to_string().as_str()), (5, "1000015.05"), "{what}");
        let Tally::Extremes(extremes) = &answers[1].as_ref().unwrap()[0] else { panic!("{answers:?}") };
        let [least, largest] =
            [&extremes.least, &extremes.largest].map(|value| value.clone().unwrap().to_string());
        assert_eq!((extremes.count, least.as_str(), largest.as_str()), (5, "-5.25", "1000000.01"), "{what}");
    };
    let rows_sql: Vec<_> =
        amounts.map(|amount| format!("('2025-01-01 12:00:00', {amount}, {amount})")).to_vec();
    let rows_sql = rows_sql.join(", ") + ", ('2025-01-01 12:00:00', NULL, 'none')";
    for column in ["exact", "x"] {
        let answers = of_one_day("at TEXT, exact NUMERIC, x", &rows_sql, &readings(column)).await;
        expected(&answers, column);
    }
    let url = support::fresh_database().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let rows_sql = rows_sql.replace("'none'", "NULL");
    let sql = format!(
        "CREATE TABLE things (at timestamptz, exact numeric(20, 4), x float8); INSERT INTO things VALUES {rows_sql}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let platform = platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
    let sources = BTreeMap::from([("things".to_owned(), source(TimeFormat::Timestamptz, "UTC", false))]);
    let schema = platform.inspect().await.unwrap();
    let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 1));
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    for column in ["exact", "x"] {
        expected(&cut.read(&schema, &sources, &readings(column), &days).await.unwrap(), column);
    }
    sqlx::raw_sql("INSERT INTO things VALUES ('2025-01-01', 'NaN', 'Infinity')")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
    for column in ["exact", "x"] {
        // The median lies far below NaN and infinity, which come last in the order.
        let median = Reading::Quantile {
            rows: rows(Filter::default()),
            column: column.to_owned(),
            quantile: daymark::metric::Quantile::new(&"0.5".parse().unwrap()).unwrap(),
            window_days: 1,
        };
        for answer in cut
            .read(&schema, &sources, &[readings(column).as_slice(), &[median]].concat(), &days)
            .await
            .unwrap()
        {
            assert!(answer.unwrap_err().message.contains("is not a finite"), "{column}");
        }
    }
}

/// The database cuts the labels of a `sql` metric like those of a breakdown, before they are sent. A long text or a BLOB that is
/// returned as a number fails its own metric only.
#[tokio::test]
async fn results_of_sql_metrics_are_bounded_in_length() {
    for storage in BOTH {
        let (subject, days, sources) = small(storage).await;
        let schema = subject.platform.inspect().await.unwrap();
        let (long, blob) = match storage {
            Storage::Postgres(_) => ("repeat('x', 30000000)", "'\\x00ff'::bytea"),
            Storage::Sqlite(_) => ("replace(hex(zeroblob(15000000)), '0', 'x')", "x'00ff'"),
        };
        let labels = QueryShape::Labels { top: 9, signed: true };
        let readings = [
            (format!("SELECT {long} AS label, 1 AS value UNION ALL SELECT {long} || 'y', 2"), labels),
            (format!("SELECT {blob} AS label, 1.50 AS value"), labels),
            (format!("SELECT 'a' AS label, {long} AS value"), labels),
            (format!("SELECT {blob} AS value"), QueryShape::Value),
            ("SELECT 'a' AS label, -2 AS value UNION ALL SELECT 'b', 0".to_owned(), labels),
            ("SELECT 1 AS value".to_owned(), QueryShape::Value),
            (
                "SELECT 'a' AS label, 9 AS value UNION ALL SELECT 'b', -1".to_owned(),
                QueryShape::Labels { top: 1, signed: false },
            ),
        ]
        .map(|(sql, shape)| Reading::Query { sql, shape });
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let answers = cut.read(&schema, &sources, &readings, &days[..1]).await.unwrap();
        let named = |index: usize| {
            let Tally::Labels(labels) = &answers[index].as_ref().unwrap()[0] else { panic!("{answers:?}") };
            labels.top.iter().map(|(label, value)| (label.clone(), value.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(named(0), [(format!("{}...", "x".repeat(197)), "3".to_owned())]);
        assert_eq!(named(1)[0].0.trim_start_matches("\\x").to_lowercase(), "00ff");
        for wrong in &answers[2..4] {
            let fault = wrong.as_ref().unwrap_err();
            assert!(fault.message.len() < 3000 && fault.message.contains("a"), "{fault}");
        }
        assert_eq!(
            named(4),
            [("b", "0"), ("a", "-2")].map(|(label, value)| (label.to_owned(), value.to_owned()))
        );
        assert!(answers[5].is_ok());
        let negative = answers[6].as_ref().unwrap_err();
        assert!(
            negative.message.contains("`signed = true`") && negative.message.contains("-1"),
            "{negative}"
        );
    }
}

/// A row with an extreme value does not change the average of another day.
#[tokio::test]
async fn sqlite_averages_with_an_outlier_are_exact() {
    let reading = Reading::Moments { rows: rows(Filter::default()), column: "x".to_owned() };
    for outlier in ["1e17", "-1e17", "9e999", "-9223372036854775807 - 1"] {
        let rows_sql = format!(
            "('2024-12-31 12:00:00', {outlier}), ('2025-01-01 12:00:00', 0.1), ('2025-01-01 12:00:00', 19.99),
             ('2025-01-01 12:00:00', 5)"
        );
        let tallies = of_one_day("at TEXT, x", &rows_sql, std::slice::from_ref(&reading)).await.remove(0);
        let Tally::Moments(moments) = &tallies.unwrap()[0] else { panic!() };
        let mean = moments.mean().unwrap().to_string();
        assert!(mean.starts_with("8.3633333"), "{outlier}: {mean}");
        let deviation = moments.std_deviation().unwrap().to_string();
        assert!(deviation.starts_with("10.3627"), "{outlier}: {deviation}");
    }
}

#[tokio::test]
async fn sqlite_ignores_texts_and_refuses_infinity_as_numbers() {
    let Tally::Moments(moments) = moments_of(&["10", "'n/a'", "''", "NULL"]).await.unwrap().remove(0) else {
        panic!()
    };
    assert_eq!((moments.count, moments.mean().unwrap()), (1, Decimal::from(10)));
    assert!(moments_of(&["1", "9e999"]).await.unwrap_err().message.contains("Infinity"));
}

#[tokio::test]
async fn labels_are_exact_bounded_and_may_be_blobs() {
    let reading = Reading::Labels {
        rows: rows(Filter::default()),
        column: "label".to_owned(),
        phase: Phase::Created,
        top: 9,
        aggregate: LabelAggregate::Rows,
    };
    let rows_sql =
        ["'rock'", "'Rock'", "'rock'", "x'00ff'"].map(|label| format!("('2025-01-01 12:00:00', {label})"));
    let tallies =
        of_one_day("at TEXT, label TEXT COLLATE NOCASE", &rows_sql.join(", "), &[reading]).await.remove(0);
    let Tally::Labels(labels) = &tallies.unwrap()[0] else { panic!() };
    let named: Vec<_> = labels.top.iter().map(|(label, count)| (label.as_str(), count.to_string())).collect();
    let expected = [("rock", "2"), ("00FF", "1"), ("Rock", "1")];
    assert_eq!(named, expected.map(|(label, count)| (label, count.to_owned())));
}

/// Labels that are equal after they were cut add up. A cut label ends with `...`, which distinguishes it from a whole one.
#[tokio::test]
async fn a_label_that_is_cut_is_marked() {
    for storage in BOTH {
        let (subject, days, sources) = small(storage).await;
        let schema = subject.platform.inspect().await.unwrap();
        let values = ["x".repeat(200), "x".repeat(201), "x".repeat(5000), "é".repeat(201), "é".repeat(200)];
        let values: Vec<_> =
            values.iter().map(|label| format!("SELECT '{label}' AS label, 1 AS value")).collect();
        let sql = values.join(" UNION ALL ");
        let readings = [Reading::Query { sql, shape: QueryShape::Labels { top: 9, signed: true } }];
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let answers = cut.read(&schema, &sources, &readings, &days[..1]).await.unwrap();
        let Tally::Labels(labels) = &answers[0].as_ref().unwrap()[0] else { panic!("{answers:?}") };
        let named: Vec<_> =
            labels.top.iter().map(|(label, count)| (label.clone(), count.to_string())).collect();
        let cut = |letter: &str| format!("{}...", letter.repeat(197));
        let expected = [(cut("x"), "2"), ("x".repeat(200), "1"), (cut("é"), "1"), ("é".repeat(200), "1")];
        assert_eq!(named, expected.map(|(label, count)| (label, count.to_owned())), "{storage:?}");
    }
    let reading = Reading::Labels {
        rows: rows(Filter::default()),
        column: "label".to_owned(),
        phase: Phase::Created,
        top: 9,
        aggregate: LabelAggregate::Rows,
    };
    let rows_sql =
        ["zeroblob(100)", "zeroblob(101)", "zeroblob(5000)"].map(|label| format!("('2025-01-01', {label})"));
    let tallies = of_one_day("at TEXT, label", &rows_sql.join(", "), &[reading]).await.remove(0).unwrap();
    let Tally::Labels(labels) = &tallies[0] else { panic!("{tallies:?}") };
    let named: Vec<_> = labels.top.iter().map(|(label, count)| (label.clone(), count.to_string())).collect();
    let expected = [(format!("{}...", "0".repeat(197)), "2"), ("0".repeat(200), "1")];
    assert_eq!(named, expected.map(|(label, count)| (label, count.to_owned())));
}

/// Readings with many filters are counted by facets, and a single one by its filter. Values have every type, in columns of every
/// affinity and with a collation.
#[tokio::test]
async fn sqlite_counts_the_same_for_filters_together_and_alone() {
    let values = ["'a'", "'A'", "'b'", "'1'", "1", "1.0", "0", "2.5", "-3", "''", "x'61'", "NULL"];
    let rows_sql: Vec<_> = values
        .iter()
        .flat_map(|x| values.map(|y| format!("('2025-01-01 12:00:00', {x}, {y}, {y}, {x})")))
        .collect();
    let columns = "at TEXT, folded TEXT COLLATE NOCASE, number NUMERIC, anything, seconds INTEGER";
    let text = |text: &str| Literal::Text(text.to_owned());
    let number = |text: &str| Literal::Number(text.parse().unwrap());
    let tests = [
        Test::Equals(text("a")),
        Test::Equals(number("1")),
        Test::Equals(Literal::Boolean(false)),
        Test::NotEquals(text("A")),
        Test::In(vec![text("b"), number("2.5")]),
        Test::NotIn(vec![text("1"), text("a")]),
        Test::LessThan(number("1")),
        Test::AtMost(number("1")),
        Test::GreaterThan(text("a")),
        Test::AtLeast(text("b")),
        Test::IsNull(true),
        Test::IsNull(false),
        Test::IsNot(vec![text("1"), text("a")]),
    ];
    let all = [("folded", "number"), ("number", "anything"), ("anything", "folded")];
    for (first, second) in all {
        let condition =
            |column: &str, test: &Test| Condition { column: column.to_owned(), test: test.clone() };
        let pairs = tests.iter().zip(tests.iter().cycle().skip(5));
        let filters = pairs.map(|(x, y)| Filter(vec![condition(first, x), condition(second, y)]));
        let ones = tests.iter().map(|test| Filter(vec![condition(first, test)]));
        let readings: Vec<_> = filters
            .chain(ones)
            .flat_map(|filter| {
                [
                    Reading::Count { rows: rows(filter.clone()), phase: Phase::Existing },
                    Reading::Moments { rows: rows(filter), column: "seconds".to_owned() },
                ]
            })
            .collect();
        let together = of_one_day(columns, &rows_sql.join(", "), &readings).await;
        for (reading, tallies) in readings.iter().zip(together) {
            let alone = of_one_day(columns, &rows_sql.join(", "), std::slice::from_ref(reading)).await;
            assert_eq!(tallies.unwrap(), alone.into_iter().next().unwrap().unwrap(), "{reading:?}");
        }
    }
}

#[tokio::test]
async fn nan_is_refused() {
    let (subject, days, sources) = small(Storage::Postgres(TimeFormat::Timestamptz)).await;
    let schema = subject.platform.inspect().await.unwrap();
    let readings =
        [Reading::Query { sql: "SELECT 'NaN'::numeric AS value".to_owned(), shape: QueryShape::Value }];
    let answers = subject
        .platform
        .open_cut(Deadline::none())
        .await
        .unwrap()
        .read(&schema, &sources, &readings, &days)
        .await
        .unwrap();
    assert!(answers[0].as_ref().unwrap_err().message.contains("`NaN` is not a finite"));
}
