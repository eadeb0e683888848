//! A roll-up in progress. Days are added one after the other and not kept, so that a year of breakdowns takes the memory of
//! its labels and not of its records.

use super::{
    average::AverageSum, breakdown::LabelSums, extreme::ExtremeOfDays, label_means::LabelMeans,
    percentage::PercentageSum, roll_up::RollUp, rolled::Rolled,
};
use crate::{metric::Decimal, store::RecordedDay};

#[derive(Debug)]
pub(in crate::query) enum Accumulator {
    Last(Option<Box<Rolled>>),
    Sum(Decimal),
    Average(Box<AverageSum>),
    Extreme(Box<ExtremeOfDays>),
    Percentage(Box<PercentageSum>),
    Merge(Box<LabelSums>),
    MergeAverages(Box<LabelMeans>),
    Never,
}

impl Accumulator {
    pub fn new(roll_up: RollUp) -> Self {
        match roll_up {
            RollUp::Last => Self::Last(None),
            RollUp::Sum => Self::Sum(Decimal::zero()),
            RollUp::Average => Self::Average(Box::default()),
            RollUp::Minimum => Self::Extreme(Box::new(ExtremeOfDays::least())),
            RollUp::Maximum => Self::Extreme(Box::new(ExtremeOfDays::largest())),
            RollUp::Percentage => Self::Percentage(Box::default()),
            RollUp::Merge => Self::Merge(Box::default()),
            RollUp::MergeAverages => Self::MergeAverages(Box::default()),
            // The days of a formula are not combined: it is computed from the combined values of its inputs.
            RollUp::Formula | RollUp::Never => Self::Never,
        }
    }

    /// Adds the next day; days come in their order.
    ///
    /// # Errors
    /// The reason why the bucket has no value.
    pub fn add(&mut self, day: &RecordedDay) -> Result<(), String> {
        match self {
            Self::Last(last) => {
                let (value_date, metadata) = (Some(day.date), day.metadata.as_deref().cloned());
                *last = Some(Box::new(Rolled { value_date, metadata, ..Rolled::of(day.value.clone()) }));
            }
            Self::Sum(sum) => *sum = &*sum + &day.value,
            Self::Average(sum) => sum.add(day)?,
            Self::Extreme(extreme) => extreme.add(day)?,
            Self::Percentage(sum) => sum.add(day)?,
            Self::Merge(sums) => sums.add(day)?,
            Self::MergeAverages(means) => means.add(day)?,
            Self::Never => {}
        }
        Ok(())
    }

    /// `None` where no value can be made of the days.
    pub fn finish(self) -> Option<Rolled> {
        match self {
            Self::Last(last) => last.map(|last| *last),
            Self::Sum(sum) => Some(Rolled::of(sum)),
            Self::Average(sum) => Some(sum.finish()),
            Self::Extreme(extreme) => Some(extreme.finish()),
            Self::Percentage(sum) => Some(sum.finish()),
            Self::Merge(sums) => Some(sums.finish()),
            Self::MergeAverages(means) => Some(means.finish()),
            Self::Never => None,
        }
    }
}
