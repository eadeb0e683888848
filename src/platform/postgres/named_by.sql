-- The rest of a WITH clause, after the statement that is analysed. Returns the relations that the transaction has locked, without
-- those of the catalog and those that a locked view reads, and pg_locks, whose lock shows that locks are listed at all.
locked AS (
    SELECT c.oid, c.relkind, n.nspname, c.relname
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE l.pid = pg_catalog.pg_backend_pid()
      AND l.locktype = 'relation'
      AND l.database IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (n.nspname <> 'pg_catalog' OR c.relname = 'pg_locks')
),
read_by_views AS (
    SELECT d.refobjid AS oid
    FROM locked AS v
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid
    JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> v.oid
    WHERE v.relkind = 'v'
)
SELECT DISTINCT pg_catalog.format('"%s"."%s"', replace(nspname, '"', '""'), replace(relname, '"', '""'))
FROM locked
WHERE oid NOT IN (SELECT oid FROM read_by_views)
