UNION ALL
    SELECT metric_date, value, CASE kind WHEN 'value' THEN 'corrected' ELSE 'withdrawn' END, definition_version, metadata, revision
    FROM revisions_in_force
    WHERE tenant_id = $1 AND metric_category = asked.metric_category AND metric_type = asked.metric_type
      AND metric_date BETWEEN $2 AND $3
