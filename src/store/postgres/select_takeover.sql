-- Returns the statements that give the present role, which owns the restored tables, the privileges that the role $1 has on them, and that
-- revoke these privileges from the role $1. A table without granted privileges keeps the default ones. The search_path is Daymark's
-- schema alone.
WITH tables AS (
    SELECT oid::REGCLASS AS target, relacl
    FROM pg_class
    WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE AND relkind IN ('r', 'p') AND relacl IS NOT NULL
),
granted AS (
    SELECT target, (
        SELECT string_agg(privilege_type, ', ') FROM aclexplode(relacl) WHERE pg_get_userbyid(grantee) = $1
    ) AS privileges
    FROM tables
)
SELECT statement
FROM granted
CROSS JOIN LATERAL (VALUES
    (format('REVOKE ALL ON TABLE %s FROM %I', target, current_user)),
    (format('GRANT %s ON TABLE %s TO %I', privileges, target, current_user)),
    (format('REVOKE ALL ON TABLE %s FROM %I', target, $1))
) AS made (statement)
WHERE current_user <> $1 AND privileges IS NOT NULL
