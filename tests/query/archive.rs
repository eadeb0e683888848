//! A store with a metric of each kind, a clock at noon of 11 January 2025, and helpers that write runs and records.

use std::{sync::Arc, time::Duration};

use daymark::{
    clock::SetClock,
    collect::{Context, Initiator, Installation, Tenant},
    config::QuerySettings,
    database::{DatabaseUrl, RetryPolicy},
    metric::{Calendar, Definition, DerivedMetric, Provenance, Record},
    platform,
    query::{Catalogue, QueryError, Series, SeriesQuery, SeriesRequest, SeriesResponse, series},
    store::{self, DefinitionChange, Finish, NewRun, Origin, RunKind, RunStatus, StoreOptions, Trigger},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Weekday, date},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::fresh_database;

pub const SETTINGS: QuerySettings = QuerySettings { week_start: Weekday::Monday, max_points: 365 };

pub struct Archive {
    pub context: Context,
    derived: Arc<[DerivedMetric]>,
    _directory: tempfile::TempDir,
}

pub fn january(day: i8) -> Date {
    date(2025, 1, day)
}

pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Archive {
    pub async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("store.db").display());
        Self::at(&url, directory).await
    }

    pub async fn postgres() -> Self {
        Self::at(&fresh_database().await, tempfile::tempdir().unwrap()).await
    }

    async fn at(url: &str, directory: tempfile::TempDir) -> Self {
        let retry = RetryPolicy { retries: 0, initial_delay: Duration::ZERO };
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: store::DEFAULT_SCHEMA.to_owned(),
            retry,
            statement_timeout: None,
        };
        let installation = Installation {
            clock: Arc::new(SetClock::at(instant("2025-01-11T12:00:00Z"))),
            retry,
            chunk_days: 4,
            run_limit: None,
            freshness_wait: std::time::Duration::ZERO,
            host: "here".to_owned(),
            process_id: 1,
        };
        let tenant = Tenant {
            name: "default".to_owned(),
            calendar: Calendar::utc(),
            settle: SignedDuration::from_mins(15),
            cron: None,
            observed_within: SignedDuration::from_hours(24),
            store: store::open(&url.parse::<DatabaseUrl>().unwrap(), options),
            platform: Arc::new(platform::UnconfiguredPlatform),
            first_row: std::sync::Arc::default(),
            derived: std::sync::Arc::default(),
        };
        let context = Context::new(installation, tenant, Initiator::new(Trigger::Cli, "cli:test"));
        context.tenant.store.migrate().await.unwrap();
        context.tenant.store.simulate_clock().await.unwrap();
        let archive = Self { context, derived: Arc::default(), _directory: directory };
        archive.define(definitions(), "2024-12-01T00:00:00Z").await;
        archive
    }

    /// Sets the time zone and the clock.
    pub fn in_zone(mut self, zone: &str, now: &str) -> Self {
        Arc::make_mut(&mut self.context.tenant).calendar = Calendar::new(zone).unwrap();
        Arc::make_mut(&mut self.context.installation).clock = Arc::new(SetClock::at(instant(now)));
        self
    }

    /// With metrics that are computed when they are read.
    pub fn deriving(self, derived: Vec<DerivedMetric>) -> Self {
        Self { derived: derived.into(), ..self }
    }

    pub async fn define(&self, definitions: Vec<Definition>, at: &str) {
        let changes: Vec<_> = definitions.into_iter().map(DefinitionChange::Add).collect();
        self.context.tenant.store.change_definitions(&changes, Origin::File, instant(at)).await.unwrap();
    }

    pub async fn start_run(&self, kind: RunKind, from: Date, to: Date) -> Uuid {
        self.start_run_at(instant("2025-01-11T11:00:00Z"), kind, from, to).await
    }

    pub async fn start_run_at(&self, started_at: Timestamp, kind: RunKind, from: Date, to: Date) -> Uuid {
        let id = Uuid::new_v4();
        let run = NewRun {
            id,
            kind,
            from,
            to,
            started_at,
            trigger: daymark::store::Trigger::Cli,
            actor: "cli:test".to_owned(),
            host: "elsewhere".to_owned(),
            process_id: 4711,
        };
        self.context.tenant.store.start_run(&run).await.unwrap();
        id
    }

    pub async fn finish_run(&self, id: Uuid, status: RunStatus, details: Value) {
        let completed_at = instant("2025-01-11T11:59:00Z");
        let error_message = (status != RunStatus::Completed).then(|| "out of luck".to_owned());
        let error_details = details.as_object().cloned();
        let finish = Finish { id, status, completed_at, error_message, error_details };
        self.context.tenant.store.commit(&[], Some(&finish)).await.unwrap();
    }

    /// Writes observed records (day, category, value, metadata) and their completed run.
    pub async fn record(&self, records: &[(Date, &str, &str, Value)]) {
        self.record_as(1, Provenance::Observed, records).await;
    }

    pub async fn record_as(
        &self,
        version: i32,
        provenance: Provenance,
        records: &[(Date, &str, &str, Value)],
    ) {
        let dates = || records.iter().map(|(date, ..)| *date);
        let (from, to) = (dates().min().unwrap(), dates().max().unwrap());
        let run = self.start_run(RunKind::Backfill, from, to).await;
        let known = self.context.tenant.store.definitions().await.unwrap();
        let record = |(date, category, value, metadata): &(Date, &str, &str, Value)| Record {
            metric_date: *date,
            key: known.iter().find(|known| known.definition.category == *category).unwrap().definition.key(),
            value: value.parse().unwrap(),
            metadata: metadata.as_object().cloned().unwrap_or_default(),
            provenance,
            definition_version: version,
            collection_id: run,
            collection_timestamp: instant("2026-01-01T00:00:00Z"),
        };
        let records: Vec<_> = records.iter().map(record).collect();
        self.context.tenant.store.commit(&records, None).await.unwrap();
        self.finish_run(run, RunStatus::Completed, Value::Null).await;
    }

    pub async fn catalogue(&self) -> Catalogue {
        Catalogue::load(self.context.tenant.store.as_ref()).await.unwrap().with_derived(&self.derived)
    }

    pub async fn ask(&self, asked: &SeriesRequest) -> Result<SeriesResponse, QueryError> {
        let catalogue = self.catalogue().await;
        let query = SeriesQuery::parse(asked, &catalogue, &SETTINGS, self.context.last_finished())?;
        series(&self.context, &catalogue, &query).await
    }

    /// The series of one metric in one interval, with its metadata.
    pub async fn one(&self, category: &str, interval: &str, from: Date, to: Date) -> Series {
        let asked = SeriesRequest { metadata: true, ..asked(&[category], &[interval], from, to) };
        let mut answer = self.ask(&asked).await.unwrap();
        assert_eq!((answer.series.len(), answer.next_cursor.as_deref()), (1, None));
        answer.series.remove(0)
    }
}

