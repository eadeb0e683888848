//! The entities of the contract, each read from a row of either database.

use jiff::{Timestamp, civil::Date};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    AlertState, AlertStatus, Annotation, AnnotationText, Anomaly, DefinitionVersion, DeliveryAttempt,
    DriftSample, Event, EventKind, FiredAs, Job, JobStatus, JudgedDay, Latest, Leader, Notification,
    NotificationCounts, NotificationKind, NotificationStatus, Origin, Pause, RecordCount, RecordedDay, Run,
    RunKind, RunOutcome, RunStatus, ScheduleState, SeriesDays, SeriesQuestion, Silence, StoreError,
    StoredDefinition, Trigger,
    row::{Columns, UnreadableRows, failed, readable, undecodable},
};
use crate::{
    identity::{ApiKey, KeyHash, Role, Scopes},
    judgement::{Baseline, Judgement, Reason, Verdict},
    metric::{Decimal, Definition, MetricKey, MetricType, Provenance, Record},
};

pub(super) fn metric_key(row: &impl Columns) -> Result<MetricKey, sqlx::Error> {
    Ok(MetricKey {
        metric_type: row.word("metric_type", MetricType::from_name)?,
        category: row.get("metric_category")?,
    })
}

pub(super) fn key_and_date(row: &impl Columns) -> Result<(Date, MetricKey), sqlx::Error> {
    Ok((row.date("metric_date")?, metric_key(row)?))
}

pub(super) fn record(row: &impl Columns) -> Result<Record, sqlx::Error> {
    Ok(Record {
        metric_date: row.date("metric_date")?,
        key: metric_key(row)?,
        value: row.parsed("value")?,
        metadata: row.object("metadata")?,
        provenance: row.word("provenance", Provenance::from_name)?,
        definition_version: row.get("definition_version")?,
        collection_id: row.uuid("collection_id")?,
        collection_timestamp: row.instant("collection_timestamp")?,
    })
}

/// The rows of `select_series.sql` by metric. A row that cannot be read leaves its date behind, so that its day is not taken
/// for one without a record.
pub(super) fn series<R: Columns>(
    location: &str,
    table: &'static str,
    question: &SeriesQuestion,
    rows: &[R],
) -> Vec<SeriesDays> {
    let mut series = vec![SeriesDays::default(); question.metrics.len()];
    let mut left_out = UnreadableRows::default();
    for row in rows {
        let (place, date) = match place_and_date(row) {
            Ok(found) => found,
            Err(error) => {
                left_out.add(|| error.to_string());
                continue;
            }
        };
        let Some((of_metric, metric)) = series.get_mut(place).zip(question.metrics.get(place)) else {
            continue;
        };
        match recorded_day(row, date) {
            Ok(day) => of_metric.recorded.push(day),
            Err(error) => {
                left_out.add(|| {
                    format!("{} `{}` of {date}: {error}", metric.key.metric_type, metric.key.category)
                });
                of_metric.unreadable.push(date);
            }
        }
    }
    left_out.log(location, table);
    series
}

/// The index of the metric asked, and the day.
fn place_and_date(row: &impl Columns) -> Result<(usize, Date), sqlx::Error> {
    Ok((row.count("place")?, row.date("metric_date")?))
}

fn recorded_day(row: &impl Columns, date: Date) -> Result<RecordedDay, sqlx::Error> {
    Ok(RecordedDay {
        date,
        value: row.parsed("value")?,
        provenance: row.word("provenance", Provenance::from_name)?,
        definition_version: row.get("definition_version")?,
        metadata: row.optional_object("metadata")?.map(Box::new),
    })
}

/// The API keys that can be read. Where none of several can, that is an error: a store without keys may be served without
/// authentication.
pub(super) fn api_keys<R>(
    location: &str,
    rows: &[R],
    read: impl Fn(&R) -> Result<ApiKey, sqlx::Error>,
) -> Result<Vec<ApiKey>, StoreError> {
    let keys = readable(location, "api_keys", rows, &read);
    match rows.first() {
        Some(row) if keys.is_empty() => {
            read(row).map(|key| vec![key]).map_err(|error| failed(location, error))
        }
        _ => Ok(keys),
    }
}

