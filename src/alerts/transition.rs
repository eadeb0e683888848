//! The next state of a rule: a function of its former state, of the result of its evaluation and of the time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::evaluation::Evaluation;
use crate::store::{AlertState, AlertStatus};

/// How long an alert is shown as resolved.
const RESOLVED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The longest summary that the store takes, in characters.
const MAX_SUMMARY_CHARS: usize = 4096;

/// The state of `rule` after an evaluation; the same as `previous` if nothing has changed.
pub fn next_state(
    rule: &str,
    holds_for: SignedDuration,
    previous: Option<&AlertState>,
    found: &Evaluation,
    now: Timestamp,
) -> AlertState {
    let fresh = AlertState {
        rule: rule.to_owned(),
        status: AlertStatus::Normal,
        since: now,
        started_at: None,
        summary: String::new(),
        fired_as: None,
        told: BTreeMap::new(),
        is_silenced: false,
        revision: 0,
    };
    let before = previous.unwrap_or(&fresh);
    let status = next_status(before, holds_for, found, now);
    let started_at = match status {
        AlertStatus::Pending | AlertStatus::Firing => held_since(before).or(Some(now)),
        AlertStatus::Resolved => before.started_at,
        // A pending alert stays pending until its condition can be evaluated again.
        AlertStatus::NoData | AlertStatus::Error => held_since(before),
        AlertStatus::Normal => None,
    };
    AlertState {
        status,
        since: if status == before.status { before.since } else { now },
        started_at,
        summary: summary(before, status, found),
        ..before.clone()
    }
}

/// The time since which no evaluation has found that the condition does not hold; `None` if the last one has.
fn held_since(state: &AlertState) -> Option<Timestamp> {
    match state.status {
        AlertStatus::Pending | AlertStatus::Firing | AlertStatus::NoData | AlertStatus::Error => {
            state.started_at
        }
        AlertStatus::Normal | AlertStatus::Resolved => None,
    }
}

fn next_status(
    before: &AlertState,
    holds_for: SignedDuration,
    found: &Evaluation,
    now: Timestamp,
) -> AlertStatus {
    use AlertStatus::{Error, Firing, NoData, Normal, Pending, Resolved};
    match (found, before.status) {
        // A firing alert ends only when its condition was found not to hold.
        (Evaluation::Holds(_) | Evaluation::NoData(_) | Evaluation::Error(_), Firing) => Firing,
        (Evaluation::Holds(_), _) => {
            let started = held_since(before).unwrap_or(now);
            if now.duration_since(started) >= holds_for { Firing } else { Pending }
        }
        (Evaluation::NoData(_), _) => NoData,
        (Evaluation::Error(_), _) => Error,
        (Evaluation::Clear(_), Firing) => Resolved,
        (Evaluation::Clear(_), Resolved) if now.duration_since(before.since) < RESOLVED_FOR => Resolved,
        (Evaluation::Clear(_), _) => Normal,
    }
}

