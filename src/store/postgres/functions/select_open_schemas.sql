-- The first schema of $1 in which PUBLIC or a role of an API may create objects, and that role.
SELECT nspname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::TEXT END
FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl)
WHERE nspname = ANY ($1) AND privilege_type = 'CREATE'
  AND (grantee = 0 OR pg_get_userbyid(grantee) IN ('anon', 'authenticated', 'service_role'))
ORDER BY 1, 2
LIMIT 1
