-- Recorded rows are immutable, and inserted rows are compared with the machine's clock and with the collection log rather than
-- trusted. A program that can write to the file can still drop these triggers. INSERT OR REPLACE deletes the existing row without
-- firing a DELETE trigger, so an INSERT is refused too if its key exists; Daymark's own inserts leave existing keys out.

CREATE TRIGGER daily_metrics_refuse_update BEFORE UPDATE ON daily_metrics BEGIN
    SELECT RAISE(ABORT, 'UPDATE on daily_metrics is refused: records are immutable; `daymark correct` puts another value beside a wrong one, and a changed definition holds for days recorded after the change');
END;
CREATE TRIGGER daily_metrics_refuse_delete BEFORE DELETE ON daily_metrics BEGIN
    SELECT RAISE(ABORT, 'DELETE on daily_metrics is refused: records are immutable; `daymark correct` puts another value beside a wrong one, and a changed definition holds for days recorded after the change');
END;
CREATE TRIGGER daily_metrics_refuse_replace BEFORE INSERT ON daily_metrics
WHEN EXISTS (
    SELECT 1 FROM daily_metrics
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category
      AND metric_type = NEW.metric_type AND metric_date = NEW.metric_date
) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of daily_metrics is refused: records are immutable; `daymark correct` puts another value beside a wrong one, and a changed definition holds for days recorded after the change');
END;

CREATE TRIGGER metric_revisions_refuse_update BEFORE UPDATE ON metric_revisions BEGIN
    SELECT RAISE(ABORT, 'UPDATE on metric_revisions is refused: revisions are immutable; correct the day again, or take the revision back');
END;
CREATE TRIGGER metric_revisions_refuse_delete BEFORE DELETE ON metric_revisions BEGIN
    SELECT RAISE(ABORT, 'DELETE on metric_revisions is refused: revisions are immutable; correct the day again, or take the revision back');
END;
CREATE TRIGGER metric_revisions_refuse_replace BEFORE INSERT ON metric_revisions
WHEN EXISTS (
    -- One of the same number is refused below.
    SELECT 1 FROM metric_revisions
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type AND metric_date = NEW.metric_date
      AND batch_id = NEW.batch_id
) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of metric_revisions is refused: revisions are immutable; correct the day again, or take the revision back');
END;
-- A revision is of a recorded day, has the next number and the time of this machine's clock, and takes back a revision that is no
-- reversal and was not taken back before.
CREATE TRIGGER metric_revisions_refuse_other_number BEFORE INSERT ON metric_revisions
WHEN NEW.revision <> (
    SELECT coalesce(max(revision), 0) + 1 FROM metric_revisions
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type AND metric_date = NEW.metric_date
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on metric_revisions is refused: another revision of the day came first');
END;
-- After the clock was set back, a revision has the time of the last one before.
CREATE TRIGGER metric_revisions_refuse_forged BEFORE INSERT ON metric_revisions
WHEN (SELECT NOT simulated_clock FROM store_settings)
    AND NEW.created_at NOT BETWEEN strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-5 minutes') AND max(
        strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes'),
        (SELECT coalesce(max(created_at), '') FROM metric_revisions WHERE tenant_id = NEW.tenant_id)
    )
BEGIN
    SELECT RAISE(ABORT, 'INSERT on metric_revisions is refused: a revision has the time of the clock of this machine');
