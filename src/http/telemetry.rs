//! What the server counts about itself, for Prometheus at `/metrics`.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

const REQUESTS: &str = "daymark_http_requests_total";
const SECONDS: &str = "daymark_http_request_duration_seconds";
const IN_FLIGHT: &str = "daymark_http_requests_in_flight";
const CACHE: &str = "daymark_http_cache_total";
const STORE_QUERIES: &str = "daymark_http_store_queries_total";

/// Upper bounds in seconds. The target for queries is 0.1 s on average and 0.2 s for 95 of 100.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 1.0, 10.0];

const METADATA: Metadata = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The counters of one server; two servers in a process do not share them.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    in_flight: Gauge,
    cache: [Counter; 3],
    store_queries: Counter,
    /// By route. There are as many as the server has.
    answered: RwLock<HashMap<String, Answered>>,
}

/// What is counted of the answers of a route. Finding it in the recorder takes longer than counting.
struct Answered {
    seconds: Histogram,
    /// By method and status, of which a route has a few.
    answers: Vec<(&'static str, u16, Counter)>,
}

impl Answered {
    /// Whether it was counted: not where it is the first answer of its sort.
    fn count(&self, method: &'static str, status: u16, took: Duration) -> bool {
        let is_same = |(of_method, of_status, _): &&_| (*of_method, *of_status) == (method, status);
        let Some((_, _, counter)) = self.answers.iter().find(is_same) else { return false };
        counter.increment(1);
        self.seconds.record(took.as_secs_f64());
        true
    }
}

/// What came of asking the cache.
#[derive(Debug, Clone, Copy)]
pub enum Cached {
    Hit,
    Miss,
    /// Nothing is kept, or not now.
    Bypass,
}

impl Telemetry {
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(SECONDS.to_owned()), &BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let describe = |name: &'static str, text: &'static str| {
            recorder.describe_counter(KeyName::from_const_str(name), None, SharedString::const_str(text));
        };
        describe(REQUESTS, "Requests answered, by method, route and status.");
        describe(
            CACHE,
            "Requests that could have a kept answer, right or wrong, by outcome: hit, miss, bypass.",
        );
        describe(
            STORE_QUERIES,
            "Requests whose answer was not kept and had to be made, mostly by asking the store.",
        );
        recorder.describe_histogram(
            KeyName::from_const_str(SECONDS),
            Some(Unit::Seconds),
            SharedString::const_str("Time from a request's head to its answer's head."),
        );
        recorder.describe_gauge(
            KeyName::from_const_str(IN_FLIGHT),
            None,
            SharedString::const_str("Requests being worked on."),
        );
        let outcome = |outcome| Key::from_parts(CACHE, vec![Label::new("outcome", outcome)]);
        Self {
            in_flight: recorder.register_gauge(&Key::from_static_name(IN_FLIGHT), &METADATA),
            cache: ["hit", "miss", "bypass"].map(|name| recorder.register_counter(&outcome(name), &METADATA)),
            store_queries: recorder.register_counter(&Key::from_static_name(STORE_QUERIES), &METADATA),
            answered: RwLock::default(),
            recorder,
            handle,
        }
    }

    /// `route` is the pattern of the path, not the path: there are only so many.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let known = self.answered.read().unwrap_or_else(PoisonError::into_inner);
        if known.get(route).is_some_and(|known| known.count(method, status, took)) {
            return;
        }
        drop(known);
        let mut known = self.answered.write().unwrap_or_else(PoisonError::into_inner);
        let known = known
            .entry(route.to_owned())
            .or_insert_with(|| Answered { seconds: self.seconds(route), answers: Vec::new() });
        // Meanwhile another request may have been the first.
        if !known.count(method, status, took) {
            known.answers.push((method, status, self.requests(method, route, status)));
            known.count(method, status, took);
        }
    }

    fn requests(&self, method: &'static str, route: &str, status: u16) -> Counter {
        let labels = vec![
            Label::new("method", method),
            Label::new("route", route.to_owned()),
            Label::new("status", status.to_string()),
        ];
        self.recorder.register_counter(&Key::from_parts(REQUESTS, labels), &METADATA)
    }

    fn seconds(&self, route: &str) -> Histogram {
        let key = Key::from_parts(SECONDS, vec![Label::new("route", route.to_owned())]);
        self.recorder.register_histogram(&key, &METADATA)
    }

    pub fn in_flight(&self, change: f64) {
        self.in_flight.increment(change);
    }

    pub fn cache(&self, outcome: Cached) {
        let [hit, miss, bypass] = &self.cache;
        match outcome {
            Cached::Hit => hit,
            Cached::Miss => miss,
            Cached::Bypass => bypass,
        }
        .increment(1);
    }

    pub fn store_query(&self) {
        self.store_queries.increment(1);
    }

    /// Sums up what was counted since; to be called every few seconds.
    pub fn keep_up(&self) {
        self.handle.run_upkeep();
    }

    /// The text format of Prometheus.
    pub fn render(&self) -> String {
        self.handle.render()
    }
}
