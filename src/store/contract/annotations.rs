//! Annotations: notes on days, such as releases and incidents. They are no part of the record.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use crate::store::StoreError;

/// What an annotation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationText {
    pub first_day: Date,
    /// The last day, which is not before the first one.
    pub last_day: Date,
    /// The category that it is about; `None`: all metrics.
    pub category: Option<String>,
    /// 1 to 1,000 characters.
    pub text: String,
}

/// An annotation. The database's clock gives the times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub id: Uuid,
    pub content: AnnotationText,
    pub created_at: Timestamp,
    /// Who made it, as in [`super::NewRun`].
    pub created_by: String,
    /// When it was changed last.
    pub changed_at: Option<Timestamp>,
    pub changed_by: Option<String>,
}

#[async_trait]
pub trait Annotations: Send + Sync {
    /// The newest `limit` annotations of days from `from` to `to`, by their last day, the newest first.
    async fn annotations(&self, from: Date, to: Date, limit: i64) -> Result<Vec<Annotation>, StoreError>;

    /// Adds an annotation. One whose id exists is left as it is. Returns the stored one.
    async fn add_annotation(
        &self,
        id: Uuid,
        content: &AnnotationText,
        by: &str,
    ) -> Result<Annotation, StoreError>;

    /// Changes an annotation and returns it; `None` when there is none with that id.
    async fn change_annotation(
        &self,
        id: Uuid,
        content: &AnnotationText,
        by: &str,
    ) -> Result<Option<Annotation>, StoreError>;

    /// Deletes an annotation. `false` when there is none with that id.
    async fn delete_annotation(&self, id: Uuid) -> Result<bool, StoreError>;
}
