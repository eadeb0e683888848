-- Every commit of records, definitions or log entries is notified, so that servers drop the answers that they cached. Only roles
-- that can read the settings know the channel.

CREATE FUNCTION notify_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- However often a transaction calls this, one notification is sent when it commits.
    PERFORM pg_notify(notification_channel, '') FROM store_settings;
    RETURN NULL;
END
$$;

CREATE TRIGGER notify_change AFTER INSERT ON daily_metrics FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON metric_definitions FOR EACH STATEMENT EXECUTE FUNCTION notify_change();
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON metric_collection_log FOR EACH STATEMENT
    EXECUTE FUNCTION notify_change();
-- A scheduler sees at once that it is paused or resumed.
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON schedule_pauses FOR EACH STATEMENT EXECUTE FUNCTION notify_change();

-- Functions of these migrations are nothing for the roles of an API, whatever default privileges say.
SELECT grant_api_roles();
