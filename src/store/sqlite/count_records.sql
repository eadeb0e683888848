-- Returns the numbers of records of each metric. The statement scans all records once, in the order of the primary key; its
-- subqueries are lookups in the key. ?2 is a day; ?3 is a JSON array of the dates that the time zone skipped. The text continues
-- a WITH clause that defines values_in_force.
, counted AS (
    SELECT metric_category, metric_type, count(*) AS records, sum(provenance = 'observed') AS observed,
        sum(provenance = 'corrected') AS corrected
    FROM values_in_force
    WHERE tenant_id = ?1
    GROUP BY metric_category, metric_type
)
SELECT metric_type, metric_category, observed, records - observed - corrected AS reconstructed, corrected,
    (SELECT min(metric_date) FROM values_in_force AS of_metric
     WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
       AND of_metric.metric_type = counted.metric_type) AS first,
    (SELECT max(metric_date) FROM values_in_force AS of_metric
     WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
       AND of_metric.metric_type = counted.metric_type) AS last,
    records - (
        SELECT count(*) FROM values_in_force AS of_metric
        WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
          AND of_metric.metric_type = counted.metric_type AND metric_date > ?2
    ) - (
        SELECT count(*) FROM values_in_force AS of_metric
        WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
          AND of_metric.metric_type = counted.metric_type AND metric_date <= ?2
          AND metric_date IN (SELECT value FROM json_each(?3))
    ) AS until_day,
    EXISTS (
        SELECT 1 FROM values_in_force AS of_metric
        WHERE tenant_id = ?1 AND of_metric.metric_category = counted.metric_category
          AND of_metric.metric_type = counted.metric_type AND metric_date = ?2
    ) AS of_day
FROM counted
