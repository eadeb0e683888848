-- What is recorded stays as it is. INSERT OR REPLACE deletes the row in its way without firing a DELETE trigger, so an
-- INSERT is refused as well where its key exists; Daymark's own inserts look first.

CREATE TRIGGER daily_metrics_refuse_update BEFORE UPDATE ON daily_metrics BEGIN
    SELECT RAISE(ABORT, 'UPDATE on daily_metrics is refused: records are immutable; a correction is a further row elsewhere, with its reason and author');
END;
CREATE TRIGGER daily_metrics_refuse_delete BEFORE DELETE ON daily_metrics BEGIN
    SELECT RAISE(ABORT, 'DELETE on daily_metrics is refused: records are immutable; a correction is a further row elsewhere, with its reason and author');
END;
CREATE TRIGGER daily_metrics_refuse_replace BEFORE INSERT ON daily_metrics
WHEN EXISTS (
    SELECT 1 FROM daily_metrics
    WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category
      AND metric_type = NEW.metric_type AND metric_date = NEW.metric_date
) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of daily_metrics is refused: records are immutable; a correction is a further row elsewhere, with its reason and author');
END;

CREATE TRIGGER metric_definition_versions_refuse_update BEFORE UPDATE ON metric_definition_versions BEGIN
    SELECT RAISE(ABORT, 'UPDATE on metric_definition_versions is refused: versions are immutable; a changed definition is a further version');
END;
CREATE TRIGGER metric_definition_versions_refuse_delete BEFORE DELETE ON metric_definition_versions BEGIN
    SELECT RAISE(ABORT, 'DELETE on metric_definition_versions is refused: versions are immutable; a changed definition is a further version');
END;
CREATE TRIGGER metric_definition_versions_refuse_replace BEFORE INSERT ON metric_definition_versions
WHEN EXISTS (
    SELECT 1 FROM metric_definition_versions
    WHERE tenant_id = NEW.tenant_id AND metric_type = NEW.metric_type
      AND metric_category = NEW.metric_category AND version = NEW.version
) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of metric_definition_versions is refused: versions are immutable; a changed definition is a further version');
END;

-- The one change that a log entry may see: a running one is finished.
CREATE TRIGGER metric_collection_log_refuse_update BEFORE UPDATE ON metric_collection_log
WHEN NOT (
    OLD.status = 'running' AND NEW.status <> 'running'
    AND NEW.id = OLD.id AND NEW.tenant_id = OLD.tenant_id AND NEW.kind = OLD.kind
    AND NEW.collection_date = OLD.collection_date AND NEW.collection_end_date = OLD.collection_end_date
    AND NEW.started_at = OLD.started_at AND NEW.trigger = OLD.trigger AND NEW.actor = OLD.actor
    AND NEW.host = OLD.host AND NEW.process_id = OLD.process_id
    AND NEW.created_at = OLD.created_at
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on metric_collection_log is refused: an entry of the collection log is finished once and not changed otherwise');
END;
CREATE TRIGGER metric_collection_log_refuse_delete BEFORE DELETE ON metric_collection_log BEGIN
    SELECT RAISE(ABORT, 'DELETE on metric_collection_log is refused: the collection log is kept');
END;
CREATE TRIGGER metric_collection_log_refuse_replace BEFORE INSERT ON metric_collection_log
WHEN EXISTS (SELECT 1 FROM metric_collection_log WHERE tenant_id = NEW.tenant_id AND id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of metric_collection_log is refused: the collection log is kept');
END;

-- A job goes from queued to running to its end, or from queued to its end; what was asked for stays.
CREATE TRIGGER jobs_refuse_update BEFORE UPDATE ON jobs
WHEN NOT (
    NEW.id = OLD.id AND NEW.tenant_id = OLD.tenant_id AND NEW.kind = OLD.kind AND NEW.spec = OLD.spec
    AND NEW.trigger = OLD.trigger AND NEW.actor = OLD.actor AND NEW.created_at = OLD.created_at
    AND NEW.host = OLD.host AND NEW.process_id = OLD.process_id
    AND (OLD.status = 'queued' AND NEW.status <> 'queued'
         OR OLD.status = 'running' AND NEW.status NOT IN ('queued', 'running') AND NEW.started_at = OLD.started_at)
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on jobs is refused: a job starts once, ends once and is not changed otherwise');
END;
CREATE TRIGGER jobs_refuse_delete BEFORE DELETE ON jobs BEGIN
    SELECT RAISE(ABORT, 'DELETE on jobs is refused: jobs are kept');
END;
CREATE TRIGGER jobs_refuse_replace BEFORE INSERT ON jobs
WHEN EXISTS (SELECT 1 FROM jobs WHERE tenant_id = NEW.tenant_id AND id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'INSERT over a row of jobs is refused: jobs are kept');
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
