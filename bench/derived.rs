//! Metrics that are computed when they are read, a moving sum and a formula, beside SQL by hand over the recorded days.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use daymark::{
    config::QuerySettings,
    metric::{Decimal, Derivation, DerivedMetric, MetricKey, MetricType, MovingFunction, Window},
    query::{self, Catalogue, SeriesQuery, SeriesRequest},
};
use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use crate::{
    definitions,
    engine::{Daymark, Engine},
    report::{Comparison, Report, Target},
};

const ROUNDS: usize = 9;
const WINDOW_DAYS: u32 = 7;

/// The sum of the window that ends with each day, and its formula of the day.
const BY_HAND: &str = "
    SELECT posts.metric_date, CAST(sum(posts.value) OVER (ORDER BY posts.metric_date ROWS 6 PRECEDING) AS TEXT),
           CAST(1.0 * comments.value / nullif(posts.value, 0) AS TEXT)
    FROM {table} AS posts
    JOIN {table} AS comments ON comments.tenant_id = posts.tenant_id AND comments.metric_date = posts.metric_date
        AND comments.metric_type = 'count' AND comments.metric_category = 'comments_created'
    WHERE posts.tenant_id = 'default' AND posts.metric_type = 'count' AND posts.metric_category = 'posts_created'
        AND posts.metric_date BETWEEN '{from}' AND '{to}'
    ORDER BY 1";

/// Measures how long a year of both takes to be read.
pub async fn measure(
    engine: &Engine,
    report: &mut Report,
    (first, last): (Date, Date),
) -> anyhow::Result<()> {
    let daymark = engine.daymark(&definitions::core(engine.platform()?.as_ref()).await?).await?;
    daymark.backfill(first, last).await?;
    let (moving, formula) = (
        Derivation::Moving {
            of: "posts_created".to_owned(),
            window: Window::Days(WINDOW_DAYS),
            function: MovingFunction::Sum,
        },
        Derivation::Formula("comments_created / posts_created".parse()?),
    );
    let derived = [derived("comments_a_post", formula), derived("posts_of_a_week", moving)];
    let catalogue = Catalogue::load(daymark.store()).await?.with_derived(&Arc::from(derived));
    let from = first.saturating_add((i64::from(WINDOW_DAYS) - 1).days());
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let (took, ours) =
            series(&daymark, &catalogue, ["posts_of_a_week", "comments_a_post"], (from, last)).await?;
        let by_hand = read_by_hand(&daymark, BY_HAND, (first, last)).await?;
        same(&ours, &by_hand.1[by_hand.1.len().saturating_sub(ours.len())..])?;
        if round > 0 {
            rounds.push((took, by_hand.0));
        }
    }
    report.comparison(Comparison {
        engine: engine.name,
        what: "reading 365 days of a moving sum and a formula".to_owned(),
        than: "SQL by hand over the records",
        rounds,
        target: Some(Target::AtMost(1.5)),
    });
    daymark.remove().await
}

fn derived(category: &str, derivation: Derivation) -> DerivedMetric {
    DerivedMetric {
        key: MetricKey { metric_type: MetricType::Aggregate, category: category.to_owned() },
        display_name: category.to_owned(),
        description: String::new(),
        unit: String::new(),
        format_pattern: "0,0".to_owned(),
        time_zone: "UTC".to_owned(),
        derivation,
        is_optional: false,
    }
}

/// Reads the values of two metrics of the catalogue by day. Returns them with the time that reading took.
async fn series(
    daymark: &Daymark,
    catalogue: &Catalogue,
    categories: [&str; 2],
    (from, to): (Date, Date),
) -> anyhow::Result<(Duration, Vec<[Option<Decimal>; 2]>)> {
    let asked = SeriesRequest {
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        categories: categories.map(str::to_owned).to_vec(),
        intervals: vec!["day".to_owned()],
        ..SeriesRequest::default()
    };
    let settings = QuerySettings { week_start: Weekday::Monday, max_points: usize::MAX };
    let started = Instant::now();
    let query = SeriesQuery::parse(&asked, catalogue, &settings, daymark.context.last_finished())?;
    let answer = query::series(&daymark.context, catalogue, &query).await?;
    let took = started.elapsed();
    let of = |category: &str| {
        answer.series.iter().find(|series| series.metric_category == category).context("a series is missing")
    };
    let [first, second] = [of(categories[0])?, of(categories[1])?];
    let pairs = first.points.iter().zip(&second.points);
    Ok((took, pairs.map(|(first, second)| [first.value.clone(), second.value.clone()]).collect()))
}

/// Runs a query of the store's own tables, which returns a date and two numbers for each day. Returns them with the time that it took.
/// `{table}` is the table of the records, and `{from}` and `{to}` are the first and the last day.
async fn read_by_hand(
    daymark: &Daymark,
    sql: &str,
    (from, to): (Date, Date),
) -> anyhow::Result<(Duration, Vec<[Option<f64>; 2]>)> {
    let sql = sql.replace("{from}", &from.to_string()).replace("{to}", &to.to_string());
    let read = |first: Option<String>, second: Option<String>| -> anyhow::Result<_> {
        let number = |text: Option<String>| text.map(|text| text.parse()).transpose();
        Ok([number(first)?, number(second)?])
    };
    let numbers = match daymark.store_url.starts_with("sqlite:") {
        true => {
            let sql = sql.replace("{table}", "daily_metrics");
            let mut connection = SqliteConnection::connect(&daymark.store_url).await?;
            let started = Instant::now();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
            (
                started.elapsed(),
                rows.iter().map(|row| read(row.get(1), row.get(2))).collect::<Result<_, _>>()?,
            )
        }
        false => {
            let sql = sql.replace("{table}", &format!("{}.daily_metrics", daymark.store_schema));
            let mut connection = PgConnection::connect(&daymark.store_url).await?;
            let started = Instant::now();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
            (
                started.elapsed(),
                rows.iter().map(|row| read(row.get(1), row.get(2))).collect::<Result<_, _>>()?,
            )
        }
    };
    Ok(numbers)
}

/// Fails unless both sides have the same values, up to a relative difference of 1e-9: SQLite divides floats.
fn same(ours: &[[Option<Decimal>; 2]], by_hand: &[[Option<f64>; 2]]) -> anyhow::Result<()> {
    ensure!(
        ours.len() == by_hand.len() && !ours.is_empty(),
        "{} days, {} by hand",
        ours.len(),
        by_hand.len()
    );
    for (ours, by_hand) in ours.iter().flatten().zip(by_hand.iter().flatten()) {
        let number: Option<f64> = ours.as_ref().map(|value| value.to_string().parse()).transpose()?;
        let is_same = match (number, by_hand) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * other.abs().max(1.0),
            (one, other) => one.is_none() && other.is_none(),
        };
        ensure!(is_same, "{ours:?} is {by_hand:?} by hand");
    }
    Ok(())
}
