//! The statements that both databases understand. `$1` is the tenant.

pub(super) const SELECT_DEFINITIONS: &str = "
    SELECT spec, version, is_active, origin, metric_definitions.created_at
    FROM metric_definitions
    JOIN metric_definition_versions USING (tenant_id, metric_type, metric_category, version)
    WHERE tenant_id = $1
    ORDER BY metric_category, metric_type";

pub(super) const SELECT_DEFINITION_VERSIONS: &str = "
    SELECT metric_type, metric_category, version, spec, created_at
    FROM metric_definition_versions
    WHERE tenant_id = $1
    ORDER BY metric_category, metric_type, version";

/// Counts from the highest version that exists, so that it stays right where the current row is missing.
pub(super) const INSERT_DEFINITION_VERSION: &str = "
    INSERT INTO metric_definition_versions (tenant_id, metric_type, metric_category, version, spec, created_at)
    SELECT $1, $2, $3, coalesce(max(version), 0) + 1, $4, $5
    FROM metric_definition_versions
    WHERE tenant_id = $1 AND metric_type = $2 AND metric_category = $3
    RETURNING version";

pub(super) const SET_DEFINITION_ACTIVE: &str = "
    UPDATE metric_definitions SET is_active = $4, origin = coalesce($5, origin), updated_at = $6
    WHERE tenant_id = $1 AND metric_type = $2 AND metric_category = $3";

pub(super) const SELECT_JOBS: &str = "
    SELECT id, kind, spec, trigger, actor, status, created_at, started_at, finished_at, host, process_id, run_id, result
    FROM jobs WHERE tenant_id = ";

pub(super) const START_JOB: &str = "
    UPDATE jobs SET status = 'running', started_at = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'queued'";

pub(super) const FINISH_JOB: &str = "
    UPDATE jobs SET status = $3, finished_at = $4, run_id = $5, result = $6
    WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'running')";

pub(super) const SELECT_EVENTS: &str = "
    SELECT id, kind, subject, created_at FROM events WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3";

pub(super) const REVOKE_API_KEY: &str = "
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3), revoked_by = coalesce(revoked_by, $4)
    WHERE tenant_id = $1 AND id = $2";

/// The times are of the database's clock: on PostgreSQL its trigger sets them.
pub(super) const ADD_ANNOTATION: &str = "
    INSERT INTO annotations (tenant_id, id, first_day, last_day, metric_category, text, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, id) DO NOTHING";

pub(super) const DELETE_ANNOTATION: &str = "DELETE FROM annotations WHERE tenant_id = $1 AND id = $2";

pub(super) const SELECT_ANNOTATION: &str = "
    SELECT id, first_day, last_day, metric_category, text, created_at, created_by, changed_at, changed_by FROM annotations
    WHERE tenant_id = $1 AND id = $2";

pub(super) const SELECT_ANNOTATIONS: &str = "
    SELECT id, first_day, last_day, metric_category, text, created_at, created_by, changed_at, changed_by FROM annotations
    WHERE tenant_id = $1 AND last_day >= $2 AND first_day <= $3
    ORDER BY last_day DESC, first_day DESC, created_at DESC, id LIMIT $4";

pub(super) const SELECT_SESSION_ENDS: &str =
    "SELECT subject, ended_at FROM session_ends WHERE tenant_id = $1 AND ended_at > $2";

pub(super) const FORGET_SESSION_ENDS: &str =
    "DELETE FROM session_ends WHERE tenant_id = $1 AND ended_at < $2";

/// Of two ends the later one is kept.
pub(super) const END_SESSIONS: &str = "
    INSERT INTO session_ends (tenant_id, subject, ended_at) VALUES ($1, $2, $3)
    ON CONFLICT (tenant_id, subject) DO UPDATE SET ended_at = excluded.ended_at
    WHERE session_ends.ended_at < excluded.ended_at";

pub(super) const RUN_COLUMNS: &str =
    "id, kind, collection_date, collection_end_date, started_at, completed_at, status,
    metrics_collected, error_message, error_details, trigger, actor, host, process_id";

pub(super) const SELECT_RUN_OUTCOMES: &str = "
    SELECT kind, status, started_at, completed_at, metrics_collected
    FROM metric_collection_log WHERE tenant_id = $1 AND started_at >= $2
    ORDER BY started_at DESC LIMIT $3";

/// By tenant and metric: the primary key.
pub(super) const SELECT_ALL_RECORDS: &str = "
    SELECT tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance, definition_version,
           collection_id, collection_timestamp
    FROM daily_metrics
    ORDER BY tenant_id, metric_category, metric_type, metric_date";

