-- The fastest hand-written statement for the five counts of one day: the index on created_at answers the half-open ranges, and
-- totals are counted. $1 and $2 are the bounds of the day.
SELECT metric_category, value
FROM (VALUES
    ('users_total', (SELECT count(*) FROM profiles WHERE created_at < $2)),
    ('posts_total', (SELECT count(*) FROM posts WHERE created_at < $2)),
    ('comments_total', (SELECT count(*) FROM comments WHERE created_at < $2)),
    ('posts_created', (SELECT count(*) FROM posts WHERE created_at >= $1 AND created_at < $2)),
    ('comments_created', (SELECT count(*) FROM comments WHERE created_at >= $1 AND created_at < $2))
) AS metrics (metric_category, value)
