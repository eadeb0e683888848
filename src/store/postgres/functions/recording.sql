-- Writing records and the collection log, as collect/ does.

-- The metrics that lack a record of the day. A metric that is not reconstructible has a record only if it is observed.
CREATE OR REPLACE FUNCTION sql_missing(the_day DATE, is_observed BOOLEAN) RETURNS TEXT[]
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT array_agg(metric.metric_category)
    FROM sql_settings() AS settings, sql_metrics() AS metric
    WHERE reason IS NULL AND (is_observed OR is_reconstructible) AND NOT EXISTS (
        SELECT FROM daily_metrics AS record
        WHERE record.tenant_id = settings.tenant_id AND record.metric_category = metric.metric_category
          AND record.metric_type = metric.metric_type AND record.metric_date = the_day
    )
$$;

-- Inserts a record of each of the results, and returns how many it inserted. The first write wins. Labels that were redacted get their
-- placeholders; the lock lets no redaction pass between reading which they are and the commit. The records of a day are made at one
-- instant, which is not the start of the transaction: that may be one of many days, and have read the platform for hours.
CREATE OR REPLACE FUNCTION sql_insert(results JSONB, run UUID, the_day DATE, cut_at TIMESTAMPTZ, provenance TEXT) RETURNS INTEGER
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    inserted INTEGER;
    made_at TIMESTAMPTZ;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(
        hashtextextended('daymark:' || current_schema() || ':' || settings.tenant_id || ':redactions', 0))
    FROM sql_settings() AS settings;
    made_at := clock_timestamp();
    INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance,
                               definition_version, collection_id, collection_timestamp, created_at)
    SELECT settings.tenant_id, the_day, result.metric_type, result.metric_category, result.value,
           without_redacted_labels(settings.tenant_id, result.metadata), sql_insert.provenance, result.definition_version, run,
           sql_insert.cut_at, made_at
    FROM sql_settings() AS settings, jsonb_to_recordset(results) AS result (
        metric_type TEXT, metric_category TEXT, value NUMERIC, metadata JSONB, definition_version INTEGER
    )
    WHERE result.value IS NOT NULL
    ORDER BY result.metric_category, result.metric_type
    ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO NOTHING;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    RETURN inserted;
END
$$;

-- Reads and records the metrics that lack a record of the day. A metric that fails is listed, and does not affect the others.
CREATE OR REPLACE FUNCTION sql_record_day(run UUID, the_day DATE, is_backfill BOOLEAN, OUT recorded INTEGER, OUT failures JSONB)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    wanted CONSTANT TEXT[] := sql_missing(the_day, NOT is_backfill);
    results JSONB;
    read_at TIMESTAMPTZ;
    is_observed BOOLEAN;
    result JSONB;
BEGIN
    recorded := 0;
    failures := '[]';
    IF wanted IS NULL THEN
        RETURN;
    END IF;
    -- One statement, and so one snapshot.
    SELECT jsonb_agg(to_jsonb(read)), min(read.cut_at) INTO results, read_at FROM sql_read_day(the_day, wanted) AS read;
    is_observed := NOT is_backfill AND the_day IS NOT DISTINCT FROM sql_observable(read_at);
    IF NOT is_observed THEN
        results := jsonb_path_query_array(results, '$[*] ? (@.is_reconstructible == true)');
    END IF;
    failures := jsonb_path_query_array(results, '$[*].failure ? (@ != null)');
    PERFORM ensure_partition(extract(YEAR FROM the_day)::INTEGER);
    BEGIN
        recorded := sql_insert(results, run, the_day, read_at, CASE WHEN is_observed THEN 'observed' ELSE 'reconstructed' END);
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
        -- Each by itself, so that only the one that the table refuses is missing.
        FOR result IN SELECT * FROM jsonb_array_elements(results) LOOP
            BEGIN
                recorded := recorded + sql_insert(jsonb_build_array(result), run, the_day, read_at,
                    CASE WHEN is_observed THEN 'observed' ELSE 'reconstructed' END);
            EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
                failures := failures || jsonb_build_object('metric_category', result ->> 'metric_category',
                    'message', left(SQLERRM, 1000), 'sqlstate', SQLSTATE, 'context', NULL, 'timed_out', FALSE,
                    'hint', 'make its query return less, or split it into several metrics');
            END;
        END LOOP;
    END;
END
$$;

