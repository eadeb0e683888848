-- One day's five counts in one statement, as well as they can be written by hand: half-open ranges that the index on
-- created_at answers, totals counted. $1 and $2 are the day's bounds.
SELECT metric_category, value
FROM (VALUES
    ('users_total', (SELECT count(*) FROM profiles WHERE created_at < $2)),
    ('posts_total', (SELECT count(*) FROM posts WHERE created_at < $2)),
    ('comments_total', (SELECT count(*) FROM comments WHERE created_at < $2)),
    ('posts_created', (SELECT count(*) FROM posts WHERE created_at >= $1 AND created_at < $2)),
    ('comments_created', (SELECT count(*) FROM comments WHERE created_at >= $1 AND created_at < $2))
) AS metrics (metric_category, value)
