//! The actors of a platform: the table of users, or the table to which the tables with a time of creation refer.

use crate::{
    config::{
        recognise::{
            Recognised,
            names::{table_name, words},
            users::{Pointers, most_referenced, people_of_activity, pointing, points_at, points_elsewhere},
        },
        template::decisions::{Decisions, UserTable},
    },
    platform::{Statistics, Table},
};

/// The table of the platform's actors.
pub struct Actors<'a> {
    pub table: &'a Table,
    /// The plural by which metrics name the actors.
    pub name: String,
    /// The reason why this table was chosen.
    pub reason: String,
}

/// The table of the actors: the one that `decisions` names; otherwise the recognised `users`, with the name of their source; otherwise the
/// table of people to which the most tables with a time of creation (`with_time`) refer; otherwise the table to which the most foreign
/// keys point.
pub fn find_actors<'a>(
    users: Option<(&'a Table, &str)>,
    decisions: &Decisions,
    tables: &[&'a Table],
    with_time: &[&Table],
    statistics: &Statistics,
) -> Option<Actors<'a>> {
    let of_users = |table: &'a Table, name: String| {
        let reason = match pointing(table, tables, Pointers::ForeignKeys, statistics) {
            0 => format!("{} has the users", table_name(table)),
            count => refer_to(table, count),
        };
        Actors { table, name, reason }
    };
    let own_name = |table: &Table| words(&table.name).join("_");
    match &decisions.users {
        UserTable::Missing => return None,
        // A table of users without a time of creation cannot be a source, but its rows are actors.
        UserTable::Named(named) if users.is_none_or(|(table, _)| table.name != *named) => {
            let table = *tables.iter().find(|table| table.name == *named)?;
            return Some(of_users(table, own_name(table)));
        }
        _ => {}
    }
    if let Some((table, name)) = users {
        return Some(of_users(table, name.to_owned()));
    }
    let found =
        people_of_activity(tables, with_time, statistics).or_else(|| most_referenced(tables, statistics));
    let (table, count) = found?;
    Some(Actors { table, name: own_name(table), reason: refer_to(table, count) })
}

fn refer_to(table: &Table, count: usize) -> String {
    match count {
        1 => format!("1 table refers to {}", table_name(table)),
        _ => format!("{count} tables refer to {}", table_name(table)),
    }
}

/// Adds the actor column of a source whose table references `actors`, if no actor column is known by its name, or if that one has
/// other people, such as the staff.
pub fn add_actor(recognised: &mut Recognised, actors: &Table, tables: &[&Table], statistics: &Statistics) {
    let (table, source) = (recognised.table, &mut recognised.source);
    if table == actors {
        return;
    }
    let of_others = source
        .actor_column
        .as_deref()
        .is_some_and(|column| points_elsewhere(table, column, actors, statistics, tables));
    if source.actor_column.is_none() || of_others {
        source.actor_column = points_at(table, actors, statistics).map(str::to_owned);
    }
}
