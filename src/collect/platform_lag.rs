//! How far the platform lags behind its origin, for reports. Runs decide by `freshness.rs` whether they wait for it.

use std::{collections::BTreeSet, time::Duration};

use jiff::SignedDuration;

use super::{
    Context,
    batch::Batch,
    freshness::{described, is_before, lag},
};
use crate::{
    database::{Deadline, Fault, FaultClass},
    platform::{Cut, OldStates, Staleness, WhenStale},
    store::StoredDefinition,
};

/// How long a report waits for the platform.
const WAIT: Duration = Duration::from_secs(2);

/// The platform's lag, as far as it is known.
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
/// refreshed since. A platform that can be reached, and does not tell in time how old its objects are, is not unreachable.
pub async fn platform_lag(context: &Context, metrics: &[StoredDefinition]) -> PlatformLag {
    let stop = Deadline::after(WAIT);
    let mut cut = match in_time(stop, context.tenant.platform.open_cut(stop)).await {
        Some(Ok(cut)) => cut,
        Some(Err(fault)) => return PlatformLag::Unreachable { explanation: fault.to_string() },
        None => {
            let explanation = format!("it did not answer in {} s", WAIT.as_secs());
            return PlatformLag::Unreachable { explanation };
        }
    };
    match in_time(stop, old_states(context, cut.as_mut(), metrics)).await {
        Some(Ok(old)) => lag_of(context, &old),
        Some(Err(fault)) if fault.class == FaultClass::Unreachable => {
            PlatformLag::Unreachable { explanation: fault.to_string() }
        }
        Some(Err(fault)) => PlatformLag::Unknown { explanation: fault.to_string() },
        None => PlatformLag::Unknown {
            explanation: format!(
                "it did not report within {} s how old the objects are that metrics read",
                WAIT.as_secs()
            ),
        },
    }
}

/// The output of `asking`; `None` if it takes longer than until `stop`.
async fn in_time<T>(stop: Deadline, asking: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = asking => Some(output),
        () = stop.passed() => None,
    }
}

async fn old_states(
    context: &Context,
    cut: &mut dyn Cut,
    metrics: &[StoredDefinition],
) -> Result<OldStates, Fault> {
    let batch = Batch::new(metrics.iter().map(|metric| &metric.definition).enumerate());
    let mut read = BTreeSet::new();
    if let Some(day) = context.tenant.calendar.bounds(context.last_finished()) {
        let relations = batch.relations(cut, &day).await?;
        read.extend(relations.into_iter().filter_map(|(_, relations)| relations.ok()).flatten());
    }
    cut.staleness(&read).await
}

fn lag_of(context: &Context, old: &OldStates) -> PlatformLag {
    let objects = old.objects.iter().map(|(_, object)| object);
    let parts: Vec<&Staleness> = old.platform.iter().chain(objects).collect();
    let ready_at = context.ready_at(context.last_finished());
    let lags = |part: &&&Staleness| {
        part.is_lagging || (part.when_stale != WhenStale::Warn && is_before(part, ready_at))
    };
    if let Some(untold) = parts.iter().find(|part| part.complete_until.is_none()) {
        return PlatformLag::Unknown { explanation: described(context, untold) };
    }
    let dated = parts.iter().filter(lags).filter_map(|part| Some((part.complete_until?, part)));
    match dated.min_by_key(|(at, _)| *at) {
        None => PlatformLag::Known { lag: SignedDuration::ZERO, explanation: None },
        Some((complete_until, part)) => PlatformLag::Known {
            lag: lag(context, complete_until),
            explanation: Some(described(context, part)),
        },
    }
}
