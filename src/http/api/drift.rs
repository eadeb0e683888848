//! `GET /api/v1/drift`: records beside a recount of the platform's present rows.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    comma_list::comma_list,
    error_responses::{ErrorResponses, Undefined},
    job_answer::FailedMetric,
    jobs::require_active,
};
use crate::{
    collect::{self, CancellationToken, ComparedDay, DriftReport, DriftRequest, LeftOut, MetricDrift},
    http::{
        middleware::scopes::MayCollect,
        parameters::Parameters,
        problem::{InvalidParameter, Problem},
        service::Shared,
        uncached::Uncached,
    },
    metric::Decimal,
    query::day,
};

/// The most values, days multiplied by metrics, that one request compares: an answer of some 2 MB.
const MAX_VALUES: usize = 20_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DriftParameters {
    /// The first day, `YYYY-MM-DD`; by default 29 days before `to`
    #[param(format = Date)]
    from: Option<String>,
    /// The last day, `YYYY-MM-DD`; by default the last finished day
    #[param(format = Date)]
    to: Option<String>,
    /// Categories, separated by commas; by default all active metrics
    category: Option<String>,
}

/// The records of a range of days beside a recount.
#[derive(Debug, Serialize, ToSchema)]
pub struct DriftAnswer {
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
    /// By category.
    metrics: Vec<DriftedMetric>,
    /// Metrics that the platform cannot answer at present.
    failed: Vec<FailedMetric>,
    /// Metrics whose past values cannot be counted again.
    left_out: Vec<LeftOutMetric>,
}

/// How the recount of a metric differs from its records.
#[derive(Debug, Serialize, ToSchema)]
pub struct DriftedMetric {
    metric_type: String,
    metric_category: String,
    days_compared: usize,
    /// Recorded days that were not compared: an earlier version of the definition made the record, or the present rows have
    /// no valid value.
    days_not_compared: usize,
    /// The days whose recount differs, by date; every other compared day has the recorded value.
    changed: Vec<ChangedDay>,
}

/// A day whose recount differs from its value in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedDay {
    #[schema(value_type = String, format = Date)]
    metric_date: Date,
    /// The value of the record.
    recorded: Decimal,
    /// The value in force: that of the record, or of its correction.
    in_force: Decimal,
    /// The value that the platform's present rows give.
    recounted: Decimal,
    /// The recounted value less the one in force: negative where rows were deleted since, positive where rows arrived late.
    difference: Decimal,
}

/// A metric that cannot be compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeftOutMetric {
    metric_category: String,
    reason: String,
}

impl DriftParameters {
    fn request(&self) -> Result<DriftRequest, Problem> {
        let mut problems = Vec::new();
        let mut date = |parameter: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(day::parse).transpose();
            parsed.unwrap_or_else(|detail| {
                problems.push(InvalidParameter { parameter: parameter.to_owned(), detail });
                None
            })
        };
        let (from, to) = (date("from", &self.from), date("to", &self.to));
        if !problems.is_empty() {
            return Err(Problem::invalid_parameters(problems));
        }
        let only = comma_list(self.category.as_deref());
        Ok(DriftRequest { from, to, only, max_values: MAX_VALUES })
    }
}

/// Compare records with a recount
///
/// Counts recorded days again from the platform's present rows, and lists where the result differs from the record. Nothing
/// is changed by it. Each source is read once for the whole range, so this takes as long as a backfill of it; 20,000
/// values (days multiplied by metrics) are compared at most.
#[utoipa::path(
    get, path = "/api/v1/drift", tag = "runs", params(DriftParameters),
    responses((status = 200, description = "The differences, by metric and day", body = DriftAnswer), Undefined, ErrorResponses),
)]
pub async fn drift(
    State(service): State<Shared>,
    _: MayCollect,
    Parameters(parameters): Parameters<DriftParameters>,
) -> Result<Uncached<DriftAnswer>, Problem> {
    let request = parameters.request()?;
    require_active(&service, "category", &request.only).await?;
    // The semaphore is never closed, so this cannot fail.
    let _permit = service.recounts.acquire().await;
    // A request does not wait for a platform that lags, because it holds a permit.
    let mut context = service.context.clone();
    Arc::make_mut(&mut context.installation).freshness_wait = Duration::ZERO;
    // A client that goes away drops this future, which cancels the statement on the platform.
    let report = collect::drift(&context, &request, &CancellationToken::new()).await?;
    Ok(Uncached(DriftAnswer::from(report)))
}

impl From<DriftReport> for DriftAnswer {
    fn from(DriftReport { from, to, metrics, failed, left_out }: DriftReport) -> Self {
        Self {
            from,
            to,
            metrics: metrics.iter().map(DriftedMetric::from).collect(),
            failed: failed
                .iter()
                .map(|failure| FailedMetric::from(crate::jobs::JobFailure::from(failure)))
                .collect(),
            left_out: left_out.into_iter().map(LeftOutMetric::from).collect(),
        }
    }
}

impl From<&MetricDrift> for DriftedMetric {
    fn from(drift: &MetricDrift) -> Self {
        Self {
            metric_type: drift.key.metric_type.to_string(),
            metric_category: drift.key.category.clone(),
            days_compared: drift.days.len(),
            days_not_compared: drift.not_compared,
            changed: drift.changed().map(ChangedDay::from).collect(),
        }
    }
}

impl From<&ComparedDay> for ChangedDay {
    fn from(day: &ComparedDay) -> Self {
        Self {
            metric_date: day.date,
            recorded: day.recorded.clone(),
            in_force: day.in_force.clone(),
            recounted: day.recounted.clone(),
            difference: day.difference(),
        }
    }
}

impl From<LeftOut> for LeftOutMetric {
    fn from(LeftOut { key, reason }: LeftOut) -> Self {
        Self { metric_category: key.category, reason }
    }
}
