-- Returns the incomplete runs whose days overlap ?2 .. ?3, newest first: the newest ?4 collections of each day, by one index lookup
-- for each day between the first and the last incomplete one, and the overlapping backfills among the newest ?5 incomplete ones.
WITH RECURSIVE logged AS (
    SELECT max(min(collection_date), ?2) AS first, min(max(collection_date), ?3) AS last
    FROM metric_collection_log
    WHERE tenant_id = ?1 AND kind = 'collect' AND status <> 'completed'
),
days (day) AS (
    SELECT first FROM logged WHERE first <= last
    UNION ALL
    SELECT date(day, '+1 day') FROM days, logged WHERE day < last
),
newest (id) AS (
    SELECT id FROM (
        SELECT id, collection_end_date, collection_date
        FROM metric_collection_log
        WHERE tenant_id = ?1 AND kind = 'backfill' AND status <> 'completed'
        ORDER BY started_at DESC
        LIMIT ?5
    )
    WHERE collection_end_date >= ?2 AND collection_date <= ?3
    UNION ALL
    SELECT log.id
    FROM days
    CROSS JOIN metric_collection_log AS log ON log.tenant_id = ?1 AND log.id IN (
        SELECT id
        FROM metric_collection_log
        WHERE tenant_id = ?1 AND kind = 'collect' AND status <> 'completed' AND collection_date = days.day
        ORDER BY started_at DESC
        LIMIT ?4
    )
)
SELECT log.*
FROM newest CROSS JOIN metric_collection_log AS log ON log.tenant_id = ?1 AND log.id = newest.id
ORDER BY log.started_at DESC, log.id
