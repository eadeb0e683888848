//! `/api/v1/restatements`: recorded days are read again under the newest definition of their metric, as a job.

use axum::{extract::State, response::Response};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    body::JsonBody,
    error_responses::{BodyErrorResponses, ErrorResponses},
    job_answer::JobAnswer,
    jobs::{require_active, started},
    members::{FromMembers, Members},
    no_query::NoQuery,
};
use crate::{
    collect::CollectError,
    corrections::{RestateError, checked_reason},
    http::{
        middleware::scopes::MayCorrect,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::{Service, Shared},
    },
    jobs::{RestateTask, Task},
};

/// Which records are read again, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestateBody {
    /// An active metric.
    metric: String,
    /// The first day; by default the first recorded one.
    #[schema(value_type = Option<String>, format = Date)]
    from: Option<Date>,
    /// The last day; by default the last recorded one.
    #[schema(value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// Why, for everyone who reads the values: 1 to 1,000 characters; may be left out of a dry run.
    #[schema(max_length = 1000, required = false)]
    reason: Option<String>,
    /// Whether days are restated of which the platform has lost rows since they were recorded; by default false.
    #[schema(required = false)]
    accept_loss: bool,
    /// Whether the days are only compared, and nothing is written; by default false.
    #[schema(required = false)]
    dry_run: bool,
}

impl FromMembers for RestateBody {
    fn read(members: &mut Members) -> Self {
        Self {
            metric: members.text("metric"),
            from: members.date("from"),
            to: members.date("to"),
            reason: members.optional_text("reason"),
            accept_loss: members.flag("accept_loss"),
            dry_run: members.flag("dry_run"),
        }
    }
}

/// Restate a metric
///
/// Starts a job that reads the recorded days of a metric again under its newest definition, and writes a correction for each day whose
/// value differs. The records stay. Days that were corrected by hand or withdrawn are left as they are, and so are those of which the
/// platform has lost rows since, unless `accept_loss` is true. The job's `restatement` says what changed, or with `dry_run` what
/// would. A job that was stopped continues when it is requested again. While it runs, an equal request returns the same job; another
/// restatement of the store ends as `busy`. For the role admin.
#[utoipa::path(
    post, path = "/api/v1/restatements", tag = "corrections", request_body = RestateBody,
    responses(
        (status = 202, description = "The job was started, or an equal one is running. `Location` is its path.", body = JobAnswer,
            headers(("Location" = String, description = "The path of the job"))),
        (status = 409, description = "No metric is defined", body = Problem, content_type = "application/problem+json"),
        BodyErrorResponses,
        ErrorResponses,
    ),
)]
pub async fn restate(
    State(service): State<Shared>,
    MayCorrect(principal): MayCorrect,
    _: Parameters<NoQuery>,
    JsonBody(body): JsonBody<RestateBody>,
) -> Result<Response, Problem> {
    let RestateBody { metric, from, to, reason, accept_loss, dry_run } = body;
    require_active(&service, "metric", std::slice::from_ref(&metric)).await?;
    require_reconstructible(&service, &metric).await?;
    if let Some((from, to)) = from.zip(to).filter(|(from, to)| from > to) {
        return Err(CollectError::EmptyRange { from, to }.into());
    }
    let reason = match reason {
        None if dry_run => String::new(),
        given => checked_reason(&given.unwrap_or_default())?,
    };
    let task = RestateTask { metric, from, to, reason, accept_loss, dry_run };
    started(&service, &principal, Task::Restate(task)).await
}

async fn require_reconstructible(service: &Service, name: &str) -> Result<(), Problem> {
    let catalogue = service.catalogue().await?;
    let mut metrics = catalogue.metrics().iter().filter(|metric| metric.key.category == name);
    let is_it =
        metrics.any(|metric| metric.stored.is_active && metric.stored.definition.measure.reconstructible());
    if is_it {
        return Ok(());
    }
    let detail = RestateError::NotReconstructible(name.to_owned()).to_string();
    Err(Problem::invalid_parameters(vec![InvalidParameter { parameter: "metric".to_owned(), detail }]))
}
