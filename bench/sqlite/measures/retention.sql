-- Of the authors whose first post lies 1, 7 and 28 days back, the share that posts on the day, or in the last 7 of the 28 days, on
-- each day. The first post of each author is found in all posts, the distinct pairs of day and author are read once. ?1 and ?2 are
-- the first and the last day. The share is a text of 12 decimal places.
WITH RECURSIVE pairs AS MATERIALIZED (
    SELECT DISTINCT author_id, unixepoch(substr(created_at, 1, 10)) / 86400 AS day
    FROM posts WHERE created_at >= date(?1, '-28 days') AND created_at < date(?2, '1 day')
),
cohorts AS MATERIALIZED (
    SELECT author_id, unixepoch(substr(min(created_at), 1, 10)) / 86400 AS day
    FROM posts WHERE created_at < date(?2, '1 day')
    GROUP BY author_id HAVING min(created_at) >= date(?1, '-28 days')
),
kept AS (
    SELECT c.day, max(p.day - c.day = 1) AS after_1, max(p.day - c.day = 7) AS after_7, max(p.day - c.day >= 22) AS after_28
    FROM cohorts AS c LEFT JOIN pairs AS p ON p.author_id = c.author_id AND p.day BETWEEN c.day + 1 AND c.day + 28
    GROUP BY c.author_id, c.day
),
sizes AS MATERIALIZED (
    SELECT day, count(*) AS size, coalesce(sum(after_1), 0) AS after_1, coalesce(sum(after_7), 0) AS after_7,
           coalesce(sum(after_28), 0) AS after_28
    FROM kept GROUP BY day
),
report_days (day) AS (
    SELECT unixepoch(?1) / 86400
    UNION ALL
    SELECT day + 1 FROM report_days WHERE day < unixepoch(?2) / 86400
),
wanted (after) AS (VALUES (1), (7), (28)),
shares AS (
    SELECT r.day, w.after, coalesce((200000000000000 * CASE w.after WHEN 1 THEN s.after_1 WHEN 7 THEN s.after_7 ELSE s.after_28 END
                                     + s.size) / (2 * s.size), 0) AS share
    FROM report_days AS r CROSS JOIN wanted AS w LEFT JOIN sizes AS s ON s.day = r.day - w.after
)
SELECT date(day * 86400, 'unixepoch') AS metric_date, 'retention_' || after AS metric_category,
       printf('%d.%012d', share / 1000000000000, share % 1000000000000) AS value
FROM shares;
