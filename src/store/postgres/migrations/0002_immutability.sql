-- Recorded rows are immutable. Triggers refuse changes for every role, including superusers and sessions with
-- session_replication_role = replica (ENABLE ALWAYS), and privileges refuse them before a trigger fires. Triggers compare inserted
-- rows with the clock of this database and with the collection log rather than trusting the columns of the row. The one exception,
-- redactions, and the triggers that let them through are in 0007_redactions.sql.

-- Refuses every change. The arguments are the reason and the hint.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation', HINT = TG_ARGV[1];
END
$$;

-- Whether the triggers compare times with the clock of this database. The function runs with the rights of the inserting role.
CREATE FUNCTION has_real_clock() RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT NOT simulated_clock FROM store_settings
$$;

-- The settings cannot be changed, except the simulated clock as long as the collection log is empty.
CREATE FUNCTION refuse_other_settings() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.notification_channel = OLD.notification_channel AND NEW.redaction_key = OLD.redaction_key
        AND NOT EXISTS (SELECT FROM metric_collection_log) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on %.% is refused: the settings are fixed from the first run on', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Create another store.';
END
$$;

-- Whether the day has ended in the zone at an instant, give or take the 5 minutes by which clocks may differ. Without a zone, or in
-- one that this server does not know, it ends at UTC+14, the earliest at which a day ends anywhere.
CREATE FUNCTION day_has_ended(the_day DATE, zone TEXT, instant TIMESTAMPTZ) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    latest CONSTANT TIMESTAMPTZ := instant + INTERVAL '5 minutes';
    has_ended_somewhere CONSTANT BOOLEAN := the_day < ((latest + INTERVAL '14 hours') AT TIME ZONE 'UTC')::DATE;
BEGIN
    RETURN has_ended_somewhere AND (zone IS NULL OR the_day < (latest AT TIME ZONE zone)::DATE);
EXCEPTION
    WHEN invalid_parameter_value THEN
        RETURN has_ended_somewhere;
END
$$;

-- A run is inserted with the status running, the current time and the inserting role, and its days have ended in the time zone of the
-- active definitions, which have the same one.
CREATE FUNCTION refuse_forged_run() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    wrong CONSTANT TEXT := CASE
        WHEN NEW.status <> 'running' OR NEW.metrics_collected <> 0 OR NEW.error_message IS NOT NULL
            OR NEW.error_details IS NOT NULL THEN 'a new run must have the status running, 0 metrics_collected and no error'
        WHEN NOT has_real_clock() THEN NULL
        WHEN NEW.started_at NOT BETWEEN clock_timestamp() - INTERVAL '7 days' AND clock_timestamp() + INTERVAL '5 minutes'
            THEN format('its started_at is %s, but the clock of this database says %s', NEW.started_at, clock_timestamp())
        WHEN NOT day_has_ended(NEW.collection_end_date, (
                SELECT spec ->> 'time_zone'
                FROM metric_definitions JOIN metric_definition_versions USING (tenant_id, metric_type, metric_category, version)
                WHERE tenant_id = NEW.tenant_id AND is_active
                LIMIT 1
            ), clock_timestamp())
            THEN format('its last day, %s, has not ended by the clock of this database', NEW.collection_end_date)
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'INSERT on %.% is refused: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, wrong
            USING ERRCODE = 'restrict_violation', HINT = 'Compare the clocks of this machine and of the database.';
    END IF;
    NEW.started_by := current_user;
    NEW.created_at := clock_timestamp();
    RETURN NEW;
END
$$;

