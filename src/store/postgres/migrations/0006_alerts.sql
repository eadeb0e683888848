-- Alerts: the state of each rule, silences, and the notifications about them, which are written in the transaction of the change
-- of state that they report and delivered later.

-- The state of each rule that was ever evaluated.
CREATE TABLE alert_states (
    tenant_id   TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    rule        TEXT        NOT NULL CONSTRAINT rule_is_a_name CHECK (rule ~ '^[a-z][a-z0-9_]{0,62}$'),
    state       TEXT        NOT NULL CONSTRAINT state_is_known
                            CHECK (state IN ('normal', 'pending', 'firing', 'resolved', 'no_data', 'error')),
    -- Since when it is in this state.
    since       TIMESTAMPTZ NOT NULL,
    -- When the condition began to hold, of an alert that is pending, firing or resolved, and of one that was pending before there
    -- was nothing to judge by.
    started_at  TIMESTAMPTZ CONSTRAINT started_when_it_holds CHECK (started_at IS NOT NULL OR state NOT IN ('pending', 'firing', 'resolved')),
    summary     TEXT        NOT NULL CONSTRAINT summary_is_short CHECK (length(summary) <= 4096),
    -- The severity and the labels with which it began to fire last. NULL: it never fired.
    severity    TEXT        CONSTRAINT severity_is_known CHECK (severity IN ('critical', 'warning', 'info')),
    labels      JSONB       NOT NULL DEFAULT '{}' CONSTRAINT labels_are_an_object
                            CHECK (jsonb_typeof(labels) = 'object' AND octet_length(labels::TEXT) <= 65536),
    -- The channels that were notified that it fires, each with the time of the last notification.
    told        JSONB       NOT NULL DEFAULT '{}' CONSTRAINT told_is_an_object
                            CHECK (jsonb_typeof(told) = 'object' AND octet_length(told::TEXT) <= 1048576),
    -- Whether a silence held when it was evaluated last.
    is_silenced BOOLEAN     NOT NULL DEFAULT FALSE,
    -- Counts changes, so that of two instances only one makes each.
    revision    BIGINT      NOT NULL CONSTRAINT revisions_count_from_one CHECK (revision >= 1),
    PRIMARY KEY (tenant_id, rule),
    CONSTRAINT times_are_sane CHECK (
        since >= '1900-01-01T00:00Z' AND since < '9999-01-01T00:00Z'
        AND started_at >= '1900-01-01T00:00Z' AND started_at < '9999-01-01T00:00Z'
    )
);

-- Silences, each with its reason. A silence ends at ends_at, or earlier at ended_at.
CREATE TABLE alert_silences (
    tenant_id  TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    id         UUID        NOT NULL,
    -- NULL: of all rules.
    rule       TEXT        CONSTRAINT rule_is_a_name CHECK (rule ~ '^[a-z][a-z0-9_]{0,62}$'),
    reason     TEXT        NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT        NOT NULL CONSTRAINT author_is_short CHECK (length(created_by) BETWEEN 1 AND 200),
    ends_at    TIMESTAMPTZ NOT NULL CONSTRAINT ends_later CHECK (ends_at > created_at),
    ended_at   TIMESTAMPTZ,
    ended_by   TEXT        CONSTRAINT end_is_short CHECK (length(ended_by) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ended_by_an_author CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT times_are_sane CHECK (
        created_at >= '1900-01-01T00:00Z' AND ends_at < '9999-01-01T00:00Z'
        AND ended_at >= '1900-01-01T00:00Z' AND ended_at < '9999-01-01T00:00Z'
    )
);

-- The newest silences.
CREATE INDEX alert_silences_latest ON alert_silences (tenant_id, created_at DESC);

-- Notifications, each to one channel. The id is the key of idempotency that its receiver sees at every attempt.
CREATE TABLE notifications (
    tenant_id       TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    id              UUID        NOT NULL,
    -- The order in which they were written.
    number          BIGINT      NOT NULL CONSTRAINT numbers_count_from_one CHECK (number >= 1),
    channel         TEXT        NOT NULL CONSTRAINT channel_is_a_name CHECK (channel ~ '^[a-z][a-z0-9_]{0,62}$'),
    kind            TEXT        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('firing', 'resolved', 'test', 'heartbeat')),
    content         JSONB       NOT NULL CONSTRAINT content_is_an_object
                                CHECK (jsonb_typeof(content) = 'object' AND octet_length(content::TEXT) <= 1048576),
    created_at      TIMESTAMPTZ NOT NULL,
    status          TEXT        NOT NULL DEFAULT 'pending' CONSTRAINT status_is_known
                                CHECK (status IN ('pending', 'delivered', 'given_up')),
    next_attempt_at TIMESTAMPTZ,
    finished_at     TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT tried_until_finished CHECK (
        (next_attempt_at IS NOT NULL) = (status = 'pending') AND (finished_at IS NULL) = (status = 'pending')
    ),
    CONSTRAINT times_are_sane CHECK (
        created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z'
        AND next_attempt_at >= '1900-01-01T00:00Z' AND next_attempt_at < '9999-01-01T00:00Z'
        AND finished_at >= '1900-01-01T00:00Z' AND finished_at < '9999-01-01T00:00Z'
    )
);

