//! How old the state is that a PostgreSQL platform shows: a hot standby's, a materialized view's, a foreign table's.

use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, Row, raw_sql};

use super::session::PostgresSession;
use crate::{database::Fault, platform::contract::Staleness};

/// What a standby shows, `None` on any other server. To be called before the snapshot is taken: a state that is replayed
/// afterwards is not in it. Simple queries, each a transaction of its own, so that nothing depends on the session.
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
            is_certain: true,
            reason: row.try_get(2)?,
        },
        // Servers that only speak PostgreSQL's protocol have replicas of another kind, without these functions.
        Err(error) => Staleness {
            of,
            complete_until: None,
            is_lagging: false,
            is_certain: false,
            reason: format!("how far behind it is cannot be told ({})", Fault::from(error)),
        },
    }))
}

impl PostgresSession {
    /// The materialized views and foreign tables that `relations`, names in SQL, are made of.
    pub(super) async fn copies(&mut self, relations: Vec<String>) -> Result<Vec<Staleness>, Fault> {
        let sql = include_str!("copies.sql");
        let query = sqlx::query(sql).bind(relations).persistent(false);
        let mut copies = Vec::new();
        for row in query.fetch_all(&mut self.connection).await? {
            let (name, server): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
            copies.push(match server {
                None => self.materialized_view(&name).await?,
                Some(server) => Staleness {
                    of: format!("foreign table {name}"),
                    complete_until: None,
                    is_lagging: false,
                    is_certain: false,
                    reason: format!(
                        "whether its server `{server}` is a standby that lags cannot be told from here"
                    ),
                },
            });
        }
        Ok(copies)
    }

    /// A refresh writes rows, whose transaction's time is known where `track_commit_timestamp` is on. `name` is SQL.
    async fn materialized_view(&mut self, name: &str) -> Result<Staleness, Fault> {
        let sql = format!(
            "SELECT extract(epoch FROM max(pg_xact_commit_timestamp(x)))::text FROM (SELECT DISTINCT xmin AS x FROM {name}) AS t"
        );
        let tracked = raw_sql("SELECT current_setting('track_commit_timestamp') = 'on'")
            .fetch_one(&mut self.connection)
            .await?
            .try_get(0)?;
        let refreshed = match tracked {
            true => self.guarded(sql, |row| row.try_get::<Option<String>, _>(0)).await.unwrap_or_default(),
            false => Vec::new(),
        };
        let complete_until = instant(refreshed.into_iter().next().flatten());
        Ok(Staleness {
            of: format!("materialized view {name}"),
            complete_until,
            is_lagging: false,
            is_certain: complete_until.is_some(),
            reason: match complete_until {
                Some(_) => "it was not refreshed since".to_owned(),
                None => "when it was refreshed cannot be told without track_commit_timestamp; refresh it between the end of \
                         the day and the collection"
                    .to_owned(),
            },
        })
    }
}

/// `seconds` since 1970 with a fraction, as PostgreSQL writes them.
fn instant(seconds: Option<String>) -> Option<Timestamp> {
    let seconds = SignedDuration::try_from_secs_f64(seconds?.parse().ok()?).ok()?;
    Timestamp::from_duration(seconds).ok()
}
