//! The query times of this process.

use serde::Serialize;
use utoipa::ToSchema;

use super::unknown::UnknownField;
use crate::telemetry::QueryTimes;

/// The targets of queries, in seconds, and the share of them that may fail.
const AVERAGE_TARGET_SECONDS: f64 = 0.1;
const P95_TARGET_SECONDS: f64 = 0.2;
const ERROR_TARGET: f64 = 0.001;

/// What this process knows of its own queries.
#[derive(Debug, Clone, Copy)]
pub enum OwnQueries {
    /// It is no server.
    None,
    /// Of the last hour; `None` when nothing was answered.
    Of(Option<QueryTimes>),
}

/// The queries that this process answered in the last hour: reads over `/api/v1` and `/rest/v1`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueryHealth {
    pub answered: u64,
    /// Those with a status of 500 or more.
    pub failed: u64,
    pub average_seconds: f64,
    pub average_target_seconds: f64,
    pub p95_seconds: f64,
    pub p95_target_seconds: f64,
    /// The share that failed, from 0 to 1.
    pub error_rate: f64,
    pub error_rate_target: f64,
}

pub(super) fn query_health(queries: OwnQueries) -> Option<QueryHealth> {
    let OwnQueries::Of(Some(times)) = queries else { return None };
    Some(QueryHealth {
        answered: times.answered,
        failed: times.failed,
        average_seconds: times.average_seconds,
        average_target_seconds: AVERAGE_TARGET_SECONDS,
        p95_seconds: times.p95_seconds,
        p95_target_seconds: P95_TARGET_SECONDS,
        error_rate: times.failed as f64 / times.answered as f64,
        error_rate_target: ERROR_TARGET,
    })
}

pub(super) fn unknown(queries: OwnQueries) -> Option<UnknownField> {
    let reason = match queries {
        OwnQueries::None => "only the process of `daymark serve` knows them: GET /api/v1/health/collection",
        OwnQueries::Of(None) => "this process answered no query in the last hour",
        OwnQueries::Of(Some(_)) => return None,
    };
    Some(UnknownField { field: "queries", reason: reason.to_owned() })
}
