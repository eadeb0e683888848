-- Daymark's tables, as on PostgreSQL except for features that SQLite lacks. tenant_id is the first column of every key.
-- Dates are text as in 2025-01-31. Instants are UTC text of one fixed width, as in 2025-01-31T00:15:00.000000Z, so that
-- the order of the texts is the order of the times. UUIDs are text. Exact decimals are text, because SQLite's REAL is a float.

-- The settings of the whole store, in one row that the migration inserts.
CREATE TABLE store_settings (
    only_row        INTEGER NOT NULL PRIMARY KEY CONSTRAINT only_one_row CHECK (only_row = 1),
    -- Whether the recording processes use a simulated clock, as `daymark demo` does. If 1, the triggers do not compare the
    -- times of a row with the machine's clock. It can only be set before the first run.
    simulated_clock INTEGER NOT NULL DEFAULT 0 CONSTRAINT clock_is_simulated_or_not CHECK (simulated_clock IN (0, 1)),
    -- The key of the hashes by which redacted labels are recognised. Without it a hash does not tell whether a name was the label.
    redaction_key   BLOB    NOT NULL DEFAULT (randomblob(32)) CONSTRAINT key_is_long CHECK (length(redaction_key) = 32)
) STRICT;
INSERT INTO store_settings (only_row) VALUES (1);

-- Every version of every definition. Each record names the version from which its value was computed.
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
    -- Readers parse the spec by these members, and the type and the category must agree with the key of the row.
    CONSTRAINT spec_is_a_definition CHECK (
        json_type(spec, '$.measure') IS 'text' AND json_type(spec, '$.display_name') IS 'text'
        AND spec ->> 'metric_type' IS metric_type AND spec ->> 'category' IS metric_category
    )
) STRICT, WITHOUT ROWID;

-- The current definition of each metric, with the texts that a dashboard shows.
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
    -- Where the definition is maintained: 'file' for daymark.toml or the preset, 'api' for the HTTP API.
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

-- A constraint: at most one metric of a name is active. A metric that changes its type leaves an inactive row behind.
CREATE UNIQUE INDEX metric_definitions_one_active ON metric_definitions (tenant_id, metric_category) WHERE is_active;

-- One entry for each run: inserted before the run reads anything, and updated once when the run ends.
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
    -- "trigger" is why the run was started. "actor" is who started it: cli:<system user>, key:<id>, user:<subject> or system.
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

-- The records: one value for each metric and finished day, never rewritten.
-- "id" is for clients that need a key of one column; it is random and not indexed.
CREATE TABLE daily_metrics (
    id                   TEXT    NOT NULL,
    tenant_id            TEXT    NOT NULL,
    metric_date          TEXT    NOT NULL CONSTRAINT date_is_sane
                                 CHECK (metric_date IS date(metric_date) AND metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type          TEXT    NOT NULL CONSTRAINT type_is_known
                                 CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category      TEXT    NOT NULL,
    -- Digits, optionally with a minus sign before them and one point between them; at most 38 digits before the point and 30 after
    -- it, so that sums over years have at most the 76 digits of Parquet.
    value                TEXT    NOT NULL CONSTRAINT value_is_finite
                                 CHECK ((value GLOB '[0-9]*' OR value GLOB '-[0-9]*') AND value GLOB '*[0-9]'
                                        AND value NOT GLOB '*[^-.0-9]*' AND value NOT GLOB '?*-*'
                                        AND value NOT GLOB '*.*.*' AND length(value) - instr(value || '.', '.') <= 30
                                        AND instr(ltrim(value, '-') || '.', '.') <= 39),
    metadata             TEXT    NOT NULL DEFAULT '{}' CONSTRAINT metadata_is_an_object
                                 CHECK (json_valid(metadata) AND json_type(metadata) = 'object' AND length(metadata) <= 1048576),
    -- No record is 'corrected': a correction is a row of metric_revisions.
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
    -- In no time zone does a day end before 10:00 UTC of its own date, which is midnight at UTC+14.
    CONSTRAINT day_is_finished CHECK (collection_timestamp >= metric_date || 'T10:00:00.000000Z'),
    -- For one metric over a range of days, and for "first write wins".
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date),
    FOREIGN KEY (tenant_id, metric_type, metric_category, definition_version) REFERENCES metric_definition_versions,
    FOREIGN KEY (tenant_id, collection_id) REFERENCES metric_collection_log
) STRICT, WITHOUT ROWID;

