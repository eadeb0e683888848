//! Where the values of a store name a label: records and revisions.

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::{
    metric::{Decimal, MetricKey},
    store::{
        NewRevision, RedactedMetric, RevisionBasis, RevisionEffect, ValuesAsked,
        from_row::metric_key,
        in_force::values_in_force,
        row::Columns,
        sought_label::SoughtLabel,
        sql_store::{SqlRedactions, SqlSession},
        statement::Argument,
    },
};

const SELECT_METRICS: &str = "
    SELECT metric_type, metric_category FROM metric_definitions WHERE tenant_id = $1
    ORDER BY metric_category, metric_type";

const SELECT_RECORDS: &str = "
    SELECT metric_date, CAST(0 AS INTEGER) AS revision, metadata FROM daily_metrics
    WHERE tenant_id = $1 AND @names_label@ AND metric_category = $3 AND metric_type = $4 ORDER BY metric_date";

const SELECT_REVISIONS: &str = "
    SELECT metric_date, revision, metadata FROM metric_revisions
    WHERE tenant_id = $1 AND metadata IS NOT NULL AND @names_label@ AND metric_category = $3 AND metric_type = $4
    ORDER BY metric_date, revision";

/// Follows a WITH clause that defines `values_in_force`.
const SELECT_IN_FORCE: &str = "
    SELECT kept.metric_date, CAST(kept.value AS TEXT) AS value, kept.metadata, deciding.basis, deciding.definition_version
    FROM values_in_force AS kept
    LEFT JOIN metric_revisions AS deciding
        ON deciding.tenant_id = kept.tenant_id AND deciding.metric_category = kept.metric_category
       AND deciding.metric_type = kept.metric_type AND deciding.metric_date = kept.metric_date AND deciding.revision = kept.revision
    WHERE kept.tenant_id = $1 AND @names_label@ AND kept.metric_category = $3 AND kept.metric_type = $4
    ORDER BY kept.metric_date";

/// A record or a revision that names the label, with what its metadata are to be.
pub(in crate::store) struct RedactedValue {
    pub date: Date,
    /// The number of the revision; 0 is the record.
    pub revision: i32,
    pub metadata: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum ValueTable {
    Records,
    Revisions,
}

/// The metrics whose records or revisions name the label. It reads one metric at a time.
pub(super) async fn metrics_naming<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    sought: &SoughtLabel<'_>,
) -> Result<Vec<RedactedMetric>, sqlx::Error> {
    let rows = session.fetch(&store.statement(SELECT_METRICS)).await?;
    let keys = rows.iter().map(metric_key).collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for key in keys {
        let records = values_naming(store, session, sought, &key, ValueTable::Records).await?;
        let revisions = values_naming(store, session, sought, &key, ValueTable::Revisions).await?;
        let dates = || records.iter().chain(&revisions).map(|value| value.date);
        if let (Some(from), Some(to)) = (dates().min(), dates().max()) {
            let (records, revisions) = (records.len(), revisions.len());
            let MetricKey { metric_type, category: metric_category } = key;
            found.push(RedactedMetric { metric_type, metric_category, records, revisions, from, to });
        }
    }
    Ok(found)
}

/// The records or the revisions of a metric that name the label.
pub(in crate::store) async fn values_naming<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    sought: &SoughtLabel<'_>,
    key: &MetricKey,
    table: ValueTable,
) -> Result<Vec<RedactedValue>, sqlx::Error> {
    let select = match table {
        ValueTable::Records => SELECT_RECORDS,
        ValueTable::Revisions => SELECT_REVISIONS,
    };
    let sql = select.replace("@names_label@", &S::NAMES_LABEL.replace("@metadata@", "metadata"));
    let select = store
        .statement(sql)
        .bind(Argument::Bytes(&sought.hash))
        .bind(&key.category)
        .bind(key.metric_type.name());
    let mut found = Vec::new();
    for row in &session.fetch(&select).await? {
        let mut metadata = row.object("metadata")?;
        if sought.replace_in(&mut metadata) {
            found.push(RedactedValue {
                date: row.date("metric_date")?,
                revision: row.get("revision")?,
                metadata,
            });
        }
    }
    Ok(found)
}

/// A revision for each day of a metric whose value in force names the label: the same value without it. What the value in force rests on
/// does not change by that.
pub(super) async fn revisions_without<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    sought: &SoughtLabel<'_>,
    key: &MetricKey,
) -> Result<Vec<NewRevision>, sqlx::Error> {
    let condition = S::NAMES_LABEL.replace("@metadata@", "kept.metadata");
    let sql = values_in_force(ValuesAsked::default(), None) + SELECT_IN_FORCE;
    let select = store
        .statement(sql.replace("@names_label@", &condition))
        .bind(Argument::Bytes(&sought.hash))
        .bind(&key.category)
        .bind(key.metric_type.name());
    let mut revisions = Vec::new();
    for row in &session.fetch(&select).await? {
        let mut metadata = row.object("metadata")?;
        if sought.replace_in(&mut metadata) {
            let value: Decimal = row.parsed("value")?;
            revisions.push(NewRevision {
                date: row.date("metric_date")?,
                key: key.clone(),
                effect: RevisionEffect::Value { value, metadata },
                basis: basis(row)?,
                number: None,
            });
        }
    }
    Ok(revisions)
}

fn basis(row: &impl Columns) -> Result<RevisionBasis, sqlx::Error> {
    Ok(match (row.optional_text("basis")?, row.get("definition_version")?) {
        (Some("manual"), definition_version) => RevisionBasis::Manual { definition_version },
        (Some("reconstruction"), Some(definition_version)) => {
            RevisionBasis::Reconstruction { definition_version }
        }
        _ => RevisionBasis::Redaction,
    })
}
