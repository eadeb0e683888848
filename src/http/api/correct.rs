//! `POST /api/v1/corrections`: corrects recorded values. A record is never changed: a correction is a revision beside it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use strum::IntoEnumIterator;
use utoipa::ToSchema;

use super::{
    body::JsonBody,
    enum_schemas,
    error_responses::{BodyErrorResponses, ErrorResponses},
    members::{FromMembers, Members},
    no_query::NoQuery,
};
use crate::{
    corrections::{
        self, CorrectionError, CorrectionRequest, PlannedCorrection, RequestedChange, RequestedCorrection,
    },
    http::{
        middleware::scopes::MayCorrect,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::Shared,
    },
    metric::{Decimal, MetricType},
    query::CorrectionEntry,
    store::Trigger,
};

/// The most corrections of one request, which fit into its body of 64 KiB.
const MAX_ENTRIES: usize = 250;

/// Recorded values to put right, for one reason. All of them are written, or none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectRequest {
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    #[schema(min_items = 1, max_items = 250)]
    corrections: Vec<CorrectedDay>,
    /// Whether the differences are only shown, and nothing is written; by default false.
    #[schema(required = false)]
    dry_run: bool,
}

/// A day to put right, by exactly one of `value`, `withdraw` and `take_back`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectedDay {
    metric_category: String,
    /// Only where metrics of several types have or had this category; by default the active one.
    #[schema(schema_with = enum_schemas::metric_types, required = false)]
    metric_type: Option<String>,
    #[schema(value_type = String, format = Date)]
    date: Option<Date>,
    /// The right value: a number, or a string with all of its digits.
    #[schema(required = false)]
    value: Option<Decimal>,
    /// The sample size, the numerator and denominator, or the labels of the value, which must make it. By default an average keeps the
    /// size of its sample, and a percentage its denominator; a breakdown needs them, and so does a day that had no rows.
    #[schema(value_type = Option<HashMap<String, Value>>, required = false)]
    metadata: Option<Map<String, Value>>,
    /// True: the value of the day cannot be known, and is shown as a gap.
    #[schema(required = false)]
    withdraw: bool,
    /// The number of the revision that is taken back.
    #[schema(required = false)]
    take_back: Option<i32>,
    /// `last_revision` of the answer to a dry run: if another correction of the day was made since, the request is refused with 409.
    #[schema(required = false, minimum = 0)]
    after_revision: Option<i32>,
    #[serde(skip)]
    #[schema(ignore)]
    problem: Option<String>,
}

/// The corrections that were written, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct CorrectedAnswer {
    /// What changed, or would change with `dry_run`, in the order of the request.
    changes: Vec<ChangeEntry>,
    /// How many of the request ask for what is in force already.
    unchanged: usize,
    /// The corrections as they are stored; empty with `dry_run`.
    corrections: Vec<CorrectionEntry>,
}

/// The value in force of a day before and after a correction; null where it is withdrawn, or of no rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeEntry {
    #[schema(schema_with = enum_schemas::metric_types)]
    metric_type: MetricType,
    metric_category: String,
    #[schema(value_type = String, format = Date)]
    metric_date: Date,
    recorded_value: Decimal,
    before: Option<Decimal>,
    after: Option<Decimal>,
    /// The number of the day's last revision before this correction; 0 where it had none.
    last_revision: i32,
}

impl FromMembers for CorrectRequest {
    fn read(members: &mut Members) -> Self {
        Self {
            reason: members.text("reason"),
            corrections: members.objects("corrections", CorrectedDay::read),
            dry_run: members.flag("dry_run"),
        }
    }
}

impl FromMembers for CorrectedDay {
    fn read(members: &mut Members) -> Self {
        let read = Self {
            metric_category: members.text("metric_category"),
            metric_type: members.optional_text("metric_type"),
            date: members.required_date("date"),
            value: members.decimal("value"),
            metadata: members.object("metadata"),
            withdraw: members.flag("withdraw"),
            take_back: members.integer("take_back"),
            after_revision: members.integer("after_revision"),
            problem: None,
        };
        Self { problem: read.contradiction(), ..read }
    }
}

impl CorrectedDay {
    fn contradiction(&self) -> Option<String> {
        let given = [self.value.is_some(), self.withdraw, self.take_back.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Some("give exactly one of `value`, `withdraw` and `take_back`".to_owned());
        }
        if self.metadata.is_some() && self.value.is_none() {
            return Some("`metadata` belong to a `value`".to_owned());
        }
        if self.after_revision.is_some_and(|number| number < 0) {
            return Some("`after_revision` is the number of a revision, or 0".to_owned());
        }
        let wrong = self.metric_type.as_deref().filter(|name| name.parse::<MetricType>().is_err())?;
        let names = MetricType::iter().map(MetricType::name).collect::<Vec<_>>().join(", ");
        Some(format!("`metric_type` must be one of {names}, not {}", crate::config::shown(wrong)))
    }