-- Who called and why, for the log: pg_cron, a client of an API such as PostgREST, or a session of SQL.
CREATE OR REPLACE FUNCTION sql_initiator(OUT trigger TEXT, OUT actor TEXT) LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    caller CONSTANT TEXT := coalesce(nullif(nullif(current_setting('role'), 'none'), ''), session_user);
    claims CONSTANT TEXT := nullif(current_setting('request.jwt.claims', TRUE), '');
BEGIN
    trigger := CASE WHEN current_setting('application_name') LIKE 'pg_cron%' THEN 'schedule' WHEN claims IS NOT NULL THEN 'api'
        ELSE 'cli' END;
    actor := left(CASE trigger WHEN 'api' THEN coalesce('user:' || nullif(claims::JSONB ->> 'sub', ''), 'role:' || caller)
        ELSE 'sql:' || caller END, 200);
END
$$;

-- Writes the entry of a run that starts.
CREATE OR REPLACE FUNCTION sql_start_run(kind TEXT, first_day DATE, last_day DATE) RETURNS UUID
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    run CONSTANT UUID := gen_random_uuid();
BEGIN
    INSERT INTO metric_collection_log (id, tenant_id, kind, collection_date, collection_end_date, started_at, status, trigger,
                                       actor, host, process_id)
    SELECT run, settings.tenant_id, sql_start_run.kind, sql_start_run.first_day, sql_start_run.last_day, clock_timestamp(),
           'running', initiator.trigger, initiator.actor, left('PostgreSQL, database ' || current_database(), 1000),
           pg_backend_pid()
    FROM sql_settings() AS settings, sql_initiator() AS initiator;
    RETURN run;
END
$$;

-- Ends a run, and writes the events of its days and of its end. "failures" are those of single metrics; "error" is what ended the
-- run as a whole. Returns the run's status.
CREATE OR REPLACE FUNCTION sql_finish_run(run UUID, already_there INTEGER, failures JSONB, error JSONB) RETURNS TEXT
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    tenant CONSTANT TEXT := (SELECT tenant_id FROM sql_settings());
    recorded CONSTANT INTEGER := (SELECT count(*) FROM daily_metrics WHERE tenant_id = tenant AND collection_id = run);
    outcome CONSTANT TEXT := CASE
        WHEN error IS NOT NULL THEN 'failed' WHEN failures = '[]' THEN 'completed'
        WHEN already_there + recorded > 0 THEN 'partial' ELSE 'failed' END;
    message CONSTANT TEXT := coalesce(error ->> 'message', (
        SELECT string_agg(concat(failure ->> 'metric_category', ': ', failure ->> 'message', ' (' || (failure ->> 'sqlstate') || ')'),
                          E'\n')
        FROM jsonb_array_elements(failures) AS failure
    ));
    finished metric_collection_log;
BEGIN
    UPDATE metric_collection_log
    SET status = outcome, completed_at = greatest(clock_timestamp(), started_at), error_message = left(message, 4000),
        error_details = CASE
            WHEN error IS NOT NULL THEN error - 'message'
            WHEN failures <> '[]' THEN jsonb_build_object('sqlstate', failures -> 0 -> 'sqlstate', 'context', failures -> 0 -> 'context',
                'failures', failures)
        END
    WHERE tenant_id = tenant AND id = run
    RETURNING * INTO finished;
    INSERT INTO events (tenant_id, kind, subject)
    SELECT tenant, 'day_recorded', jsonb_build_object('date', metric_date, 'collection_id', run, 'records', count(*))
    FROM daily_metrics WHERE tenant_id = tenant AND collection_id = run GROUP BY metric_date ORDER BY metric_date;
    INSERT INTO events (tenant_id, kind, subject) VALUES (tenant, 'run_' || outcome, jsonb_build_object(
        'run_id', run, 'kind', finished.kind, 'from', finished.collection_date, 'to', finished.collection_end_date,
        'records', finished.metrics_collected,
        'failures', (SELECT coalesce(jsonb_agg(failure -> 'metric_category'), '[]') FROM jsonb_array_elements(failures) AS failure)
    ));
    IF message IS NOT NULL THEN
        RAISE WARNING 'run % of the collection log %: %', run, CASE outcome WHEN 'failed' THEN 'failed' ELSE 'is partial' END,
            left(message, 1000);
    END IF;
    RETURN outcome;
END
$$;
