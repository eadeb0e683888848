-- The fastest hand-written statement for the five counts of many days: one index range for each day and table, and totals as
-- running sums on top of the rows before the range. ?1 and ?2 are the first and the last day.
WITH RECURSIVE days (day, next) AS (
    SELECT date(?1), date(?1, '1 day')
    UNION ALL
    SELECT next, date(next, '1 day') FROM days WHERE next <= ?2
),
profiles_by_day AS MATERIALIZED (
    SELECT day, (SELECT count(*) FROM profiles WHERE created_at >= day AND created_at < next) AS created FROM days
),
posts_by_day AS MATERIALIZED (
    SELECT day, (SELECT count(*) FROM posts WHERE created_at >= day AND created_at < next) AS created FROM days
),
comments_by_day AS MATERIALIZED (
    SELECT day, (SELECT count(*) FROM comments WHERE created_at >= day AND created_at < next) AS created FROM days
)
SELECT day AS metric_date, 'users_total' AS metric_category,
       (SELECT count(*) FROM profiles WHERE created_at < ?1) + sum(created) OVER (ORDER BY day) AS value
FROM profiles_by_day
UNION ALL
SELECT day, 'posts_total', (SELECT count(*) FROM posts WHERE created_at < ?1) + sum(created) OVER (ORDER BY day)
FROM posts_by_day
UNION ALL SELECT day, 'posts_created', created FROM posts_by_day
UNION ALL
SELECT day, 'comments_total', (SELECT count(*) FROM comments WHERE created_at < ?1) + sum(created) OVER (ORDER BY day)
FROM comments_by_day
UNION ALL SELECT day, 'comments_created', created FROM comments_by_day;
