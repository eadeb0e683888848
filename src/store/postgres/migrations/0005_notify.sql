-- Every commit of records, revisions, redactions, judgements, definitions, log entries or pauses sends a NOTIFY, so that servers drop their cached answers. Only roles
-- that can read store_settings know the channel.

CREATE FUNCTION notify_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- PostgreSQL sends equal notifications of a transaction once, when it commits.
    PERFORM pg_notify(notification_channel, '') FROM store_settings;
    RETURN NULL;
END
$$;

CREATE TRIGGER notify_change AFTER INSERT ON daily_metrics FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT ON metric_revisions FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT ON redactions FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE OR DELETE ON daily_metric_judgements FOR EACH STATEMENT
    EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE OR DELETE ON drift_samples FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON metric_definitions FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON metric_collection_log FOR EACH STATEMENT
    EXECUTE FUNCTION notify_change();
-- The notification makes a scheduler read at once that it was paused or resumed.
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON schedule_pauses FOR EACH STATEMENT EXECUTE FUNCTION notify_change();

-- Charts that are open show an annotation at once.
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE OR DELETE ON annotations FOR EACH STATEMENT EXECUTE FUNCTION notify_change();

-- Default privileges may have granted EXECUTE on the new functions to the API roles; this revokes it.
SELECT grant_api_roles();
