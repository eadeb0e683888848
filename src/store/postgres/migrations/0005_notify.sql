-- Every commit of records, definitions or log entries tells whoever listens. Servers keep answers in memory until then.

CREATE FUNCTION notify_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- However often a transaction calls this, one notification is sent when it commits.
    PERFORM pg_notify('daymark', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;

CREATE TRIGGER notify_change AFTER INSERT ON daily_metrics FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE OR DELETE ON metric_definitions FOR EACH STATEMENT
    EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON metric_collection_log FOR EACH STATEMENT
    EXECUTE FUNCTION notify_change();
