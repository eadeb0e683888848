-- A row a metric with its numbers of records, and a row each for the newest run and for the newest that completed (packed,
-- in "run"). $2 is a day; $3 the dates that never were.
WITH newest AS (
    SELECT * FROM metric_collection_log WHERE tenant_id = $1 ORDER BY started_at DESC, id LIMIT 1
),
completed AS (
    SELECT * FROM metric_collection_log
    WHERE tenant_id = $1 AND status = 'completed'
    ORDER BY started_at DESC, id LIMIT 1
)
SELECT metric_type, metric_category, min(metric_date) AS first, max(metric_date) AS last,
    count(*) FILTER (WHERE provenance = 'observed') AS observed,
    count(*) FILTER (WHERE provenance = 'reconstructed') AS reconstructed,
    count(*) FILTER (WHERE provenance = 'corrected') AS corrected,
    count(*) FILTER (WHERE metric_date <= $2 AND metric_date <> ALL ($3)) AS until_day,
    count(*) FILTER (WHERE metric_date = $2) AS of_day,
    NULL AS run
FROM daily_metrics
WHERE tenant_id = $1
GROUP BY metric_category, metric_type
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, /* packed_run.sql */
FROM (SELECT * FROM newest UNION SELECT * FROM completed) AS runs
