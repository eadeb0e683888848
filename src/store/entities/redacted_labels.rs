//! Replaces redacted labels in everything that is written by their placeholders. The platform, or a person who corrects a value,
//! may still supply the label.

use std::borrow::Cow;

use crate::{
    metric::{Record, has_labels},
    store::{
        LabelRedactions, RevisionBatch, RevisionEffect, StoreError,
        row::Columns,
        sql_store::{SqlSession, SqlStore, retry},
    },
};

const SELECT: &str = "
    SELECT redaction_key, label_hash, placeholder FROM store_settings
    LEFT JOIN redactions ON redactions.tenant_id = $1";

/// The labels that were redacted.
pub(super) async fn redacted_labels<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
) -> Result<LabelRedactions, sqlx::Error> {
    from_rows(&session.fetch(&store.statement(SELECT)).await?)
}

/// As [`redacted_labels`], outside a transaction.
pub(super) async fn read_redacted_labels<S: SqlStore>(store: &S) -> Result<LabelRedactions, StoreError> {
    let select = store.statement(SELECT);
    let rows = retry(store, || store.fetch(&select)).await?;
    from_rows(&rows).map_err(|error| store.failed(error))
}

fn from_rows(rows: &[impl Columns]) -> Result<LabelRedactions, sqlx::Error> {
    let mut redactions = LabelRedactions::default();
    for row in rows {
        redactions.key = row.get("redaction_key")?;
        let hash: Option<Vec<u8>> = row.get("label_hash")?;
        if let Some((hash, placeholder)) = hash.zip(row.optional_text("placeholder")?) {
            redactions.placeholders.insert(hash, placeholder.to_owned());
        }
    }
    Ok(redactions)
}

/// As [`redacted_labels`], for a transaction that writes values: no redaction is made until it ends.
async fn redacted_until_commit<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
) -> Result<LabelRedactions, sqlx::Error> {
    if let Some([shared, _]) = S::OWN.lock_redactions {
        session.execute(&store.statement(shared)).await?;
    }
    redacted_labels(store, session).await
}

/// The records with the placeholders of redacted labels.
pub(super) async fn records_without_redacted<'a, S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    records: &'a [Record],
) -> Result<Cow<'a, [Record]>, sqlx::Error> {
    if !records.iter().any(|record| has_labels(&record.metadata)) {
        return Ok(Cow::Borrowed(records));
    }
    let redacted = redacted_until_commit(store, session).await?;
    if redacted.is_empty() {
        return Ok(Cow::Borrowed(records));
    }
    let mut records = records.to_vec();
    for record in &mut records {
        redacted.apply(&mut record.metadata);
    }
    Ok(Cow::Owned(records))
}

/// The batch with the placeholders of redacted labels.
pub(super) async fn batch_without_redacted<'a, S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    batch: &'a RevisionBatch,
) -> Result<Cow<'a, RevisionBatch>, sqlx::Error> {
    let names_labels = |effect: &RevisionEffect| matches!(effect, RevisionEffect::Value { metadata, .. } if has_labels(metadata));
    if !batch.revisions.iter().any(|revision| names_labels(&revision.effect)) {
        return Ok(Cow::Borrowed(batch));
    }
    let redacted = redacted_until_commit(store, session).await?;
    if redacted.is_empty() {
        return Ok(Cow::Borrowed(batch));
    }
    let mut batch = batch.clone();
    for revision in &mut batch.revisions {
        if let RevisionEffect::Value { metadata, .. } = &mut revision.effect {
            redacted.apply(metadata);
        }
    }
    Ok(Cow::Owned(batch))
}
