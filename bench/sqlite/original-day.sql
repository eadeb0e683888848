-- The baseline of the benchmark: one statement for each of the five counts, which casts the time of every row to a date, as
-- platforms commonly count. ?1 is the day.
SELECT 'users_total' AS metric_category, count(*) AS value FROM profiles WHERE date(created_at) <= ?1;
SELECT 'posts_total', count(*) FROM posts WHERE date(created_at) <= ?1;
SELECT 'comments_total', count(*) FROM comments WHERE date(created_at) <= ?1;
SELECT 'posts_created', count(*) FROM posts WHERE date(created_at) = ?1;
SELECT 'comments_created', count(*) FROM comments WHERE date(created_at) = ?1;
