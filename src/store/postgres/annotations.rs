//! Annotations, and when users signed out everywhere.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{PostgresStore, text::storable};
use crate::store::{
    Annotation, AnnotationText, Annotations, SessionEnds, StoreError,
    from_row::{annotation, session_end},
    row,
    statements::{
        ADD_ANNOTATION, DELETE_ANNOTATION, END_SESSIONS, FORGET_SESSION_ENDS, SELECT_ANNOTATION,
        SELECT_ANNOTATIONS, SELECT_SESSION_ENDS,
    },
};

const CHANGE_ANNOTATION: &str = "
    UPDATE annotations
    SET first_day = $3, last_day = $4, metric_category = $5, text = $6, changed_at = clock_timestamp(), changed_by = $7
    WHERE tenant_id = $1 AND id = $2";

#[async_trait]
impl Annotations for PostgresStore {
    async fn annotations(&self, from: Date, to: Date, limit: i64) -> Result<Vec<Annotation>, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(SELECT_ANNOTATIONS)
                .bind(&self.tenant)
                .bind(from.to_sqlx())
                .bind(to.to_sqlx())
                .bind(limit);
            self.rows("annotations", query, annotation).await
        })
        .await
    }

    async fn add_annotation(
        &self,
        id: Uuid,
        content: &AnnotationText,
        by: &str,
    ) -> Result<Annotation, StoreError> {
        self.retry(|| async {
            self.write_annotation(ADD_ANNOTATION, id, content, by).await?;
            self.stored_annotation(id).await?.ok_or_else(|| self.failed(sqlx::Error::RowNotFound))
        })
        .await
    }

    async fn change_annotation(
        &self,
        id: Uuid,
        content: &AnnotationText,
        by: &str,
    ) -> Result<Option<Annotation>, StoreError> {
        self.retry(|| async {
            self.write_annotation(CHANGE_ANNOTATION, id, content, by).await?;
            self.stored_annotation(id).await
        })
        .await
    }

    async fn delete_annotation(&self, id: Uuid) -> Result<bool, StoreError> {
        self.retry(|| async {
            let query = sqlx::query(DELETE_ANNOTATION).bind(&self.tenant).bind(id);
            let done = query.execute(self.pool().await?).await.map_err(|error| self.failed(error))?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }
}

impl PostgresStore {
    async fn write_annotation(
        &self,
        statement: &'static str,
        id: Uuid,
        content: &AnnotationText,
        by: &str,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(statement)
            .bind(&self.tenant)
            .bind(id)
            .bind(content.first_day.to_sqlx())
            .bind(content.last_day.to_sqlx())
            .bind(&content.category)
            .bind(storable(&content.text))
            .bind(storable(by));
        query.execute(self.pool().await?).await.map(drop).map_err(|error| self.failed(error))
    }

    async fn stored_annotation(&self, id: Uuid) -> Result<Option<Annotation>, StoreError> {
        let query = sqlx::query(SELECT_ANNOTATION).bind(&self.tenant).bind(id);
        let row: Option<PgRow> =
            query.fetch_optional(self.pool().await?).await.map_err(|error| self.failed(error))?;
        row.as_ref().map(annotation).transpose().map_err(|error| self.failed(error))
    }
}

#[async_trait]
impl SessionEnds for PostgresStore {
    async fn session_ends(&self, since: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.retry(|| async {
            let query =
                sqlx::query(SELECT_SESSION_ENDS).bind(&self.tenant).bind(row::to_micros(since).to_sqlx());
            self.rows("session_ends", query, session_end).await
        })
        .await
    }

    async fn end_sessions(&self, subject: &str, at: Timestamp, since: Timestamp) -> Result<(), StoreError> {
        self.retry(|| async {
            let pool = self.pool().await?;
            let forget =
                sqlx::query(FORGET_SESSION_ENDS).bind(&self.tenant).bind(row::to_micros(since).to_sqlx());
            forget.execute(pool).await.map_err(|error| self.failed(error))?;
            let end = sqlx::query(END_SESSIONS)
                .bind(&self.tenant)
                .bind(storable(subject))
                .bind(row::to_micros(at).to_sqlx());
            end.execute(pool).await.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }
}
