-- Returns the newest run and the newest completed run, or one row if they are the same.
SELECT * FROM (SELECT * FROM metric_collection_log WHERE tenant_id = $1 ORDER BY started_at DESC, id LIMIT 1) AS newest
UNION
SELECT * FROM (
    SELECT * FROM metric_collection_log WHERE tenant_id = $1 AND status = 'completed' ORDER BY started_at DESC, id LIMIT 1
) AS completed
