-- The objects that are among the named relations ($1) or beneath them (what a view reads, the partitions of a table) and whose state may
-- be older than the snapshot: materialized views, foreign tables, tables of a subscription, continuous aggregates of TimescaleDB, and
-- views that read another server through a function of the extension dblink. Each comes with the named relation that leads to it.
-- Relations that the user answers for ($2) are left out with all that is beneath them.
--
-- pg_stat_subscription does not show up to when a subscription has applied the changes of its origin: the origin's keepalive
-- messages move latest_end_lsn and latest_end_time past transactions that it has not sent yet.
WITH RECURSIVE assumed_fresh AS (
    SELECT c.oid
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY ($2::text[]) OR c.oid::regclass::text = ANY ($2::text[])
),
named AS (
    SELECT
        name,
        -- to_regclass would raise an error for a schema without USAGE, which a view of another owner may read all the same. It is
        -- called for names without a schema only.
        coalesce(
            (
                SELECT c.oid
                FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')) = name
            ),
            CASE WHEN name ~ '^"([^"]|"")*"$' THEN to_regclass(name)::oid END
        ) AS oid
    FROM unnest($1::text[]) AS name
),
reached (name, oid) AS (
    SELECT name, oid FROM named WHERE oid IS NOT NULL AND oid NOT IN (SELECT oid FROM assumed_fresh)
    UNION
    SELECT reached.name, next.oid
    FROM reached CROSS JOIN LATERAL (
        SELECT d.refobjid AS oid
        FROM pg_rewrite AS w
        JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
        WHERE w.ev_class = reached.oid
        UNION ALL
        SELECT inhrelid FROM pg_inherits WHERE inhparent = reached.oid
    ) AS next
    WHERE next.oid NOT IN (SELECT oid FROM assumed_fresh)
),
-- The views that call a function of dblink.
linking AS (
    SELECT w.ev_class AS oid
    FROM pg_extension AS e
    JOIN pg_depend AS member
        ON member.refclassid = 'pg_extension'::regclass AND member.refobjid = e.oid AND member.classid = 'pg_proc'::regclass
    JOIN pg_depend AS d
        ON d.refclassid = member.classid AND d.refobjid = member.objid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS w ON w.oid = d.objid
    WHERE e.extname = 'dblink'
)
SELECT
    reached.name AS named,
    c.oid::regclass::text AS object,
    kind.name AS kind,
    CASE kind.name
        WHEN 'foreign_table' THEN (
            SELECT s.srvname::text FROM pg_foreign_table AS f JOIN pg_foreign_server AS s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid
        )
        WHEN 'subscribed_table' THEN (
            -- Only a superuser may read all of pg_subscription.
            SELECT max(s.subname::text)
            FROM pg_subscription_rel AS r JOIN pg_stat_subscription AS s ON s.subid = r.srsubid
            WHERE r.srrelid = c.oid
        )
    END AS origin
FROM reached
JOIN pg_class AS c ON c.oid = reached.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN c.relkind = 'm' THEN 'materialized_view'
        WHEN c.relkind = 'f' THEN 'foreign_table'
        WHEN EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srrelid = c.oid) THEN 'subscribed_table'
        WHEN c.relkind = 'v' AND c.oid IN (SELECT oid FROM linking) THEN 'linking_view'
        WHEN n.nspname = '_timescaledb_internal' AND c.relname LIKE '\_materialized\_hypertable\_%' THEN 'continuous_aggregate'
    END AS name
) AS kind
WHERE kind.name IS NOT NULL
ORDER BY 1, 2
