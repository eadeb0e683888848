-- The sum of a column of the rows created on each day, and of those that exist at its end. ?1 and ?2 are the first and the last day.
WITH RECURSIVE days (day, next) AS (
    SELECT date(?1), date(?1, '1 day')
    UNION ALL
    SELECT next, date(next, '1 day') FROM days WHERE next <= ?2
),
by_day AS MATERIALIZED (
    SELECT day, (SELECT sum(duration_seconds) FROM posts WHERE created_at >= day AND created_at < next) AS sum FROM days
)
SELECT day AS metric_date, 'seconds' AS metric_category, sum AS value FROM by_day
UNION ALL
SELECT day, 'seconds_total', (SELECT sum(duration_seconds) FROM posts WHERE created_at < ?1) + sum(sum) OVER (ORDER BY day) FROM by_day;
