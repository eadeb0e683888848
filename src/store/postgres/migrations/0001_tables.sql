-- Daymark's tables. The migration runs with a search_path of Daymark's own schema alone, so names need no schema and no object
-- is created in another schema. tenant_id is the first column of every key. JSON has fewer than 64 levels ('$.**{64}' finds
-- deeper ones), because parsers refuse more than 128.

-- The settings of the whole store, in one row that the migration inserts.
CREATE TABLE store_settings (
    only_row             BOOLEAN NOT NULL DEFAULT TRUE PRIMARY KEY CONSTRAINT only_one_row CHECK (only_row),
    -- Whether the recording processes use a simulated clock, as `daymark demo` does. If TRUE, the triggers do not compare the
    -- times of a row with the clock of the database. Only the owner can set it, and only before the first run.
    simulated_clock      BOOLEAN NOT NULL DEFAULT FALSE,
    -- The channel of the NOTIFY that each commit sends. Its name is random, so only roles that can read this table know it.
    notification_channel TEXT    NOT NULL DEFAULT 'daymark_' || replace(gen_random_uuid()::TEXT, '-', ''),
    -- The key of the hashes by which redacted labels are recognised. Without it a hash does not tell whether a name was the label.
    redaction_key        BYTEA   NOT NULL DEFAULT sha256(convert_to(gen_random_uuid()::TEXT || gen_random_uuid()::TEXT, 'UTF8'))
                                 CONSTRAINT key_is_long CHECK (length(redaction_key) = 32)
);
INSERT INTO store_settings DEFAULT VALUES;

-- Every version of every definition. Each record names the version from which its value was computed.
CREATE TABLE metric_definition_versions (
    tenant_id       TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    metric_type     TEXT        NOT NULL CONSTRAINT type_is_known
                                CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category TEXT        NOT NULL CONSTRAINT category_is_a_name
                                CHECK (metric_category ~ '^[a-z][a-z0-9_]{0,62}$'),
    version         INTEGER     NOT NULL CONSTRAINT version_counts_from_one CHECK (version BETWEEN 1 AND 1000000),
    -- The whole definition: measure, sources, filters, presentation.
    spec            JSONB       NOT NULL CONSTRAINT spec_is_an_object
                                CHECK (jsonb_typeof(spec) = 'object' AND octet_length(spec::TEXT) <= 1048576
                                       AND NOT spec @? '$.**{64}'),
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now() CONSTRAINT creation_is_sane
                                CHECK (created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z'),
    PRIMARY KEY (tenant_id, metric_type, metric_category, version),
    -- Readers parse the spec by these members, and the type and the category must agree with the key of the row.
    CONSTRAINT spec_is_a_definition CHECK (
        spec ? 'measure' AND jsonb_typeof(spec -> 'display_name') = 'string'
        AND spec ->> 'metric_type' = metric_type AND spec ->> 'category' = metric_category
        AND spec ->> 'metric_type' IS NOT NULL AND spec ->> 'category' IS NOT NULL AND spec -> 'display_name' IS NOT NULL
    )
);

-- The current definition of each metric, with the texts that a dashboard shows.
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
    -- Where the definition is maintained: 'file' for daymark.toml or the preset, 'api' for the HTTP API.
    origin          TEXT        NOT NULL DEFAULT 'file' CONSTRAINT origin_is_known CHECK (origin IN ('file', 'api')),
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now() CONSTRAINT creation_is_sane
                                CHECK (created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z'),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT now() CONSTRAINT update_is_sane
                                CHECK (updated_at >= '1900-01-01T00:00Z' AND updated_at < '9999-01-01T00:00Z'),
    -- Without BETWEEN, of which a restored dump has another wording.
    CONSTRAINT texts_are_short CHECK (
        length(display_name) >= 1 AND length(display_name) <= 1000 AND length(description) <= 10000
        AND length(unit) <= 1000 AND length(format_pattern) <= 1000
    ),
    PRIMARY KEY (tenant_id, metric_type, metric_category),
    FOREIGN KEY (tenant_id, metric_type, metric_category, version) REFERENCES metric_definition_versions
);

-- A constraint: at most one metric of a name is active. A metric that changes its type leaves an inactive row behind.
CREATE UNIQUE INDEX metric_definitions_one_active ON metric_definitions (tenant_id, metric_category) WHERE is_active;

-- One entry for each run: inserted before the run reads anything, and updated once when the run ends.
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
    error_message       TEXT        CONSTRAINT message_is_short CHECK (length(error_message) <= 4096),
    error_details       JSONB       CONSTRAINT details_are_an_object
                                    CHECK (jsonb_typeof(error_details) = 'object' AND octet_length(error_details::TEXT) <= 1048576
                                        AND NOT error_details @? '$.**{64}'),
    -- "trigger" is why the run was started. "actor" is who started it: cli:<system user>, key:<id>, user:<subject> or system.
    trigger             TEXT        NOT NULL CONSTRAINT trigger_is_known
                                    CHECK (trigger IN ('schedule', 'api', 'cli', 'catch_up')),
    actor               TEXT        NOT NULL CONSTRAINT actor_is_short CHECK (length(actor) BETWEEN 1 AND 200),
    host                TEXT        NOT NULL CONSTRAINT host_is_short CHECK (length(host) <= 1000),
    process_id          BIGINT      NOT NULL CONSTRAINT process_is_a_number CHECK (process_id BETWEEN 0 AND 4294967295),
    -- The database role that inserted the entry; a trigger of 0002_immutability.sql sets it.
    started_by          NAME        NOT NULL DEFAULT current_user,
    created_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT dates_are_sane CHECK (collection_date >= '1900-01-01' AND collection_end_date <= '9998-12-31'),
    CONSTRAINT times_are_sane CHECK (
        started_at >= '1900-01-01T00:00Z' AND started_at < '9999-01-01T00:00Z'
        AND completed_at >= started_at AND completed_at < '9999-01-01T00:00Z'
    ),
    CONSTRAINT completed_when_not_running CHECK ((completed_at IS NULL) = (status = 'running')),
    CONSTRAINT days_are_in_order CHECK (collection_end_date >= collection_date)
);

