-- Takes privileges on functions away that no role needs, and bounds what the recording role may write to the tables of alerts, judgements,
-- recounts and keys, as in the tables of the record. A redaction loses no number where the platform has its placeholder as a label. The
-- new constraints are not checked for rows that exist, so that none stops this migration.

-- A role needs EXECUTE on a trigger function only to make a trigger of it. With that privilege, a role could attach forget_judgements,
-- which runs with its owner's rights, to a table of its own, and the casts of that table's types would run with these rights.
DO $$
DECLARE
    trigger_function REGPROCEDURE;
BEGIN
    FOR trigger_function IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE AND prorettype = 'trigger'::REGTYPE
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', trigger_function);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION forget_judgements() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_RELID <> 'metric_revisions'::REGCLASS THEN
        RAISE EXCEPTION 'the trigger % on % is refused: forget_judgements belongs to metric_revisions', TG_NAME, TG_RELID::REGCLASS
            USING ERRCODE = 'restrict_violation', HINT = 'Drop that trigger.';
    END IF;
    DELETE FROM daily_metric_judgements AS judged
    USING (SELECT DISTINCT tenant_id, metric_category, metric_type, metric_date FROM inserted) AS corrected
    WHERE judged.tenant_id = corrected.tenant_id AND judged.metric_category = corrected.metric_category
      AND judged.metric_type = corrected.metric_type
      -- Eight weeks of history and the day before them: WEEKS of judgement/baseline.rs.
      AND judged.metric_date BETWEEN corrected.metric_date AND corrected.metric_date + 57;
    RETURN NULL;
END
$$;

-- The revision of an alert's state counts its changes, so no role can set it to a number after which there is no next one.
CREATE FUNCTION refuse_other_revision() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- A redaction of the summary keeps the revision.
        IF NEW.revision IN (OLD.revision, OLD.revision + 1) THEN
            RETURN NEW;
        END IF;
    -- An INSERT that becomes an UPDATE, because the row exists, has the next revision of that row.
    ELSIF NEW.revision = 1 OR EXISTS (SELECT FROM alert_states WHERE tenant_id = NEW.tenant_id AND rule = NEW.rule) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on %.% is refused: the revision of % is %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, NEW.rule, NEW.revision
        USING ERRCODE = 'restrict_violation', HINT = 'The first revision is 1, and a change adds 1.';
END
$$;
CREATE TRIGGER refuse_other_revision BEFORE INSERT OR UPDATE ON alert_states FOR EACH ROW EXECUTE FUNCTION refuse_other_revision();

-- The number of a notification is the next one, whatever the row says, and stays.
CREATE FUNCTION number_notification() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.number := OLD.number;
    ELSE
        NEW.number := (SELECT coalesce(max(number), 0) + 1 FROM notifications WHERE tenant_id = NEW.tenant_id);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER number BEFORE INSERT OR UPDATE ON notifications FOR EACH ROW EXECUTE FUNCTION number_notification();
ALTER TABLE alert_states ENABLE ALWAYS TRIGGER refuse_other_revision;
ALTER TABLE notifications ENABLE ALWAYS TRIGGER number;
REVOKE ALL ON FUNCTION refuse_other_revision, number_notification FROM PUBLIC;

ALTER TABLE alert_states
    ADD CONSTRAINT labels_are_shallow CHECK (NOT labels @? '$.**{64}') NOT VALID,
    ADD CONSTRAINT told_is_shallow CHECK (NOT told @? '$.**{64}') NOT VALID;
ALTER TABLE notifications ADD CONSTRAINT content_is_shallow CHECK (NOT content @? '$.**{64}') NOT VALID;
ALTER TABLE delivery_attempts ADD CONSTRAINT attempts_are_bounded CHECK (number <= 1000000000) NOT VALID;
ALTER TABLE api_keys ADD CONSTRAINT scopes_are_a_list CHECK (array_ndims(scopes) = 1) NOT VALID;
ALTER TABLE metric_definition_versions
    ADD CONSTRAINT measure_is_a_name CHECK (jsonb_typeof(spec -> 'measure') = 'string') NOT VALID;
ALTER TABLE daily_metric_judgements
    ADD CONSTRAINT baseline_is_sane CHECK (baseline_from >= '1900-01-01' AND baseline_to <= '9998-12-31') NOT VALID,
    ADD CONSTRAINT numbers_are_short CHECK (scale(expected_low) <= 30 AND scale(expected_high) <= 30 AND scale(score) <= 30) NOT VALID;
ALTER TABLE drift_samples
    ADD CONSTRAINT numbers_are_short CHECK (scale(recorded) <= 30 AND scale(recounted) <= 30) NOT VALID;

-- The metadata with the placeholder in the place of the label that has this hash. Everything else stays as it is. Where a row of the
-- platform has the placeholder as its label, the numbers of both are added up, and a mean is computed again from the sum and the number
-- of its values (metric/redaction.rs does the same). The largest labels of early records stay entries of their own.
CREATE OR REPLACE FUNCTION redacted_metadata(metadata JSONB, wanted BYTEA, placeholder TEXT) RETURNS JSONB
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    redaction_key CONSTANT BYTEA := (SELECT store_settings.redaction_key FROM store_settings);
    is_merged BOOLEAN := FALSE;
    part TEXT;
    labels JSONB;
    redacted TEXT;
    -- The numbers of the redacted label and of the placeholder.
    own JSONB;
    other JSONB;
    -- The mean is rounded half to even to 12 decimal places.
    value_sum NUMERIC;
    value_count NUMERIC;
    mean NUMERIC;
    twice_the_rest NUMERIC;
