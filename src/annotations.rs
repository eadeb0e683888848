//! Annotations: notes on days, such as releases and incidents. They are no part of the record.

use jiff::civil::{Date, date};
use uuid::Uuid;

use crate::{
    collect::{Context, FIRST_DAY},
    config::{shown, suggestion},
    store::{Annotation, AnnotationText, StoreError},
};

/// The last day that an annotation may be about.
const LAST_DAY: Date = date(9998, 12, 31);
/// The longest text of an annotation, in characters.
const MAX_TEXT_CHARS: usize = 1000;
/// The most days that an annotation covers.
const MAX_DAYS: i64 = 366;
/// The most annotations that are listed at once.
const MAX_LISTED: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum AnnotationError {
    #[error("an annotation has a text of 1 to {MAX_TEXT_CHARS} characters")]
    Text,
    #[error("the last day {to} is before the first day {from}")]
    EndsBefore { from: Date, to: Date },
    #[error("an annotation covers {MAX_DAYS} days at most, but from {from} to {to} there are more")]
    TooLong { from: Date, to: Date },
    #[error("the day {date} is not between {FIRST_DAY} and {LAST_DAY}")]
    OutOfRange { date: Date },
    #[error("no metric is called {}{suggestion}", shown(category))]
    UnknownMetric { category: String, suggestion: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The annotations of a range of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAnnotations {
    /// By their last day, the newest first.
    pub annotations: Vec<Annotation>,
    /// Whether older ones were left out.
    pub truncated: bool,
}

/// The annotations of days from `from` to `to`; without them of all days.
///
/// # Errors
/// When the store fails.
pub async fn annotations(
    context: &Context,
    from: Option<Date>,
    to: Option<Date>,
) -> Result<ListedAnnotations, StoreError> {
    let (from, to) = (from.unwrap_or(FIRST_DAY), to.unwrap_or(LAST_DAY));
    let limit = i64::try_from(MAX_LISTED + 1).unwrap_or(i64::MAX);
    let mut annotations = context.tenant.store.annotations(from, to, limit).await?;
    let truncated = annotations.len() > MAX_LISTED;
    annotations.truncate(MAX_LISTED);
    Ok(ListedAnnotations { annotations, truncated })
}

/// Adds an annotation.
///
/// # Errors
/// When the text or the days are not valid, there is no such metric, or the store fails.
pub async fn annotate(context: &Context, content: AnnotationText) -> Result<Annotation, AnnotationError> {
    let content = checked(context, content).await?;
    let by = &context.initiator.actor;
    Ok(context.tenant.store.add_annotation(Uuid::new_v4(), &content, by).await?)
}

/// Changes an annotation. `None` when there is none with that id.
///
/// # Errors
/// As those of [`annotate`].
pub async fn change_annotation(
    context: &Context,
    id: Uuid,
    content: AnnotationText,
) -> Result<Option<Annotation>, AnnotationError> {
    let content = checked(context, content).await?;
    let by = &context.initiator.actor;
    Ok(context.tenant.store.change_annotation(id, &content, by).await?)
}

async fn checked(context: &Context, content: AnnotationText) -> Result<AnnotationText, AnnotationError> {
    let AnnotationText { first_day: from, last_day: to, category, text } = content;
    let text = text.trim().to_owned();
    if !(1..=MAX_TEXT_CHARS).contains(&text.chars().count()) {
        return Err(AnnotationError::Text);
    }
    if let Some(date) = [from, to].into_iter().find(|date| !(FIRST_DAY..=LAST_DAY).contains(date)) {
        return Err(AnnotationError::OutOfRange { date });
    }
    if to < from {
        return Err(AnnotationError::EndsBefore { from, to });
    }
    if i64::from((to - from).get_days()) >= MAX_DAYS {
        return Err(AnnotationError::TooLong { from, to });
    }
    if let Some(category) = &category {
        let definitions = context.tenant.store.definitions().await?;
        let names = || definitions.iter().map(|stored| stored.definition.category.as_str());
        if !names().any(|name| name == category) {
            let hint = suggestion(category, names());
            let suggestion = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            return Err(AnnotationError::UnknownMetric { category: category.clone(), suggestion });
        }
    }
    Ok(AnnotationText { first_day: from, last_day: to, category, text })
}
