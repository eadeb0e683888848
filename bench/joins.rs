//! A source that is a query with a join, beside the same measure on a view of that join: both sides are Daymark.

use anyhow::ensure;
use jiff::civil::Date;

use crate::{
    by_hand::ByHand,
    definitions,
    engine::Engine,
    report::{Comparison, Report, Target},
};

const ROUNDS: usize = 3;

const JOIN: &str =
    "SELECT p.created_at, p.duration_seconds, a.username FROM posts p JOIN profiles a ON a.id = p.author_id";
const VIEW: &str = "posts_with_authors";

/// Measures a backfill of each.
pub async fn measure(
    engine: &Engine,
    by_hand: &mut ByHand,
    report: &mut Report,
    (first, last): (Date, Date),
) -> anyhow::Result<()> {
    by_hand.make_view(VIEW, JOIN).await?;
    let platform = engine.platform()?;
    let of_query = definitions::of_posts(platform.as_ref(), &metrics(&format!("query = '{JOIN}'"))).await?;
    let of_view = definitions::of_posts(platform.as_ref(), &metrics(&format!("table = '{VIEW}'"))).await?;
    let mut rounds = Vec::new();
    // The first round warms the caches up and is not counted.
    for round in 0..=ROUNDS {
        let (query, view) = (engine.daymark(&of_query).await?, engine.daymark(&of_view).await?);
        let took = (query.backfill(first, last).await?, view.backfill(first, last).await?);
        let values = |records: Vec<daymark::metric::Record>| -> Vec<_> {
            records.into_iter().map(|record| (record.metric_date, record.value)).collect()
        };
        let (of_query, of_view) = (query.records(first, last).await?, view.records(first, last).await?);
        ensure!(
            values(of_query) == values(of_view),
            "the query and the view disagree from {first} to {last}"
        );
        query.remove().await?;
        view.remove().await?;
        if round > 0 {
            rounds.push(took);
        }
    }
    report.comparison(Comparison {
        engine: engine.name,
        what: "365 days, a sum of a source with a join".to_owned(),
        than: "the same measure on a view of it",
        rounds,
        target: Some(Target::AtMost(1.2)),
    });
    Ok(())
}

fn metrics(source: &str) -> String {
    format!(
        "[sources.joined]\n{source}\ntime_column = 'created_at'\n[metrics.seconds_of_some]\nmeasure = 'sum'\n\
         source = 'joined'\ncolumn = 'duration_seconds'\nfilter = {{ username = {{ less_than = 'member 2' }} }}\n"
    )
}
