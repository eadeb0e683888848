//! What definitions give on the last days, computed from the platform's present rows. Nothing is written.

use std::{sync::Arc, time::Duration};

use jiff::{ToSpan, civil::Date};
use serde_json::{Map, Value};

use super::{
    define::{DefineError, checked, unknown},
    plan,
    resolve::resolve,
    source_warnings,
};
use crate::{
    collect::{self, CancellationToken, CollectError, Context, Failure, LeftOut, selection},
    config::{Config, Finding, Omission},
    database::{LimitSource, TimeLimit},
    metric::{Decimal, Definition, MetricType, Observation, has_value, recorded_inputs},
    platform::PlannedStatement,
};

/// How many days are previewed where nothing else is requested.
pub const PREVIEW_DAYS: u16 = 14;
/// How long the platform may be read for a preview that a request waits for.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
static REQUEST: LimitSource = LimitSource {
    set_by: "of a preview over the API",
    advice: "index the time column of its source, or run `daymark preview` with this definition, which may read for as long as \
        `collect.deadline_minutes` says",
};
/// The name of a metric that has none yet, for messages.
const NAME: &str = "preview";

/// A definition and its values.
#[derive(Debug, Clone)]
pub struct Preview {
    pub definition: Definition,
    /// By date; empty where past values cannot be computed.
    pub days: Vec<PreviewedDay>,
    /// Why there are no values.
    pub left_out: Option<String>,
    /// Findings that suggest a mistake.
    pub warnings: Vec<Finding>,
}

/// What a day gives, `None` where the platform's present rows have no valid value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedDay {
    pub date: Date,
    pub seen: Option<Observation>,
}

/// The days of a preview: some number of them, up to and with the last one.
#[derive(Debug, Clone, Copy)]
pub struct PreviewDays {
    pub to: Date,
    pub count: u16,
}

impl PreviewedDay {
    /// The value; `None` also where the record of the day would have none, as an average of no rows.
    pub fn value(&self, metric_type: MetricType) -> Option<&Decimal> {
        let seen = self.seen.as_ref()?;
        has_value(metric_type, &seen.metadata).then_some(&seen.value)
    }

    /// Whether a record of the day would have no value.
    pub fn is_no_data(&self, metric_type: MetricType) -> bool {
        self.seen.is_some() && self.value(metric_type).is_none()
    }
}

impl PreviewDays {
    /// The last finished days.
    pub fn last(context: &Context, count: u16) -> Self {
        Self { to: context.last_finished(), count }
    }

    pub fn from(self) -> Date {
        self.to.saturating_sub((i64::from(self.count) - 1).days())
    }
}

/// The same context for previews that a request waits for: the platform may be read for ten seconds, and one that lags is not
/// waited for.
pub fn request_preview_context(context: &Context) -> Context {
    let mut context = context.clone();
    let installation = Arc::make_mut(&mut context.installation);
    installation.run_limit = Some(TimeLimit { duration: REQUEST_LIMIT, source: &REQUEST });
    installation.freshness_wait = Duration::ZERO;
    context
}

/// Checks the definition in `body` as [`super::define`] does, and computes its values.
///
/// # Errors
/// When the definition is not valid, or one of the databases fails.
pub async fn preview(
    context: &Context,
    config: &Config,
    body: &Map<String, Value>,
    days: PreviewDays,
) -> Result<Preview, DefineError> {
    let (definition, warnings) = checked(context, config, NAME, body).await?;
    of_definition(context, definition, warnings, days).await
}

