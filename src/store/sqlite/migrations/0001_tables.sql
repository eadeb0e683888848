-- Daymark's tables, the same as on PostgreSQL as far as SQLite goes. tenant_id leads every key.
-- Dates are text as in 2025-01-31; instants are UTC text of one fixed width, as in 2025-01-31T00:15:00.000000Z, so that
-- text order is time order; UUIDs are text; exact decimals are text, because SQLite's own numbers are floats.

-- What holds for the store as a whole: one row, made by the migration.
CREATE TABLE store_settings (
    only_row        INTEGER NOT NULL PRIMARY KEY CONSTRAINT only_one_row CHECK (only_row = 1),
    -- Whether the processes that record have a simulated clock, as a demonstration has. Then the machine's clock says nothing
    -- about their days. It is set before the first run, and stays.
    simulated_clock INTEGER NOT NULL DEFAULT 0 CONSTRAINT clock_is_simulated_or_not CHECK (simulated_clock IN (0, 1))
) STRICT;
INSERT INTO store_settings (only_row) VALUES (1);

-- Every version that a definition ever had. Records name the version that made them.
CREATE TABLE metric_definition_versions (
    tenant_id       TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                            CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    metric_type     TEXT    NOT NULL CONSTRAINT type_is_known
                            CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category TEXT    NOT NULL CONSTRAINT category_is_a_name
                            CHECK (metric_category GLOB '[a-z]*' AND metric_category NOT GLOB '*[^a-z0-9_]*'
                                   AND length(metric_category) <= 63),
    version         INTEGER NOT NULL CONSTRAINT version_counts_from_one CHECK (version BETWEEN 1 AND 1000000),
    -- The whole definition: measure, sources, filters, presentation.
    spec            TEXT    NOT NULL CONSTRAINT spec_is_an_object
                            CHECK (json_valid(spec) AND json_type(spec) = 'object' AND length(spec) <= 1048576),
    created_at      TEXT    NOT NULL CONSTRAINT creation_is_an_instant
                            CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    PRIMARY KEY (tenant_id, metric_type, metric_category, version),
    -- What a reader needs of it, under its own name.
    CONSTRAINT spec_is_a_definition CHECK (
        json_type(spec, '$.measure') IS 'text' AND json_type(spec, '$.display_name') IS 'text'
        AND spec ->> 'metric_type' IS metric_type AND spec ->> 'category' IS metric_category
    )
) STRICT, WITHOUT ROWID;

-- The current definition of each metric, as a dashboard needs it.
CREATE TABLE metric_definitions (
    id              TEXT    NOT NULL,
    tenant_id       TEXT    NOT NULL,
    metric_type     TEXT    NOT NULL,
    metric_category TEXT    NOT NULL,
    display_name    TEXT    NOT NULL,
    description     TEXT    NOT NULL DEFAULT '',
    unit            TEXT    NOT NULL DEFAULT '',
    format_pattern  TEXT    NOT NULL DEFAULT '',
    is_active       INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    version         INTEGER NOT NULL,
    -- What it belongs to: daymark.toml, or the API through which it was made.
    origin          TEXT    NOT NULL DEFAULT 'file' CONSTRAINT origin_is_known CHECK (origin IN ('file', 'api')),
    created_at      TEXT    NOT NULL CONSTRAINT creation_is_an_instant
                            CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    updated_at      TEXT    NOT NULL CONSTRAINT update_is_an_instant
                            CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(updated_at) IS NOT NULL AND updated_at >= '1900' AND updated_at < '9999'),
    CONSTRAINT texts_are_short CHECK (
        length(display_name) BETWEEN 1 AND 1000 AND length(description) <= 10000 AND length(unit) <= 1000
        AND length(format_pattern) <= 1000
    ),
    PRIMARY KEY (tenant_id, metric_type, metric_category),
    FOREIGN KEY (tenant_id, metric_type, metric_category, version) REFERENCES metric_definition_versions
) STRICT, WITHOUT ROWID;

-- Not for speed: at most one active metric of a name. A metric that changes its type leaves an inactive row behind.
CREATE UNIQUE INDEX metric_definitions_one_active ON metric_definitions (tenant_id, metric_category) WHERE is_active;

