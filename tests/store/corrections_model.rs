//! Random records, corrections, withdrawals and reversals, and questions about them as of every instant, compared with a plain list of
//! what happened. Both stores are asked the same.

use std::collections::BTreeMap;

use daymark::{
    metric::{Decimal, MetricType, Provenance},
    store::{
        AskedMetric, NewRevision, RevisionBasis, RevisionBatch, RevisionEffect, RevisionFilter,
        SeriesQuestion, ValuesAsked,
    },
};
use jiff::{Timestamp, ToSpan};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use uuid::Uuid;

use crate::fixture::{Fixture, day, key, noon, record};

crate::on_both_stores!(answers_are_those_of_a_plain_list_of_events);

const DAYS: i8 = 4;
const HISTORIES: usize = 12;
const LENGTH: usize = 24;

/// A step that is tried; one that makes no sense at its time is refused.
#[derive(Debug, Clone)]
enum Step {
    Record(i8, i64),
    Correct(i8, i64),
    Withdraw(i8),
    /// The revision with this number.
    TakeBack(i8, i32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let days = 1..=DAYS;
    let step = prop_oneof![
        2 => (days.clone(), 0..100_i64).prop_map(|(day, value)| Step::Record(day, value)),
        3 => (days.clone(), 0..100_i64).prop_map(|(day, value)| Step::Correct(day, value)),
        1 => days.clone().prop_map(Step::Withdraw),
        3 => (days, 1..8_i32).prop_map(|(day, number)| Step::TakeBack(day, number)),
    ];
    prop::collection::vec(step, LENGTH)
}

/// What happened to a day.
#[derive(Debug, Default, Clone)]
struct DayEvents {
    recorded: Option<(Timestamp, Decimal)>,
    /// By number; the instant, and what it did.
    revisions: Vec<(Timestamp, RevisionEffect)>,
}

impl DayEvents {
    /// The record, and the value in force: `None` where the day is not recorded, `Some(None)` where its value is withdrawn.
    fn known(&self, as_of: Timestamp) -> Option<(Decimal, Option<Decimal>)> {
        let (_, recorded) = self.recorded.as_ref().filter(|(at, _)| *at <= as_of)?;
        let known: Vec<_> = self.revisions.iter().filter(|(at, _)| *at <= as_of).collect();
        let taken_back = |number: usize| {
            let back = RevisionEffect::Reversal { takes_back: i32::try_from(number).unwrap() };
            known.iter().any(|(_, effect)| *effect == back)
        };
        let in_force = known.iter().enumerate().rev().find(|(place, (_, effect))| {
            !matches!(effect, RevisionEffect::Reversal { .. }) && !taken_back(place + 1)
        });
        let value = match in_force.map(|(_, (_, effect))| effect) {
            None => Some(recorded.clone()),
            Some(RevisionEffect::Value { value, .. }) => Some(value.clone()),
            Some(_) => None,
        };
        Some((recorded.clone(), value))
    }

