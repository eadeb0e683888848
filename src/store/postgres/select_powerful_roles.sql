-- Returns one sentence for each power with which a role could get around the triggers and grants that protect the tables, and the
-- statement that takes the power away; NULL if no single statement does. It looks at the roles with a privilege on a table or on the
-- schema and at the present role, but not at the owner. The search_path is Daymark's schema alone.
WITH schema AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE oid = quote_ident(current_schema)::REGNAMESPACE
),
tables AS (
    SELECT relname, relowner, relacl FROM pg_class WHERE relnamespace = (SELECT oid FROM schema) AND relkind IN ('r', 'p')
),
owner AS (
    SELECT relowner AS oid, quote_ident(pg_get_userbyid(relowner)) AS name FROM tables WHERE relname = 'daily_metrics'
),
users AS (
    SELECT pg_roles.oid, quote_ident(rolname) AS name, rolsuper
    FROM pg_roles
    WHERE oid <> (SELECT oid FROM owner) AND (
        oid IN (SELECT grantee FROM tables CROSS JOIN LATERAL aclexplode(relacl))
        OR oid IN (SELECT grantee FROM schema CROSS JOIN LATERAL aclexplode(nspacl))
        OR rolname = current_user
    )
),
granted AS (
    SELECT relname, privilege_type FROM tables CROSS JOIN LATERAL aclexplode(relacl) WHERE grantee = 0
)
SELECT format('the role %s is a superuser: no trigger and no grant keeps it from changing records; connect as a role that is none', name),
    NULL
FROM users
WHERE rolsuper
UNION ALL
SELECT format('the role %s has the privileges of %s, which owns the tables and can disable the triggers that protect them', users.name,
    owner.name),
    CASE WHEN EXISTS (SELECT FROM pg_auth_members WHERE member = users.oid AND roleid = owner.oid)
        THEN format('REVOKE %s FROM %s', owner.name, users.name) END
FROM users CROSS JOIN owner
WHERE NOT rolsuper AND pg_has_role(users.oid, owner.oid, 'USAGE')
UNION ALL
SELECT format('the role %s may create objects in the schema %I, where the functions of Daymark could call them instead of its own', role, nspname),
    format('REVOKE CREATE ON SCHEMA %I FROM %s', nspname, role)
FROM schema
CROSS JOIN LATERAL aclexplode(nspacl)
CROSS JOIN LATERAL (SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role) AS creator
WHERE privilege_type = 'CREATE' AND grantee NOT IN (nspowner, (SELECT oid FROM owner))
UNION ALL
SELECT format('the role %s owns the schema %I, and can drop the tables in it', users.name, nspname),
    format('ALTER SCHEMA %I OWNER TO %s', nspname, owner.name)
FROM users JOIN schema ON nspowner = users.oid CROSS JOIN owner
WHERE NOT rolsuper
UNION ALL
-- The triggers of Daymark also fire under session_replication_role = replica; those of foreign keys do not.
SELECT format('%s has the setting session_replication_role = %s, with which foreign keys are not checked', target, value),
    format('ALTER %s RESET session_replication_role', target)
FROM pg_db_role_setting
CROSS JOIN LATERAL UNNEST(setconfig) AS setting
CROSS JOIN LATERAL substring(setting FROM '^session_replication_role=(.*)$') AS value
CROSS JOIN LATERAL (
    SELECT concat_ws(' IN ', coalesce('ROLE ' || quote_ident(pg_get_userbyid(nullif(setrole, 0))), CASE setdatabase WHEN 0 THEN 'ROLE ALL' END),
        (SELECT 'DATABASE ' || quote_ident(datname) FROM pg_database WHERE oid = setdatabase)) AS target
) AS altered
WHERE (setrole = 0 OR setrole IN (SELECT oid FROM users UNION ALL SELECT oid FROM owner))
  AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND value <> 'origin'
UNION ALL
SELECT format('every role (PUBLIC) has the privilege %s on %I', privilege_type, relname),
    format('REVOKE %s ON %I.%I FROM PUBLIC', privilege_type, current_schema, relname)
FROM granted
WHERE relname IN ('api_keys', 'session_ends', 'metric_collection_log', 'notifications', 'delivery_attempts')
  AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE')
ORDER BY 1
