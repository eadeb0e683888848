//! The oracle: a naive count over the rows in Rust.

use std::collections::{BTreeSet, HashMap};

use daymark::metric::{
    Calendar, ColumnSum, DayBounds, Decimal, Extremes, Filter, Literal, Moments, Phase, Reading, Tally, Test,
    TimeFormat, TopLabels,
};
use jiff::{Timestamp, tz::TimeZone};

use crate::subject::{Thing, stored};

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
            Reading::Labels { rows, phase, top, .. } => {
                let mut counts: HashMap<Option<String>, i64> = HashMap::new();
                for thing in self
                    .things
                    .iter()
                    .filter(|thing| in_phase(thing, *phase) && Self::passes(thing, &rows.filter))
                {
                    *counts.entry(thing.genre.clone()).or_default() += 1;
                }
                let unlabelled = counts.remove(&None).unwrap_or_default();
                let named = counts.into_iter().map(|(label, count)| (label.unwrap(), Decimal::from(count)));
                Tally::Labels(TopLabels::select(named, unlabelled.into(), *top))
            }
            Reading::Distinct { rows, window_days } => {
                let first = day.date.saturating_sub(jiff::Span::new().days(i64::from(*window_days) - 1));
                let window = calendar.days(first, day.date);
                // A date column may hold a date that the zone skipped, which is in the window as well.
                let in_window = |thing: &&Thing| match self.format {
                    TimeFormat::Date => {
                        !self.before(thing.at, day.start, first)
                            && self.before(thing.at, day.end, day.date.tomorrow().unwrap())
                    }
                    _ => window.iter().any(|day| self.created(thing, day)),
                };
                let actors: BTreeSet<i64> = self
                    .things
                    .iter()
                    .filter(in_window)
                    .filter(|thing| rows.iter().any(|rows| Self::passes(thing, &rows.filter)))
                    .filter_map(|thing| thing.actor)
                    .collect();
                Tally::Count(actors.len() as i64)
            }
            Reading::Query { .. } => panic!("the oracle has no SQL"),
        }
    }
}
