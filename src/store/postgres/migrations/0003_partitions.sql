-- Row level security. Two sorts of roles meet these tables:
--   * anon, authenticated and service_role, as which an API acts for its users (and whoever inherits from them): they
--     read what the policies of grant_api_roles (0004_access.sql) name, and write nothing;
--   * every other role of the database: what it was granted, it may. The policy "granted" says that.
-- Without FORCE, so that the owner is exempt: foreign keys are checked in the owner's name, and would see no rows.
CREATE FUNCTION secure_rows(target REGCLASS) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format($policy$
        CREATE POLICY granted ON %s USING (NOT EXISTS (
            SELECT FROM pg_catalog.pg_roles
            WHERE rolname IN ('anon', 'authenticated', 'service_role') AND pg_catalog.pg_has_role(oid, 'USAGE')
        ))
        $policy$, target);
END
$$;
REVOKE ALL ON FUNCTION secure_rows FROM PUBLIC;

-- The partition of daily_metrics for one year, made when it is first needed and protected like its parent. Any number
-- of sessions may call this at once. It runs with its owner's rights: a role that only inserts records needs the
-- privilege to execute it and nothing more.
CREATE FUNCTION ensure_partition(year INTEGER) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    partition_name CONSTANT TEXT := 'daily_metrics_' || year;
    -- By the clock of this database, where the first days end: a record is of a day that has ended.
    last CONSTANT INTEGER := CASE
        WHEN has_real_clock() THEN extract(year FROM clock_timestamp() AT TIME ZONE 'UTC' + INTERVAL '14 hours') ELSE 9998
    END;
BEGIN
    IF year IS NULL OR year NOT BETWEEN 1900 AND last THEN
        RAISE EXCEPTION 'there is no partition for the year %: years go from 1900 to %', year, last
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('daymark:' || current_schema || ':partition', 0));
    -- Another session may have been faster while this one waited. Only a query is sure to see that: to_regclass answers
    -- from a cache, which a lock of this sort does not refresh.
    IF EXISTS (
        SELECT FROM pg_class
        WHERE relname = partition_name AND relnamespace = quote_ident(current_schema)::REGNAMESPACE
    ) THEN
        RETURN;
    END IF;
    -- Attached rather than created in place: ATTACH lets others read and write the table meanwhile.
    EXECUTE format('CREATE TABLE %I (LIKE daily_metrics INCLUDING ALL)', partition_name);
    EXECUTE format('ALTER TABLE daily_metrics ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, make_date(year, 1, 1), make_date(year + 1, 1, 1));
    -- The row trigger comes with ATTACH, though not in every release with its ENABLE ALWAYS; TRUNCATE triggers never do.
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_update_or_delete', partition_name);
    EXECUTE format(
        'CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change(%L, %L)',
        partition_name, 'records are immutable', 'A correction is a further row elsewhere, with its reason and author.');
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_truncate', partition_name);
    -- Triggers for statements are those of the table that the statement names.
    EXECUTE format(
        'CREATE TRIGGER refuse_forged AFTER INSERT ON %I REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
         EXECUTE FUNCTION refuse_forged_records()', partition_name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_forged', partition_name);
    PERFORM restrict_privileges(partition_name::REGCLASS, 'UPDATE, DELETE, TRUNCATE');
    -- A partition can be read by its own name, which its own policies guard.
    PERFORM secure_rows(partition_name::REGCLASS);
END
$$;

REVOKE ALL ON FUNCTION ensure_partition FROM PUBLIC;