-- For the latest runs: ORDER BY started_at DESC LIMIT n.
CREATE INDEX metric_collection_log_latest ON metric_collection_log (tenant_id, started_at DESC);
-- For the newest incomplete runs of a day, and for the newest incomplete backfills.
CREATE INDEX metric_collection_log_incomplete
    ON metric_collection_log (tenant_id, kind, collection_date, started_at DESC) WHERE status <> 'completed';
CREATE INDEX metric_collection_log_incomplete_latest
    ON metric_collection_log (tenant_id, kind, started_at DESC) WHERE status <> 'completed';
-- For the runs that overlap a range of days: collection_end_date >= from AND collection_date <= to. Most queries ask for
-- recent days, so the end date, which selects only the recent runs, comes first.
CREATE INDEX metric_collection_log_days ON metric_collection_log (tenant_id, collection_end_date, collection_date);

-- The records: one value for each metric and finished day, never rewritten. ensure_partition creates the partitions.
-- "id" is for clients that need a key of one column; it is random and not indexed.
CREATE TABLE daily_metrics (
    id                   UUID        NOT NULL DEFAULT gen_random_uuid(),
    tenant_id            TEXT        NOT NULL,
    metric_date          DATE        NOT NULL CONSTRAINT date_is_sane
                                     CHECK (metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type          TEXT        NOT NULL CONSTRAINT type_is_known
                                     CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category      TEXT        NOT NULL,
    -- Neither infinite nor NaN, which sorts above Infinity; at most 38 digits before the point and 30 after it, so that
    -- sums over years have no more than the 76 digits of Parquet.
    value                NUMERIC     NOT NULL CONSTRAINT value_is_finite
                                     CHECK (value < '1e38' AND value > '-1e38' AND scale(value) <= 30),
    metadata             JSONB       NOT NULL DEFAULT '{}' CONSTRAINT metadata_is_an_object
                                     CHECK (jsonb_typeof(metadata) = 'object' AND octet_length(metadata::TEXT) <= 1048576
                                        AND NOT metadata @? '$.**{64}'),
    -- No record is 'corrected': a correction is a row of metric_revisions.
    provenance           TEXT        NOT NULL CONSTRAINT provenance_is_known
                                     CHECK (provenance IN ('observed', 'reconstructed')),
    definition_version   INTEGER     NOT NULL,
    collection_id        UUID        NOT NULL,
    collection_timestamp TIMESTAMPTZ NOT NULL CONSTRAINT cut_is_sane CHECK (collection_timestamp < '9999-01-01T00:00Z'),
    created_at           TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT value_is_not_negative CHECK (value >= 0 OR metric_type IN ('average', 'aggregate')),
    -- In no time zone does a day end before 10:00 UTC of its own date, which is midnight at UTC+14.
    CONSTRAINT day_is_finished
        CHECK (collection_timestamp >= (metric_date + TIME '10:00') AT TIME ZONE 'UTC'),
    -- For one metric over a range of days, and for "first write wins".
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date),
    FOREIGN KEY (tenant_id, metric_type, metric_category, definition_version) REFERENCES metric_definition_versions,
    FOREIGN KEY (tenant_id, collection_id) REFERENCES metric_collection_log
) PARTITION BY RANGE (metric_date);

