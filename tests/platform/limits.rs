//! Limits of the cost of a metric: how often a time limit is reached, how many statements run, and how many labels are
//! read.

use std::{collections::BTreeMap, time::Duration};

use daymark::{
    database::{Deadline, Fault, FaultClass},
    metric::{
        Calendar, DayBounds, Filter, LabelAggregate, Phase, Quantile, QuantileOfRows, QueryShape, Reading,
        Source, Tally, TimeFormat, Window,
    },
    platform::{self, PlatformOptions, Table},
};
use jiff::civil::date;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    subject::{BOTH, Thing, genre_is, options, rows, source, subject},
    support,
};

/// The number of rows of `slow` for each day.
pub const ROWS_A_DAY: usize = 40;
/// How many milliseconds each row takes to read for the role in [`Slow::url`].
pub const ROW_MS: f64 = 5.0;

/// A view that waits for each row. It also takes an advisory lock for each statement, so that statements
/// can be counted.
const SLOW: &str = "
    CREATE TABLE slow_rows (at timestamptz, actor bigint, genre text);
    CREATE FUNCTION slowly(ms float) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 1000000 AS $$
        BEGIN
            PERFORM pg_advisory_lock((extract(epoch FROM statement_timestamp()) * 1000000)::bigint);
            PERFORM pg_sleep(ms / 1000.0);
            RETURN true;
        END $$";

pub struct Slow {
    owner: PgConnection,
    url: String,
    /// Whether the planner knows that an index narrows down the view.
    is_indexed: bool,
}

