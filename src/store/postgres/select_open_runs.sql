-- What follows on the days of a series: a row a run that did not complete.
UNION ALL
SELECT NULL, /* packed_run.sql */, NULL
FROM metric_collection_log
WHERE tenant_id = $1 AND status <> 'completed' AND collection_end_date >= $2 AND collection_date <= $3