-- For all metrics of a day or a range of days, and for the first and the last recorded day.
CREATE INDEX daily_metrics_by_date ON daily_metrics (tenant_id, metric_date);
-- For /rest/v1, which filters and orders by collection_timestamp.
CREATE INDEX daily_metrics_by_cut ON daily_metrics (tenant_id, collection_timestamp);

-- Revisions of recorded values, by which a correction is made: the record stays, and readers show the value of the revision that is
-- in force. It is the last revision of its day that is no reversal and that no reversal takes back; without one, the record is in force.
CREATE TABLE metric_revisions (
    tenant_id          TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                               CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    metric_date        TEXT    NOT NULL CONSTRAINT date_is_sane
                               CHECK (metric_date IS date(metric_date) AND metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type        TEXT    NOT NULL CONSTRAINT type_is_known
                               CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category    TEXT    NOT NULL CONSTRAINT category_is_a_name
                               CHECK (metric_category GLOB '[a-z]*' AND metric_category NOT GLOB '*[^a-z0-9_]*' AND length(metric_category) <= 63),
    -- Counts from 1 for each metric and day.
    revision           INTEGER NOT NULL CONSTRAINT revisions_count_from_one CHECK (revision BETWEEN 1 AND 1000000),
    -- The revisions that one transaction wrote.
    batch_id           TEXT    NOT NULL CONSTRAINT batch_is_a_uuid
                               CHECK (batch_id GLOB '????????-????-????-????-????????????' AND batch_id NOT GLOB '*[^-0-9a-f]*'
                                      AND length(replace(batch_id, '-', '')) = 32),
    -- 'value' replaces the value; 'withdrawal' says that the value of the day cannot be known; 'reversal' takes a revision back.
    kind               TEXT    NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('value', 'withdrawal', 'reversal')),
    value              TEXT    CONSTRAINT value_is_finite
                               CHECK ((value GLOB '[0-9]*' OR value GLOB '-[0-9]*') AND value GLOB '*[0-9]'
                                      AND value NOT GLOB '*[^-.0-9]*' AND value NOT GLOB '?*-*'
                                      AND value NOT GLOB '*.*.*' AND length(value) - instr(value || '.', '.') <= 30
                                      AND instr(ltrim(value, '-') || '.', '.') <= 39),
    metadata           TEXT    CONSTRAINT metadata_is_an_object
                               CHECK (metadata IS NULL OR (json_valid(metadata) AND json_type(metadata) = 'object'
                                      AND length(metadata) <= 1048576)),
    takes_back         INTEGER,
    -- The basis of the revision: the statement of a person, a reconstruction under a version of the definition, or the record
    -- itself after one of its labels was redacted.
    basis              TEXT    NOT NULL CONSTRAINT basis_is_known CHECK (basis IN ('manual', 'reconstruction', 'redaction')),
    definition_version INTEGER,
    reason             TEXT    NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    -- Who made it, as "actor" of metric_collection_log.
    author             TEXT    NOT NULL CONSTRAINT author_is_short CHECK (length(author) BETWEEN 1 AND 200),
    created_at         TEXT    NOT NULL CONSTRAINT creation_is_an_instant
                               CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    CONSTRAINT value_is_not_negative CHECK (value NOT GLOB '-*' OR metric_type IN ('average', 'aggregate')),
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
) STRICT, WITHOUT ROWID;

-- A constraint: a batch has one revision of a day, so that a batch whose answer was lost can be written again.
CREATE UNIQUE INDEX metric_revisions_one_of_a_batch
    ON metric_revisions (tenant_id, batch_id, metric_category, metric_type, metric_date);
