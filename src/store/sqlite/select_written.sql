-- Returns those of the given keys (?2, a JSON array) whose stored record is of the given run, which therefore wrote it.
-- CROSS JOIN fixes the join order: in the other order, SQLite would parse the array once for every stored record.
SELECT DISTINCT kept.metric_date, kept.metric_type, kept.metric_category
FROM json_each(?2) AS given
CROSS JOIN daily_metrics AS kept
    ON kept.tenant_id = ?1 AND kept.metric_category = given.value ->> 'metric_category'
   AND kept.metric_type = given.value ->> 'metric_type' AND kept.metric_date = given.value ->> 'metric_date'
   AND kept.collection_id = given.value ->> 'collection_id'
