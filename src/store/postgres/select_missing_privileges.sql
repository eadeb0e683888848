-- Returns, in the words of a GRANT, each privilege that a role needs to record and the present one lacks. They are those of
-- docs/quickstart-postgresql.md. The search_path is Daymark's schema alone.
WITH of_tables (privilege, tables) AS (
    VALUES
        ('SELECT', ARRAY(SELECT relname::TEXT FROM pg_class
                         WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE AND relkind IN ('r', 'p')
                           AND relname <> '_sqlx_migrations' AND NOT relispartition)),
        ('INSERT', ARRAY['daily_metrics', 'metric_collection_log', 'jobs', 'events', 'leaders', 'schedule_pauses', 'alert_states',
                         'alert_silences', 'notifications', 'delivery_attempts', 'daily_metric_judgements', 'drift_samples', 'annotations',
                         'session_ends']),
        ('UPDATE', ARRAY['metric_collection_log', 'jobs', 'leaders', 'schedule_pauses', 'alert_states', 'alert_silences',
                         'notifications', 'daily_metric_judgements', 'drift_samples', 'annotations', 'session_ends']),
        ('DELETE', ARRAY['alert_states', 'notifications', 'annotations', 'session_ends'])
)
SELECT format('%s ON %I.%I', privilege, current_schema, name)
FROM of_tables CROSS JOIN LATERAL UNNEST(tables) AS name
WHERE NOT has_table_privilege(name, privilege)
UNION ALL
SELECT format('EXECUTE ON FUNCTION %I.ensure_partition', current_schema)
WHERE NOT has_function_privilege('ensure_partition(integer)', 'EXECUTE')
UNION ALL
SELECT format('UPDATE (last_used_at) ON %I.api_keys', current_schema)
WHERE NOT has_column_privilege('api_keys', 'last_used_at', 'UPDATE')
ORDER BY 1
