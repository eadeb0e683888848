-- Daymark's tables. Runs with a search_path of Daymark's own schema alone, so that no name needs to be qualified and
-- nothing can end up elsewhere. tenant_id leads every key.

-- Every version that a definition ever had. Records name the version that made them.
CREATE TABLE metric_definition_versions (
    tenant_id       TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    metric_type     TEXT        NOT NULL CONSTRAINT type_is_known
                                CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category TEXT        NOT NULL CONSTRAINT category_is_a_name
                                CHECK (metric_category ~ '^[a-z][a-z0-9_]{0,62}$'),
    version         INTEGER     NOT NULL CONSTRAINT version_counts_from_one CHECK (version >= 1),
    -- The whole definition: measure, sources, filters, presentation.
    spec            JSONB       NOT NULL CONSTRAINT spec_is_an_object CHECK (jsonb_typeof(spec) = 'object'),
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, metric_type, metric_category, version)
);

-- The current definition of each metric, as a dashboard needs it.
CREATE TABLE metric_definitions (
    id              UUID        NOT NULL DEFAULT gen_random_uuid(),
    tenant_id       TEXT        NOT NULL,
    metric_type     TEXT        NOT NULL,
    metric_category TEXT        NOT NULL,
    display_name    TEXT        NOT NULL,
    description     TEXT        NOT NULL DEFAULT '',
    unit            TEXT        NOT NULL DEFAULT '',
    format_pattern  TEXT        NOT NULL DEFAULT '',
    is_active       BOOLEAN     NOT NULL DEFAULT TRUE,
    version         INTEGER     NOT NULL,
    -- Who it belongs to: daymark.toml, or whoever made it through the API.
    origin          TEXT        NOT NULL DEFAULT 'file' CONSTRAINT origin_is_known CHECK (origin IN ('file', 'api')),
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, metric_type, metric_category),
    FOREIGN KEY (tenant_id, metric_type, metric_category, version) REFERENCES metric_definition_versions
);

-- Not for speed: at most one active metric of a name. A metric that changes its type leaves an inactive row behind.
CREATE UNIQUE INDEX metric_definitions_one_active ON metric_definitions (tenant_id, metric_category) WHERE is_active;

-- One entry a run, written before its work starts and finished once.
CREATE TABLE metric_collection_log (
    id                  UUID        NOT NULL DEFAULT gen_random_uuid(),
    tenant_id           TEXT        NOT NULL CONSTRAINT tenant_is_a_name
                                    CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    kind                TEXT        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('collect', 'backfill')),
    collection_date     DATE        NOT NULL,
    collection_end_date DATE        NOT NULL,
    started_at          TIMESTAMPTZ NOT NULL,
    completed_at        TIMESTAMPTZ,
    status              TEXT        NOT NULL CONSTRAINT status_is_known
                                    CHECK (status IN ('running', 'completed', 'partial', 'failed')),
    metrics_collected   BIGINT      NOT NULL DEFAULT 0 CONSTRAINT metrics_are_counted CHECK (metrics_collected >= 0),
    error_message       TEXT,
    error_details       JSONB       CONSTRAINT details_are_an_object CHECK (jsonb_typeof(error_details) = 'object'),
    -- Why it was started, and who started it: cli:<system user>, key:<id>, user:<subject> or system.
    trigger             TEXT        NOT NULL CONSTRAINT trigger_is_known
                                    CHECK (trigger IN ('schedule', 'api', 'cli', 'catch_up')),
    actor               TEXT        NOT NULL CONSTRAINT actor_is_short CHECK (length(actor) BETWEEN 1 AND 200),
    host                TEXT        NOT NULL,
    process_id          BIGINT      NOT NULL,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT completed_when_not_running CHECK ((completed_at IS NULL) = (status = 'running')),
    CONSTRAINT days_are_in_order CHECK (collection_end_date >= collection_date)
);

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