BEGIN
    FOREACH part IN ARRAY ARRAY['breakdown', 'sums', 'sample_sizes'] LOOP
        labels := metadata -> part;
        CONTINUE WHEN jsonb_typeof(labels) IS DISTINCT FROM 'object';
        redacted := (SELECT label FROM jsonb_object_keys(labels) AS label
                     WHERE sha256(redaction_key || convert_to(label, 'UTF8')) = wanted AND label <> placeholder);
        CONTINUE WHEN redacted IS NULL;
        own := labels -> redacted;
        other := labels -> placeholder;
        IF other IS NOT NULL THEN
            is_merged := TRUE;
            own := CASE
                WHEN jsonb_typeof(own) = 'number' AND jsonb_typeof(other) = 'number'
                    THEN to_jsonb(trim_scale((own #>> '{}')::NUMERIC + (other #>> '{}')::NUMERIC))
                WHEN jsonb_typeof(own) = 'number' THEN own
                WHEN jsonb_typeof(other) = 'number' THEN other
                -- Of two that are no numbers, the first by the order of the keys of jsonb.
                WHEN (octet_length(redacted), convert_to(redacted, 'UTF8')) < (octet_length(placeholder), convert_to(placeholder, 'UTF8'))
                    THEN own
                ELSE other
            END;
        END IF;
        metadata := metadata || jsonb_build_object(part, labels - redacted || jsonb_build_object(placeholder, own));
    END LOOP;
    IF is_merged AND jsonb_typeof(metadata #> ARRAY['sums', placeholder]) = 'number'
        AND jsonb_typeof(metadata #> ARRAY['sample_sizes', placeholder]) = 'number'
        AND metadata #> ARRAY['breakdown', placeholder] IS NOT NULL
    THEN
        value_sum := (metadata #>> ARRAY['sums', placeholder])::NUMERIC;
        value_count := (metadata #>> ARRAY['sample_sizes', placeholder])::NUMERIC;
        mean := 0;
        IF value_count <> 0 THEN
            mean := div(abs(value_sum) * 1000000000000, abs(value_count));
            twice_the_rest := 2 * (abs(value_sum) * 1000000000000 - mean * abs(value_count));
            IF twice_the_rest > abs(value_count) OR (twice_the_rest = abs(value_count) AND mod(mean, 2) = 1) THEN
                mean := mean + 1;
            END IF;
            mean := trim_scale(sign(value_sum) * sign(value_count) * mean * 0.000000000001);
        END IF;
        metadata := jsonb_set(metadata, ARRAY['breakdown', placeholder], to_jsonb(mean));
    END IF;
    IF jsonb_typeof(metadata -> 'top_items') = 'array' THEN
        metadata := metadata || jsonb_build_object('top_items', (
            SELECT coalesce(jsonb_agg(CASE jsonb_typeof(item) WHEN 'object' THEN item || coalesce((
                SELECT jsonb_object_agg(member, placeholder) FROM unnest(ARRAY['key', 'label']) AS member
                WHERE jsonb_typeof(item -> member) = 'string' AND sha256(redaction_key || convert_to(item ->> member, 'UTF8')) = wanted
            ), '{}') ELSE item END ORDER BY place), '[]')
            FROM jsonb_array_elements(metadata -> 'top_items') WITH ORDINALITY AS items (item, place)
        ));
    END IF;
    RETURN metadata;
END
$$;

-- With the functions of this migration and of the one before it.
CREATE OR REPLACE FUNCTION own_functions() RETURNS SETOF REGPROCEDURE LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT oid::REGPROCEDURE FROM pg_proc
    WHERE pronamespace = quote_ident(current_schema)::REGNAMESPACE AND proname IN (
        'refuse_change', 'has_real_clock', 'day_has_ended', 'refuse_other_settings', 'refuse_forged_run', 'holds_lock_of', 'refuse_unless_finishing',
        'refuse_forged_records', 'refuse_version_out_of_turn', 'refuse_forged_job', 'number_event', 'refuse_unless_forwards',
        'refuse_unless_resuming', 'refuse_unless_ending', 'keep_authorship', 'refuse_other_time', 'number_revision', 'forget_judgements',
        'named_labels', 'names_label', 'redacted_metadata', 'without_redacted_labels', 'is_redacted_text', 'is_redaction',
        'refuse_unless_redacting', 'sign_redaction', 'redact_label', 'refuse_unless_old_event', 'delete_old_events',
        'refuse_other_revision', 'number_notification',
        'restrict_privileges', 'secure_rows', 'ensure_partition', 'refuse_other_key', 'caller_is_admin', 'own_tables',
        'own_functions', 'grant_api_roles', 'notify_change'
    )
$$;
-- The roles of an API may not execute the functions of these migrations, whatever the default privileges are.
SELECT grant_api_roles();
