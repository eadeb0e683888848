-- The fastest hand-written statement for the five counts of one day: the index on created_at answers the half-open ranges of
-- text, and totals are counted. ?1 and ?2 are the bounds of the day.
SELECT 'users_total' AS metric_category, count(*) AS value FROM profiles WHERE created_at < ?2
UNION ALL SELECT 'posts_total', count(*) FROM posts WHERE created_at < ?2
UNION ALL SELECT 'comments_total', count(*) FROM comments WHERE created_at < ?2
UNION ALL SELECT 'posts_created', count(*) FROM posts WHERE created_at >= ?1 AND created_at < ?2
UNION ALL SELECT 'comments_created', count(*) FROM comments WHERE created_at >= ?1 AND created_at < ?2;
