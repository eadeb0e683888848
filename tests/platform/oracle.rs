//! The oracle: a naive count over the rows in Rust.

use std::collections::{BTreeSet, HashMap};

use daymark::metric::{
    Calendar, ColumnSum, DayBounds, Decimal, Extremes, Filter, GrowthCounts, LabelAggregate, Literal,
    Moments, Phase, QuantileOfRows, Reading, Rows, Tally, Test, TimeFormat, TopLabels, TopMeans,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::subject::{Thing, stored};

/// The labels of a day from their rows: aggregates look at the columns `seconds` and `actor`.
fn labels_of(rows: HashMap<Option<String>, Vec<&Thing>>, top: usize, aggregate: &LabelAggregate) -> Tally {
    let sum = |things: &Vec<&Thing>| {
        let seconds: Vec<_> = things.iter().filter_map(|thing| thing.seconds).collect();
        ColumnSum { count: seconds.len() as i64, sum: seconds.iter().sum::<i64>().into() }
    };
    let actors = |things: &Vec<&Thing>| {
        let actors: BTreeSet<_> = things.iter().filter_map(|thing| thing.actor).collect();
        ColumnSum { count: actors.len() as i64, sum: (actors.len() as i64).into() }
    };
    let by_label = rows.into_iter().map(|(label, things)| {
        let sum = match aggregate {
            LabelAggregate::Rows => {
                ColumnSum { count: things.len() as i64, sum: (things.len() as i64).into() }
            }
            LabelAggregate::Sum(_) | LabelAggregate::Average(_) => sum(&things),
            LabelAggregate::Distinct(_) => actors(&things),
        };
        (label, sum)
    });
    let mut by_label: HashMap<_, _> = by_label.filter(|(_, sum)| sum.count > 0).collect();
    let unlabelled = by_label.remove(&None).unwrap_or_default();
    let mut named: Vec<_> = by_label.into_iter().map(|(label, sum)| (label.unwrap(), sum)).collect();
    if !matches!(aggregate, LabelAggregate::Average(_)) {
        let named = named.into_iter().map(|(label, sum)| (label, sum.sum));
        return Tally::Labels(TopLabels::select(named, unlabelled.sum, top));
    }
    named.sort_by(|(one_label, one), (other_label, other)| {
        (other.count, one_label).cmp(&(one.count, other_label))
    });
    let total = named.iter().fold(ColumnSum::default(), |total, (_, sum)| total.add(sum));
    let labels = named.len();
    named.truncate(top);
    Tally::LabelMeans(TopMeans { top: named, labels, total, unlabelled })
}

pub struct Oracle<'a> {
    pub things: &'a [Thing],
    pub format: TimeFormat,
    pub zone: TimeZone,
    pub soft: bool,
}

