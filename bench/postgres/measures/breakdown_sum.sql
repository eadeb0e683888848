-- The number of genres of each day, and the five with the largest sums of a column. $1 and $2 are the midnights of the first and the
-- last day in UTC.
WITH sums AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, genre, sum(duration_seconds) AS seconds
    FROM posts WHERE created_at >= $1 AND created_at < $2 + interval '24 hours' AND duration_seconds IS NOT NULL
    GROUP BY 1, 2
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY day ORDER BY seconds DESC, genre) AS rank FROM sums
)
SELECT day AS metric_date, 'seconds_by_genre' AS metric_category,
       (count(*) + 0 * length(jsonb_object_agg(genre, seconds) FILTER (WHERE rank <= 5)::text))::numeric AS value
FROM ranked GROUP BY day
