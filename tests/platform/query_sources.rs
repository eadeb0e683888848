//! Sources that are queries, and columns through foreign keys: what they read, which index they use, and what is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use daymark::{
    config::{Config, Environment, Finding, GivenFlags, load},
    database::Deadline,
    metric::{Calendar, DayBounds, Definition, Filter, Phase, Reading, Rows, Source, Window},
    platform::{self, Platform, Schema},
};
use jiff::{ToSpan, civil::date};
use sqlx::{AssertSqlSafe, Connection};

use crate::{
    subject::{options, source},
    support,
};

/// Two days of payments in two shops, one of which has no category.
const TABLES: &str = "
    CREATE TABLE categories (id integer PRIMARY KEY, name text, rank integer);
    INSERT INTO categories VALUES (1, 'Books', 7), (2, 'Games', 9);
    CREATE TABLE shops (id integer PRIMARY KEY, name text, category_id integer REFERENCES categories (id));
    INSERT INTO shops VALUES (1, 'north', 1), (2, 'south', NULL);
    CREATE TABLE payments (id integer PRIMARY KEY, shop_id integer REFERENCES shops (id), amount integer, paid_at TIME_TYPE,
        buyer_id integer);
    CREATE INDEX payments_paid_at ON payments (paid_at);
    INSERT INTO payments VALUES (1, 1, 10, '2025-01-01 10:00:00', 1), (2, 1, -4, '2025-01-01 11:00:00', 2),
        (3, 2, 7, '2025-01-01 12:00:00', 1), (4, NULL, 5, '2025-01-02 00:00:00', 3), (5, 2, 1, '2025-01-02 23:59:59', 3);";

struct World {
    platform: Arc<dyn Platform>,
    directory: tempfile::TempDir,
}

impl World {
    async fn both() -> [Self; 2] {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite:{}", directory.path().join("platform.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&format!("{sqlite}?mode=rwc")).await.unwrap();
        let tables = TABLES.replace("TIME_TYPE", "TEXT");
        sqlx::raw_sql(AssertSqlSafe(tables)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let postgres = support::fresh_database().await;
        let mut connection = sqlx::PgConnection::connect(&postgres).await.unwrap();
        let tables = TABLES.replace("TIME_TYPE", "timestamp");
        sqlx::raw_sql(AssertSqlSafe(tables)).execute(&mut connection).await.unwrap();
        let open = |url: &str| platform::open(&url.parse().unwrap(), options(&Calendar::utc()));
        [
            Self { platform: open(&sqlite), directory },
            Self { platform: open(&postgres), directory: tempfile::tempdir().unwrap() },
        ]
    }

    async fn run(&self, sql: &'static str) {
        let location = self.platform.location();
        if location.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&location).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&location).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }

    fn config(&self, text: &str) -> Result<Config, String> {
        let file = self.directory.path().join("daymark.toml");
        std::fs::write(&file, format!("preset = \"none\"\n{text}")).unwrap();
        load(Some(Path::new(&file)), &GivenFlags::new(), &Environment::new())
            .map_err(|error| error.to_string())
    }

    async fn resolve(&self, text: &str) -> (Vec<Definition>, Vec<Finding>, Schema) {
        let config = self.config(text).unwrap();
        let schema = self.platform.inspect_with(&config.source_queries()).await.unwrap();
        let detected = self.platform.detect_time_formats(&config.columns_to_detect(&schema)).await.unwrap();
        let resolved = config.resolve(&schema, &detected);
        (resolved.definitions, resolved.findings, schema)
    }

    /// The values of each metric on the two days.
    async fn values(&self, text: &str) -> BTreeMap<String, Vec<String>> {
        let (definitions, findings, schema) = self.resolve(text).await;
        assert!(findings.iter().all(|finding| !finding.is_error()), "{findings:?}");
        let mut cut = self.platform.open_cut(Deadline::none()).await.unwrap();
        let mut values = BTreeMap::new();
        for definition in &definitions {
            let readings = definition.measure.readings();
            let answers = cut.read(&schema, &definition.sources, &readings, &days()).await.unwrap();
            let value = |day: usize| {
                let tallies: Vec<_> = answers.iter().map(|answer| &answer.as_ref().unwrap()[day]).collect();
                let seen = definition.evaluate(&tallies).unwrap();
                match seen.metadata.get("breakdown") {
                    Some(breakdown) => breakdown.to_string(),
                    None => seen.value.to_string(),
                }
            };
            values.insert(definition.category.clone(), (0..2).map(value).collect());
        }
        values
    }
}

