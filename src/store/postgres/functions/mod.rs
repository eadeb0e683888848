//! SQL functions that record days without Daymark's process. They are generated (`script.rs`), installed in one
//! transaction, and found again by the comment on the first of them.

mod installed;
mod script;
mod trial;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use self::script::{COMMENT, Script};
use super::{PostgresStore, connection::quoted};
use crate::{
    database::{Fault, FaultClass},
    store::{FunctionPlace, FunctionSpec, Functions, InstalledFunctions, StoreError},
};

/// A text that only connections to the same database of the same server have in common. `platform/postgres/mod.rs` asks its
/// own connection the same.
const DATABASE_IDENTITY: &str = "
    SELECT format('%s since %s', oid, extract(epoch FROM pg_postmaster_start_time()))
    FROM pg_database WHERE datname = current_database()";

const INVALID_FUNCTION_DEFINITION: &str = "42P13";
const INVALID_TABLE_DEFINITION: &str = "42P16";

/// The first server with views that check the privileges of their caller.
const SECURITY_INVOKER_SERVER: u32 = 150_000;

/// The description of an installation, which is in the comment on `collect_daily_metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FunctionManifest {
    tenant: String,
    api_schema: Option<String>,
    /// The hash of the script.
    script: String,
    /// The hash of the functions and views as they are in the database after the installation; `None` of an installation by 0.1.0, whose
    /// hash was another one.
    objects: Option<String>,
}

#[async_trait]
impl Functions for PostgresStore {
    async fn function_place(&self) -> Result<FunctionPlace, StoreError> {
        let identity = sqlx::query_scalar(DATABASE_IDENTITY).fetch_one(self.pool().await?).await;
        Ok(FunctionPlace {
            identity: identity.map_err(|error| self.failed(error))?,
            schema: quoted(&self.schema),
        })
    }

    fn function_script(&self, spec: &FunctionSpec, api_schema: Option<&str>) -> Result<String, StoreError> {
        let script = self.script(spec, api_schema);
        Ok(format!(
            "BEGIN;\nSET LOCAL search_path TO {}, pg_temp;\n\n{}\nCOMMIT;\n",
            quoted(&self.schema),
            script.text()
        ))
    }

    async fn install_functions(
        &self,
        spec: &FunctionSpec,
        api_schema: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let failed = |error| self.failed(error);
        self.pool().await?;
        let mut session = self.connect().await?;
        if let Some(message) = refusal_of_server(api_schema, session.server_version_num()) {
            return Err(self.fault(FaultClass::Other, message));
        }
        let mut transaction = session.begin().await.map_err(failed)?;
        if let Some(message) = self.open_schema(&mut transaction, &spec.search_path).await? {
            return Err(self.fault(FaultClass::Other, message));
        }
        if let Some(manifest) = self.manifest(&mut transaction).await? {
            self.require_own_tenant(&manifest)?;
            if let Some(earlier) = manifest.api_schema.filter(|earlier| Some(earlier.as_str()) != api_schema)
            {
                self.drop_api(&mut transaction, &earlier).await?;
            }
            // Those of another version may have other columns, or not be among the new ones.
            self.drop_functions(&mut transaction).await?;
        }
        if let Some(api_schema) = api_schema {
            self.refuse_others(&mut transaction, api_schema).await?;
        }
        let script = self.script(spec, api_schema);
        self.create(&mut transaction, &script).await?;
        let manifest = FunctionManifest {
            tenant: self.tenant.clone(),
            api_schema: api_schema.map(str::to_owned),
            script: sha256(&script.text()),
            objects: Some(self.hash_of_objects(&mut transaction, api_schema).await?),
        };
        let comment = format!("{COMMENT} {}", serde_json::to_string(&manifest).unwrap_or_default());
        let comment =
            format!("COMMENT ON FUNCTION collect_daily_metrics IS '{}'", comment.replace('\'', "''"));
        transaction.execute(AssertSqlSafe(comment)).await.map_err(failed)?;
        let mut notes = self.notes(&mut transaction).await?;
        notes.extend(self.unreadable(&mut transaction, spec).await?);
        transaction.commit().await.map_err(failed)?;
        let _ = session.close().await;
        Ok(notes)
    }

    async fn installed_functions(
        &self,
        spec: Option<&FunctionSpec>,
    ) -> Result<Option<InstalledFunctions>, StoreError> {
        self.pool().await?;
        let mut session = self.connect().await?;
        let Some(manifest) = self.manifest(&mut session).await? else { return Ok(None) };
        let api_schema = manifest.api_schema.as_deref();
        let mut problems = self.missing_privileges(&mut session, api_schema).await?;
        let objects = self.hash_of_objects(&mut session, api_schema).await?;
        if manifest.objects.is_none() {
            problems.push("the functions were installed by an earlier release".to_owned());
        } else if manifest.objects != Some(objects) {
            let and_views = api_schema.map(|schema| format!(", or the views and functions in {schema},"));
            let and_views = and_views.unwrap_or_default();
            problems.push(format!("the functions{and_views} are not as they were installed"));
        }
        let mut may_check = true;
        if let Err(error) = sqlx::query("SELECT sql_require_current()").execute(&mut session).await {
            let fault = Fault::from(error);
            // A role that only records may not run the parts of the functions.
            may_check = fault.class != FaultClass::Denied;
            problems.extend(may_check.then_some(fault.message));
        }
        if let Some(spec) = spec
            && may_check
        {
            problems.extend(self.open_schema(&mut session, &spec.search_path).await?);
            problems.extend(self.unreadable(&mut session, spec).await?);
        }
        let _ = session.close().await;
        let current = spec.map(|spec| sha256(&self.script(spec, manifest.api_schema.as_deref()).text()));
        Ok(Some(InstalledFunctions {
            is_current: current.is_none_or(|current| current == manifest.script),
            tenant: manifest.tenant,
            api_schema: manifest.api_schema,
            may_check,
            problems,
        }))
    }

