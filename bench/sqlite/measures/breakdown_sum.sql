-- The number of genres of each day, and the five with the largest sums of a column. ?1 and ?2 are the first and the last day.
WITH aggregated AS (
    SELECT substr(created_at, 1, 10) AS day, genre, sum(duration_seconds) AS aggregated
    FROM posts WHERE created_at >= ?1 AND created_at < date(?2, '1 day') AND duration_seconds IS NOT NULL
    GROUP BY 1, 2
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY day ORDER BY aggregated DESC, genre) AS rank FROM aggregated
)
SELECT day AS metric_date, 'seconds_by_genre' AS metric_category,
       count(*) + 0 * length(json_group_object(genre, aggregated) FILTER (WHERE rank <= 5)) AS value
FROM ranked GROUP BY day;
