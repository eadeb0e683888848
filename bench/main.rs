//! The benchmark: compares the cost of Daymark with hand-written SQL for the same result, and with the SQL that is
//! commonly used for such metrics. README.md describes the measurements.

mod by_hand;
mod corrections;
mod definitions;
mod derived;
mod engine;
mod joins;
mod measures;
mod memory;
mod options;
mod report;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use by_hand::{ByHand, Values};
use engine::{Daymark, Engine};
use jiff::{
    ToSpan,
    civil::{Date, date},
};
use options::Options;
use report::{Comparison, Report, Target};

/// The last day with data.
const LAST: Date = date(2025, 12, 30);
/// The first of the 365 days that end with [`LAST`].
const YEAR: Date = date(2024, 12, 31);
/// The first of the 730 days that end with [`LAST`].
const ALL: Date = date(2024, 1, 1);

/// The number of rounds for one day. The year of the original way is extrapolated from these days.
const DAY_ROUNDS: i64 = 7;
const YEAR_ROUNDS: usize = 5;
const ACTIVE_ROUNDS: usize = 3;
const MANY_ROUNDS: i64 = 5;
/// The first of the three years that end with [`LAST`]. The platform has no rows in the first of them.
const THREE_YEARS: Date = date(2022, 12, 31);
const YEAR_DAYS: u32 = 365;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::read()?;
    let mut report = Report::default();
    if options.postgres {
        let server = std::env::var("DAYMARK_TEST_POSTGRES").context(
            "DAYMARK_TEST_POSTGRES is not set: run `make bench`, which starts a PostgreSQL server",
        )?;
        let engine = Engine::postgres(&server, options.scale, options.platform.as_deref()).await?;
        measure(&engine, &mut report).await?;
    }
    if options.sqlite {
        measure(&Engine::sqlite(options.scale).await?, &mut report).await?;
    }
    match options.json {
        true => println!("{:#}", report.json()),
        false => println!("{}", report.text()),
    }
    Ok(())
}

async fn measure(engine: &Engine, report: &mut Report) -> anyhow::Result<()> {
    report.platform(engine.name, engine.description.clone());
    let mut by_hand = ByHand::new(engine).await?;
    let original_days = days(engine, &mut by_hand, report).await?;
    year(engine, &mut by_hand, original_days, report).await?;
    active(engine, &mut by_hand, report).await?;
    measures(engine, &mut by_hand, report).await?;
    joins::measure(engine, &mut by_hand, report, (YEAR, LAST)).await?;
    derived::measure(engine, report, (YEAR, LAST)).await?;
    many(engine, report).await?;
    judged(engine, report).await?;
    corrections::measure(engine, report, YEAR, LAST).await?;
    corrections::restated(engine, report, YEAR, LAST).await?;
    memory(engine, report).await
}

/// Measures one day by Daymark and in two other ways. Returns how long each day took in the original way.
async fn days(engine: &Engine, by_hand: &mut ByHand, report: &mut Report) -> anyhow::Result<Vec<Duration>> {
    let daymark = engine.daymark(&definitions::core(engine.platform()?.as_ref()).await?).await?;
    let (mut best, mut original) = (Vec::new(), Vec::new());
    // The first round warms the caches up and is not counted.
    for round in (0..=DAY_ROUNDS).rev() {
        let day = LAST.saturating_sub(round.days());
        let slow = by_hand.original_day(day).await?;
        let hand = by_hand.best_day(day).await?;
        let ours = daymark.collect(day).await?;
        same(by_hand, &daymark, day, day).await?;
        if round < DAY_ROUNDS {
            best.push((ours, hand));
            original.push((ours, slow));
        }
    }
    daymark.remove().await?;
    let slow = original.iter().map(|round| round.1).collect();
    let one_day = |than, rounds, target| Comparison {
        engine: engine.name,
        what: "one day, 5 metrics".to_owned(),
        than,
        rounds,
        target: Some(target),
    };
    report.comparison(one_day("best SQL by hand", best, Target::AtMost(1.3)));
    report.comparison(one_day("five created_at::date counts", original, Target::TimesFaster(3.0)));
    Ok(slow)
}