-- Whether a session of the caller's login role holds the advisory lock of a run, which store/postgres/lock.rs takes.
CREATE FUNCTION holds_lock_of(run metric_collection_log) RETURNS boolean LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT EXISTS (
        SELECT FROM pg_locks JOIN pg_stat_activity USING (pid),
            LATERAL hashtextextended(
                'daymark:' || current_schema() || ':' || run.tenant_id || ':' || CASE run.kind
                    WHEN 'collect' THEN 'day-' || to_char(run.collection_date, 'YYYY-MM-DD') ELSE run.kind END, 0
            ) AS key
        WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode = 'ExclusiveLock' AND granted AND usename = session_user
          AND objsubid = 1 AND classid::BIGINT = (key >> 32) & 4294967295 AND objid::BIGINT = key & 4294967295
    )
$$;

-- The only permitted update of a log entry ends a running run. The role that started it or the owner may end it; a role that
-- holds its lock may end it as failed, because then the process of the run has died. All other columns stay the same, including
-- those that a later migration adds. The trigger counts metrics_collected itself.
CREATE FUNCTION refuse_unless_finishing() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    finishing CONSTANT TEXT[] :=
        ARRAY['status', 'completed_at', 'metrics_collected', 'error_message', 'error_details'];
    wrong CONSTANT TEXT := CASE
        WHEN OLD.status <> 'running' OR NEW.status = 'running' OR to_jsonb(NEW) - finishing <> to_jsonb(OLD) - finishing
            THEN 'an entry of the collection log can only be changed once, when its run ends'
        WHEN OLD.started_by <> current_user
            AND NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
            AND NOT (NEW.status = 'failed' AND holds_lock_of(OLD))
            THEN format('the role %s started the run, and this role does not hold the lock of the run', OLD.started_by)
        WHEN has_real_clock() AND NEW.completed_at > clock_timestamp() + INTERVAL '5 minutes'
            AND NEW.completed_at > OLD.started_at
            THEN format('its completed_at is %s, but the clock of this database says %s', NEW.completed_at, clock_timestamp())
    END;
BEGIN
    IF wrong IS NOT NULL AND is_redaction(to_jsonb(OLD), to_jsonb(NEW)) THEN
        RETURN NEW;
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'UPDATE on %.% is refused: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, wrong
            USING ERRCODE = 'restrict_violation', HINT = 'Another run gets an entry of its own.';
    END IF;
    -- An insert of records holds a key-share lock on the entry of its run. This waits for one that is still under way, whose records
    -- could not be counted otherwise: that of a process that died while the database answered its commit.
    PERFORM FROM metric_collection_log WHERE tenant_id = OLD.tenant_id AND id = OLD.id FOR UPDATE;
    NEW.metrics_collected := (
        SELECT count(*) FROM daily_metrics
        WHERE tenant_id = NEW.tenant_id AND collection_id = NEW.id
          AND metric_date BETWEEN NEW.collection_date AND NEW.collection_end_date
    );
    RETURN NEW;
END
$$;

-- Checks the records that a statement inserted. The run of a record must be running. Unless the clock is simulated, the run must
-- have been started by the same role and include the day, the day must have ended by the clock of this database in the time zone of its
-- definition, and a record can only be 'observed' within 9 days of its date, which is the maximum of the setting collect.observed_within_hours in any time zone.
-- This is a statement trigger because a row trigger would add seconds to a backfill.
CREATE FUNCTION refuse_forged_records() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    has_clock CONSTANT BOOLEAN := has_real_clock();
    present CONSTANT TIMESTAMPTZ := clock_timestamp();
    wrong TEXT;
