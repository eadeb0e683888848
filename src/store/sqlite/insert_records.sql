-- Inserts the records of a commit, except those whose key exists. The VALUES are in the order of the columns below. The statement
-- must run in a transaction that holds the write lock. Values are text, so that no digit passes through a float. With a
-- simulated clock, a record was made when its platform was read.
INSERT INTO daily_metrics (id, tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance,
                           definition_version, collection_id, collection_timestamp, created_at)
SELECT *, iif((SELECT simulated_clock FROM store_settings), column11, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
FROM (/* rows */) AS given
WHERE NOT EXISTS (
    SELECT 1 FROM daily_metrics AS kept
    WHERE kept.tenant_id = given.column2 AND kept.metric_date = given.column3 AND kept.metric_type = given.column4
      AND kept.metric_category = given.column5
)
