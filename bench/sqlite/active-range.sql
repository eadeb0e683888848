-- The fastest hand-written statement for the distinct actors of three tables in windows of 1, 7 and 30 days that end with each
-- day. The distinct pairs of day and actor are read once. A pair counts from its day until the
-- window is over or the actor's next active day begins. Pairs are therefore counted by day and next active day, which makes
-- few groups, and all windows are sums over these. ?1 and ?2 are the first and the last day.
WITH RECURSIVE pairs AS (
    SELECT author_id AS actor, substr(created_at, 1, 10) AS day FROM posts
    WHERE created_at >= date(?1, '-29 days') AND created_at < date(?2, '1 day')
    UNION
    SELECT author_id, substr(created_at, 1, 10) FROM comments
    WHERE created_at >= date(?1, '-29 days') AND created_at < date(?2, '1 day')
    UNION
    SELECT id, substr(created_at, 1, 10) FROM profiles
    WHERE created_at >= date(?1, '-29 days') AND created_at < date(?2, '1 day')
),
next_days AS (
    SELECT day, lead(day) OVER (PARTITION BY actor ORDER BY day) AS next FROM pairs
),
by_next_day AS (
    SELECT unixepoch(day) / 86400 AS day, unixepoch(next) / 86400 AS next, count(*) AS actors
    FROM next_days GROUP BY next_days.day, next_days.next
),
counted AS MATERIALIZED (
    SELECT day, min(30, coalesce(next - day, 30)) AS days, sum(actors) AS actors FROM by_next_day GROUP BY 1, 2
),
report_days (day) AS (
    SELECT unixepoch(?1) / 86400
    UNION ALL
    SELECT day + 1 FROM report_days WHERE day < unixepoch(?2) / 86400
),
windows (size) AS (VALUES (1), (7), (30)),
-- Each count appears once for every day that it belongs to.
spread (counted_day, days, actors, day) AS (
    SELECT day, days, actors, day FROM counted
    UNION ALL
    SELECT counted_day, days, actors, day + 1 FROM spread WHERE day + 1 < counted_day + days
)
SELECT date(spread.day * 86400, 'unixepoch') AS metric_date, 'active_' || size AS metric_category, sum(actors) AS value
FROM spread JOIN report_days USING (day), windows
WHERE counted_day > spread.day - size
GROUP BY spread.day, size;
