//! Revisions of recorded values.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    metric::MetricKey,
    store::{
        NewRevision, Revision, RevisionBasis, RevisionBatch, RevisionEffect, RevisionFilter,
        RevisionPosition, Revisions, StoreError,
        from_row::key_and_date,
        outbox,
        row::{self, Columns, undecodable},
        sql_store::{SqlEvents, SqlSession, read_rows, retry, revisions_in_force},
        statement::{Argument, Statement},
    },
};

const TABLE: &str = "metric_revisions";

/// Follows a WITH clause that defines `revisions_in_force`.
const SELECT: &str = "
    SELECT revised.metric_date, revised.metric_type, revised.metric_category, revised.revision, revised.batch_id, revised.kind,
        CAST(revised.value AS TEXT) AS value, revised.metadata, revised.takes_back, revised.basis, revised.definition_version,
        revised.reason, revised.author, revised.created_at, CAST(recorded.value AS TEXT) AS recorded,
        deciding.revision IS NOT NULL AS is_in_force
    FROM metric_revisions AS revised
    JOIN daily_metrics AS recorded
        ON recorded.tenant_id = revised.tenant_id AND recorded.metric_category = revised.metric_category
       AND recorded.metric_type = revised.metric_type AND recorded.metric_date = revised.metric_date
    LEFT JOIN revisions_in_force AS deciding
        ON deciding.tenant_id = revised.tenant_id AND deciding.metric_category = revised.metric_category
       AND deciding.metric_type = revised.metric_type AND deciding.metric_date = revised.metric_date
       AND deciding.revision = revised.revision
    WHERE revised.tenant_id = $1";

const ORDER: &str = "
    ORDER BY revised.created_at DESC, revised.metric_category DESC, revised.metric_type DESC, revised.metric_date DESC,
        revised.revision DESC
    LIMIT ";

#[async_trait]
impl<S: SqlEvents> Revisions for S {
    async fn write_revisions(&self, batch: &RevisionBatch) -> Result<Vec<Revision>, StoreError> {
        if batch.revisions.is_empty() {
            return Ok(Vec::new());
        }
        retry(self, || write_batch(self, batch)).await?;
        let limit = i64::try_from(batch.revisions.len()).unwrap_or(i64::MAX);
        self.revisions(&RevisionFilter { batch: Some(batch.id), limit, ..RevisionFilter::default() }).await
    }

    async fn revisions(&self, filter: &RevisionFilter) -> Result<Vec<Revision>, StoreError> {
        read_rows(self, TABLE, &select(self, filter), revision).await
    }
}

/// Where nothing is inserted, an earlier attempt whose answer was lost has written the batch.
async fn write_batch<S: SqlEvents>(store: &S, batch: &RevisionBatch) -> Result<(), StoreError> {
    let failed = |error| store.failed(error);
    let rows: Value = batch.revisions.iter().map(given).collect();
    let insert = store
        .statement(S::OWN.add_revisions)
        .bind(batch.id)
        .bind(&batch.reason)
        .bind(&batch.author)
        .bind(batch.made_at)
        .bind(Argument::Json(Some(rows)));
    let mut transaction = store.begin().await?;
    if transaction.execute(&insert).await.map_err(failed)? > 0 {
        let event = outbox::of_revisions(batch);
        store.insert_events(&mut transaction, event.as_slice()).await.map_err(failed)?;
    }
    store.end(transaction).await
}

/// The row of a revision. Decimals are texts, so that no digit passes through a float.
fn given(revision: &NewRevision) -> Value {
    let (value, metadata) = match &revision.effect {
        RevisionEffect::Value { value, metadata } => (Some(value.to_string()), Some(metadata)),
        _ => (None, None),
    };
    let takes_back = match revision.effect {
        RevisionEffect::Reversal { takes_back } => Some(takes_back),
        _ => None,
    };
    json!({
        "metric_date": revision.date,
        "metric_type": revision.key.metric_type,
        "metric_category": revision.key.category,
        "kind": revision.effect.name(),
        "value": value,
        "metadata": metadata,
        "takes_back": takes_back,
        "basis": revision.basis.name(),
        "definition_version": revision.basis.definition_version(),
    })
}

fn select<'a, S: SqlEvents>(store: &'a S, filter: &RevisionFilter) -> Statement<'a> {
    let mut select = store.statement("");
    let as_of = filter.as_of.map(|instant| format!("${}", select.add(instant)));
    select.push(&format!("WITH {}{SELECT}", revisions_in_force(as_of.as_deref())));
    if let Some(instant) = as_of {
        select.push(&format!(" AND revised.created_at <= {instant}"));
    }
    for (comparison, day) in [(">=", filter.from), ("<=", filter.to)] {
        if let Some(day) = day {
            select.push(&format!(" AND revised.metric_date {comparison} ")).push_bind(day);
        }
    }
    for (index, category) in filter.categories.iter().enumerate() {
        select.push(if index == 0 { " AND revised.metric_category IN (" } else { ", " });
        select.push_bind(Argument::Text(Some(category.clone().into())));
    }
    if !filter.categories.is_empty() {
        select.push(")");
    }
    if let Some(batch) = filter.batch {
        select.push(" AND revised.batch_id = ").push_bind(batch);
    }
    if filter.only_in_force {
        select.push(" AND deciding.revision IS NOT NULL");
    }
    if let Some(after) = &filter.after {
        push_position(&mut select, after);
    }
    select.push(ORDER).push_bind(filter.limit);
    select
}

fn push_position(select: &mut Statement<'_>, after: &RevisionPosition) {
    let RevisionPosition { created_at, key: MetricKey { metric_type, category }, date, revision } = after;
    select
        .push(
            " AND (revised.created_at, revised.metric_category, revised.metric_type, revised.metric_date,
                   revised.revision) < (",
        )
        .push_bind(*created_at)
        .push(", ")
        .push_bind(Argument::Text(Some(category.clone().into())))
        .push(", ")
        .push_bind(metric_type.name())
        .push(", ")
        .push_bind(*date)
        .push(", ")
        .push_bind(i64::from(*revision))
        .push(")");
}

fn revision(row: &impl Columns) -> Result<Revision, sqlx::Error> {
    let (date, key) = key_and_date(row)?;
    Ok(Revision {
        date,
        key,
        revision: row.get("revision")?,
        batch_id: row.uuid("batch_id")?,
        effect: effect(row)?,
        basis: basis(row)?,
        reason: row.get("reason")?,
        author: row.get("author")?,
        created_at: row::to_micros(row.instant("created_at")?),
        is_in_force: row.get("is_in_force")?,
        recorded: row.parsed("recorded")?,
    })
}

fn effect(row: &impl Columns) -> Result<RevisionEffect, sqlx::Error> {
    match row.text("kind")? {
        "value" => {
            Ok(RevisionEffect::Value { value: row.parsed("value")?, metadata: row.object("metadata")? })
        }
        "withdrawal" => Ok(RevisionEffect::Withdrawal),
        "reversal" => Ok(RevisionEffect::Reversal { takes_back: row.get("takes_back")? }),
        other => Err(undecodable("kind", format!("`{other}` is not one of the known values"))),
    }
}

fn basis(row: &impl Columns) -> Result<RevisionBasis, sqlx::Error> {
    match row.text("basis")? {
        "manual" => Ok(RevisionBasis::Manual),
        "reconstruction" => {
            Ok(RevisionBasis::Reconstruction { definition_version: row.get("definition_version")? })
        }
        other => Err(undecodable("basis", format!("`{other}` is not one of the known values"))),
    }
}
