-- The number of genres of each day, and the means of a column of the five with the most values. $1 and $2 are the midnights of the
-- first and the last day in UTC.
WITH means AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, genre, avg(duration_seconds) AS mean, count(*) AS size
    FROM posts WHERE created_at >= $1 AND created_at < $2 + interval '24 hours' AND duration_seconds IS NOT NULL
    GROUP BY 1, 2
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY day ORDER BY size DESC, genre) AS rank FROM means
)
SELECT day AS metric_date, 'mean_seconds_by_genre' AS metric_category,
       (count(*) + 0 * length(jsonb_object_agg(genre, mean) FILTER (WHERE rank <= 5)::text))::numeric AS value
FROM ranked GROUP BY day
