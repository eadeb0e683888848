-- The materialized views and foreign tables that are among the named relations or beneath them: what a view reads, and the
-- partitions of a table.
WITH RECURSIVE reached (oid) AS (
    SELECT to_regclass(name)::oid FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL
    UNION
    SELECT next.oid
    FROM reached CROSS JOIN LATERAL (
        SELECT d.refobjid AS oid
        FROM pg_rewrite AS w
        JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
        WHERE w.ev_class = reached.oid
        UNION ALL
        SELECT inhrelid FROM pg_inherits WHERE inhparent = reached.oid
    ) AS next
)
SELECT c.oid::regclass::text AS name, s.srvname::text AS foreign_server
FROM reached JOIN pg_class AS c ON c.oid = reached.oid
LEFT JOIN pg_foreign_table AS f ON f.ftrelid = c.oid
LEFT JOIN pg_foreign_server AS s ON s.oid = f.ftserver
WHERE c.relkind IN ('m', 'f')
ORDER BY 1
