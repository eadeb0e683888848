-- Numbers and labels, computed exactly as Daymark computes them (metric/decimal.rs, metric/reading.rs, metric/evaluate.rs).

-- A number that a query returned as text; NULL, the sum of no rows, is 0.
CREATE OR REPLACE FUNCTION sql_decimal(number TEXT) RETURNS NUMERIC LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
BEGIN
    IF number IS NULL THEN
        RETURN 0;
    ELSIF number !~ '^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$' THEN
        RAISE EXCEPTION '`%` is not a finite decimal number', number USING ERRCODE = 'data_exception';
    END IF;
    RETURN trim_scale(number::NUMERIC);
END
$$;

-- The quotient to 12 decimal places, half to even; NULL if the divisor is 0.
CREATE OR REPLACE FUNCTION sql_quotient(dividend NUMERIC, divisor NUMERIC) RETURNS NUMERIC
LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    scaled CONSTANT NUMERIC := abs(dividend) * 1000000000000;
    quotient NUMERIC;
    twice_the_rest NUMERIC;
BEGIN
    IF divisor = 0 THEN
        RETURN NULL;
    END IF;
    quotient := div(scaled, abs(divisor));
    twice_the_rest := 2 * (scaled - quotient * abs(divisor));
    IF twice_the_rest > abs(divisor) OR (twice_the_rest = abs(divisor) AND mod(quotient, 2) = 1) THEN
        quotient := quotient + 1;
    END IF;
    RETURN trim_scale(sign(dividend) * sign(divisor) * quotient * 0.000000000001);
END
$$;

-- The square root of a number with at most 12 decimal places, to 12 decimal places; NULL if the number is negative.
CREATE OR REPLACE FUNCTION sql_root(number NUMERIC) RETURNS NUMERIC LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    scaled CONSTANT NUMERIC := trunc(number * 1000000000000000000000000);
    root NUMERIC;
BEGIN
    IF number IS NULL OR number < 0 THEN
        RETURN NULL;
    END IF;
    root := trunc(sqrt(scaled));
    WHILE root * root > scaled LOOP
        root := root - 1;
    END LOOP;
    WHILE (root + 1) * (root + 1) <= scaled LOOP
        root := root + 1;
    END LOOP;
    -- The root is not halfway between two integers, because its square is an integer.
    IF scaled > root * root + root THEN
        root := root + 1;
    END IF;
    RETURN trim_scale(root * 0.000000000001);
END
$$;

-- The metadata of a breakdown: the largest labels by descending count, then by the bytes of their names. "negative" is the message
-- about a value below 0, if that is refused.
CREATE OR REPLACE FUNCTION sql_breakdown(
    labels TEXT[], counts TEXT[], top INTEGER, negative TEXT, is_too_large BOOLEAN, too_large TEXT
) RETURNS JSONB LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    breakdown JSONB;
    least CONSTANT NUMERIC := (SELECT min(sql_decimal(count)) FROM unnest(counts) AS count);
BEGIN
    IF is_too_large THEN
        RAISE EXCEPTION '%', too_large USING ERRCODE = 'program_limit_exceeded';
    ELSIF negative IS NOT NULL AND least < 0 THEN
        RAISE EXCEPTION '%: %', negative, least USING ERRCODE = 'data_exception';
    END IF;
    WITH given AS (
        SELECT label, sum(sql_decimal(count)) AS count FROM unnest(labels, counts) AS given (label, count) GROUP BY label
    ),
    named AS (
        SELECT label, count, row_number() OVER (ORDER BY count DESC, convert_to(label, 'UTF8')) <= top AS is_top
        FROM given WHERE label IS NOT NULL
    )
    SELECT jsonb_build_object(
        'breakdown', coalesce(jsonb_object_agg(label, trim_scale(count)) FILTER (WHERE is_top), '{}'),
        'other', jsonb_build_object(
            'labels', count(*) FILTER (WHERE NOT is_top),
            'value', trim_scale(coalesce(sum(count) FILTER (WHERE NOT is_top), 0))
        ),
        'total', trim_scale(coalesce(sum(count), 0)),
        'unlabelled', trim_scale(coalesce((SELECT given.count FROM given WHERE label IS NULL), 0))
    ) INTO breakdown
    FROM named;
    RETURN breakdown;
