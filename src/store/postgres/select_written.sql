-- Returns those of the given keys whose stored record is of the given run. The range of dates lets the planner prune the
-- partitions of other years.
SELECT DISTINCT metric_date, metric_type, metric_category
FROM UNNEST($2::DATE[], $3::TEXT[], $4::TEXT[], $5::UUID[])
    AS given (metric_date, metric_type, metric_category, collection_id)
JOIN daily_metrics USING (metric_date, metric_type, metric_category, collection_id)
WHERE tenant_id = $1 AND metric_date BETWEEN $6 AND $7
