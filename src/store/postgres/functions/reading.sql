-- Reading the platform. These functions are STABLE, so that all of their statements see the snapshot of the statement that called
-- them: the metrics of a day are read in one cut, whatever the isolation level of the transaction is.

-- Runs a statement of sql_tasks in a subtransaction, with the settings of Daymark's own sessions: transaction_read_only, and
-- row_security = off, with which a statement from which row level security would hide rows fails.
CREATE OR REPLACE FUNCTION sql_answer(
    statement TEXT, the_day DATE, starts TIMESTAMPTZ[], next_day DATE, OUT tallies JSONB[], OUT failure JSONB
) LANGUAGE plpgsql STABLE
SET search_path = @platform_path@ SET transaction_read_only = on SET row_security = off
SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO' SET extra_float_digits = 1 SET standard_conforming_strings = on SET jit = off AS $$
DECLARE
    context TEXT;
BEGIN
    EXECUTE statement INTO tallies USING the_day, starts, next_day;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    failure := jsonb_build_object('message', left(SQLERRM, 1000), 'sqlstate', SQLSTATE, 'context', left(context, 1000),
        'timed_out', FALSE, 'hint', 'compare its source, columns, filters and query with the platform''s tables');
END
$$;

-- A record of each wanted metric, or why it has none.
CREATE OR REPLACE FUNCTION sql_read_day(the_day DATE, wanted TEXT[])
RETURNS TABLE (
    cut_at TIMESTAMPTZ, metric_type TEXT, metric_category TEXT, definition_version INTEGER, is_reconstructible BOOLEAN,
    value NUMERIC, metadata JSONB, failure JSONB
)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    opened_at CONSTANT TIMESTAMPTZ := clock_timestamp();
    starts CONSTANT TIMESTAMPTZ[] := sql_starts(the_day);
    next_day CONSTANT DATE := sql_next_day(the_day);
    needed CONSTANT INTEGER[] := ARRAY(
        SELECT unnest(readings) FROM sql_metrics() WHERE metric_category = ANY (wanted) AND reason IS NULL
    );
    -- By the number of the reading.
    tallies JSONB := '{}';
    failures JSONB := '{}';
    task RECORD;
    alone RECORD;
    answer RECORD;
    metric RECORD;
    seen RECORD;
BEGIN
    FOR task IN SELECT * FROM sql_tasks() WHERE NOT is_alone AND readings && needed LOOP
        SELECT * INTO answer FROM sql_answer(task.statement, the_day, starts, next_day);
        IF answer.failure IS NULL THEN
            FOR place IN 1 .. cardinality(task.readings) LOOP
                tallies := tallies || jsonb_build_object(task.readings[place], answer.tallies[place]);
            END LOOP;
        ELSIF cardinality(task.readings) = 1 THEN
            failures := failures || jsonb_build_object(task.readings[1], answer.failure);
        ELSE
            -- Each reading by itself, so that one that fails does not take the others with it.
            FOR alone IN SELECT * FROM sql_tasks() WHERE is_alone AND readings <@ task.readings AND readings && needed LOOP
                SELECT * INTO answer FROM sql_answer(alone.statement, the_day, starts, next_day);
                IF answer.failure IS NULL THEN
                    tallies := tallies || jsonb_build_object(alone.readings[1], answer.tallies[1]);
                ELSE
                    failures := failures || jsonb_build_object(alone.readings[1], answer.failure);
                END IF;
            END LOOP;
        END IF;
    END LOOP;
    FOR metric IN SELECT * FROM sql_metrics() WHERE metric_category = ANY (wanted) AND reason IS NULL LOOP
        cut_at := opened_at;
        metric_type := metric.metric_type;
        metric_category := metric.metric_category;
        definition_version := metric.version;
        is_reconstructible := metric.is_reconstructible;
        value := NULL;
        metadata := NULL;
        failure := (
            SELECT failures -> reading::TEXT FROM unnest(metric.readings) WITH ORDINALITY AS needs (reading, place)
            WHERE failures ? reading::TEXT ORDER BY place LIMIT 1
        );
        IF failure IS NULL THEN
            SELECT * INTO seen FROM sql_observation(
                metric.metric_type, metric.shape,
                ARRAY(SELECT tallies -> reading::TEXT FROM unnest(metric.readings) WITH ORDINALITY AS needs (reading, place)
                      ORDER BY place),
                metric.minimum, metric.maximum, metric.out_of_range, metric.calculation);
            IF seen.problem IS NULL THEN
                value := seen.value;
                metadata := seen.metadata;
            ELSE
                failure := jsonb_build_object('message', seen.problem, 'sqlstate', NULL, 'context', NULL, 'timed_out', FALSE,
                    'hint', 'correct the rows on the platform, or exclude them with a filter of the metric');
            END IF;
        END IF;
        failure := jsonb_build_object('metric_category', metric.metric_category) || failure;
        RETURN NEXT;
    END LOOP;
END
$$;

-- The day of the earliest row of the sources that can be read, and one of the others, which may have an earlier row.
CREATE OR REPLACE FUNCTION sql_first_row(OUT day DATE, OUT source_name TEXT, OUT unread TEXT)
LANGUAGE plpgsql STABLE
SET search_path = @platform_path@ SET transaction_read_only = on SET row_security = off SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO' AS $$
DECLARE
    source RECORD;
    answer TEXT[];
    seconds NUMERIC;
    moment TIMESTAMPTZ;
    found DATE;
BEGIN
    FOR source IN SELECT * FROM @schema@.sql_first_rows() LOOP
        BEGIN
            EXECUTE format('SELECT answer FROM (%s) AS first_row (zero, answer)', source.statement) INTO answer;
            seconds := trunc(answer[1]::NUMERIC);
            CONTINUE WHEN seconds IS NULL;
            moment := to_timestamp(CASE WHEN source.is_millis THEN floor(seconds / 1000) ELSE seconds END);
            found := CASE
                WHEN source.is_date THEN (moment AT TIME ZONE 'UTC')::DATE
                WHEN source.local_zone IS NULL THEN @schema@.sql_date_of(moment)
                ELSE @schema@.sql_date_of((moment AT TIME ZONE 'UTC') AT TIME ZONE source.local_zone)
            END;
            IF day IS NULL OR (found, source.source_name) < (day, sql_first_row.source_name) THEN
                day := found;
                source_name := source.source_name;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            unread := source.source_name;
        END;
    END LOOP;
END
$$;
