//! The collection log: one run, and the list of runs, newest first.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};
use uuid::Uuid;

use super::{QueryError, cursor, day, day_range::DayRange, parameter_parser::ParameterParser};
use crate::{
    collect::Context,
    store::{Run, RunFilter, RunKind, RunStatus},
};

/// A query about runs as it comes from outside.
#[derive(Debug, Clone, Default)]
pub struct RunsRequest {
    /// Only runs whose days overlap `from..=to`; both or neither.
    pub from: Option<String>,
    pub to: Option<String>,
    pub status: Option<String>,
    pub kind: Option<String>,
    pub limit: Option<String>,
    pub cursor: Option<String>,
}

#[derive(Debug, Clone)]
pub struct RunsQuery {
    pub filter: RunFilter,
    pub limit: usize,
    /// Cursors hold it.
    identity: u64,
}

impl RunsQuery {
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse(asked: &RunsRequest) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        let mut date = |parameter, text: &Option<String>| {
            text.as_deref().and_then(|text| parser.take(parameter, day::parse(text)))
        };
        let days = (date("from", &asked.from), date("to", &asked.to));
        let days = match days {
            (Some(from), Some(to)) => {
                parser.take("from", DayRange::check(from, to, Date::MAX)).map(|()| (from, to))
            }
            (None, None) => None,
            (from, _) => {
                if asked.from.is_none() || asked.to.is_none() {
                    let missing = if from.is_none() { "from" } else { "to" };
                    parser.problem(missing, "give both `from` and `to`, or neither");
                }
                None
            }
        };
        let status =
            parser.words("status", asked.status.as_slice(), "status", &RunStatus::ALL, RunStatus::name);
        let kind = parser.words("kind", asked.kind.as_slice(), "kind of run", &RunKind::ALL, RunKind::name);
        let (status, kind) = (status.first().copied(), kind.first().copied());
        let identity = cursor::identity(&(status.map(RunStatus::name), kind.map(RunKind::name), days));
        let position = asked.cursor.as_deref().and_then(|cursor| parser.take("cursor", cursor::read(cursor)));
        let after = position.map(|(of, started_at, id): (u64, Timestamp, Uuid)| {
            if of != identity {
                parser.problem("cursor", cursor::FOREIGN);
            }
            (started_at, id)
        });
        let limit = parser.limit(asked.limit.as_deref(), "runs");
        let filter = RunFilter { status, kind, days, after, limit: None };
        parser.finish(Self { filter, limit, identity })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunsResponse {
    /// Newest first.
    pub runs: Vec<RunEntry>,
    /// For the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// An entry of the collection log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunEntry {
    pub id: Uuid,
    #[schema(schema_with = kinds)]
    pub kind: &'static str,
    /// The first day, and the last.
    #[schema(value_type = String, format = Date)]
    pub collection_date: Date,
    #[schema(value_type = String, format = Date)]
    pub collection_end_date: Date,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    #[schema(schema_with = statuses)]
    pub status: &'static str,
    /// Records written by this run.
    pub metrics_collected: i64,
    pub error_message: Option<String>,
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub error_details: Option<Map<String, Value>>,
    pub host: String,
    pub process_id: u32,
}

impl From<Run> for RunEntry {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            kind: run.kind.name(),
            collection_date: run.from,
            collection_end_date: run.to,
            started_at: run.started_at,
            completed_at: run.completed_at,
            status: run.status.name(),
            metrics_collected: run.metrics_collected,
            error_message: run.error_message,
            error_details: run.error_details,
            host: run.host,
            process_id: run.process_id,
        }
    }
}

/// A page of the log.
///
/// # Errors
/// When the store fails.
pub async fn runs(context: &Context, query: &RunsQuery) -> Result<RunsResponse, QueryError> {
    let one_more = i64::try_from(query.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let filter = RunFilter { limit: Some(one_more), ..query.filter.clone() };
    let mut runs = context.tenant.store.runs(&filter).await?;
    let has_more = runs.len() > query.limit;
    runs.truncate(query.limit);
    let end_of_page = |last: &Run| cursor::write(&(query.identity, last.started_at, last.id));
    let next_cursor = runs.last().filter(|_| has_more).map(end_of_page);
    Ok(RunsResponse { runs: runs.into_iter().map(RunEntry::from).collect(), next_cursor })
}

/// # Errors
/// [`QueryError::UnknownRun`]; when the store fails.
pub async fn run(context: &Context, id: Uuid) -> Result<RunEntry, QueryError> {
    let run = context.tenant.store.run(id).await?;
    run.map(RunEntry::from).ok_or(QueryError::UnknownRun(id))
}

fn words(words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

fn kinds() -> Object {
    words(RunKind::ALL.map(RunKind::name))
}

fn statuses() -> Object {
    words(RunStatus::ALL.map(RunStatus::name))
}
