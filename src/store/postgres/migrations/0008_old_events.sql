-- Events are kept for 90 days, like attempts to deliver notifications. A transaction that inserts events also deletes some of the old ones,
-- so that the table is bounded also where no `daymark serve` runs, as with the SQL functions under pg_cron. The newest event of a tenant
-- stays: the id of the next one follows it.

-- Lets a DELETE pass for events that are older than 90 days and not the newest of their tenant.
CREATE FUNCTION refuse_unless_old_event() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.created_at < clock_timestamp() - INTERVAL '90 days'
        AND EXISTS (SELECT FROM events WHERE tenant_id = OLD.tenant_id AND id > OLD.id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'DELETE on %.% is refused: events are kept for 90 days, and the newest one for longer', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Later commits delete the old events.';
END
$$;

-- Deletes up to 1000 of the oldest events of each tenant that has inserted some. Ids are in the order of time, so that these are at the
-- beginning of the primary key. It runs with its owner's rights, because the recording role may not delete events.
CREATE FUNCTION delete_old_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM events
    USING (SELECT DISTINCT tenant_id FROM inserted) AS writer
    WHERE events.tenant_id = writer.tenant_id
        AND events.id < (SELECT min(oldest.id) + 1000 FROM events AS oldest WHERE oldest.tenant_id = writer.tenant_id)
        AND events.created_at < clock_timestamp() - INTERVAL '90 days';
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION delete_old_events FROM PUBLIC;

DROP TRIGGER refuse_update_or_delete ON events;
CREATE TRIGGER refuse_update BEFORE UPDATE ON events FOR EACH ROW
    EXECUTE FUNCTION refuse_change('events are kept', 'A later change gets an event of its own.');
CREATE TRIGGER refuse_delete BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_unless_old_event();
CREATE TRIGGER delete_old AFTER INSERT ON events REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
    EXECUTE FUNCTION delete_old_events();
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE events ENABLE ALWAYS TRIGGER delete_old;

-- The owner, whose rights the function has, lost this privilege in 0002_immutability.sql.
DO $$
BEGIN
    EXECUTE format('GRANT DELETE ON TABLE events TO %I',
        (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'events'::REGCLASS));
END
$$;

CREATE OR REPLACE FUNCTION own_functions() RETURNS SETOF REGPROCEDURE LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT oid::REGPROCEDURE FROM pg_proc
    WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE AND proname IN (
        'refuse_change', 'has_real_clock', 'day_has_ended', 'refuse_other_settings', 'refuse_forged_run', 'holds_lock_of', 'refuse_unless_finishing',
        'refuse_forged_records', 'refuse_version_out_of_turn', 'refuse_forged_job', 'number_event', 'refuse_unless_forwards',
        'refuse_unless_resuming', 'refuse_unless_ending', 'keep_authorship', 'refuse_other_time', 'number_revision', 'forget_judgements',
        'named_labels', 'names_label', 'redacted_metadata', 'without_redacted_labels', 'is_redacted_text', 'is_redaction',
        'refuse_unless_redacting', 'sign_redaction', 'redact_label', 'refuse_unless_old_event', 'delete_old_events',
        'restrict_privileges', 'secure_rows', 'ensure_partition', 'refuse_other_key', 'caller_is_admin', 'own_tables',
        'own_functions', 'grant_api_roles', 'notify_change'
    )
$$;
-- The roles of an API may not execute the functions of these migrations, whatever the default privileges are.
SELECT grant_api_roles();
