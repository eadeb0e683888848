-- Returns the privileges of the role that a query can use even in a read-only transaction. A superuser has every predefined role;
-- a member of a role can assume it (set_config('role', …)).
SELECT 'superuser' FROM pg_roles WHERE rolname = current_user AND rolsuper
UNION ALL
SELECT dangerous.rolname::text
FROM pg_roles AS dangerous JOIN pg_roles AS own ON own.rolname = current_user
WHERE dangerous.rolname IN
          ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_signal_backend')
  AND NOT own.rolsuper AND pg_has_role(own.oid, dangerous.oid, 'MEMBER')
ORDER BY 1
