//! `GET /api/v1/sources`: the sources and the platform's tables that a definition can read.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::{error_responses::ErrorResponses, no_query::NoQuery};
use crate::{
    definitions::{self, ReadableTable},
    http::{
        middleware::scopes::MayDefine, parameters::Parameters, problem::Problem, service::Shared,
        uncached::Uncached,
    },
};

/// The sources of daymark.toml and the preset, and the tables of the platform.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourcesAnswer {
    /// By name.
    sources: Vec<SourceEntry>,
    /// The tables and views that the platform's role may read, which a `sql` query can name.
    tables: Vec<TableEntry>,
    /// Whether tables were left out, because an answer has 500 at most.
    truncated: bool,
}

/// A source, which a definition names.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceEntry {
    name: String,
    /// The table that it reads; null where the source cannot be used.
    table: Option<TableEntry>,
    /// Why it cannot be used.
    problem: Option<String>,
}

/// A table or a view.
#[derive(Debug, Serialize, ToSchema)]
pub struct TableEntry {
    /// The name as a query writes it.
    name: String,
    columns: Vec<ColumnEntry>,
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct ColumnEntry {
    name: String,
    /// The platform's own name of the type.
    r#type: String,
}

/// Sources
///
/// What a definition can read: the sources of the server's daymark.toml and of the preset with the columns of their tables, and
/// the platform's other tables.
#[utoipa::path(
    get, path = "/api/v1/sources", tag = "definitions",
    responses((status = 200, description = "The sources", body = SourcesAnswer), ErrorResponses),
)]
pub async fn sources(
    State(service): State<Shared>,
    _: MayDefine,
    _: Parameters<NoQuery>,
) -> Result<Uncached<SourcesAnswer>, Problem> {
    // The semaphore is never closed, so this cannot fail.
    let _permit = service.checks.acquire().await;
    let found = definitions::readable(&service.context, &service.config).await?;
    let source = |(name, read): (String, Result<ReadableTable, String>)| match read {
        Ok(table) => SourceEntry { name, table: Some(table.into()), problem: None },
        Err(problem) => SourceEntry { name, table: None, problem: Some(problem) },
    };
    let answer = SourcesAnswer {
        sources: found.sources.into_iter().map(source).collect(),
        tables: found.tables.into_iter().map(TableEntry::from).collect(),
        truncated: found.truncated,
    };
    Ok(Uncached(answer))
}

impl From<ReadableTable> for TableEntry {
    fn from(ReadableTable { name, columns }: ReadableTable) -> Self {
        let column = |(name, column_type)| ColumnEntry { name, r#type: column_type };
        Self { name, columns: columns.into_iter().map(column).collect() }
    }
}
