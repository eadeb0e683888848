-- Returns a row for each recorded day of each requested metric, ordered by metric and date. ?4 is a JSON array of one object for
-- each metric; "place" is its index. CROSS JOIN fixes the join order, so that each metric is one scan of the primary key.
-- A row of the revision in force of the day follows that of the record, if there is one. For an average or percentage of 0, the
-- metadata show whether it is of no rows.
SELECT asked.key AS place, metric_date, daily_metrics.value AS value, provenance, definition_version, NULL AS revision,
       iif(asked.value ->> 'metadata'
           OR (CAST(daily_metrics.value AS REAL) = 0 AND metric_type IN ('average', 'percentage')), metadata, NULL) AS metadata,
       iif(asked.value ->> 'judgement', (
           SELECT json_object(
               'verdict', judged.verdict, 'reason', judged.reason, 'expected_low', json(judged.expected_low),
               'expected_high', json(judged.expected_high), 'score', json(judged.score), 'baseline_days', judged.baseline_days,
               'baseline_from', judged.baseline_from, 'baseline_to', judged.baseline_to, 'judge_version', judged.judge_version
           )
           FROM daily_metric_judgements AS judged
           WHERE judged.tenant_id = ?1 AND judged.metric_category = daily_metrics.metric_category
             AND judged.metric_type = daily_metrics.metric_type AND judged.metric_date = daily_metrics.metric_date
       ), NULL) AS judgement
FROM json_each(?4) AS asked
CROSS JOIN daily_metrics
    ON tenant_id = ?1 AND metric_category = asked.value ->> 'metric_category'
   AND metric_type = asked.value ->> 'metric_type' AND metric_date BETWEEN ?2 AND ?3 /* recorded until */
/* revised */
ORDER BY place, metric_date, revision
