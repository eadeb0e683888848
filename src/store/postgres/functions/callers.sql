-- Who may call the functions: their owner, the service role, and authenticated users, of whom sql_require_caller admits the
-- admins. Default privileges may have granted EXECUTE to every role of an API.
DO $do$
DECLARE
    installed REGPROCEDURE;
    api_role TEXT;
BEGIN
    FOR installed IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE
          AND proname ~ '^(collect_daily_metrics|backfill_daily_metrics|sql_[a-z_]+)$'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', installed);
        FOR api_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', installed, api_role);
        END LOOP;
    END LOOP;
    FOR api_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('authenticated', 'service_role') LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema, api_role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION collect_daily_metrics, backfill_daily_metrics TO %I', api_role);
    END LOOP;
END
$do$;
