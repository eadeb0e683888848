-- Returns a row for each column of each table, view and foreign table outside the system schemas. A column is `indexed` if it is
-- the first column of a valid btree or brin index that is not partial, except for one that leaves out only NULLs.
WITH RECURSIVE plain_type (oid, base) AS (
    -- The base type of each type: a domain may be defined over another domain.
    SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
    UNION ALL
    SELECT d.oid, p.base FROM pg_type AS d JOIN plain_type AS p ON p.oid = d.typbasetype WHERE d.typtype = 'd'
)
SELECT n.nspname AS schema_name,
       c.relname AS table_name,
       pg_table_is_visible(c.oid) AS visible,
       has_schema_privilege(n.oid, 'USAGE')
           AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')) AS readable,
       a.attname AS column_name,
       -- The digits of a number tell what it may be.
       format_type(base.oid, CASE WHEN base.typname = 'numeric' THEN a.atttypmod END) AS type_name,
       base.typname AS base_type,
       NOT a.attnotnull AS nullable,
       EXISTS (
           SELECT FROM pg_index AS i
           JOIN pg_class AS index_class ON index_class.oid = i.indexrelid
           JOIN pg_am AS am ON am.oid = index_class.relam
           WHERE i.indrelid = c.oid AND i.indisvalid
             AND (i.indpred IS NULL OR pg_get_expr(i.indpred, c.oid) = format('(%I IS NOT NULL)', a.attname))
             AND i.indkey[0] = a.attnum AND am.amname IN ('btree', 'brin')
       ) AS indexed,
       -- A positive n_distinct is the number of distinct values; a negative one is their share of the rows, negated.
       CASE WHEN s.n_distinct >= 0 THEN s.n_distinct::float8
            ELSE -s.n_distinct::float8 * greatest(c.reltuples, 1)::float8 END AS distinct_estimate,
       row_security_active(c.oid) AS row_security,
       EXISTS (
           SELECT FROM pg_depend AS d
           WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
       ) AS of_extension,
       coalesce(
           pg_get_expr(ad.adbin, ad.adrelid) ~* '(\mnow\(|current_timestamp|(clock|statement|transaction)_timestamp|local_?timestamp|current_date)',
           false
       ) AS defaults_to_now,
       c.relkind::text AS kind,
       base.typtype = 'e' AS is_enumeration
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN plain_type AS p ON p.oid = a.atttypid
JOIN pg_type AS base ON base.oid = p.base
LEFT JOIN pg_attrdef AS ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
LEFT JOIN pg_stats AS s
       ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND s.inherited = (c.relkind = 'p')
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp%'
ORDER BY 1, 2, a.attnum
