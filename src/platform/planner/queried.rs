//! Which relations the queries of the user's own read, so that one that shows an old state is noticed as it is in a source.
//! The database tells it in its plan. What a function reads is not in the plan.

use std::collections::BTreeSet;

use super::{
    query::QueryReading,
    session::{Session, ends_the_cut},
};
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, Reading},
    platform::contract::{Staleness, WhenStale},
};

/// The relations that queries read.
#[derive(Default)]
pub struct Queried {
    /// Names in SQL.
    pub relations: BTreeSet<String>,
    /// The queries of which the database did not tell it.
    pub unknown: Vec<Staleness>,
}

/// Asks for the plan of each query for every one of `days`, as the day may decide which parts of a query are read.
///
/// # Errors
/// When the snapshot is lost.
pub async fn relations<S: Session>(
    session: &mut S,
    readings: &[Reading],
    days: &[DayBounds],
) -> Result<Queried, Fault> {
    let mut queried = Queried::default();
    for reading in readings {
        let Reading::Query { sql, shape } = reading else { continue };
        let query = QueryReading { sql, shape: *shape };
        for day in days {
            // A query that is refused is not read either; its metric fails.
            let Ok(statement) = query.statement(session.dialect(), day) else { break };
            match session.relations(&statement).await {
                Ok(relations) => queried.relations.extend(relations),
                Err(fault) if ends_the_cut(&fault) => return Err(fault),
                Err(fault) if fails_whenever_it_is_read(fault.class) => break,
                Err(fault) => {
                    queried.unknown.push(unknown(sql, &fault));
                    break;
                }
            }
        }
    }
    Ok(queried)
}

/// Whether a query that cannot be planned for this reason fails in the same way when it is run, so that nothing of it is
/// recorded.
fn fails_whenever_it_is_read(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::Sql
            | FaultClass::Denied
            | FaultClass::HiddenRows
            | FaultClass::Data
            | FaultClass::TooLarge
    )
}

fn unknown(sql: &str, fault: &Fault) -> Staleness {
    let beginning: String = sql.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
    Staleness {
        of: format!("the query `{beginning}`"),
        complete_until: None,
        is_lagging: false,
        when_stale: WhenStale::Wait,
        reason: format!("which tables it reads cannot be told ({fault})"),
    }
}
