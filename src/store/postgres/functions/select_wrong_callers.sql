-- A sentence for each role of an API that has the privilege to call an installed function and should not have it, or lacks it and should
-- have it. The functions are those of Daymark's schema and, if there is a schema $1 for the API, those of that schema. The search_path is Daymark's schema alone.
WITH functions AS (
    SELECT pg_proc.oid, CASE nspname WHEN current_schema THEN proname ELSE format('%I.%I', nspname, proname) END AS name,
        proname IN ('collect_daily_metrics', 'backfill_daily_metrics') AS is_called, proacl
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE nspname = current_schema AND proname ~ '^(collect_daily_metrics|backfill_daily_metrics|sql_[a-z_]+)$'
       OR nspname = $1 AND proname IN ('collect_daily_metrics', 'backfill_daily_metrics')
),
roles AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')
)
SELECT format('PUBLIC may execute the function %s', name)
FROM functions
WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)
UNION ALL
SELECT format('the role %s may execute the function %s', rolname, name)
FROM functions CROSS JOIN roles
WHERE (NOT is_called OR rolname = 'anon') AND has_function_privilege(roles.oid, functions.oid, 'EXECUTE')
UNION ALL
SELECT format('the role service_role may not execute the function %s', name)
FROM functions JOIN roles ON rolname = 'service_role'
WHERE is_called AND NOT has_function_privilege(roles.oid, functions.oid, 'EXECUTE')
UNION ALL
SELECT format('the role %s has no USAGE privilege on the schema %I', rolname, current_schema)
FROM roles WHERE rolname = 'service_role' AND NOT has_schema_privilege(roles.oid, current_schema, 'USAGE')
ORDER BY 1