impl Slow {
    /// Creates the table with the rows of the SELECT `inserted`.
    pub async fn made(inserted: &str, row_ms: f64, index: bool) -> Self {
        let url = support::fresh_database().await;
        let mut owner = PgConnection::connect(&url).await.unwrap();
        let role = format!("reader_{:x}", fastrand::u64(..));
        let create_index = if index { "CREATE INDEX ON slow_rows (at)" } else { "" };
        let setup = format!(
            "{SLOW}; INSERT INTO slow_rows {inserted}; {create_index};
             CREATE VIEW slow AS SELECT * FROM slow_rows WHERE slowly({row_ms});
             CREATE ROLE {role} LOGIN; GRANT SELECT ON slow TO {role}"
        );
        sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut owner).await.unwrap();
        Self { owner, url: url.replace("postgres@", &format!("{role}@")), is_indexed: index }
    }

    /// Returns the outcomes, and how many statements read the table.
    pub async fn read(
        &mut self,
        limit: Duration,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> (Vec<Result<Vec<Tally>, Fault>>, i64) {
        self.read_from("slow", limit, readings, days).await
    }

    async fn read_from(
        &mut self,
        table: &str,
        limit: Duration,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> (Vec<Result<Vec<Tally>, Fault>>, i64) {
        let options = PlatformOptions { statement_timeout: limit, ..options(&Calendar::utc()) };
        let platform = platform::open(&self.url.parse().unwrap(), options);
        let slow = Source { table: table.to_owned(), ..source(TimeFormat::Timestamptz, "UTC", false) };
        let sources = BTreeMap::from([("things".to_owned(), slow)]);
        let mut schema = platform.inspect().await.unwrap();
        let is_slow = |table: &&mut Table| table.name == "slow";
        for column in schema.tables.iter_mut().filter(is_slow).flat_map(|table| &mut table.columns) {
            column.indexed = self.is_indexed && column.name == "at";
        }
        let mut cut = platform.open_cut(Deadline::none()).await.unwrap();
        let outcomes = cut.read(&schema, &sources, readings, days).await.unwrap();
        let statements = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        (outcomes, sqlx::query_scalar(statements).fetch_one(&mut self.owner).await.unwrap())
    }
}

/// The rows of that many days, and the days. Each row has an actor of its own.
pub fn many_days(count: usize) -> (String, Vec<DayBounds>) {
    let inserted = format!(
        "SELECT '2025-01-01'::timestamptz + n * interval '1 day' / {ROWS_A_DAY}, n, 'g' || n % 3
         FROM generate_series(0, {}) n",
        count * ROWS_A_DAY - 1
    );
    let last = date(2025, 1, 1).saturating_add(jiff::Span::new().days(count as i64 - 1));
    (inserted, Calendar::utc().days(date(2025, 1, 1), last))
}

fn created(filter: Filter) -> Reading {
    Reading::Count { rows: rows(filter), phase: Phase::Created }
}

#[tokio::test]
async fn a_scan_without_an_index_reaches_its_time_limit_once() {
    let (inserted, days) = many_days(4);
    let readings = ["g0", "g1", "g2"].map(|genre| created(genre_is(genre)));
    let limit = Duration::from_millis(200);
    let mut slow = Slow::made(&inserted, ROW_MS, false).await;
    let (outcomes, statements) = slow.read(limit, &readings, &days).await;
    assert_eq!(statements, 1);
    let distinct =
        [Reading::Distinct { rows: vec![rows(Filter::default())], column: None, window: Window::Days(1) }];
    // The second part has a table of its own, because the locks of a session that has just ended may still be there.
    let mut slow = Slow::made(&inserted, ROW_MS, false).await;
    let (of_distinct, statements) = slow.read(limit, &distinct, &days).await;
    assert_eq!(statements, 1);
    for outcome in outcomes.iter().chain(&of_distinct) {
        let fault = outcome.as_ref().unwrap_err();
        assert_eq!(fault.class, FaultClass::TimedOut);
        assert!(fault.message.contains("no index on `at` of `slow`"), "{fault}");
        let limit = fault.limit.unwrap();
        assert_eq!(limit.advice, "create this index, or raise `platform.statement_timeout_seconds`");
    }
}

#[tokio::test]
async fn a_time_limit_is_reached_once_for_each_halving() {
    let (inserted, days) = many_days(16);
    let mut slow = Slow::made(&inserted, ROW_MS, true).await;
    // Two days take 400 ms and more, four take 800 ms and more.
    let limit = Duration::from_millis(750);
    let (outcomes, statements) = slow.read(limit, &[created(Filter::default())], &days).await;
    assert_eq!(outcomes[0].as_ref().unwrap(), &vec![Tally::Count(ROWS_A_DAY as i64); 16]);
    // Sixteen, eight and four days reach the limit. All days are read two at a time or, on a slow machine, one at a time.
    assert!((8 + 3..=16 + 4).contains(&statements), "{statements} statements");
}

#[tokio::test]
async fn a_view_of_an_indexed_table_is_bisected_and_one_that_hides_the_index_is_not() {
    let (inserted, days) = many_days(8);
    let limit = Duration::from_millis(750);
    let seen = ("seen", "SELECT at, actor, genre FROM slow WHERE actor >= 0");
    let hidden = ("hidden", "SELECT max(at) AS at, actor, genre FROM slow GROUP BY actor, genre");
    for (name, sql) in [seen, hidden] {
        let mut slow = Slow::made(&inserted, ROW_MS, true).await;
        let view =
            format!("CREATE VIEW {name} WITH (security_invoker) AS {sql}; GRANT SELECT ON {name} TO PUBLIC");
        sqlx::raw_sql(AssertSqlSafe(view)).execute(&mut slow.owner).await.unwrap();
        let (outcomes, statements) = slow.read_from(name, limit, &[created(Filter::default())], &days).await;
        match &outcomes[0] {
            Ok(counts) => assert_eq!((name, counts), ("seen", &vec![Tally::Count(ROWS_A_DAY as i64); 8])),
            Err(fault) => assert_eq!((name, fault.class, statements), ("hidden", FaultClass::TimedOut, 1)),
        }
    }
}

/// The windows are read together first. The longest ones reach the time limit, and the others are then read alone.
#[tokio::test]
async fn a_long_window_that_times_out_does_not_fail_shorter_ones() {
    let (inserted, days) = many_days(16);
    let mut slow = Slow::made(&inserted, ROW_MS, true).await;
    let window = |window_days| Reading::Distinct {
        rows: vec![rows(Filter::default())],
        column: None,
        window: Window::Days(window_days),
    };
    let readings = [window(14), window(1), window(12), window(2)];
    let limit = Duration::from_millis(750);
    let (outcomes, statements) = slow.read(limit, &readings, &days[15..]).await;
    assert_eq!(outcomes[1].as_ref().unwrap(), &[Tally::Count(40)]);
    assert_eq!(outcomes[3].as_ref().unwrap(), &[Tally::Count(80)]);
    for long in [&outcomes[0], &outcomes[2]] {
        assert_eq!(long.as_ref().unwrap_err().class, FaultClass::TimedOut);
    }
    assert_eq!(statements, 4, "one statement for all windows, and one each for 1, 2 and 12 days");
}

/// The actors of a day are as many consecutive numbers as it has rows.
fn median_actor(window_days: u32) -> Reading {
    let column = "actor".to_owned();
    Reading::Quantile { rows: rows(Filter::default()), column, quantile: Quantile::MEDIAN, window_days }
}

fn consecutive(first: i64, end: i64) -> Tally {
    let half: daymark::metric::Decimal = "0.5".parse().unwrap();
    let value = &daymark::metric::Decimal::from(first + end - 1) * &half;
    Tally::Quantile(QuantileOfRows { count: end - first, value: Some(value) })
}

/// Two days and the one before them take 600 ms and more, four take 1,000 ms and more. A window that is longer than the range is not
/// read again for each half of it.
#[tokio::test]
async fn a_quantile_that_takes_too_long_is_read_for_fewer_days() {
    let (inserted, days) = many_days(16);
    let mut slow = Slow::made(&inserted, ROW_MS, true).await;
    let limit = Duration::from_millis(900);
    let (outcomes, statements) = slow.read(limit, &[median_actor(2)], &days).await;
    let a_day = ROWS_A_DAY as i64;
    let expected: Vec<_> =
        (0..16).map(|day: i64| consecutive((day - 1).max(0) * a_day, (day + 1) * a_day)).collect();
    assert_eq!(outcomes[0].as_ref().unwrap(), &expected);
    // The first four days have none before them, and may be read together.
    assert!((1 + 6 + 3..=16 + 4).contains(&statements), "{statements} statements");
    let mut slow = Slow::made(&inserted, ROW_MS, true).await;
    let readings = [median_actor(14), median_actor(1)];
    let (outcomes, statements) = slow.read(limit, &readings, &days[14..]).await;
    assert_eq!(outcomes[0].as_ref().unwrap_err().class, FaultClass::TimedOut);
    assert_eq!(
        outcomes[1].as_ref().unwrap(),
        &[consecutive(14 * a_day, 15 * a_day), consecutive(15 * a_day, 16 * a_day)]
    );
    assert_eq!(statements, 3, "one statement for both windows, and one for each");
}

fn by_genre(phase: Phase, top: usize) -> Reading {
    let column = "genre".to_owned();
    Reading::Labels { rows: rows(Filter::default()), column, phase, top, aggregate: LabelAggregate::Rows }
}

/// Every value has one row before the first day. On the fifth day `g7` gets two more and a new value appears, on the tenth another
/// one overtakes it.
#[tokio::test]
async fn the_largest_of_many_values_are_found_and_all_are_counted() {
    let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 20));
    for labels in [10_001, 100_001] {
        let inserted = format!(
            "SELECT '2024-12-01'::timestamptz, n, 'g' || n FROM generate_series(1, {labels}) n
             UNION ALL SELECT '2025-01-05'::timestamptz, n, CASE WHEN n < 3 THEN 'g7' ELSE 'new' END FROM generate_series(1, 3) n
             UNION ALL SELECT '2025-01-10'::timestamptz, n, 'g99' FROM generate_series(1, 3) n"
        );
        let mut slow = Slow::made(&inserted, 0.0, true).await;
        let readings = [by_genre(Phase::Existing, 2), by_genre(Phase::Created, 2)];
        let (outcomes, statements) = slow.read(Duration::from_secs(60), &readings, &days).await;
        let of = |reading: usize, day: usize| {
            let Tally::Labels(of_day) = &outcomes[reading].as_ref().unwrap()[day] else {
                panic!("{outcomes:?}")
            };
            let top = of_day.top.iter().map(|(label, rows)| format!("{label} {rows}"));
            (top.collect::<Vec<_>>().join(", "), of_day.labels, of_day.total.to_string())
        };
        assert_eq!(of(0, 0), ("g1 1, g10 1".to_owned(), labels, labels.to_string()));
        assert_eq!(of(0, 4), ("g7 3, g1 1".to_owned(), labels + 1, (labels + 3).to_string()));
        assert_eq!(of(0, 19), ("g99 4, g7 3".to_owned(), labels + 1, (labels + 6).to_string()));
        assert_eq!(of(1, 4), ("g7 2, new 1".to_owned(), 2, "3".to_owned()));
        assert_eq!(of(1, 5), (String::new(), 0, "0".to_owned()));
        assert_eq!(statements, 2, "{labels} labels");
    }
}

