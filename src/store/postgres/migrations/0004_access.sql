-- Access control: API keys, row level security (by secure_rows of 0003_partitions.sql), and the roles of an API that connects
-- to this database directly, such as Supabase's.

-- Keys to Daymark's own API. Only the SHA-256 hash of a key is stored. A key has 256 random bits, so it cannot be guessed from
-- its hash.
CREATE TABLE api_keys (
    id           UUID        NOT NULL,
    tenant_id    TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    name         TEXT        NOT NULL CONSTRAINT name_is_short CHECK (length(name) BETWEEN 1 AND 100),
    role         TEXT        NOT NULL CONSTRAINT role_is_known CHECK (role IN ('reader', 'admin', 'service')),
    scopes       TEXT[]      NOT NULL CONSTRAINT scopes_are_known
                             CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'log', 'collect', 'define', 'correct']),
    hash         BYTEA       NOT NULL CONSTRAINT hash_is_sha256 CHECK (length(hash) = 32),
    created_at   TIMESTAMPTZ NOT NULL,
    created_by   TEXT        NOT NULL CONSTRAINT author_is_short CHECK (length(created_by) BETWEEN 1 AND 200),
    expires_at   TIMESTAMPTZ CONSTRAINT expires_later CHECK (expires_at > created_at),
    revoked_at   TIMESTAMPTZ,
    revoked_by   TEXT        CONSTRAINT end_is_short CHECK (length(revoked_by) BETWEEN 1 AND 200),
    last_used_at TIMESTAMPTZ,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT times_are_sane CHECK (
        created_at >= '1900-01-01T00:00Z' AND created_at < '9999-01-01T00:00Z' AND expires_at < '9999-01-01T00:00Z'
        AND revoked_at >= '1900-01-01T00:00Z' AND revoked_at < '9999-01-01T00:00Z'
        AND last_used_at >= '1900-01-01T00:00Z' AND last_used_at < '9999-01-01T00:00Z'
    ),
    CONSTRAINT revoked_by_an_author CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
    CONSTRAINT readers_only_read CHECK (role <> 'reader' OR scopes <@ ARRAY['read']),
    -- A program records; a person answers for a correction.
    CONSTRAINT admins_correct CHECK (role = 'admin' OR NOT scopes @> ARRAY['correct'])
);

-- A constraint: only one key that is not revoked has a given name.
CREATE UNIQUE INDEX api_keys_one_of_a_name ON api_keys (tenant_id, name) WHERE revoked_at IS NULL;

-- Only last_used_at of a key can change, and revoked_at with revoked_by once.
CREATE FUNCTION refuse_other_key() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['revoked_at', 'revoked_by', 'last_used_at'] = to_jsonb(OLD) - ARRAY['revoked_at', 'revoked_by', 'last_used_at']
        AND (OLD.revoked_at IS NULL OR (NEW.revoked_at, NEW.revoked_by) = (OLD.revoked_at, OLD.revoked_by))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE on %.% is refused: a key cannot be changed, only revoked once', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Create another key.';
