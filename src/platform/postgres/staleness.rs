//! How old the state is that a PostgreSQL platform shows: that of a hot standby, that of a server with open transactions, and that of
//! the objects that are copies of other tables.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, Row, raw_sql};

use super::session::{PostgresSession, answered};
use crate::{
    database::Fault,
    platform::{
        contract::{Staleness, WhenStale},
        planner::session::ends_the_cut,
    },
};

/// The staleness of the whole server; `None` if it is no standby and no transaction that has written is open. It must be called
/// before the snapshot is taken, because what is replayed or committed afterwards is not in the snapshot. It uses simple
/// queries, each in a transaction of its own, so that nothing depends on the session.
pub(super) async fn of_server(connection: &mut PgConnection) -> Result<Option<Staleness>, Fault> {
    let row = raw_sql("SELECT pg_is_in_recovery()").fetch_one(&mut *connection).await?;
    match row.try_get::<bool, _>(0)? {
        true => of_standby(connection).await,
        false => of_open_transactions(connection).await,
    }
}

/// The state from before the oldest open transaction. A standby does not show the transactions of its primary.
async fn of_open_transactions(connection: &mut PgConnection) -> Result<Option<Staleness>, Fault> {
    // Servers that only speak PostgreSQL's protocol lack these views.
    let Ok(Some(row)) = raw_sql(include_str!("open_transactions.sql")).fetch_optional(connection).await
    else {
        return Ok(None);
    };
    let Some(began_at) = instant(row.try_get(0)?) else { return Ok(None) };
    Ok(Some(Staleness {
        of: "the platform".to_owned(),
        complete_until: Some(began_at),
        is_lagging: false,
        when_stale: WhenStale::Wait,
        reason: row.try_get(1)?,
    }))
}

async fn of_standby(connection: &mut PgConnection) -> Result<Option<Staleness>, Fault> {
    let of = "the platform, a standby,".to_owned();
    Ok(Some(match raw_sql(include_str!("replay.sql")).fetch_one(connection).await {
        Ok(row) => Staleness {
            of,
            complete_until: instant(row.try_get(0)?),
            is_lagging: !row.try_get::<bool, _>(1)?,
            when_stale: WhenStale::Wait,
            reason: row.try_get(2)?,
        },
        // Servers that only speak PostgreSQL's protocol have replicas of another kind, without these functions.
        Err(error) => Staleness {
            of,
            complete_until: None,
            is_lagging: false,
            when_stale: WhenStale::Refuse,
            reason: format!(
                "Daymark cannot determine how far behind it is ({}); connect to the server that it replicates",
                Fault::from(error)
            ),
        },
    }))
}