pub fn asked(categories: &[&str], intervals: &[&str], from: Date, to: Date) -> SeriesRequest {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    SeriesRequest {
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        categories: owned(categories),
        intervals: owned(intervals),
        ..SeriesRequest::default()
    }
}

/// Each point as `from value recorded/due`, with `!` at the end if it is complete.
pub fn shown(series: &Series) -> Vec<String> {
    let point = |point: &daymark::query::Point| {
        let value = point.value.as_ref().map_or("-".to_owned(), ToString::to_string);
        let complete = if point.complete { "!" } else { "" };
        format!("{} {value} {}/{}{complete}", point.from, point.days_recorded, point.days_due)
    };
    series.points.iter().map(point).collect()
}

pub fn definition(category: &str, metric_type: &str, measure: Value) -> Definition {
    let mut spec = measure;
    let fields = spec.as_object_mut().unwrap();
    fields.insert("metric_type".to_owned(), metric_type.into());
    fields.insert("category".to_owned(), category.into());
    fields.insert("display_name".to_owned(), category.to_uppercase().into());
    serde_json::from_value(spec).unwrap()
}

/// The definitions of `posts_total`, `posts_created`, `mood`, `rate`, `genres`, `genres_total`, `authors`, `right_now`, `retained`
/// and `churned`.
fn definitions() -> Vec<Definition> {
    let rows = json!({"source": "posts"});
    let breakdown = |phase: &str| json!({"measure": "breakdown", "rows": rows, "column": "genre", "phase": phase, "top": 2});
    let right_now =
        json!({"measure": "sql", "query": "SELECT 1 AS value", "shape": "value", "adds_up": "last"});
    let ratio = json!({
        "measure": "ratio", "numerator": {"measure": "created", "source": "posts"},
        "denominator": {"measure": "created", "source": "posts"},
    });
    vec![
        definition("posts_total", "count", json!({"measure": "existing", "source": "posts"})),
        definition("posts_created", "count", json!({"measure": "created", "source": "posts"})),
        definition("mood", "average", json!({"measure": "average", "rows": rows, "column": "mood"})),
        definition("rate", "percentage", ratio),
        definition("genres", "aggregate", breakdown("created")),
        definition("genres_total", "aggregate", breakdown("existing")),
        definition(
            "authors",
            "count",
            json!({"measure": "distinct_actors", "rows": [rows], "window_days": 1}),
        ),
        definition("right_now", "count", right_now),
        definition(
            "retained",
            "percentage",
            json!({"measure": "retention", "rows": [rows], "after_days": 7, "window_days": 1}),
        ),
        definition(
            "churned",
            "count",
            json!({"measure": "growth", "rows": [rows], "state": "churned", "window_days": 7}),
        ),
    ]
}
