-- The distinct authors of posts in the week and in the month to date of each day, from the distinct pairs of day and author. $1 and $2
-- are the midnights of the first and the last day in UTC.
WITH pairs AS (
    SELECT DISTINCT author_id, (created_at AT TIME ZONE 'UTC')::date AS day
    FROM posts WHERE created_at >= date_trunc('month', $1 - interval '7 days') AND created_at < $2 + interval '1 day'
),
firsts AS (
    SELECT 'authors_of_the_week' AS name, min(day) AS day, date_trunc('week', day::timestamp)::date AS period
    FROM pairs GROUP BY author_id, date_trunc('week', day::timestamp)::date
    UNION ALL
    SELECT 'authors_of_the_month', min(day), date_trunc('month', day::timestamp)::date
    FROM pairs GROUP BY author_id, date_trunc('month', day::timestamp)::date
),
counted AS (SELECT name, day, period, count(*) AS authors FROM firsts GROUP BY name, day, period),
report_days AS (
    SELECT ($1 AT TIME ZONE 'UTC')::date + number AS day
    FROM generate_series(0, ($2 AT TIME ZONE 'UTC')::date - ($1 AT TIME ZONE 'UTC')::date) AS number
)
SELECT r.day AS metric_date, c.name AS metric_category, sum(c.authors)::numeric AS value
FROM report_days AS r JOIN counted AS c ON c.day <= r.day AND c.period = CASE c.name
    WHEN 'authors_of_the_week' THEN date_trunc('week', r.day::timestamp)::date ELSE date_trunc('month', r.day::timestamp)::date END
GROUP BY r.day, c.name
