//! How far the platform lags.

use serde::Serialize;
use utoipa::{ToSchema, openapi::Object};

use super::unknown::UnknownField;
use crate::{collect::PlatformLag, query::response::words};

const STATES: [&str; 3] = ["reachable", "lag_unknown", "unreachable"];

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlatformHealth {
    #[schema(schema_with = states)]
    pub state: &'static str,
    /// How old the state is of the part of the platform that lags most, in seconds; 0 where none lags, null where that cannot
    /// be told.
    pub lag_seconds: Option<i64>,
    /// Why it lags, or why its lag cannot be determined.
    pub explanation: Option<String>,
}

impl From<PlatformLag> for PlatformHealth {
    fn from(lag: PlatformLag) -> Self {
        let [reachable, lag_unknown, unreachable] = STATES;
        match lag {
            PlatformLag::Known { lag, explanation } => {
                Self { state: reachable, lag_seconds: Some(lag.as_secs()), explanation }
            }
            PlatformLag::Unknown { explanation } => {
                Self { state: lag_unknown, lag_seconds: None, explanation: Some(explanation) }
            }
            PlatformLag::Unreachable { explanation } => {
                Self { state: unreachable, lag_seconds: None, explanation: Some(explanation) }
            }
        }
    }
}

impl PlatformHealth {
    pub fn is_reachable(&self) -> bool {
        self.state != STATES[2]
    }

    pub(super) fn unknown(&self) -> Option<UnknownField> {
        let reason = self.explanation.clone().filter(|_| self.lag_seconds.is_none())?;
        Some(UnknownField { field: "platform.lag_seconds", reason })
    }
}

fn states() -> Object {
    words(STATES)
}
