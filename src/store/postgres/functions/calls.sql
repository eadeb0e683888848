-- The two functions that are called.

-- Fails unless the caller is a role that may do all that the owner of these functions may, the service role of an API, or an
-- authenticated user whom public.profiles.is_admin names. In a function with SECURITY DEFINER, current_user is its owner; the
-- setting "role" still says which role called it.
CREATE OR REPLACE FUNCTION sql_require_caller() RETURNS VOID LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    caller CONSTANT NAME := coalesce(nullif(nullif(current_setting('role'), 'none'), ''), session_user);
    service OID := (SELECT oid FROM pg_roles WHERE rolname = 'service_role');
    authenticated OID := (SELECT oid FROM pg_roles WHERE rolname = 'authenticated');
BEGIN
    IF pg_has_role(caller, current_user, 'USAGE') OR pg_has_role(caller, service, 'USAGE')
        OR (pg_has_role(caller, authenticated, 'USAGE') AND caller_is_admin())
    THEN
        RETURN;
    END IF;
    RAISE EXCEPTION 'the role % may not collect', caller
        USING ERRCODE = 'insufficient_privilege',
            HINT = 'Call with the service role, or as a user whose row in public.profiles has is_admin.';
END
$$;

-- Fails if the definitions in the store are not those from which these functions were generated.
CREATE OR REPLACE FUNCTION sql_require_current() RETURNS VOID LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    changed TEXT;
BEGIN
    SELECT string_agg(coalesce(stored.metric_category, metric.metric_category), ', ' ORDER BY 1) INTO changed
    FROM (
        SELECT metric_type, metric_category, version FROM metric_definitions
        WHERE is_active AND tenant_id = (SELECT tenant_id FROM sql_settings())
    ) AS stored
    FULL JOIN sql_metrics() AS metric USING (metric_type, metric_category)
    WHERE stored.version IS DISTINCT FROM metric.version;
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION 'the definitions have changed since these functions were installed (%)', changed
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run `daymark sql install` again.';
    END IF;
END
$$;

-- Fails if the caller is pg_cron and the schedule is paused. Calls by hand and by clients of an API are executed in spite of a pause.
CREATE OR REPLACE FUNCTION sql_require_unpaused() RETURNS VOID LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    pause schedule_pauses;
BEGIN
    IF (SELECT trigger FROM sql_initiator()) <> 'schedule' THEN
        RETURN;
    END IF;
    SELECT * INTO pause FROM schedule_pauses
    WHERE tenant_id = (SELECT tenant_id FROM sql_settings()) AND resumed_at IS NULL
      AND (until_at IS NULL OR until_at > clock_timestamp())
    ORDER BY paused_at DESC LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the schedule is paused since % by %, %: %', to_char(pause.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
            pause.paused_by, coalesce('until ' || to_char(pause.until_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
                                      'until it is resumed'), pause.reason
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run `daymark schedule resume`.';
    END IF;
END
$$;

-- Takes the lock of a collection or a backfill, which Daymark's own processes take too, until the end of the transaction.
CREATE OR REPLACE FUNCTION sql_lock(name TEXT, what TEXT) RETURNS VOID LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(
        'daymark:' || current_schema() || ':' || (SELECT tenant_id FROM sql_settings()) || ':' || name, 0
    )) THEN
        RAISE EXCEPTION '% is already being done by another session', what
            USING ERRCODE = 'lock_not_available', HINT = 'Try again when it has finished.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION sql_milliseconds_since(begun TIMESTAMPTZ) RETURNS INTEGER
LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS $$
    SELECT least(extract(epoch FROM clock_timestamp() - begun) * 1000, 2147483647)::INTEGER
$$;

-- The error that ends a run as a whole, for the log.
CREATE OR REPLACE FUNCTION sql_error(message TEXT, sqlstate TEXT, context TEXT) RETURNS JSONB
LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT jsonb_build_object('message', left(message, 2000), 'sqlstate', sqlstate, 'context', left(context, 1000),
        'timed_out', sqlstate = '57014')
