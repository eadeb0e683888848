-- The median and the 95th percentile of a column on each day, as PostgreSQL's percentile_cont defines them. ?1 and ?2 are the first
-- and the last day.
WITH ranked AS MATERIALIZED (
    SELECT substr(created_at, 1, 10) AS day, duration_seconds AS value,
           row_number() OVER (PARTITION BY substr(created_at, 1, 10) ORDER BY duration_seconds) - 1 AS place,
           count(*) OVER (PARTITION BY substr(created_at, 1, 10)) AS size
    FROM posts WHERE created_at >= ?1 AND created_at < date(?2, '1 day') AND duration_seconds IS NOT NULL
),
shares (name, share) AS (VALUES ('median_seconds', 50), ('high_seconds', 95))
SELECT day AS metric_date, name AS metric_category,
       round(min(value) + (max(value) - min(value)) * (share * (size - 1) % 100) / 100.0, 6) AS value
FROM ranked, shares
WHERE place IN (share * (size - 1) / 100, (share * (size - 1) + 99) / 100)
GROUP BY day, name;
