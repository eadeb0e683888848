-- A row a metric, its days packed into a text (store/packed.rs unpacks it). select_open_runs.sql follows. LATERAL walks the
-- primary key once for each metric, in the order of the days.
SELECT asked.place, recorded.days AS packed, recorded.metadata
FROM UNNEST($4::TEXT[], $5::TEXT[], $6::BOOLEAN[])
    WITH ORDINALITY AS asked (metric_type, metric_category, with_metadata, place)
CROSS JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', metric_date - $2::DATE, value, definition_version, provenance), ',') AS days,
           string_agg(metadata::TEXT, ',') FILTER (WHERE asked.with_metadata) AS metadata
    FROM daily_metrics
    WHERE tenant_id = $1 AND metric_category = asked.metric_category AND metric_type = asked.metric_type
      AND metric_date BETWEEN $2 AND $3
) AS recorded
