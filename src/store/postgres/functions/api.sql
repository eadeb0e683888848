-- Where a client of an API such as PostgREST looks: views (of the values in force, beside the recorded ones) with the privileges and policies of their caller, and the two functions.
CREATE OR REPLACE VIEW @api@.daily_metrics WITH (security_invoker = TRUE) AS
    WITH @revisions_in_force@
    SELECT recorded.id, recorded.metric_date, recorded.metric_type, recorded.metric_category,
           CASE WHEN revised.kind IS NULL THEN recorded.value ELSE revised.value END AS value,
           CASE WHEN revised.kind IS NULL THEN recorded.metadata ELSE revised.metadata END AS metadata,
           recorded.collection_timestamp, recorded.created_at,
           CASE WHEN revised.kind IS NULL THEN recorded.provenance ELSE 'corrected' END AS provenance,
           coalesce(revised.definition_version, recorded.definition_version) AS definition_version, recorded.collection_id,
           CASE WHEN judged.verdict IS NOT NULL THEN @judgement@ END AS judgement,
           recorded.value AS recorded_value, revised.revision
    FROM @schema@.daily_metrics AS recorded
    LEFT JOIN revisions_in_force AS revised
        ON revised.tenant_id = recorded.tenant_id AND revised.metric_category = recorded.metric_category
       AND revised.metric_type = recorded.metric_type AND revised.metric_date = recorded.metric_date
    LEFT JOIN @schema@.daily_metric_judgements AS judged
        ON judged.tenant_id = recorded.tenant_id AND judged.metric_category = recorded.metric_category
       AND judged.metric_type = recorded.metric_type AND judged.metric_date = recorded.metric_date
    WHERE recorded.tenant_id = @tenant@ AND (revised.kind IS NULL OR revised.kind = 'value');
-- The rows of daily_metrics as they were known at an instant: the records and the revisions that had been made by then. Judgements of
-- earlier instants are not kept. A statement without SET clauses, which PostgreSQL inlines, so that filters use the indexes.
CREATE OR REPLACE FUNCTION @api@.daily_metrics_as_of(as_of TIMESTAMPTZ) RETURNS SETOF @api@.daily_metrics LANGUAGE sql STABLE AS $$
    WITH @revisions_as_of@
    SELECT recorded.id, recorded.metric_date, recorded.metric_type, recorded.metric_category,
           CASE WHEN revised.kind IS NULL THEN recorded.value ELSE revised.value END AS value,
           CASE WHEN revised.kind IS NULL THEN recorded.metadata ELSE revised.metadata END AS metadata,
           recorded.collection_timestamp, recorded.created_at,
           CASE WHEN revised.kind IS NULL THEN recorded.provenance ELSE 'corrected' END AS provenance,
           coalesce(revised.definition_version, recorded.definition_version) AS definition_version, recorded.collection_id,
           NULL::JSON AS judgement, recorded.value AS recorded_value, revised.revision
    FROM @schema@.daily_metrics AS recorded
    LEFT JOIN revisions_in_force AS revised
        ON revised.tenant_id = recorded.tenant_id AND revised.metric_category = recorded.metric_category
       AND revised.metric_type = recorded.metric_type AND revised.metric_date = recorded.metric_date
    WHERE recorded.tenant_id = @tenant@ AND recorded.created_at <= as_of AND (revised.kind IS NULL OR revised.kind = 'value')
$$;
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
    REVOKE ALL ON FUNCTION @api@.collect_daily_metrics, @api@.backfill_daily_metrics, @api@.daily_metrics_as_of FROM PUBLIC;
    FOR api_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
        EXECUTE format('REVOKE ALL ON @api@.daily_metrics, @api@.metric_definitions, @api@.metric_collection_log FROM %I', api_role);
        EXECUTE format('REVOKE ALL ON FUNCTION @api@.collect_daily_metrics, @api@.backfill_daily_metrics FROM %I', api_role);
        EXECUTE format('GRANT SELECT ON @api@.daily_metrics, @api@.metric_definitions TO %I', api_role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION @api@.daily_metrics_as_of TO %I', api_role);
        IF api_role <> 'anon' THEN
            EXECUTE format('GRANT SELECT ON @api@.metric_collection_log TO %I', api_role);
            EXECUTE format('GRANT EXECUTE ON FUNCTION @api@.collect_daily_metrics, @api@.backfill_daily_metrics TO %I', api_role);
        END IF;
    END LOOP;
END
$do$;

COMMENT ON VIEW @api@.daily_metrics IS '@comment@ one row for each metric and day';
COMMENT ON FUNCTION @api@.daily_metrics_as_of IS '@comment@ the rows of daily_metrics as they were known at an instant';
COMMENT ON VIEW @api@.metric_definitions IS '@comment@ the current definition of each metric';
COMMENT ON VIEW @api@.metric_collection_log IS '@comment@ one row for each run';
COMMENT ON FUNCTION @api@.collect_daily_metrics IS '@comment@ records a day, by default the last that has ended';
COMMENT ON FUNCTION @api@.backfill_daily_metrics IS '@comment@ records the missing days of a range';
-- PostgREST listens on this channel and reads the schema again.
NOTIFY pgrst, 'reload schema';
