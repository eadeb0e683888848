-- The fastest hand-written statement for the distinct actors of three tables in windows of 1, 7 and 30 days that end with each
-- day. The distinct pairs of day and actor are read once. A pair counts from its day until the
-- window is over or the actor's next active day begins. Pairs are therefore counted by day and by the days until the
-- next active day (30 at most), which makes few groups, and all windows are sums over these. $1 and $2 are the midnights
-- of the first and the last day in UTC.
WITH pairs AS (
    SELECT DISTINCT actor, (created_at AT TIME ZONE 'UTC')::date AS day
    FROM (
        SELECT author_id AS actor, created_at FROM posts
        WHERE created_at >= $1 - interval '29 days' AND created_at < $2 + interval '1 day'
        UNION ALL
        SELECT author_id, created_at FROM comments
        WHERE created_at >= $1 - interval '29 days' AND created_at < $2 + interval '1 day'
        UNION ALL
        SELECT id, created_at FROM profiles
        WHERE created_at >= $1 - interval '29 days' AND created_at < $2 + interval '1 day'
    ) AS activity
),
until_next AS (
    SELECT day, least(30, coalesce(lead(day) OVER (PARTITION BY actor ORDER BY day) - day, 30)) AS days FROM pairs
),
counted AS MATERIALIZED (
    SELECT day, days, count(*) AS actors FROM until_next GROUP BY day, days
),
report_days AS (
    SELECT ($1 AT TIME ZONE 'UTC')::date + number AS day
    FROM generate_series(0, ($2 AT TIME ZONE 'UTC')::date - ($1 AT TIME ZONE 'UTC')::date) AS number
)
SELECT report_days.day AS metric_date, 'active_' || size AS metric_category, sum(actors)::numeric AS value
FROM (VALUES (1), (7), (30)) AS windows (size), report_days, counted
WHERE counted.day > report_days.day - size AND counted.day <= report_days.day
  AND counted.day + counted.days > report_days.day
GROUP BY report_days.day, size
