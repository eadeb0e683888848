//! The log of redactions: labels that were replaced by placeholders, with the places where they were found. It does not have the labels.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use super::{error::QueryError, response::metric_type};
use crate::{
    collect::Context,
    metric::MetricType,
    store::{RedactedMetric, RedactedTexts, Redaction},
};

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RedactionsResponse {
    /// Newest first.
    pub redactions: Vec<RedactionEntry>,
}

/// A label that was replaced by a placeholder. What the label was is not kept.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RedactionEntry {
    /// The name that replaces the label wherever the store had it.
    pub placeholder: String,
    pub reason: String,
    /// `cli:<system user>`: labels cannot be redacted over HTTP.
    pub author: String,
    /// By the clock of the store's database.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The metrics whose breakdowns had the label.
    pub metrics: Vec<RedactedMetricEntry>,
    /// The texts that named the label.
    pub texts: Vec<RedactedTextsEntry>,
}

/// The values of a metric that had the label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RedactedMetricEntry {
    #[schema(schema_with = metric_type)]
    pub metric_type: MetricType,
    pub metric_category: String,
    /// How many records had it.
    pub records: usize,
    /// How many corrections of records had it.
    pub revisions: usize,
    /// The first day.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// The last day.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
}

/// Texts that named the label.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RedactedTextsEntry {
    /// The table and the column, such as `annotations.text`.
    pub place: String,
    pub texts: usize,
}

/// # Errors
/// When the store fails.
pub async fn redactions(context: &Context) -> Result<RedactionsResponse, QueryError> {
    let redactions = context.tenant.store.redactions().await?;
    Ok(RedactionsResponse { redactions: redactions.into_iter().map(RedactionEntry::from).collect() })
}

impl From<Redaction> for RedactionEntry {
    fn from(made: Redaction) -> Self {
        Self {
            placeholder: made.placeholder,
            reason: made.reason,
            author: made.author,
            created_at: made.created_at,
            metrics: made.places.metrics.into_iter().map(RedactedMetricEntry::from).collect(),
            texts: made.places.texts.into_iter().map(RedactedTextsEntry::from).collect(),
        }
    }
}

impl From<RedactedMetric> for RedactedMetricEntry {
    fn from(metric: RedactedMetric) -> Self {
        let RedactedMetric { metric_type, metric_category, records, revisions, from, to } = metric;
        Self { metric_type, metric_category, records, revisions, from, to }
    }
}

impl From<RedactedTexts> for RedactedTextsEntry {
    fn from(RedactedTexts { place, texts }: RedactedTexts) -> Self {
        Self { place, texts }
    }
}