    /// A correction without a day was refused when its body was read.
    fn requested(self) -> Result<RequestedCorrection, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let change = match (self.value, self.take_back) {
            (Some(value), _) => RequestedChange::Value { value, metadata: self.metadata },
            (None, Some(revision)) => RequestedChange::TakeBack { revision },
            (None, None) => RequestedChange::Withdraw,
        };
        Ok(RequestedCorrection {
            category: self.metric_category,
            metric_type: self.metric_type.as_deref().and_then(|name| name.parse().ok()),
            date: self.date.unwrap_or(Date::MIN),
            change,
            after_revision: self.after_revision,
        })
    }
}

/// Correct recorded values
///
/// Writes a revision beside each record, with the reason and the author; the records stay. Readers show the values of the revisions
/// from then on. For the role admin.
#[utoipa::path(
    post, path = "/api/v1/corrections", tag = "corrections", request_body = CorrectRequest,
    responses(
        (status = 200, description = "The differences; nothing was written", body = CorrectedAnswer),
        (status = 201, description = "The corrections", body = CorrectedAnswer),
        (status = 409, description = "Another correction came first", body = Problem, content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn correct(
    State(service): State<Shared>,
    MayCorrect(principal): MayCorrect,
    _: Parameters<NoQuery>,
    JsonBody(request): JsonBody<CorrectRequest>,
) -> Result<Response, Problem> {
    let dry_run = request.dry_run;
    let context = service.context.started_by(Trigger::Api, &principal.subject);
    let plan = corrections::plan(&context, requested(request)?).await?;
    let changes: Vec<_> = plan.changes.iter().map(ChangeEntry::from).collect();
    let unchanged = plan.unchanged;
    if dry_run || changes.is_empty() {
        let answer = CorrectedAnswer { changes, unchanged, corrections: Vec::new() };
        return Ok(Json(answer).into_response());
    }
    let written: Arc<[_]> = corrections::write(&context, plan).await.map_err(refused)?.into();
    service.cache.changed_here();
    corrections::judge_later(&context, &written);
    tracing::info!(
        subject = &*principal.subject,
        corrections = written.len(),
        "recorded values were corrected"
    );
    let corrections = written.iter().cloned().map(CorrectionEntry::from).collect();
    Ok((StatusCode::CREATED, Json(CorrectedAnswer { changes, unchanged, corrections })).into_response())
}

fn requested(request: CorrectRequest) -> Result<CorrectionRequest, Problem> {
    let (mut corrections, mut problems) = (Vec::new(), Vec::new());
    let count = request.corrections.len();
    if count > MAX_ENTRIES {
        problems.push(InvalidParameter {
            parameter: "corrections".to_owned(),
            detail: format!(
                "a request has at most {MAX_ENTRIES} corrections, not {count}; `daymark correct --file` takes more"
            ),
        });
    }
    for (place, day) in request.corrections.into_iter().enumerate() {
        match day.requested() {
            Ok(correction) => corrections.push(correction),
            Err(detail) => {
                problems.push(InvalidParameter { parameter: format!("corrections.{place}"), detail })
            }
        }
    }
    match problems.is_empty() {
        true => Ok(CorrectionRequest { reason: request.reason, corrections }),
        false => Err(Problem::invalid_body(problems)),
    }
}

/// A store refuses a revision where its role may not write any.
fn refused(error: CorrectionError) -> Problem {
    match error {
        CorrectionError::Store(error) if error.is_denied() => {
            tracing::error!(%error, "the store refused a correction");
            Problem::forbidden(
                "the database role of this server may not correct values in its store; docs/quickstart-postgresql.md has the grant",
            )
        }
        error => error.into(),
    }
}

impl From<CorrectionError> for Problem {
    fn from(error: CorrectionError) -> Self {
        let wrong =
            |parameter: &str, detail: String| InvalidParameter { parameter: parameter.to_owned(), detail };
        let problems = match error {
            CorrectionError::Store(error) => return error.into(),
            CorrectionError::Outdated(_) => return Self::conflict(error.to_string()),
            CorrectionError::Reason => vec![wrong("reason", error.to_string())],
            CorrectionError::Count(_) => vec![wrong("corrections", error.to_string())],
            CorrectionError::Invalid(problems) => {
                let one = |problem: corrections::CorrectionProblem| {
                    wrong(&format!("corrections.{}", problem.place), problem.message)
                };
                problems.into_iter().map(one).collect()
            }
        };
        Self::invalid_body(problems)
    }
}

impl From<&PlannedCorrection> for ChangeEntry {
    fn from(planned: &PlannedCorrection) -> Self {
        Self {
            metric_type: planned.key.metric_type,
            metric_category: planned.key.category.clone(),
            metric_date: planned.date,
            recorded_value: planned.recorded.clone(),
            before: planned.before.clone(),
            after: planned.after.clone(),
            last_revision: planned.last_revision,
        }
    }
}
