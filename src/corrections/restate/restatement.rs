//! What a restatement writes, and what it leaves as it is.

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::{
    corrections::loss,
    metric::{Decimal, MetricKey, Observation},
    store::RecordedDay,
};

/// What a restatement wrote or would write, and what it leaves as it is. It has no metadata, so that ten years of it take a megabyte.
#[derive(Debug, Clone)]
pub struct Restatement {
    pub key: MetricKey,
    /// The version of the newest definition.
    pub version: i32,
    pub from: Date,
    pub to: Date,
    /// The days that get a revision, by date. Where the newest definition makes values of another kind, as a flow instead of a stock, days
    /// whose values agree are among them: days of two kinds are not combined.
    pub changes: Vec<RestatedDay>,
    /// The number of days that get none, because their values agree.
    pub unchanged: usize,
    /// Days that are left as they are, because the platform has lost rows of them since they were recorded. Empty if the request
    /// accepts the loss.
    pub lossy: Vec<Date>,
    /// The number of days that were corrected by hand or withdrawn, or whose restatement was taken back, which are left as they are.
    pub by_hand: usize,
    /// The number of days for which the present rows have no valid value.
    pub no_value: usize,
    /// The limits of reading past days from the present rows, and whether a loss could be told.
    pub caveats: Vec<String>,
    /// Whether every day was compared; otherwise it was cancelled before.
    pub is_complete: bool,
}

/// A day that gets a revision with its value under the newest definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestatedDay {
    pub date: Date,
    /// The value of the record.
    pub recorded: Decimal,
    /// The value in force.
    pub before: Decimal,
    pub after: Decimal,
    /// Whether the platform has lost rows of the day since it was recorded.
    pub is_lossy: bool,
}

impl RestatedDay {
    pub fn difference(&self) -> Decimal {
        &self.after - &self.before
    }
}

impl Restatement {
    /// The days that get a revision, the largest difference first.
    pub fn largest(&self) -> Vec<&RestatedDay> {
        let zero = Decimal::zero();
        let size = |day: &&RestatedDay| {
            let difference = day.difference();
            if difference < zero { &zero - &difference } else { difference }
        };
        let mut days: Vec<_> = self.changes.iter().collect();
        days.sort_by_cached_key(|day| std::cmp::Reverse(size(day)));
        days
    }

    /// Adds a day that was compared.
    pub(super) fn add(&mut self, date: Date, compared: Compared) {
        match compared {
            Compared::ByHand => self.by_hand += 1,
            Compared::NoValue => self.no_value += 1,
            Compared::Agrees => self.unchanged += 1,
            Compared::Lossy => self.lossy.push(date),
            Compared::Differs { day, .. } => self.changes.push(day),
        }
    }
}

/// What is in force instead of a record.
pub(super) enum InForce {
    /// Corrected by hand or withdrawn, or a restatement was taken back.
    ByHand,
    /// Read again under a version of the definition, or the record without a label that was redacted.
    Reconstructed { version: Option<i32>, value: Decimal, metadata: Map<String, Value> },
}

/// What the comparison of a day needs to know beside its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// Whether the platform has lost rows of the day since it was recorded or restated.
    pub is_lossy: bool,
    pub accept_loss: bool,
    /// Whether days roll up under the newest definition, and in another way than under that of the value in force.
    pub is_other_kind: bool,
}

/// A day beside what the newest definition gives for it now.
pub(super) enum Compared {
    ByHand,
    NoValue,
    Agrees,
    /// It differs, and the platform has lost rows of it.
    Lossy,
    /// It differs, or is of another kind.
    Differs {
        day: RestatedDay,
        metadata: Map<String, Value>,
    },
}

impl Compared {
    pub fn new(
        day: &RecordedDay,
        now: Option<Observation>,
        in_force: Option<&InForce>,
        Circumstances { is_lossy, accept_loss, is_other_kind }: Circumstances,
    ) -> Self {
        let none = Map::new();
        let (before, metadata) = match in_force {
            Some(InForce::ByHand) => return Self::ByHand,
            Some(InForce::Reconstructed { value, metadata, .. }) => (value, metadata),
            None => (&day.value, day.metadata.as_deref().unwrap_or(&none)),
        };
        let Some(now) = now else { return Self::NoValue };
        let agrees = now.value == *before && loss::same_parts(metadata, &now.metadata);
        if agrees && !is_other_kind {
            return Self::Agrees;
        }
        if is_lossy && !accept_loss && !agrees {
            return Self::Lossy;
        }
        let day = RestatedDay {
            date: day.date,
            recorded: day.value.clone(),
            before: before.clone(),
            after: now.value,
            is_lossy,
        };
        Self::Differs { day, metadata: now.metadata }
    }
}
