-- Returns the newest value of each requested metric, and the metric's values a day, a week and a month before it. The text follows a
-- WITH clause that defines values_in_force. Each
-- metric costs a few lookups in the primary key, independent of the number of its records. By PostgreSQL's rule, a month before
-- 31 March is the last day of February. An average of no rows and a percentage of a denominator of 0 count as no value.
SELECT newest.*,
    (SELECT value::TEXT FROM values_in_force AS earlier
     WHERE earlier.tenant_id = $1 AND earlier.metric_category = newest.metric_category
       AND earlier.metric_type = newest.metric_type AND earlier.metric_date = newest.metric_date - 1
       AND (CASE earlier.metric_type WHEN 'average' THEN earlier.metadata -> 'sample_size'
                WHEN 'percentage' THEN earlier.metadata -> 'denominator' END = '0'::JSONB) IS NOT TRUE) AS day_before,
    (SELECT value::TEXT FROM values_in_force AS earlier
     WHERE earlier.tenant_id = $1 AND earlier.metric_category = newest.metric_category
       AND earlier.metric_type = newest.metric_type AND earlier.metric_date = newest.metric_date - 7
       AND (CASE earlier.metric_type WHEN 'average' THEN earlier.metadata -> 'sample_size'
                WHEN 'percentage' THEN earlier.metadata -> 'denominator' END = '0'::JSONB) IS NOT TRUE) AS week_before,
    (SELECT value::TEXT FROM values_in_force AS earlier
     WHERE earlier.tenant_id = $1 AND earlier.metric_category = newest.metric_category
       AND earlier.metric_type = newest.metric_type
       AND earlier.metric_date = (newest.metric_date - INTERVAL '1 month')::DATE
       AND (CASE earlier.metric_type WHEN 'average' THEN earlier.metadata -> 'sample_size'
                WHEN 'percentage' THEN earlier.metadata -> 'denominator' END = '0'::JSONB) IS NOT TRUE) AS month_before,
    (SELECT json_build_object(
        'verdict', judged.verdict, 'reason', judged.reason, 'expected_low', judged.expected_low,
        'expected_high', judged.expected_high, 'score', judged.score, 'baseline_days', judged.baseline_days,
        'baseline_from', judged.baseline_from, 'baseline_to', judged.baseline_to, 'judge_version', judged.judge_version
    )::TEXT
     FROM daily_metric_judgements AS judged
     WHERE judged.tenant_id = $1 AND judged.metric_category = newest.metric_category
       AND judged.metric_type = newest.metric_type AND judged.metric_date = newest.metric_date) AS judgement
FROM UNNEST($2::TEXT[], $3::TEXT[]) AS asked (metric_type, metric_category)
CROSS JOIN LATERAL (
    SELECT metric_date, metric_type, metric_category, value::TEXT AS value, metadata, provenance, definition_version, collection_id,
           collection_timestamp, recorded_value::TEXT AS recorded_value, revision
    FROM values_in_force
    WHERE tenant_id = $1 AND metric_category = asked.metric_category AND metric_type = asked.metric_type
    ORDER BY metric_date DESC
    -- Those that could not be read were skipped.
    OFFSET $4 LIMIT 1
) AS newest
ORDER BY newest.metric_category, newest.metric_type
