//! The statements that the copies of both databases are checked with.

/// By tenant and metric: the primary key.
pub(super) const SELECT_ALL_RECORDS: &str = "
    SELECT tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance, definition_version,
           collection_id, collection_timestamp
    FROM daily_metrics
    ORDER BY tenant_id, metric_category, metric_type, metric_date";

pub(super) const COUNT_RUNS: &str = "SELECT count(*) FROM metric_collection_log";
pub(super) const COUNT_DEFINITION_VERSIONS: &str = "SELECT count(*) FROM metric_definition_versions";
pub(super) const COUNT_REVISIONS: &str = "SELECT count(*) FROM metric_revisions";
