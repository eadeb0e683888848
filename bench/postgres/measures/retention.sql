-- Of the authors whose first post lies 1, 7 and 28 days back, the share that posts on the day, or in the last 7 of the 28 days, on
-- each day. The first post of each author is found in all posts, the distinct pairs of day and author are read once. $1 and $2 are
-- the midnights of the first and the last day in UTC.
WITH firsts AS (
    SELECT author_id, (min(created_at) AT TIME ZONE 'UTC')::date AS day
    FROM posts WHERE created_at < $2 + interval '1 day' GROUP BY author_id
),
cohorts AS MATERIALIZED (SELECT author_id, day FROM firsts WHERE day >= ($1 AT TIME ZONE 'UTC')::date - 28),
pairs AS MATERIALIZED (
    SELECT DISTINCT author_id, (created_at AT TIME ZONE 'UTC')::date AS day
    FROM posts WHERE created_at >= $1 - interval '28 days' AND created_at < $2 + interval '1 day'
),
kept AS (
    SELECT c.day, max((p.day - c.day = 1)::int) AS after_1, max((p.day - c.day = 7)::int) AS after_7,
           max((p.day - c.day >= 22)::int) AS after_28
    FROM cohorts AS c LEFT JOIN pairs AS p ON p.author_id = c.author_id AND p.day BETWEEN c.day + 1 AND c.day + 28
    GROUP BY c.author_id, c.day
),
sizes AS MATERIALIZED (
    SELECT day, count(*) AS size, sum(after_1) AS after_1, sum(after_7) AS after_7, sum(after_28) AS after_28 FROM kept GROUP BY day
)
SELECT r.day AS metric_date, 'retention_' || w.after AS metric_category,
       round(coalesce(100.0 * CASE w.after WHEN 1 THEN s.after_1 WHEN 7 THEN s.after_7 ELSE s.after_28 END / s.size, 0), 12) AS value
FROM (SELECT ($1 AT TIME ZONE 'UTC')::date + number AS day
      FROM generate_series(0, ($2 AT TIME ZONE 'UTC')::date - ($1 AT TIME ZONE 'UTC')::date) AS number) AS r
CROSS JOIN (VALUES (1), (7), (28)) AS w (after)
LEFT JOIN sizes AS s ON s.day = r.day - w.after
