//! Tables that belong to the database, to an extension, to a tool or to Daymark itself, and are never offered as sources.

use crate::platform::Table;

/// Schemas of PostgreSQL, Supabase, Hasura and extensions; and every one that starts with an underscore or `pg_`.
const SYSTEM_SCHEMAS: &[&str] = &[
    "information_schema",
    "auth",
    "storage",
    "realtime",
    "vault",
    "extensions",
    "graphql",
    "graphql_public",
    "pgsodium",
    "pgsodium_masks",
    "pgbouncer",
    "supabase_functions",
    "supabase_migrations",
    "net",
    "cron",
    "hdb_catalog",
    "tiger",
    "topology",
    "partman",
    "daymark",
];
/// Tables that tools keep for themselves; ours among them.
const SYSTEM_TABLES: &[&str] = &[
    "daily_metrics",
    "metric_definitions",
    "metric_definition_versions",
    "metric_collection_log",
    "schema_migrations",
    "ar_internal_metadata",
    "django_migrations",
    "django_session",
    "django_admin_log",
    "alembic_version",
    "flyway_schema_history",
    "knex_migrations",
    "knex_migrations_lock",
    "databasechangelog",
    "databasechangeloglock",
    "goose_db_version",
    "migrations",
    "spatial_ref_sys",
];

/// Whether the table belongs to the platform's application rather than to a tool.
pub fn is_application_table(table: &Table) -> bool {
    let schema = table.schema.to_lowercase();
    let name = table.name.to_lowercase();
    !(SYSTEM_SCHEMAS.contains(&schema.as_str())
        || schema.starts_with('_')
        || schema.starts_with("pg_")
        || SYSTEM_TABLES.contains(&name.as_str())
        || name.starts_with('_')
        || name.starts_with("sqlite_"))
}
