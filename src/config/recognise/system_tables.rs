//! Recognises tables that belong to the database, to an extension, to a tool or to Daymark itself. They are never
//! offered as sources.

use std::collections::BTreeSet;

use crate::platform::{Schema, Table};

/// Schemas of PostgreSQL, Supabase, Hasura, extensions and tools. Schemas whose names start with an underscore or `pg_`
/// are system schemas too.
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
    "drizzle",
    "graphile_worker",
    "pgboss",
    "hangfire",
    "daymark",
];
/// Tables that belong to tools, including Daymark.
const SYSTEM_TABLES: &[&str] = &[
    "daily_metrics",
    "metric_definitions",
    "metric_definition_versions",
    "metric_collection_log",
    "schema_migrations",
    "ar_internal_metadata",
    "alembic_version",
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "goose_db_version",
    "migrations",
    "spatial_ref_sys",
    "geometry_columns",
    "geography_columns",
    "schema_version",
    "sequelizemeta",
    "typeorm_metadata",
    "doctrine_migration_versions",
    "mikro_orm_migrations",
];

/// Prefixes of the names of tables that belong to tools.
const SYSTEM_PREFIXES: &[&str] = &["_", "sqlite_", "django_", "knex_", "pg_"];

/// The tables by which a schema or a SQLite file with a Daymark store is recognised.
const STORE_SIGNATURE: [&str; 2] = ["daily_metrics", "metric_collection_log"];
/// The tables of such a store whose names an application could use too.
const STORE_TABLES: &[&str] = &["api_keys", "daily_metric_months", "events", "jobs", "migrations"];

/// Returns the tables that belong to the platform's application.
pub fn application_tables(schema: &Schema) -> Vec<&Table> {
    let stores: BTreeSet<_> = schema
        .tables
        .iter()
        .map(|table| table.schema.as_str())
        .filter(|name| STORE_SIGNATURE.iter().all(|table| schema.table(Some(name), table).is_some()))
        .collect();
    let of_store = |table: &&Table| {
        stores.contains(table.schema.as_str())
            && (!table.visible || STORE_TABLES.contains(&table.name.as_str()))
    };
    schema.tables.iter().filter(|table| is_application_table(table) && !of_store(table)).collect()
}

/// Returns the table of users of Supabase's authentication, which an application without a users table of its own
/// references.
pub fn supabase_users(schema: &Schema) -> Option<&Table> {
    schema.table(Some("auth"), "users")
}

fn is_application_table(table: &Table) -> bool {
    let schema = table.schema.to_lowercase();
    let name = table.name.to_lowercase();
    !(SYSTEM_SCHEMAS.contains(&schema.as_str())
        || schema.starts_with('_')
        || schema.starts_with("pg_")
        || table.of_extension
        || SYSTEM_TABLES.contains(&name.as_str())
        || SYSTEM_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}
