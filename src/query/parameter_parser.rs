//! Reads the parameters of requests and collects everything that is wrong with them, so that a caller learns it at once.

use std::collections::BTreeSet;

use super::{
    catalogue::{Catalogue, order},
    error::{ParameterProblem, QueryError},
};
use crate::{
    collect::CollectError,
    config::{named_variants, shown, suggestion},
    metric::{MetricKey, MetricType},
};

/// How many entries a page has unless the request says otherwise.
const DEFAULT_LIMIT: usize = 50;
/// How many entries a page has at most.
pub const MAX_LIMIT: usize = 200;

/// Collects the problems of one request.
#[derive(Default)]
pub(super) struct ParameterParser {
    problems: Vec<ParameterProblem>,
    /// Whether the store has no metrics, so that no request about metrics can be answered.
    nothing_is_defined: bool,
}

impl ParameterParser {
    /// The metrics of the given categories and types.
    pub fn metrics(
        &mut self,
        categories: &[String],
        types: &[String],
        catalogue: &Catalogue,
    ) -> Vec<MetricKey> {
        let listed = || {
            let recorded = catalogue.metrics().iter().map(|metric| (&metric.key, metric.stored.is_active));
            recorded.chain(catalogue.derived().iter().map(|derived| (&derived.key, true)))
        };
        if listed().next().is_none() {
            self.nothing_is_defined = true;
            self.types(types);
            return Vec::new();
        }
        let known = |name: &str| listed().any(|(key, _)| key.category == name);
        for name in categories.iter().filter(|name| !known(name)).collect::<BTreeSet<_>>() {
            let mut names: Vec<_> = listed().map(|(key, _)| key.category.as_str()).collect();
            names.dedup();
            self.unknown("category", name, "metric", names);
        }
        let wanted = self.types(types);
        let chosen = |key: &MetricKey, is_active: bool| {
            let named = if categories.is_empty() { is_active } else { categories.contains(&key.category) };
            named && (types.is_empty() || wanted.contains(&key.metric_type))
        };
        let mut keys: Vec<_> =
            listed().filter(|(key, is_active)| chosen(key, *is_active)).map(|(key, _)| key.clone()).collect();
        if keys.is_empty() && self.problems.is_empty() {
            let message = "no metric has both this category and this type";
            self.problem(if types.is_empty() { "category" } else { "type" }, message);
        }
        keys.sort_by(order);
        keys
    }

    fn types(&mut self, types: &[String]) -> Vec<MetricType> {
        self.words("type", types, "type of metric", &named_variants())
    }

    /// Reads names from a list of known ones; `what` is the noun for one of them in messages.
    pub fn words<T: Copy>(
        &mut self,
        parameter: &'static str,
        given: &[String],
        what: &str,
        known: &[(&'static str, T)],
    ) -> Vec<T> {
        let mut read = Vec::new();
        for name in given {
            match known.iter().find(|(candidate, _)| candidate == name) {
                Some((_, found)) => read.push(*found),
                None => self.unknown(parameter, name, what, known.iter().map(|(name, _)| *name)),
            }
        }
        read
    }

    pub fn limit(&mut self, text: Option<&str>, of_what: &str) -> usize {
        let Some(text) = text else { return DEFAULT_LIMIT };
        let number = text.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        number.filter(|_| is_plain).unwrap_or_else(|| {
            let message = format!("must be from 1 to {MAX_LIMIT} {of_what} a page, not {}", shown(text));
            self.problem("limit", message);
            DEFAULT_LIMIT
        })
    }

    pub fn unknown<'a>(
        &mut self,
        parameter: &'static str,
        name: &str,
        what: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        if name.is_empty() {
            let message = format!("a name in `{parameter}` is empty; leave it out, or name the {what}");
            return self.problem(parameter, message);
        }
        let hint = suggestion(name, known).map_or_else(String::new, |hint| format!("; {hint}"));
        self.problem(parameter, format!("no {what} is called {}{hint}", shown(name)));
    }

    pub fn problem(&mut self, parameter: &'static str, message: impl Into<String>) {
        self.problems.push(ParameterProblem { parameter, message: message.into() });
    }

    pub fn take<T>(&mut self, parameter: &'static str, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.problem(parameter, message)).ok()
    }

    pub fn finish<T>(self, query: T) -> Result<T, QueryError> {
        match self.problems.is_empty() {
            false => Err(QueryError::InvalidParameters(self.problems)),
            true if self.nothing_is_defined => Err(CollectError::NoDefinitions.into()),
            true => Ok(query),
        }
    }
}