/// The rows of `select_latest.sql` that can be read, and the metrics of those that cannot.
pub(super) fn latest<R: Columns>(
    location: &str,
    table: &'static str,
    rows: &[R],
) -> (Vec<Latest>, Vec<MetricKey>) {
    let (mut found, mut unreadable, mut left_out) = (Vec::new(), Vec::new(), UnreadableRows::default());
    for row in rows {
        match record(row) {
            Ok(record) => found.push(Latest {
                record,
                day_before: earlier(row, "day_before"),
                week_before: earlier(row, "week_before"),
                month_before: earlier(row, "month_before"),
            }),
            Err(error) => {
                left_out.add(|| error.to_string());
                unreadable.extend(metric_key(row));
            }
        }
    }
    left_out.log(location, table);
    (found, unreadable)
}

/// An earlier value that cannot be read is none.
fn earlier(row: &impl Columns, column: &'static str) -> Option<Decimal> {
    row.optional_parsed(column).unwrap_or_default()
}

/// A row of `count_records.sql`.
pub(super) fn record_count(row: &impl Columns) -> Result<RecordCount, sqlx::Error> {
    Ok(RecordCount {
        key: metric_key(row)?,
        first: row.date("first")?,
        last: row.date("last")?,
        of_provenance: [
            (Provenance::Observed, row.count("observed")?),
            (Provenance::Reconstructed, row.count("reconstructed")?),
            (Provenance::Corrected, row.count("corrected")?),
        ],
        until_day: row.count("until_day")?,
        of_day: row.count("of_day")?,
    })
}

pub(super) fn stored_definition(row: &impl Columns) -> Result<StoredDefinition, sqlx::Error> {
    Ok(StoredDefinition {
        definition: definition(row)?,
        version: row.get("version")?,
        is_active: row.get("is_active")?,
        origin: row.word("origin", Origin::from_name)?,
        created_at: row.instant("created_at")?,
    })
}

pub(super) fn definition_version(row: &impl Columns) -> Result<DefinitionVersion, sqlx::Error> {
    Ok(DefinitionVersion {
        key: metric_key(row)?,
        version: row.get("version")?,
        definition: definition(row)?,
        created_at: row.instant("created_at")?,
    })
}

fn definition(row: &impl Columns) -> Result<Definition, sqlx::Error> {
    serde_json::from_value(row.get("spec")?).map_err(|error| undecodable("spec", error))
}

pub(super) fn run(row: &impl Columns) -> Result<Run, sqlx::Error> {
    Ok(Run {
        id: row.uuid("id")?,
        kind: row.word("kind", RunKind::from_name)?,
        from: row.date("collection_date")?,
        to: row.date("collection_end_date")?,
        started_at: row.instant("started_at")?,
        completed_at: row.optional_instant("completed_at")?,
        status: row.word("status", RunStatus::from_name)?,
        metrics_collected: row.get("metrics_collected")?,
        error_message: row.get("error_message")?,
        error_details: row.optional_object("error_details")?,
        trigger: row.word("trigger", Trigger::from_name)?,
        actor: row.get("actor")?,
        host: row.get("host")?,
        process_id: row.count("process_id")?,
    })
}

pub(super) fn run_outcome(row: &impl Columns) -> Result<RunOutcome, sqlx::Error> {
    Ok(RunOutcome {
        kind: row.word("kind", RunKind::from_name)?,
        status: row.word("status", RunStatus::from_name)?,
        started_at: row.instant("started_at")?,
        completed_at: row.optional_instant("completed_at")?,
        metrics_collected: row.get("metrics_collected")?,
    })
}

pub(super) fn job(row: &impl Columns) -> Result<Job, sqlx::Error> {
    Ok(Job {
        id: row.uuid("id")?,
        kind: row.word("kind", RunKind::from_name)?,
        spec: row.object("spec")?,
        trigger: row.word("trigger", Trigger::from_name)?,
        actor: row.get("actor")?,
        status: row.word("status", JobStatus::from_name)?,
        created_at: row.instant("created_at")?,
        started_at: row.optional_instant("started_at")?,
        finished_at: row.optional_instant("finished_at")?,
        host: row.get("host")?,
        process_id: row.count("process_id")?,
        run_id: row.optional_uuid("run_id")?,
        result: row.optional_object("result")?,
    })
}