-- For all metrics of a day or a range of days, and for the first and the last recorded day. The date comes first: with the tenant first,
-- the planner takes this index for as good as the primary key for the days of one metric, as long as a partition has no statistics,
-- which is so during a first backfill, and reads all metrics of these days.
CREATE INDEX daily_metrics_by_date ON daily_metrics (metric_date, tenant_id);
-- For /rest/v1, which filters and orders by collection_timestamp.
CREATE INDEX daily_metrics_by_cut ON daily_metrics (tenant_id, collection_timestamp);

-- Revisions of recorded values, by which a correction is made: the record stays, and readers show the value of the revision that is
-- in force. It is the last revision of its day that is no reversal and that no reversal takes back; without one, the record is in force.
CREATE TABLE metric_revisions (
    tenant_id          TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    metric_date        DATE        NOT NULL CONSTRAINT date_is_sane CHECK (metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type        TEXT        NOT NULL CONSTRAINT type_is_known
                                   CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category    TEXT        NOT NULL CONSTRAINT category_is_a_name CHECK (metric_category ~ '^[a-z][a-z0-9_]{0,62}$'),
    -- Counts from 1 for each metric and day; a trigger of 0002_immutability.sql sets it.
    revision           INTEGER     NOT NULL CONSTRAINT revisions_count_from_one CHECK (revision BETWEEN 1 AND 1000000),
    -- The revisions that one transaction wrote.
    batch_id           UUID        NOT NULL,
    -- 'value' replaces the value; 'withdrawal' says that the value of the day cannot be known; 'reversal' takes a revision back.
    kind               TEXT        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('value', 'withdrawal', 'reversal')),
    value              NUMERIC     CONSTRAINT value_is_finite CHECK (value < '1e38' AND value > '-1e38' AND scale(value) <= 30),
    metadata           JSONB       CONSTRAINT metadata_is_an_object
                                   CHECK (jsonb_typeof(metadata) = 'object' AND octet_length(metadata::TEXT) <= 1048576
                                        AND NOT metadata @? '$.**{64}'),
    takes_back         INTEGER,
    -- The basis of the revision: the statement of a person, a reconstruction under a version of the definition, or the record
    -- itself after one of its labels was redacted.
    basis              TEXT        NOT NULL CONSTRAINT basis_is_known CHECK (basis IN ('manual', 'reconstruction', 'redaction')),
    definition_version INTEGER,
    reason             TEXT        NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    -- Who made it, as "actor" of metric_collection_log.
    author             TEXT        NOT NULL CONSTRAINT author_is_short CHECK (length(author) BETWEEN 1 AND 200),
    -- The database role that inserted the row, and the time by the clock of this database; the trigger sets both.
    inserted_by        NAME        NOT NULL DEFAULT current_user,
    created_at         TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp() CONSTRAINT creation_is_sane
                                   CHECK (created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z'),
    CONSTRAINT value_is_not_negative CHECK (value >= 0 OR metric_type IN ('average', 'aggregate')),
    CONSTRAINT value_where_it_is_one CHECK (
        (kind = 'value') = (value IS NOT NULL) AND (kind = 'value') = (metadata IS NOT NULL)
    ),
    CONSTRAINT takes_back_an_earlier_one CHECK (
        (kind = 'reversal') = (takes_back IS NOT NULL) AND (takes_back IS NULL OR takes_back BETWEEN 1 AND revision - 1)
    ),
    -- A value by hand that replaces a restated one has the version of that.
    CONSTRAINT version_where_it_is_reconstructed CHECK (
        basis = 'manual' AND kind = 'value' OR (basis = 'reconstruction') = (definition_version IS NOT NULL)
    ),
    -- For the revision in force of a day, and of the days of a metric in a range.
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date, revision),
    FOREIGN KEY (tenant_id, metric_type, metric_category, definition_version) REFERENCES metric_definition_versions
);