-- For the newest corrections.
CREATE INDEX metric_revisions_latest ON metric_revisions (tenant_id, created_at DESC);

-- The log of redactions: that a label was replaced by a placeholder wherever the store had it, with the reason and the author, without
-- the label. A row is written in the transaction of the replacement. Recorders read it to recognise the label when it comes again.
CREATE TABLE redactions (
    tenant_id   TEXT NOT NULL CONSTRAINT tenant_is_a_name
                     CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    id          TEXT NOT NULL,
    -- Random, so that it tells nothing of the label. The same label has the same placeholder in every row.
    placeholder TEXT NOT NULL CONSTRAINT placeholder_is_one
                     CHECK (placeholder GLOB 'redacted-[0-9a-f]*' AND substr(placeholder, 10) NOT GLOB '*[^0-9a-f]*'
                            AND length(placeholder) = 25),
    -- SHA-256 of store_settings.redaction_key and the label.
    label_hash  BLOB NOT NULL CONSTRAINT hash_is_sha256 CHECK (length(label_hash) = 32),
    reason      TEXT NOT NULL CONSTRAINT reason_is_short CHECK (length(reason) BETWEEN 1 AND 1000),
    -- Who redacted it, as "actor" of metric_collection_log.
    author      TEXT NOT NULL CONSTRAINT author_is_short CHECK (length(author) BETWEEN 1 AND 200),
    -- Where it was found: metrics with their days, and other texts, with their numbers.
    places      TEXT NOT NULL CONSTRAINT places_are_an_object
                     CHECK (json_valid(places) AND json_type(places) = 'object' AND length(places) <= 1048576),
    created_at  TEXT NOT NULL CONSTRAINT creation_is_an_instant
                     CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Judgements of records: whether a value is what the metric's history leads one to expect. They are derived from the records, so
-- they can be deleted and made again, and no record refers to them.
CREATE TABLE daily_metric_judgements (
    tenant_id       TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                            CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    metric_date     TEXT    NOT NULL CONSTRAINT date_is_sane
                            CHECK (metric_date IS date(metric_date) AND metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type     TEXT    NOT NULL CONSTRAINT type_is_known
                            CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category TEXT    NOT NULL CONSTRAINT category_is_a_name
                            CHECK (metric_category GLOB '[a-z]*' AND metric_category NOT GLOB '*[^a-z0-9_]*' AND length(metric_category) <= 63),
    -- The version of the algorithm.
    judge_version   INTEGER NOT NULL CONSTRAINT version_counts_from_one CHECK (judge_version BETWEEN 1 AND 1000000),
    verdict         TEXT    NOT NULL CONSTRAINT verdict_is_known CHECK (verdict IN ('normal', 'anomaly', 'unjudged')),
    reason          TEXT    CONSTRAINT reason_is_known
                            CHECK (reason IN ('out_of_range', 'zero', 'no_rows', 'above', 'below', 'too_little_history',
                                              'no_day_before', 'no_value', 'too_large')),
    -- The band in which the value was expected; decimals are text, as in daily_metrics.
    expected_low    TEXT    CONSTRAINT low_is_finite
                            CHECK ((expected_low GLOB '[0-9]*' OR expected_low GLOB '-[0-9]*') AND expected_low GLOB '*[0-9]'
                                   AND expected_low NOT GLOB '*[^-.0-9]*' AND expected_low NOT GLOB '?*-*'
                                   AND expected_low NOT GLOB '*.*.*' AND length(expected_low) <= 70),
    expected_high   TEXT    CONSTRAINT high_is_finite
                            CHECK ((expected_high GLOB '[0-9]*' OR expected_high GLOB '-[0-9]*') AND expected_high GLOB '*[0-9]'
                                   AND expected_high NOT GLOB '*[^-.0-9]*' AND expected_high NOT GLOB '?*-*'
                                   AND expected_high NOT GLOB '*.*.*' AND length(expected_high) <= 70),
    -- How many standard deviations the value is above the expected one.
    score           TEXT    CONSTRAINT score_is_bounded CHECK (CAST(score AS REAL) BETWEEN -9999.99 AND 9999.99
                                   AND (score GLOB '[0-9]*' OR score GLOB '-[0-9]*') AND score GLOB '*[0-9]'
                                   AND score NOT GLOB '*[^-.0-9]*' AND score NOT GLOB '?*-*'
                                   AND score NOT GLOB '*.*.*' AND length(score) <= 70),
    -- The days that it was judged by: how many, the first and the last.
    baseline_days   INTEGER NOT NULL CONSTRAINT baseline_is_counted CHECK (baseline_days >= 0),
    baseline_from   TEXT    CONSTRAINT first_is_a_date CHECK (baseline_from IS date(baseline_from)),
    baseline_to     TEXT    CONSTRAINT last_is_a_date CHECK (baseline_to IS date(baseline_to)),
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date),
    CONSTRAINT reason_unless_normal CHECK ((reason IS NULL) = (verdict = 'normal')),
    CONSTRAINT band_has_two_edges CHECK ((expected_low IS NULL) = (expected_high IS NULL)),
    CONSTRAINT baseline_is_before CHECK (
        (baseline_days > 0) = (baseline_from IS NOT NULL) AND (baseline_days > 0) = (baseline_to IS NOT NULL)
        AND (baseline_from IS NULL OR baseline_from <= baseline_to AND baseline_to < metric_date)
    )
) STRICT, WITHOUT ROWID;

-- For the anomalies of the last days.
CREATE INDEX daily_metric_judgements_anomalies ON daily_metric_judgements (tenant_id, metric_date) WHERE verdict = 'anomaly';

-- Records that were counted again from the platform's rows, with the value that these gave last.
CREATE TABLE drift_samples (
    tenant_id       TEXT NOT NULL CONSTRAINT tenant_is_a_name
                         CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    metric_date     TEXT NOT NULL CONSTRAINT date_is_sane
                         CHECK (metric_date IS date(metric_date) AND metric_date BETWEEN '1900-01-01' AND '9998-12-31'),
    metric_type     TEXT NOT NULL CONSTRAINT type_is_known
                         CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    metric_category TEXT NOT NULL CONSTRAINT category_is_a_name
                         CHECK (metric_category GLOB '[a-z]*' AND metric_category NOT GLOB '*[^a-z0-9_]*' AND length(metric_category) <= 63),
    recorded        TEXT NOT NULL CONSTRAINT recorded_is_finite
                         CHECK ((recorded GLOB '[0-9]*' OR recorded GLOB '-[0-9]*') AND recorded GLOB '*[0-9]'
                                   AND recorded NOT GLOB '*[^-.0-9]*' AND recorded NOT GLOB '?*-*'
                                   AND recorded NOT GLOB '*.*.*' AND length(recorded) <= 70),
    recounted       TEXT NOT NULL CONSTRAINT recounted_is_finite
                         CHECK ((recounted GLOB '[0-9]*' OR recounted GLOB '-[0-9]*') AND recounted GLOB '*[0-9]'
                                   AND recounted NOT GLOB '*[^-.0-9]*' AND recounted NOT GLOB '?*-*'
                                   AND recounted NOT GLOB '*.*.*' AND length(recounted) <= 70),
    recounted_at    TEXT NOT NULL CONSTRAINT recount_is_an_instant
                         CHECK (recounted_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(recounted_at) IS NOT NULL AND recounted_at >= '1900' AND recounted_at < '9999'),
    PRIMARY KEY (tenant_id, metric_category, metric_type, metric_date)
) STRICT, WITHOUT ROWID;

-- For the newest recounts.
CREATE INDEX drift_samples_latest ON drift_samples (tenant_id, recounted_at DESC);

-- Requested collections, backfills and restatements. A status changes only forwards: from queued to running to one of the final states, or
-- from queued to a final state.
CREATE TABLE jobs (
    id          TEXT    NOT NULL CONSTRAINT id_is_a_uuid
                        CHECK (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^-0-9a-f]*'
                               AND length(replace(id, '-', '')) = 32),
    tenant_id   TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                        CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    kind        TEXT    NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('collect', 'backfill', 'restate')),
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
    -- The entry of the collection log for the job's run.
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

