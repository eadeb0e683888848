-- Redactions, the one exception to immutability. A label that has to be erased by law is replaced by the placeholder of a
-- redaction that the same transaction has logged. The label itself is never sent to this database, so that it does not get into the server's log; it is
-- recognised by its hash.

-- The labels that the metadata of a value name: the keys of the parts of a breakdown, and the texts of early records' largest labels.
CREATE FUNCTION named_labels(metadata JSONB) RETURNS SETOF TEXT LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT label
    FROM unnest(ARRAY['breakdown', 'sums', 'sample_sizes']) AS part,
        jsonb_object_keys(CASE WHEN jsonb_typeof(metadata -> part) = 'object' THEN metadata -> part ELSE '{}' END) AS label
    UNION ALL
    SELECT item ->> member
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(metadata -> 'top_items') = 'array' THEN metadata -> 'top_items' ELSE '[]' END) AS item,
        unnest(ARRAY['key', 'label']) AS member
    WHERE jsonb_typeof(item -> member) = 'string'
$$;

CREATE FUNCTION names_label(metadata JSONB, wanted BYTEA) RETURNS boolean LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT EXISTS (
        SELECT FROM store_settings, named_labels(metadata) AS label WHERE sha256(redaction_key || convert_to(label, 'UTF8')) = wanted
    )
$$;

-- The metadata with the placeholder in the place of the label that has this hash. Everything else stays as it is.
CREATE FUNCTION redacted_metadata(metadata JSONB, wanted BYTEA, placeholder TEXT) RETURNS JSONB
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT metadata || coalesce((
        SELECT jsonb_object_agg(part, (
            SELECT jsonb_object_agg(
                CASE sha256(redaction_key || convert_to(label, 'UTF8')) WHEN wanted THEN placeholder ELSE label END, number)
            FROM jsonb_each(metadata -> part) AS labels (label, number)
        ))
        FROM unnest(ARRAY['breakdown', 'sums', 'sample_sizes']) AS part
        WHERE jsonb_typeof(metadata -> part) = 'object' AND metadata -> part <> '{}'
    ), '{}') || CASE WHEN jsonb_typeof(metadata -> 'top_items') = 'array' THEN jsonb_build_object('top_items', (
        SELECT coalesce(jsonb_agg(CASE jsonb_typeof(item) WHEN 'object' THEN item || coalesce((
            SELECT jsonb_object_agg(member, placeholder) FROM unnest(ARRAY['key', 'label']) AS member
            WHERE jsonb_typeof(item -> member) = 'string' AND sha256(redaction_key || convert_to(item ->> member, 'UTF8')) = wanted
        ), '{}') ELSE item END ORDER BY place), '[]')
        FROM jsonb_array_elements(metadata -> 'top_items') WITH ORDINALITY AS items (item, place)
    )) ELSE '{}' END
    FROM store_settings
$$;

-- The metadata of a value that is to be recorded, with the placeholders of all labels that were redacted before.
CREATE FUNCTION without_redacted_labels(tenant TEXT, metadata JSONB) RETURNS JSONB
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    logged RECORD;
BEGIN
    FOR logged IN SELECT DISTINCT label_hash, placeholder FROM redactions WHERE tenant_id = tenant LOOP
        IF names_label(metadata, logged.label_hash) THEN
            metadata := redacted_metadata(metadata, logged.label_hash, logged.placeholder);
        END IF;
    END LOOP;
    RETURN metadata;
END
$$;

-- Whether "becomes" is "was" with placeholders in the place of one label, which has this hash. A placeholder that was there before
-- stays. In the text of a JSON value, the label is written as JSON writes it.
CREATE FUNCTION is_redacted_text(was TEXT, becomes TEXT, is_json BOOLEAN, wanted BYTEA, placeholder TEXT) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    redaction_key CONSTANT BYTEA := (SELECT store_settings.redaction_key FROM store_settings);
    -- How many placeholders there are more than before, and how long the label is that they replace.
    more CONSTANT INTEGER := ((length(becomes) - length(replace(becomes, placeholder, '')))
                              - (length(was) - length(replace(was, placeholder, '')))) / length(placeholder);
    width CONSTANT INTEGER := (length(was) - length(becomes)) / nullif(more, 0) + length(placeholder);
    place INTEGER;
    label TEXT;
