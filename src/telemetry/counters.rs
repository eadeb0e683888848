//! The counters of a process, in the text format of Prometheus. All names and descriptions are here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use strum::IntoStaticStr;

use super::{
    log,
    query_times::{QueryTimes, QueryWindow},
};

const REQUESTS: &str = "daymark_http_requests_total";
const REQUEST_SECONDS: &str = "daymark_http_request_duration_seconds";
const IN_FLIGHT: &str = "daymark_http_requests_in_flight";
const CACHE: &str = "daymark_http_cache_total";
const STORE_QUERIES: &str = "daymark_http_store_queries_total";
const SCHEDULER_LEADS: &str = "daymark_scheduler_leader";
const ALERTING_LEADS: &str = "daymark_alerting_leader";
const QUERIES: &str = "daymark_queries_total";
const FAILED_QUERIES: &str = "daymark_failed_queries_total";
const LOG_LINES_DROPPED: &str = "daymark_log_lines_dropped_total";

/// Upper bounds of the histogram's buckets, in seconds. The target for queries is 0.1 s on average and 0.2 s for 95 of 100.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 1.0, 10.0];

/// The counters of a server. Clones count into the same; two servers in one process do not share them.
#[derive(Clone)]
pub struct Counters {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    queries: Arc<QueryWindow>,
    /// The queries since the start, and how many of them failed.
    query_counts: Arc<[AtomicU64; 2]>,
}

/// The outcome of a look-up in the cache of answers.
#[derive(Debug, Clone, Copy, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CacheOutcome {
    Hit,
    Miss,
    /// Nothing is cached, because the setting says so or because changes of the store cannot be noticed at the moment.
    Bypass,
}

impl Default for Counters {
    fn default() -> Self {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(REQUEST_SECONDS.to_owned()), &BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let counters = Self {
            handle: recorder.handle(),
            recorder: Arc::new(recorder),
            queries: Arc::default(),
            query_counts: Arc::default(),
        };
        counters.record(describe);
        counters
    }
}

fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by method, route and status.");
    describe_histogram!(
        REQUEST_SECONDS,
        metrics::Unit::Seconds,
        "Time from a request's head to its answer's head."
    );
    describe_gauge!(IN_FLIGHT, "Requests in progress.");
    describe_counter!(CACHE, "Requests of cacheable routes, by outcome: hit, miss, bypass.");
    describe_counter!(
        STORE_QUERIES,
        "Requests whose answer was not cached and was computed, mostly with a query to the store."
    );
    describe_counter!(
        LOG_LINES_DROPPED,
        "Lines of the log that were dropped because standard error was not read in time."
    );
    describe_gauge!(SCHEDULER_LEADS, "1 on the instance that collects, 0 on those that stand by.");
    describe_gauge!(
        ALERTING_LEADS,
        "1 on the instance that evaluates alerts and delivers notifications, 0 on those that stand by."
    );
    describe_counter!(
        QUERIES,
        "Requests for data: reads over /api/v1 and /rest/v1 without exports and health, and without those that their client got wrong."
    );
    describe_counter!(FAILED_QUERIES, "Those requests for data whose status was 500 or more.");
    gauge!(IN_FLIGHT).set(0.0);
    counter!(QUERIES).absolute(0);
    counter!(FAILED_QUERIES).absolute(0);
    counter!(STORE_QUERIES).absolute(0);
    for outcome in [CacheOutcome::Hit, CacheOutcome::Miss, CacheOutcome::Bypass] {
        counter!(CACHE, "outcome" => outcome.name()).absolute(0);
    }
}

impl Counters {
    /// `route` is the pattern of the path, not the path, so that the number of label values is bounded.
    pub fn request_answered(&self, method: &'static str, route: &str, status: u16, duration: Duration) {
        self.record(|| {
            let (route, status) = (route.to_owned(), status.to_string());
            counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status).increment(1);
            histogram!(REQUEST_SECONDS, "route" => route).record(duration.as_secs_f64());
        });
        if is_query(method, route, status) {
            self.queries.record(duration, status >= 500);
            let [queries, failed] = &*self.query_counts;
            queries.fetch_add(1, Ordering::Relaxed);
            failed.fetch_add(u64::from(status >= 500), Ordering::Relaxed);
            self.record(|| {
                counter!(QUERIES).increment(1);
                counter!(FAILED_QUERIES).increment(u64::from(status >= 500));
            });
        }
    }

    /// The queries of the last hour; `None` when there was none.
    pub fn query_times(&self) -> Option<QueryTimes> {
        self.queries.summary()
    }

    /// The queries since the start, and how many of them failed.
    pub fn query_counts(&self) -> (u64, u64) {
        let [queries, failed] = &*self.query_counts;
        (queries.load(Ordering::Relaxed), failed.load(Ordering::Relaxed))
    }

    pub fn requests_in_flight(&self, change: f64) {
        self.record(|| gauge!(IN_FLIGHT).increment(change));
    }

    pub fn cache(&self, outcome: CacheOutcome) {
        self.record(|| counter!(CACHE, "outcome" => outcome.name()).increment(1));
    }

    pub fn store_query(&self) {
        self.record(|| counter!(STORE_QUERIES).increment(1));
    }

    pub fn scheduler_leads(&self, leads: bool) {
        self.record(|| gauge!(SCHEDULER_LEADS).set(f64::from(u8::from(leads))));
    }

    pub fn alerting_leads(&self, leads: bool) {
        self.record(|| gauge!(ALERTING_LEADS).set(f64::from(u8::from(leads))));
    }

    /// Aggregates the samples of the histograms, so that their memory does not grow with every request. It must be
    /// called every few seconds.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The text format of Prometheus.
    pub fn render(&self) -> String {
        self.record(|| counter!(LOG_LINES_DROPPED).absolute(log::dropped_lines()));
        self.handle.render()
    }

    fn record(&self, record: impl FnOnce()) {
        metrics::with_local_recorder(&*self.recorder, record);
    }
}

/// A read of the record or of what is known about it. Requests that their client got wrong are no queries, exports take as long
/// as their size, and the health waits for the platform.
fn is_query(method: &str, route: &str, status: u16) -> bool {
    let is_read = matches!(method, "GET" | "HEAD");
    let is_api = route.starts_with("/api/v1/") || route.starts_with("/rest/v1/");
    let is_other = route.starts_with("/api/v1/export") || route.starts_with("/api/v1/health");
    is_read && is_api && !is_other && !(400..500).contains(&status)
}

impl CacheOutcome {
    fn name(self) -> &'static str {
        self.into()
    }
}
