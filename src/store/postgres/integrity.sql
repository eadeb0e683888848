-- Returns one sentence for each trigger, grant, constraint or partition that immutability needs and that is missing. The search_path is Daymark's schema alone.
WITH tables AS (
    SELECT pg_class.oid, relname, relowner, relrowsecurity, relacl,
        CASE WHEN inhparent IS NULL THEN relname ELSE 'daily_metrics' END AS kind, inhparent IS NOT NULL AS is_partition
    FROM pg_class
    LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
    WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE AND relkind IN ('r', 'p')
),
expected_tables (kind) AS (
    VALUES ('daily_metrics'), ('metric_definition_versions'), ('metric_definitions'), ('metric_collection_log'), ('jobs'),
           ('events'), ('leaders'), ('schedule_pauses'), ('api_keys'), ('store_settings')
),
expected_triggers (kind, name) AS (
    VALUES ('daily_metrics', 'refuse_update_or_delete'), ('daily_metrics', 'refuse_truncate'), ('daily_metrics', 'refuse_forged'),
           ('metric_definition_versions', 'refuse_update_or_delete'), ('metric_definition_versions', 'refuse_truncate'),
           ('metric_definition_versions', 'refuse_forged'),
           ('metric_definitions', 'refuse_delete'), ('metric_definitions', 'refuse_truncate'),
           ('metric_collection_log', 'refuse_update'), ('metric_collection_log', 'refuse_delete'),
           ('metric_collection_log', 'refuse_truncate'), ('metric_collection_log', 'refuse_forged'),
           ('jobs', 'refuse_update'), ('jobs', 'refuse_delete'), ('jobs', 'refuse_truncate'), ('jobs', 'refuse_forged'),
           ('leaders', 'refuse_delete'), ('leaders', 'refuse_truncate'),
           ('schedule_pauses', 'refuse_update'), ('schedule_pauses', 'refuse_delete'), ('schedule_pauses', 'refuse_truncate'),
           ('events', 'refuse_update_or_delete'), ('events', 'refuse_truncate'), ('events', 'number'),
           ('api_keys', 'refuse_update'), ('api_keys', 'refuse_delete'), ('api_keys', 'refuse_truncate'),
           ('store_settings', 'refuse_update'), ('store_settings', 'refuse_delete'), ('store_settings', 'refuse_truncate')
),
expected_constraints (kind, name) AS (
    VALUES ('daily_metrics', 'date_is_sane'), ('daily_metrics', 'type_is_known'), ('daily_metrics', 'value_is_finite'),
           ('daily_metrics', 'metadata_is_an_object'), ('daily_metrics', 'provenance_is_known'), ('daily_metrics', 'cut_is_sane'),
           ('daily_metrics', 'value_is_not_negative'), ('daily_metrics', 'day_is_finished'),
           ('metric_definition_versions', 'spec_is_an_object'), ('metric_definition_versions', 'spec_is_a_definition'),
           ('metric_definition_versions', 'version_counts_from_one'), ('metric_definition_versions', 'creation_is_sane'),
           ('metric_definitions', 'texts_are_short'), ('metric_definitions', 'creation_is_sane'),
           ('metric_collection_log', 'status_is_known'), ('metric_collection_log', 'dates_are_sane'),
           ('metric_collection_log', 'times_are_sane'), ('metric_collection_log', 'completed_when_not_running'),
           ('metric_collection_log', 'days_are_in_order'), ('jobs', 'status_is_known'), ('jobs', 'times_are_sane'),
           ('leaders', 'times_are_sane'),
           ('schedule_pauses', 'times_are_sane'), ('events', 'kind_is_known'), ('events', 'subject_is_an_object'), ('api_keys', 'times_are_sane'),
           ('api_keys', 'hash_is_sha256'), ('store_settings', 'only_one_row')
)
SELECT format('the table %s is missing', kind) FROM expected_tables WHERE kind NOT IN (SELECT kind FROM tables)
UNION ALL
SELECT format('the trigger %s on %s is %s', name, relname,
    CASE WHEN tgenabled IS NULL THEN 'missing' WHEN tgenabled = 'D' THEN 'disabled' ELSE 'not enabled always' END)
FROM expected_triggers
JOIN tables USING (kind)
LEFT JOIN pg_trigger ON tgrelid = tables.oid AND tgname = name
WHERE tgenabled IS DISTINCT FROM 'A'
UNION ALL
SELECT format('the constraint %s on %s is missing or not validated', name, relname)
FROM expected_constraints
JOIN tables USING (kind)
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = tables.oid AND conname = name AND convalidated)
UNION ALL
SELECT format('%s lacks its foreign keys', relname)
FROM tables
WHERE kind = 'daily_metrics' AND (SELECT count(*) FROM pg_constraint WHERE conrelid = tables.oid AND contype = 'f') < 2
UNION ALL
SELECT format('row level security of %s is off', relname)
FROM tables JOIN expected_tables USING (kind) WHERE NOT relrowsecurity
UNION ALL
SELECT format('%s belongs to %s, and %s to %s', relname, relowner::REGROLE, current_schema, nspowner::REGROLE)
FROM tables
JOIN expected_tables USING (kind)
JOIN pg_namespace ON nspname = current_schema
WHERE is_partition AND relowner <> (SELECT relowner FROM tables WHERE relname = 'daily_metrics')
UNION ALL
SELECT format('the role %s has the privilege %s on %s',
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::TEXT END, privilege_type, relname)
FROM tables
JOIN expected_tables USING (kind)
CROSS JOIN LATERAL aclexplode(relacl)
WHERE privilege_type IN ('DELETE', 'TRUNCATE', 'TRIGGER') AND grantee <> relowner
   OR privilege_type IN ('DELETE', 'TRUNCATE') AND grantee = relowner
   OR privilege_type = 'UPDATE' AND kind IN ('daily_metrics', 'events')
ORDER BY 1
