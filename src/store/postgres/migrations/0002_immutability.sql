-- What is recorded stays as it is: refused by triggers, which hold for everybody, superusers and
-- session_replication_role = replica included (ENABLE ALWAYS), and by grants, which do not even let it come to that.

-- Arguments: what the table holds, and what to do instead.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation', HINT = TG_ARGV[1];
END
$$;

-- The one change that a log entry may see: a running one is finished. Everything else about it stays, columns that a
-- later migration adds included.
CREATE FUNCTION refuse_unless_finishing() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    finishing CONSTANT TEXT[] :=
        ARRAY['status', 'completed_at', 'metrics_collected', 'error_message', 'error_details'];
BEGIN
    IF OLD.status = 'running' AND NEW.status <> 'running'
        AND to_jsonb(NEW) - finishing = to_jsonb(OLD) - finishing
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on %.% is refused: an entry of the collection log is finished once and not changed otherwise',
        TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'What happens later is an entry of its own.';
END
$$;

-- A job goes from queued to running to its end, or from queued to its end; what was asked for stays.
CREATE FUNCTION refuse_unless_forwards() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    moving CONSTANT TEXT[] := ARRAY['status', 'started_at', 'finished_at', 'run_id', 'result'];
BEGIN
    IF to_jsonb(NEW) - moving = to_jsonb(OLD) - moving
        AND (OLD.status = 'queued' AND NEW.status <> 'queued'
             OR OLD.status = 'running' AND NEW.status NOT IN ('queued', 'running') AND NEW.started_at = OLD.started_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on %.% is refused: a job starts once, ends once and is not changed otherwise',
        TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Ask for another job.';
END
$$;

CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON daily_metrics FOR EACH ROW
    EXECUTE FUNCTION refuse_change('records are immutable', 'A correction is a further row elsewhere, with its reason and author.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON daily_metrics FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('records are immutable', 'A correction is a further row elsewhere, with its reason and author.');
CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON metric_definition_versions FOR EACH ROW
    EXECUTE FUNCTION refuse_change('versions of definitions are immutable', 'A changed definition is a further version.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON metric_definition_versions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('versions of definitions are immutable', 'A changed definition is a further version.');
CREATE TRIGGER refuse_update BEFORE UPDATE ON metric_collection_log FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_finishing();
CREATE TRIGGER refuse_delete BEFORE DELETE ON metric_collection_log FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the collection log is kept', 'What happens later is an entry of its own.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON metric_collection_log FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the collection log is kept', 'What happens later is an entry of its own.');

CREATE TRIGGER refuse_update BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse_unless_forwards();
CREATE TRIGGER refuse_delete BEFORE DELETE ON jobs FOR EACH ROW
    EXECUTE FUNCTION refuse_change('jobs are kept', 'Ask for another job.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON jobs FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('jobs are kept', 'Ask for another job.');
CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON events FOR EACH ROW
    EXECUTE FUNCTION refuse_change('events are kept', 'What happens later is an event of its own.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON events FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('events are kept', 'What happens later is an event of its own.');

ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE daily_metrics ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE daily_metrics ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE metric_definition_versions ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE metric_definition_versions ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_truncate;

-- Takes from a table's owner the privileges in owner_loses, and everything from everybody else: a database may have
-- default privileges that grant new tables to roles which must not write history.
CREATE FUNCTION restrict_privileges(target REGCLASS, owner_loses TEXT) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    owner OID := (SELECT relowner FROM pg_class WHERE oid = target);
    other OID;
BEGIN
    EXECUTE format('REVOKE %s ON TABLE %s FROM %I', owner_loses, target, pg_get_userbyid(owner));
    FOR other IN
        SELECT DISTINCT grantee FROM pg_class, aclexplode(relacl) WHERE oid = target AND grantee <> owner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', target,
            CASE other WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(other)) END);
    END LOOP;
END
$$;

SELECT restrict_privileges('daily_metrics', 'UPDATE, DELETE, TRUNCATE');
-- Foreign keys lock the referenced rows FOR KEY SHARE in their owner's name, for which PostgreSQL asks the UPDATE
-- privilege: on the two tables that are referenced, UPDATE is left to the triggers.
SELECT restrict_privileges('metric_definition_versions', 'DELETE, TRUNCATE');
SELECT restrict_privileges('metric_collection_log', 'DELETE, TRUNCATE');
SELECT restrict_privileges('jobs', 'DELETE, TRUNCATE');
SELECT restrict_privileges('events', 'UPDATE, DELETE, TRUNCATE');
SELECT restrict_privileges('metric_definitions', 'TRUNCATE');
REVOKE ALL ON FUNCTION restrict_privileges FROM PUBLIC;
