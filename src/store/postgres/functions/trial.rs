//! Plans each statement of the functions as their owner would run it, without running it. The role of the store owns the functions, and
//! need not be the one that Daymark reads the platform with.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    database::{Fault, FaultClass},
    store::{FunctionSpec, StoreError, postgres::PostgresStore, postgres::connection::quoted},
};

/// Any day serves, as the privileges do not depend on it.
const PARAMETERS: &str = "DATE '2025-01-10', sql_starts(DATE '2025-01-10'), DATE '2025-01-11'";

/// What to do about it, as the end of a message.
fn remedy(class: FaultClass) -> &'static str {
    match class {
        FaultClass::Denied => " (grant that role SELECT on it)",
        FaultClass::HiddenRows => {
            " (give that role BYPASSRLS, or let the source read a view of the table's owner)"
        }
        _ => "",
    }
}

impl PostgresStore {
    /// A sentence for each reason why metrics would fail, with their names.
    pub(super) async fn unreadable(
        &self,
        session: &mut PgConnection,
        spec: &FunctionSpec,
    ) -> Result<Vec<String>, StoreError> {
        let mut failing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (number, task) in spec.tasks.iter().enumerate() {
            let [reading] = task.readings.as_slice() else { continue };
            let Some(fault) = self.trial(session, spec, number, &task.sql).await? else { continue };
            let metrics = spec.metrics.iter().filter(|metric| metric.readings.contains(reading));
            let names = failing.entry(fault.message + remedy(fault.class)).or_default();
            names.extend(metrics.map(|metric| metric.key.category.as_str()));
        }
        let role: String = sqlx::query_scalar("SELECT current_user::TEXT")
            .fetch_one(session)
            .await
            .map_err(|error| self.failed(error))?;
        let sentence = |(message, mut names): (String, Vec<&str>)| {
            names.sort_unstable();
            names.dedup();
            format!(
                "The functions will fail to record {}, because {role}, who owns them, cannot run what the platform's role can: {message}.",
                names.join(", ")
            )
        };
        Ok(failing.into_iter().map(sentence).collect())
    }

    /// Why the statement cannot be planned, if it cannot. Nothing of it is left in the transaction.
    async fn trial(
        &self,
        session: &mut PgConnection,
        spec: &FunctionSpec,
        number: usize,
        sql: &str,
    ) -> Result<Option<Fault>, StoreError> {
        let path: Vec<_> = spec.search_path.iter().map(|schema| quoted(schema)).collect();
        let parameters = PARAMETERS.replace("sql_starts", &format!("{}.sql_starts", quoted(&self.schema)));
        let trial = format!(
            "SET LOCAL search_path = {}; SET LOCAL row_security = off;
             PREPARE daymark_trial_{number} (DATE, TIMESTAMPTZ[], DATE) AS {sql};
             EXPLAIN EXECUTE daymark_trial_{number} ({parameters})",
            [path, vec!["pg_temp".to_owned()]].concat().join(", ")
        );
        let mut savepoint = session.begin().await.map_err(|error| self.failed(error))?;
        let tried = savepoint.execute(AssertSqlSafe(trial)).await;
        savepoint.rollback().await.map_err(|error| self.failed(error))?;
        Ok(tried.err().map(Fault::from))
    }
}