/// The only row of the schedule's state; `is_led` is read from the lock.
pub(super) fn schedule_state(row: &impl Columns, is_led: bool) -> Result<ScheduleState, sqlx::Error> {
    let leader = match row.optional_instant("since")? {
        None => None,
        Some(since) => Some(Leader {
            host: row.get("host")?,
            process_id: row.count("process_id")?,
            since,
            seen_at: row.instant("seen_at")?,
        }),
    };
    let last_pause = match row.optional_instant("paused_at")? {
        None => None,
        Some(_) => Some(pause(row)?),
    };
    Ok(ScheduleState { leader, is_led, last_pause })
}

pub(super) fn anomaly(row: &impl Columns) -> Result<Anomaly, sqlx::Error> {
    let (date, key) = key_and_date(row)?;
    Ok(Anomaly { day: JudgedDay { date, key, judgement: judgement(row)? }, value: row.parsed("value")? })
}

fn judgement(row: &impl Columns) -> Result<Judgement, sqlx::Error> {
    let reason = match row.optional_text("reason")? {
        None => None,
        Some(_) => Some(row.word("reason", Reason::from_name)?),
    };
    let (from, to) = (row.optional_date("baseline_from")?, row.optional_date("baseline_to")?);
    let baseline = match from.zip(to) {
        None => None,
        Some((from, to)) => Some(Baseline { days: integer(row, "baseline_days")?, from, to }),
    };
    Ok(Judgement {
        judge_version: row.get("judge_version")?,
        verdict: row.word("verdict", Verdict::from_name)?,
        reason,
        expected: row.optional_parsed("expected_low")?.zip(row.optional_parsed("expected_high")?),
        score: row.optional_parsed("score")?,
        baseline,
    })
}

/// A column of type INTEGER on PostgreSQL too.
fn integer(row: &impl Columns, column: &'static str) -> Result<usize, sqlx::Error> {
    let number: i32 = row.get(column)?;
    usize::try_from(number).map_err(|error| undecodable(column, error))
}

pub(super) fn drift_sample(row: &impl Columns) -> Result<DriftSample, sqlx::Error> {
    let (date, key) = key_and_date(row)?;
    Ok(DriftSample {
        date,
        key,
        recorded: row.parsed("recorded")?,
        recounted: row.parsed("recounted")?,
        recounted_at: row.instant("recounted_at")?,
    })
}

pub(super) fn pause(row: &impl Columns) -> Result<Pause, sqlx::Error> {
    Ok(Pause {
        id: row.uuid("id")?,
        paused_at: row.instant("paused_at")?,
        paused_by: row.get("paused_by")?,
        reason: row.get("reason")?,
        until: row.optional_instant("until_at")?,
        resumed_at: row.optional_instant("resumed_at")?,
        resumed_by: row.optional_text("resumed_by")?.map(str::to_owned),
    })
}

pub(super) fn event(row: &impl Columns) -> Result<Event, sqlx::Error> {
    Ok(Event {
        id: row.get("id")?,
        kind: row.word("kind", EventKind::from_name)?,
        subject: row.object("subject")?,
        created_at: row.instant("created_at")?,
    })
}

pub(super) fn alert_state(row: &impl Columns) -> Result<AlertState, sqlx::Error> {
    Ok(AlertState {
        rule: row.get("rule")?,
        status: row.word("state", AlertStatus::from_name)?,
        since: row.instant("since")?,
        started_at: row.optional_instant("started_at")?,
        summary: row.get("summary")?,
        fired_as: fired_as(row)?,
        told: from_object("told", row.object("told")?)?,
        is_silenced: row.get("is_silenced")?,
        revision: row.get("revision")?,
    })
}

