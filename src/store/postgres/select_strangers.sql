-- Returns the first ten relations, functions and types of the schema $1 that Daymark did not create.
WITH named AS (
    SELECT relname::TEXT AS name, 'the relation ' || relname AS what
    FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind NOT IN ('i', 'I', 't')
      AND relname !~ '^(daily_metrics(_[0-9]{4})?|metric_definitions|metric_definition_versions|metric_collection_log|jobs|events|leaders|schedule_pauses|annotations|api_keys|session_ends|store_settings|alert_states|alert_silences|notifications|delivery_attempts|daily_metric_judgements|drift_samples|metric_revisions|redactions|_sqlx_migrations)$'
    UNION ALL
    SELECT proname::TEXT, 'the function ' || proname
    FROM pg_proc
    WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
      AND proname NOT IN (
          'refuse_change', 'has_real_clock', 'day_has_ended', 'refuse_other_settings', 'refuse_forged_run', 'holds_lock_of',
          'refuse_unless_finishing', 'refuse_forged_records', 'refuse_version_out_of_turn', 'refuse_forged_job', 'number_event',
          'refuse_unless_forwards', 'refuse_unless_resuming', 'refuse_unless_ending', 'keep_authorship', 'refuse_other_time',
          'number_revision', 'forget_judgements', 'named_labels', 'names_label', 'redacted_metadata', 'without_redacted_labels',
          'is_redacted_text', 'is_redaction', 'refuse_unless_redacting', 'sign_redaction', 'redact_label',
          'refuse_unless_old_event', 'delete_old_events', 'refuse_other_revision', 'number_notification',
          'restrict_privileges', 'secure_rows', 'ensure_partition', 'refuse_other_key',
          'caller_is_admin', 'own_tables', 'own_functions', 'grant_api_roles', 'notify_change'
      )
      -- Those of `daymark sql install`.
      AND proname !~ '^(collect_daily_metrics|backfill_daily_metrics|sql_[a-z_]+)$'
    UNION ALL
    SELECT typname::TEXT, 'the type ' || typname
    FROM pg_type
    WHERE typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND typtype IN ('d', 'e', 'r')
    UNION ALL
    -- Without Daymark's migration log, a table with one of Daymark's names was created by another program.
    SELECT relname::TEXT, 'the table ' || relname || ', which Daymark did not create'
    FROM pg_class
    WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind IN ('r', 'p')
      AND NOT EXISTS (
          SELECT FROM pg_class AS bookkeeping
          WHERE bookkeeping.relnamespace = pg_class.relnamespace AND bookkeeping.relname = '_sqlx_migrations'
      )
)
SELECT DISTINCT what FROM named ORDER BY what LIMIT 10
