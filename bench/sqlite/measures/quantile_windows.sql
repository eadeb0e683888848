-- The median of a column over the seven days that end with each day. ?1 and ?2 are the first and the last day.
WITH RECURSIVE days (day) AS (VALUES (?1) UNION ALL SELECT date(day, '1 day') FROM days WHERE day < ?2),
ranked AS MATERIALIZED (
    SELECT day, duration_seconds AS value,
           row_number() OVER (PARTITION BY day ORDER BY duration_seconds) - 1 AS place,
           count(*) OVER (PARTITION BY day) AS size
    FROM days CROSS JOIN posts
    WHERE created_at >= date(day, '-6 days') AND created_at < date(day, '1 day') AND duration_seconds IS NOT NULL
)
SELECT day AS metric_date, 'median_of_the_week' AS metric_category,
       round(min(value) + (max(value) - min(value)) * ((size - 1) % 2) / 2.0, 6) AS value
FROM ranked WHERE place IN ((size - 1) / 2, size / 2) GROUP BY day;