END
$$;

-- The tally of a query of the user's own: its one row. sample_size is the position of the value that must be a whole number; 0
-- if there is none.
CREATE OR REPLACE FUNCTION sql_query_tally(answers TEXT[], names TEXT[], sample_size INTEGER) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    found CONSTANT INTEGER := coalesce(array_length(answers, 1), 0);
    numbers NUMERIC[];
BEGIN
    IF found <> 1 THEN
        RAISE EXCEPTION 'the query must return exactly one row a day, not %', found USING ERRCODE = 'data_exception';
    END IF;
    FOR place IN 1 .. cardinality(names) LOOP
        IF answers[1][place] IS NULL AND place <= 2 THEN
            RAISE EXCEPTION 'the query returned NULL as `%`; use coalesce(%, 0)', names[place], names[place]
                USING ERRCODE = 'data_exception';
        ELSIF place = sample_size AND answers[1][place] !~ '^[+-]?[0-9]{1,19}$' THEN
            RAISE EXCEPTION '`%` is not a whole number that a count can be', answers[1][place] USING ERRCODE = 'data_exception';
        END IF;
        -- A deviation that is NULL stays NULL.
        numbers[place] := CASE WHEN answers[1][place] IS NOT NULL THEN sql_decimal(answers[1][place]) END;
    END LOOP;
    RETURN CASE cardinality(names) WHEN 1 THEN to_jsonb(numbers[1]) ELSE to_jsonb(numbers) END;
END
$$;

