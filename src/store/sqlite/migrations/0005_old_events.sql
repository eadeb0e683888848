-- Events are kept for 90 days, like attempts to deliver notifications. A transaction that inserts events also deletes some of the old ones.
-- The newest event of a tenant stays: the id of the next one follows it.

DROP TRIGGER events_refuse_delete;
CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events
WHEN OLD.created_at >= strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-90 days')
    OR NOT EXISTS (SELECT 1 FROM events WHERE tenant_id = OLD.tenant_id AND id > OLD.id) BEGIN
    SELECT RAISE(ABORT, 'DELETE on events is refused: events are kept for 90 days, and the newest one for longer');
END;

-- Deletes up to 1000 of the oldest events of the tenant. Ids are in the order of time, so that these are at the beginning of the primary
-- key.
CREATE TRIGGER events_delete_old AFTER INSERT ON events
WHEN (SELECT created_at FROM events WHERE tenant_id = NEW.tenant_id ORDER BY id LIMIT 1)
    < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-90 days') BEGIN
    DELETE FROM events
    WHERE tenant_id = NEW.tenant_id
        AND id < (SELECT min(id) + 1000 FROM events WHERE tenant_id = NEW.tenant_id)
        AND created_at < strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-90 days');
END;
