//! Random records, corrections, withdrawals, reversals and restatements, and questions about them as of every instant, compared with a plain list of
//! what happened. Both stores are asked the same.

use std::collections::BTreeMap;

use daymark::{
    metric::{Decimal, MetricType, Provenance},
    store::{
        AskedMetric, NewRevision, RevisionBasis, RevisionBatch, RevisionEffect, RevisionFilter,
        SeriesQuestion, TableQuery, ValuesAsked,
        table::{self, Comparison, Output, RowCondition, StoreTable},
    },
};
use jiff::{Timestamp, ToSpan, civil::Date};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::Map;
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
    /// Each day is read again, with this value. Days that agree, and those that were corrected by hand or withdrawn, get no revision.
    Restate(Vec<i64>),
    /// A correction that does not know of the last revision, or expects one more than there are.
    Late(i8, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let days = 1..=DAYS;
    let step = prop_oneof![
        2 => (days.clone(), 0..100_i64).prop_map(|(day, value)| Step::Record(day, value)),
        3 => (days.clone(), 0..100_i64).prop_map(|(day, value)| Step::Correct(day, value)),
        1 => days.clone().prop_map(Step::Withdraw),
        3 => (days.clone(), 1..8_i32).prop_map(|(day, number)| Step::TakeBack(day, number)),
        2 => prop::collection::vec(0..100_i64, usize::try_from(DAYS).unwrap()).prop_map(Step::Restate),
        1 => (days, any::<bool>()).prop_map(|(day, is_behind)| Step::Late(day, is_behind)),
    ];
    prop::collection::vec(step, LENGTH)
}

/// What happened to a day.
#[derive(Debug, Default, Clone)]
struct DayEvents {
    recorded: Option<(Timestamp, Decimal)>,
    /// By number; the instant, and what it did.
    revisions: Vec<(Timestamp, RevisionEffect)>,
    /// The numbers of those that a restatement wrote.
    restated: Vec<usize>,
}

impl DayEvents {
    /// The record, and the value in force: `None` where the day is not recorded, `Some(None)` where its value is withdrawn.
    fn known(&self, as_of: Timestamp) -> Option<(Decimal, Option<Decimal>)> {
        let (_, recorded) = self.recorded.as_ref().filter(|(at, _)| *at <= as_of)?;
        let value = match self.in_force(as_of).map(|(_, effect)| effect) {
            None => Some(recorded.clone()),
            Some(RevisionEffect::Value { value, .. }) => Some(value.clone()),
            Some(_) => None,
        };
        Some((recorded.clone(), value))
    }

    /// The number of the revision in force, and what it did.
    fn in_force(&self, as_of: Timestamp) -> Option<(usize, &RevisionEffect)> {
        let known: Vec<_> = self.revisions.iter().filter(|(at, _)| *at <= as_of).collect();
        let taken_back = |number: usize| {
            let back = RevisionEffect::Reversal { takes_back: i32::try_from(number).unwrap() };
            known.iter().any(|(_, effect)| *effect == back)
        };
        let is_in_force = |number: usize, effect: &RevisionEffect| {
            !matches!(effect, RevisionEffect::Reversal { .. }) && !taken_back(number)
        };
        let numbered = known.iter().enumerate().map(|(place, (_, effect))| (place + 1, effect));
        numbered.rev().find(|(number, effect)| is_in_force(*number, effect))
    }

    /// Whether the last revision takes back one of a restatement.
    fn takes_restatement_back(&self) -> bool {
        matches!(self.revisions.last(), Some((_, RevisionEffect::Reversal { takes_back }))
            if self.restated.contains(&usize::try_from(*takes_back).unwrap()))
    }

