//! The recorded values of the last days that are anomalies.

use jiff::{ToSpan, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    error::QueryError, judgement::ValueJudgement, parameter_parser::ParameterParser, response::metric_type,
};
use crate::{
    collect::Context,
    config::shown,
    metric::{Decimal, MetricType},
    store::Anomaly,
};

const DEFAULT_DAYS: i64 = 7;
/// The most days that may be asked for.
const MAX_DAYS: i64 = 366;
/// How many anomalies an answer has at most, the newest.
const MAX_LISTED: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnomaliesQuery {
    /// The number of days that end with the last finished one.
    pub days: i64,
}

impl AnomaliesQuery {
    /// # Errors
    /// [`QueryError::InvalidParameters`] when `days` is not a number of days from 1 to 366.
    pub fn parse(days: Option<&str>) -> Result<Self, QueryError> {
        let mut parser = ParameterParser::default();
        let days = days.map_or(DEFAULT_DAYS, |text| {
            let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            number.filter(|number| (1..=MAX_DAYS).contains(number)).unwrap_or_else(|| {
                parser.problem("days", format!("must be from 1 to {MAX_DAYS} days, not {}", shown(text)));
                DEFAULT_DAYS
            })
        });
        parser.finish(Self { days })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnomaliesResponse {
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// The last finished day.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// The IANA time zone whose days these are.
    pub time_zone: String,
    /// Newest day first, then by category.
    pub anomalies: Vec<AnomalyEntry>,
    /// Whether older ones were left out, because an answer has 200 at most.
    pub truncated: bool,
}

/// A recorded value that is an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AnomalyEntry {
    #[schema(value_type = String, format = Date)]
    pub metric_date: Date,
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    pub value: Decimal,
    pub judgement: ValueJudgement,
}

/// The anomalies of the days that end with the last finished one.
///
/// # Errors
/// When the store fails.
pub async fn anomalies(context: &Context, query: AnomaliesQuery) -> Result<AnomaliesResponse, QueryError> {
    let to = context.last_finished();
    let from = to.saturating_sub((query.days - 1).days());
    let limit = i64::try_from(MAX_LISTED + 1).unwrap_or(i64::MAX);
    let mut found = context.tenant.store.anomalies(from, to, limit).await?;
    let truncated = found.len() > MAX_LISTED;
    found.truncate(MAX_LISTED);
    let anomalies = found.into_iter().map(AnomalyEntry::from).collect();
    Ok(AnomaliesResponse {
        from,
        to,
        time_zone: context.tenant.calendar.name().to_owned(),
        anomalies,
        truncated,
    })
}

impl From<Anomaly> for AnomalyEntry {
    fn from(Anomaly { day, value }: Anomaly) -> Self {
        Self {
            metric_date: day.date,
            metric_type: day.key.metric_type,
            metric_category: day.key.category,
            value,
            judgement: day.judgement.into(),
        }
    }
}
