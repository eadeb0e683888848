-- What an operator who installs the functions should know, a sentence each.
WITH roles AS (
    SELECT rolname FROM pg_roles WHERE rolname IN ('authenticated', 'service_role')
),
admins AS (
    SELECT EXISTS (
        SELECT FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'public' AND relname = 'profiles' AND attname = 'is_admin'
    ) AS has_column,
    (
        SELECT has_schema_privilege(nsp.oid, 'USAGE') AND has_function_privilege(proc.oid, 'EXECUTE')
        FROM pg_proc AS proc JOIN pg_namespace AS nsp ON nsp.oid = pronamespace
        WHERE nspname = 'auth' AND proname = 'uid' AND pronargs = 0
    ) AS may_ask
)
SELECT 'There is no role service_role, so no client of an API can call them; run `daymark sql install` again when there is one.'
WHERE NOT EXISTS (SELECT FROM roles WHERE rolname = 'service_role')
UNION ALL
SELECT 'No authenticated user can call them, because the platform has no column public.profiles.is_admin.'
FROM admins WHERE NOT has_column AND EXISTS (SELECT FROM roles WHERE rolname = 'authenticated')
UNION ALL
SELECT format('No authenticated user can call them, because the role %s may not call auth.uid(): run '
    'GRANT USAGE ON SCHEMA auth TO %1$I; GRANT EXECUTE ON FUNCTION auth.uid() TO %1$I;', current_user)
FROM admins WHERE has_column AND may_ask IS FALSE
