//! The records and the collection log of a store at one instant, read with plain SQL.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    database::Session,
    installation::{METRICS, days},
};

#[derive(Default)]
pub struct Ledger {
    pub records: BTreeMap<(String, String), Recorded>,
    /// Oldest first.
    pub runs: Vec<LoggedRun>,
}

/// A value, and the run that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub value: String,
    pub run: String,
}

#[derive(Debug, Clone)]
pub struct LoggedRun {
    pub id: String,
    pub from: String,
    pub to: String,
    pub status: String,
    pub message: String,
    pub details: String,
    pub metrics_collected: usize,
}

impl Ledger {
    /// `schema` ends in a dot where there is one.
    pub async fn read(session: &mut Session, schema: &str, tenant: &str) -> Self {
        let begin = match session {
            Session::Sqlite(_) => "BEGIN",
            Session::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        session.execute(begin).await;
        let records = format!(
            "SELECT CAST(metric_date AS text), metric_category, CAST(value AS text), CAST(collection_id AS text)
             FROM {schema}daily_metrics WHERE tenant_id = '{tenant}'"
        );
        let mut ledger = Self::default();
        for record in session.rows(&records).await {
            let [date, metric, value, run] = record.map(Option::unwrap);
            let there = ledger.records.insert((date, metric), Recorded { value, run });
            assert_eq!(there, None, "a metric was recorded twice on one day");
        }
        let runs = format!(
            "SELECT CAST(id AS text), CAST(collection_date AS text), CAST(collection_end_date AS text), status,
                    error_message, CAST(error_details AS text), CAST(metrics_collected AS text)
             FROM {schema}metric_collection_log WHERE tenant_id = '{tenant}' ORDER BY started_at"
        );
        for run in session.rows(&runs).await {
            let [id, from, to, status, message, details, collected] = run.map(Option::unwrap_or_default);
            let metrics_collected = collected.parse().unwrap();
            ledger.runs.push(LoggedRun { id, from, to, status, message, details, metrics_collected });
        }
        session.execute("COMMIT").await;
        ledger
    }

    pub fn dates(&self) -> BTreeSet<&str> {
        self.records.keys().map(|(date, _)| date.as_str()).collect()
    }

    /// The metrics that are recorded on `date`.
    pub fn metrics_of(&self, date: &str) -> Vec<&str> {
        let of_date = self.records.keys().filter(|(recorded, _)| recorded == date);
        of_date.map(|(_, metric)| metric.as_str()).collect()
    }

    /// How many records a run wrote.
    pub fn written_by(&self, run: &LoggedRun) -> usize {
        self.records.values().filter(|recorded| recorded.run == run.id).count()
    }

    pub fn last_run(&self) -> &LoggedRun {
        self.runs.last().expect("the collection log is empty")
    }

    pub fn with_status(&self, status: &str) -> Vec<&LoggedRun> {
        self.runs.iter().filter(|run| run.status == status).collect()
    }

    /// Asserts the invariants that hold at every moment, also after the writing process was killed: no record of `earlier` is
    /// lost or changed, no day is recorded in part, and no completed log entry lacks a record.
    pub fn assert_sound_after(&self, earlier: &Self) {
        for (key, recorded) in &earlier.records {
            assert_eq!(self.records.get(key), Some(recorded), "the record of {key:?} is lost or was changed");
        }
        for date in self.dates() {
            assert_eq!(self.metrics_of(date), METRICS, "{date} is recorded in part");
        }
        for run in self.with_status("completed") {
            for date in days(&run.from, &run.to) {
                assert_eq!(self.metrics_of(&date), METRICS, "{date} lacks records of the completed {run:?}");
            }
            assert_eq!(
                self.written_by(run),
                run.metrics_collected,
                "the completed {run:?} wrote another number"
            );
        }
    }

    /// Asserts that the range is recorded whole and that no log entry is left as running.
    pub fn assert_complete(&self, from: &str, to: &str) {
        self.assert_sound_after(&Self::default());
        for date in days(from, to) {
            assert_eq!(self.metrics_of(&date), METRICS, "{date} is not recorded");
        }
        assert!(self.with_status("running").is_empty(), "left behind: {:?}", self.with_status("running"));
    }
}
