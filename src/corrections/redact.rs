//! Redacting: a label of breakdowns that must be forgotten, such as a person's name, is replaced by a placeholder wherever the store has
//! it.

use jiff::civil::Date;
use uuid::Uuid;

use super::request::{CorrectionError, checked_reason};
use crate::{
    collect::{CancellationToken, CollectError, Context, counted_now, judge_corrected},
    metric::{MetricKey, has_label, is_member_name, is_placeholder, placeholder},
    store::{LabelFindings, NewRedaction, RedactedMetric, Redaction, StoreError},
};

/// The longest label, in characters.
const MAX_LABEL_CHARS: usize = 10_000;

/// The names that readers use for the rest of a breakdown. They are not labels of the platform.
const NAMES_OF_THE_REST: [&str; 3] = ["(other)", "other labels", "without a label"];

#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    #[error("a label has 1 to {MAX_LABEL_CHARS} characters and is not only white space")]
    Label,
    #[error(
        "this is the form of a placeholder, which stands for a label that was redacted; name a label of the platform"
    )]
    Placeholder,
    #[error("readers use this name for the rest of a breakdown, so it is not a label of the platform")]
    Rest,
    #[error(
        "no breakdown has this label: it is a name in the metadata that Daymark keeps of each value, and an everyday word in texts"
    )]
    Member,
    #[error(
        "the reason contains the label, which would then stay in the log: give a reason without the label"
    )]
    NamedByReason,
    #[error("this role may not redact: only the owner of the tables may ({0})")]
    NotOwner(StoreError),
    #[error(
        "the label is replaced, but the files of the store could not be rewritten: {0}; run the command again"
    )]
    NotRewritten(StoreError),
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Correction(#[from] CorrectionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds where the store has a label. Nothing is written.
///
/// # Errors
/// When the label is none that can be redacted, or the store fails.
pub async fn find_label(context: &Context, label: &str) -> Result<LabelFindings, RedactError> {
    if label.trim().is_empty() || label.chars().count() > MAX_LABEL_CHARS {
        return Err(RedactError::Label);
    }
    if is_placeholder(label) {
        return Err(RedactError::Placeholder);
    }
    if NAMES_OF_THE_REST.contains(&label) {
        return Err(RedactError::Rest);
    }
    let found = context.tenant.store.find_label(label).await.map_err(only_owner)?;
    match is_member_name(label) && found.places.metrics.is_empty() && found.placeholder.is_none() {
        true => Err(RedactError::Member),
        false => Ok(found),
    }
}

fn only_owner(error: StoreError) -> RedactError {
    if error.is_denied() { RedactError::NotOwner(error) } else { error.into() }
}

/// The reason without white space around it.
///
/// # Errors
/// When it is empty, too long, or names the label.
pub fn checked_reason_without(reason: &str, label: &str) -> Result<String, RedactError> {
    let reason = checked_reason(reason)?;
    match reason.to_lowercase().contains(&label.to_lowercase()) {
        true => Err(RedactError::NamedByReason),
        false => Ok(reason),
    }
}

/// Replaces a label by a placeholder wherever the store has it, in the name of the context's initiator. `None` where nothing has it.
///
/// # Errors
/// When the reason is not valid; when the role may not redact; when the store fails.
pub async fn redact(context: &Context, label: &str, reason: &str) -> Result<Option<Redaction>, RedactError> {
    let redaction = NewRedaction {
        id: Uuid::new_v4(),
        label: label.to_owned(),
        placeholder: placeholder(getrandom::u64().map_err(RedactError::Random)?),
        reason: checked_reason_without(reason, label)?,
        author: context.initiator.actor.clone(),
        made_at: context.now(),
    };
    let made = context.tenant.store.redact(&redaction).await.map_err(only_owner)?;
    for metric in made.iter().flat_map(|made| &made.places.metrics) {
        judge_corrected(context, vec![metric.key()], metric.from, metric.to).await;
    }
    Ok(made)
}

/// Rewrites what the database keeps of rows that a redaction changed. Returns what the owner has to do still.
///
/// # Errors
/// When the store fails; the redaction stays.
pub async fn rewrite(context: &Context) -> Result<Option<String>, RedactError> {
    context.tenant.store.rewrite_after_redaction().await.map_err(RedactError::NotRewritten)
}

/// The metrics by which the platform still has the label on the last day on which it was recorded. Metrics that can only be read now are
/// left out.
///
/// # Errors
/// When the platform or the store cannot be read.
pub async fn still_on_platform(
    context: &Context,
    label: &str,
    metrics: &[RedactedMetric],
) -> Result<Vec<(MetricKey, Date)>, CollectError> {
    let definitions = context.tenant.store.definitions().await?;
    let mut found = Vec::new();
    for metric in metrics {
        let key = metric.key();
        let stored = definitions.iter().find(|stored| stored.is_active && stored.definition.key() == key);
        let Some(definition) = stored.map(|stored| &stored.definition) else { continue };
        if !definition.measure.reconstructible() {
            continue;
        }
        let counted =
            counted_now(context, &[definition], metric.to, metric.to, &CancellationToken::new()).await?;
        let days = counted.into_iter().flatten().flatten();
        if days.filter_map(|(_, seen)| seen).any(|seen| has_label(&seen.metadata, label)) {
            found.push((key, metric.to));
        }
    }
    Ok(found)
}
