-- The median and the 95th percentile of a column on each day, which PostgreSQL computes with floats. $1 and $2 are the midnights of
-- the first and the last day in UTC.
SELECT day AS metric_date, metric_category, round(value::numeric, 6) AS value
FROM (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY duration_seconds) AS quantiles
    FROM posts WHERE created_at >= $1 AND created_at < $2 + interval '24 hours'
    GROUP BY 1
) AS days, LATERAL (VALUES ('median_seconds', quantiles[1]), ('high_seconds', quantiles[2])) AS m (metric_category, value)