-- A constraint: a batch has one revision of a day, so that a batch whose answer was lost can be written again.
CREATE UNIQUE INDEX metric_revisions_one_of_a_batch
    ON metric_revisions (tenant_id, batch_id, metric_category, metric_type, metric_date);
-- For the newest corrections.
CREATE INDEX metric_revisions_latest ON metric_revisions (tenant_id, created_at DESC);

-- The log of redactions: that a label was replaced by a placeholder wherever the store had it, with the reason and the author, without
-- the label. A row is written in the transaction of the replacement. Recorders read it to recognise the label when it comes again.
CREATE TABLE redactions (
    tenant_id   TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    id          UUID        NOT NULL,
    -- Random, so that it tells nothing of the label. The same label has the same placeholder in every row.
    placeholder TEXT        NOT NULL CONSTRAINT placeholder_is_one CHECK (placeholder ~ '^redacted-[0-9a-f]{16}$'),
    -- SHA-256 of store_settings.redaction_key and the label.
    label_hash  BYTEA       NOT NULL CONSTRAINT hash_is_sha256 CHECK (length(label_hash) = 32),
    reason      TEXT        NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    -- Who redacted it, as "actor" of metric_collection_log.
    author      TEXT        NOT NULL CONSTRAINT author_is_short CHECK (length(author) BETWEEN 1 AND 200),
    -- Where it was found: metrics with their days, and other texts, with their numbers.
    places      JSONB       NOT NULL CONSTRAINT places_are_an_object
                            CHECK (jsonb_typeof(places) = 'object' AND octet_length(places::TEXT) <= 1048576
                                   AND NOT places @? '$.**{64}'),
    -- The database role that inserted the row, and the time by the clock of this database; a trigger sets both.
    inserted_by NAME        NOT NULL DEFAULT current_user,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp() CONSTRAINT creation_is_sane
                            CHECK (created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z'),
    PRIMARY KEY (tenant_id, id)
);

-- Judgements of records: whether a value is what the metric's history leads one to expect. They are derived from the records, so
-- they can be deleted and made again, and no record refers to them.
CREATE TABLE daily_metric_judgements (
    tenant_id       TEXT    NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    metric_date     DATE    NOT NULL CONSTRAINT date_is_sane CHECK (metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type     TEXT    NOT NULL CONSTRAINT type_is_known
                            CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category TEXT    NOT NULL CONSTRAINT category_is_a_name CHECK (metric_category ~ '^[a-z][a-z0-9_]{0,62}$'),
    -- The version of the algorithm.
    judge_version   INTEGER NOT NULL CONSTRAINT version_counts_from_one CHECK (judge_version BETWEEN 1 AND 1000000),
    verdict         TEXT    NOT NULL CONSTRAINT verdict_is_known CHECK (verdict IN ('normal', 'anomaly', 'unjudged')),
    reason          TEXT    CONSTRAINT reason_is_known
                            CHECK (reason IN ('out_of_range', 'zero', 'no_rows', 'above', 'below', 'too_little_history',
                                              'no_day_before', 'no_value', 'too_large')),
    -- The band in which the value was expected.
    expected_low    NUMERIC CONSTRAINT low_is_finite CHECK (expected_low < '1e38' AND expected_low > '-1e38'),
    expected_high   NUMERIC CONSTRAINT high_is_finite CHECK (expected_high < '1e38' AND expected_high > '-1e38'),
    -- How many standard deviations the value is above the expected one.
    score           NUMERIC CONSTRAINT score_is_bounded CHECK (score BETWEEN -9999.99 AND 9999.99),
    -- The days that it was judged by: how many, the first and the last.
    baseline_days   INTEGER NOT NULL CONSTRAINT baseline_is_counted CHECK (baseline_days >= 0),
    baseline_from   DATE,
    baseline_to     DATE,
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date),
    CONSTRAINT reason_unless_normal CHECK ((reason IS NULL) = (verdict = 'normal')),
    CONSTRAINT band_has_two_edges CHECK ((expected_low IS NULL) = (expected_high IS NULL) AND expected_low <= expected_high),
    CONSTRAINT baseline_is_before CHECK (
        (baseline_days > 0) = (baseline_from IS NOT NULL) AND (baseline_days > 0) = (baseline_to IS NOT NULL)
        AND baseline_from <= baseline_to AND baseline_to < metric_date
    )
);

-- For the anomalies of the last days.
CREATE INDEX daily_metric_judgements_anomalies ON daily_metric_judgements (tenant_id, metric_date) WHERE verdict = 'anomaly';

-- Records that were counted again from the platform's rows, with the value that these gave last.
CREATE TABLE drift_samples (
    tenant_id       TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    metric_date     DATE        NOT NULL CONSTRAINT date_is_sane CHECK (metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type     TEXT        NOT NULL CONSTRAINT type_is_known
                                CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category TEXT        NOT NULL CONSTRAINT category_is_a_name CHECK (metric_category ~ '^[a-z][a-z0-9_]{0,62}$'),
    recorded        NUMERIC     NOT NULL CONSTRAINT recorded_is_finite CHECK (recorded < '1e38' AND recorded > '-1e38'),
    recounted       NUMERIC     NOT NULL CONSTRAINT recounted_is_finite CHECK (recounted < '1e38' AND recounted > '-1e38'),
    recounted_at    TIMESTAMPTZ NOT NULL CONSTRAINT recount_is_sane
                                CHECK (recounted_at >= '1900-01-01T00:00Z' AND recounted_at < '9999-01-01T00:00Z'),
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date)
);

-- For the newest recounts.
CREATE INDEX drift_samples_latest ON drift_samples (tenant_id, recounted_at DESC);

-- Requested collections, backfills and restatements. A status changes only forwards: from queued to running to one of the final states, or
-- from queued to a final state.
CREATE TABLE jobs (
    id          UUID        NOT NULL,
    tenant_id   TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    kind        TEXT        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('collect', 'backfill', 'restate')),
    spec        JSONB       NOT NULL CONSTRAINT spec_is_an_object
                            CHECK (jsonb_typeof(spec) = 'object' AND octet_length(spec::TEXT) <= 65536
                                       AND NOT spec @? '$.**{64}'),
    trigger     TEXT        NOT NULL CONSTRAINT trigger_is_known
                            CHECK (trigger IN ('schedule', 'api', 'cli', 'catch_up')),
    actor       TEXT        NOT NULL CONSTRAINT actor_is_short CHECK (length(actor) BETWEEN 1 AND 200),
    status      TEXT        NOT NULL CONSTRAINT status_is_known
                            CHECK (status IN ('queued', 'running', 'completed', 'partial', 'failed', 'busy', 'interrupted')),
    created_at  TIMESTAMPTZ NOT NULL,
    started_at  TIMESTAMPTZ CONSTRAINT started_when_running CHECK (started_at IS NOT NULL OR status <> 'running'),
    finished_at TIMESTAMPTZ,
    host        TEXT        NOT NULL CONSTRAINT host_is_short CHECK (length(host) <= 1000),
    process_id  BIGINT      NOT NULL CONSTRAINT process_is_a_number CHECK (process_id BETWEEN 0 AND 4294967295),
    -- The entry of the collection log for the job's run.
    run_id      UUID,
    result      JSONB       CONSTRAINT result_is_an_object
                            CHECK (jsonb_typeof(result) = 'object' AND octet_length(result::TEXT) <= 65536
                                       AND NOT result @? '$.**{64}'),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT finished_at_its_end CHECK ((finished_at IS NULL) = (status IN ('queued', 'running'))),
    CONSTRAINT times_are_sane CHECK (
        created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z'
        AND started_at >= '1900-01-01T00:00Z' AND started_at < '9999-01-01T00:00Z'
        AND finished_at >= '1900-01-01T00:00Z' AND finished_at < '9999-01-01T00:00Z'
    )
);