BEGIN
    IF was = becomes OR was IS NULL AND becomes IS NULL THEN
        RETURN TRUE;
    END IF;
    IF was IS NULL OR becomes IS NULL OR more < 1 OR width < 1 THEN
        RETURN FALSE;
    END IF;
    LOOP
        place := strpos(becomes, placeholder);
        IF place = 0 THEN
            RETURN was = becomes;
        END IF;
        IF left(was, place - 1) <> left(becomes, place - 1) THEN
            RETURN FALSE;
        END IF;
        was := substr(was, place);
        becomes := substr(becomes, place + length(placeholder));
        IF left(was, length(placeholder)) = placeholder THEN
            was := substr(was, length(placeholder) + 1);
        ELSE
            label := CASE WHEN is_json THEN ('"' || left(was, width) || '"')::JSONB #>> '{}' ELSE left(was, width) END;
            IF sha256(redaction_key || convert_to(label, 'UTF8')) <> wanted THEN
                RETURN FALSE;
            END IF;
            was := substr(was, width + 1);
        END IF;
    END LOOP;
END
$$;

-- Whether a changed row differs from the row before only in a label that this transaction redacts: in metadata, or in a text that may
-- name it. It runs with its owner's rights, because the triggers that call it fire for every role.
CREATE FUNCTION is_redaction(was JSONB, becomes JSONB) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    own CONSTANT XID := pg_current_xact_id_if_assigned()::XID;
    texts CONSTANT TEXT[] := ARRAY['reason', 'error_message', 'error_details', 'spec', 'result'];
    logged RECORD;
BEGIN
    -- The rows are compared as texts, in which numbers have all of their digits.
    IF (was - texts - 'metadata')::TEXT <> (becomes - texts - 'metadata')::TEXT THEN
        RETURN FALSE;
    END IF;
    FOR logged IN SELECT label_hash, placeholder FROM redactions WHERE tenant_id = was ->> 'tenant_id' AND xmin = own LOOP
        IF (becomes ->> 'metadata' IS NOT DISTINCT FROM was ->> 'metadata'
            OR jsonb_typeof(was -> 'metadata') = 'object'
                AND becomes ->> 'metadata' = redacted_metadata(was -> 'metadata', logged.label_hash, logged.placeholder)::TEXT)
            AND NOT EXISTS (
                SELECT FROM unnest(texts) AS name
                WHERE NOT is_redacted_text(was ->> name, becomes ->> name, coalesce(jsonb_typeof(was -> name) = 'object', FALSE),
                                           logged.label_hash, logged.placeholder)
            )
        THEN
            RETURN TRUE;
        END IF;
    END LOOP;
    RETURN FALSE;
END
$$;

-- Refuses every change but a redaction. The arguments are those of refuse_change.
CREATE FUNCTION refuse_unless_redacting() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF is_redaction(to_jsonb(OLD), to_jsonb(NEW)) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% on %.% is refused: %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation', HINT = TG_ARGV[1];
END
$$;

-- Sets the time and the role of an entry of the log. A label has one placeholder, and a placeholder one label.
CREATE FUNCTION sign_redaction() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (
        SELECT FROM redactions
        WHERE tenant_id = NEW.tenant_id AND (label_hash = NEW.label_hash) <> (placeholder = NEW.placeholder)
    ) THEN
        RAISE EXCEPTION 'INSERT on %.% is refused: a label has one placeholder, and a placeholder one label', TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', HINT = '`daymark redact` chooses the placeholder.';
    END IF;
    NEW.inserted_by := current_user;
    -- With a simulated clock it is the time that the process gave.
    NEW.created_at := CASE WHEN has_real_clock() THEN clock_timestamp() ELSE NEW.created_at END;
    RETURN NEW;