-- The metadata of a breakdown of averages, from the sums and numbers of the values.
CREATE OR REPLACE FUNCTION sql_label_means(tally JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT jsonb_build_object(
        'breakdown', coalesce(jsonb_object_agg(label, coalesce(sql_quotient(named.sum::NUMERIC, named.size), 0)) FILTER (WHERE label IS NOT NULL), '{}'),
        'sums', tally -> 'sums',
        'sample_sizes', tally -> 'sample_sizes',
        'other', jsonb_build_object(
            'labels', tally -> 'labels',
            'value', coalesce(sql_quotient(whole.sum - coalesce(sum(named.sum::NUMERIC), 0), whole.size - coalesce(sum(named.size), 0)), 0),
            'sum', trim_scale(whole.sum - coalesce(sum(named.sum::NUMERIC), 0)),
            'sample_size', whole.size - coalesce(sum(named.size), 0)
        ),
        'total', coalesce(sql_quotient(whole.sum, whole.size), 0),
        'sum', tally -> 'sum',
        'sample_size', tally -> 'count',
        'unlabelled', tally -> 'unlabelled'
    )
    FROM (SELECT (tally ->> 'sum')::NUMERIC AS sum, (tally ->> 'count')::NUMERIC AS size) AS whole
    LEFT JOIN (
        SELECT key AS label, value AS sum, (tally -> 'sample_sizes' ->> key)::NUMERIC AS size FROM jsonb_each_text(tally -> 'sums')
    ) AS named ON TRUE
    GROUP BY whole.sum, whole.size
$$;

-- The value and the metadata of a metric from the tallies of its readings; or the message of what is wrong with them.
CREATE OR REPLACE FUNCTION sql_observation(
    metric_type TEXT, shape TEXT, tallies JSONB[], minimum NUMERIC, maximum NUMERIC, out_of_range JSONB, calculation TEXT,
    OUT value NUMERIC, OUT metadata JSONB, OUT problem TEXT
) LANGUAGE plpgsql IMMUTABLE SET search_path FROM CURRENT AS $$
DECLARE
    parts NUMERIC[];
    deviation NUMERIC;
    negative NUMERIC;
    scaled NUMERIC;
    units NUMERIC;
BEGIN
    metadata := '{}';
    CASE shape
        WHEN 'number' THEN
            value := (tallies[1] #>> '{}')::NUMERIC;
        WHEN 'retained' THEN
            value := (tallies[1] ->> 1)::NUMERIC;
        WHEN 'churned' THEN
            value := (tallies[1] ->> 2)::NUMERIC;
        WHEN 'resurrected' THEN
            value := (tallies[1] ->> 0)::NUMERIC - (tallies[1] ->> 1)::NUMERIC - (tallies[2] #>> '{}')::NUMERIC;
        WHEN 'labels' THEN
            metadata := tallies[1];
            value := (SELECT count(*) FROM jsonb_object_keys(metadata -> 'breakdown')) + (metadata #>> '{other,labels}')::NUMERIC;
        WHEN 'label_means' THEN
            metadata := sql_label_means(tallies[1]);
            value := (SELECT count(*) FROM jsonb_object_keys(metadata -> 'breakdown')) + (metadata #>> '{other,labels}')::NUMERIC;
        WHEN 'moments' THEN
            parts := ARRAY(SELECT part::NUMERIC FROM jsonb_array_elements_text(tallies[1]) AS part);
            value := coalesce(sql_quotient(parts[2], parts[1]), 0);
            deviation := sql_root(sql_quotient(parts[1] * parts[3] - parts[2] * parts[2], parts[1] * (parts[1] - 1)));
            metadata := jsonb_build_object('sum', trim_scale(parts[2]), 'sample_size', parts[1])
                || CASE WHEN deviation IS NULL THEN '{}' ELSE jsonb_build_object('std_deviation', deviation) END;
            negative := least(parts[1], 0);
        WHEN 'sum', 'minimum', 'maximum', 'quantile' THEN
            parts := ARRAY(SELECT part::NUMERIC FROM jsonb_array_elements_text(tallies[1]) AS part);
            value := CASE shape WHEN 'maximum' THEN parts[3] ELSE parts[2] END;
            metadata := jsonb_build_object('sample_size', parts[1]);
            negative := least(parts[1], 0);
        WHEN 'average' THEN
            parts := ARRAY(SELECT part::NUMERIC FROM jsonb_array_elements_text(tallies[1]) AS part);
            value := parts[1];
            metadata := jsonb_build_object('sample_size', parts[2])
                || CASE WHEN parts[3] IS NULL THEN '{}' ELSE jsonb_build_object('std_deviation', parts[3]) END;
            negative := least(parts[2], 0);
        ELSE
            parts := CASE shape
                WHEN 'counts' THEN ARRAY[(tallies[1] #>> '{}')::NUMERIC, (tallies[2] #>> '{}')::NUMERIC]
                ELSE ARRAY(SELECT part::NUMERIC FROM jsonb_array_elements_text(tallies[1]) AS part)
            END;
            value := coalesce(sql_quotient(parts[1] * CASE metric_type WHEN 'percentage' THEN 100 ELSE 1 END, parts[2]), 0);
            metadata := jsonb_build_object('numerator', parts[1], 'denominator', parts[2])
                || CASE metric_type WHEN 'percentage' THEN '{}' ELSE jsonb_build_object('sample_size', parts[2]) END
                || CASE WHEN calculation IS NULL THEN '{}' ELSE jsonb_build_object('calculation', calculation) END;
            negative := CASE WHEN parts[1] < 0 THEN parts[1] ELSE least(parts[2], 0) END;
    END CASE;
    problem := CASE
        WHEN metric_type NOT IN ('average', 'aggregate') AND value < 0
            THEN format('a count cannot be negative, but this one is %s', value)
        WHEN negative < 0 THEN format('a count cannot be negative, but this one is %s', negative)
    END;
    -- To 30 decimal places, half to even.
    IF scale(value) > 30 THEN
        scaled := abs(value) * 1e30;
        units := trunc(scaled);
        IF scaled - units > 0.5 OR (scaled - units = 0.5 AND mod(units, 2) = 1) THEN
            units := units + 1;
        END IF;
        value := trim_scale(sign(value) * units * 1e-30);
    END IF;
    IF problem IS NULL AND abs(trunc(value)) >= 1e38 THEN
        problem := format('the value has more than 38 digits before the point: %s', value);
    END IF;
    IF value < minimum OR value > maximum THEN
        metadata := metadata || jsonb_build_object('out_of_range', out_of_range);
    END IF;
END
$$;