END;
CREATE TRIGGER metric_revisions_refuse_without_record BEFORE INSERT ON metric_revisions
WHEN NOT EXISTS (
    SELECT 1 FROM daily_metrics
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type AND metric_date = NEW.metric_date
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on metric_revisions is refused: the day has no record');
END;
CREATE TRIGGER metric_revisions_refuse_other_reversal BEFORE INSERT ON metric_revisions
WHEN NEW.kind = 'reversal' AND (
    NOT EXISTS (
        SELECT 1 FROM metric_revisions
        WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type AND metric_date = NEW.metric_date
          AND revision = NEW.takes_back AND kind <> 'reversal'
    ) OR EXISTS (
        SELECT 1 FROM metric_revisions
        WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type AND metric_date = NEW.metric_date
          AND takes_back = NEW.takes_back
    )
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on metric_revisions is refused: there is no such revision to take back, or it was taken back before');
END;
-- The judgements of a corrected value and of the later values that it is the history of, eight weeks and a day (WEEKS of
-- judgement/baseline.rs), are made again.
CREATE TRIGGER metric_revisions_forget_judgements AFTER INSERT ON metric_revisions BEGIN
    DELETE FROM daily_metric_judgements
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type
      AND metric_date BETWEEN NEW.metric_date AND date(NEW.metric_date, '+57 days');
END;

-- The log of redactions is as immutable as the records. A redaction changes records by dropping the triggers that refuse UPDATE, and
-- makes them again in the same transaction (store/sqlite/redactions.rs), so that no other connection ever sees the tables without them.
CREATE TRIGGER redactions_refuse_update BEFORE UPDATE ON redactions BEGIN
    SELECT RAISE(ABORT, 'UPDATE on redactions is refused: the log of redactions is immutable');
END;
CREATE TRIGGER redactions_refuse_delete BEFORE DELETE ON redactions BEGIN
    SELECT RAISE(ABORT, 'DELETE on redactions is refused: the log of redactions is immutable');
END;
CREATE TRIGGER redactions_refuse_replace BEFORE INSERT ON redactions
WHEN EXISTS (SELECT 1 FROM redactions WHERE tenant_id = NEW.tenant_id AND id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of redactions is refused: the log of redactions is immutable');
END;
-- A label has one placeholder, and a placeholder one label. The time of an entry is that of the clock of this machine.
CREATE TRIGGER redactions_refuse_forged BEFORE INSERT ON redactions
WHEN EXISTS (
    SELECT 1 FROM redactions
    WHERE tenant_id = NEW.tenant_id AND (label_hash = NEW.label_hash) <> (placeholder = NEW.placeholder)
) OR (SELECT NOT simulated_clock FROM store_settings)
    AND NEW.created_at NOT BETWEEN strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-5 minutes')
                               AND strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes')
BEGIN
    SELECT RAISE(ABORT, 'INSERT on redactions is refused: a label has one placeholder, a placeholder one label, and an entry the time of the clock of this machine');
END;

CREATE TRIGGER metric_definition_versions_refuse_update BEFORE UPDATE ON metric_definition_versions BEGIN
    SELECT RAISE(ABORT, 'UPDATE on metric_definition_versions is refused: versions of definitions are immutable; insert a changed definition as the next version');
END;
CREATE TRIGGER metric_definition_versions_refuse_delete BEFORE DELETE ON metric_definition_versions BEGIN
    SELECT RAISE(ABORT, 'DELETE on metric_definition_versions is refused: versions of definitions are immutable; insert a changed definition as the next version');
END;
CREATE TRIGGER metric_definition_versions_refuse_replace BEFORE INSERT ON metric_definition_versions
WHEN EXISTS (
    SELECT 1 FROM metric_definition_versions
    WHERE tenant_id = NEW.tenant_id AND metric_type = NEW.metric_type
      AND metric_category = NEW.metric_category AND version = NEW.version
) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of metric_definition_versions is refused: versions of definitions are immutable; insert a changed definition as the next version');
END;

-- The run of a record must be running. Unless the clock is simulated, the run must include the day, the day must have ended, and a
-- record can only be 'observed' within 9 days of its date, which is the maximum of the setting collect.observed_within_hours in
-- any time zone. SQLite knows no time zones, so a day counts as ended at 10:00 UTC of its date, when it ends at UTC+14; Daymark
-- itself compares in the reporting time zone.
CREATE TRIGGER daily_metrics_refuse_other_run BEFORE INSERT ON daily_metrics
WHEN NOT EXISTS (
    SELECT 1 FROM metric_collection_log
    WHERE tenant_id = NEW.tenant_id AND id = NEW.collection_id AND status = 'running'
      AND (NEW.metric_date BETWEEN collection_date AND collection_end_date OR (SELECT simulated_clock FROM store_settings))
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on daily_metrics is refused: its run has ended, or does not include that day');
END;
CREATE TRIGGER daily_metrics_refuse_other_time BEFORE INSERT ON daily_metrics
WHEN (SELECT NOT simulated_clock FROM store_settings) AND NOT (
    NEW.metric_date || 'T10:00:00.000000Z' <= strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
    AND NEW.collection_timestamp BETWEEN strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-7 days')
                                     AND strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes')
    AND (NEW.provenance <> 'observed' OR date(NEW.metric_date, '+9 days') >= date('now'))
    AND NEW.created_at BETWEEN strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-5 minutes')
                           AND strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes')
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on daily_metrics is refused: by the clock of this machine the day has not ended, a timestamp is not the current time, or the record is called observed more than 9 days after its date');
END;

-- A run is inserted with the status running and the current time, and its days have ended.
CREATE TRIGGER metric_collection_log_refuse_forged BEFORE INSERT ON metric_collection_log
WHEN NEW.status <> 'running' OR NEW.metrics_collected <> 0 OR NEW.error_message IS NOT NULL OR NEW.error_details IS NOT NULL
    OR (SELECT NOT simulated_clock FROM store_settings) AND NOT (
        NEW.started_at BETWEEN strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-7 days')
                           AND strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes')
        AND NEW.collection_end_date || 'T10:00:00.000000Z' <= strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
    )
BEGIN
    SELECT RAISE(ABORT, 'INSERT on metric_collection_log is refused: a new run must have the status running, 0 metrics_collected, no error, the current time, and days that have ended by the clock of this machine');
END;

-- The only permitted update of a log entry ends a running run, with metrics_collected equal to the number of its records.
CREATE TRIGGER metric_collection_log_refuse_update BEFORE UPDATE ON metric_collection_log
WHEN NOT (
    OLD.status = 'running' AND NEW.status <> 'running'
    AND NEW.metrics_collected = (
        SELECT count(*) FROM daily_metrics
        WHERE daily_metrics.tenant_id = NEW.tenant_id AND collection_id = NEW.id
          AND metric_date BETWEEN NEW.collection_date AND NEW.collection_end_date
    )
    AND ((SELECT simulated_clock FROM store_settings)
         OR NEW.completed_at <= max(OLD.started_at, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes')))
    AND NEW.id = OLD.id AND NEW.tenant_id = OLD.tenant_id AND NEW.kind = OLD.kind
    AND NEW.collection_date = OLD.collection_date AND NEW.collection_end_date = OLD.collection_end_date
    AND NEW.started_at = OLD.started_at AND NEW.trigger = OLD.trigger AND NEW.actor = OLD.actor
    AND NEW.host = OLD.host AND NEW.process_id = OLD.process_id
    AND NEW.created_at = OLD.created_at
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on metric_collection_log is refused: an entry of the collection log can only be changed once, when its run ends');
END;
CREATE TRIGGER metric_collection_log_refuse_delete BEFORE DELETE ON metric_collection_log BEGIN
    SELECT RAISE(ABORT, 'DELETE on metric_collection_log is refused: entries of the collection log are kept');
END;
CREATE TRIGGER metric_collection_log_refuse_replace BEFORE INSERT ON metric_collection_log
WHEN EXISTS (SELECT 1 FROM metric_collection_log WHERE tenant_id = NEW.tenant_id AND id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of metric_collection_log is refused: entries of the collection log are kept');
END;

-- A job goes from queued to running to a final status, or from queued to a final status; its request cannot be changed.
CREATE TRIGGER jobs_refuse_update BEFORE UPDATE ON jobs
WHEN NOT (
    NEW.id = OLD.id AND NEW.tenant_id = OLD.tenant_id AND NEW.kind = OLD.kind AND NEW.spec = OLD.spec
    AND NEW.trigger = OLD.trigger AND NEW.actor = OLD.actor AND NEW.created_at = OLD.created_at
    AND NEW.host = OLD.host AND NEW.process_id = OLD.process_id
    AND (OLD.status = 'queued' AND NEW.status <> 'queued'
         OR OLD.status = 'running' AND NEW.status NOT IN ('queued', 'running') AND NEW.started_at = OLD.started_at)
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on jobs is refused: a job can only start once and end once');
END;
CREATE TRIGGER jobs_refuse_delete BEFORE DELETE ON jobs BEGIN
    SELECT RAISE(ABORT, 'DELETE on jobs is refused: jobs are kept');
END;
CREATE TRIGGER jobs_refuse_replace BEFORE INSERT ON jobs
WHEN EXISTS (SELECT 1 FROM jobs WHERE tenant_id = NEW.tenant_id AND id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of jobs is refused: jobs are kept');
END;

CREATE TRIGGER leaders_refuse_delete BEFORE DELETE ON leaders BEGIN
    SELECT RAISE(ABORT, 'DELETE on leaders is refused: the row of the leader is kept; the next leader updates it');
END;
-- A pause is resumed once; its other columns cannot be changed.
CREATE TRIGGER schedule_pauses_refuse_update BEFORE UPDATE ON schedule_pauses
WHEN NOT (
    OLD.resumed_at IS NULL AND NEW.resumed_at IS NOT NULL AND NEW.tenant_id = OLD.tenant_id AND NEW.id = OLD.id
    AND NEW.paused_at = OLD.paused_at AND NEW.paused_by = OLD.paused_by AND NEW.reason = OLD.reason
    AND NEW.until_at IS OLD.until_at
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on schedule_pauses is refused: a pause can only be resumed once');
END;
CREATE TRIGGER schedule_pauses_refuse_delete BEFORE DELETE ON schedule_pauses BEGIN
    SELECT RAISE(ABORT, 'DELETE on schedule_pauses is refused: pauses are kept');
END;
CREATE TRIGGER schedule_pauses_refuse_replace BEFORE INSERT ON schedule_pauses
WHEN EXISTS (SELECT 1 FROM schedule_pauses WHERE tenant_id = NEW.tenant_id AND id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of schedule_pauses is refused: pauses are kept');
END;

CREATE TRIGGER annotations_keep_authorship BEFORE UPDATE ON annotations
WHEN NOT (
    NEW.tenant_id = OLD.tenant_id AND NEW.id = OLD.id AND NEW.created_at = OLD.created_at AND NEW.created_by = OLD.created_by
    AND NEW.changed_at IS NOT NULL
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on annotations is refused: the author and the time of an annotation stay');
END;

CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'UPDATE on events is refused: events are kept');
END;
CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'DELETE on events is refused: events are kept');
END;
CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE tenant_id = NEW.tenant_id AND id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of events is refused: events are kept');
END;

CREATE TRIGGER jobs_refuse_forged BEFORE INSERT ON jobs
WHEN NEW.status <> 'queued' OR NEW.started_at IS NOT NULL OR NEW.run_id IS NOT NULL OR NEW.result IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'INSERT on jobs is refused: a new job must have the status queued and no started_at, run_id or result');
END;
CREATE TRIGGER events_refuse_forged BEFORE INSERT ON events
WHEN NEW.id <> (SELECT coalesce(max(id), 0) + 1 FROM events WHERE tenant_id = NEW.tenant_id) BEGIN
    SELECT RAISE(ABORT, 'INSERT on events is refused: the ids of events are consecutive numbers');
END;
CREATE TRIGGER metric_definition_versions_refuse_forged BEFORE INSERT ON metric_definition_versions
WHEN NEW.version <> (
    SELECT coalesce(max(version), 0) + 1 FROM metric_definition_versions
    WHERE tenant_id = NEW.tenant_id AND metric_type = NEW.metric_type AND metric_category = NEW.metric_category
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on metric_definition_versions is refused: the versions of a definition are consecutive numbers');
END;

-- Times from an hour ago until in 5 minutes are allowed; of the start and the end of a job, and of the time since which an instance
-- leads, all earlier ones too. Columns that an update leaves alone are not compared again.
CREATE TRIGGER jobs_refuse_time_of_insert BEFORE INSERT ON jobs
WHEN (SELECT NOT simulated_clock FROM store_settings) AND (
    (NEW.created_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.created_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
    OR (NEW.started_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes'))
    OR (NEW.finished_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes'))
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on jobs is refused: a time is not that of the clock of this machine');
END;
CREATE TRIGGER jobs_refuse_time_of_update BEFORE UPDATE ON jobs
WHEN (SELECT NOT simulated_clock FROM store_settings) AND (
    NEW.created_at IS NOT OLD.created_at AND (NEW.created_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.created_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
    OR NEW.started_at IS NOT OLD.started_at AND (NEW.started_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes'))
    OR NEW.finished_at IS NOT OLD.finished_at AND (NEW.finished_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes'))
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on jobs is refused: a time is not that of the clock of this machine');
END;
CREATE TRIGGER leaders_refuse_time_of_insert BEFORE INSERT ON leaders
WHEN (SELECT NOT simulated_clock FROM store_settings) AND (
    (NEW.since > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes'))
    OR (NEW.seen_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.seen_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on leaders is refused: a time is not that of the clock of this machine');
END;
CREATE TRIGGER leaders_refuse_time_of_update BEFORE UPDATE ON leaders
WHEN (SELECT NOT simulated_clock FROM store_settings) AND (
    NEW.since IS NOT OLD.since AND (NEW.since > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes'))
    OR NEW.seen_at IS NOT OLD.seen_at AND (NEW.seen_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.seen_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on leaders is refused: a time is not that of the clock of this machine');
END;
CREATE TRIGGER schedule_pauses_refuse_time_of_insert BEFORE INSERT ON schedule_pauses
WHEN (SELECT NOT simulated_clock FROM store_settings) AND (
    (NEW.paused_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.paused_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
    OR (NEW.resumed_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.resumed_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
) BEGIN
    SELECT RAISE(ABORT, 'INSERT on schedule_pauses is refused: a time is not that of the clock of this machine');
END;
CREATE TRIGGER schedule_pauses_refuse_time_of_update BEFORE UPDATE ON schedule_pauses
WHEN (SELECT NOT simulated_clock FROM store_settings) AND (
    NEW.paused_at IS NOT OLD.paused_at AND (NEW.paused_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.paused_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
    OR NEW.resumed_at IS NOT OLD.resumed_at AND (NEW.resumed_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes') OR NEW.resumed_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-1 hour'))
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on schedule_pauses is refused: a time is not that of the clock of this machine');
END;
CREATE TRIGGER drift_samples_refuse_time_of_insert BEFORE INSERT ON drift_samples
WHEN (SELECT NOT simulated_clock FROM store_settings) AND NEW.recounted_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes')
BEGIN
    SELECT RAISE(ABORT, 'INSERT on drift_samples is refused: recounted_at is later than the clock of this machine');
END;
CREATE TRIGGER drift_samples_refuse_time_of_update BEFORE UPDATE ON drift_samples
WHEN (SELECT NOT simulated_clock FROM store_settings) AND NEW.recounted_at IS NOT OLD.recounted_at
    AND NEW.recounted_at > strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '+5 minutes')
BEGIN
    SELECT RAISE(ABORT, 'UPDATE on drift_samples is refused: recounted_at is later than the clock of this machine');
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE would delete another active definition with the same name.
CREATE TRIGGER metric_definitions_refuse_delete BEFORE DELETE ON metric_definitions BEGIN
    SELECT RAISE(ABORT, 'DELETE on metric_definitions is refused: definitions are kept; deactivate a metric that is no longer wanted (is_active = 0)');
END;
CREATE TRIGGER metric_definitions_refuse_replace BEFORE INSERT ON metric_definitions
WHEN NEW.is_active AND EXISTS (
    SELECT 1 FROM metric_definitions
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type <> NEW.metric_type AND is_active
) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of metric_definitions is refused: UNIQUE constraint failed, another active metric has the same name');
END;
CREATE TRIGGER metric_definitions_refuse_replacing_update BEFORE UPDATE ON metric_definitions
WHEN NEW.is_active AND EXISTS (
    SELECT 1 FROM metric_definitions
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type <> OLD.metric_type AND is_active
) OR NEW.tenant_id <> OLD.tenant_id OR NEW.metric_type <> OLD.metric_type OR NEW.metric_category <> OLD.metric_category BEGIN
    SELECT RAISE(ABORT, 'UPDATE on metric_definitions is refused: the key was changed, or UNIQUE constraint failed because another active metric has the same name');
END;

-- The settings cannot be changed, except the simulated clock as long as the collection log is empty.
CREATE TRIGGER store_settings_refuse_update BEFORE UPDATE ON store_settings
WHEN NEW.only_row <> OLD.only_row OR NEW.redaction_key <> OLD.redaction_key OR EXISTS (SELECT 1 FROM metric_collection_log) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on store_settings is refused: the settings are fixed from the first run on; create another store');
END;
CREATE TRIGGER store_settings_refuse_delete BEFORE DELETE ON store_settings BEGIN
    SELECT RAISE(ABORT, 'DELETE on store_settings is refused: the settings are kept');
END;
CREATE TRIGGER store_settings_refuse_insert BEFORE INSERT ON store_settings BEGIN
    SELECT RAISE(ABORT, 'INSERT on store_settings is refused: the table has exactly one row');
END;