-- What is to be delivered to a channel, in the order in which it was written.
CREATE INDEX notifications_pending ON notifications (tenant_id, channel, number) WHERE status = 'pending';
-- The newest notifications, and the next number.
CREATE INDEX notifications_latest ON notifications (tenant_id, number DESC);

-- Attempts to deliver a notification, each with the receiver's answer.
CREATE TABLE delivery_attempts (
    tenant_id       TEXT        NOT NULL,
    notification_id UUID        NOT NULL,
    number          BIGINT      NOT NULL CONSTRAINT attempts_count_from_one CHECK (number >= 1),
    attempted_at    TIMESTAMPTZ NOT NULL CONSTRAINT attempt_is_sane
                                CHECK (attempted_at >= '1900-01-01T00:00Z' AND attempted_at < '9999-01-01T00:00Z'),
    duration_ms     BIGINT      NOT NULL CONSTRAINT duration_is_not_negative CHECK (duration_ms >= 0),
    is_delivered    BOOLEAN     NOT NULL,
    answer          TEXT        NOT NULL CONSTRAINT answer_is_short CHECK (length(answer) <= 2000),
    PRIMARY KEY (tenant_id, notification_id, number),
    FOREIGN KEY (tenant_id, notification_id) REFERENCES notifications ON DELETE CASCADE
);

CREATE FUNCTION refuse_unless_ending() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    moving CONSTANT TEXT[] := ARRAY['ended_at', 'ended_by'];
BEGIN
    IF to_jsonb(NEW) - moving = to_jsonb(OLD) - moving AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
        OR is_redaction(to_jsonb(OLD), to_jsonb(NEW))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on %.% is refused: a silence ends once and is not changed otherwise',
        TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Add another silence.';
END
$$;

CREATE TRIGGER refuse_update BEFORE UPDATE ON alert_silences FOR EACH ROW EXECUTE FUNCTION refuse_unless_ending();
CREATE TRIGGER refuse_delete BEFORE DELETE ON alert_silences FOR EACH ROW
    EXECUTE FUNCTION refuse_change('silences are kept', 'A silence that is no longer wanted is ended.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON alert_silences FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('silences are kept', 'A silence that is no longer wanted is ended.');

ALTER TABLE alert_silences ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE alert_silences ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE alert_silences ENABLE ALWAYS TRIGGER refuse_truncate;

-- A server evaluates its rules at once where a silence is made or ended.
CREATE TRIGGER notify_change AFTER INSERT OR UPDATE ON alert_silences FOR EACH STATEMENT EXECUTE FUNCTION notify_change();

-- The states of rules that were removed from the configuration are deleted.
SELECT restrict_privileges('alert_states', 'TRUNCATE');
SELECT restrict_privileges('alert_silences', 'DELETE, TRUNCATE');
-- Notifications and their attempts are deleted 90 days after their end.
SELECT restrict_privileges('notifications', 'TRUNCATE');
SELECT restrict_privileges('delivery_attempts', 'TRUNCATE');

SELECT secure_rows(oid) FROM pg_class
WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE AND relkind = 'r'
  AND relname IN ('alert_states', 'alert_silences', 'notifications', 'delivery_attempts');

-- The roles of an API may not execute the functions of these migrations, whatever the default privileges are.
REVOKE ALL ON FUNCTION refuse_unless_ending FROM PUBLIC;
SELECT grant_api_roles();
