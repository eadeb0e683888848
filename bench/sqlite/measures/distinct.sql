-- The distinct authors of posts in the week and in the month to date of each day, from the distinct pairs of day and author. ?1 and ?2
-- are the first and the last day.
WITH RECURSIVE pairs AS MATERIALIZED (
    SELECT DISTINCT author_id, substr(created_at, 1, 10) AS day
    FROM posts WHERE created_at >= date(?1, '-7 days', 'start of month') AND created_at < date(?2, '1 day')
),
firsts AS (
    SELECT 'authors_of_the_week' AS name, min(day) AS day, date(day, '-6 days', 'weekday 1') AS period
    FROM pairs GROUP BY author_id, date(day, '-6 days', 'weekday 1')
    UNION ALL
    SELECT 'authors_of_the_month', min(day), date(day, 'start of month')
    FROM pairs GROUP BY author_id, date(day, 'start of month')
),
counted AS MATERIALIZED (SELECT name, day, period, count(*) AS authors FROM firsts GROUP BY name, day, period),
report_days (day) AS (
    SELECT ?1
    UNION ALL
    SELECT date(day, '1 day') FROM report_days WHERE day < ?2
)
SELECT r.day AS metric_date, c.name AS metric_category, sum(c.authors) AS value
FROM report_days AS r JOIN counted AS c ON c.day <= r.day AND c.period = CASE c.name
    WHEN 'authors_of_the_week' THEN date(r.day, '-6 days', 'weekday 1') ELSE date(r.day, 'start of month') END
GROUP BY r.day, c.name;
