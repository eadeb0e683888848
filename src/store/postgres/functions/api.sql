-- Where a client of an API such as PostgREST looks: views with the privileges and policies of their caller, and the two functions.
CREATE OR REPLACE VIEW @api@.daily_metrics WITH (security_invoker = TRUE) AS
    SELECT id, metric_date, metric_type, metric_category, value, metadata, collection_timestamp, created_at, provenance,
           definition_version, collection_id
    FROM @schema@.daily_metrics WHERE tenant_id = @tenant@;
CREATE OR REPLACE VIEW @api@.metric_definitions WITH (security_invoker = TRUE) AS
    SELECT id, metric_type, metric_category, display_name, description, unit, format_pattern, is_active, created_at, version,
           updated_at
    FROM @schema@.metric_definitions WHERE tenant_id = @tenant@;
CREATE OR REPLACE VIEW @api@.metric_collection_log WITH (security_invoker = TRUE) AS
    SELECT id, collection_date, started_at, completed_at, status, metrics_collected, error_message, error_details, created_at, kind,
           collection_end_date, trigger, actor
    FROM @schema@.metric_collection_log WHERE tenant_id = @tenant@;

CREATE OR REPLACE FUNCTION @api@.collect_daily_metrics(target_date DATE DEFAULT NULL)
RETURNS TABLE (metrics_collected INTEGER, execution_time_ms INTEGER, status TEXT) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM @schema@.collect_daily_metrics(target_date)
$$;
CREATE OR REPLACE FUNCTION @api@.backfill_daily_metrics(start_date DATE, end_date DATE DEFAULT NULL)
RETURNS TABLE (dates_processed INTEGER, total_metrics INTEGER, execution_time_ms INTEGER)
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM @schema@.backfill_daily_metrics(start_date, end_date)
$$;

DO $do$
DECLARE
    api_role TEXT;
BEGIN
    REVOKE ALL ON @api@.daily_metrics, @api@.metric_definitions, @api@.metric_collection_log FROM PUBLIC;
    REVOKE ALL ON FUNCTION @api@.collect_daily_metrics, @api@.backfill_daily_metrics FROM PUBLIC;
    FOR api_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
        EXECUTE format('REVOKE ALL ON @api@.daily_metrics, @api@.metric_definitions, @api@.metric_collection_log FROM %I', api_role);
        EXECUTE format('REVOKE ALL ON FUNCTION @api@.collect_daily_metrics, @api@.backfill_daily_metrics FROM %I', api_role);
        EXECUTE format('GRANT SELECT ON @api@.daily_metrics, @api@.metric_definitions TO %I', api_role);
        IF api_role <> 'anon' THEN
            EXECUTE format('GRANT SELECT ON @api@.metric_collection_log TO %I', api_role);
            EXECUTE format('GRANT EXECUTE ON FUNCTION @api@.collect_daily_metrics, @api@.backfill_daily_metrics TO %I', api_role);
        END IF;
    END LOOP;
END
$do$;

COMMENT ON VIEW @api@.daily_metrics IS '@comment@ one row for each metric and day';
COMMENT ON VIEW @api@.metric_definitions IS '@comment@ the current definition of each metric';
COMMENT ON VIEW @api@.metric_collection_log IS '@comment@ one row for each run';
COMMENT ON FUNCTION @api@.collect_daily_metrics IS '@comment@ records a day, by default the last that has ended';
COMMENT ON FUNCTION @api@.backfill_daily_metrics IS '@comment@ records the missing days of a range';
-- PostgREST listens on this channel and reads the schema again.
NOTIFY pgrst, 'reload schema';
