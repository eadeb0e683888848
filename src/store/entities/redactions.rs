//! Redactions: the one exception to the immutability of what is recorded.

use async_trait::async_trait;
use jiff::civil::Date;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    label_places::{metrics_naming, revisions_without},
    label_texts::{
        REASONS, RedactedText, TEXTS, TextPlace, left_as_they_are, text_now, texts_naming, update,
    },
    redacted_labels::{read_redacted_labels, redacted_labels},
    revisions::insert_batch,
};
use crate::store::{
    LabelFindings, LabelRedactions, NewRedaction, RedactedMetric, RedactedPlaces, RedactedTexts, Redaction,
    Redactions, ReturnedLabel, RevisionBatch, StoreError,
    from_row::key_and_date,
    row::{self, Columns, undecodable},
    sought_label::SoughtLabel,
    sql_store::{RedactedValues, SqlRedactions, SqlSession, read_rows},
    statement::Argument,
};

const TABLE: &str = "redactions";

const SELECT: &str =
    "SELECT id, placeholder, reason, author, created_at, places FROM redactions WHERE tenant_id = $1";

const INSERT: &str = "
    INSERT INTO redactions (tenant_id, id, placeholder, label_hash, reason, author, places, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Records that were made after the last redaction of the label and have its placeholder as the name of a member.
const SELECT_RETURNED: &str = "
    SELECT logged.placeholder, recorded.metric_type, recorded.metric_category, max(recorded.metric_date) AS metric_date
    FROM (SELECT placeholder, max(created_at) AS created_at FROM redactions WHERE tenant_id = $1 GROUP BY placeholder) AS logged
    JOIN daily_metrics AS recorded ON recorded.tenant_id = $1 AND recorded.metric_date >= $2 AND recorded.created_at > logged.created_at
    WHERE CAST(recorded.metadata AS TEXT) LIKE '%\"' || logged.placeholder || '\":%'
    GROUP BY logged.placeholder, recorded.metric_type, recorded.metric_category
    ORDER BY recorded.metric_category, recorded.metric_type, logged.placeholder";

#[async_trait]
impl<S: SqlRedactions> Redactions for S {
    async fn redactions(&self) -> Result<Vec<Redaction>, StoreError> {
        let mut select = self.statement(SELECT);
        select.push(" ORDER BY created_at DESC, id");
        read_rows(self, TABLE, &select, redaction).await
    }

    async fn label_redactions(&self) -> Result<LabelRedactions, StoreError> {
        read_redacted_labels(self).await
    }

    async fn find_label(&self, label: &str) -> Result<LabelFindings, StoreError> {
        // The search reads all records, so it has no time limit.
        self.retry_policy().run(StoreError::is_transient, || find(self, label)).await
    }

    async fn redact(&self, redaction: &NewRedaction) -> Result<Option<Redaction>, StoreError> {
        self.retry_policy().run(StoreError::is_transient, || redact(self, redaction)).await
    }

    async fn rewrite_after_redaction(&self) -> Result<Option<String>, StoreError> {
        self.retry_policy().run(StoreError::is_transient, || self.rewrite()).await
    }

    async fn returned_labels(&self, since: Date) -> Result<Vec<ReturnedLabel>, StoreError> {
        read_rows(self, TABLE, &self.statement(SELECT_RETURNED).bind(since), |row| {
            let (date, key) = key_and_date(row)?;
            Ok(ReturnedLabel { placeholder: row.get("placeholder")?, key, date })
        })
        .await
    }
}

async fn find<S: SqlRedactions>(store: &S, label: &str) -> Result<LabelFindings, StoreError> {
    let failed = |error| store.failed(error);
    let mut transaction = store.begin().await?;
    let known = redacted_labels(store, &mut transaction).await.map_err(failed)?;
    let placeholder = known.placeholder(label).map(str::to_owned);
    let sought = SoughtLabel { label, hash: known.hash(label), placeholder: String::new() };
    let (places, _) = places(store, &mut transaction, &sought).await.map_err(failed)?;
    let left = left_as_they_are(store, &mut transaction, &sought).await.map_err(failed)?;
    Ok(LabelFindings { places, left, placeholder })
}

/// Each column with its texts that name the label.
type RedactedColumns = Vec<(&'static TextPlace, Vec<RedactedText>)>;

async fn places<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    sought: &SoughtLabel<'_>,
) -> Result<(RedactedPlaces, RedactedColumns), sqlx::Error> {
    let metrics = metrics_naming(store, session, sought).await?;
    let mut columns = Vec::new();
    for place in std::iter::once(&REASONS).chain(&TEXTS) {
        let found = texts_naming(store, session, sought, place).await?;
        if !found.is_empty() {
            columns.push((place, found));
        }
    }
    let texts =
        columns.iter().map(|(place, found)| RedactedTexts { place: place.name(), texts: found.len() });
    let texts = texts.collect();
    Ok((RedactedPlaces { metrics, texts }, columns))
}

/// Everything is one transaction: killed in the middle, it leaves the store as it was.
async fn redact<S: SqlRedactions>(store: &S, new: &NewRedaction) -> Result<Option<Redaction>, StoreError> {
    let failed = |error| store.failed(error);
    let mut transaction = store.begin().await?;
    if let Some([_, exclusive]) = S::OWN.lock_redactions {
        transaction.execute(&store.statement(exclusive)).await.map_err(failed)?;
    }
    if let Some(made) = logged(store, &mut transaction, new.id).await.map_err(failed)? {
        return Ok(Some(made));
    }
    let is_made = replace(store, &mut transaction, new).await.map_err(failed)?;
    let made = logged(store, &mut transaction, new.id).await.map_err(failed)?;
    if is_made {
        store.end(transaction).await?;
    }
    Ok(made)
}

/// Returns whether anything named the label.
async fn replace<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    new: &NewRedaction,
) -> Result<bool, sqlx::Error> {
    let known = redacted_labels(store, session).await?;
    let placeholder = known.placeholder(&new.label).unwrap_or(&new.placeholder).to_owned();
    let sought = SoughtLabel { label: &new.label, hash: known.hash(&new.label), placeholder };
    let (places, columns) = places(store, session, &sought).await?;
    if places.is_empty() {
        return Ok(false);
    }
    let insert = store
        .statement(INSERT)
        .bind(new.id)
        .bind(&sought.placeholder)
        .bind(Argument::Bytes(&sought.hash))
        .bind(&new.reason)
        .bind(&new.author)
        .bind(Argument::Json(Some(json!(places))))
        .bind(new.made_at);
    session.execute(&insert).await?;
    let metrics: Vec<_> = places.metrics.iter().map(RedactedMetric::key).collect();
    for key in &metrics {
        let (id, reason, author) = (Uuid::new_v4(), new.reason.clone(), new.author.clone());
        let revisions = revisions_without(store, session, &sought, key).await?;
        let batch = RevisionBatch { id, reason, author, made_at: new.made_at, revisions };
        insert_batch(store, session, &batch).await?;
    }
    let begun = store.begin_redacting(session).await?;
    let mut reasons = Vec::new();
    for (place, texts) in columns {
        if place.name() == REASONS.name() {
            reasons = texts.into_iter().map(|redacted| (redacted.key, redacted.text)).collect();
            continue;
        }
        for text in &texts {
            if let Some(text) = text_now(store, session, &sought, place, &text.key).await? {
                session.execute(&update(store, place, &text, (&new.author, new.made_at))).await?;
            }
        }
    }
    let values = RedactedValues { redaction: new.id, sought: &sought, metrics: &metrics, reasons: &reasons };
    store.redact_values(session, &values).await?;
    store.end_redacting(session, begun).await?;
    Ok(true)
}

async fn logged<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    id: Uuid,
) -> Result<Option<Redaction>, sqlx::Error> {
    let mut select = store.statement(SELECT);
    select.push(" AND id = ").push_bind(id);
    session.fetch(&select).await?.first().map(redaction).transpose()
}

fn redaction(row: &impl Columns) -> Result<Redaction, sqlx::Error> {
    let places = Value::Object(row.object("places")?);
    Ok(Redaction {
        id: row.uuid("id")?,
        placeholder: row.get("placeholder")?,
        reason: row.get("reason")?,
        author: row.get("author")?,
        created_at: row::to_micros(row.instant("created_at")?),
        places: serde_json::from_value(places).map_err(|error| undecodable("places", error))?,
    })
}
