-- The least and the largest value of a column on each day. ?1 and ?2 are the first and the last day.
WITH by_day AS MATERIALIZED (
    SELECT substr(created_at, 1, 10) AS day, min(duration_seconds) AS least, max(duration_seconds) AS largest
    FROM posts WHERE created_at >= ?1 AND created_at < date(?2, '1 day')
    GROUP BY 1
)
SELECT day AS metric_date, 'shortest' AS metric_category, least AS value FROM by_day
UNION ALL
SELECT day, 'longest', largest FROM by_day;
