-- Alerts: the state of each rule, silences, and the notifications about them, which are written in the transaction of the change
-- of state that they report and delivered later.

-- The state of each rule that was ever evaluated.
CREATE TABLE alert_states (
    tenant_id   TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                        CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    rule        TEXT    NOT NULL CONSTRAINT rule_is_a_name
                        CHECK (rule GLOB '[a-z]*' AND rule NOT GLOB '*[^a-z0-9_]*' AND length(rule) <= 63),
    state       TEXT    NOT NULL CONSTRAINT state_is_known
                        CHECK (state IN ('normal', 'pending', 'firing', 'resolved', 'no_data', 'error')),
    -- Since when it is in this state.
    since       TEXT    NOT NULL CONSTRAINT since_is_an_instant
                        CHECK (since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(since) IS NOT NULL AND since >= '1900' AND since < '9999'),
    -- When the condition began to hold, of an alert that is pending, firing or resolved, and of one that was pending before there
    -- was nothing to judge by.
    started_at  TEXT    CONSTRAINT start_is_an_instant
                        CHECK (started_at IS NULL OR started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(started_at) IS NOT NULL AND started_at >= '1900' AND started_at < '9999'),
    summary     TEXT    NOT NULL CONSTRAINT summary_is_short CHECK (length(summary) <= 4096),
    -- The severity and the labels with which it began to fire last. NULL: it never fired.
    severity    TEXT    CONSTRAINT severity_is_known CHECK (severity IN ('critical', 'warning', 'info')),
    labels      TEXT    NOT NULL DEFAULT '{}' CONSTRAINT labels_are_an_object
                        CHECK (json_valid(labels) AND json_type(labels) = 'object' AND length(labels) <= 65536),
    -- The channels that were notified that it fires, each with the time of the last notification.
    told        TEXT    NOT NULL DEFAULT '{}' CONSTRAINT told_is_an_object
                        CHECK (json_valid(told) AND json_type(told) = 'object' AND length(told) <= 1048576),
    -- Whether a silence held when it was evaluated last.
    is_silenced INTEGER NOT NULL DEFAULT 0 CONSTRAINT silenced_or_not CHECK (is_silenced IN (0, 1)),
    -- Counts changes, so that of two instances only one makes each.
    revision    INTEGER NOT NULL CONSTRAINT revisions_count_from_one CHECK (revision >= 1),
    PRIMARY KEY (tenant_id, rule),
    CONSTRAINT started_when_it_holds CHECK (started_at IS NOT NULL OR state NOT IN ('pending', 'firing', 'resolved'))
) STRICT, WITHOUT ROWID;