fn days() -> Vec<DayBounds> {
    Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 2))
}

const JOIN: &str = r#"
[sources.payments]
query = """
SELECT p.amount, p.paid_at, p.buyer_id, upper(s.name) AS shop_name
FROM payments p JOIN shops s ON s.id = p.shop_id -- payments without a shop are left out
"""
time_column = "paid_at"
actor_column = "buyer_id"

[metrics.revenue]
measure = "sum"
source = "payments"
column = "amount"

[metrics.lifetime]
measure = "sum"
source = "payments"
column = "amount"
of = "existing"

[metrics.payments_made]
measure = "created"
source = "payments"
filter = { shop_name = "NORTH" }

[metrics.largest]
measure = "maximum"
source = "payments"
column = "amount"

[metrics.mean]
measure = "average"
source = "payments"
column = "amount"

[metrics.buyers]
measure = "distinct_actors"
source = "payments"
window_days = 2

[metrics.shops]
measure = "breakdown"
source = "payments"
column = "shop_name"

[metrics.smallest]
measure = "minimum"
source = "payments"
column = "amount"

[metrics.median]
measure = "median"
source = "payments"
column = "amount"

[metrics.high]
measure = "quantile"
quantile = 0.95
source = "payments"
column = "amount"
window_days = 2

[metrics.shop_names]
measure = "distinct"
source = "payments"
column = "shop_name"

[metrics.share_of_north]
measure = "ratio"
numerator = { measure = "created", source = "payments", filter = { shop_name = "NORTH" } }
denominator = { measure = "created", source = "payments" }

[metrics.revenue_by_shop]
measure = "breakdown"
source = "payments"
column = "shop_name"
sum = "amount"

[metrics.mean_by_shop]
measure = "breakdown"
source = "payments"
column = "shop_name"
average = "amount"

[metrics.buyers_by_shop]
measure = "breakdown"
source = "payments"
column = "shop_name"
distinct = "buyer_id"

[metrics.new_buyers]
measure = "growth"
state = "new"
source = "payments"

[metrics.lost_buyers]
measure = "growth"
state = "churned"
source = "payments"

[metrics.buyers_of_south]
measure = "retention"
source = "payments"
cohort = { source = "payments", filter = { shop_name = "SOUTH" } }
after_days = 0
"#;

