//! Silencing alerts for a time. Every silence has an end and a reason.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    collect::{Context, MAX_REASON_CHARS},
    config::{self, AlertRule},
    store::{Silence, StoreError},
};

/// The longest time from now until the end of a silence.
const MAX_SILENCE: SignedDuration = SignedDuration::from_hours(366 * 24);

#[derive(Debug, thiserror::Error)]
pub enum SilenceError {
    #[error("say why it is silenced, in 1 to {MAX_REASON_CHARS} characters")]
    Reason,
    #[error("the silence would end at {until}, which is not after now ({now})")]
    AlreadyOver {
        /// Both in the reporting time zone.
        until: String,
        now: String,
    },
    #[error("the silence would end at {until}; a silence can last 366 days at most")]
    TooLong {
        /// In the reporting time zone.
        until: String,
    },
    #[error("there is no alert {}{suggestion}", config::shown(rule))]
    UnknownRule { rule: String, suggestion: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Silences a rule, or all of them, until `until`.
///
/// # Errors
/// When the reason is empty or too long, `until` is not in the future or more than 366 days away, there is no such rule, or the store fails.
pub async fn silence(
    context: &Context,
    rules: &[AlertRule],
    rule: Option<&str>,
    reason: &str,
    until: Timestamp,
) -> Result<Silence, SilenceError> {
    let (reason, now) = (reason.trim(), context.now());
    if !(1..=MAX_REASON_CHARS).contains(&reason.chars().count()) {
        return Err(SilenceError::Reason);
    }
    if until <= now {
        let calendar = &context.tenant.calendar;
        return Err(SilenceError::AlreadyOver { until: calendar.display(until), now: calendar.display(now) });
    }
    if until.duration_since(now) > MAX_SILENCE {
        return Err(SilenceError::TooLong { until: context.tenant.calendar.display(until) });
    }
    if let Some(rule) = rule.filter(|name| !rules.iter().any(|rule| rule.name == **name)) {
        let hint = config::suggestion(rule, rules.iter().map(|rule| rule.name.as_str()));
        let suggestion = hint.map_or_else(String::new, |hint| format!("; {hint}"));
        return Err(SilenceError::UnknownRule { rule: rule.to_owned(), suggestion });
    }
    let silence = Silence {
        id: Uuid::new_v4(),
        rule: rule.map(str::to_owned),
        reason: reason.to_owned(),
        created_at: now,
        created_by: context.initiator.actor.clone(),
        ends_at: until,
        ended_at: None,
        ended_by: None,
    };
    context.tenant.store.add_silence(&silence).await?;
    Ok(silence)
}

/// Ends a silence. `false` when none with that id holds.
///
/// # Errors
/// When the store fails.
pub async fn unsilence(context: &Context, id: Uuid) -> Result<bool, StoreError> {
    context.tenant.store.end_silence(id, context.now(), &context.initiator.actor).await
}
