//! The members of a health response that are unknown, with the reasons.

use serde::Serialize;
use utoipa::ToSchema;

/// A member that is null, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnknownField {
    /// Its path in this document: `platform.lag_seconds`, `queries`.
    pub field: &'static str,
    pub reason: String,
}