/// The database cannot find the largest labels of this day within the limit, so that all are read by parts of the day.
#[tokio::test]
async fn a_breakdown_of_a_day_that_takes_too_long_is_read_in_segments() {
    let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 1));
    let inserted = "SELECT '2025-01-01'::timestamptz + n * interval '4 minutes', n, 'g' || n % 3 FROM generate_series(0, 299) n";
    let mut slow = Slow::made(inserted, ROW_MS, true).await;
    let readings = [by_genre(Phase::Created, 2)];
    let (outcomes, statements) = slow.read(Duration::from_millis(750), &readings, &days).await;
    let Tally::Labels(labels) = &outcomes[0].as_ref().unwrap()[0] else { panic!("{outcomes:?}") };
    assert_eq!((labels.labels, labels.total.to_string(), labels.top.len()), (3, "300".to_owned(), 2));
    assert!(statements >= 4, "{statements} statements");
    // Where all have to be read, there is a limit of labels.
    let inserted = "SELECT '2025-01-01'::timestamptz + n * interval '4 seconds', n, 'g' || n FROM generate_series(0, 19999) n";
    let mut slow = Slow::made(inserted, 0.1, true).await;
    let (outcomes, _) = slow.read(Duration::from_millis(1500), &readings, &days).await;
    let fault = outcomes[0].as_ref().unwrap_err();
    assert_eq!(fault.class, FaultClass::TooLarge, "{fault}");
    assert!(fault.message.contains("more than 10000"), "{fault}");
}

