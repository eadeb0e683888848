-- Inserts the records of a commit, except those whose key exists. It inserts in the order of the primary key, so that of two
-- concurrent commits of the same records one waits for the other instead of a deadlock. With a simulated clock, a record was made when
-- its platform was read.
INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance,
                           definition_version, collection_id, collection_timestamp, created_at)
SELECT $1, given.*, CASE WHEN (SELECT has_real_clock()) THEN now() ELSE collection_timestamp END
FROM UNNEST($2::DATE[], $3::TEXT[], $4::TEXT[], $5::NUMERIC[], $6::JSONB[], $7::TEXT[], $8::INTEGER[], $9::UUID[],
            $10::TIMESTAMPTZ[])
    AS given (metric_date, metric_type, metric_category, value, metadata, provenance, definition_version,
              collection_id, collection_timestamp)
ORDER BY given.metric_category, given.metric_type, given.metric_date
ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO NOTHING