BEGIN
    SELECT format('%s of %s: %s', metric_category, metric_date, reason) INTO wrong
    FROM (
        SELECT metric_category, metric_date, CASE
            WHEN run.status <> 'running' THEN 'its run has ended'
            WHEN NOT has_clock THEN NULL
            WHEN run.started_by <> current_user THEN format('the role %s started its run', run.started_by)
            WHEN metric_date NOT BETWEEN run.collection_date AND run.collection_end_date
                THEN 'its run does not include that day'
            WHEN inserted.created_at NOT BETWEEN now() AND present THEN 'its created_at is not within the transaction'
            -- Days before yesterday in UTC have ended everywhere.
            WHEN metric_date >= (least(present, collection_timestamp) AT TIME ZONE 'UTC')::DATE - 1 AND NOT day_has_ended(metric_date, (
                    SELECT spec ->> 'time_zone' FROM metric_definition_versions AS defined
                    WHERE defined.tenant_id = inserted.tenant_id AND defined.metric_type = inserted.metric_type
                      AND defined.metric_category = inserted.metric_category AND version = definition_version
                ), least(present, collection_timestamp))
                THEN 'the day has not ended by the clock of this database, or had not ended at its collection_timestamp'
            WHEN collection_timestamp NOT BETWEEN present - INTERVAL '7 days' AND present + INTERVAL '5 minutes'
                THEN format('its collection_timestamp is %s, but the clock of this database says %s', collection_timestamp,
                            present)
            WHEN provenance = 'observed' AND (metric_date + 9)::TIMESTAMP AT TIME ZONE 'UTC' < present
                THEN 'it is called observed more than 9 days after its date'
        END AS reason
        FROM inserted
        JOIN metric_collection_log AS run ON run.tenant_id = inserted.tenant_id AND run.id = collection_id
    ) AS judged
    WHERE reason IS NOT NULL
    LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'INSERT on %.% is refused: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, wrong
            USING ERRCODE = 'restrict_violation', HINT = 'Compare the clocks of this machine and of the database.';
    END IF;
    RETURN NULL;
END
$$;

-- The versions of a definition are consecutive. A gap could put the next version above the maximum of 1,000,000.
CREATE FUNCTION refuse_version_out_of_turn() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    next CONSTANT INTEGER := (
        SELECT coalesce(max(version), 0) + 1 FROM metric_definition_versions
        WHERE tenant_id = NEW.tenant_id AND metric_type = NEW.metric_type AND metric_category = NEW.metric_category
    );
BEGIN
    IF NEW.version = next THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'INSERT on %.% is refused: the next version of % is %', TG_TABLE_SCHEMA, TG_TABLE_NAME,
        NEW.metric_category, next
        USING ERRCODE = 'restrict_violation', HINT = 'The versions of a definition are consecutive numbers.';
END
$$;

-- A job is inserted with the status queued.
CREATE FUNCTION refuse_forged_job() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.status = 'queued' AND NEW.started_at IS NULL AND NEW.run_id IS NULL AND NEW.result IS NULL THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'INSERT on %.% is refused: a new job must have the status queued and no started_at, run_id or result', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Insert the job as queued, then update its status.';
END
$$;

-- Sets the id and the time of an event, and refuses an event that names neither an existing record nor a row that its own
-- transaction wrote. The lock is held until the transaction ends, so events become visible in the order of their ids.
CREATE FUNCTION number_event() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    own CONSTANT XID := pg_current_xact_id()::XID;
BEGIN
    -- The CASE is in parentheses, because PL/pgSQL ends the condition of IF at the first THEN outside of parentheses.
    IF NOT (CASE NEW.kind
        WHEN 'day_recorded' THEN EXISTS (
            SELECT FROM daily_metrics
            WHERE tenant_id = NEW.tenant_id AND metric_date = (NEW.subject ->> 'date')::DATE
              AND collection_id = (NEW.subject ->> 'collection_id')::UUID
        )
        WHEN 'definitions_changed' THEN EXISTS (
            SELECT FROM metric_definitions WHERE tenant_id = NEW.tenant_id AND xmin = own
        )
        WHEN 'values_corrected' THEN EXISTS (
            SELECT FROM metric_revisions
            WHERE tenant_id = NEW.tenant_id AND batch_id = (NEW.subject ->> 'batch_id')::UUID AND xmin = own
        )
        ELSE EXISTS (
            SELECT FROM metric_collection_log
            WHERE tenant_id = NEW.tenant_id AND id = (NEW.subject ->> 'run_id')::UUID AND 'run_' || status = NEW.kind AND xmin = own
        )
    END) THEN
        RAISE EXCEPTION 'INSERT on %.% is refused: an event must name an existing record or a row that its own transaction wrote',
            TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', HINT = 'The commit that writes a row also writes its event.';
    END IF;
    PERFORM pg_advisory_xact_lock(
        hashtextextended('daymark:' || current_schema() || ':' || NEW.tenant_id || ':events', 0));
    NEW.id := (SELECT coalesce(max(id), 0) + 1 FROM events WHERE tenant_id = NEW.tenant_id);
    NEW.created_at := clock_timestamp();
    RETURN NEW;