    fn may_take_back(&self, number: i32) -> bool {
        let found = usize::try_from(number - 1).ok().and_then(|place| self.revisions.get(place));
        found.is_some_and(|(_, effect)| !matches!(effect, RevisionEffect::Reversal { .. }))
            && !self
                .revisions
                .iter()
                .any(|(_, effect)| *effect == RevisionEffect::Reversal { takes_back: number })
    }
}

async fn answers_are_those_of_a_plain_list_of_events(fixture: Fixture) {
    let run = fixture.ready().await;
    let mut runner = TestRunner::deterministic();
    let mut at = noon();
    for history in 0..HISTORIES {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut days: BTreeMap<i8, DayEvents> = BTreeMap::new();
        let begin = at;
        for step in &steps {
            at += 1.second();
            apply(&fixture, run, history, at, step, &mut days).await;
        }
        for offset in 0..=LENGTH {
            let as_of = begin + i64::try_from(offset).unwrap().seconds();
            compare(&fixture, history, Some(as_of), as_of, &days).await;
        }
        compare(&fixture, history, None, at, &days).await;
    }
}

fn metric() -> daymark::metric::MetricKey {
    key(MetricType::Count, "posts_total")
}

/// The histories have days of their own, the later ones before the earlier ones.
fn date(history: usize, number: i8) -> jiff::civil::Date {
    let before = i64::try_from(history).unwrap() * i64::from(DAYS);
    day(1).saturating_sub(before.days()).saturating_add(i64::from(number).days())
}

async fn apply(
    fixture: &Fixture,
    run: Uuid,
    history: usize,
    at: Timestamp,
    step: &Step,
    days: &mut BTreeMap<i8, DayEvents>,
) {
    let value = |value: &i64| Decimal::from(*value);
    let (number, effect) = match step {
        Step::Record(number, given) => {
            let new = daymark::metric::Record {
                collection_timestamp: at,
                key: metric(),
                provenance: Provenance::Reconstructed,
                ..record(run, date(history, *number), &given.to_string())
            };
            let written = fixture.store.commit(&[new], None).await.unwrap();
            let known = days.entry(*number).or_default();
            assert_eq!(written.len(), 1, "its own run recognises its record");
            known.recorded.get_or_insert((at, value(given)));
            return;
        }
        Step::Correct(number, given) => {
            (number, RevisionEffect::Value { value: value(given), metadata: serde_json::Map::new() })
        }
        Step::Withdraw(number) => (number, RevisionEffect::Withdrawal),
        Step::TakeBack(number, revision) => (number, RevisionEffect::Reversal { takes_back: *revision }),
    };
    let known = days.entry(*number).or_default();
    let is_sensible = known.recorded.is_some()
        && match &effect {
            RevisionEffect::Reversal { takes_back } => known.may_take_back(*takes_back),
            _ => true,
        };
    let revision = NewRevision {
        date: date(history, *number),
        key: metric(),
        effect: effect.clone(),
        basis: RevisionBasis::Manual,
    };
    let batch = RevisionBatch {
        id: Uuid::new_v4(),
        reason: "a test".to_owned(),
        author: "cli:test".to_owned(),
        made_at: at,
        revisions: vec![revision],
    };
    let written = fixture.store.write_revisions(&batch).await;
    assert_eq!(written.is_ok(), is_sensible, "{step:?}: {written:?}");
    if is_sensible {
        known.revisions.push((at, effect));
    }
}

async fn compare(
    fixture: &Fixture,
    history: usize,
    as_of: Option<Timestamp>,
    instant: Timestamp,
    days: &BTreeMap<i8, DayEvents>,
) {
    for as_recorded in [false, true] {
        let values = ValuesAsked { as_recorded, as_of };
        let metrics = vec![AskedMetric { key: metric(), metadata: true, judgement: false }];
        let (from, to) = (date(history, 1), date(history, DAYS));
        let question = SeriesQuestion { from, to, metrics, values };
        let found = fixture.store.series_days(&question).await.unwrap().remove(0);
        let (mut expected, mut withdrawn) = (Vec::new(), Vec::new());
        for (number, events) in days {
            let Some((recorded, in_force)) = events.known(instant) else { continue };
            match if as_recorded { Some(recorded.clone()) } else { in_force } {
                Some(value) => expected.push((date(history, *number), value, recorded)),
                None => withdrawn.push(date(history, *number)),
            }
        }
        let shown: Vec<_> = found
            .recorded
            .iter()
            .map(|day| {
                let recorded = day.correction.as_ref().map_or(&day.value, |correction| &correction.recorded);
                let is_corrected = day.provenance == Provenance::Corrected;
                assert_eq!(is_corrected, day.correction.is_some());
                (day.date, day.value.clone(), recorded.clone())
            })
            .collect();
        assert_eq!((shown, found.withdrawn), (expected.clone(), withdrawn), "{values:?} of {days:?}");
        if history == 0 {
            let newest = fixture.store.latest(&[metric()], values).await.unwrap();
            let newest =
                newest.first().map(|latest| (latest.record.metric_date, latest.record.value.clone()));
            let expected = expected.last().map(|(date, value, _)| (*date, value.clone()));
            assert_eq!(newest, expected, "{values:?} of {days:?}");
        }
    }
    let filter = RevisionFilter {
        from: Some(date(history, 1)),
        to: Some(date(history, DAYS)),
        as_of,
        limit: 1000,
        ..RevisionFilter::default()
    };
    let listed = fixture.store.revisions(&filter).await.unwrap();
    let known = days.values().flat_map(|events| &events.revisions).filter(|(at, _)| *at <= instant);
    assert_eq!(listed.len(), known.count());
}
