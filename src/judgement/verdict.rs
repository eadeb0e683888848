//! The result of judging a value.

use jiff::civil::Date;
use strum::{EnumIter, EnumString, IntoStaticStr};

use crate::metric::Decimal;

/// The version of the algorithm; it increases with each change that can change a verdict, and values that an earlier version
/// judged are judged again.
pub const JUDGE_VERSION: i32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    Normal,
    Anomaly,
    /// The value cannot be judged.
    Unjudged,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why a value is an anomaly, or why it is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Reason {
    /// An anomaly: outside the expected range of the definition.
    OutOfRange,
    /// An anomaly: zero, where no day of the baseline has a zero.
    Zero,
    /// An anomaly: of no rows, where every day of the baseline has some.
    NoRows,
    /// An anomaly: above or below the expected band.
    Above,
    Below,
    /// Not judged: too few days before it are recorded.
    TooLittleHistory,
    /// Not judged: a stock whose day before is not recorded, or in another way.
    NoDayBefore,
    /// Not judged: an average or a percentage of no rows, as on other days.
    NoValue,
    /// Not judged: its band would have more digits than a recorded value.
    TooLarge,
}

impl Reason {
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn verdict(self) -> Verdict {
        match self {
            Self::OutOfRange | Self::Zero | Self::NoRows | Self::Above | Self::Below => Verdict::Anomaly,
            Self::TooLittleHistory | Self::NoDayBefore | Self::NoValue | Self::TooLarge => Verdict::Unjudged,
        }
    }
}

/// The days that a value was judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    pub days: usize,
    /// The first of them and the last.
    pub from: Date,
    pub to: Date,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// [`JUDGE_VERSION`] of the program that judged.
    pub judge_version: i32,
    pub verdict: Verdict,
    /// `None` for a normal value.
    pub reason: Option<Reason>,
    /// The band in which the value was expected, its edges included; `None` without enough history.
    pub expected: Option<(Decimal, Decimal)>,
    /// How many standard deviations, estimated by the MAD, the value is above the expected one; negative if it is below.
    /// Two decimal places; at most 9999.99 in either direction.
    pub score: Option<Decimal>,
    /// `None` if no earlier day could be used.
    pub baseline: Option<Baseline>,
}

impl Judgement {
    /// Without a band.
    pub(super) fn because(reason: Reason, baseline: Option<Baseline>) -> Self {
        Self {
            judge_version: JUDGE_VERSION,
            verdict: reason.verdict(),
            reason: Some(reason),
            expected: None,
            score: None,
            baseline,
        }
    }
}
