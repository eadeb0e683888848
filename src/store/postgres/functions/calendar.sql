-- Days of the reporting time zone. sql_day_start is generated from Daymark's own calendar, so that no time zone database of the
-- server has a part in it.

-- The starts of dates, as the statements take them: the subscript 0 is the day, 1 the next date, -6 that of six days before.
CREATE OR REPLACE FUNCTION sql_starts(the_day DATE) RETURNS TIMESTAMPTZ[] LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    starts TIMESTAMPTZ[] := '{}';
    days_before INTEGER;
BEGIN
    starts[0] := sql_day_start(the_day);
    starts[1] := sql_day_start(the_day + 1);
    FOREACH days_before IN ARRAY (SELECT windows FROM sql_settings()) LOOP
        starts[-days_before] := sql_day_start(the_day - days_before);
    END LOOP;
    RETURN starts;
END
$$;

-- Whether the time zone has the date. Zones have skipped dates.
CREATE OR REPLACE FUNCTION sql_exists(the_day DATE) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT sql_day_start(the_day) < sql_day_start(the_day + 1)
$$;

CREATE OR REPLACE FUNCTION sql_next_day(the_day DATE) RETURNS DATE LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    found DATE := the_day + 1;
BEGIN
    WHILE NOT sql_exists(found) LOOP
        found := found + 1;
    END LOOP;
    RETURN found;
END
$$;

-- The date on which an instant falls.
CREATE OR REPLACE FUNCTION sql_date_of(moment TIMESTAMPTZ) RETURNS DATE LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    -- No zone is more than a day ahead of UTC.
    found DATE := (moment AT TIME ZONE 'UTC')::DATE + 2;
BEGIN
    WHILE sql_day_start(found) > moment LOOP
        found := found - 1;
    END LOOP;
    RETURN found;
END
$$;

-- The latest day that had ended "settle" before the moment.
CREATE OR REPLACE FUNCTION sql_last_finished(moment TIMESTAMPTZ, settle INTERVAL) RETURNS DATE
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    found DATE := sql_date_of(moment - settle) - 1;
BEGIN
    WHILE NOT sql_exists(found) LOOP
        found := found - 1;
    END LOOP;
    RETURN found;
END
$$;

-- The instant from which a day may be recorded, as text for messages.
CREATE OR REPLACE FUNCTION sql_ready(the_day DATE) RETURNS TEXT LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT to_char((sql_day_start(the_day + 1) + settle) AT TIME ZONE time_zone, 'YYYY-MM-DD HH24:MI ') || time_zone
    FROM sql_settings()
$$;

-- The day whose records are "observed" if they are read at that moment; NULL if it ended too long before.
CREATE OR REPLACE FUNCTION sql_observable(moment TIMESTAMPTZ) RETURNS DATE LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT day
    FROM sql_settings(), sql_last_finished(moment, settle) AS day
    WHERE moment - sql_day_start(day + 1) <= observed_within
$$;

-- The day of a call without a date: the last one that has ended. While it settles the call fails.
CREATE OR REPLACE FUNCTION sql_last_ended() RETURNS DATE LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    ended CONSTANT DATE := sql_last_finished(clock_timestamp(), INTERVAL '0');
BEGIN
    IF ended > sql_last_finished(clock_timestamp(), (SELECT settle FROM sql_settings())) THEN
        RAISE EXCEPTION '% has ended, but late commits may still arrive: it can be recorded from %', ended, sql_ready(ended)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Call the function later; `daymark sql schedule` uses that time.';
    END IF;
    RETURN ended;
END
$$;

-- Fails unless the day may be the end of a range of recorded days.
CREATE OR REPLACE FUNCTION sql_require_recordable(the_day DATE) RETURNS VOID LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    settings CONSTANT RECORD := sql_settings();
    last CONSTANT DATE := sql_last_finished(clock_timestamp(), settings.settle);
BEGIN
    IF the_day > last THEN
        RAISE EXCEPTION '% is not finished: it can be recorded from %; the last finished day is %', the_day,
            coalesce(sql_ready(the_day), 'a day far in the future'), last USING ERRCODE = 'invalid_parameter_value';
    ELSIF the_day > settings.last_day THEN
        RAISE EXCEPTION '% is after %, the last day that these functions know', the_day, settings.last_day
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Run `daymark sql install` again.';
    ELSIF the_day < settings.first_day THEN
        RAISE EXCEPTION '% is before %, the first day that can be recorded', the_day, settings.first_day
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
