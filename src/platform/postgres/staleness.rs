//! How old the state is that a PostgreSQL platform shows: that of a hot standby, a materialized view, a foreign table or a table
//! of a subscription.

use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, Row, raw_sql};

use super::session::PostgresSession;
use crate::{
    database::Fault,
    platform::{
        contract::{Staleness, WhenStale},
        planner::session::ends_the_cut,
    },
};

/// The staleness of a standby; `None` on any other server. It must be called before the snapshot is taken, because a
/// state that is replayed afterwards is not in the snapshot. It uses simple queries, each in a transaction of its own,
/// so that nothing depends on the session.
pub(super) async fn of_standby(connection: &mut PgConnection) -> Result<Option<Staleness>, Fault> {
    let row = raw_sql("SELECT pg_is_in_recovery()").fetch_one(&mut *connection).await?;
    if !row.try_get::<bool, _>(0)? {
        return Ok(None);
    }
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
                "how far behind it is cannot be told ({}); connect to the server that it replicates",
                Fault::from(error)
            ),
        },
    }))
}

impl PostgresSession {
    /// The materialized views, foreign tables and logical replicas that `relations`, names in SQL, are made of, without those that the user
    /// answers for.
    pub(super) async fn copies(&mut self, relations: Vec<String>) -> Result<Vec<Staleness>, Fault> {
        let query = sqlx::query(include_str!("copies.sql"))
            .bind(relations)
            .bind(self.assume_fresh.clone())
            .persistent(false);
        let mut copies = Vec::new();
        for row in query.fetch_all(&mut self.connection).await? {
            let name: String = row.try_get(0)?;
            let (server, subscription): (Option<String>, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
            copies.push(match (server, subscription) {
                (Some(server), _) => foreign_table(&name, &server),
                (None, Some(subscription)) => subscribed(
                    &name,
                    &subscription,
                    row.try_get::<Option<bool>, _>(3)? == Some(true),
                    instant(row.try_get(4)?),
                ),
                (None, None) => self.materialized_view(&name).await?,
            });
        }
        Ok(copies)
    }

    /// A refresh writes rows, and the commit time of their transaction is known if `track_commit_timestamp` is on.
    /// `name` is SQL.
    async fn materialized_view(&mut self, name: &str) -> Result<Staleness, Fault> {
        let (complete_until, when_stale, reason) = match self.refreshed_at(name).await {
            Ok(Some(at)) => (Some(at), WhenStale::Wait, REFRESHED_BEFORE.to_owned()),
            Ok(None) => (None, WhenStale::Refuse, untold("(`track_commit_timestamp` is off, or was)")),
            Err(fault) if ends_the_cut(&fault) => return Err(fault),
            Err(fault) => (None, WhenStale::Refuse, untold(&format!("({fault})"))),
        };
        let of = format!("materialized view {name}");
        Ok(Staleness { of, complete_until, is_lagging: false, when_stale, reason })
    }

    /// The time of the newest transaction that wrote a row of the materialized view, if the server keeps it.
    async fn refreshed_at(&mut self, name: &str) -> Result<Option<Timestamp>, Fault> {
        let tracked: bool = raw_sql("SELECT current_setting('track_commit_timestamp') = 'on'")
            .fetch_one(&mut self.connection)
            .await?
            .try_get(0)?;
        if !tracked {
            return Ok(None);
        }
        let sql = format!(
            "SELECT extract(epoch FROM max(pg_xact_commit_timestamp(x)))::text FROM (SELECT DISTINCT xmin AS x FROM {name}) AS t"
        );
        let newest = self.guarded(sql, |row| row.try_get::<Option<String>, _>(0)).await?;
        Ok(instant(newest.into_iter().next().flatten()))
    }
}

fn foreign_table(name: &str, server: &str) -> Staleness {
    Staleness {
        of: format!("foreign table {name}"),
        complete_until: None,
        is_lagging: false,
        when_stale: WhenStale::Refuse,
        reason: format!(
            "whether its server `{server}` is a standby that lags cannot be told from here; if it shows every row when a day is \
             collected, name the table in `platform.assume_fresh`"
        ),
    }
}

/// A table that logical replication writes. `applied_until` is unknown while no worker runs.
fn subscribed(
    name: &str,
    subscription: &str,
    is_synchronized: bool,
    applied_until: Option<Timestamp>,
) -> Staleness {
    let complete_until = applied_until.filter(|_| is_synchronized);
    let reason = match (is_synchronized, complete_until) {
        (false, _) => "its first copy is not complete".to_owned(),
        (true, None) => format!("no worker of subscription `{subscription}` runs"),
        (true, Some(_)) => format!("subscription `{subscription}` has not applied more"),
    };
    Staleness {
        of: format!("table {name}, a logical replica,"),
        complete_until,
        is_lagging: false,
        when_stale: WhenStale::Wait,
        reason,
    }
}

/// A refresh that leaves every row as it was writes none if it is CONCURRENTLY.
const REFRESHED_BEFORE: &str = "no row of it was written since; refresh it after the end of the day, or, if that is done with \
                                CONCURRENTLY and may change no row, name it in `platform.assume_fresh`";

fn untold(why: &str) -> String {
    format!(
        "when it was refreshed cannot be told {why}; if it is refreshed between the end of the day and the collection, name \
         it in `platform.assume_fresh`"
    )
}

/// `seconds` since 1970 with a fraction, as PostgreSQL writes them.
fn instant(seconds: Option<String>) -> Option<Timestamp> {
    let seconds = SignedDuration::try_from_secs_f64(seconds?.parse().ok()?).ok()?;
    Timestamp::from_duration(seconds).ok()
}
