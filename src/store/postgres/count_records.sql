-- Returns the numbers of records of each metric. $2 is a day; $3 is the array of the dates that the time zone skipped.
SELECT metric_type, metric_category, min(metric_date) AS first, max(metric_date) AS last,
    count(*) FILTER (WHERE provenance = 'observed') AS observed,
    count(*) FILTER (WHERE provenance = 'reconstructed') AS reconstructed,
    count(*) FILTER (WHERE metric_date <= $2 AND metric_date <> ALL ($3)) AS until_day,
    count(*) FILTER (WHERE metric_date = $2) AS of_day
FROM daily_metrics
WHERE tenant_id = $1
GROUP BY metric_category, metric_type
