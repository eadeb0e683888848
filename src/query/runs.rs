//! The collection log: one run, and the list of runs, newest first.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use serde_json::{Map, Value};
use strum::IntoEnumIterator;
use utoipa::{ToSchema, openapi::Object};
use uuid::Uuid;

use super::{
    cursor, day, day_range::DayRange, error::QueryError, parameter_parser::ParameterParser,
    response::RESPONSE_BYTES, response::words,
};
use crate::{
    collect::Context,
    config::named_variants,
    store::{Run, RunFilter, RunKind, RunStatus, Trigger},
};

/// How many runs one statement reads.
const RUNS_AT_ONCE: usize = 20;

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
    /// The identity of the query, which cursors carry.
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
        let status = parser.words("status", asked.status.as_slice(), "status", &named_variants());
        let kind = parser.words("kind", asked.kind.as_slice(), "kind of run", &named_variants());
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
    /// The cursor of the next page; null on the last page.
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
    /// Why it was started, and for whom: `cli:<system user>`, `key:<id>`, `user:<sub>` or `system`.
    #[schema(schema_with = triggers)]
    pub trigger: &'static str,
    pub actor: String,
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
            trigger: run.trigger.name(),
            actor: run.actor,
            host: run.host,
            process_id: run.process_id,
        }
    }
}

/// A page of the log. It ends before its limit where its runs take 8 MiB: each may have errors of many metrics.
///
/// # Errors
/// When the store fails.
pub async fn runs(context: &Context, query: &RunsQuery) -> Result<RunsResponse, QueryError> {
    let (mut runs, mut bytes, mut filter) = (Vec::<RunEntry>::new(), 0, query.filter.clone());
    let mut has_more = true;
    while has_more && runs.len() < query.limit && bytes < RESPONSE_BYTES {
        let count = RUNS_AT_ONCE.min(query.limit - runs.len());
        filter.limit = i64::try_from(count + 1).ok();
        let mut read = context.tenant.store.runs(&filter).await?;
        has_more = read.len() > count;
        read.truncate(count);
        filter.after = read.last().map(|last| (last.started_at, last.id));
        bytes += read.iter().map(run_bytes).sum::<usize>();
        runs.extend(read.into_iter().map(RunEntry::from));
    }
    let end_of_page = |last: &RunEntry| cursor::write(&(query.identity, last.started_at, last.id));
    let next_cursor = runs.last().filter(|_| has_more).map(end_of_page);
    Ok(RunsResponse { runs, next_cursor })
}

/// About how many bytes a run takes in a response.
fn run_bytes(run: &Run) -> usize {
    let details = run.error_details.as_ref().and_then(|details| serde_json::to_string(details).ok());
    512 + run.error_message.as_ref().map_or(0, String::len) + details.map_or(0, |details| details.len())
}

/// # Errors
/// [`QueryError::UnknownRun`]; when the store fails.
pub async fn run(context: &Context, id: Uuid) -> Result<RunEntry, QueryError> {
    let run = context.tenant.store.run(id).await?;
    run.map(RunEntry::from).ok_or(QueryError::UnknownRun(id))
}

fn kinds() -> Object {
    words(RunKind::iter().map(RunKind::name))
}

fn triggers() -> Object {
    words(Trigger::iter().map(Trigger::name))
}

fn statuses() -> Object {
    words(RunStatus::iter().map(RunStatus::name))
}
