-- One row for each table of Daymark, for each column, constraint, index, trigger, rule and policy of a table, and for each
-- function and operator of the schema, with its definition as one line of text. $1 are the names of the tables. The
-- search_path is Daymark's schema alone, so that its name stands in no definition. Partitions differ only in their year,
-- which is YEAR here.
WITH relations AS (
    SELECT relation.oid, relation.relname, relation.relkind, relation.relpersistence, relation.relowner, relation.relrowsecurity,
        relation.relforcerowsecurity, relation.relpartbound, inhparent,
        relation.relnamespace = quote_ident(current_schema)::REGNAMESPACE AS is_inside,
        substring(relation.relname FROM '^daily_metrics_([0-9]{4})$')::INTEGER AS year
    FROM pg_class AS relation
    LEFT JOIN pg_inherits ON inhrelid = relation.oid
    WHERE relation.relkind IN ('r', 'p', 'f')
),
tables AS (
    SELECT *, CASE WHEN is_inside THEN relname::TEXT ELSE oid::REGCLASS::TEXT END AS shown,
        CASE WHEN year IS NULL THEN relname::TEXT ELSE 'daily_metrics_YEAR' END AS alike
    FROM relations
    WHERE is_inside AND (relname = ANY ($1) OR year IS NOT NULL)
       OR inhparent IN (SELECT oid FROM relations WHERE is_inside AND relname = ANY ($1))
),
owner AS (
    SELECT relowner AS oid FROM tables WHERE relname = 'daily_metrics' AND is_inside
),
policies AS (
    SELECT polrelid, polname,
        concat(CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END, ' for ', polcmd, ' to ',
            array_to_string(polroles::REGROLE[], ', '), ' using ', pg_get_expr(polqual, polrelid),
            ' check ' || pg_get_expr(polwithcheck, polrelid)) AS definition
    FROM pg_policy
),
objects AS (
    SELECT tables.oid, 'table' AS object, concat(
        CASE relkind WHEN 'p' THEN 'partitioned by ' || pg_get_partkeydef(oid) WHEN 'r' THEN 'plain' ELSE 'foreign' END,
        CASE WHEN relpersistence <> 'p' THEN ', not logged' END,
        CASE WHEN inhparent IS NULL THEN ''
            WHEN pg_get_expr(relpartbound, oid)
                = format('FOR VALUES FROM (%L) TO (%L)', make_date(nullif(year, 0), 1, 1), make_date(year + 1, 1, 1)) THEN ', partition of its year'
            ELSE ', child ' || coalesce(pg_get_expr(relpartbound, oid), 'by inheritance') END,
        CASE WHEN relrowsecurity THEN ', row level security' END,
        CASE WHEN relforcerowsecurity THEN ' of the owner too' END,
        CASE WHEN relowner <> (SELECT owner.oid FROM owner) THEN ', owner ' || relowner::REGROLE END
    ) AS definition
    FROM tables
    UNION ALL
    SELECT attrelid, 'column ' || attname, concat(format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN ' NOT NULL' END, CASE WHEN attgenerated <> '' THEN ' GENERATED' END,
        ' DEFAULT ' || pg_get_expr(adbin, adrelid))
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT conrelid, 'constraint ' || conname, concat(pg_get_constraintdef(pg_constraint.oid),
        CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = pg_constraint.oid AND tgenabled <> 'O')
            THEN ', disabled' END)
    FROM pg_constraint
    WHERE contype IN ('p', 'u', 'f', 'c', 'x')
    UNION ALL
    SELECT indrelid, CASE WHEN indisunique THEN 'unique ' ELSE '' END || 'index ' || relname,
        concat(pg_get_indexdef(indexrelid, 0, TRUE), CASE WHEN NOT indisvalid THEN ', not valid' END)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    UNION ALL
    SELECT tgrelid, 'trigger ' || tgname, concat(pg_get_triggerdef(oid, TRUE), CASE tgenabled
        WHEN 'A' THEN ', always' WHEN 'D' THEN ', disabled' WHEN 'R' THEN ', in replicas only' ELSE ', unless in a replica' END)
    FROM pg_trigger
    -- Those of foreign keys belong to their constraints.
    WHERE tgconstraint = 0 OR NOT tgisinternal
    UNION ALL
    SELECT ev_class, 'rule ' || rulename, pg_get_ruledef(oid, TRUE) FROM pg_rewrite
    UNION ALL
    SELECT polrelid, 'policy ' || polname, definition
    FROM policies
    JOIN tables ON tables.oid = polrelid
    -- Without those that grant_api_roles makes where the three roles of an API exist.
    WHERE NOT EXISTS (
        SELECT FROM (VALUES ('anon'), ('authenticated'), ('service_role')) AS api (role)
        WHERE polname = role || '_reads' AND relname IN (
                'daily_metrics', 'metric_revisions', 'daily_metric_judgements', 'metric_definitions', 'metric_definition_versions', 'metric_collection_log')
          AND definition = concat('permissive for r to ', role, ' using ',
            CASE WHEN role = 'authenticated' AND relname = 'metric_collection_log'
                THEN '( SELECT caller_is_admin() AS caller_is_admin)' ELSE 'true' END)
    )
)
SELECT shown AS table_name, alike, replace(object, relname, alike) AS object,
    regexp_replace(replace(definition, relname, alike), '\s+', ' ', 'g') AS definition
FROM objects
JOIN tables USING (oid)
UNION ALL
SELECT '', '', format('function %s(%s)', proname, pg_get_function_identity_arguments(oid)), concat(
    'returns ', pg_get_function_result(oid), ' language ', (SELECT lanname FROM pg_language WHERE oid = prolang),
    ' volatility ', provolatile, CASE WHEN proisstrict THEN ' strict' END, CASE WHEN prosecdef THEN ' SECURITY DEFINER' END,
    CASE WHEN proowner <> (SELECT owner.oid FROM owner) THEN ' owner ' || proowner::REGROLE END,
    -- pg_restore writes the same path with further quotation marks where the role has quote_all_identifiers = on.
    CASE WHEN proconfig IN (ARRAY[format('search_path=%s, pg_temp', quote_ident(current_schema))],
            ARRAY[format('search_path="%s", "pg_temp"', replace(current_schema::TEXT, '"', '""'))]) THEN ' search_path of its own'
        ELSE ' SET ' || array_to_string(proconfig, '; ') END,
    ' body ', encode(sha256(convert_to(prosrc, 'UTF8')), 'hex'))
FROM pg_proc
WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE
  -- Without those of `daymark sql install`, which functions/installed.rs checks.
  AND proname !~ '^(collect_daily_metrics|backfill_daily_metrics|sql_[a-z_]+)$'
UNION ALL
SELECT '', '', format('operator %s (%s, %s)', oprname, oprleft::REGTYPE, oprright::REGTYPE), oprcode::TEXT
FROM pg_operator
WHERE oprnamespace = quote_ident(current_schema)::REGNAMESPACE
ORDER BY table_name, object