/// Measures a backfill of a year. A round of the original way is extrapolated as 365 times one of its days.
async fn year(
    engine: &Engine,
    by_hand: &mut ByHand,
    original_days: Vec<Duration>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let core = definitions::core(engine.platform()?.as_ref()).await?;
    let mut best = Vec::new();
    for _ in 0..YEAR_ROUNDS {
        let daymark = engine.daymark(&core).await?;
        let hand = by_hand.best_range(YEAR, LAST).await?;
        best.push((daymark.backfill(YEAR, LAST).await?, hand));
        same(by_hand, &daymark, YEAR, LAST).await?;
        daymark.remove().await?;
    }
    let original = original_days.into_iter().zip(best.iter().cycle());
    let original = original.map(|(day, (ours, _))| (*ours, day * YEAR_DAYS)).collect();
    let year = |than, rounds, target| Comparison {
        engine: engine.name,
        what: "365 days, 5 metrics".to_owned(),
        than,
        rounds,
        target: Some(target),
    };
    report.comparison(year("best SQL by hand", best, Target::AtMost(1.5)));
    report.comparison(year("the original, day by day", original, Target::TimesFaster(500.0)));
    Ok(())
}

/// Measures a backfill of a year of distinct actors in three windows.
async fn active(engine: &Engine, by_hand: &mut ByHand, report: &mut Report) -> anyhow::Result<()> {
    let definitions = definitions::active(engine.platform()?.as_ref()).await?;
    let mut rounds = Vec::new();
    for _ in 0..ACTIVE_ROUNDS {
        let daymark = engine.daymark(&definitions).await?;
        let hand = by_hand.active_range(YEAR, LAST).await?;
        rounds.push((daymark.backfill(YEAR, LAST).await?, hand));
        same(by_hand, &daymark, YEAR, LAST).await?;
        daymark.remove().await?;
    }
    report.comparison(Comparison {
        engine: engine.name,
        what: "365 days, actors of 1, 7 and 30 days".to_owned(),
        than: "best SQL by hand",
        rounds,
        target: Some(Target::AtMost(1.3)),
    });
    Ok(())
}

/// Measures a backfill of a year of each measure of a column or of labels.
async fn measures(engine: &Engine, by_hand: &mut ByHand, report: &mut Report) -> anyhow::Result<()> {
    for case in measures::cases() {
        let definitions = definitions::of_posts(engine.platform()?.as_ref(), case.metrics).await?;
        let mut rounds = Vec::new();
        for _ in 0..ACTIVE_ROUNDS {
            let daymark = engine.daymark(&definitions).await?;
            let hand = by_hand.range((case.postgres, case.sqlite), YEAR, LAST).await?;
            rounds.push((daymark.backfill(YEAR, LAST).await?, hand));
            same(by_hand, &daymark, YEAR, LAST).await?;
            daymark.remove().await?;
        }
        report.comparison(Comparison {
            engine: engine.name,
            what: case.what.to_owned(),
            than: "best SQL by hand",
            rounds,
            target: Some(Target::AtMost(case.at_most)),
        });
    }
    Ok(())
}

/// Measures two hundred metrics of one source beside five.
async fn many(engine: &Engine, report: &mut Report) -> anyhow::Result<()> {
    let platform = engine.platform()?;
    let five = definitions::five(platform.as_ref()).await?;
    let two_hundred = definitions::two_hundred(platform.as_ref()).await?;
    let (few_day, many_day) = (engine.daymark(&five).await?, engine.daymark(&two_hundred).await?);
    let mut rounds = Vec::new();
    for round in (0..=MANY_ROUNDS).rev() {
        let day = LAST.saturating_sub(round.days());
        let few = few_day.collect(day).await?;
        let many = many_day.collect(day).await?;
        if round < MANY_ROUNDS {
            rounds.push((many, few));
        }
    }
    let compared = |what: &str, rounds, target| Comparison {
        engine: engine.name,
        what: what.to_owned(),
        than: "5 metrics of it",
        rounds,
        target,
    };
    report.comparison(compared(
        "one day, 200 metrics of posts",
        rounds,
        Some(Target::AtMost(if engine.is_postgres() { 3.0 } else { 4.0 })),
    ));
    few_day.remove().await?;
    many_day.remove().await?;
    let (few, many) = (engine.daymark(&five).await?, engine.daymark(&two_hundred).await?);
    let rounds = vec![(many.backfill(YEAR, LAST).await?, few.backfill(YEAR, LAST).await?)];
    report.comparison(compared("365 days, 200 metrics of posts", rounds, None));
    few.remove().await?;
    many.remove().await?;
    Ok(())
}

