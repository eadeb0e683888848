-- The sum of a column of the rows created on each day, and of those that exist at its end. $1 and $2 are the midnights of the first
-- and the last day in UTC.
WITH days AS (
    SELECT midnight, midnight + interval '24 hours' AS next
    FROM generate_series($1::timestamptz, $2::timestamptz, interval '24 hours') AS midnight
),
by_day AS (
    SELECT midnight, sum, (SELECT sum(duration_seconds) FROM posts WHERE created_at < $1) + sum(sum) OVER (ORDER BY midnight) AS total
    FROM days, LATERAL (
        SELECT sum(duration_seconds) AS sum FROM posts WHERE created_at >= midnight AND created_at < next) AS of_day
)
SELECT (midnight AT TIME ZONE 'UTC')::date AS metric_date, metric_category, value::numeric
FROM by_day, LATERAL (VALUES ('seconds', sum), ('seconds_total', total)) AS m (metric_category, value)
