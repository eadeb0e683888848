-- The objects of the schema `daymark`, as lines of text in a fixed order.
WITH tables AS (
    SELECT oid, relname, relowner, relacl, relkind, relispartition, relpartbound
    FROM pg_class
    WHERE relnamespace = 'daymark'::REGNAMESPACE AND relkind IN ('r', 'p') AND relname <> '_sqlx_migrations'
),
lines AS (
    SELECT relname, 0 AS section, '' AS place,
           'table' || CASE relkind WHEN 'p' THEN ' partitioned by ' || pg_get_partkeydef(oid) ELSE '' END
               || coalesce(' partition ' || pg_get_expr(relpartbound, oid), '') AS line
    FROM tables
    UNION ALL
    SELECT relname, 1, to_char(attnum, 'FM000'),
           'column ' || attname || ' ' || format_type(atttypid, atttypmod)
               || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
               || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
    FROM tables
    JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL
    SELECT relname, 2, conname, 'constraint ' || conname || ' ' || pg_get_constraintdef(pg_constraint.oid)
    FROM tables
    JOIN pg_constraint ON conrelid = tables.oid AND contype IN ('p', 'u', 'f', 'c')
    UNION ALL
    SELECT relname, 3, indexrelid::REGCLASS::TEXT, pg_get_indexdef(indexrelid)
    FROM tables
    JOIN pg_index ON indrelid = tables.oid
    UNION ALL
    SELECT relname, 4, tgname,
           pg_get_triggerdef(pg_trigger.oid) || CASE tgenabled WHEN 'A' THEN ' -- always' ELSE ' -- not always' END
    FROM tables
    JOIN pg_trigger ON tgrelid = tables.oid AND NOT tgisinternal
    UNION ALL
    SELECT relname, 5, '',
           CASE grantee WHEN 0 THEN 'everybody' WHEN relowner THEN 'owner' ELSE grantee::REGROLE::TEXT END || ' may '
               || string_agg(privilege_type, ', ' ORDER BY privilege_type)
    FROM tables, aclexplode(relacl)
    WHERE privilege_type <> 'MAINTAIN' -- VACUUM and the like, from PostgreSQL 17 on
    GROUP BY relname, relowner, grantee
    UNION ALL
    SELECT tables.relname, 6, coalesce(polname, ''),
           'row level security' || CASE WHEN relforcerowsecurity THEN ', of the owner too' ELSE '' END
               || coalesce(': ' || polname || ' for ' || polcmd::TEXT || ' to ' || array_to_string(polroles::REGROLE[], ', ') || ' '
                   || regexp_replace(coalesce(pg_get_expr(polqual, polrelid), '') || coalesce(pg_get_expr(polwithcheck, polrelid), ''), '\s+', ' ', 'g'), '')
    FROM tables
    JOIN pg_class ON pg_class.oid = tables.oid
    LEFT JOIN pg_policy ON polrelid = tables.oid
    WHERE relrowsecurity
    UNION ALL
    SELECT '~functions', 7, proname,
           'function ' || proname || '(' || pg_get_function_arguments(oid) || ')'
               || CASE WHEN prosecdef THEN ' SECURITY DEFINER' ELSE '' END
               || coalesce(' SET ' || array_to_string(proconfig, '; '), '')
    FROM pg_proc
    WHERE pronamespace = 'daymark'::REGNAMESPACE
)
SELECT relname || ': ' || line
FROM lines
ORDER BY relname COLLATE "C", section, place COLLATE "C", line COLLATE "C"
