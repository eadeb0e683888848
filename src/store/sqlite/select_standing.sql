-- A row a metric with its numbers of records, and a row each for the newest run and for the newest that completed (packed,
-- in "run"). Every record is looked at once, in the order of the primary key, and as little as can be is done with it:
-- the rest are descents into the key. ?2 is a day; ?3 the dates that never were, as a JSON array.
WITH counted AS (
    SELECT metric_category, metric_type, count(*) AS records, sum(provenance = 'observed') AS observed,
        sum(provenance = 'corrected') AS corrected
    FROM daily_metrics
    WHERE tenant_id = ?1
    GROUP BY metric_category, metric_type
),
newest AS (
    SELECT * FROM metric_collection_log WHERE tenant_id = ?1 ORDER BY started_at DESC, id LIMIT 1
),
completed AS (
    SELECT * FROM metric_collection_log
    WHERE tenant_id = ?1 AND status = 'completed'
    ORDER BY started_at DESC, id LIMIT 1
)
SELECT metric_type, metric_category, observed, records - observed - corrected AS reconstructed, corrected,
    (SELECT min(metric_date) FROM daily_metrics AS of_metric
     WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
       AND of_metric.metric_type = counted.metric_type) AS first,
    (SELECT max(metric_date) FROM daily_metrics AS of_metric
     WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
       AND of_metric.metric_type = counted.metric_type) AS last,
    records - (
        SELECT count(*) FROM daily_metrics AS of_metric
        WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
          AND of_metric.metric_type = counted.metric_type AND metric_date > ?2
    ) - (
        SELECT count(*) FROM daily_metrics AS of_metric
        WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
          AND of_metric.metric_type = counted.metric_type AND metric_date <= ?2
          AND metric_date IN (SELECT value FROM json_each(?3))
    ) AS until_day,
    EXISTS (
        SELECT 1 FROM daily_metrics AS of_metric
        WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
          AND of_metric.metric_type = counted.metric_type AND metric_date = ?2
    ) AS of_day,
    NULL AS run
FROM counted
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, /* packed_run.sql */
FROM (SELECT * FROM newest UNION SELECT * FROM completed)