#[tokio::test]
async fn every_measure_reads_a_join_with_expressions() {
    for world in World::both().await {
        let values = world.values(JOIN).await;
        let of = |category: &str| values[category].clone();
        assert_eq!(of("revenue"), ["13", "1"]);
        assert_eq!(of("lifetime"), ["13", "14"]);
        assert_eq!(of("payments_made"), ["2", "0"]);
        assert_eq!(of("largest"), ["10", "1"]);
        assert_eq!(of("mean"), ["4.333333333333", "1"]);
        assert_eq!(of("buyers"), ["2", "3"]);
        assert_eq!(of("shops"), [r#"{"NORTH":2,"SOUTH":1}"#, r#"{"SOUTH":1}"#]);
        assert_eq!(of("smallest"), ["-4", "1"]);
        assert_eq!(of("median"), ["7", "1"]);
        assert_eq!(of("high"), ["9.7", "9.55"]);
        assert_eq!(of("shop_names"), ["2", "1"]);
        assert_eq!(of("share_of_north"), ["66.666666666667", "0"]);
        let json = |texts: Vec<String>| -> Vec<serde_json::Value> {
            texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
        };
        let labels = |north: i64, south: i64| serde_json::json!({"NORTH": north, "SOUTH": south});
        let only = serde_json::json!({"SOUTH": 1});
        assert_eq!(json(of("revenue_by_shop")), [labels(6, 7), only.clone()]);
        assert_eq!(json(of("mean_by_shop")), [labels(3, 7), only.clone()]);
        assert_eq!(json(of("buyers_by_shop")), [labels(2, 1), only]);
        assert_eq!(of("new_buyers"), ["2", "1"]);
        assert_eq!(of("lost_buyers"), ["0", "2"]);
        assert_eq!(of("buyers_of_south"), ["100", "100"]);
    }
}

/// Texts, durations and amounts of money are not numbers, but a query can make numbers of them.
#[tokio::test]
async fn a_column_that_is_no_number_is_refused_with_a_way_to_make_one() {
    for world in World::both().await {
        let is_sqlite = world.platform.location().starts_with("sqlite");
        world
            .run(match is_sqlite {
                true => "CREATE TABLE calls (at TEXT, took TEXT, paid TEXT); INSERT INTO calls VALUES ('2025-01-01 10:00:00', '90', '2.5')",
                false => "CREATE TABLE calls (at timestamp, took interval, paid money); INSERT INTO calls VALUES ('2025-01-01 10:00', '90 s', 2.5)",
            })
            .await;
        let text = |took: &str, paid: &str| {
            format!(
                "[sources.calls]\nquery = \"SELECT at, {took}, {paid} FROM calls\"\ntime_column = \"at\"\n\
                 [metrics.took]\nmeasure = \"sum\"\nsource = \"calls\"\ncolumn = \"took\"\n\
                 [metrics.paid]\nmeasure = \"maximum\"\nsource = \"calls\"\ncolumn = \"paid\"\n"
            )
        };
        let (_, findings, _) = world.resolve(&text("took", "paid")).await;
        let mut hints: Vec<_> = findings.iter().filter_map(|finding| finding.hint.as_deref()).collect();
        hints.sort_by_key(|hint| !hint.contains("took"));
        let expected = match is_sqlite {
            true => ["CAST(took AS REAL)", "CAST(paid AS REAL)"],
            false => ["extract(epoch FROM took)", "paid::numeric"],
        };
        assert_eq!(hints, expected.map(|number| format!("let the query select {number}")), "{findings:?}");
        let [took, paid] = expected;
        let values = world.values(&text(&format!("{took} AS took"), &format!("{paid} AS paid"))).await;
        assert_eq!((&values["took"][0], &values["paid"][0]), (&"90".to_owned(), &"2.5".to_owned()));
    }
}

#[tokio::test]
async fn a_column_is_read_through_a_foreign_key_and_check_explains_the_join() {
    let text = r#"
[sources.shops]
table = "payments"
time_column = "paid_at"
[metrics.by_shop]
measure = "breakdown"
source = "shops"
column = "shop.name"
[metrics.by_shop_of]
measure = "breakdown"
source = "shops"
column = "shop_id.name"
of = "existing"
[metrics.category_ids]
measure = "sum"
source = "shops"
column = "shops.category_id"
"#;
    for world in World::both().await {
        let (_, findings, _) = world.resolve(text).await;
        let notes: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert!(
            notes.iter().any(|note| note
                .starts_with("`shop.name` is read from `shops`, joined by `payments.shop_id` = `shops.id`")),
            "{notes:?}"
        );
        let values = world.values(text).await;
        assert_eq!(values["by_shop"], [r#"{"north":2,"south":1}"#, r#"{"south":1}"#]);
        assert_eq!(values["by_shop_of"], [r#"{"north":2,"south":1}"#, r#"{"north":2,"south":2}"#]);
        assert_eq!(values["category_ids"], ["2", "0"], "a missing shop or category is NULL");
        for (column, why) in [
            ("shop.nmae", "table `shops` has no column `nmae`"),
            ("seller.name", "`payments` has no foreign key that is called `seller`"),
        ] {
            let (_, findings, _) = world.resolve(&text.replace("shop_id.name", column)).await;
            assert!(
                findings.iter().any(|finding| finding.is_error() && finding.message == why),
                "{findings:?}"
            );
        }
    }
}

/// Filters of metrics and of sources, times and actors may be those of the table that a foreign key leads to.
#[tokio::test]
async fn filters_times_and_actors_are_read_through_a_foreign_key() {
    let text = r#"
[sources.payments]
table = "payments"
time_column = "paid_at"
[metrics.north]
measure = "created"
source = "payments"
filter = { shop.name = "north" }
[metrics.north_amount]
measure = "sum"
source = "payments"
column = "amount"
filter = { "shop.name" = ["north", "west"], "shop.category_id" = { at_least = 1 } }
[metrics.north_shops]
measure = "breakdown"
source = "payments"
column = "shop.name"
distinct = "shop.name"
[metrics.north_shops.filter]
shop.name = { not_equals = "south" }
[sources.of_books]
table = "payments"
time_column = "paid_at"
filter = { shop_id.category_id = { is_null = false } }
[metrics.in_books]
measure = "existing"
source = "of_books"
[sources.items]
table = "items"
time_column = "payment.paid_at"
actor_column = "payment.buyer_id"
[metrics.items_sold]
measure = "created"
source = "items"
[metrics.items_total]
measure = "existing"
source = "items"
[metrics.buyers_of_items]
measure = "distinct_actors"
sources = ["items", "paid"]
[sources.paid]
table = "payments"
time_column = "paid_at"
actor_column = "buyer_id"
"#;
    for world in World::both().await {
        world
            .run(
                "CREATE TABLE items (id integer PRIMARY KEY, payment_id integer REFERENCES payments (id));
                   INSERT INTO items VALUES (1, 1), (2, 1), (3, 2), (4, 5), (5, NULL);",
            )
            .await;
        let values = world.values(text).await;
        let of = |category: &str| values[category].clone();
        assert_eq!(of("north"), ["2", "0"]);
        assert_eq!(of("north_amount"), ["6", "0"]);
        assert_eq!(of("north_shops"), [r#"{"north":1}"#, "{}"]);
        assert_eq!(of("in_books"), ["2", "2"]);
        assert_eq!(of("items_sold"), ["3", "1"]);
        assert_eq!(of("items_total"), ["3", "4"], "an item without a payment has no time");
        assert_eq!(of("buyers_of_items"), ["2", "1"]);
        for (filter, why) in [
            ("shop.nmae = 'x'", "table `shops` has no column `nmae`"),
            ("shop.name = 3", "`shop.name` is of type"),
            ("seller.name = 'x'", "`payments` has no foreign key that is called `seller`"),
        ] {
            let wrong =
                text.replace("filter = { shop.name = \"north\" }", &format!("filter = {{ {filter} }}"));
            let (_, findings, _) = world.resolve(&wrong).await;
            let found = findings.iter().any(|finding| finding.is_error() && finding.message.starts_with(why));
            assert!(found, "{filter}: {findings:?}");
        }
    }
}

#[tokio::test]
async fn what_a_source_must_not_be_is_refused() {
    for world in World::both().await {
        let of = |source: &str| {
            format!(
                "[sources.s]\n{source}\ntime_column = 'paid_at'\n[metrics.m]\nmeasure = 'created'\nsource = 's'\n"
            )
        };
        for (source, why) in [
            ("query = 'SELECT * FROM payments WHERE paid_at >= {day_start}'", "has no placeholders"),
            ("query = 'SELECT 1'\ntable = 'payments'", "has `query` or `table`, not both"),
            ("query = 'SELECT 1'\nschema = 'public'", "has `query` or `schema`, not both"),
            ("query = ' ; '", "the query is empty"),
            ("schema = 'public'", "`table` is missing"),
        ] {
            let problems = world.config(&of(source)).unwrap_err();
            assert!(problems.contains(why), "{source}: {problems}");
        }
        for (query, why) in [
            ("DELETE FROM payments", "cannot be read"),
            ("SELECT * FROM payments; SELECT 1", "cannot be read"),
            ("SELECT * FROM payments) AS a; DELETE FROM payments; SELECT (1", "cannot be read"),
            ("SELECT * FROM payments) AS a, (SELECT 1", "cannot be read"),
            ("WITH gone AS (DELETE FROM payments RETURNING *) SELECT * FROM gone", "cannot be read"),
            ("SELECT * FROM nothing", "cannot be read"),
            ("SELECT amount FROM payments", "the query returns no column `paid_at`"),
        ] {
            let (definitions, findings, _) = world.resolve(&of(&format!("query = '{query}'"))).await;
            assert!(definitions.is_empty());
            let found = findings.iter().any(|finding| finding.is_error() && finding.message.contains(why));
            assert!(found, "{query}: {findings:?}");
        }
        // A query that did not come from a checked file is refused as well, and only its own readings fail.
        let unsound = "SELECT * FROM payments) AS a; DELETE FROM payments; SELECT (1";
        let format = daymark::metric::TimeFormat::IsoUtc;
        let broken = Source { query: Some(unsound.to_owned()), ..source(format, "UTC", false) };
        let sources = BTreeMap::from([("s".to_owned(), broken)]);
        let rows = Rows { source: "s".to_owned(), filter: Filter::default() };
        let readings = [
            Reading::Count { rows: rows.clone(), phase: Phase::Created },
            Reading::Distinct { rows: vec![rows], column: None, window: Window::Days(1) },
        ];
        let schema = world.platform.inspect().await.unwrap();
        let mut cut = world.platform.open_cut(Deadline::none()).await.unwrap();
        for answer in cut.read(&schema, &sources, &readings, &days()).await.unwrap() {
            assert!(answer.unwrap_err().message.contains("a single SELECT"));
        }
        assert!(cut.earliest(&sources["s"]).await.is_err());
        assert_eq!(world.values(JOIN).await["revenue"], ["13", "1"], "nothing was deleted");
    }
}

/// What a query reads may be out of date as what a table is a view of.
#[tokio::test]
async fn the_relations_of_a_query_and_of_a_join_are_known() {
    let [_, world] = World::both().await;
    let mut text = JOIN.to_owned();
    text += "[sources.plain]\ntable = 'payments'\ntime_column = 'paid_at'\n[metrics.joined]\nmeasure = 'breakdown'\n\
             source = 'plain'\ncolumn = 'shop.name'\n";
    let (definitions, ..) = world.resolve(&text).await;
    let mut cut = world.platform.open_cut(Deadline::none()).await.unwrap();
    for definition in
        definitions.iter().filter(|definition| ["revenue", "joined"].contains(&&*definition.category))
    {
        let readings = definition.measure.readings();
        let found = cut.relations(&definition.sources, &readings, &days()[0]).await.unwrap();
        let expected: BTreeSet<_> =
            ["payments", "shops"].map(|table| format!("\"public\".\"{table}\"")).into();
        assert_eq!(found[0].as_ref().unwrap(), &expected, "{}", definition.category);
    }
}

/// The same join with a time until which its rows count.
const UNTIL: &str = r#"
[sources.held]
query = """
SELECT p.amount, p.paid_at, CASE WHEN p.id % 2 = 0 THEN p.paid_at END AS refunded_at, s.name AS shop_name
FROM payments p JOIN shops s ON s.id = p.shop_id
"""
time_column = "paid_at"
deleted_column = "refunded_at"

[metrics.held]
measure = "existing"
source = "held"

[metrics.held_amount]
measure = "sum"
source = "held"
column = "amount"
of = "existing"

[metrics.held_by_shop]
measure = "breakdown"
source = "held"
column = "shop_name"
of = "existing"

[metrics.held_by_shop_amount]
measure = "breakdown"
source = "held"
column = "shop_name"
sum = "amount"
of = "existing"
"#;

/// A day of many, and the days of a backfill, are read by the index of the table underneath, on both databases. What existed at the
/// end of a day is read by it too, as far as the rows up to that day are few.
#[tokio::test]
async fn days_of_a_join_are_read_by_the_index_of_its_table() {
    for world in World::both().await {
        let location = world.platform.location();
        if location.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&location).await.unwrap();
            let more = "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                INSERT INTO payments SELECT i, 1 + i % 2, i % 50, datetime('2020-01-01', i || ' hours'), i % 9 FROM n; ANALYZE";
            sqlx::raw_sql(more).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&location).await.unwrap();
            let more = "INSERT INTO payments SELECT i, 1 + i % 2, i % 50, timestamp '2020-01-01' + i * interval '1 hour', i % 9
                FROM generate_series(100, 20000) AS i; ANALYZE";
            sqlx::raw_sql(more).execute(&mut connection).await.unwrap();
        }
        let (definitions, _, schema) = world.resolve(&format!("{JOIN}{UNTIL}")).await;
        let mut cut = world.platform.open_cut(Deadline::none()).await.unwrap();
        // These read all rows up to the last day.
        let reads_all = |definition: &Definition| {
            ["lifetime", "new_buyers"].contains(&&*definition.category)
                || definition.category.starts_with("held")
        };
        let between = |from, to| Calendar::utc().days(from, to);
        let in_the_middle = [(date(2021, 3, 30), 1), (date(2021, 6, 1), 30)];
        let at_the_beginning = [(date(2020, 1, 8), 1), (date(2020, 1, 8), 7)];
        for (of_all, (first, length)) in in_the_middle
            .map(|days| (false, days))
            .into_iter()
            .chain(at_the_beginning.map(|days| (true, days)))
        {
            let range = between(first, first.saturating_add((length - 1).days()));
            for definition in definitions.iter().filter(|definition| of_all || !reads_all(definition)) {
                let readings = definition.measure.readings();
                let plans = cut.explain(&schema, &definition.sources, &readings, &range).await.unwrap();
                for plan in plans {
                    let plan = plan.unwrap();
                    let name = &definition.category;
                    assert!(
                        plan.contains("payments_paid_at"),
                        "{name} from {first} for {length} days: {plan}"
                    );
                }
            }
        }
        for definition in &definitions {
            let readings = definition.measure.readings();
            let answers = cut.read(&schema, &definition.sources, &readings, &days()).await.unwrap();
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }
    }
}