-- Silences, each with its reason. A silence ends at ends_at, or earlier at ended_at.
CREATE TABLE alert_silences (
    tenant_id  TEXT NOT NULL CONSTRAINT tenant_is_a_name
                    CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    id         TEXT NOT NULL CONSTRAINT id_is_a_uuid
                    CHECK (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^-0-9a-f]*' AND length(replace(id, '-', '')) = 32),
    -- NULL: of all rules.
    rule       TEXT CONSTRAINT rule_is_a_name
                    CHECK (rule GLOB '[a-z]*' AND rule NOT GLOB '*[^a-z0-9_]*' AND length(rule) <= 63),
    reason     TEXT NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    created_at TEXT NOT NULL CONSTRAINT creation_is_an_instant
                    CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    created_by TEXT NOT NULL CONSTRAINT author_is_short CHECK (length(created_by) BETWEEN 1 AND 200),
    ends_at    TEXT NOT NULL CONSTRAINT end_is_an_instant
                    CHECK (ends_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(ends_at) IS NOT NULL AND ends_at >= '1900' AND ends_at < '9999'),
    ended_at   TEXT CONSTRAINT early_end_is_an_instant
                    CHECK (ended_at IS NULL OR ended_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(ended_at) IS NOT NULL AND ended_at >= '1900' AND ended_at < '9999'),
    ended_by   TEXT CONSTRAINT end_is_short CHECK (length(ended_by) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ends_later CHECK (ends_at > created_at),
    CONSTRAINT ended_by_an_author CHECK ((ended_at IS NULL) = (ended_by IS NULL))
) STRICT, WITHOUT ROWID;

-- The newest silences.
CREATE INDEX alert_silences_latest ON alert_silences (tenant_id, created_at DESC);

-- Notifications, each to one channel. The id is the key of idempotency that its receiver sees at every attempt.
CREATE TABLE notifications (
    tenant_id       TEXT NOT NULL CONSTRAINT tenant_is_a_name
                         CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    id              TEXT NOT NULL CONSTRAINT id_is_a_uuid
                         CHECK (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^-0-9a-f]*' AND length(replace(id, '-', '')) = 32),
    -- The order in which they were written.
    number          INTEGER NOT NULL CONSTRAINT numbers_count_from_one CHECK (number >= 1),
    channel         TEXT NOT NULL CONSTRAINT channel_is_a_name
                         CHECK (channel GLOB '[a-z]*' AND channel NOT GLOB '*[^a-z0-9_]*' AND length(channel) <= 63),
    kind            TEXT NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('firing', 'resolved', 'test', 'heartbeat')),
    content         TEXT NOT NULL CONSTRAINT content_is_an_object
                         CHECK (json_valid(content) AND json_type(content) = 'object' AND length(content) <= 1048576),
    created_at      TEXT NOT NULL CONSTRAINT creation_is_an_instant
                         CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    status          TEXT NOT NULL DEFAULT 'pending' CONSTRAINT status_is_known
                         CHECK (status IN ('pending', 'delivered', 'given_up')),
    next_attempt_at TEXT CONSTRAINT next_attempt_is_an_instant
                         CHECK (next_attempt_at IS NULL OR next_attempt_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(next_attempt_at) IS NOT NULL AND next_attempt_at >= '1900' AND next_attempt_at < '9999'),
    finished_at     TEXT CONSTRAINT end_is_an_instant
                         CHECK (finished_at IS NULL OR finished_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(finished_at) IS NOT NULL AND finished_at >= '1900' AND finished_at < '9999'),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT tried_until_finished CHECK (
        (next_attempt_at IS NOT NULL) = (status = 'pending') AND (finished_at IS NULL) = (status = 'pending')
    )
) STRICT, WITHOUT ROWID;

-- What is to be delivered to a channel, in the order in which it was written.
CREATE INDEX notifications_pending ON notifications (tenant_id, channel, number) WHERE status = 'pending';
-- The newest notifications, and the next number.
CREATE INDEX notifications_latest ON notifications (tenant_id, number DESC);

-- Attempts to deliver a notification, each with the receiver's answer.
CREATE TABLE delivery_attempts (
    tenant_id       TEXT    NOT NULL,
    notification_id TEXT    NOT NULL,
    number          INTEGER NOT NULL CONSTRAINT attempts_count_from_one CHECK (number >= 1),
    attempted_at    TEXT    NOT NULL CONSTRAINT attempt_is_an_instant
                            CHECK (attempted_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(attempted_at) IS NOT NULL AND attempted_at >= '1900' AND attempted_at < '9999'),
    duration_ms     INTEGER NOT NULL CONSTRAINT duration_is_not_negative CHECK (duration_ms >= 0),
    is_delivered    INTEGER NOT NULL CONSTRAINT delivered_or_not CHECK (is_delivered IN (0, 1)),
    answer          TEXT    NOT NULL CONSTRAINT answer_is_short CHECK (length(answer) <= 2000),
    PRIMARY KEY (tenant_id, notification_id, number),
    FOREIGN KEY (tenant_id, notification_id) REFERENCES notifications ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TRIGGER alert_silences_refuse_update BEFORE UPDATE ON alert_silences
WHEN NOT (
    OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
    AND NEW.tenant_id = OLD.tenant_id AND NEW.id = OLD.id AND NEW.rule IS OLD.rule AND NEW.reason = OLD.reason
    AND NEW.created_at = OLD.created_at AND NEW.created_by = OLD.created_by AND NEW.ends_at = OLD.ends_at
) BEGIN
    SELECT RAISE(ABORT, 'UPDATE on alert_silences is refused: a silence ends once and is not changed otherwise');
END;
CREATE TRIGGER alert_silences_refuse_delete BEFORE DELETE ON alert_silences BEGIN
    SELECT RAISE(ABORT, 'DELETE on alert_silences is refused: silences are kept; a silence that is no longer wanted is ended');
END;
