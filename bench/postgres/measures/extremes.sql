-- The least and the largest value of a column on each day. $1 and $2 are the midnights of the first and the last day in UTC.
SELECT day AS metric_date, metric_category, value::numeric
FROM (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, min(duration_seconds) AS least, max(duration_seconds) AS largest
    FROM posts WHERE created_at >= $1 AND created_at < $2 + interval '24 hours'
    GROUP BY 1
) AS days, LATERAL (VALUES ('shortest', least), ('longest', largest)) AS m (metric_category, value)
