-- Returns the incomplete runs whose days overlap $2 .. $3: the newest $4 collections of each day, by one index lookup for each day
-- between the first and the last incomplete one, and the overlapping backfills among the newest $5 incomplete ones.
SELECT recent.*
FROM (
    SELECT min(collection_date) AS first, max(collection_date) AS last
    FROM metric_collection_log
    WHERE tenant_id = $1 AND kind = 'collect' AND status <> 'completed'
) AS logged
CROSS JOIN LATERAL generate_series(
    greatest(first, $2)::TIMESTAMP, least(last, $3)::TIMESTAMP, INTERVAL '1 day'
) AS day
CROSS JOIN LATERAL (
    SELECT *
    FROM metric_collection_log
    WHERE tenant_id = $1 AND kind = 'collect' AND status <> 'completed' AND collection_date = day::DATE
    ORDER BY started_at DESC
    LIMIT $4
) AS recent
WHERE first IS NOT NULL
UNION ALL
SELECT *
FROM (
    SELECT *
    FROM metric_collection_log
    WHERE tenant_id = $1 AND kind = 'backfill' AND status <> 'completed'
    ORDER BY started_at DESC
    LIMIT $5
) AS recent
WHERE collection_end_date >= $2 AND collection_date <= $3
