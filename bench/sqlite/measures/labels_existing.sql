-- The number of authors of the posts that exist at the end of each day, and the five with the most posts. ?1 and ?2 are the first and
-- the last day. Posts are never deleted, so an author can be among the five on some day only with at least as many posts at the end as the
-- fifth has at the beginning.
WITH RECURSIVE entering AS MATERIALIZED (
    SELECT max(substr(created_at, 1, 10), date(?1, '-1 day')) AS day, author_id, count(*) AS posts
    FROM posts WHERE created_at < date(?2, '1 day')
    GROUP BY 1, 2
),
bounds AS MATERIALIZED (
    SELECT author_id, min(day) AS first_day, sum(posts) AS most, sum(CASE WHEN day < ?1 THEN posts ELSE 0 END) AS least
    FROM entering GROUP BY author_id
),
candidates AS MATERIALIZED (
    SELECT author_id FROM bounds
    WHERE most >= (SELECT min(least) FROM (SELECT least FROM bounds ORDER BY least DESC LIMIT 5))
),
days (day) AS (SELECT ?1 UNION ALL SELECT date(day, '1 day') FROM days WHERE day < ?2),
counts AS (
    SELECT d.day, e.author_id, sum(e.posts) AS posts
    FROM days AS d JOIN entering AS e ON e.day <= d.day AND e.author_id IN (SELECT author_id FROM candidates)
    GROUP BY d.day, e.author_id
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY day ORDER BY posts DESC, author_id) AS rank FROM counts
),
largest AS (
    SELECT day, json_group_object(author_id, posts) AS posts FROM ranked WHERE rank <= 5 GROUP BY day
),
numbers AS MATERIALIZED (
    SELECT first_day AS day, sum(count(*)) OVER (ORDER BY first_day) AS authors FROM bounds GROUP BY first_day
)
SELECT d.day AS metric_date, 'posts_by_author' AS metric_category,
       coalesce((SELECT authors FROM numbers AS n WHERE n.day <= d.day ORDER BY n.day DESC LIMIT 1), 0)
       + 0 * coalesce(length(l.posts), 0) AS value
FROM days AS d LEFT JOIN largest AS l ON l.day = d.day;
