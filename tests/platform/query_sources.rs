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
use jiff::civil::date;
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
        if world.platform.location().starts_with("sqlite") {
            let schema = world.platform.inspect().await.unwrap();
            let mut cut = world.platform.open_cut(Deadline::none()).await.unwrap();
            for answer in cut.read(&schema, &sources, &readings, &days()).await.unwrap() {
                assert!(answer.unwrap_err().message.contains("a single SELECT"));
            }
            assert!(cut.earliest(&sources["s"]).await.is_err());
        }
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

/// A day of many is read by the index of the table underneath, on both databases.
#[tokio::test]
async fn a_day_of_a_join_is_read_by_the_index_of_its_table() {
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
        let (definitions, _, schema) = world.resolve(JOIN).await;
        let mut cut = world.platform.open_cut(Deadline::none()).await.unwrap();
        for definition in definitions.iter().filter(|definition| definition.category != "lifetime") {
            let readings = definition.measure.readings();
            let plans = cut.explain(&schema, &definition.sources, &readings, &days()[..1]).await.unwrap();
            let plan = plans[0].as_ref().unwrap();
            assert!(plan.contains("payments_paid_at"), "{}: {plan}", definition.category);
        }
        let readings: Vec<_> =
            definitions.iter().flat_map(|definition| definition.measure.readings()).collect();
        let answers = cut.read(&schema, &definitions[0].sources, &readings, &days()).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
}