END
$$;

-- Sets the number, the time and the role of a revision. It refuses one of a day without a record, one that was given the number of
-- another, and one that takes back a revision that cannot be taken back. The lock is held until the transaction ends, so that revisions
-- become visible in the order of their times, and the time of a revision is never before that of an earlier one. The revisions of a
-- batch have one time, so that no instant lies between them: its later rows take that of the first, which this transaction has
-- inserted.
CREATE FUNCTION number_revision() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    last_revision INTEGER;
    wrong TEXT;
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended('daymark:' || current_schema() || ':' || NEW.tenant_id || ':revisions', 0));
    last_revision := (
        SELECT coalesce(max(revision), 0) FROM metric_revisions
        WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type
          AND metric_date = NEW.metric_date
    );
    -- With a simulated clock it is the time that the process gave.
    NEW.created_at := coalesce((
        SELECT created_at FROM metric_revisions
        WHERE tenant_id = NEW.tenant_id AND batch_id = NEW.batch_id AND xmin = pg_current_xact_id()::XID
        LIMIT 1
    ), greatest(
        CASE WHEN has_real_clock() THEN clock_timestamp() ELSE NEW.created_at END,
        (SELECT max(created_at) FROM metric_revisions WHERE tenant_id = NEW.tenant_id)
    ));
    NEW.inserted_by := current_user;
    wrong := CASE
        WHEN NOT EXISTS (
            SELECT FROM daily_metrics
            WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type
              AND metric_date = NEW.metric_date
        ) THEN 'the day has no record'
        WHEN NEW.revision <> last_revision + 1 THEN 'another revision of the day came first'
        WHEN NEW.kind = 'reversal' AND NOT EXISTS (
            SELECT FROM metric_revisions
            WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type
              AND metric_date = NEW.metric_date AND revision = NEW.takes_back AND kind <> 'reversal'
        ) THEN 'there is no such revision to take back'
        WHEN NEW.kind = 'reversal' AND EXISTS (
            SELECT FROM metric_revisions
            WHERE tenant_id = NEW.tenant_id AND metric_category = NEW.metric_category AND metric_type = NEW.metric_type
              AND metric_date = NEW.metric_date AND takes_back = NEW.takes_back
        ) THEN 'its revision was taken back before'
    END;
    NEW.revision := last_revision + 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'INSERT on %.% is refused: % of %: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, NEW.metric_category, NEW.metric_date, wrong
            USING ERRCODE = 'restrict_violation', HINT = 'A revision corrects a recorded day, and a reversal takes back one revision of it.';
    END IF;
    RETURN NEW;
END
$$;

-- Deletes the judgements of corrected values, and of the later values that these are the history of; they are made again. It runs with
-- its owner's rights, so that a role that corrects needs no privilege on judgements.
CREATE FUNCTION forget_judgements() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM daily_metric_judgements AS judged
    USING (SELECT DISTINCT tenant_id, metric_category, metric_type, metric_date FROM inserted) AS corrected
    WHERE judged.tenant_id = corrected.tenant_id AND judged.metric_category = corrected.metric_category
      AND judged.metric_type = corrected.metric_type
      -- Eight weeks of history and the day before them: WEEKS of judgement/baseline.rs.
      AND judged.metric_date BETWEEN corrected.metric_date AND corrected.metric_date + 57;
    RETURN NULL;
