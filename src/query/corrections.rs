//! The corrections of recorded values, newest first.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{ToSchema, openapi::Object};
use uuid::Uuid;

use super::{
    catalogue::Catalogue,
    cursor, day,
    day_range::DayRange,
    error::QueryError,
    parameter_parser::ParameterParser,
    response::{RESPONSE_BYTES, metric_type, words},
};
use crate::{
    collect::Context,
    metric::{Decimal, MetricKey, MetricType},
    store::{Revision, RevisionBasis, RevisionEffect, RevisionFilter, RevisionPosition},
};

/// The names of what `state` selects.
const STATES: [&str; 2] = ["all", "in_force"];
/// How many corrections one statement reads. Each may have the metadata of a breakdown.
const READ_AT_ONCE: usize = 50;

/// A query about corrections as it comes from outside.
#[derive(Debug, Clone, Default)]
pub struct CorrectionsRequest {
    /// The first and the last corrected day; by default all.
    pub from: Option<String>,
    pub to: Option<String>,
    pub categories: Vec<String>,
    /// `all`, the default, or `in_force`: without those that were replaced or taken back, and without reversals.
    pub state: Option<String>,
    /// One of [`RevisionBasis::NAMES`]; by default all.
    pub basis: Option<String>,
    pub limit: Option<String>,
    pub cursor: Option<String>,
}

#[derive(Debug, Clone)]
pub struct CorrectionsQuery {
    pub filter: RevisionFilter,
    pub limit: usize,
    /// The identity of the query, which cursors carry.
    identity: u64,
}

/// The content of a cursor: the identity of its query, and the place of the last correction.
type CorrectionsCursor = (u64, Timestamp, String, String, Date, i32);

impl CorrectionsQuery {
    /// `as_of` is that of a [`super::View`].
    ///
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem.
    pub fn parse(
        asked: &CorrectionsRequest,
        catalogue: &Catalogue,
        as_of: Option<Timestamp>,
    ) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        if !asked.categories.is_empty() {
            parser.metrics(&asked.categories, &[], catalogue);
        }
        let mut date = |parameter, text: &Option<String>| {
            text.as_deref().and_then(|text| parser.take(parameter, day::parse(text)))
        };
        let (from, to) = (date("from", &asked.from), date("to", &asked.to));
        if let Some((from, to)) = from.zip(to) {
            parser.take("from", DayRange::check(from, to, Date::MAX));
        }
        let state =
            parser.words("state", asked.state.as_slice(), "state", &STATES.map(|state| (state, state)));
        let only_in_force = state.first() == Some(&STATES[1]);
        let bases = RevisionBasis::NAMES.map(|basis| (basis, basis));
        let basis = parser.words("basis", asked.basis.as_slice(), "basis", &bases);
        let basis = basis.first().copied();
        let mut categories = asked.categories.clone();
        categories.sort_unstable();
        categories.dedup();
        let identity = cursor::identity(&(from, to, &categories, only_in_force, basis, as_of));
        let position = asked.cursor.as_deref().and_then(|cursor| parser.take("cursor", cursor::read(cursor)));
        let after = position.and_then(|fields| position_of(&mut parser, identity, fields));
        let limit = parser.limit(asked.limit.as_deref(), "corrections");
        let filter = RevisionFilter {
            from,
            to,
            categories,
            batch: None,
            basis,
            only_in_force,
            as_of,
            after,
            limit: 0,
        };
        parser.finish(Self { filter, limit, identity })
    }
}

