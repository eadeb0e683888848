//! The functions as they are in the database: which there are, and what of them is missing or changed.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::{
    FunctionManifest,
    script::{API_FUNCTIONS, API_VIEWS, COMMENT, NAMES},
};
use crate::{
    database::FaultClass,
    store::{StoreError, postgres::PostgresStore},
};

/// The objects of the schema $1 that have a name of $2 or $3 and not Daymark's comment, $4.
const SELECT_OTHERS: &str = "
    SELECT format('the relation %I.%I', nspname, relname)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = ANY ($2) AND obj_description(pg_class.oid, 'pg_class') NOT LIKE $4 || '%' IS NOT FALSE
    UNION ALL
    SELECT format('the function %I.%I', nspname, proname)
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE nspname = $1 AND proname = ANY ($3) AND obj_description(pg_proc.oid, 'pg_proc') NOT LIKE $4 || '%' IS NOT FALSE";

/// The hash of the functions of Daymark's schema by the names $1, and of the views $3 and functions $4 of the schema $2.
const SELECT_HASH: &str = "
    WITH objects AS (
        SELECT concat_ws('|', proname, pg_get_function_arguments(pg_proc.oid), prosrc, prosecdef, provolatile, proconfig::TEXT) AS definition
        FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema AND proname ~ $1 OR nspname = $2 AND proname = ANY ($4)
        UNION ALL
        SELECT concat_ws('|', relname, relkind, reloptions::TEXT, pg_get_userbyid(relowner), pg_get_viewdef(pg_class.oid))
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = $2 AND relname = ANY ($3)
    )
    SELECT encode(sha256(convert_to(string_agg(definition, E'\\n' ORDER BY definition COLLATE \"C\"), 'UTF8')), 'hex') FROM objects";

impl PostgresStore {
    pub(super) async fn manifest(
        &self,
        session: &mut PgConnection,
    ) -> Result<Option<FunctionManifest>, StoreError> {
        let comment: Option<String> = sqlx::query_scalar(
            "SELECT obj_description(oid, 'pg_proc') FROM pg_proc
             WHERE oid = to_regprocedure(quote_ident(current_schema) || '.collect_daily_metrics(date)')",
        )
        .fetch_optional(session)
        .await
        .map_err(|error| self.failed(error))?
        .flatten();
        let Some(json) = comment.as_deref().and_then(|comment| comment.strip_prefix(COMMENT)) else {
            return Ok(None);
        };
        let manifest = serde_json::from_str(json);
        manifest.map(Some).map_err(|error| {
            let what = format!("the comment on collect_daily_metrics cannot be read ({error})");
            self.fault(FaultClass::Other, what)
        })
    }

    pub(super) async fn hash_of_objects(
        &self,
        session: &mut PgConnection,
        api_schema: Option<&str>,
    ) -> Result<String, StoreError> {
        let hash: Option<String> = sqlx::query_scalar(SELECT_HASH)
            .bind(NAMES)
            .bind(api_schema)
            .bind(API_VIEWS)
            .bind(API_FUNCTIONS)
            .fetch_one(session)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(hash.unwrap_or_default())
    }

    /// Refuses to replace objects that another owner made.
    pub(super) async fn refuse_others(
        &self,
        session: &mut PgConnection,
        api_schema: &str,
    ) -> Result<(), StoreError> {
        let others: Vec<String> = sqlx::query_scalar(SELECT_OTHERS)
            .bind(api_schema)
            .bind(API_VIEWS)
            .bind(API_FUNCTIONS)
            .bind(COMMENT)
            .fetch_all(session)
            .await
            .map_err(|error| self.failed(error))?;
        if others.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} exist already, and Daymark did not make them: nothing was changed. Rename or drop them, or install without \
             `--api-schema`",
            others.join(", ")
        );
        Err(self.fault(FaultClass::Other, message))
    }

    pub(super) async fn drop_api(
        &self,
        session: &mut PgConnection,
        api_schema: &str,
    ) -> Result<(), StoreError> {
        self.refuse_others(session, api_schema).await?;
        let schema = super::quoted(api_schema);
        let views = API_VIEWS.iter().map(|view| format!("DROP VIEW IF EXISTS {schema}.{view};"));
        let functions = API_FUNCTIONS.iter().map(|name| format!("DROP FUNCTION IF EXISTS {schema}.{name};"));
        // A function returns rows of a view, so it is dropped before the view.
        let script: String = functions.chain(views).collect();
        session.execute(AssertSqlSafe(script)).await.map(drop).map_err(|error| self.failed(error))
    }

    pub(super) async fn drop_functions(&self, session: &mut PgConnection) -> Result<(), StoreError> {
        let functions: Vec<String> = sqlx::query_scalar(
            "SELECT format('DROP FUNCTION %s;', oid::REGPROCEDURE) FROM pg_proc
             WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE AND proname ~ $1",
        )
        .bind(NAMES)
        .fetch_all(&mut *session)
        .await
        .map_err(|error| self.failed(error))?;
        let script = functions.concat();
        session.execute(AssertSqlSafe(script)).await.map(drop).map_err(|error| self.failed(error))
    }

    /// A sentence for each role that may call the functions and should not, or should and may not.
    pub(super) async fn missing_privileges(
        &self,
        session: &mut PgConnection,
        api_schema: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(include_str!("select_wrong_callers.sql"))
            .bind(api_schema)
            .fetch_all(session)
            .await
            .map_err(|error| self.failed(error))
    }

    /// What an operator should know of the database, a sentence each.
    pub(super) async fn notes(&self, session: &mut PgConnection) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(include_str!("select_notes.sql"))
            .fetch_all(session)
            .await
            .map_err(|error| self.failed(error))
    }
}