END
$$;

-- A job goes from queued to running to a final status, or from queued to a final status; its request cannot be changed.
CREATE FUNCTION refuse_unless_forwards() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    moving CONSTANT TEXT[] := ARRAY['status', 'started_at', 'finished_at', 'run_id', 'result'];
BEGIN
    IF to_jsonb(NEW) - moving = to_jsonb(OLD) - moving
        AND (OLD.status = 'queued' AND NEW.status <> 'queued'
             OR OLD.status = 'running' AND NEW.status NOT IN ('queued', 'running') AND NEW.started_at = OLD.started_at)
        OR is_redaction(to_jsonb(OLD), to_jsonb(NEW))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on %.% is refused: a job can only start once and end once',
        TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Request another job.';
END
$$;

-- A pause is resumed once; its other columns cannot be changed.
CREATE FUNCTION refuse_unless_resuming() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    moving CONSTANT TEXT[] := ARRAY['resumed_at', 'resumed_by'];
BEGIN
    IF to_jsonb(NEW) - moving = to_jsonb(OLD) - moving AND OLD.resumed_at IS NULL AND NEW.resumed_at IS NOT NULL
        OR is_redaction(to_jsonb(OLD), to_jsonb(NEW))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on %.% is refused: a pause can only be resumed once',
        TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Insert another pause.';
END
$$;

-- The times of an annotation are of this database's clock, and its author stays.
CREATE FUNCTION keep_authorship() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.created_at := clock_timestamp();
        NEW.changed_at := NULL;
        NEW.changed_by := NULL;
        RETURN NEW;
    END IF;
    IF (NEW.tenant_id, NEW.id, NEW.created_at, NEW.created_by) IS DISTINCT FROM (OLD.tenant_id, OLD.id, OLD.created_at, OLD.created_by)
    THEN
        RAISE EXCEPTION 'UPDATE on %.% is refused: the author and the time of an annotation stay', TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', HINT = 'Make another annotation.';
    END IF;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END
$$;

-- Refuses times that the clock of this database contradicts, unless the clock is simulated. The arguments are columns: times from
-- an hour ago until in 5 minutes are allowed, and with a '<' before the name all earlier ones too. Columns that an update leaves
-- alone are not compared again.
CREATE FUNCTION refuse_other_time() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    present CONSTANT TIMESTAMPTZ := clock_timestamp();
    argument TEXT;
    given TEXT;
BEGIN
    IF NOT has_real_clock() THEN
        RETURN NEW;
    END IF;
    FOREACH argument IN ARRAY TG_ARGV LOOP
        given := to_jsonb(NEW) ->> ltrim(argument, '<');
        CONTINUE WHEN given IS NULL OR TG_OP = 'UPDATE' AND given = to_jsonb(OLD) ->> ltrim(argument, '<');
        IF given::TIMESTAMPTZ > present + INTERVAL '5 minutes'
            OR argument NOT LIKE '<%' AND given::TIMESTAMPTZ < present - INTERVAL '1 hour'
        THEN
            RAISE EXCEPTION '% on %.% is refused: its % is %, but the clock of this database says %', TG_OP, TG_TABLE_SCHEMA,
                TG_TABLE_NAME, ltrim(argument, '<'), given, present
                USING ERRCODE = 'restrict_violation', HINT = 'Set the clock of the machine that Daymark runs on.';
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;

CREATE TRIGGER refuse_update BEFORE UPDATE ON store_settings FOR EACH ROW EXECUTE FUNCTION refuse_other_settings();
CREATE TRIGGER refuse_delete BEFORE DELETE ON store_settings FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the settings are kept', 'Create another store.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON store_settings FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the settings are kept', 'Create another store.');
CREATE TRIGGER refuse_forged AFTER INSERT ON daily_metrics REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_forged_records();
CREATE TRIGGER refuse_forged BEFORE INSERT ON metric_collection_log FOR EACH ROW EXECUTE FUNCTION refuse_forged_run();
CREATE TRIGGER refuse_forged BEFORE INSERT ON metric_definition_versions FOR EACH ROW
    EXECUTE FUNCTION refuse_version_out_of_turn();