    /// The value that a restatement compares with; `None` where the day is not recorded, was corrected by hand or withdrawn, or where
    /// a restatement was taken back.
    fn restatable(&self, now: Timestamp) -> Option<Decimal> {
        let (_, value) = self.known(now)?;
        if self.takes_restatement_back() {
            return None;
        }
        match self.in_force(now) {
            Some((number, _)) if !self.restated.contains(&number) => None,
            _ => value,
        }
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
fn date(history: usize, number: i8) -> Date {
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
    let effect_of = |given: &i64| RevisionEffect::Value { value: value(given), metadata: Map::new() };
    let (number, effect) = match step {
        Step::Restate(values) => return restate(fixture, history, at, values, days).await,
        Step::Late(number, is_behind) => {
            let known = i32::try_from(days.entry(*number).or_default().revisions.len()).unwrap();
            let wrong = if *is_behind { known } else { known + 2 };
            let late = revision(history, *number, effect_of(&1), Some(wrong));
            fixture.store.write_revisions(&batch(at, vec![late])).await.unwrap_err();
            return;
        }
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
        Step::Correct(number, given) => (number, effect_of(given)),
        Step::Withdraw(number) => (number, RevisionEffect::Withdrawal),
        Step::TakeBack(number, revision) => (number, RevisionEffect::Reversal { takes_back: *revision }),
    };
    let known = days.entry(*number).or_default();
    let is_sensible = known.recorded.is_some()
        && match &effect {
            RevisionEffect::Reversal { takes_back } => known.may_take_back(*takes_back),
            _ => true,
        };
    let revision = revision(history, *number, effect.clone(), None);
    let written = fixture.store.write_revisions(&batch(at, vec![revision])).await;
    assert_eq!(written.is_ok(), is_sensible, "{step:?}: {written:?}");
    if is_sensible {
        known.revisions.push((at, effect));
    }
}

fn revision(history: usize, number: i8, effect: RevisionEffect, expected: Option<i32>) -> NewRevision {
    NewRevision {
        date: date(history, number),
        key: metric(),
        effect,
        basis: RevisionBasis::MANUAL,
        number: expected,
    }
}

fn batch(made_at: Timestamp, revisions: Vec<NewRevision>) -> RevisionBatch {
    RevisionBatch {
        id: Uuid::new_v4(),
        reason: "a test".to_owned(),
        author: "cli:test".to_owned(),
        made_at,
        revisions,
    }
}

/// One batch, with a revision of each day that the values differ on.
async fn restate(
    fixture: &Fixture,
    history: usize,
    at: Timestamp,
    values: &[i64],
    days: &mut BTreeMap<i8, DayEvents>,
) {
    let mut revisions = Vec::new();
    for (number, value) in (1..=DAYS).zip(values) {
        let (known, value) = (days.entry(number).or_default(), Decimal::from(*value));
        if known.restatable(at).is_none_or(|before| before == value) {
            continue;
        }
        let effect = RevisionEffect::Value { value, metadata: Map::new() };
        known.revisions.push((at, effect.clone()));
        known.restated.push(known.revisions.len());
        let expected = i32::try_from(known.revisions.len()).unwrap();
        let basis = RevisionBasis::Reconstruction { definition_version: 1 };
        revisions.push(NewRevision { basis, ..revision(history, number, effect, Some(expected)) });
    }
    let count = revisions.len();
    let written = fixture.store.write_revisions(&batch(at, revisions)).await.unwrap();
    assert_eq!(written.len(), count);
    assert!(written.iter().all(|revision| revision.is_in_force), "{written:?}");
}

/// The rows of `/rest/v1/daily_metrics` and of `daily_metrics_as_of`: a withdrawn day has none.
async fn compare_rows(
    fixture: &Fixture,
    history: usize,
    as_of: Option<Timestamp>,
    expected: &[(Date, Decimal)],
) {
    let column = |name| StoreTable::DailyMetrics.column(name).unwrap();
    let output = |name| Output { column: column(name), alias: None, as_text: true };
    let between = |comparison, day| RowCondition::Compare {
        column: column("metric_date"),
        comparison,
        value: table::Value::Date(date(history, day)),
    };
    let query = TableQuery {
        table: StoreTable::DailyMetrics,
        columns: vec![output("metric_date"), output("value")],
        condition: RowCondition::All(vec![
            between(Comparison::GreaterOrEqual, 1),
            between(Comparison::LessOrEqual, DAYS),
        ]),
        order: Vec::new(),
        limit: 100,
        offset: 0,
        max_bytes: 1 << 20,
        count: false,
        as_of,
    };
    let page = fixture.store.table(&query).await.unwrap().json.unwrap();
    let rows: Vec<BTreeMap<String, String>> = serde_json::from_str(&page).unwrap();
    let shown: Vec<_> =
        rows.iter().map(|row| (row["metric_date"].parse().unwrap(), row["value"].parse().unwrap())).collect();
    assert_eq!(shown, expected, "{as_of:?}");
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
        if !as_recorded {
            let rows: Vec<_> = expected.iter().map(|(date, value, _)| (*date, value.clone())).collect();
            compare_rows(fixture, history, as_of, &rows).await;
        }
        if history == 0 {
            let newest = fixture.store.latest(&[metric()], values).await.unwrap();
            let newest =
                newest.first().map(|latest| (latest.record.metric_date, latest.record.value.clone()));
            let expected = expected.last().map(|(date, value, _)| (*date, value.clone()));
            assert_eq!(newest, expected, "{values:?} of {days:?}");
        }
    }
    if as_of.is_none() {
        let last =
            fixture.store.last_revisions(&metric(), date(history, 1), date(history, DAYS)).await.unwrap();
        let expected: BTreeMap<_, _> = days
            .iter()
            .filter(|(_, events)| !events.revisions.is_empty())
            .map(|(number, events)| {
                let last = i32::try_from(events.revisions.len()).unwrap();
                (date(history, *number), (last, events.takes_restatement_back()))
            })
            .collect();
        let found: BTreeMap<_, _> =
            last.iter().map(|(date, last)| (*date, (last.number, last.takes_reconstruction_back))).collect();
        assert_eq!(found, expected, "{days:?}");
    }
    let filter = RevisionFilter {
        from: Some(date(history, 1)),
        to: Some(date(history, DAYS)),
        as_of,
        limit: 1000,
        ..RevisionFilter::default()
    };
    let listed = fixture.store.revisions(&filter).await.unwrap();
    let in_force: BTreeMap<_, _> = days
        .iter()
        .filter_map(|(number, events)| Some((date(history, *number), events.in_force(instant)?.0)))
        .collect();
    let found: BTreeMap<_, _> = listed
        .iter()
        .filter(|revision| revision.is_in_force)
        .map(|revision| (revision.date, usize::try_from(revision.revision).unwrap()))
        .collect();
    assert_eq!(found, in_force, "{as_of:?} of {days:?}");
    let known = days.values().flat_map(|events| &events.revisions).filter(|(at, _)| *at <= instant);
    assert_eq!(listed.len(), known.count());
}
