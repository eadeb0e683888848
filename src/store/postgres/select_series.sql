-- A row for each recorded day of each metric asked, by metric and date. LATERAL walks the primary key once for each metric,
-- in the order of the days. Of an average and a percentage that are 0, the metadata tell whether they are of nothing.
SELECT asked.place - 1 AS place, recorded.metric_date, recorded.value::TEXT AS value, recorded.provenance,
       recorded.definition_version,
       CASE WHEN asked.with_metadata OR (recorded.value = 0 AND asked.metric_type IN ('average', 'percentage'))
            THEN recorded.metadata END AS metadata
FROM UNNEST($4::TEXT[], $5::TEXT[], $6::BOOLEAN[])
    WITH ORDINALITY AS asked (metric_type, metric_category, with_metadata, place)
CROSS JOIN LATERAL (
    SELECT metric_date, value, provenance, definition_version, metadata
    FROM values_in_force
    WHERE tenant_id = $1 AND metric_category = asked.metric_category AND metric_type = asked.metric_type
      AND metric_date BETWEEN $2 AND $3
) AS recorded
ORDER BY asked.place, recorded.metric_date