pub(super) const COUNT_RUNS: &str = "SELECT count(*) FROM metric_collection_log";
pub(super) const COUNT_DEFINITION_VERSIONS: &str = "SELECT count(*) FROM metric_definition_versions";

/// One look into the index `daily_metrics_by_cut`.
pub(super) const SELECT_LAST_CUT: &str =
    "SELECT max(collection_timestamp) AS last_cut FROM daily_metrics WHERE tenant_id = $1";

pub(super) const WRITE_LEADER: &str = "
    INSERT INTO leaders (tenant_id, host, process_id, since, seen_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant_id) DO UPDATE
    SET host = excluded.host, process_id = excluded.process_id, since = excluded.since, seen_at = excluded.seen_at";

/// Ends the pauses that hold at `$2`.
pub(super) const END_PAUSE: &str = "
    UPDATE schedule_pauses SET resumed_at = $2, resumed_by = $3
    WHERE tenant_id = $1 AND resumed_at IS NULL AND (until_at IS NULL OR until_at > $2)";

pub(super) const SELECT_CLOCK: &str = "SELECT simulated_clock FROM store_settings";

pub(super) const SELECT_ALERT_STATES: &str = "
    SELECT rule, state, since, started_at, summary, severity, labels, told, is_silenced, revision FROM alert_states
    WHERE tenant_id = $1 ORDER BY rule";

/// Changes the row of the revision before, or none.
pub(super) const WRITE_ALERT_STATE: &str = "
    INSERT INTO alert_states (tenant_id, rule, state, since, started_at, summary, severity, labels, told, is_silenced, revision)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (tenant_id, rule) DO UPDATE
    SET state = excluded.state, since = excluded.since, started_at = excluded.started_at, summary = excluded.summary,
        severity = excluded.severity, labels = excluded.labels, told = excluded.told, is_silenced = excluded.is_silenced,
        revision = excluded.revision
    WHERE alert_states.revision = excluded.revision - 1";

/// Notifications about one rule are committed one after the other, because each commit changes the rule's state; so their numbers
/// are in the order of the commits. Others may have the same number.
pub(super) const ADD_NOTIFICATION: &str = "
    INSERT INTO notifications (tenant_id, id, number, channel, kind, content, created_at, next_attempt_at)
    VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM notifications WHERE tenant_id = $1), $3, $4, $5, $6, $6)
    ON CONFLICT (tenant_id, id) DO NOTHING";

/// Silences that were not ended early come first, the latest end before the others, so that a limit never leaves out one
/// that holds for one that is over.
pub(super) const SELECT_SILENCES: &str = "
    SELECT id, rule, reason, created_at, created_by, ends_at, ended_at, ended_by FROM alert_silences
    WHERE tenant_id = $1 ORDER BY ended_at IS NOT NULL, ends_at DESC, created_at DESC, id LIMIT $2";

pub(super) const ADD_SILENCE: &str = "
    INSERT INTO alert_silences (tenant_id, id, rule, reason, created_at, created_by, ends_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, id) DO NOTHING";

pub(super) const END_SILENCE: &str = "
    UPDATE alert_silences SET ended_at = $3, ended_by = $4
    WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND ends_at > $3";

pub(super) const SELECT_NOTIFICATIONS: &str = "
    SELECT id, channel, kind, content, created_at, status, next_attempt_at, finished_at, (
        SELECT count(*) FROM delivery_attempts
        WHERE delivery_attempts.tenant_id = notifications.tenant_id AND notification_id = notifications.id
    ) AS attempts
    FROM notifications WHERE tenant_id = ";

/// An attempt whose number exists was inserted by an earlier attempt at this statement whose answer was lost.
pub(super) const ADD_DELIVERY_ATTEMPT: &str = "
    INSERT INTO delivery_attempts (tenant_id, notification_id, number, attempted_at, duration_ms, is_delivered, answer)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, notification_id, number) DO NOTHING";

pub(super) const AFTER_DELIVERY_ATTEMPT: &str = "
    UPDATE notifications SET status = $3, next_attempt_at = $4, finished_at = $5
    WHERE tenant_id = $1 AND id = $2 AND status = 'pending'";

pub(super) const WAIT: &str = "
    UPDATE notifications SET next_attempt_at = $3
    WHERE tenant_id = $1 AND id = $2 AND status = 'pending' AND next_attempt_at < $3";