-- One entry a run, written before its work starts and finished once.
CREATE TABLE metric_collection_log (
    id                  TEXT    NOT NULL CONSTRAINT id_is_a_uuid
                                CHECK (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^-0-9a-f]*'
                                       AND length(replace(id, '-', '')) = 32),
    tenant_id           TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                                CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    kind                TEXT    NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('collect', 'backfill')),
    collection_date     TEXT    NOT NULL CONSTRAINT date_is_a_date CHECK (collection_date IS date(collection_date)),
    collection_end_date TEXT    NOT NULL CONSTRAINT end_date_is_a_date CHECK (collection_end_date IS date(collection_end_date)),
    started_at          TEXT    NOT NULL CONSTRAINT start_has_the_fixed_width
                                CHECK (started_at GLOB
                                       '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    completed_at        TEXT    CONSTRAINT end_has_the_fixed_width
                                CHECK (completed_at GLOB
                                       '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    status              TEXT    NOT NULL CONSTRAINT status_is_known
                                CHECK (status IN ('running', 'completed', 'partial', 'failed')),
    metrics_collected   INTEGER NOT NULL DEFAULT 0 CONSTRAINT metrics_are_counted CHECK (metrics_collected >= 0),
    error_message       TEXT    CONSTRAINT message_is_short CHECK (length(error_message) <= 4096),
    error_details       TEXT    CONSTRAINT details_are_an_object
                                CHECK (error_details IS NULL OR (json_valid(error_details) AND json_type(error_details) = 'object'
                                       AND length(error_details) <= 1048576)),
    -- Why it was started, and who started it: cli:<system user>, key:<id>, user:<subject> or system.
    trigger             TEXT    NOT NULL CONSTRAINT trigger_is_known
                                CHECK (trigger IN ('schedule', 'api', 'cli', 'catch_up')),
    actor               TEXT    NOT NULL CONSTRAINT actor_is_short CHECK (length(actor) BETWEEN 1 AND 200),
    host                TEXT    NOT NULL CONSTRAINT host_is_short CHECK (length(host) <= 1000),
    process_id          INTEGER NOT NULL CONSTRAINT process_is_a_number CHECK (process_id BETWEEN 0 AND 4294967295),
    created_at          TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) CONSTRAINT insertion_is_an_instant
                        CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT dates_are_sane CHECK (collection_date >= '1900-01-01' AND collection_end_date <= '9998-12-31'),
    CONSTRAINT times_are_sane CHECK (
        datetime(started_at) IS NOT NULL AND started_at >= '1900' AND started_at < '9999'
        AND (completed_at IS NULL OR datetime(completed_at) IS NOT NULL AND completed_at >= started_at AND completed_at < '9999')
    ),
    CONSTRAINT completed_when_not_running CHECK ((completed_at IS NULL) = (status = 'running')),
    CONSTRAINT days_are_in_order CHECK (collection_end_date >= collection_date)
) STRICT, WITHOUT ROWID;

-- The latest runs: ORDER BY started_at DESC LIMIT n.
CREATE INDEX metric_collection_log_latest ON metric_collection_log (tenant_id, started_at DESC);
-- The newest incomplete runs of a day, and the newest incomplete backfills.
CREATE INDEX metric_collection_log_incomplete
    ON metric_collection_log (tenant_id, kind, collection_date, started_at DESC) WHERE status <> 'completed';
CREATE INDEX metric_collection_log_incomplete_latest
    ON metric_collection_log (tenant_id, kind, started_at DESC) WHERE status <> 'completed';
-- The runs that had to do with some days: collection_end_date >= from AND collection_date <= to. Most questions are
-- about recent days, so the end date, which leaves only the recent runs, comes first.
CREATE INDEX metric_collection_log_days ON metric_collection_log (tenant_id, collection_end_date, collection_date);

