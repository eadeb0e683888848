//! Everything that could go wrong in the next collection, tried beforehand: a file for each thing that is looked at. A
//! check never stops at the first finding.

mod clock;
mod platform;
mod scope;
mod store;
mod visibility;

pub(super) use self::platform::{explain, unplanned};
pub use self::scope::CheckScope;
use self::{clock::check_clock, platform::check_platform, store::check_store};
use crate::{
    collect::Context,
    config::Finding,
    metric::Definition,
    store::{Origin, StoredDefinition},
};

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// None: the next collection will work.
    pub findings: Vec<Finding>,
    /// How many metrics were made through the API and will be collected beside those of the configuration.
    pub made_through_api: usize,
}

/// Checks the store, the platform and every metric: those that the configuration makes (`wanted`), those that were made
/// through the API, and those that are in the store otherwise and will be collected until the configuration is applied.
pub async fn check(context: &Context, wanted: &[Definition], scope: CheckScope) -> CheckReport {
    let mut findings = Vec::new();
    let stored = match scope.store {
        true => check_store(context, wanted, scope, &mut findings).await,
        false => Vec::new(),
    };
    let taken = |category: &String| wanted.iter().any(|wanted| wanted.category == *category);
    let is_further =
        |stored: &&StoredDefinition| stored.origin == Origin::Api && !taken(&stored.definition.category);
    let made_through_api = stored.iter().filter(is_further).count();
    findings.extend(stored.iter().filter(is_further).filter_map(|stored| outdated_source(stored, wanted)));
    let otherwise = stored.iter().filter(|stored| !wanted.contains(&stored.definition));
    let metrics: Vec<_> = wanted
        .iter()
        .map(|definition| (format!("metric {}", definition.category), definition))
        .chain(otherwise.map(|stored| (place(stored), &stored.definition)))
        .collect();
    findings.extend(check_clock(context, scope).await);
    if scope.platform {
        check_platform(context, &metrics, &mut findings).await;
    }
    CheckReport { findings, made_through_api }
}

/// What a metric is called that the configuration does not have, or not like this.
fn place(stored: &StoredDefinition) -> String {
    let category = &stored.definition.category;
    match stored.origin {
        Origin::File => format!("metric {category} as it is in the store"),
        Origin::Api => format!("metric {category}, made through the API"),
    }
}

/// A definition has its sources with it, as they were when it was made.
fn outdated_source(stored: &StoredDefinition, wanted: &[Definition]) -> Option<Finding> {
    let is_now = |name: &String| wanted.iter().find_map(|wanted| wanted.sources.get(name));
    let differs =
        stored.definition.sources.iter().find(|(name, was)| is_now(name).is_some_and(|now| now != *was));
    let message =
        format!("it reads `{}` as that was declared when it was made, and no longer is", differs?.0);
    Some(Finding::warning(place(stored), message).hint("make it again through the API"))
}