impl PostgresSession {
    /// The objects that `relations`, names in SQL, are or read and that may be older than the snapshot, each with the relation,
    /// without those that the user answers for.
    pub(super) async fn copies(&mut self, relations: Vec<String>) -> Result<Vec<(String, Staleness)>, Fault> {
        let query = sqlx::query(include_str!("copies.sql"))
            .bind(relations)
            .bind(self.assume_fresh.clone())
            .persistent(false);
        // Several relations may read one object.
        let mut known: HashMap<String, Staleness> = HashMap::new();
        let mut copies = Vec::new();
        let rows = answered(self.statement_timeout, query.fetch_all(&mut self.connection)).await?;
        for row in rows {
            let (relation, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let staleness = match known.get(&name) {
                Some(staleness) => staleness.clone(),
                None => self.copy(&name, row.try_get(2)?, row.try_get(3)?).await?,
            };
            known.insert(name, staleness.clone());
            copies.push((relation, staleness));
        }
        Ok(copies)
    }

    /// `name` is SQL; `kind` and `origin` are as `copies.sql` returns them.
    async fn copy(&mut self, name: &str, kind: &str, origin: Option<String>) -> Result<Staleness, Fault> {
        let origin = origin.unwrap_or_else(|| "unknown".to_owned());
        Ok(match kind {
            "materialized_view" => self.materialized_view(name).await?,
            "foreign_table" => untold(
                format!("foreign table {name}"),
                format!(
                    "Daymark cannot determine whether its server `{origin}` is a standby that lags; if it shows every row \
                     when a day is collected, name the table in `platform.assume_fresh`"
                ),
            ),
            "subscribed_table" => untold(
                format!("table {name}, a logical replica,"),
                format!(
                    "Daymark cannot determine whether the subscription `{origin}` has applied every change of its origin; if it \
                     has when a day is collected, name the table in `platform.assume_fresh`"
                ),
            ),
            "linking_view" => untold(
                format!("view {name}"),
                "it reads another server through `dblink`, and Daymark cannot determine whether that server is a standby that \
                 lags; if it shows every row when a day is collected, name the view in `platform.assume_fresh`"
                    .to_owned(),
            ),
            _ => untold(
                format!("continuous aggregate {name}"),
                "Daymark cannot determine when it was refreshed; if it is refreshed between the end of the day and the collection, name \
                 the view that reads it in `platform.assume_fresh`"
                    .to_owned(),
            ),
        })
    }

    /// A refresh writes rows, and the commit time of their transaction is known if `track_commit_timestamp` is on.
    /// `name` is SQL.
    async fn materialized_view(&mut self, name: &str) -> Result<Staleness, Fault> {
        let of = format!("materialized view {name}");
        let why = match self.refreshed(name).await {
            Ok(Refreshed::At(at)) => {
                return Ok(Staleness {
                    of,
                    complete_until: Some(at),
                    is_lagging: false,
                    when_stale: WhenStale::Wait,
                    reason: REFRESHED_BEFORE.to_owned(),
                });
            }
            Ok(Refreshed::NotTracked) => "`track_commit_timestamp` is off, or was".to_owned(),
            Ok(Refreshed::Empty) => "it has no rows whose commit times would show it".to_owned(),
            Err(fault) if ends_the_cut(&fault) => return Err(fault),
            Err(fault) => fault.to_string(),
        };
        Ok(untold(
            of,
            format!(
                "Daymark cannot determine when it was refreshed ({why}); if it is refreshed between the end of the day and the \
                 collection, name it in `platform.assume_fresh`"
            ),
        ))
    }

    /// The time of the newest transaction that wrote a row of the materialized view, if the server keeps it.
    async fn refreshed(&mut self, name: &str) -> Result<Refreshed, Fault> {
        let tracked: bool = raw_sql("SELECT current_setting('track_commit_timestamp') = 'on'")
            .fetch_one(&mut self.connection)
            .await?
            .try_get(0)?;
        if !tracked {
            return Ok(Refreshed::NotTracked);
        }
        let sql = format!(
            "SELECT count(*) > 0, extract(epoch FROM max(pg_xact_commit_timestamp(x)))::text
             FROM (SELECT DISTINCT xmin AS x FROM {name}) AS t"
        );
        let decode = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let answer: Option<(bool, Option<String>)> = self.guarded(sql, decode).await?.into_iter().next();
        Ok(match answer {
            Some((true, newest)) => instant(newest).map_or(Refreshed::NotTracked, Refreshed::At),
            _ => Refreshed::Empty,
        })
    }
}

/// When a materialized view was refreshed, as far as its rows tell.
enum Refreshed {
    At(Timestamp),
    /// The server does not keep the commit times of transactions, or did not keep that of the refresh.
    NotTracked,
    Empty,
}

/// The staleness of an object whose age waiting does not tell.
fn untold(of: String, reason: String) -> Staleness {
    Staleness { of, complete_until: None, is_lagging: false, when_stale: WhenStale::Refuse, reason }
}

/// A refresh that leaves every row as it was writes none if it is CONCURRENTLY.
const REFRESHED_BEFORE: &str = "no row of it was written since; refresh it after the end of the day, or, if that is done with \
                                CONCURRENTLY and may change no row, name it in `platform.assume_fresh`";

/// `seconds` since 1970 with a fraction, as PostgreSQL writes them.
fn instant(seconds: Option<String>) -> Option<Timestamp> {
    let seconds = SignedDuration::try_from_secs_f64(seconds?.parse().ok()?).ok()?;
    Timestamp::from_duration(seconds).ok()
}
