-- Enables row level security. There are two kinds of roles:
--   * anon, authenticated, service_role and the roles that inherit from them: an API such as Supabase's uses them for its users.
--     They can read the rows that the policies of grant_api_roles (0004_access.sql) name, and cannot write.
--   * Every other role of the database: the policy "granted" permits all that the role's privileges permit.
-- Row level security is not forced on the owner, because foreign keys are checked as the owner.
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

-- Creates the partition of daily_metrics for one year unless it exists, with the same protection as its parent. Any number of
-- sessions may call it at the same time. It runs with its owner's rights, so a role that inserts records only needs the EXECUTE
-- privilege on it.
CREATE FUNCTION ensure_partition(year INTEGER) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    partition_name CONSTANT TEXT := 'daily_metrics_' || year;
    -- The current year in UTC+14, the first time zone in which a day ends, by the clock of this database.
    last CONSTANT INTEGER := CASE
        WHEN has_real_clock() THEN extract(year FROM clock_timestamp() AT TIME ZONE 'UTC' + INTERVAL '14 hours') ELSE 9998
    END;
BEGIN
    IF year IS NULL OR year NOT BETWEEN 1900 AND last THEN
        RAISE EXCEPTION 'a partition for the year % cannot be created: years go from 1900 to %', year, last
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass(partition_name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('daymark:' || current_schema || ':partition', 0));
    -- Another session may have created the partition while this one waited. The check is a query because to_regclass uses a
    -- cache that an advisory lock does not invalidate.
    IF EXISTS (
        SELECT FROM pg_class
        WHERE relname = partition_name AND relnamespace = quote_ident(current_schema)::REGNAMESPACE
    ) THEN
        RETURN;
    END IF;
    -- CREATE TABLE … PARTITION OF would lock the parent against reads and writes; ATTACH PARTITION does not.
    EXECUTE format('CREATE TABLE %I (LIKE daily_metrics INCLUDING ALL)', partition_name);
    EXECUTE format('ALTER TABLE daily_metrics ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        partition_name, make_date(year, 1, 1), make_date(year + 1, 1, 1));
    -- ATTACH creates the row trigger, but not in every release as ENABLE ALWAYS. It never creates TRUNCATE triggers.
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_update_or_delete', partition_name);
    EXECUTE format(
        'CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change(%L, %L)',
        partition_name, 'records are immutable', 'A recorded value stays, even if it is wrong: `daymark correct` puts another value beside it, and a changed definition holds for days recorded after the change.');
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_truncate', partition_name);
    -- A statement fires only the statement triggers of the table that it names, so the partition needs its own.
    EXECUTE format(
        'CREATE TRIGGER refuse_forged AFTER INSERT ON %I REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT
         EXECUTE FUNCTION refuse_forged_records()', partition_name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_forged', partition_name);
    PERFORM restrict_privileges(partition_name::REGCLASS, 'UPDATE, DELETE, TRUNCATE');
    -- A query that names the partition is subject to the policies of the partition, not to those of its parent.
    PERFORM secure_rows(partition_name::REGCLASS);
END
$$;

REVOKE ALL ON FUNCTION ensure_partition FROM PUBLIC;
