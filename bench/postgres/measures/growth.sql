-- The authors of the 7 days that end with each day, compared with those of the 7 days before: new, retained, resurrected and churned
-- ones. Each distinct pair of day and author counts until the author's next day, for 14 days at most: as active for 7, as churned
-- for the 7 that follow. The first post of each author is found in all posts. $1 and $2 are the midnights of the first and the
-- last day in UTC.
WITH pairs AS (
    SELECT DISTINCT author_id, (created_at AT TIME ZONE 'UTC')::date AS day
    FROM posts WHERE created_at >= $1 - interval '13 days' AND created_at < $2 + interval '1 day'
),
until_next AS (
    SELECT day, least(14, coalesce(lead(day) OVER (PARTITION BY author_id ORDER BY day) - day, 14)) AS days FROM pairs
),
counted AS MATERIALIZED (SELECT day, days, count(*) AS authors FROM until_next GROUP BY day, days),
arrivals AS MATERIALIZED (
    SELECT day, count(*) AS authors FROM (
        SELECT (min(created_at) AT TIME ZONE 'UTC')::date AS day
        FROM posts WHERE created_at < $2 + interval '1 day' GROUP BY author_id) AS firsts
    GROUP BY day
),
by_day AS MATERIALIZED (
    SELECT d.day, coalesce(sum(c.authors) FILTER (WHERE c.day > d.day - 7), 0) AS active,
           coalesce(sum(c.authors) FILTER (WHERE c.day <= d.day - 7), 0) AS churned
    FROM (SELECT ($1 AT TIME ZONE 'UTC')::date + number AS day
          FROM generate_series(-7, ($2 AT TIME ZONE 'UTC')::date - ($1 AT TIME ZONE 'UTC')::date) AS number) AS d
    LEFT JOIN counted AS c ON c.day > d.day - 14 AND c.day <= d.day AND c.day + c.days > d.day
    GROUP BY d.day
),
states AS (
    SELECT t.day, t.active, t.churned, b.active - t.churned AS retained,
           (SELECT coalesce(sum(a.authors), 0) FROM arrivals AS a WHERE a.day BETWEEN t.day - 6 AND t.day) AS new
    FROM by_day AS t JOIN by_day AS b ON b.day = t.day - 7
)
SELECT day AS metric_date, state || '_authors' AS metric_category,
       CASE state WHEN 'new' THEN new WHEN 'retained' THEN retained WHEN 'churned' THEN churned ELSE active - retained - new END AS value
FROM states CROSS JOIN (VALUES ('new'), ('retained'), ('resurrected'), ('churned')) AS named (state)
