-- A row a metric, its days packed into a text (store/packed.rs unpacks it), and a row a run that did not complete.
-- What is asked is a JSON array of objects.
SELECT asked.key AS place,
    (SELECT group_concat(
                CAST(julianday(metric_date) - julianday(?2) AS INTEGER) || ' ' || value || ' ' || definition_version
                    || ' ' || provenance,
                ',' ORDER BY metric_date)
     FROM daily_metrics
     WHERE tenant_id = ?1 AND metric_category = asked.value ->> 'metric_category'
       AND metric_type = asked.value ->> 'metric_type' AND metric_date BETWEEN ?2 AND ?3) AS packed,
    CASE WHEN asked.value ->> 'metadata' THEN
        (SELECT group_concat(metadata, ',' ORDER BY metric_date)
         FROM daily_metrics
         WHERE tenant_id = ?1 AND metric_category = asked.value ->> 'metric_category'
           AND metric_type = asked.value ->> 'metric_type' AND metric_date BETWEEN ?2 AND ?3)
    END AS metadata
FROM json_each(?4) AS asked
UNION ALL
SELECT NULL, /* packed_run.sql */, NULL
FROM metric_collection_log
WHERE tenant_id = ?1 AND status <> 'completed' AND collection_end_date >= ?2 AND collection_date <= ?3