/// Computes the values of the metric `category` as the configuration declares it now, whether it is applied or not, or of one that
/// was made through the API.
///
/// # Errors
/// When there is no such metric, when it is derived from others, not defined on this platform or has a mistake, or when one of the
/// databases fails.
pub async fn preview_metric(
    context: &Context,
    config: &Config,
    category: &str,
    days: PreviewDays,
) -> Result<Preview, DefineError> {
    let resolved = resolve(context, config).await?;
    let is_it = |definition: &Definition| definition.category == category;
    if let Some(definition) = resolved.definitions.iter().find(|definition| is_it(definition)) {
        let warnings = source_warnings(context, config, std::slice::from_ref(definition)).await?;
        return of_definition(context, definition.clone(), warnings, days).await;
    }
    if let Some(Omission { category, reason }) =
        resolved.left_out.into_iter().find(|one| one.category == category)
    {
        return Err(DefineError::LeftOut { category, reason });
    }
    let derived = config.derived();
    if derived.iter().any(|metric| metric.key.category == category) {
        let inputs = recorded_inputs(&derived, category).into_iter().map(str::to_owned).collect();
        return Err(DefineError::Derived { category: category.to_owned(), inputs });
    }
    if config.declares(category) {
        return Err(DefineError::Wrong(errors_of(category, resolved.findings)));
    }
    let stored = match selection::active(context.tenant.store.as_ref()).await {
        Err(CollectError::Store(crate::store::StoreError::NotMigrated { .. })) => Vec::new(),
        stored => stored?,
    };
    match stored.iter().map(|stored| &stored.definition).find(|definition| is_it(definition)) {
        Some(definition) => of_definition(context, definition.clone(), Vec::new(), days).await,
        None => {
            let defined = resolved.definitions.iter().chain(stored.iter().map(|stored| &stored.definition));
            Err(unknown(category, defined))
        }
    }
}

/// The errors of the metric's section, or all errors where it has none: its source may have one.
fn errors_of(category: &str, findings: Vec<Finding>) -> Vec<Finding> {
    let errors: Vec<_> = findings.into_iter().filter(Finding::is_error).collect();
    let section =
        [format!("[metrics.{category}]"), format!("[metrics.{category}."), format!("[derived.{category}]")];
    let is_of_it = |error: &&Finding| section.iter().any(|section| error.place.contains(section));
    let own: Vec<_> = errors.iter().filter(is_of_it).cloned().collect();
    if own.is_empty() { errors } else { own }
}

/// Computes the values of several definitions in one cut of the platform.
///
/// # Errors
/// When one of the databases fails.
pub async fn preview_definitions(
    context: &Context,
    definitions: Vec<Definition>,
    days: PreviewDays,
) -> Result<Vec<Preview>, CollectError> {
    let read: Vec<_> = definitions.iter().filter(|definition| definition.measure.reconstructible()).collect();
    let mut counted = collect::counted_now(context, &read, days.from(), days.to, &CancellationToken::new())
        .await?
        .into_iter();
    let of = |definition: Definition| {
        let counted = definition.measure.reconstructible().then(|| counted.next()).flatten();
        let (days, left_out) = match counted {
            Some(Ok(days)) => (days, None),
            Some(Err(failure)) => (Vec::new(), Some(reason(&failure))),
            None => (Vec::new(), Some(LeftOut::not_reconstructible(definition.key()).reason)),
        };
        let days = days.into_iter().map(|(date, seen)| PreviewedDay { date, seen }).collect();
        Preview { definition, days, left_out, warnings: Vec::new() }
    };
    Ok(definitions.into_iter().map(of).collect())
}

/// The statements that a preview of `definition` runs on the platform.
///
/// # Errors
/// When the platform cannot be inspected.
pub async fn preview_plan(
    context: &Context,
    definition: &Definition,
    days: PreviewDays,
) -> Result<Vec<PlannedStatement>, CollectError> {
    let bounds = context.tenant.calendar.days(days.from(), days.to);
    plan(context, std::slice::from_ref(definition), &bounds).await
}

/// The message of a failure, and what the user can do about it.
fn reason(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}; {hint}", failure.message),
        None => failure.message.clone(),
    }
}

async fn of_definition(
    context: &Context,
    definition: Definition,
    warnings: Vec<Finding>,
    days: PreviewDays,
) -> Result<Preview, DefineError> {
    let mut previews = preview_definitions(context, vec![definition.clone()], days).await?;
    let none = || Preview { definition, days: Vec::new(), left_out: None, warnings: Vec::new() };
    Ok(Preview { warnings, ..previews.pop().unwrap_or_else(none) })
}
