-- The records of a commit, given as a JSON array; those whose key exists are left out. Must run in a transaction that
-- already holds the write lock. Values and metadata are JSON strings in there, so that no digit passes through a float.
INSERT INTO daily_metrics (id, tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance,
                           definition_version, collection_id, collection_timestamp)
SELECT given.value ->> 'id', ?1, given.value ->> 'metric_date', given.value ->> 'metric_type',
       given.value ->> 'metric_category', given.value ->> 'value', given.value ->> 'metadata',
       given.value ->> 'provenance', given.value ->> 'definition_version', given.value ->> 'collection_id',
       given.value ->> 'collection_timestamp'
FROM json_each(?2) AS given
WHERE NOT EXISTS (
    SELECT 1 FROM daily_metrics AS kept
    WHERE kept.tenant_id = ?1 AND kept.metric_category = given.value ->> 'metric_category'
      AND kept.metric_type = given.value ->> 'metric_type' AND kept.metric_date = given.value ->> 'metric_date'
)
