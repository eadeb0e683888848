-- The authors of the 7 days that end with each day, compared with those of the 7 days before: new, retained, resurrected and churned
-- ones. Each distinct pair of day and author counts until the author's next day, for 14 days at most: as active for 7, as churned
-- for the 7 that follow. The first post of each author is found in all posts. ?1 and ?2 are the first and the last day.
WITH RECURSIVE pairs AS (
    SELECT DISTINCT author_id, unixepoch(substr(created_at, 1, 10)) / 86400 AS day
    FROM posts WHERE created_at >= date(?1, '-13 days') AND created_at < date(?2, '1 day')
),
until_next AS (
    SELECT day, min(14, coalesce(lead(day) OVER (PARTITION BY author_id ORDER BY day) - day, 14)) AS days FROM pairs
),
counted AS MATERIALIZED (SELECT day, days, count(*) AS authors FROM until_next GROUP BY day, days),
arrivals AS MATERIALIZED (
    SELECT unixepoch(day) / 86400 AS day, count(*) AS authors FROM (
        SELECT substr(min(created_at), 1, 10) AS day
        FROM posts WHERE created_at < date(?2, '1 day') GROUP BY author_id)
    GROUP BY 1
),
report_days (day) AS (
    SELECT unixepoch(?1) / 86400 - 7
    UNION ALL
    SELECT day + 1 FROM report_days WHERE day < unixepoch(?2) / 86400
),
by_day AS MATERIALIZED (
    SELECT d.day, coalesce(sum(c.authors) FILTER (WHERE c.day > d.day - 7), 0) AS active,
           coalesce(sum(c.authors) FILTER (WHERE c.day <= d.day - 7), 0) AS churned
    FROM report_days AS d LEFT JOIN counted AS c ON c.day BETWEEN d.day - 13 AND d.day AND c.day + c.days > d.day
    GROUP BY d.day
),
states AS (
    SELECT t.day, t.active, t.churned, b.active - t.churned AS retained,
           (SELECT coalesce(sum(a.authors), 0) FROM arrivals AS a WHERE a.day BETWEEN t.day - 6 AND t.day) AS new
    FROM by_day AS t JOIN by_day AS b ON b.day = t.day - 7
),
named (state) AS (VALUES ('new'), ('retained'), ('resurrected'), ('churned'))
SELECT date(day * 86400, 'unixepoch') AS metric_date, state || '_authors' AS metric_category,
       CASE state WHEN 'new' THEN new WHEN 'retained' THEN retained WHEN 'churned' THEN churned ELSE active - retained - new END AS value
FROM states CROSS JOIN named;
