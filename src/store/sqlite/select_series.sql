-- A row for each recorded day of each metric asked, by metric and date. What is asked is a JSON array of objects, whose index
-- is the place. CROSS JOIN keeps the order of the two: each metric is a walk along the primary key.
-- Of an average and a percentage that are 0, the metadata tell whether they are of nothing.
SELECT asked.key AS place, metric_date, values_in_force.value AS value, provenance, definition_version,
       iif(asked.value ->> 'metadata'
           OR (CAST(values_in_force.value AS REAL) = 0 AND metric_type IN ('average', 'percentage')), metadata, NULL) AS metadata
FROM json_each(?4) AS asked
CROSS JOIN values_in_force
    ON tenant_id = ?1 AND metric_category = asked.value ->> 'metric_category'
   AND metric_type = asked.value ->> 'metric_type' AND metric_date BETWEEN ?2 AND ?3
ORDER BY asked.key, metric_date
