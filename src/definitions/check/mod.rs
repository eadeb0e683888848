//! Checks in advance what could go wrong in the next collection. Each subject has its own file. A check reports all
//! findings and does not stop at the first one.

mod clock;
mod disk;
mod platform;
mod schedule;
mod scope;
mod store;
mod visibility;

pub(super) use self::platform::{explain, unplanned};
pub use self::scope::CheckScope;
use self::{
    clock::check_clock, disk::check_disk, platform::check_platform, schedule::check_schedule,
    store::check_store,
};
use crate::{
    collect::Context,
    config::Finding,
    metric::Definition,
    store::{Origin, StoredDefinition},
};

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The findings; if empty, the next collection is expected to succeed.
    pub findings: Vec<Finding>,
    /// The number of metrics that were created through the API and will be collected in addition to the configured
    /// ones.
    pub made_through_api: usize,
}

/// Checks the store, the platform and every metric: the configured ones (`configured`), those that were created through the
/// API, and those whose stored definition differs from the configuration and will be collected until it is applied.
pub async fn check(context: &Context, configured: &[Definition], scope: CheckScope) -> CheckReport {
    let mut findings = Vec::new();
    let stored = match scope.store {
        true => check_store(context, configured, scope, &mut findings).await,
        false => None,
    };
    // A store that does not answer is asked once, because each question would be repeated for some seconds.
    let has_store = scope.store;
    let scope = CheckScope { store: stored.is_some(), ..scope };
    let stored = stored.unwrap_or_default();
    let is_configured =
        |category: &String| configured.iter().any(|configured| configured.category == *category);
    let is_further = |stored: &&StoredDefinition| {
        stored.origin == Origin::Api && !is_configured(&stored.definition.category)
    };
    let made_through_api = stored.iter().filter(is_further).count();
    findings
        .extend(stored.iter().filter(is_further).filter_map(|stored| outdated_source(stored, configured)));
    let differing = stored.iter().filter(|stored| !configured.contains(&stored.definition));
    let metrics: Vec<_> = configured
        .iter()
        .map(|definition| (format!("metric {}", definition.category), definition))
        .chain(differing.map(|stored| (place(stored), &stored.definition)))
        .collect();
    findings.extend(check_clock(context, scope).await);
    if scope.platform {
        check_platform(context, &metrics, &mut findings).await;
    }
    findings.extend(check_schedule(context, scope).await);
    findings.extend(has_store.then(|| check_disk(context)).flatten());
    CheckReport { findings, made_through_api }
}

/// The name of the place for a stored metric that is not in the configuration or differs from it.
fn place(stored: &StoredDefinition) -> String {
    let category = &stored.definition.category;
    match stored.origin {
        Origin::File => format!("metric {category} as defined in the store"),
        Origin::Api => format!("metric {category}, created through the API"),
    }
}

/// Warns of a definition from the API whose source has changed in the configuration since, because a definition
/// contains a copy of its sources.
fn outdated_source(stored: &StoredDefinition, configured: &[Definition]) -> Option<Finding> {
    let present = |name: &String| configured.iter().find_map(|configured| configured.sources.get(name));
    let differs =
        stored.definition.sources.iter().find(|(name, was)| present(name).is_some_and(|now| now != *was));
    let message =
        format!("it uses an earlier declaration of source `{}`, which has changed since", differs?.0);
    Some(Finding::warning(place(stored), message).hint("define the metric again through the API"))
}
