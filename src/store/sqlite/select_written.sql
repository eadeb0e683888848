-- Returns the keys of the given records (a JSON array) that are stored with the same run, so were written by it.
-- CROSS JOIN keeps the order of the two: the other way round, the array would be parsed once for every kept record.
SELECT DISTINCT kept.metric_date, kept.metric_type, kept.metric_category
FROM json_each(?2) AS given
CROSS JOIN daily_metrics AS kept
    ON kept.tenant_id = ?1 AND kept.metric_category = given.value ->> 'metric_category'
   AND kept.metric_type = given.value ->> 'metric_type' AND kept.metric_date = given.value ->> 'metric_date'
   AND kept.collection_id = given.value ->> 'collection_id'
