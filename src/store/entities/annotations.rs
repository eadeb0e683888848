//! Annotations, and when users signed out everywhere.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use crate::store::{
    Annotation, AnnotationText, Annotations, SessionEnds, StoreError,
    row::Columns,
    sql_store::{SqlStore, read_rows, retry, write},
};

/// The times are of the database's clock: on PostgreSQL its trigger sets them.
const ADD_ANNOTATION: &str = "
    INSERT INTO annotations (tenant_id, id, first_day, last_day, metric_category, text, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (tenant_id, id) DO NOTHING";

const DELETE_ANNOTATION: &str = "DELETE FROM annotations WHERE tenant_id = $1 AND id = $2";

const SELECT_ANNOTATION: &str = "
    SELECT id, first_day, last_day, metric_category, text, created_at, created_by, changed_at, changed_by FROM annotations
    WHERE tenant_id = $1 AND id = $2";

const SELECT_ANNOTATIONS: &str = "
    SELECT id, first_day, last_day, metric_category, text, created_at, created_by, changed_at, changed_by FROM annotations
    WHERE tenant_id = $1 AND last_day >= $2 AND first_day <= $3
    ORDER BY last_day DESC, first_day DESC, created_at DESC, id LIMIT $4";

const SELECT_SESSION_ENDS: &str =
    "SELECT subject, ended_at FROM session_ends WHERE tenant_id = $1 AND ended_at > $2";

const FORGET_SESSION_ENDS: &str = "DELETE FROM session_ends WHERE tenant_id = $1 AND ended_at < $2";

/// Of two ends the later one is kept.
const END_SESSIONS: &str = "
    INSERT INTO session_ends (tenant_id, subject, ended_at) VALUES ($1, $2, $3)
    ON CONFLICT (tenant_id, subject) DO UPDATE SET ended_at = excluded.ended_at
    WHERE session_ends.ended_at < excluded.ended_at";

#[async_trait]
impl<S: SqlStore> Annotations for S {
    async fn annotations(&self, from: Date, to: Date, limit: i64) -> Result<Vec<Annotation>, StoreError> {
        let select = self.statement(SELECT_ANNOTATIONS).bind(from).bind(to).bind(limit);
        read_rows(self, "annotations", &select, annotation).await
    }

    async fn add_annotation(
        &self,
        id: Uuid,
        content: &AnnotationText,
        by: &str,
    ) -> Result<Annotation, StoreError> {
        write_annotation(self, ADD_ANNOTATION, id, content, by).await?;
        stored_annotation(self, id).await?.ok_or_else(|| self.failed(sqlx::Error::RowNotFound))
    }

    async fn change_annotation(
        &self,
        id: Uuid,
        content: &AnnotationText,
        by: &str,
    ) -> Result<Option<Annotation>, StoreError> {
        write_annotation(self, S::OWN.change_annotation, id, content, by).await?;
        stored_annotation(self, id).await
    }

    async fn delete_annotation(&self, id: Uuid) -> Result<bool, StoreError> {
        Ok(write(self, &self.statement(DELETE_ANNOTATION).bind(id)).await? == 1)
    }
}

async fn write_annotation(
    store: &impl SqlStore,
    statement: &'static str,
    id: Uuid,
    content: &AnnotationText,
    by: &str,
) -> Result<u64, StoreError> {
    let statement = store
        .statement(statement)
        .bind(id)
        .bind(content.first_day)
        .bind(content.last_day)
        .bind(content.category.as_deref())
        .bind(&content.text)
        .bind(by);
    write(store, &statement).await
}

async fn stored_annotation(store: &impl SqlStore, id: Uuid) -> Result<Option<Annotation>, StoreError> {
    let select = store.statement(SELECT_ANNOTATION).bind(id);
    let rows = retry(store, || store.fetch(&select)).await?;
    rows.first().map(annotation).transpose().map_err(|error| store.failed(error))
}

#[async_trait]
impl<S: SqlStore> SessionEnds for S {
    async fn session_ends(&self, since: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
        read_rows(self, "session_ends", &self.statement(SELECT_SESSION_ENDS).bind(since), session_end).await
    }

    async fn end_sessions(&self, subject: &str, at: Timestamp, since: Timestamp) -> Result<(), StoreError> {
        write(self, &self.statement(FORGET_SESSION_ENDS).bind(since)).await?;
        write(self, &self.statement(END_SESSIONS).bind(subject).bind(at)).await.map(drop)
    }
}

fn annotation(row: &impl Columns) -> Result<Annotation, sqlx::Error> {
    Ok(Annotation {
        id: row.uuid("id")?,
        content: AnnotationText {
            first_day: row.date("first_day")?,
            last_day: row.date("last_day")?,
            category: row.optional_text("metric_category")?.map(str::to_owned),
            text: row.get("text")?,
        },
        created_at: row.instant("created_at")?,
        created_by: row.get("created_by")?,
        changed_at: row.optional_instant("changed_at")?,
        changed_by: row.optional_text("changed_by")?.map(str::to_owned),
    })
}

fn session_end(row: &impl Columns) -> Result<(String, Timestamp), sqlx::Error> {
    Ok((row.get("subject")?, row.instant("ended_at")?))
}