-- For the latest jobs: ORDER BY created_at DESC LIMIT n.
CREATE INDEX jobs_latest ON jobs (tenant_id, created_at DESC);

-- The instance that leads the schedule, with its last heartbeat. Whether it is still alive is decided by its lock, not by this row.
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

-- For the newest pause.
CREATE INDEX schedule_pauses_latest ON schedule_pauses (tenant_id, paused_at DESC);

-- Annotations: notes on days, such as releases and incidents, which charts show. They are no part of the record, so they may be
-- changed and deleted.
CREATE TABLE annotations (
    tenant_id       TEXT NOT NULL CONSTRAINT tenant_is_a_name
                         CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    id              TEXT NOT NULL CONSTRAINT id_is_a_uuid
                         CHECK (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^-0-9a-f]*'
                                AND length(replace(id, '-', '')) = 32),
    first_day       TEXT NOT NULL CONSTRAINT day_is_a_date CHECK (first_day IS date(first_day) AND first_day >= '1900' AND first_day < '9999'),
    last_day        TEXT NOT NULL CONSTRAINT end_is_a_date CHECK (last_day IS date(last_day) AND last_day < '9999'),
    -- NULL: about all metrics.
    metric_category TEXT CONSTRAINT category_is_a_name
                         CHECK (metric_category GLOB '[a-z]*' AND metric_category NOT GLOB '*[^a-z0-9_]*' AND length(metric_category) <= 63),
    text            TEXT NOT NULL CONSTRAINT text_is_short CHECK (length(text) BETWEEN 1 AND 1000),
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) CONSTRAINT insertion_is_an_instant
                         CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    created_by      TEXT NOT NULL CONSTRAINT author_is_short CHECK (length(created_by) BETWEEN 1 AND 200),
    changed_at      TEXT CONSTRAINT change_is_an_instant
                         CHECK (changed_at IS NULL OR changed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(changed_at) IS NOT NULL AND changed_at >= '1900' AND changed_at < '9999'),
    changed_by      TEXT CONSTRAINT editor_is_short CHECK (length(changed_by) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT ends_later CHECK (last_day >= first_day),
    CONSTRAINT changed_by_an_editor CHECK ((changed_at IS NULL) = (changed_by IS NULL))
) STRICT, WITHOUT ROWID;

-- For the annotations of a range of days.
CREATE INDEX annotations_by_day ON annotations (tenant_id, last_day, first_day);

-- The outbox: one event for each change that is delivered to consumers. An event is written in the transaction of the change and
-- delivered later. The ids of a tenant are in the order of its commits.
CREATE TABLE events (
    tenant_id  TEXT    NOT NULL CONSTRAINT tenant_is_a_name
                       CHECK (tenant_id GLOB '[a-z]*' AND tenant_id NOT GLOB '*[^a-z0-9_]*' AND length(tenant_id) <= 63),
    id         INTEGER NOT NULL CONSTRAINT ids_count_from_one CHECK (id >= 1),
    kind       TEXT    NOT NULL CONSTRAINT kind_is_known
                       CHECK (kind IN ('day_recorded', 'run_completed', 'run_partial', 'run_failed', 'definitions_changed',
                                       'values_corrected')),
    subject    TEXT    NOT NULL CONSTRAINT subject_is_an_object
                       CHECK (json_valid(subject) AND json_type(subject) = 'object' AND length(subject) <= 65536),
    created_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) CONSTRAINT insertion_is_an_instant
                        CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z' AND datetime(created_at) IS NOT NULL AND created_at >= '1900' AND created_at < '9999'),
    PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
