//! Which values are in force, as SQL that both databases read: the one place that says so.

use super::ValuesAsked;

/// A WITH clause of the values in force, which has the columns of `daily_metrics`, the value of the record (`recorded_value`) and the
/// number of the revision (`revision`), NULL where the record is in force. Days whose value was withdrawn are left out. The CTEs read
/// one day as cheaply as a range: the join is on the keys of both tables.
pub(super) fn values_in_force(values: ValuesAsked, as_of: Option<&str>) -> String {
    let until = as_of.map_or(String::new(), |instant| format!(" AND recorded.created_at <= {instant}"));
    if values.as_recorded {
        return format!(
            "WITH values_in_force AS NOT MATERIALIZED (
                SELECT recorded.*, recorded.value AS recorded_value, CAST(NULL AS INTEGER) AS revision
                FROM daily_metrics AS recorded WHERE TRUE{until}
            )\n"
        );
    }
    format!(
        "WITH {}, values_in_force AS NOT MATERIALIZED (
            SELECT recorded.id, recorded.tenant_id, recorded.metric_date, recorded.metric_type, recorded.metric_category,
                CASE WHEN revised.kind IS NULL THEN recorded.value ELSE revised.value END AS value,
                CASE WHEN revised.kind IS NULL THEN recorded.metadata ELSE revised.metadata END AS metadata,
                CASE WHEN revised.kind IS NULL THEN recorded.provenance ELSE 'corrected' END AS provenance,
                coalesce(revised.definition_version, recorded.definition_version) AS definition_version,
                recorded.collection_id, recorded.collection_timestamp, recorded.created_at,
                recorded.value AS recorded_value, revised.revision
            FROM daily_metrics AS recorded
            LEFT JOIN revisions_in_force AS revised
                ON revised.tenant_id = recorded.tenant_id AND revised.metric_category = recorded.metric_category
               AND revised.metric_type = recorded.metric_type AND revised.metric_date = recorded.metric_date
            WHERE (revised.kind IS NULL OR revised.kind = 'value'){until}
        )\n",
        revisions_in_force(as_of)
    )
}

/// A CTE of the revisions that are in force, as [`is_in_force`] says.
pub(super) fn revisions_in_force(as_of: Option<&str>) -> String {
    format!(
        "revisions_in_force AS NOT MATERIALIZED (
            SELECT kept.tenant_id, kept.metric_date, kept.metric_type, kept.metric_category, kept.revision, kept.kind, kept.value,
                kept.metadata, kept.definition_version
            FROM metric_revisions AS kept
            WHERE {}
        )",
        is_in_force("kept", as_of)
    )
}

/// The condition that the revision `kept` is in force: it is no reversal, and it is neither taken back nor followed by another revision
/// that is not. `as_of` is the placeholder for the instant that is asked about, as the rest of the statement writes its placeholders;
/// without it, it is now. The later revisions of a day are counted instead of asked for with NOT EXISTS, which PostgreSQL may turn
/// into a join that compares all revisions of a metric with each other.
pub(super) fn is_in_force(kept: &str, as_of: Option<&str>) -> String {
    let until =
        |alias: &str| as_of.map_or(String::new(), |instant| format!(" AND {alias}.created_at <= {instant}"));
    let of_its_day = |alias: &str| {
        format!(
            "{alias}.tenant_id = {kept}.tenant_id AND {alias}.metric_category = {kept}.metric_category
              AND {alias}.metric_type = {kept}.metric_type AND {alias}.metric_date = {kept}.metric_date{}",
            until(alias)
        )
    };
    format!(
        "{kept}.kind <> 'reversal'{} AND 0 = (
            SELECT count(*) FROM metric_revisions AS later
            WHERE {}
              AND (later.takes_back = {kept}.revision
                   OR later.revision > {kept}.revision AND later.kind <> 'reversal' AND NOT EXISTS (
                       SELECT 1 FROM metric_revisions AS reversal
                       WHERE {} AND reversal.takes_back = later.revision
                   ))
        )",
        until(kept),
        of_its_day("later"),
        of_its_day("reversal"),
    )
}

/// The statement for series: `select` with the conditions and, unless the records alone are asked for, the part `revised` that reads
/// the revisions. `instant` is the placeholder of the instant of `as_of`.
pub(super) fn series_statement(values: ValuesAsked, [select, revised]: [&str; 2], instant: &str) -> String {
    let as_of = values.as_of.map(|_| instant);
    let recorded_until = as_of.map_or(String::new(), |instant| format!("AND created_at <= {instant}"));
    let (revisions, revised) = match values.as_recorded {
        true => (String::new(), ""),
        false => (format!("WITH {}", revisions_in_force(as_of)), revised),
    };
    revisions + &select.replace("/* recorded until */", &recorded_until).replace("/* revised */", revised)
}
