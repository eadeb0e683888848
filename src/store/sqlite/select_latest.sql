-- Returns the newest value of each requested metric (?2, a JSON array), and the metric's values a day, a week and a month before it.
-- The text follows a WITH clause that defines values_in_force; conditions are in WHERE, as SQLite merges a CTE that has an outer join
-- into the statement only there. In SQLite, 31 March minus a month is 31 February, which overflows to 3 March; min(…) with the last day of the
-- previous month corrects that. An average of no rows and a percentage of a denominator of 0 count as no value.
SELECT newest.metric_date, newest.metric_type, newest.metric_category, newest.value, newest.metadata,
    newest.provenance, newest.definition_version, newest.collection_id, newest.collection_timestamp,
    newest.recorded_value, newest.revision,
    (SELECT value FROM values_in_force AS earlier
     WHERE earlier.tenant_id = ?1 AND earlier.metric_category = newest.metric_category
       AND earlier.metric_type = newest.metric_type
       AND earlier.metric_date = date(newest.metric_date, '-1 day')
       AND (CASE WHEN NOT json_valid(earlier.metadata) THEN NULL
                WHEN earlier.metric_type = 'average' THEN earlier.metadata ->> 'sample_size'
                WHEN earlier.metric_type = 'percentage' THEN earlier.metadata ->> 'denominator' END = 0) IS NOT TRUE) AS day_before,
    (SELECT value FROM values_in_force AS earlier
     WHERE earlier.tenant_id = ?1 AND earlier.metric_category = newest.metric_category
       AND earlier.metric_type = newest.metric_type
       AND earlier.metric_date = date(newest.metric_date, '-7 days')
       AND (CASE WHEN NOT json_valid(earlier.metadata) THEN NULL
                WHEN earlier.metric_type = 'average' THEN earlier.metadata ->> 'sample_size'
                WHEN earlier.metric_type = 'percentage' THEN earlier.metadata ->> 'denominator' END = 0) IS NOT TRUE) AS week_before,
    (SELECT value FROM values_in_force AS earlier
     WHERE earlier.tenant_id = ?1 AND earlier.metric_category = newest.metric_category
       AND earlier.metric_type = newest.metric_type
       AND earlier.metric_date = min(date(newest.metric_date, '-1 month'),
                                     date(newest.metric_date, 'start of month', '-1 day'))
       AND (CASE WHEN NOT json_valid(earlier.metadata) THEN NULL
                WHEN earlier.metric_type = 'average' THEN earlier.metadata ->> 'sample_size'
                WHEN earlier.metric_type = 'percentage' THEN earlier.metadata ->> 'denominator' END = 0) IS NOT TRUE) AS month_before,
    (SELECT json_object(
        'verdict', judged.verdict, 'reason', judged.reason, 'expected_low', json(judged.expected_low),
        'expected_high', json(judged.expected_high), 'score', json(judged.score), 'baseline_days', judged.baseline_days,
        'baseline_from', judged.baseline_from, 'baseline_to', judged.baseline_to, 'judge_version', judged.judge_version
    )
     FROM daily_metric_judgements AS judged
     WHERE judged.tenant_id = ?1 AND judged.metric_category = newest.metric_category
       AND judged.metric_type = newest.metric_type AND judged.metric_date = newest.metric_date) AS judgement
FROM json_each(?2) AS asked
CROSS JOIN values_in_force AS newest
WHERE newest.tenant_id = ?1 AND newest.metric_category = asked.value ->> 'metric_category'
   AND newest.metric_type = asked.value ->> 'metric_type'
   AND newest.metric_date = (
       SELECT metric_date FROM values_in_force
       WHERE tenant_id = ?1 AND metric_category = asked.value ->> 'metric_category'
         AND metric_type = asked.value ->> 'metric_type'
       ORDER BY metric_date DESC
       -- Those that could not be read were skipped.
       LIMIT 1 OFFSET ?3
   )
ORDER BY newest.metric_category, newest.metric_type