/// Measures what judging adds to the collection of two hundred metrics that have three years of records.
async fn judged(engine: &Engine, report: &mut Report) -> anyhow::Result<()> {
    let two_hundred = definitions::two_hundred(engine.platform()?.as_ref()).await?;
    let daymark = engine.daymark(&two_hundred).await?;
    daymark.backfill_with_zeros(THREE_YEARS, LAST.saturating_sub((2 * MANY_ROUNDS + 2).days())).await?;
    let mut rounds = Vec::new();
    for round in (0..=MANY_ROUNDS).rev() {
        let unjudged = daymark.observe(LAST.saturating_sub((2 * round + 1).days()), false).await?;
        let judged = daymark.observe(LAST.saturating_sub((2 * round).days()), true).await?;
        if round < MANY_ROUNDS {
            rounds.push((judged, unjudged));
        }
    }
    report.comparison(Comparison {
        engine: engine.name,
        what: "one day, 200 metrics, 3 years of records, judged".to_owned(),
        than: "not judged",
        rounds,
        target: Some(Target::AtMost(1.05)),
    });
    daymark.remove().await
}

async fn memory(engine: &Engine, report: &mut Report) -> anyhow::Result<()> {
    let platform = engine.platform()?;
    let (all, year, last) = (ALL.to_string(), YEAR.to_string(), LAST.to_string());
    let preset = engine.daymark(&definitions::preset(platform.as_ref()).await?).await?;
    let two_hundred = engine.daymark(&definitions::two_hundred(platform.as_ref()).await?).await?;
    let collect = ["collect", "--date", last.as_str()];
    report.memory(memory::peak(engine, &preset, "one day, the preset", &collect)?);
    let backfill = ["backfill", "--from", all.as_str(), "--to", last.as_str()];
    report.memory(memory::peak(engine, &preset, "730 days, the preset", &backfill)?);
    let backfill = ["backfill", "--from", year.as_str(), "--to", last.as_str()];
    report.memory(memory::peak(engine, &two_hundred, "365 days, 200 metrics", &backfill)?);
    let measures =
        [("365 days, retention", measures::RETENTION), ("365 days, quantiles", measures::QUANTILES)];
    for (what, metrics) in measures {
        let metrics = definitions::of_posts(platform.as_ref(), metrics).await?;
        let metrics = engine.daymark(&metrics).await?;
        report.memory(memory::peak(engine, &metrics, what, &backfill)?);
    }
    let labels = |filter: &str| {
        format!("[metrics.labels]\nmeasure = \"breakdown\"\nsource = \"posts\"\ncolumn = \"genre\"\n{filter}")
    };
    let wrong = engine.daymark(&definitions::of_posts(platform.as_ref(), &labels("")).await?).await?;
    wrong.backfill(ALL, LAST).await?;
    let right = labels("filter = { is_audio = true }\n");
    wrong.apply(&definitions::of_posts(platform.as_ref(), &right).await?).await?;
    let restate = ["restate", "labels", "--reason", "the benchmark", "--yes"];
    report.memory(memory::peak(engine, &wrong, "730 days of labels", &restate)?);
    Ok(())
}

/// Fails unless Daymark and the SQL by hand found the same values.
async fn same(by_hand: &mut ByHand, daymark: &Daymark, first: Date, last: Date) -> anyhow::Result<()> {
    let mut ours = Values::new();
    for record in daymark.records(first, last).await? {
        let value = by_hand::shortest(&record.value.to_string())?;
        ours.insert((record.metric_date.to_string(), record.key.category), value);
    }
    let theirs = by_hand.values().await?;
    ensure!(ours == theirs, "Daymark and the SQL written by hand disagree from {first} to {last}");
    Ok(())
}
