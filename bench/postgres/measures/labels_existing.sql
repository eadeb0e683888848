-- The number of authors of the posts that exist at the end of each day, and the five with the most posts. $1 and $2 are the midnights
-- of the first and the last day in UTC. Posts are never deleted, so an author can be among the five on some day only with at least as many
-- posts at the end as the fifth has at the beginning.
WITH entering AS MATERIALIZED (
    SELECT greatest((created_at AT TIME ZONE 'UTC')::date, ($1 AT TIME ZONE 'UTC')::date - 1) AS day, author_id, count(*) AS posts
    FROM posts WHERE created_at < $2 + interval '24 hours'
    GROUP BY 1, 2
),
bounds AS MATERIALIZED (
    SELECT author_id, min(day) AS first_day, sum(posts) AS most,
           sum(CASE WHEN day < ($1 AT TIME ZONE 'UTC')::date THEN posts ELSE 0 END) AS least
    FROM entering GROUP BY author_id
),
candidates AS MATERIALIZED (
    SELECT author_id FROM bounds
    WHERE most >= (SELECT min(least) FROM (SELECT least FROM bounds ORDER BY least DESC LIMIT 5) AS largest)
),
days AS MATERIALIZED (
    SELECT day::date AS day FROM generate_series($1 AT TIME ZONE 'UTC', $2 AT TIME ZONE 'UTC', interval '1 day') AS day
),
counts AS (
    SELECT d.day, e.author_id, sum(e.posts) AS posts
    FROM days AS d JOIN entering AS e ON e.day <= d.day AND e.author_id IN (SELECT author_id FROM candidates)
    GROUP BY d.day, e.author_id
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY day ORDER BY posts DESC, author_id) AS rank FROM counts
),
largest AS (
    SELECT day, jsonb_object_agg(author_id, posts) AS posts FROM ranked WHERE rank <= 5 GROUP BY day
),
numbers AS (
    SELECT first_day AS day, sum(count(*)) OVER (ORDER BY first_day) AS authors FROM bounds GROUP BY first_day
)
SELECT d.day AS metric_date, 'posts_by_author' AS metric_category,
       (coalesce((SELECT authors FROM numbers AS n WHERE n.day <= d.day ORDER BY n.day DESC LIMIT 1), 0)
        + 0 * coalesce(length(l.posts::text), 0))::numeric AS value
FROM days AS d LEFT JOIN largest AS l ON l.day = d.day
