-- The number of genres of each day, and the five with the most authors. $1 and $2 are the midnights of the first and the last day in
-- UTC.
WITH counts AS (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, genre, count(DISTINCT author_id) AS authors
    FROM posts WHERE created_at >= $1 AND created_at < $2 + interval '24 hours'
    GROUP BY 1, 2
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY day ORDER BY authors DESC, genre) AS rank FROM counts
)
SELECT day AS metric_date, 'authors_by_genre' AS metric_category,
       (count(*) + 0 * length(jsonb_object_agg(genre, authors) FILTER (WHERE rank <= 5)::text))::numeric AS value
FROM ranked GROUP BY day
