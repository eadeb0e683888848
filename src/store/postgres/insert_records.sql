-- The records of a commit; those whose key exists are left out. In the order of the primary key, so that two commits
-- of the same records wait for each other rather than deadlock.
INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance,
                           definition_version, collection_id, collection_timestamp)
SELECT $1, given.*
FROM UNNEST($2::DATE[], $3::TEXT[], $4::TEXT[], $5::NUMERIC[], $6::JSONB[], $7::TEXT[], $8::INTEGER[], $9::UUID[],
            $10::TIMESTAMPTZ[])
    AS given (metric_date, metric_type, metric_category, value, metadata, provenance, definition_version,
              collection_id, collection_timestamp)
ORDER BY given.metric_category, given.metric_type, given.metric_date
ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO NOTHING