    async fn uninstall_functions(&self) -> Result<bool, StoreError> {
        let failed = |error| self.failed(error);
        self.pool().await?;
        let mut session = self.connect().await?;
        let mut transaction = session.begin().await.map_err(failed)?;
        let Some(manifest) = self.manifest(&mut transaction).await? else { return Ok(false) };
        if let Some(api_schema) = &manifest.api_schema {
            self.drop_api(&mut transaction, api_schema).await?;
        }
        self.drop_functions(&mut transaction).await?;
        transaction.commit().await.map_err(failed)?;
        let _ = session.close().await;
        Ok(true)
    }
}

impl PostgresStore {
    fn script<'a>(&'a self, spec: &'a FunctionSpec, api_schema: Option<&'a str>) -> Script<'a> {
        Script { spec, tenant: &self.tenant, schema: &self.schema, api_schema }
    }

    /// Creates the objects. The views of the API are replaced, so that what others made of them stays, unless another version gave
    /// them columns that cannot be replaced: then they are dropped first.
    async fn create(&self, transaction: &mut PgConnection, script: &Script<'_>) -> Result<(), StoreError> {
        let failed = |error| self.failed(error);
        let mut savepoint = transaction.begin().await.map_err(failed)?;
        let created = savepoint.execute(AssertSqlSafe(script.text())).await;
        let (error, api_schema) = match (created, script.api_schema) {
            (Ok(_), _) => return savepoint.commit().await.map_err(failed),
            (Err(error), Some(api_schema)) if is_other_form(&error) => (error, api_schema),
            (Err(error), _) => return Err(failed(error)),
        };
        savepoint.rollback().await.map_err(failed)?;
        tracing::debug!(%error, "the views of another version are dropped");
        self.drop_api(transaction, api_schema).await?;
        transaction.execute(AssertSqlSafe(script.text())).await.map(drop).map_err(failed)
    }

    fn require_own_tenant(&self, installed: &FunctionManifest) -> Result<(), StoreError> {
        if installed.tenant == self.tenant {
            return Ok(());
        }
        let message = format!(
            "the functions of the schema {} record the days of the tenant {}: remove them with `daymark sql uninstall` of \
             that tenant first",
            self.schema, installed.tenant
        );
        Err(self.fault(FaultClass::Other, message))
    }

    /// A sentence about a schema of the search path in which a role of an API may create objects: an operator or a function of such a
    /// role would be called with the rights of the owner.
    async fn open_schema(
        &self,
        session: &mut PgConnection,
        search_path: &[String],
    ) -> Result<Option<String>, StoreError> {
        let open: Option<(String, String)> = sqlx::query_as(include_str!("select_open_schemas.sql"))
            .bind(search_path)
            .fetch_optional(session)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(open.map(|(schema, role)| {
            format!(
                "{role} may create objects in the schema {schema}, in which the functions look up the platform's tables with the \
                 rights of their owner: run `REVOKE CREATE ON SCHEMA {schema} FROM {role}` first"
            )
        }))
    }
}

/// Whether an object exists in a form that CREATE OR REPLACE cannot change into the new one.
fn is_other_form(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| [INVALID_FUNCTION_DEFINITION, INVALID_TABLE_DEFINITION].contains(&code.as_ref()))
}

/// Why a server of that version cannot have the objects; `None` where it can, and where it does not tell its version.
fn refusal_of_server(api_schema: Option<&str>, version: Option<u32>) -> Option<String> {
    let version = version.filter(|version| *version < SECURITY_INVOKER_SERVER)?;
    api_schema.map(|_| {
        format!(
            "views that check the privileges of their caller (security_invoker) need PostgreSQL 15, and this server is PostgreSQL \
             {}: install the functions without `--api-schema`",
            version / 10_000
        )
    })
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::refusal_of_server;

    #[test]
    fn only_servers_before_15_refuse_views_that_check_their_caller() {
        let refusal = refusal_of_server(Some("public"), Some(140_012)).unwrap();
        assert!(refusal.contains("need PostgreSQL 15, and this server is PostgreSQL 14"), "{refusal}");
        assert_eq!(refusal_of_server(None, Some(140_012)), None, "the functions alone need no such view");
        assert_eq!(refusal_of_server(Some("public"), Some(150_000)), None);
        assert_eq!(refusal_of_server(Some("public"), None), None);
    }
}
