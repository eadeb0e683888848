-- A row a metric, its days packed into a text (store/series.rs unpacks it), and a row a run that did not complete.
-- LATERAL walks the primary key once for each metric, in the order of the days. A run is alive while somebody holds the
-- lock whose key lock.rs makes. The lock of a dead one is shared with others that look until the statement ends. (To look
-- into pg_locks takes nothing, but makes the plan of every statement 50 µs slower to start.)
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
UNION ALL
SELECT NULL, json_build_object(
           'id', id, 'kind', kind, 'from', collection_date, 'to', collection_end_date, 'started_at', started_at,
           'completed_at', completed_at, 'status', status, 'metrics_collected', metrics_collected,
           'error_message', error_message, 'error_details', error_details, 'host', host, 'process_id', process_id,
           'is_alive', CASE WHEN status = 'running' THEN NOT pg_try_advisory_xact_lock_shared(hashtextextended(
               'daymark:' || $7 || ':' || $1 || ':' || CASE kind
                   WHEN 'collect' THEN 'day-' || to_char(collection_date, 'YYYY-MM-DD') ELSE kind END, 0
           )) ELSE FALSE END
       )::TEXT, NULL
FROM metric_collection_log
WHERE tenant_id = $1 AND status <> 'completed' AND collection_end_date >= $2 AND collection_date <= $3
