-- Returns one sentence for each privilege with which a role could change or delete what is recorded, and the statement that revokes
-- it. EXECUTE on a trigger function is one, because a role could run the function by a trigger on a table of its own. The search_path is
-- Daymark's schema alone.
WITH tables AS (
    SELECT pg_class.oid, relname, relowner, relacl,
        CASE WHEN inhparent IS NULL AND relname !~ '^daily_metrics_[0-9]{4}$' THEN relname ELSE 'daily_metrics' END AS kind
    FROM pg_class
    LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
    WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE AND relkind IN ('r', 'p')
),
privileges AS (
    SELECT relname, kind, relowner, grantee, privilege_type, NULL AS of_column
    FROM tables CROSS JOIN LATERAL aclexplode(relacl)
    UNION ALL
    SELECT relname, kind, relowner, grantee, privilege_type, attname
    FROM tables JOIN pg_attribute ON attrelid = tables.oid CROSS JOIN LATERAL aclexplode(attacl)
),
functions AS (
    SELECT pg_proc.oid, proowner, grantee
    FROM pg_proc CROSS JOIN LATERAL aclexplode(coalesce(proacl, acldefault('f', proowner)))
    WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE AND prorettype = 'trigger'::REGTYPE
)
SELECT format('the role %s has the privilege %s on %s%s', role, privilege_type, relname, '.' || of_column),
    format('REVOKE %s%s ON %I.%I FROM %s', privilege_type, ' (' || quote_ident(of_column) || ')', current_schema, relname, role)
FROM privileges
CROSS JOIN LATERAL (SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role) AS granted
WHERE kind IN ('daily_metrics', 'metric_revisions', 'redactions', 'metric_definition_versions', 'metric_definitions', 'metric_collection_log', 'jobs', 'events',
               'leaders', 'schedule_pauses', 'api_keys', 'store_settings', 'alert_silences')
  AND (privilege_type IN ('DELETE', 'TRUNCATE', 'TRIGGER') AND grantee <> relowner
       -- The owner may delete old events.
       OR privilege_type IN ('DELETE', 'TRUNCATE') AND grantee = relowner AND NOT (kind = 'events' AND privilege_type = 'DELETE')
       OR privilege_type = 'UPDATE' AND kind IN ('daily_metrics', 'metric_revisions', 'redactions', 'events')
       OR privilege_type = 'INSERT' AND kind = 'redactions' AND grantee <> relowner)
UNION ALL
SELECT format('the role %s has the privilege EXECUTE on the trigger function %s', role, oid::REGPROCEDURE),
    format('REVOKE EXECUTE ON FUNCTION %I.%s FROM %s', current_schema, oid::REGPROCEDURE, role)
FROM functions
CROSS JOIN LATERAL (SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role) AS granted
WHERE grantee <> proowner
ORDER BY 1
