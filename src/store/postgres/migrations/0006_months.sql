-- Finished months, packed: what a metric recorded in a month of which every day is there, as one text. It could be derived
-- at any time and is kept because a long range of days is read several times faster from it. As records are never
-- changed and none is missing, a packed month can never be out of date.

CREATE TABLE daily_metric_months (
    tenant_id       TEXT NOT NULL,
    metric_category TEXT NOT NULL,
    metric_type     TEXT NOT NULL CONSTRAINT type_is_known
                    CHECK (metric_type IN ('count', 'average', 'percentage', 'aggregate')),
    month           DATE NOT NULL CONSTRAINT month_is_its_first_day
                    CHECK (month >= '1900-01-01' AND extract(day FROM month) = 1),
    -- With commas between, as store/packed.rs unpacks them.
    days            TEXT NOT NULL CONSTRAINT every_day_is_packed
                    CHECK (length(days) - length(replace(days, ',', '')) + 1 = (month + INTERVAL '1 month')::DATE - month),
    -- Serves one metric over a range of months.
    PRIMARY KEY (tenant_id, metric_category, metric_type, month)
);

-- Packs those of some metrics' months that lack no day. A day that says its value alone follows on the one before, with the
-- same version and provenance. Offsets count from 2000-01-01. Returns how many were packed. One pass over the month
-- whatever the plan: a new metric has no statistics, and one at a time each would read the days of all.
CREATE FUNCTION pack_month(tenant TEXT, first DATE, categories TEXT[]) RETURNS BIGINT
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    next_month CONSTANT DATE := first + INTERVAL '1 month';
    packed BIGINT;
BEGIN
    INSERT INTO daily_metric_months (tenant_id, metric_category, metric_type, month, days)
    SELECT tenant, metric_category, metric_type, first, string_agg(
        CASE WHEN is_as_before THEN value::TEXT
             ELSE concat_ws(' ', metric_date - DATE '2000-01-01', value, definition_version, provenance) END,
        ',' ORDER BY metric_date)
    FROM (
        SELECT metric_category, metric_type, metric_date, value, definition_version, provenance,
            (definition_version, provenance) IS NOT DISTINCT FROM
                (lag(definition_version) OVER earlier, lag(provenance) OVER earlier) AS is_as_before
        FROM daily_metrics
        WHERE tenant_id = tenant AND metric_category = ANY (categories) AND metric_date >= first AND metric_date < next_month
        WINDOW earlier AS (PARTITION BY metric_category, metric_type ORDER BY metric_date)
    ) AS recorded
    GROUP BY metric_category, metric_type
    HAVING count(*) = next_month - first
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS packed = ROW_COUNT;
    RETURN packed;
END
$$;

-- Packs the months that an INSERT completes, in its transaction and with the owner's rights: a role that inserts records
-- needs no privilege here. Most days complete none, which is seen at once: nothing is recorded on the month's last day.
-- Two transactions that complete a month together, neither of which sees the other's days, leave it unpacked, to be read
-- by its rows; so does an INSERT into a partition.
CREATE FUNCTION pack_completed_months() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    touched RECORD;
BEGIN
    FOR touched IN
        SELECT tenant_id, date_trunc('month', metric_date::TIMESTAMP)::DATE AS month,
            array_agg(DISTINCT metric_category) AS categories
        FROM inserted
        GROUP BY 1, 2
    LOOP
        IF EXISTS (
            SELECT FROM daily_metrics
            WHERE tenant_id = touched.tenant_id
              AND metric_date = (touched.month + INTERVAL '1 month - 1 day')::DATE
        ) THEN
            PERFORM pack_month(touched.tenant_id, touched.month, touched.categories);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- Packs every complete month that is not packed. Returns how many those were.
CREATE FUNCTION pack_months() RETURNS BIGINT LANGUAGE sql SET search_path FROM CURRENT AS $$
    SELECT coalesce(sum(pack_month(tenant_id, month, categories)), 0)::BIGINT
    FROM (
        SELECT tenant_id, month, array_agg(DISTINCT metric_category) AS categories
        FROM (
            SELECT tenant_id, metric_category, metric_type, date_trunc('month', metric_date::TIMESTAMP)::DATE AS month
            FROM daily_metrics
            EXCEPT
            SELECT tenant_id, metric_category, metric_type, month FROM daily_metric_months
        ) AS unpacked
        GROUP BY tenant_id, month
    ) AS months
$$;
REVOKE ALL ON FUNCTION pack_month, pack_completed_months, pack_months FROM PUBLIC;

CREATE TRIGGER refuse_update_or_delete BEFORE UPDATE OR DELETE ON daily_metric_months FOR EACH ROW
    EXECUTE FUNCTION refuse_change('records are immutable', 'A correction is a further row elsewhere, with its reason and author.');
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON daily_metric_months FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('records are immutable', 'A correction is a further row elsewhere, with its reason and author.');
ALTER TABLE daily_metric_months ENABLE ALWAYS TRIGGER refuse_update_or_delete;
ALTER TABLE daily_metric_months ENABLE ALWAYS TRIGGER refuse_truncate;
SELECT restrict_privileges('daily_metric_months', 'UPDATE, DELETE, TRUNCATE');
SELECT secure_rows('daily_metric_months');

-- Whoever reads the records, a role of the service's own, reads them here too. Roles of an API do not.
DO $$
DECLARE
    reader NAME;
BEGIN
    FOR reader IN
        SELECT rolname FROM pg_class, aclexplode(relacl), pg_roles
        WHERE pg_class.oid = 'daily_metrics'::REGCLASS AND privilege_type = 'SELECT' AND grantee = pg_roles.oid
          AND grantee <> relowner AND rolname NOT IN ('anon', 'authenticated', 'service_role')
    LOOP
        EXECUTE format('GRANT SELECT ON daily_metric_months TO %I', reader);
    END LOOP;
END
$$;

CREATE TRIGGER pack_completed_months AFTER INSERT ON daily_metrics REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION pack_completed_months();

SELECT pack_months();

-- Functions of these migrations are nothing for the roles of an API, whatever default privileges say.
SELECT grant_api_roles();
