//! Revisions of recorded values.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};

use super::redacted_labels::batch_without_redacted;
use crate::{
    metric::MetricKey,
    store::{
        LastRevision, NewRevision, Revision, RevisionBasis, RevisionBatch, RevisionEffect, RevisionFilter,
        RevisionPosition, Revisions, StoreError,
        from_row::key_and_date,
        in_force::is_in_force,
        outbox,
        row::{self, Columns, undecodable},
        sql_store::{SqlEvents, SqlSession, read_rows, retry},
        statement::{Argument, Statement},
    },
};

const TABLE: &str = "metric_revisions";

/// Columns of a revision; the condition that it is in force follows.
const COLUMNS: &str = "
    SELECT revised.metric_date, revised.metric_type, revised.metric_category, revised.revision, revised.batch_id, revised.kind,
        CAST(revised.value AS TEXT) AS value, revised.metadata, revised.takes_back, revised.basis, revised.definition_version,
        revised.reason, revised.author, revised.created_at, CAST(recorded.value AS TEXT) AS recorded, ";

const FROM: &str = " AS is_in_force
    FROM metric_revisions AS revised
    JOIN daily_metrics AS recorded
        ON recorded.tenant_id = revised.tenant_id AND recorded.metric_category = revised.metric_category
       AND recorded.metric_type = revised.metric_type AND recorded.metric_date = revised.metric_date
    WHERE revised.tenant_id = $1";

const LAST: &str = "
    SELECT newest.metric_date, newest.revision, coalesce((
        SELECT basis = 'reconstruction' FROM metric_revisions AS taken_back
        WHERE taken_back.tenant_id = newest.tenant_id AND taken_back.metric_category = newest.metric_category
          AND taken_back.metric_type = newest.metric_type AND taken_back.metric_date = newest.metric_date
          AND taken_back.revision = newest.takes_back
    ), FALSE) AS takes_reconstruction_back
    FROM metric_revisions AS newest
    WHERE newest.tenant_id = $1 AND newest.metric_category = $2 AND newest.metric_type = $3
      AND newest.metric_date BETWEEN $4 AND $5
      AND newest.revision = (
          SELECT max(revision) FROM metric_revisions AS of_day
          WHERE of_day.tenant_id = newest.tenant_id AND of_day.metric_category = newest.metric_category
            AND of_day.metric_type = newest.metric_type AND of_day.metric_date = newest.metric_date
      )";

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
        renew_statistics(self, batch).await;
        let limit = i64::try_from(batch.revisions.len()).unwrap_or(i64::MAX);
        self.revisions(&RevisionFilter { batch: Some(batch.id), limit, ..RevisionFilter::default() }).await
    }

    async fn last_revisions(
        &self,
        metric: &MetricKey,
        from: Date,
        to: Date,
    ) -> Result<BTreeMap<Date, LastRevision>, StoreError> {
        let select =
            self.statement(LAST).bind(&metric.category).bind(metric.metric_type.name()).bind(from).bind(to);
        let last = |row: &S::Row| {
            let last = LastRevision {
                number: row.get("revision")?,
                takes_reconstruction_back: row.get("takes_reconstruction_back")?,
            };
            Ok((row.date("metric_date")?, last))
        };
        Ok(read_rows(self, TABLE, &select, last).await?.into_iter().collect())
    }

    async fn newest_revision(&self) -> Result<Option<Timestamp>, StoreError> {
        let select = "SELECT max(created_at) AS newest FROM metric_revisions WHERE tenant_id = $1";
        let newest = |row: &S::Row| Ok(row.optional_instant("newest")?.map(row::to_micros));
        Ok(read_rows(self, TABLE, &self.statement(select), newest).await?.into_iter().flatten().next())
    }

    async fn revisions(&self, filter: &RevisionFilter) -> Result<Vec<Revision>, StoreError> {
        read_rows(self, TABLE, &select(self, filter), revision).await
    }
}

/// The number of revisions after whose writing the statistics are renewed at once.
const MANY_REVISIONS: usize = 50;

/// After many revisions, renews the statistics of their table. PostgreSQL does that by itself within a minute or so; until then the
/// plans that its sessions made while the table was empty would read all of the table for each revision. A failure is ignored.
async fn renew_statistics<S: SqlEvents>(store: &S, batch: &RevisionBatch) {
    if let (Some(analyze), true) = (S::OWN.analyze_revisions, batch.revisions.len() >= MANY_REVISIONS)
        && let Err(error) = store.execute(&Statement::without_tenant(analyze)).await
    {
        tracing::debug!(%error, "the statistics of the revisions were not renewed");
    }
}

async fn write_batch<S: SqlEvents>(store: &S, batch: &RevisionBatch) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let failed = |error| store.failed(error);
    let batch = batch_without_redacted(store, &mut transaction, batch).await.map_err(failed)?;
    insert_batch(store, &mut transaction, &batch).await.map_err(failed)?;
    store.end(transaction).await
}

/// Inserts the revisions of a batch and their event. Where nothing is inserted, an earlier attempt whose answer was lost has written them.
pub(super) async fn insert_batch<S: SqlEvents>(
    store: &S,
    session: &mut S::Session,
    batch: &RevisionBatch,
) -> Result<(), sqlx::Error> {
    let rows: Value = batch.revisions.iter().map(given).collect();
    let insert = store
        .statement(S::OWN.add_revisions)
        .bind(batch.id)
        .bind(&batch.reason)
        .bind(&batch.author)
        .bind(batch.made_at)
        .bind(Argument::Json(Some(rows)));
    if session.execute(&insert).await? > 0 {
        let event = outbox::of_revisions(batch);
        store.insert_events(session, event.as_slice()).await?;
    }
    Ok(())
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
        "revision": revision.number,
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
    let is_in_force = is_in_force("revised", as_of.as_deref());
    select.push(&format!("{COLUMNS}{is_in_force}{FROM}"));
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
    if let Some(basis) = filter.basis {
        select.push(" AND revised.basis = ").push_bind(basis);
    }
    if filter.only_in_force {
        select.push(&format!(" AND {is_in_force}"));
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
        "manual" => Ok(RevisionBasis::Manual { definition_version: row.get("definition_version")? }),
        "redaction" => Ok(RevisionBasis::Redaction),
        "reconstruction" => {
            Ok(RevisionBasis::Reconstruction { definition_version: row.get("definition_version")? })
        }
        other => Err(undecodable("basis", format!("`{other}` is not one of the known values"))),
    }
}