-- The records: one value for each metric and finished day, never rewritten. Partitions are made by ensure_partition.
-- "id" is there for clients that want a single column; it is random and not indexed.
CREATE TABLE daily_metrics (
    id                   UUID        NOT NULL DEFAULT gen_random_uuid(),
    tenant_id            TEXT        NOT NULL,
    metric_date          DATE        NOT NULL CONSTRAINT date_is_sane CHECK (metric_date >= '1900-01-01'),
    metric_type          TEXT        NOT NULL CONSTRAINT type_is_known
                                     CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category      TEXT        NOT NULL,
    -- NaN sorts above Infinity, so both comparisons together leave only finite values.
    value                NUMERIC     NOT NULL CONSTRAINT value_is_finite
                                     CHECK (value < 'Infinity' AND value > '-Infinity'),
    metadata             JSONB       NOT NULL DEFAULT '{}' CONSTRAINT metadata_is_an_object
                                     CHECK (jsonb_typeof(metadata) = 'object'),
    provenance           TEXT        NOT NULL CONSTRAINT provenance_is_known
                                     CHECK (provenance IN ('observed', 'reconstructed', 'corrected')),
    definition_version   INTEGER     NOT NULL,
    collection_id        UUID        NOT NULL,
    collection_timestamp TIMESTAMPTZ NOT NULL,
    created_at           TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT value_is_not_negative CHECK (value >= 0 OR metric_type IN ('average', 'count')),
    -- A day ends nowhere before 10:00 UTC of its own date, which is midnight at UTC+14.
    CONSTRAINT day_is_finished
        CHECK (collection_timestamp >= (metric_date + TIME '10:00') AT TIME ZONE 'UTC'),
    -- Serves one metric over a range of days, and "first write wins".
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date),
    FOREIGN KEY (tenant_id, metric_type, metric_category, definition_version) REFERENCES metric_definition_versions,
    FOREIGN KEY (tenant_id, collection_id) REFERENCES metric_collection_log
) PARTITION BY RANGE (metric_date);

-- All metrics of a day or a range of days, and the first and the last recorded day.
CREATE INDEX daily_metrics_by_date ON daily_metrics (tenant_id, metric_date);

-- Collections and backfills that were asked for, whether they have begun or not. A job changes only forwards: from queued to
-- running to one end, or from queued to its end.
CREATE TABLE jobs (
    id          UUID        NOT NULL,
    tenant_id   TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    kind        TEXT        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('collect', 'backfill')),
    spec        JSONB       NOT NULL CONSTRAINT spec_is_an_object
                            CHECK (jsonb_typeof(spec) = 'object' AND octet_length(spec::TEXT) <= 65536),
    trigger     TEXT        NOT NULL CONSTRAINT trigger_is_known
                            CHECK (trigger IN ('schedule', 'api', 'cli', 'catch_up')),
    actor       TEXT        NOT NULL CONSTRAINT actor_is_short CHECK (length(actor) BETWEEN 1 AND 200),
    status      TEXT        NOT NULL CONSTRAINT status_is_known
                            CHECK (status IN ('queued', 'running', 'completed', 'partial', 'failed', 'busy', 'interrupted')),
    created_at  TIMESTAMPTZ NOT NULL,
    started_at  TIMESTAMPTZ CONSTRAINT started_when_running CHECK (started_at IS NOT NULL OR status <> 'running'),
    finished_at TIMESTAMPTZ,
    host        TEXT        NOT NULL,
    process_id  BIGINT      NOT NULL,
    -- The run in the collection log that did it.
    run_id      UUID,
    result      JSONB       CONSTRAINT result_is_an_object
                            CHECK (jsonb_typeof(result) = 'object' AND octet_length(result::TEXT) <= 65536),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT finished_at_its_end CHECK ((finished_at IS NULL) = (status IN ('queued', 'running')))
);

-- The latest jobs: ORDER BY created_at DESC LIMIT n.
CREATE INDEX jobs_latest ON jobs (tenant_id, created_at DESC);

-- The outbox: what a commit means to others, written in the commit's own transaction and delivered later. Ids are in the order
-- of the commits of a tenant.
CREATE TABLE events (
    tenant_id  TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    id         BIGINT      NOT NULL CONSTRAINT ids_count_from_one CHECK (id >= 1),
    kind       TEXT        NOT NULL CONSTRAINT kind_is_known
                           CHECK (kind IN ('day_recorded', 'run_completed', 'run_partial', 'run_failed', 'definitions_changed')),
    subject    JSONB       NOT NULL CONSTRAINT subject_is_an_object
                           CHECK (jsonb_typeof(subject) = 'object' AND octet_length(subject::TEXT) <= 65536),
    created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