-- The records: one value for each metric and finished day, never rewritten.
-- "id" is there for clients that want a single column; it is random and not indexed.
CREATE TABLE daily_metrics (
    id                   TEXT    NOT NULL,
    tenant_id            TEXT    NOT NULL,
    metric_date          TEXT    NOT NULL CONSTRAINT date_is_sane
                                 CHECK (metric_date IS date(metric_date) AND metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type          TEXT    NOT NULL CONSTRAINT type_is_known
                                 CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category      TEXT    NOT NULL,
    -- Digits, with at most a minus before, a point within; at most 1000 before and after the point.
    value                TEXT    NOT NULL CONSTRAINT value_is_finite
                                 CHECK ((value GLOB '[0-9]*' OR value GLOB '-[0-9]*') AND value GLOB '*[0-9]'
                                        AND value NOT GLOB '*[^-.0-9]*' AND value NOT GLOB '?*-*'
                                        AND value NOT GLOB '*.*.*' AND length(value) <= 2002
                                        AND length(value) - instr(value || '.', '.') <= 1000
                                        AND instr(value || '.', '.') <= 1002),
    metadata             TEXT    NOT NULL DEFAULT '{}' CONSTRAINT metadata_is_an_object
                                 CHECK (json_valid(metadata) AND json_type(metadata) = 'object' AND length(metadata) <= 1048576),
    -- A correction is a row elsewhere, never a record.
    provenance           TEXT    NOT NULL CONSTRAINT provenance_is_known
                                 CHECK (provenance IN ('observed', 'reconstructed')),
    definition_version   INTEGER NOT NULL,
    collection_id        TEXT    NOT NULL,
    collection_timestamp TEXT    NOT NULL CONSTRAINT timestamp_has_the_fixed_width
                                 CHECK (collection_timestamp GLOB
                                        '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    created_at           TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) CONSTRAINT insertion_is_an_instant
                        CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    CONSTRAINT cut_is_sane CHECK (datetime(collection_timestamp) IS NOT NULL AND collection_timestamp < '9999'),
    CONSTRAINT value_is_not_negative CHECK (value NOT GLOB '-*' OR metric_type IN ('average', 'aggregate')),
    -- A day ends nowhere before 10:00 UTC of its own date, which is midnight at UTC+14.
    CONSTRAINT day_is_finished CHECK (collection_timestamp >= metric_date || 'T10:00:00.000000Z'),
    -- Serves one metric over a range of days, and "first write wins".
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date),
    FOREIGN KEY (tenant_id, metric_type, metric_category, definition_version) REFERENCES metric_definition_versions,
    FOREIGN KEY (tenant_id, collection_id) REFERENCES metric_collection_log
) STRICT, WITHOUT ROWID;

-- All metrics of a day or a range of days, and the first and the last recorded day.
CREATE INDEX daily_metrics_by_date ON daily_metrics (tenant_id, metric_date);
-- What was recorded last: /rest/v1 orders and filters by it.
CREATE INDEX daily_metrics_by_cut ON daily_metrics (tenant_id, collection_timestamp);

-- Collections and backfills that were asked for, whether they have begun or not. A job changes only forwards: from queued to
-- running to one end, or from queued to its end.
CREATE TABLE jobs (
    id          TEXT    NOT NULL CONSTRAINT id_is_a_uuid
                        CHECK (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^-0-9a-f]*'
                               AND length(replace(id, '-', '')) = 32),
    tenant_id   TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                        CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    kind        TEXT    NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('collect', 'backfill')),
    spec        TEXT    NOT NULL CONSTRAINT spec_is_an_object
                        CHECK (json_valid(spec) AND json_type(spec) = 'object' AND length(spec) <= 65536),
    trigger     TEXT    NOT NULL CONSTRAINT trigger_is_known CHECK (trigger IN ('schedule', 'api', 'cli', 'catch_up')),
    actor       TEXT    NOT NULL CONSTRAINT actor_is_short CHECK (length(actor) BETWEEN 1 AND 200),
    status      TEXT    NOT NULL CONSTRAINT status_is_known
                        CHECK (status IN ('queued', 'running', 'completed', 'partial', 'failed', 'busy', 'interrupted')),
    created_at  TEXT    NOT NULL CONSTRAINT creation_has_the_fixed_width
                        CHECK (created_at GLOB
                               '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    started_at  TEXT    CONSTRAINT start_has_the_fixed_width
                        CHECK (started_at GLOB
                               '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    finished_at TEXT    CONSTRAINT end_has_the_fixed_width
                        CHECK (finished_at GLOB
                               '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    host        TEXT    NOT NULL CONSTRAINT host_is_short CHECK (length(host) <= 1000),
    process_id  INTEGER NOT NULL CONSTRAINT process_is_a_number CHECK (process_id BETWEEN 0 AND 4294967295),
    -- The run in the collection log that did it.
    run_id      TEXT    CONSTRAINT run_is_a_uuid
                        CHECK (run_id GLOB '????????-????-????-????-????????????' AND run_id NOT GLOB '*[^-0-9a-f]*'
                               AND length(replace(run_id, '-', '')) = 32),
    result      TEXT    CONSTRAINT result_is_an_object
                        CHECK (result IS NULL OR (json_valid(result) AND json_type(result) = 'object' AND length(result) <= 65536)),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT times_are_sane CHECK (
        datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'
        AND (started_at IS NULL OR datetime(started_at) IS NOT NULL AND started_at >= '1900' AND started_at < '9999')
        AND (finished_at IS NULL OR datetime(finished_at) IS NOT NULL AND finished_at >= '1900' AND finished_at < '9999')
    ),
    CONSTRAINT started_when_running CHECK (started_at IS NOT NULL OR status <> 'running'),
    CONSTRAINT finished_at_its_end CHECK ((finished_at IS NULL) = (status IN ('queued', 'running')))
) STRICT, WITHOUT ROWID;

-- The latest jobs: ORDER BY created_at DESC LIMIT n.
CREATE INDEX jobs_latest ON jobs (tenant_id, created_at DESC);

-- The instance that collects, as it last reported itself. Whether it lives is told by its lock.
CREATE TABLE leaders (
    tenant_id  TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                       CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    host       TEXT    NOT NULL CONSTRAINT host_is_short CHECK (length(host) <= 1000),
    process_id INTEGER NOT NULL CONSTRAINT process_is_a_number CHECK (process_id BETWEEN 0 AND 4294967295),
    since      TEXT    NOT NULL CONSTRAINT start_is_an_instant
                       CHECK (since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(since) IS NOT NULL AND since >= '1900' AND since < '9999'),
    seen_at    TEXT    NOT NULL CONSTRAINT heartbeat_is_an_instant
                       CHECK (seen_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(seen_at) IS NOT NULL AND seen_at >= '1900' AND seen_at < '9999'),
    PRIMARY KEY (tenant_id)
) STRICT, WITHOUT ROWID;

-- Pauses of the schedule, each with its reason. A pause ends once: at until_at, or earlier at resumed_at.
CREATE TABLE schedule_pauses (
    tenant_id  TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                       CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    id         TEXT    NOT NULL CONSTRAINT id_is_a_uuid
                       CHECK (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^-0-9a-f]*'
                              AND length(replace(id, '-', '')) = 32),
    paused_at  TEXT    NOT NULL CONSTRAINT start_is_an_instant
                       CHECK (paused_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(paused_at) IS NOT NULL AND paused_at >= '1900' AND paused_at < '9999'),
    paused_by  TEXT    NOT NULL CONSTRAINT author_is_short CHECK (length(paused_by) BETWEEN 1 AND 200),
    reason     TEXT    NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    until_at   TEXT    CONSTRAINT end_is_an_instant
                       CHECK (until_at IS NULL OR until_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(until_at) IS NOT NULL AND until_at >= '1900' AND until_at < '9999'),
    resumed_at TEXT    CONSTRAINT resumption_is_an_instant
                       CHECK (resumed_at IS NULL OR resumed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(resumed_at) IS NOT NULL AND resumed_at >= '1900' AND resumed_at < '9999'),
    resumed_by TEXT    CONSTRAINT end_is_short CHECK (length(resumed_by) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ended_by_an_author CHECK ((resumed_at IS NULL) = (resumed_by IS NULL))
) STRICT, WITHOUT ROWID;

-- The newest pause.
CREATE INDEX schedule_pauses_latest ON schedule_pauses (tenant_id, paused_at DESC);

-- The outbox: what a commit means to others, written in the commit's own transaction and delivered later. Ids are in the order
-- of the commits of a tenant.
CREATE TABLE events (
    tenant_id  TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                       CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    id         INTEGER NOT NULL CONSTRAINT ids_count_from_one CHECK (id >= 1),
    kind       TEXT    NOT NULL CONSTRAINT kind_is_known
                       CHECK (kind IN ('day_recorded', 'run_completed', 'run_partial', 'run_failed', 'definitions_changed')),
    subject    TEXT    NOT NULL CONSTRAINT subject_is_an_object
                       CHECK (json_valid(subject) AND json_type(subject) = 'object' AND length(subject) <= 65536),
    created_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) CONSTRAINT insertion_is_an_instant
                        CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
