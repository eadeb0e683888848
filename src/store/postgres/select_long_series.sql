-- The rows of select_series.sql for a range of many days, most of which lie in months that are packed. What remains of each
-- metric's days is some stretches of them, most often one at either end. Metadata are in no packed month: a metric whose are
-- wanted has one stretch. The BETWEEN says nothing new; by it the partitions of other years are left out before anything is
-- read.
WITH asked AS (
    SELECT *
    FROM UNNEST($4::TEXT[], $5::TEXT[], $6::BOOLEAN[])
        WITH ORDINALITY AS asked (metric_type, metric_category, with_metadata, place)
),
-- Months that lie in the range with all their days.
packed AS (
    SELECT asked.*, month, days
    FROM asked
    CROSS JOIN LATERAL (
        SELECT month, days
        FROM daily_metric_months
        WHERE tenant_id = $1 AND metric_category = asked.metric_category AND metric_type = asked.metric_type
          AND month >= $2 AND month < date_trunc('month', ($3 + 1)::TIMESTAMP)::DATE AND NOT asked.with_metadata
    ) AS whole
),
-- A stretch begins with the range or after a packed month, and ends before the next one or with the range.
stretches AS (
    SELECT *, lead(month, 1, $3 + 1) OVER (PARTITION BY place ORDER BY month) AS before
    FROM (
        SELECT asked.*, '-infinity'::DATE AS month, $2 AS since FROM asked
        UNION ALL
        SELECT metric_type, metric_category, with_metadata, place, month, (month + INTERVAL '1 month')::DATE FROM packed
    ) AS beginnings
)
SELECT place, string_agg(days, ',' ORDER BY since) AS packed, string_agg(metadata, ',') AS metadata
FROM (
    SELECT place, month AS since, days, NULL AS metadata FROM packed
    UNION ALL
    SELECT place, since, recorded.days, recorded.metadata
    FROM stretches
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(' ', metric_date - DATE '2000-01-01', value, definition_version, provenance), ',') AS days,
               string_agg(metadata::TEXT, ',') FILTER (WHERE stretches.with_metadata) AS metadata
        FROM daily_metrics
        WHERE tenant_id = $1 AND metric_category = stretches.metric_category AND metric_type = stretches.metric_type
          AND metric_date >= since AND metric_date < before AND metric_date BETWEEN $2 AND $3
    ) AS recorded
    WHERE since < before
) AS pieces
GROUP BY place