$$;

-- Fails if the day is before the platform's first row, so that there is nothing to reconstruct. Returns the error of a statement that
-- was cancelled while it looked for that row.
CREATE OR REPLACE FUNCTION sql_require_begun(the_day DATE) RETURNS JSONB LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    first_row RECORD;
BEGIN
    BEGIN
        first_row := sql_first_row();
    EXCEPTION WHEN query_canceled THEN
        RETURN sql_error(SQLERRM, SQLSTATE, NULL);
    END;
    IF first_row.day > the_day AND first_row.unread IS NULL THEN
        RAISE EXCEPTION 'the platform''s first row (source `%`) is of %, after %, so there is nothing to reconstruct',
            first_row.source_name, first_row.day, the_day USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN NULL;
END
$$;

-- Records a day, by default the last that has ended. A function cannot commit, so a failure is not raised, which would take the
-- entry of the log back: it is returned as the status, with a warning.
CREATE OR REPLACE FUNCTION collect_daily_metrics(target_date DATE DEFAULT NULL)
RETURNS TABLE (metrics_collected INTEGER, execution_time_ms INTEGER, status TEXT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    begun CONSTANT TIMESTAMPTZ := clock_timestamp();
    settings CONSTANT RECORD := sql_settings();
    the_day DATE := target_date;
    is_observed BOOLEAN;
    wanted TEXT[];
    already_there INTEGER;
    run UUID;
    done RECORD;
    recorded INTEGER := 0;
    failures JSONB := '[]';
    error JSONB;
    context TEXT;
    outcome TEXT;
BEGIN
    PERFORM sql_require_caller();
    PERFORM sql_require_current();
    PERFORM sql_require_unpaused();
    IF the_day IS NULL THEN
        the_day := sql_last_ended();
    ELSIF settings.takes_last_finished AND the_day > sql_last_finished(begun, settings.settle)
        AND the_day <= sql_date_of(begun) + 1
    THEN
        the_day := sql_last_finished(begun, settings.settle);
    END IF;
    PERFORM sql_require_recordable(the_day);
    IF NOT sql_exists(the_day) THEN
        RAISE EXCEPTION '% does not exist in %: the time zone skipped that date', the_day, settings.time_zone
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM sql_lock('day-' || to_char(the_day, 'YYYY-MM-DD'), 'collecting ' || the_day);
    is_observed := the_day IS NOT DISTINCT FROM sql_observable(clock_timestamp());
    wanted := sql_missing(the_day, is_observed);
    IF wanted IS NULL THEN
        RETURN QUERY SELECT 0, sql_milliseconds_since(begun), 'completed';
        RETURN;
    END IF;
    IF NOT is_observed THEN
        error := sql_require_begun(the_day);
    END IF;
    already_there := (SELECT count(*) FROM daily_metrics WHERE tenant_id = settings.tenant_id AND metric_date = the_day);
    run := sql_start_run('collect', the_day, the_day);
    IF error IS NULL THEN BEGIN
        done := sql_record_day(run, the_day, FALSE);
        recorded := done.recorded;
        failures := done.failures;
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
        error := sql_error(SQLERRM, SQLSTATE, context);
    END; END IF;
    -- Outside of the block, which is a subtransaction: an event must name a row that its own transaction wrote.
    outcome := sql_finish_run(run, already_there, failures, error);
    RETURN QUERY SELECT recorded, sql_milliseconds_since(begun), outcome;
END
$$;

-- Records the missing days of a range, each in a cut of its own, from the rows that are left. Days that are done stay when a later
-- one fails or the statement is cancelled.
CREATE OR REPLACE FUNCTION backfill_daily_metrics(start_date DATE, end_date DATE DEFAULT NULL)
RETURNS TABLE (dates_processed INTEGER, total_metrics INTEGER, execution_time_ms INTEGER)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    begun CONSTANT TIMESTAMPTZ := clock_timestamp();
    settings CONSTANT RECORD := sql_settings();
    last_day DATE;
    first_row RECORD;
    first_day DATE;
    the_day DATE;
    run UUID;
    done RECORD;
    processed INTEGER := 0;
    recorded INTEGER := 0;
    -- The failures of single metrics, each with its day.
    failed JSONB := '[]';
    error JSONB;
    context TEXT;
BEGIN
    PERFORM sql_require_caller();
    PERFORM sql_require_current();
    PERFORM sql_require_unpaused();
    IF start_date IS NULL THEN
        RAISE EXCEPTION 'start_date must not be null' USING ERRCODE = 'null_value_not_allowed',
            HINT = 'Name the first day that you want.';
    END IF;
    IF start_date > end_date THEN
        RAISE EXCEPTION 'the range is empty: % is after %', start_date, end_date USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM sql_require_recordable(start_date);
    -- Clients send today's date to mean the last day that can be recorded.
    last_day := CASE WHEN end_date IS NULL THEN sql_last_ended()
        ELSE least(end_date, sql_last_finished(begun, settings.settle)) END;
    error := sql_require_begun(last_day);
    IF error IS NULL THEN
        first_row := sql_first_row();
        IF first_row.day > start_date AND first_row.unread IS NOT NULL THEN
            RAISE EXCEPTION 'the rows of the other sources begin on %, and whether those of `%` begin earlier cannot be read',
                first_row.day, first_row.unread USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        first_day := greatest(start_date, first_row.day);
    ELSE
        first_day := start_date;
    END IF;
    PERFORM sql_lock('backfill', 'a backfill');
    run := sql_start_run('backfill', first_day, last_day);
    the_day := first_day;
    WHILE the_day <= last_day AND error IS NULL LOOP
        IF sql_exists(the_day) THEN
            BEGIN
                done := sql_record_day(run, the_day, TRUE);
                recorded := recorded + done.recorded;
                failed := failed || (
                    SELECT coalesce(jsonb_agg(failure || jsonb_build_object('day', the_day)), '[]')
                    FROM jsonb_array_elements(done.failures) AS failure
                );
            EXCEPTION WHEN OTHERS OR query_canceled THEN
                GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
                error := sql_error(format('%s: %s; the days before it are recorded and stay', the_day, SQLERRM), SQLSTATE, context);
                EXIT;
            END;
        END IF;
        the_day := the_day + 1;
    END LOOP;
    processed := (
        SELECT count(*) FROM generate_series(start_date, the_day - 1, INTERVAL '1 day') AS day WHERE sql_exists(day::DATE)
    );
    PERFORM sql_finish_run(run, (
        SELECT count(*)::INTEGER FROM daily_metrics
        WHERE tenant_id = settings.tenant_id AND metric_date BETWEEN first_day AND last_day
    ), sql_failures_by_metric(failed), error);
    RETURN QUERY SELECT processed, recorded, sql_milliseconds_since(begun);
END
$$;

-- The failures of a backfill, one of each metric, with its runs of consecutive days.
CREATE OR REPLACE FUNCTION sql_failures_by_metric(failed JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    WITH days AS (
        SELECT failure ->> 'metric_category' AS category, failure ->> 'message' AS message, (failure ->> 'day')::DATE AS day,
            failure - 'day' AS failure
        FROM jsonb_array_elements(failed) AS failure
    ),
    numbered AS (
        SELECT *, day - row_number() OVER (PARTITION BY category, message ORDER BY day)::INTEGER AS island FROM days
    ),
    islands AS (
        SELECT category, message, min(day) AS first, max(day) AS last FROM numbered GROUP BY category, message, island
    ),
    listed AS (
        SELECT category, jsonb_agg(jsonb_build_object('first', first, 'last', last, 'message', message) ORDER BY first) AS days
        FROM islands GROUP BY category
    ),
    firsts AS (
        SELECT DISTINCT ON (category) category, failure FROM days ORDER BY category, day
    )
    SELECT coalesce(jsonb_agg(failure || jsonb_build_object('days', listed.days) ORDER BY category), '[]')
    FROM firsts JOIN listed USING (category)
$$;