END
$$;

-- The procedure that changes what is recorded: it replaces the label of a redaction, which this transaction must have logged, in all
-- records and revisions, and the reasons of the revisions of some batches by "reasons". Only the owner of the tables may call it. The
-- owner has no privilege to change them either: the procedure grants it for the time of its statements, and no other transaction
-- sees that. The triggers let nothing else through.
CREATE FUNCTION redact_label(tenant TEXT, redaction UUID, reasons JSONB, OUT records BIGINT, OUT revisions BIGINT)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    logged redactions;
    owner CONSTANT TEXT := (SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = 'daily_metrics'::REGCLASS);
BEGIN
    SELECT * INTO logged FROM redactions WHERE tenant_id = tenant AND id = redaction AND xmin = pg_current_xact_id()::XID;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the redaction % is refused: this transaction has not logged it', redaction
            USING ERRCODE = 'restrict_violation', HINT = '`daymark redact` logs the redaction and calls this function.';
    END IF;
    EXECUTE 'GRANT UPDATE (metadata) ON daily_metrics TO ' || owner;
    EXECUTE 'GRANT UPDATE (metadata, reason) ON metric_revisions TO ' || owner;
    UPDATE daily_metrics SET metadata = redacted_metadata(metadata, logged.label_hash, logged.placeholder)
    WHERE tenant_id = tenant AND metadata ?| ARRAY['breakdown', 'sums', 'sample_sizes', 'top_items']
        AND names_label(metadata, logged.label_hash);
    GET DIAGNOSTICS records = ROW_COUNT;
    UPDATE metric_revisions SET metadata = redacted_metadata(metadata, logged.label_hash, logged.placeholder)
    WHERE tenant_id = tenant AND metadata ?| ARRAY['breakdown', 'sums', 'sample_sizes', 'top_items']
        AND names_label(metadata, logged.label_hash);
    GET DIAGNOSTICS revisions = ROW_COUNT;
    UPDATE metric_revisions SET reason = given.value FROM jsonb_each_text(reasons) AS given
    WHERE tenant_id = tenant AND batch_id = given.key::UUID;
    EXECUTE 'REVOKE UPDATE (metadata) ON daily_metrics FROM ' || owner;
    EXECUTE 'REVOKE UPDATE (metadata, reason) ON metric_revisions FROM ' || owner;
END
$$;
REVOKE ALL ON FUNCTION named_labels, names_label, redacted_metadata, without_redacted_labels, is_redacted_text, redact_label FROM PUBLIC;

CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON daily_metrics FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_redacting('records are immutable', 'A recorded value stays, even if it is wrong: `daymark correct` puts another value beside it, and a changed definition holds for days recorded after the change.');
CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON metric_revisions FOR EACH ROW
    EXECUTE FUNCTION refuse_unless_redacting('revisions are immutable', 'Correct the day again, or take the revision back.');
CREATE TRIGGER sign BEFORE INSERT ON redactions FOR EACH ROW EXECUTE FUNCTION sign_redaction();
CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON redactions FOR EACH ROW
    EXECUTE FUNCTION refuse_change('the log of redactions is immutable', 'Another redaction gets an entry of its own.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON redactions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('the log of redactions is immutable', 'Another redaction gets an entry of its own.');

ALTER TABLE daily_metrics ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE metric_revisions ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE redactions ENABLE ALWAYS TRIGGER sign;
ALTER TABLE redactions ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE redactions ENABLE ALWAYS TRIGGER refuse_truncate;

SELECT restrict_privileges('redactions', 'UPDATE, DELETE, TRUNCATE');
-- Triggers call this function for every role. It tells whether the caller's own transaction has logged a redaction, which only the
-- owner can.
GRANT EXECUTE ON FUNCTION is_redaction TO PUBLIC;
-- Functions of these migrations are nothing for the roles of an API, whatever default privileges say.
SELECT grant_api_roles();
