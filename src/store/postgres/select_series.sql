-- Returns a row for each recorded day of each requested metric, ordered by metric and date. LATERAL scans the primary key once for
-- each metric, in the order of the days. For an average or percentage of 0, the metadata show whether it is of no rows.
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
