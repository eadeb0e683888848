-- A sentence for each role of an API that may call the installed functions and should not, or should and may not. The search_path
-- is Daymark's schema alone.
WITH functions AS (
    SELECT oid, proname, proname IN ('collect_daily_metrics', 'backfill_daily_metrics') AS is_called, proacl, proowner
    FROM pg_proc
    WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE
      AND proname ~ '^(collect_daily_metrics|backfill_daily_metrics|sql_[a-z_]+)$'
),
roles AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')
)
SELECT format('PUBLIC may execute the function %s', proname)
FROM functions
WHERE proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0)
UNION ALL
SELECT format('the role %s may execute the function %s', rolname, proname)
FROM functions CROSS JOIN roles
WHERE (NOT is_called OR rolname = 'anon') AND has_function_privilege(roles.oid, functions.oid, 'EXECUTE')
UNION ALL
SELECT format('the role service_role may not execute the function %s', proname)
FROM functions JOIN roles ON rolname = 'service_role'
WHERE is_called AND NOT has_function_privilege(roles.oid, functions.oid, 'EXECUTE')
UNION ALL
SELECT format('the role %s has no USAGE privilege on the schema %I', rolname, current_schema)
FROM roles WHERE rolname = 'service_role' AND NOT has_schema_privilege(roles.oid, current_schema, 'USAGE')
ORDER BY 1