/// Those behind a notification of the channel that is tried again. A later attempt of their own stays.
pub(super) const WAIT_BEHIND: &str = "
    UPDATE notifications SET next_attempt_at = $3
    WHERE tenant_id = $1 AND status = 'pending' AND next_attempt_at < $3 AND created_at <= $4
      AND channel = (SELECT channel FROM notifications WHERE tenant_id = $1 AND id = $2)
      AND number >= (SELECT number FROM notifications WHERE tenant_id = $1 AND id = $2)";

pub(super) const DUE_CHANNELS: &str = "
    SELECT DISTINCT channel FROM notifications
    WHERE tenant_id = $1 AND status = 'pending' AND (next_attempt_at <= $2 OR next_attempt_at > $3) ORDER BY channel";

pub(super) const COUNT_NOTIFICATIONS: &str = "
    SELECT count(CASE WHEN status = 'pending' THEN 1 END) AS pending,
        count(CASE WHEN status = 'delivered' THEN 1 END) AS delivered,
        count(CASE WHEN status = 'given_up' THEN 1 END) AS given_up,
        min(CASE WHEN status = 'pending' THEN created_at END) AS oldest_pending_at
    FROM notifications WHERE tenant_id = $1";

pub(super) const SELECT_PAUSES: &str = "
    SELECT id, paused_at, paused_by, reason, until_at, resumed_at, resumed_by FROM schedule_pauses
    WHERE tenant_id = $1 ORDER BY paused_at DESC, id LIMIT $2";

pub(super) const DELETE_NOTIFICATIONS: &str =
    "DELETE FROM notifications WHERE tenant_id = $1 AND finished_at < $2";

pub(super) const SELECT_UNJUDGED: &str = "
    SELECT metric_date, metric_type, metric_category FROM daily_metrics AS recorded
    WHERE tenant_id = $1 AND NOT EXISTS (
        SELECT 1 FROM daily_metric_judgements AS judged
        WHERE judged.tenant_id = recorded.tenant_id AND judged.metric_category = recorded.metric_category
          AND judged.metric_type = recorded.metric_type AND judged.metric_date = recorded.metric_date
          AND judged.judge_version >= $2
    )
    ORDER BY metric_category, metric_type, metric_date
    LIMIT $3";

pub(super) const SELECT_ANOMALIES: &str = "
    SELECT judged.metric_date, judged.metric_type, judged.metric_category, CAST(recorded.value AS TEXT) AS value,
        judge_version, verdict, reason, CAST(expected_low AS TEXT) AS expected_low, CAST(expected_high AS TEXT) AS expected_high,
        CAST(score AS TEXT) AS score, baseline_days, baseline_from, baseline_to
    FROM daily_metric_judgements AS judged
    JOIN daily_metrics AS recorded
        ON recorded.tenant_id = judged.tenant_id AND recorded.metric_category = judged.metric_category
       AND recorded.metric_type = judged.metric_type AND recorded.metric_date = judged.metric_date
    WHERE judged.tenant_id = $1 AND judged.verdict = 'anomaly' AND judged.metric_date >= $2 AND judged.metric_date <= $3
    ORDER BY judged.metric_date DESC, judged.metric_category, judged.metric_type
    LIMIT $4";

/// The end of an INSERT of judgements.
pub(super) const OVER_EARLIER_JUDGEMENTS: &str = "
    ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO UPDATE
    SET judge_version = excluded.judge_version, verdict = excluded.verdict, reason = excluded.reason,
        expected_low = excluded.expected_low, expected_high = excluded.expected_high, score = excluded.score,
        baseline_days = excluded.baseline_days, baseline_from = excluded.baseline_from, baseline_to = excluded.baseline_to
    WHERE daily_metric_judgements.judge_version <= excluded.judge_version";

/// The end of an INSERT of recounts.
pub(super) const OVER_EARLIER_RECOUNTS: &str = "
    ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO UPDATE
    SET recorded = excluded.recorded, recounted = excluded.recounted, recounted_at = excluded.recounted_at";

pub(super) const SELECT_DRIFT_SAMPLES: &str = "
    SELECT metric_date, metric_type, metric_category, CAST(recorded AS TEXT) AS recorded,
        CAST(recounted AS TEXT) AS recounted, recounted_at
    FROM drift_samples WHERE tenant_id = $1 AND recounted_at >= $2
    ORDER BY recounted_at DESC, metric_date DESC, metric_category, metric_type
    LIMIT $3";
