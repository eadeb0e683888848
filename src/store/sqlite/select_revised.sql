UNION ALL
SELECT asked.key, metric_date, revisions_in_force.value, iif(kind = 'value', 'corrected', 'withdrawn'), definition_version, revision,
       iif(asked.value ->> 'metadata'
           OR (CAST(revisions_in_force.value AS REAL) = 0 AND metric_type IN ('average', 'percentage')), metadata, NULL), NULL
FROM json_each(?4) AS asked
CROSS JOIN revisions_in_force
    ON tenant_id = ?1 AND metric_category = asked.value ->> 'metric_category'
   AND metric_type = asked.value ->> 'metric_type' AND metric_date BETWEEN ?2 AND ?3
