-- Takes privileges on functions away that no role needs, and bounds what the recording role may write to the tables of alerts, judgements,
-- recounts and keys, as in the tables of the record. The new constraints are not checked for rows that exist, so that none stops this migration.

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
        IF NEW.revision = OLD.revision + 1 THEN
            RETURN NEW;
        END IF;
    -- An INSERT that becomes an UPDATE, because the row exists, has the next revision of that row.
    ELSIF NEW.revision = 1 OR EXISTS (SELECT FROM alert_states WHERE tenant_id = NEW.tenant_id AND rule = NEW.rule) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on %.% is refused: the revision of % is %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, NEW.rule, NEW.revision
        USING ERRCODE = 'restrict_violation', HINT = 'The first revision is 1, and each change adds 1.';
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
