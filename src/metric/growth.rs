//! Growth accounting: the actors of a window of days, compared with those of the window of the same length before it. Those of
//! the window are new, retained or resurrected; those of the window before it who are not in the window have churned.

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};

use super::{GrowthCounts, Reading, Rows, Tally};

/// What became of an actor.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, EnumIter, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ActorState {
    /// The actor's first row is in the window.
    New,
    /// The actor is in both windows.
    Retained,
    /// The actor is in the window and not in the one before it, and has an earlier row.
    Resurrected,
    /// The actor is in the window before and not in the window.
    Churned,
}

impl ActorState {
    /// Whether the actor's first row must be known, which takes a pass over all rows.
    fn needs_first_rows(self) -> bool {
        matches!(self, Self::New | Self::Resurrected)
    }

    pub(super) fn readings(self, rows: &[Rows], window_days: u32) -> Vec<Reading> {
        let growth = (self != Self::New).then(|| Reading::Growth { rows: rows.to_vec(), window_days });
        let arrivals =
            self.needs_first_rows().then(|| Reading::Arrivals { rows: rows.to_vec(), window_days });
        growth.into_iter().chain(arrivals).collect()
    }

    /// The number of actors from the tallies of [`Self::readings`].
    pub(super) fn count(self, tallies: &[&Tally]) -> Option<i64> {
        match (self, tallies) {
            (Self::New, [Tally::Count(arrivals)]) => Some(*arrivals),
            (Self::Retained, [Tally::Growth(growth)]) => Some(growth.retained),
            (Self::Churned, [Tally::Growth(growth)]) => Some(growth.churned),
            (
                Self::Resurrected,
                [Tally::Growth(GrowthCounts { active, retained, .. }), Tally::Count(arrivals)],
            ) => Some(active - retained - arrivals),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Filter;

    #[test]
    fn new_retained_and_resurrected_actors_are_the_active_ones() {
        let growth = Tally::Growth(GrowthCounts { active: 10, retained: 4, churned: 3 });
        let arrivals = Tally::Count(5);
        let rows = [Rows { source: "visits".to_owned(), filter: Filter::default() }];
        let count = |state: ActorState| {
            let readings = state.readings(&rows, 7);
            let tallies: Vec<_> = readings
                .iter()
                .map(|reading| if matches!(reading, Reading::Growth { .. }) { &growth } else { &arrivals })
                .collect();
            state.count(&tallies).unwrap()
        };
        let counts = [ActorState::New, ActorState::Retained, ActorState::Resurrected].map(count);
        assert_eq!((counts, counts.iter().sum::<i64>()), ([5, 4, 1], 10));
        assert_eq!(count(ActorState::Churned), 3);
    }
}