/// Rows are filtered before they are grouped, so labels of other rows do not count towards the limit.
#[tokio::test]
async fn a_breakdown_counts_only_the_labels_of_filtered_rows() {
    let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 1));
    let inserted = "SELECT '2025-01-01'::timestamptz, n, 'g' || n FROM generate_series(1, 10001) n";
    let mut slow = Slow::made(inserted, 0.0, true).await;
    let reading = Reading::Labels {
        rows: rows(genre_is("g7")),
        column: "genre".to_owned(),
        phase: Phase::Created,
        top: 10,
        aggregate: LabelAggregate::Rows,
    };
    let (outcomes, _) = slow.read(Duration::from_secs(60), &[reading], &days).await;
    let Tally::Labels(labels) = &outcomes[0].as_ref().unwrap()[0] else { panic!("{outcomes:?}") };
    assert_eq!((labels.labels, labels.total.to_string()), (1, "1".to_owned()));
}

/// The server itself ends a statement at the run's deadline, whether or not it notices that the client is gone.
#[tokio::test]
async fn a_statement_on_postgres_is_given_what_is_left_of_the_run() {
    let platform =
        platform::open(&support::fresh_database().await.parse().unwrap(), options(&Calendar::utc()));
    let schema = platform.inspect().await.unwrap();
    let sql = "SELECT setting AS value FROM pg_settings WHERE name = 'statement_timeout'";
    let readings = [Reading::Query { sql: sql.to_owned(), shape: QueryShape::Value }];
    let (_, days) = many_days(1);
    for (deadline, least, most) in
        [(Deadline::none(), 30_000.0, 30_000.0), (Deadline::after(Duration::from_secs(10)), 1.0, 10_000.0)]
    {
        let mut cut = platform.open_cut(deadline).await.unwrap();
        let outcomes = cut.read(&schema, &BTreeMap::new(), &readings, &days).await.unwrap();
        let Tally::Value(limit_ms) = &outcomes[0].as_ref().unwrap()[0] else { panic!("{outcomes:?}") };
        let limit_ms: f64 = limit_ms.to_string().parse().unwrap();
        assert!((least..=most).contains(&limit_ms), "{limit_ms} ms");
    }
}

/// The counts of many windows are made from more rows of changes than one statement may have, so they are read in parts. Each
/// day has an actor of its own, so a window counts as many actors as it has days with a row.
#[tokio::test]
async fn distinct_counts_of_many_windows_over_many_days_are_complete() {
    const WINDOWS: u32 = 70;
    let calendar = Calendar::utc();
    let days = calendar.days(date(2020, 1, 1), date(2024, 6, 30));
    let actors = (1..).zip(&days).map(|(actor, day)| Thing {
        at: day.start,
        gone: None,
        actor: Some(actor),
        genre: None,
        seconds: None,
    });
    let things: Vec<_> = actors.collect();
    assert!(
        things.len() * WINDOWS as usize > 100_000,
        "the rows of changes are not more than are held at a time"
    );
    for storage in BOTH {
        let subject = subject(storage, "UTC", &calendar, &things, true, false).await;
        let sources = BTreeMap::from([("things".to_owned(), subject.source.clone())]);
        let window = |window_days| Reading::Distinct {
            rows: vec![rows(Filter::default())],
            column: None,
            window: Window::Days(window_days),
        };
        let readings: Vec<_> = (1..=WINDOWS).map(window).collect();
        let schema = subject.platform.inspect().await.unwrap();
        let mut cut = subject.platform.open_cut(Deadline::none()).await.unwrap();
        let outcomes = cut.read(&schema, &sources, &readings, &days).await.unwrap();
        for (window, outcome) in (1..).zip(outcomes) {
            let expected = (1..).map(|day: i64| Tally::Count(day.min(window))).take(days.len());
            assert_eq!(outcome.unwrap(), expected.collect::<Vec<_>>(), "a window of {window} days");
        }
    }
}
