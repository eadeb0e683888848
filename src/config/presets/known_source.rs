//! What a preset knows of a source before it has seen a platform.

use crate::config::recognise::RowMeaning;

/// A source that a preset knows.
pub struct KnownSource {
    pub name: &'static str,
    /// The possible names of its table, in the plural; the most likely first.
    pub tables: &'static [&'static str],
    /// The ends of longer names that are sufficient, as in `blog_posts`.
    pub name_ends: &'static [&'static str],
    /// First words of longer names that mean something else, as in `work_orders`.
    pub other_first_words: &'static [&'static str],
    pub rows: RowMeaning,
    pub people: People,
    /// Names of tables that are accepted only if the table has an actor column: a `statuses` table may also list the states of
    /// tickets.
    pub needs_actor: &'static [&'static str],
    /// One of these columns must exist, by its name in lower case and without separators.
    pub needs_column: &'static [&'static str],
    /// Whether a table with a price or an amount means something else, as subscriptions that are paid for are no follows.
    pub is_free: bool,
}

/// Whether the rows of a source are the people who use the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    No,
    /// The table of a known name; the most referenced table of people if there is none.
    Named,
    /// The most referenced table of people.
    MostReferenced,
}

impl KnownSource {
    /// A source of rows that people create.
    pub const fn of_actions(
        name: &'static str,
        tables: &'static [&'static str],
        name_ends: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            tables,
            name_ends,
            other_first_words: &[],
            rows: RowMeaning::Action,
            people: People::No,
            needs_actor: &[],
            needs_column: &[],
            is_free: false,
        }
    }

    /// A source of people or of organizations.
    pub const fn of_actors(
        name: &'static str,
        tables: &'static [&'static str],
        name_ends: &'static [&'static str],
        people: People,
    ) -> Self {
        Self { rows: RowMeaning::Actor, people, ..Self::of_actions(name, tables, name_ends) }
    }
}

/// A source of rows that are parts of those of another source, as items are of an order. Their time and their actor are those of the
/// whole, if a foreign key leads there.
pub struct KnownPart {
    /// The source of the whole.
    pub of: &'static str,
    pub source: KnownSource,
}

/// A source of the same rows as another one, by the time at which something happened to them.
pub struct KnownMoment {
    pub name: &'static str,
    /// The source of the rows.
    pub of: &'static str,
    /// The column of that time, by its name in lower case and without separators; none for the end of a row, which is the other
    /// source's `deleted_column`.
    pub columns: &'static [&'static str],
    /// What the time is, for messages.
    pub what: &'static str,
}
