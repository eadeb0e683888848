-- Inserts the records of a commit, except those whose key exists. It inserts in the order of the primary key, so that of two
-- concurrent commits of the same records one waits for the other instead of a deadlock. All records get the same time, which
-- is read after a lock was taken that is held until the transaction ends. A question about what was known at an instant waits while a commit
-- holds this lock. With a simulated clock, the time of a record is that at which its platform was read.
WITH this_commit AS MATERIALIZED (
    SELECT clock_timestamp() AS made_at
    FROM (
        SELECT pg_advisory_xact_lock_shared(hashtextextended('daymark:' || current_schema() || ':' || $1 || ':redactions', 0))
        OFFSET 0
    ) AS locked
)
INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance,
                           definition_version, collection_id, collection_timestamp, created_at)
SELECT $1, given.*, CASE WHEN (SELECT has_real_clock()) THEN this_commit.made_at ELSE collection_timestamp END
FROM UNNEST($2::DATE[], $3::TEXT[], $4::TEXT[], $5::NUMERIC[], $6::JSONB[], $7::TEXT[], $8::INTEGER[], $9::UUID[],
            $10::TIMESTAMPTZ[])
    AS given (metric_date, metric_type, metric_category, value, metadata, provenance, definition_version,
              collection_id, collection_timestamp),
    this_commit
ORDER BY given.metric_category, given.metric_type, given.metric_date
ON CONFLICT (tenant_id, metric_category, metric_type, metric_date) DO NOTHING
