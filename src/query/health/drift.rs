//! The result of the last recounts of recorded days, in short.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    collect::Context,
    query::{
        error::QueryError,
        recounts::{DriftEntry, RecountsResponse, recounts},
    },
};

/// How many changed values are listed.
const MAX_LISTED: usize = 50;

/// The recounts of the last 30 days: on a schedule, some recorded days are counted again from the platform's present rows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DriftHealth {
    /// When the newest recount was made; null: none in 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_recounted_at: Option<Timestamp>,
    /// How many recorded values were counted again; 20,000 at most.
    pub recounted: usize,
    /// How many of them have another value now.
    pub changed: usize,
    /// Those of them that were recounted last, 50 at most.
    pub newest: Vec<DriftEntry>,
}

/// # Errors
/// When the store fails.
pub(super) async fn drift(context: &Context) -> Result<DriftHealth, QueryError> {
    let RecountsResponse { last_recounted_at, recounted, changed: mut newest } = recounts(context).await?;
    let changed = newest.len();
    newest.truncate(MAX_LISTED);
    Ok(DriftHealth { last_recounted_at, recounted, changed, newest })
}
