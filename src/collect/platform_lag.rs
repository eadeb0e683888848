//! How far the platform lags behind its origin, for reports. Runs decide by `freshness.rs` whether they wait for it.

use std::time::Duration;

use jiff::SignedDuration;

use super::{
    Context,
    batch::Batch,
    freshness::{described, is_before, lag},
};
use crate::{
    database::{Deadline, Fault},
    platform::{Staleness, WhenStale},
    store::StoredDefinition,
};

/// How long a report waits for the platform.
const WAIT: Duration = Duration::from_secs(2);

/// What is known of the platform's lag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformLag {
    /// How old the state is of the part that lags most; zero where no part lags.
    Known {
        lag: SignedDuration,
        explanation: Option<String>,
    },
    /// It can be reached, and does not say how old some part of it is.
    Unknown {
        explanation: String,
    },
    Unreachable {
        explanation: String,
    },
}

/// Asks the platform for the state of what `metrics` read. A part lags that is known to lack something, as a standby does that
/// replays later, and one whose state keeps the last finished day from being recorded, as a materialized view does that was not
/// refreshed since.
pub async fn platform_lag(context: &Context, metrics: &[StoredDefinition]) -> PlatformLag {
    match tokio::time::timeout(WAIT, ask(context, metrics)).await {
        Ok(Ok(found)) => found,
        Ok(Err(fault)) => PlatformLag::Unreachable { explanation: fault.to_string() },
        Err(_) => {
            PlatformLag::Unreachable { explanation: format!("it did not answer in {} s", WAIT.as_secs()) }
        }
    }
}

async fn ask(context: &Context, metrics: &[StoredDefinition]) -> Result<PlatformLag, Fault> {
    let mut cut = context.tenant.platform.open_cut(Deadline::after(WAIT)).await?;
    let batch = Batch::new(metrics.iter().map(|metric| &metric.definition).enumerate());
    let last_finished = context.last_finished();
    let days = context.tenant.calendar.days(last_finished, last_finished);
    let staleness = batch.staleness(cut.as_mut(), &days).await?;
    if let Some(untold) = staleness.iter().find(|part| part.complete_until.is_none()) {
        return Ok(PlatformLag::Unknown { explanation: described(context, untold) });
    }
    let ready_at = context.ready_at(last_finished);
    let lags = |part: &&Staleness| {
        part.is_lagging || (part.when_stale != WhenStale::Warn && is_before(part, ready_at))
    };
    let oldest = staleness
        .iter()
        .filter(lags)
        .filter_map(|part| Some((part.complete_until?, part)))
        .min_by_key(|(at, _)| *at);
    Ok(match oldest {
        None => PlatformLag::Known { lag: SignedDuration::ZERO, explanation: None },
        Some((complete_until, part)) => PlatformLag::Known {
            lag: lag(context, complete_until),
            explanation: Some(described(context, part)),
        },
    })
}
