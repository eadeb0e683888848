//! The true numbers of the simulated platform, with which tests compare the records.

use std::ops::AddAssign;

use jiff::civil::Date;

/// The number of rows of each table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    pub profiles: u64,
    pub posts: u64,
    pub comments: u64,
    pub tracks: u64,
    pub likes: u64,
    pub follows: u64,
}

impl RowCounts {
    pub const TABLES: [&str; 6] = ["profiles", "posts", "comments", "tracks", "likes", "follows"];

    pub fn total(&self) -> u64 {
        Self::TABLES.iter().map(|table| self.of(table)).sum()
    }

    /// The number of rows of one table; 0 for a table that the platform does not have.
    pub fn of(&self, table: &str) -> u64 {
        match table {
            "profiles" => self.profiles,
            "posts" => self.posts,
            "comments" => self.comments,
            "tracks" => self.tracks,
            "likes" => self.likes,
            "follows" => self.follows,
            _ => 0,
        }
    }

    pub(super) fn add(&mut self, table: &str, rows: u64) {
        match table {
            "profiles" => self.profiles += rows,
            "posts" => self.posts += rows,
            "comments" => self.comments += rows,
            "tracks" => self.tracks += rows,
            "likes" => self.likes += rows,
            "follows" => self.follows += rows,
            _ => {}
        }
    }
}

impl AddAssign for RowCounts {
    fn add_assign(&mut self, other: Self) {
        for table in Self::TABLES {
            self.add(table, other.of(table));
        }
    }
}

/// The true numbers of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayLedger {
    pub day: Date,
    pub created: RowCounts,
    /// Rows deleted on that day, including cascades, regardless of when they were created.
    pub deleted: RowCounts,
    /// Deleted rows that were created on the same day, which a count at the end of the day cannot see.
    pub deleted_same_day: RowCounts,
}

/// A deleted account, and the rows that were deleted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    pub username: String,
    pub deleted: RowCounts,
}
