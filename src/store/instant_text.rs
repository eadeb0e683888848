//! Instants as text.

use jiff::Timestamp;

/// An instant as the tables of SQLite hold it, and as JSON of either database has it: UTC, of one fixed width, so that text order is time order.
pub(super) fn text(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