-- For the latest jobs: ORDER BY created_at DESC LIMIT n.
CREATE INDEX jobs_latest ON jobs (tenant_id, created_at DESC);

-- The instance that leads the schedule, with its last heartbeat. Whether it is still alive is decided by its lock, not by this row.
CREATE TABLE leaders (
    tenant_id  TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    host       TEXT        NOT NULL CONSTRAINT host_is_short CHECK (length(host) <= 1000),
    process_id BIGINT      NOT NULL CONSTRAINT process_is_a_number CHECK (process_id BETWEEN 0 AND 4294967295),
    since      TIMESTAMPTZ NOT NULL,
    seen_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id),
    CONSTRAINT times_are_sane CHECK (
        since >= '1900-01-01T00:00Z' AND since < '9999-01-01T00:00Z'
        AND seen_at >= '1900-01-01T00:00Z' AND seen_at < '9999-01-01T00:00Z'
    )
);

-- Pauses of the schedule, each with its reason. A pause ends once: at until_at, or earlier at resumed_at.
CREATE TABLE schedule_pauses (
    tenant_id  TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    id         UUID        NOT NULL,
    paused_at  TIMESTAMPTZ NOT NULL,
    paused_by  TEXT        NOT NULL CONSTRAINT author_is_short CHECK (length(paused_by) BETWEEN 1 AND 200),
    reason     TEXT        NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    until_at   TIMESTAMPTZ,
    resumed_at TIMESTAMPTZ,
    resumed_by TEXT        CONSTRAINT end_is_short CHECK (length(resumed_by) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ended_by_an_author CHECK ((resumed_at IS NULL) = (resumed_by IS NULL)),
    CONSTRAINT times_are_sane CHECK (
        paused_at >= '1900-01-01T00:00Z' AND paused_at < '9999-01-01T00:00Z'
        AND until_at >= '1900-01-01T00:00Z' AND until_at < '9999-01-01T00:00Z'
        AND resumed_at >= '1900-01-01T00:00Z' AND resumed_at < '9999-01-01T00:00Z'
    )
);

-- For the newest pause.
CREATE INDEX schedule_pauses_latest ON schedule_pauses (tenant_id, paused_at DESC);

-- Annotations: notes on days, such as releases and incidents, which charts show. They are no part of the record, so they may be
-- changed and deleted.
CREATE TABLE annotations (
    tenant_id       TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    id              UUID        NOT NULL,
    first_day       DATE        NOT NULL CONSTRAINT day_is_sane CHECK (first_day >= '1900-01-01' AND first_day < '9999-01-01'),
    last_day        DATE        NOT NULL CONSTRAINT ends_later CHECK (last_day >= first_day AND last_day < '9999-01-01'),
    -- NULL: about all metrics.
    metric_category TEXT        CONSTRAINT category_is_a_name CHECK (metric_category ~ '^[a-z][a-z0-9_]{0,62}$'),
    text            TEXT        NOT NULL CONSTRAINT text_is_short CHECK (length(text) BETWEEN 1 AND 1000),
    created_at      TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    created_by      TEXT        NOT NULL CONSTRAINT author_is_short CHECK (length(created_by) BETWEEN 1 AND 200),
    changed_at      TIMESTAMPTZ,
    changed_by      TEXT        CONSTRAINT editor_is_short CHECK (length(changed_by) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT changed_by_an_editor CHECK ((changed_at IS NULL) = (changed_by IS NULL)),
    CONSTRAINT times_are_sane CHECK (
        created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z'
        AND changed_at >= '1900-01-01T00:00Z' AND changed_at < '9999-01-01T00:00Z'
    )
);

-- For the annotations of a range of days.
CREATE INDEX annotations_by_day ON annotations (tenant_id, last_day, first_day);

-- The outbox: one event for each change that is delivered to consumers. An event is written in the transaction of the change and
-- delivered later. The ids of a tenant are in the order of its commits.
CREATE TABLE events (
    tenant_id  TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    id         BIGINT      NOT NULL CONSTRAINT ids_count_from_one CHECK (id >= 1),
    kind       TEXT        NOT NULL CONSTRAINT kind_is_known
                           CHECK (kind IN ('day_recorded', 'run_completed', 'run_partial', 'run_failed', 'definitions_changed',
                                           'values_corrected')),
    subject    JSONB       NOT NULL CONSTRAINT subject_is_an_object
                           CHECK (jsonb_typeof(subject) = 'object' AND octet_length(subject::TEXT) <= 65536
                                       AND NOT subject @? '$.**{64}'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id)
);