fn fired_as(row: &impl Columns) -> Result<Option<FiredAs>, sqlx::Error> {
    let Some(severity) = row.optional_text("severity")?.map(str::to_owned) else { return Ok(None) };
    Ok(Some(FiredAs { severity, labels: from_object("labels", row.object("labels")?)? }))
}

fn from_object<T: DeserializeOwned>(
    column: &'static str,
    object: Map<String, Value>,
) -> Result<T, sqlx::Error> {
    serde_json::from_value(Value::Object(object)).map_err(|error| undecodable(column, error))
}

pub(super) fn notification_counts(row: &impl Columns) -> Result<NotificationCounts, sqlx::Error> {
    Ok(NotificationCounts {
        pending: row.get("pending")?,
        delivered: row.get("delivered")?,
        given_up: row.get("given_up")?,
        oldest_pending_at: row.optional_instant("oldest_pending_at")?,
    })
}

pub(super) fn silence(row: &impl Columns) -> Result<Silence, sqlx::Error> {
    Ok(Silence {
        id: row.uuid("id")?,
        rule: row.optional_text("rule")?.map(str::to_owned),
        reason: row.get("reason")?,
        created_at: row.instant("created_at")?,
        created_by: row.get("created_by")?,
        ends_at: row.instant("ends_at")?,
        ended_at: row.optional_instant("ended_at")?,
        ended_by: row.optional_text("ended_by")?.map(str::to_owned),
    })
}

pub(super) fn annotation(row: &impl Columns) -> Result<Annotation, sqlx::Error> {
    Ok(Annotation {
        id: row.uuid("id")?,
        content: AnnotationText {
            first_day: row.date("first_day")?,
            last_day: row.date("last_day")?,
            category: row.optional_text("metric_category")?.map(str::to_owned),
            text: row.get("text")?,
        },
        created_at: row.instant("created_at")?,
        created_by: row.get("created_by")?,
        changed_at: row.optional_instant("changed_at")?,
        changed_by: row.optional_text("changed_by")?.map(str::to_owned),
    })
}

pub(super) fn session_end(row: &impl Columns) -> Result<(String, Timestamp), sqlx::Error> {
    Ok((row.get("subject")?, row.instant("ended_at")?))
}

pub(super) fn notification(row: &impl Columns) -> Result<Notification, sqlx::Error> {
    Ok(Notification {
        id: row.uuid("id")?,
        channel: row.get("channel")?,
        kind: row.word("kind", NotificationKind::from_name)?,
        content: row.object("content")?,
        created_at: row.instant("created_at")?,
        status: row.word("status", NotificationStatus::from_name)?,
        next_attempt_at: row.optional_instant("next_attempt_at")?,
        finished_at: row.optional_instant("finished_at")?,
        attempts: row.get("attempts")?,
    })
}

pub(super) fn delivery_attempt(row: &impl Columns) -> Result<DeliveryAttempt, sqlx::Error> {
    Ok(DeliveryAttempt {
        notification_id: row.uuid("notification_id")?,
        number: row.get("number")?,
        attempted_at: row.instant("attempted_at")?,
        duration_ms: row.get("duration_ms")?,
        is_delivered: row.get("is_delivered")?,
        answer: row.get("answer")?,
    })
}

/// `scopes` are those of the row: PostgreSQL keeps an array of them, SQLite a text.
pub(super) fn api_key(row: &impl Columns, scopes: Scopes) -> Result<ApiKey, sqlx::Error> {
    let hash: Vec<u8> = row.get("hash")?;
    Ok(ApiKey {
        id: row.uuid("id")?,
        name: row.get("name")?,
        role: row.word("role", Role::from_name)?,
        scopes,
        hash: KeyHash(hash.as_slice().try_into().map_err(|error| undecodable("hash", error))?),
        created_at: row.instant("created_at")?,
        created_by: row.get("created_by")?,
        expires_at: row.optional_instant("expires_at")?,
        revoked_at: row.optional_instant("revoked_at")?,
        revoked_by: row.optional_text("revoked_by")?.map(str::to_owned),
        last_used_at: row.optional_instant("last_used_at")?,
    })
}
