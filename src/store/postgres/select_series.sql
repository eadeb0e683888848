-- Returns a row for each recorded day of each requested metric, ordered by metric and date. A row of the revision in force of the
-- day follows it, if there is one. LATERAL scans the primary key of both tables once for each metric, in the order of the days, so
-- that metrics without revisions cost what they would without that table; OFFSET 0 keeps the planner from reading all records of
-- the days and joining them to the metrics instead. For an average or percentage of 0, the metadata show
-- whether it is of no rows.
SELECT asked.place - 1 AS place, recorded.metric_date, recorded.value::TEXT AS value, recorded.provenance,
       recorded.definition_version, recorded.revision,
       CASE WHEN asked.with_metadata OR (recorded.value = 0 AND asked.metric_type IN ('average', 'percentage'))
            THEN recorded.metadata END AS metadata,
       CASE WHEN asked.with_judgement AND recorded.revision IS NULL THEN (
           SELECT json_build_object(
               'verdict', judged.verdict, 'reason', judged.reason, 'expected_low', judged.expected_low,
               'expected_high', judged.expected_high, 'score', judged.score, 'baseline_days', judged.baseline_days,
               'baseline_from', judged.baseline_from, 'baseline_to', judged.baseline_to, 'judge_version', judged.judge_version
           )::TEXT
           FROM daily_metric_judgements AS judged
           WHERE judged.tenant_id = $1 AND judged.metric_category = asked.metric_category AND judged.metric_type = asked.metric_type
             AND judged.metric_date = recorded.metric_date
       ) END AS judgement
FROM UNNEST($4::TEXT[], $5::TEXT[], $6::BOOLEAN[], $7::BOOLEAN[])
    WITH ORDINALITY AS asked (metric_type, metric_category, with_metadata, with_judgement, place)
CROSS JOIN LATERAL (
    SELECT metric_date, value, provenance, definition_version, metadata, NULL::INTEGER AS revision
    FROM daily_metrics
    WHERE tenant_id = $1 AND metric_category = asked.metric_category AND metric_type = asked.metric_type
      AND metric_date BETWEEN $2 AND $3 /* recorded until */
    /* revised */
    OFFSET 0
) AS recorded
ORDER BY asked.place, recorded.metric_date, recorded.revision NULLS FIRST
