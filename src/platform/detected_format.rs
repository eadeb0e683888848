//! The time formats of columns, as detected from their values.

use std::collections::HashMap;

use crate::metric::TimeFormat;

/// The time formats of columns, by table and column, as detected from their values. A column with values in several
/// formats is absent.
pub type DetectedFormats = HashMap<(String, String), DetectedFormat>;

/// The time format that the values of a column show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DetectedFormat {
    /// `None` for a column that has no values yet, or whose values are `out_of_range`.
    pub format: Option<TimeFormat>,
    /// Whether a row has no value there.
    pub has_null: bool,
    /// Whether at least half of the values are numbers that are no time from 2000 to 2100, neither as seconds nor as milliseconds since
    /// 1970: as microseconds, Julian days or seconds since another year are.
    pub out_of_range: bool,
    /// Whether more than one in a hundred of the numbers is no such time, so that only its name can say that the column has times.
    pub is_doubtful: bool,
}

/// How many of the numbers of a column are times.
#[derive(Debug, Clone, Copy)]
pub struct UnixTimes {
    /// The number of the values, without those that are 0, which stands for "unknown" or "not yet".
    pub telling: u64,
    /// The number of those that are a time from 2000 to 2100 as seconds since 1970.
    pub seconds: u64,
    /// The same as milliseconds.
    pub millis: u64,
    pub has_null: bool,
}

impl UnixTimes {
    /// The first and the last second of the years 2000 to 2100, which the same years in milliseconds do not overlap.
    pub const SECONDS: (u64, u64) = (946_684_800, 4_133_980_799);

    /// A condition on the number `v` in SQL, for `factor` 1 in seconds, and for 1000 in milliseconds.
    pub fn condition(factor: u64) -> String {
        let (first, last) = Self::SECONDS;
        format!("v >= {} AND v <= {}", first * factor, last * factor + (factor - 1))
    }

    /// The format of the numbers; `None` if more than 1 % of them are in the other unit. More than half of the numbers decide, so that a few
    /// others, such as a far future that means "never", do not matter.
    pub fn format(self) -> Option<DetectedFormat> {
        let Self { telling, seconds, millis, has_null } = self;
        let is_doubtful = 100 * seconds.max(millis) < 99 * telling;
        let of = |format| DetectedFormat { format, has_null, out_of_range: false, is_doubtful };
        match (seconds, millis) {
            _ if telling == 0 => Some(of(None)),
            (seconds, millis) if 100 * seconds.min(millis) > telling => None,
            (seconds, _) if 2 * seconds > telling => Some(of(Some(TimeFormat::UnixSeconds))),
            (_, millis) if 2 * millis > telling => Some(of(Some(TimeFormat::UnixMillis))),
            _ => Some(DetectedFormat { out_of_range: true, ..of(None) }),
        }
    }
}