/// An alert that fires or is resolved keeps the summary of what it fired for.
fn summary(before: &AlertState, status: AlertStatus, found: &Evaluation) -> String {
    let (Evaluation::Holds(text)
    | Evaluation::Clear(text)
    | Evaluation::NoData(text)
    | Evaluation::Error(text)) = found;
    match (status, found) {
        (AlertStatus::Firing, Evaluation::Holds(_)) => {}
        (AlertStatus::Firing | AlertStatus::Resolved, _) => return before.summary.clone(),
        _ => {}
    }
    text.chars().take(MAX_SUMMARY_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: &str = "day_missing";

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn observation(kind: u8) -> Evaluation {
        match kind {
            0 => Evaluation::Holds("it holds".to_owned()),
            1 => Evaluation::Clear("it does not".to_owned()),
            2 => Evaluation::NoData("nothing is known".to_owned()),
            _ => Evaluation::Error("it is wrong".to_owned()),
        }
    }

    /// The states after each of the observations, which are given with their minutes.
    fn states(holds_for_minutes: i64, found: &[(i64, u8)]) -> Vec<AlertState> {
        let mut states: Vec<AlertState> = Vec::new();
        for (minute, kind) in found {
            let holds_for = SignedDuration::from_mins(holds_for_minutes);
            states.push(next_state(RULE, holds_for, states.last(), &observation(*kind), at(*minute)));
        }
        states
    }

    fn statuses(holds_for_minutes: i64, found: &[(i64, u8)]) -> Vec<AlertStatus> {
        states(holds_for_minutes, found).iter().map(|state| state.status).collect()
    }

    #[test]
    fn an_alert_is_pending_fires_and_is_resolved() {
        use AlertStatus::{Error, Firing, NoData, Normal, Pending, Resolved};
        let found = [
            (0, 1),
            (1, 0),
            (30, 0),
            (61, 0),
            (70, 2),
            (71, 3),
            (72, 0),
            (80, 1),
            (90, 1),
            (80 + 24 * 60, 1),
        ];
        assert_eq!(
            statuses(60, &found),
            [Normal, Pending, Pending, Firing, Firing, Firing, Firing, Resolved, Resolved, Normal]
        );
        assert_eq!(statuses(0, &[(0, 0), (1, 1), (2, 0)]), [Firing, Resolved, Firing]);
        assert_eq!(
            statuses(5, &[(0, 0), (1, 1), (2, 0), (6, 0), (7, 0)]),
            [Pending, Normal, Pending, Pending, Firing]
        );
        assert_eq!(statuses(0, &[(0, 2), (1, 3), (2, 0)]), [NoData, Error, Firing]);
        assert_eq!(
            statuses(60, &[(0, 0), (30, 2), (40, 3), (59, 0), (60, 0)]),
            [Pending, NoData, Error, Pending, Firing],
            "a time without data does not end what is pending"
        );
        assert_eq!(
            statuses(60, &[(0, 0), (30, 2), (40, 1), (41, 2), (61, 0)]),
            [Pending, NoData, Normal, NoData, Pending],
            "what is seen to be over begins anew"
        );
        let resolved = states(0, &[(3, 0), (9, 1)]).pop().unwrap();
        assert_eq!((resolved.started_at, resolved.since), (Some(at(3)), at(9)));
        assert_eq!(resolved.summary, "it holds", "a resolution says what is resolved");
    }

    proptest! {
        #[test]
        fn a_firing_alert_has_held_for_long_enough(
            holds_for in 0_i64..30,
            steps in prop::collection::vec((1_i64..20, 0_u8..4), 1..60),
        ) {
            let mut minute = 0;
            let found: Vec<_> = steps.iter().map(|(wait, kind)| { minute += wait; (minute, *kind) }).collect();
            let states = states(holds_for, &found);
            for (place, state) in states.iter().enumerate() {
                let before = place.checked_sub(1).map(|before| states[before].status);
                if state.status == AlertStatus::Firing && before != Some(AlertStatus::Firing) {
                    // No observation since the start found that the condition had ended, and the first observation is old enough.
                    let started = state.started_at.unwrap();
                    prop_assert!(at(found[place].0).duration_since(started) >= SignedDuration::from_mins(holds_for));
                    let since = found[..=place].iter().filter(|(minute, _)| at(*minute) >= started);
                    prop_assert!(since.clone().all(|(_, kind)| *kind != 1));
                    prop_assert_eq!(since.clone().next().map(|(_, kind)| *kind), Some(0));
                }
                if before == Some(AlertStatus::Firing) {
                    let is_over = matches!(state.status, AlertStatus::Resolved);
                    prop_assert_eq!(is_over, found[place].1 == 1, "it is over when it is seen to be over");
                }
            }
        }

        #[test]
        fn an_evaluation_that_finds_the_same_changes_nothing(kind in 0_u8..4, minute in 0_i64..1000) {
            let first = states(0, &[(0, kind)]).pop().unwrap();
            let again = next_state(RULE, SignedDuration::ZERO, Some(&first), &observation(kind), at(minute));
            prop_assert_eq!(again, first);
        }
    }
}
