-- The materialized views, foreign tables and tables of a subscription that are among the named relations ($1) or beneath them: what
-- a view reads, and the partitions of a table. Of a subscription, up to when its origin's changes are applied: its worker applies one
-- message after the other, and notes the time of the last one that said that nothing more is to come. Relations that the user answers for ($2) are left out with all that is beneath them.
WITH RECURSIVE assumed_fresh AS (
    SELECT c.oid
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY ($2::text[]) OR c.oid::regclass::text = ANY ($2::text[])
),
reached (oid) AS (
    SELECT named.oid
    FROM (
        -- to_regclass would raise an error for a schema without USAGE, which a view of another owner may read all the same. It is
        -- called for names without a schema only.
        SELECT coalesce(
            (
                SELECT c.oid
                FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')) = name
            ),
            CASE WHEN name ~ '^"([^"]|"")*"$' THEN to_regclass(name)::oid END
        ) AS oid
        FROM unnest($1::text[]) AS name
    ) AS named
    WHERE named.oid IS NOT NULL AND named.oid NOT IN (SELECT oid FROM assumed_fresh)
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
    WHERE next.oid NOT IN (SELECT oid FROM assumed_fresh)
)
SELECT c.oid::regclass::text AS name,
       s.srvname::text AS foreign_server,
       applied.subname::text AS subscription,
       r.srsubstate = 'r' AS is_synchronized,
       extract(epoch FROM applied.until)::text AS applied_until
FROM reached JOIN pg_class AS c ON c.oid = reached.oid
LEFT JOIN pg_foreign_table AS f ON f.ftrelid = c.oid
LEFT JOIN pg_foreign_server AS s ON s.oid = f.ftserver
LEFT JOIN pg_subscription_rel AS r ON r.srrelid = c.oid
LEFT JOIN LATERAL (
    -- A row with a relation is of a worker that makes the first copy of that table.
    SELECT subname, max(latest_end_time) FILTER (WHERE pid IS NOT NULL AND relid IS NULL) AS until
    FROM pg_stat_subscription WHERE subid = r.srsubid
    GROUP BY subname
) AS applied ON TRUE
WHERE c.relkind IN ('m', 'f') OR r.srsubid IS NOT NULL
ORDER BY 1