fn position_of(
    parser: &mut ParameterParser,
    identity: u64,
    (of, created_at, category, metric_type, date, revision): CorrectionsCursor,
) -> Option<RevisionPosition> {
    if of != identity {
        parser.problem("cursor", cursor::FOREIGN);
    }
    let known = metric_type.parse().map_err(|_| cursor::NOT_A_CURSOR.to_owned());
    let metric_type = parser.take("cursor", known)?;
    Some(RevisionPosition { created_at, key: MetricKey { metric_type, category }, date, revision })
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CorrectionsResponse {
    /// Newest first.
    pub corrections: Vec<CorrectionEntry>,
    /// The cursor of the next page; null on the last page.
    pub next_cursor: Option<String>,
}

/// A revision of a recorded value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CorrectionEntry {
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    #[schema(value_type = String, format = Date)]
    pub metric_date: Date,
    /// Counts from 1 for each metric and day.
    pub revision: i32,
    /// `value`: another value; `withdrawal`: the value cannot be known; `reversal`: another revision is taken back.
    #[schema(schema_with = kinds)]
    pub kind: &'static str,
    /// Null unless the kind is `value`.
    pub value: Option<Decimal>,
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub metadata: Option<Map<String, Value>>,
    /// The number of the revision that is taken back; null unless the kind is `reversal`.
    pub takes_back: Option<i32>,
    /// Whether it decides the value of its day now.
    pub is_in_force: bool,
    /// The value of the record, which stays.
    pub recorded_value: Decimal,
    /// The basis of the revision: `manual`, the statement of its author; `reconstruction`, the rows that the platform still had; or `redaction`, the record after one of its labels was redacted.
    #[schema(schema_with = bases)]
    pub basis: &'static str,
    /// The version of the definition of a reconstruction, and of a value by hand that replaces one.
    pub definition_version: Option<i32>,
    pub reason: String,
    /// The user or key that made it, or `cli:<system user>`.
    pub author: String,
    /// By the clock of the store's database.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The same for all corrections that were made at once.
    pub batch_id: Uuid,
}

impl From<Revision> for CorrectionEntry {
    fn from(revision: Revision) -> Self {
        let (kind, basis) = (revision.effect.name(), revision.basis);
        let (value, metadata, takes_back) = match revision.effect {
            RevisionEffect::Value { value, metadata } => (Some(value), Some(metadata), None),
            RevisionEffect::Withdrawal => (None, None, None),
            RevisionEffect::Reversal { takes_back } => (None, None, Some(takes_back)),
        };
        Self {
            metric_type: revision.key.metric_type,
            metric_category: revision.key.category,
            metric_date: revision.date,
            revision: revision.revision,
            kind,
            value,
            metadata,
            takes_back,
            is_in_force: revision.is_in_force,
            recorded_value: revision.recorded,
            basis: basis.name(),
            definition_version: basis.definition_version(),
            reason: revision.reason,
            author: revision.author,
            created_at: revision.created_at,
            batch_id: revision.batch_id,
        }
    }
}

/// A page of corrections. It ends before its limit where they take 8 MiB.
///
/// # Errors
/// When the store fails.
pub async fn corrections(
    context: &Context,
    query: &CorrectionsQuery,
) -> Result<CorrectionsResponse, QueryError> {
    let (mut found, mut bytes, mut filter) = (Vec::<CorrectionEntry>::new(), 0, query.filter.clone());
    let mut has_more = true;
    while has_more && found.len() < query.limit && bytes < RESPONSE_BYTES {
        let count = READ_AT_ONCE.min(query.limit - found.len());
        filter.limit = i64::try_from(count + 1).unwrap_or(i64::MAX);
        let mut read = context.tenant.store.revisions(&filter).await?;
        has_more = read.len() > count;
        read.truncate(count);
        filter.after = read.last().map(Revision::position);
        bytes += read.iter().map(revision_bytes).sum::<usize>();
        found.extend(read.into_iter().map(CorrectionEntry::from));
    }
    let end_of_page = |last: RevisionPosition| {
        let RevisionPosition { created_at, key, date, revision } = last;
        cursor::write(&(query.identity, created_at, key.category, key.metric_type.name(), date, revision))
    };
    let next_cursor = filter.after.filter(|_| has_more).map(end_of_page);
    Ok(CorrectionsResponse { corrections: found, next_cursor })
}

/// About how many bytes a correction takes in a response.
fn revision_bytes(revision: &Revision) -> usize {
    let metadata = match &revision.effect {
        RevisionEffect::Value { metadata, .. } => {
            serde_json::to_string(metadata).map_or(0, |text| text.len())
        }
        _ => 0,
    };
    512 + revision.reason.len() + metadata
}

fn kinds() -> Object {
    words(["value", "withdrawal", "reversal"])
}

fn bases() -> Object {
    words(RevisionBasis::NAMES)
}