CREATE TRIGGER refuse_forged BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refuse_forged_job();
CREATE TRIGGER number BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION number_event();
CREATE TRIGGER refuse_delete BEFORE DELETE ON metric_definitions FOR EACH ROW
    EXECUTE FUNCTION refuse_change('definitions are kept', 'Deactivate a metric that is no longer wanted (is_active = FALSE).');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON metric_definitions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('definitions are kept', 'Deactivate a metric that is no longer wanted (is_active = FALSE).');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON daily_metrics FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('records are immutable', 'A recorded value stays, even if it is wrong: `daymark correct` puts another value beside it, and a changed definition holds for days recorded after the change.');
CREATE TRIGGER number BEFORE INSERT ON metric_revisions FOR EACH ROW EXECUTE FUNCTION number_revision();
CREATE TRIGGER forget_judgements AFTER INSERT ON metric_revisions REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
    EXECUTE FUNCTION forget_judgements();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON metric_revisions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('revisions are immutable', 'Correct the day again, or take the revision back.');
CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON metric_definition_versions FOR EACH ROW
    EXECUTE FUNCTION refuse_change('versions of definitions are immutable', 'Insert a changed definition as the next version.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON metric_definition_versions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('versions of definitions are immutable', 'Insert a changed definition as the next version.');
CREATE TRIGGER refuse_update BEFORE UPDATE ON metric_collection_log FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_finishing();
CREATE TRIGGER refuse_delete BEFORE DELETE ON metric_collection_log FOR EACH ROW
    EXECUTE FUNCTION refuse_change('entries of the collection log are kept', 'Another run gets an entry of its own.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON metric_collection_log FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('entries of the collection log are kept', 'Another run gets an entry of its own.');

CREATE TRIGGER refuse_update BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse_unless_forwards();
CREATE TRIGGER refuse_time BEFORE INSERT OR UPDATE ON jobs FOR EACH ROW
    EXECUTE FUNCTION refuse_other_time('created_at', '<started_at', '<finished_at');
CREATE TRIGGER refuse_delete BEFORE DELETE ON jobs FOR EACH ROW
    EXECUTE FUNCTION refuse_change('jobs are kept', 'Request another job.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON jobs FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('jobs are kept', 'Request another job.');
CREATE TRIGGER refuse_time BEFORE INSERT OR UPDATE ON leaders FOR EACH ROW
    EXECUTE FUNCTION refuse_other_time('<since', 'seen_at');
CREATE TRIGGER refuse_delete BEFORE DELETE ON leaders FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the row of the leader is kept', 'The next leader updates the row.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON leaders FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the row of the leader is kept', 'The next leader updates the row.');
CREATE TRIGGER refuse_time BEFORE INSERT OR UPDATE ON drift_samples FOR EACH ROW EXECUTE FUNCTION refuse_other_time('<recounted_at');
CREATE TRIGGER keep_authorship BEFORE INSERT OR UPDATE ON annotations FOR EACH ROW EXECUTE FUNCTION keep_authorship();
CREATE TRIGGER refuse_time BEFORE INSERT OR UPDATE ON schedule_pauses FOR EACH ROW
    EXECUTE FUNCTION refuse_other_time('paused_at', 'resumed_at');
CREATE TRIGGER refuse_update BEFORE UPDATE ON schedule_pauses FOR EACH ROW EXECUTE FUNCTION refuse_unless_resuming();
CREATE TRIGGER refuse_delete BEFORE DELETE ON schedule_pauses FOR EACH ROW
    EXECUTE FUNCTION refuse_change('pauses are kept', 'To end a pause, resume the schedule.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON schedule_pauses FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('pauses are kept', 'To end a pause, resume the schedule.');
CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON events FOR EACH ROW
    EXECUTE FUNCTION refuse_change('events are kept', 'A later change gets an event of its own.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON events FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('events are kept', 'A later change gets an event of its own.');

ALTER TABLE store_settings ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE store_settings ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE store_settings ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE daily_metrics ENABLE ALWAYS TRIGGER refuse_forged;
ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_forged;
ALTER TABLE metric_definition_versions ENABLE ALWAYS TRIGGER refuse_forged;
ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_forged;
ALTER TABLE events ENABLE ALWAYS TRIGGER number;
ALTER TABLE metric_definitions ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE metric_definitions ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_time;
ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE leaders ENABLE ALWAYS TRIGGER refuse_time;
ALTER TABLE leaders ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE leaders ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE drift_samples ENABLE ALWAYS TRIGGER refuse_time;
ALTER TABLE annotations ENABLE ALWAYS TRIGGER keep_authorship;
ALTER TABLE schedule_pauses ENABLE ALWAYS TRIGGER refuse_time;
ALTER TABLE schedule_pauses ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE schedule_pauses ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE schedule_pauses ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE daily_metrics ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE metric_revisions ENABLE ALWAYS TRIGGER number;
ALTER TABLE metric_revisions ENABLE ALWAYS TRIGGER forget_judgements;
ALTER TABLE metric_revisions ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE metric_definition_versions ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE metric_definition_versions ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_truncate;

-- Revokes the privileges in owner_loses from the table's owner, and all privileges from every other role and PUBLIC: the
-- database may have default privileges that let other roles write to new tables.
CREATE FUNCTION restrict_privileges(target REGCLASS, owner_loses TEXT) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    owner OID := (SELECT relowner FROM pg_class WHERE oid = target);
    other OID;
BEGIN
    EXECUTE format('REVOKE %s ON TABLE %s FROM %I', owner_loses, target, pg_get_userbyid(owner));
    FOR other IN
        SELECT DISTINCT grantee FROM pg_class, aclexplode(relacl) WHERE oid = target AND grantee <> owner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', target,
            CASE other WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(other)) END);
    END LOOP;
END
$$;

SELECT restrict_privileges('daily_metrics', 'UPDATE, DELETE, TRUNCATE');
SELECT restrict_privileges('metric_revisions', 'UPDATE, DELETE, TRUNCATE');
-- The check of a foreign key locks the referenced row FOR KEY SHARE as the owner of the table, for which PostgreSQL requires the
-- UPDATE privilege. So the owner keeps UPDATE on the two referenced tables, and only the triggers refuse it there.
SELECT restrict_privileges('metric_definition_versions', 'DELETE, TRUNCATE');
SELECT restrict_privileges('metric_collection_log', 'DELETE, TRUNCATE');
SELECT restrict_privileges('jobs', 'DELETE, TRUNCATE');
SELECT restrict_privileges('leaders', 'DELETE, TRUNCATE');
SELECT restrict_privileges('schedule_pauses', 'DELETE, TRUNCATE');
SELECT restrict_privileges('annotations', 'TRUNCATE');
SELECT restrict_privileges('events', 'UPDATE, DELETE, TRUNCATE');
SELECT restrict_privileges('metric_definitions', 'DELETE, TRUNCATE');
SELECT restrict_privileges('store_settings', 'INSERT, DELETE, TRUNCATE');
-- These are derived, and are made again after they are deleted.
SELECT restrict_privileges('daily_metric_judgements', 'TRUNCATE');
SELECT restrict_privileges('drift_samples', 'TRUNCATE');
REVOKE ALL ON FUNCTION restrict_privileges FROM PUBLIC;
-- Triggers call these functions for every role. They run with the caller's rights, so they reveal nothing to it.
GRANT EXECUTE ON FUNCTION has_real_clock, day_has_ended, holds_lock_of TO PUBLIC;