END
$$;
CREATE TRIGGER refuse_update BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION refuse_other_key();
CREATE TRIGGER refuse_delete BEFORE DELETE ON api_keys FOR EACH ROW
    EXECUTE FUNCTION refuse_change('keys are kept', 'Revoke a key that is no longer wanted.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON api_keys FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('keys are kept', 'Revoke a key that is no longer wanted.');
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER refuse_update;
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER refuse_delete;
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER refuse_truncate;

SELECT restrict_privileges('api_keys', 'DELETE, TRUNCATE');

-- When users last signed out everywhere: sessions of browsers that began until then are over. A session lasts seven days, so older
-- rows mean nothing and are deleted.
CREATE TABLE session_ends (
    tenant_id TEXT        NOT NULL CONSTRAINT tenant_is_a_name CHECK (tenant_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    -- The user or key whose sessions ended, as in created_by.
    subject   TEXT        NOT NULL CONSTRAINT subject_is_short CHECK (length(subject) BETWEEN 1 AND 200),
    ended_at  TIMESTAMPTZ NOT NULL CONSTRAINT end_is_sane CHECK (ended_at >= '1900-01-01T00:00Z' AND ended_at < '9999-01-01T00:00Z'),
    PRIMARY KEY (tenant_id, subject)
);

SELECT restrict_privileges('session_ends', 'TRUNCATE');

-- ensure_partition (0003_partitions.sql) secures each partition when it creates it.
SELECT secure_rows(oid) FROM pg_class
WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE AND relkind IN ('r', 'p')
  AND relname IN ('daily_metrics', 'metric_definitions', 'metric_definition_versions', 'metric_collection_log', 'jobs', 'events',
                  'leaders', 'schedule_pauses', 'annotations', 'api_keys', 'session_ends', 'store_settings', 'daily_metric_judgements', 'drift_samples',
                  'metric_revisions', 'redactions');

-- Whether the caller is an admin of the platform: the row of public.profiles in this database whose id is Supabase's auth.uid()
-- has is_admin. The function runs with the caller's rights, so a caller who may not read that row is not an admin.
CREATE FUNCTION caller_is_admin() RETURNS boolean LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    found BOOLEAN;
BEGIN
    EXECUTE 'SELECT EXISTS (SELECT FROM public.profiles WHERE id = auth.uid() AND is_admin)' INTO found;
    RETURN found;
EXCEPTION
    WHEN insufficient_privilege OR undefined_table OR undefined_column OR undefined_function OR invalid_schema_name
        OR datatype_mismatch OR data_exception THEN
        RETURN FALSE;
END
$$;
REVOKE ALL ON FUNCTION caller_is_admin FROM PUBLIC;

-- The tables of Daymark, including partitions, and below its functions.
CREATE FUNCTION own_tables() RETURNS SETOF REGCLASS LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT oid::REGCLASS FROM pg_class
    WHERE relnamespace = quote_ident(current_schema)::REGNAMESPACE AND (
        relname IN ('daily_metrics', 'metric_definitions', 'metric_definition_versions', 'metric_collection_log', 'jobs', 'events',
                    'leaders', 'schedule_pauses', 'annotations', 'api_keys', 'session_ends', 'store_settings', 'alert_states', 'alert_silences', 'notifications',
                    'delivery_attempts', 'daily_metric_judgements', 'drift_samples', 'metric_revisions', 'redactions', '_sqlx_migrations') AND relkind IN ('r', 'p')
        OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'daily_metrics'::REGCLASS)
    )
$$;
CREATE FUNCTION own_functions() RETURNS SETOF REGPROCEDURE LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT oid::REGPROCEDURE FROM pg_proc
    WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE AND proname IN (
        'refuse_change', 'has_real_clock', 'day_has_ended', 'refuse_other_settings', 'refuse_forged_run', 'holds_lock_of', 'refuse_unless_finishing',
        'refuse_forged_records', 'refuse_version_out_of_turn', 'refuse_forged_job', 'number_event', 'refuse_unless_forwards',
        'refuse_unless_resuming', 'refuse_unless_ending', 'keep_authorship', 'refuse_other_time', 'number_revision', 'forget_judgements',
        'named_labels', 'names_label', 'redacted_metadata', 'without_redacted_labels', 'is_redacted_text', 'is_redaction',
        'refuse_unless_redacting', 'sign_redaction', 'redact_label',
        'restrict_privileges', 'secure_rows', 'ensure_partition', 'refuse_other_key', 'caller_is_admin', 'own_tables',
        'own_functions', 'grant_api_roles', 'notify_change'
    )
$$;
REVOKE ALL ON FUNCTION own_tables, own_functions FROM PUBLIC;

-- Grants the privileges of the API roles anon, authenticated and service_role, as far as these exist, and revokes all others.
-- When one of the roles is created later, the owner calls SELECT daymark.grant_api_roles() again. Returns the roles that it found.
CREATE FUNCTION grant_api_roles() RETURNS SETOF TEXT
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    api_role TEXT;
    readable TEXT;
    owned REGCLASS;
    owned_function REGPROCEDURE;
    -- Whether auth.uid() and public.profiles.is_admin exist now. If they do not, no policy uses them, so a role that creates them
    -- later gains nothing. The catalogs are queried because to_regprocedure fails for an owner who lacks USAGE on the schema auth,
    -- as on Supabase.
    knows_admins CONSTANT BOOLEAN := EXISTS (
        SELECT FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = 'auth' AND proname = 'uid' AND pronargs = 0
    ) AND EXISTS (
        SELECT FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'public' AND relname = 'profiles' AND attname = 'is_admin'
    );
BEGIN
    FOR api_role IN
        SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') ORDER BY rolname
    LOOP
        -- Privileges are revoked on each of Daymark's objects by name, so those on other objects of the schema stay.
        FOR owned IN SELECT * FROM own_tables() LOOP
            EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', owned, api_role);
        END LOOP;
        FOR owned_function IN SELECT * FROM own_functions() LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', owned_function, api_role);
        END LOOP;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema, api_role);
        FOREACH readable IN ARRAY CASE
            WHEN api_role = 'service_role'
                THEN ARRAY['daily_metrics', 'metric_revisions', 'daily_metric_judgements', 'metric_definitions',
                           'metric_definition_versions', 'metric_collection_log']
            WHEN api_role = 'authenticated' AND knows_admins
                THEN ARRAY['daily_metrics', 'metric_revisions', 'daily_metric_judgements', 'metric_definitions', 'metric_collection_log']
            ELSE ARRAY['daily_metrics', 'metric_revisions', 'daily_metric_judgements', 'metric_definitions']
        END LOOP
            -- Of revisions, the columns that say which value is in force; not who made them and why.
            EXECUTE format('GRANT SELECT %s ON %I TO %I',
                CASE WHEN readable = 'metric_revisions' AND api_role <> 'service_role'
                    THEN '(tenant_id, metric_date, metric_type, metric_category, revision, kind, value, metadata, takes_back, basis, definition_version, created_at)'
                    ELSE '' END, readable, api_role);
            EXECUTE format('DROP POLICY IF EXISTS %I ON %I', api_role || '_reads', readable);
            EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO %I USING (%s)', api_role || '_reads', readable, api_role,
                CASE WHEN api_role = 'authenticated' AND readable = 'metric_collection_log'
                    THEN '(SELECT caller_is_admin())' ELSE 'TRUE' END);
        END LOOP;
        IF api_role = 'authenticated' AND knows_admins THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION caller_is_admin TO %I', api_role);
        END IF;
        RETURN NEXT api_role;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION grant_api_roles FROM PUBLIC;

SELECT grant_api_roles();
