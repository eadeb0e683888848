-- Returns the numbers of records of each metric. The statement scans all records once, in the order of the primary key; its
-- subqueries are lookups in the key. ?2 is a day; ?3 is a JSON array of the dates that the time zone skipped.
WITH counted AS (
    SELECT metric_category, metric_type, count(*) AS records, sum(provenance = 'observed') AS observed
    FROM daily_metrics
    WHERE tenant_id = ?1
    GROUP BY metric_category, metric_type
)
SELECT metric_type, metric_category, observed, records - observed AS reconstructed,
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
    ) AS of_day
FROM counted
