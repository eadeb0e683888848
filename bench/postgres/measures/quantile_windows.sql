-- The median of a column over the seven days that end with each day. $1 and $2 are the midnights of the first and the last day in
-- UTC.
SELECT (day AT TIME ZONE 'UTC')::date AS metric_date, 'median_of_the_week' AS metric_category,
       round((
           SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds)
           FROM posts WHERE created_at >= day - interval '144 hours' AND created_at < day + interval '24 hours'
       )::numeric, 6) AS value
FROM generate_series($1, $2, interval '24 hours') AS days (day)