impl Oracle<'_> {
    fn passes(thing: &Thing, filter: &Filter) -> bool {
        filter.0.iter().all(|condition| match &condition.test {
            Test::Equals(Literal::Text(genre)) => thing.genre.as_ref() == Some(genre),
            Test::AtLeast(Literal::Number(least)) => {
                thing.seconds.is_some_and(|seconds| Decimal::from(seconds) >= *least)
            }
            other => panic!("the oracle does not know {other:?}"),
        })
    }

    fn before(&self, instant: Timestamp, edge: Timestamp, edge_date: jiff::civil::Date) -> bool {
        match self.format {
            TimeFormat::Date => instant.to_zoned(self.zone.clone()).date() < edge_date,
            _ => stored(self.format, instant) < edge,
        }
    }

    fn ended(&self, instant: Timestamp, day: &DayBounds) -> bool {
        self.before(instant, day.end, day.next)
    }

    fn created(&self, thing: &Thing, day: &DayBounds) -> bool {
        !self.before(thing.at, day.start, day.date) && self.ended(thing.at, day)
    }

    fn existing(&self, thing: &Thing, day: &DayBounds) -> bool {
        self.ended(thing.at, day) && !(self.soft && thing.gone.is_some_and(|gone| self.ended(gone, day)))
    }

    pub fn answer(&self, reading: &Reading, day: &DayBounds, calendar: &Calendar) -> Tally {
        let in_phase = |thing: &&Thing, phase: Phase| match phase {
            Phase::Created => self.created(thing, day),
            Phase::Existing => self.existing(thing, day),
        };
        match reading {
            Reading::Count { rows, phase } => {
                let count = self
                    .things
                    .iter()
                    .filter(|thing| in_phase(thing, *phase) && Self::passes(thing, &rows.filter));
                Tally::Count(count.count() as i64)
            }
            Reading::Moments { rows, .. } => {
                let values = self
                    .things
                    .iter()
                    .filter(|thing| self.created(thing, day) && Self::passes(thing, &rows.filter));
                let sum = values.filter_map(|thing| thing.seconds).fold(Moments::zero(), |sum, x| {
                    sum.add(&Moments { count: 1, sum: x.into(), sum_of_squares: (x * x).into() })
                });
                Tally::Moments(sum)
            }
            Reading::Sum { rows, phase, .. } => {
                let values = self
                    .things
                    .iter()
                    .filter(|thing| in_phase(thing, *phase) && Self::passes(thing, &rows.filter));
                let values: Vec<_> = values.filter_map(|thing| thing.seconds).collect();
                Tally::Sum(ColumnSum {
                    count: values.len() as i64,
                    sum: Decimal::from(values.iter().sum::<i64>()),
                })
            }
            Reading::Extremes { rows, .. } => {
                let values = self
                    .things
                    .iter()
                    .filter(|thing| self.created(thing, day) && Self::passes(thing, &rows.filter));
                let values: Vec<_> = values.filter_map(|thing| thing.seconds).collect();
                Tally::Extremes(Extremes {
                    count: values.len() as i64,
                    least: values.iter().min().map(|least| (*least).into()),
                    largest: values.iter().max().map(|largest| (*largest).into()),
                })
            }
            Reading::Quantile { rows, quantile, window_days, .. } => {
                let first = day.date.saturating_sub(jiff::Span::new().days(i64::from(*window_days) - 1));
                let window = calendar.days(first, day.date);
                let in_window = |thing: &&Thing| window.iter().any(|day| self.created(thing, day));
                let things = self.things.iter().filter(in_window);
                let things = things.filter(|thing| Self::passes(thing, &rows.filter));
                let mut values: Vec<_> = things.filter_map(|thing| thing.seconds).collect();
                values.sort_unstable();
                // The definition of percentile_cont, in millionths.
                let value = (!values.is_empty()).then(|| {
                    let place = i64::from(quantile.millionths()) * (values.len() as i64 - 1);
                    let (lower, rest) = ((place / 1_000_000) as usize, place % 1_000_000);
                    let upper = if rest == 0 { lower } else { lower + 1 };
                    let scaled = values[lower] * 1_000_000 + (values[upper] - values[lower]) * rest;
                    Decimal::from(scaled).checked_div(&Decimal::from(1_000_000)).unwrap()
                });
                Tally::Quantile(QuantileOfRows { count: values.len() as i64, value })
            }
            Reading::Labels { rows, phase, top, aggregate, .. } => {
                let mut labels: HashMap<Option<String>, Vec<&Thing>> = HashMap::new();
                let things = self.things.iter();
                for thing in
                    things.filter(|thing| in_phase(thing, *phase) && Self::passes(thing, &rows.filter))
                {
                    labels.entry(thing.genre.clone()).or_default().push(thing);
                }
                labels_of(labels, *top, aggregate)
            }
            Reading::Distinct { rows, column, window } => {
                let first = window.first(day.date);
                let window = calendar.days(first, day.date);
                // A date column may hold a date that the zone skipped, which is in the window as well.
                let in_window = |thing: &&Thing| match self.format {
                    TimeFormat::Date => {
                        !self.before(thing.at, day.start, first)
                            && self.before(thing.at, day.end, day.date.tomorrow().unwrap())
                    }
                    _ => window.iter().any(|day| self.created(thing, day)),
                };
                let value = |thing: &Thing| match column.as_deref() {
                    None => thing.actor.map(|actor| actor.to_string()),
                    Some("genre") => thing.genre.clone(),
                    other => panic!("the oracle does not know {other:?}"),
                };
                let actors: BTreeSet<_> = self
                    .things
                    .iter()
                    .filter(in_window)
                    .filter(|thing| rows.iter().any(|rows| Self::passes(thing, &rows.filter)))
                    .filter_map(value)
                    .collect();
                Tally::Count(actors.len() as i64)
            }
            Reading::Retention { rows, cohort, after_days, window_days } => {
                let of_day = day.date.saturating_sub(jiff::Span::new().days(i64::from(*after_days)));
                let window = self.active(rows, (before(day, *window_days - 1), day.date), calendar);
                let cohort = match cohort {
                    Some(cohort) => self.active(std::slice::from_ref(cohort), (of_day, of_day), calendar),
                    None => self.arrived(rows, (of_day, of_day), calendar),
                };
                let retained = cohort.intersection(&window).count();
                let decimal = |count: usize| Decimal::from(count as i64);
                Tally::Ratio { numerator: decimal(retained), denominator: decimal(cohort.len()) }
            }
            Reading::Arrivals { rows, window_days } => {
                let window = (before(day, *window_days - 1), day.date);
                Tally::Count(self.arrived(rows, window, calendar).len() as i64)
            }
            Reading::Growth { rows, window_days } => {
                let window = self.active(rows, (before(day, *window_days - 1), day.date), calendar);
                let earlier = (before(day, 2 * *window_days - 1), before(day, *window_days));
                let earlier = self.active(rows, earlier, calendar);
                Tally::Growth(GrowthCounts {
                    active: window.len() as i64,
                    retained: window.intersection(&earlier).count() as i64,
                    churned: earlier.difference(&window).count() as i64,
                })
            }
            Reading::Query { .. } => panic!("the oracle has no SQL"),
        }
    }

    /// The calendar date that a row is on: of the dates that begin with the same instant, because the zone skipped all but the last,
    /// the last.
    fn date_of(&self, thing: &Thing, calendar: &Calendar) -> Date {
        match self.format {
            TimeFormat::Date => thing.at.to_zoned(self.zone.clone()).date(),
            format => calendar.date_of(stored(format, thing.at)),
        }
    }

    fn of_actors<'t>(&'t self, rows: &'t [Rows]) -> impl Iterator<Item = (i64, &'t Thing)> {
        let things = self.things.iter();
        let things = things.filter(|thing| rows.iter().any(|rows| Self::passes(thing, &rows.filter)));
        things.filter_map(|thing| Some((thing.actor?, thing)))
    }

    /// The actors with a row on the dates, both included.
    fn active(&self, rows: &[Rows], (first, last): (Date, Date), calendar: &Calendar) -> BTreeSet<i64> {
        let is_in = |thing: &Thing| (first..=last).contains(&self.date_of(thing, calendar));
        self.of_actors(rows).filter(|(_, thing)| is_in(thing)).map(|(actor, _)| actor).collect()
    }

    /// The actors whose first row is on the dates, both included.
    fn arrived(&self, rows: &[Rows], (first, last): (Date, Date), calendar: &Calendar) -> BTreeSet<i64> {
        let mut actors = self.active(rows, (first, last), calendar);
        for (actor, thing) in self.of_actors(rows) {
            if self.date_of(thing, calendar) < first {
                actors.remove(&actor);
            }
        }
        actors
    }
}

fn before(day: &DayBounds, days: u32) -> Date {
    day.date.saturating_sub(jiff::Span::new().days(i64::from(days)))
}
