//! What a query looks at: the values in force or those of the records, as they are now or as they were known at an earlier instant.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    catalogue::Catalogue,
    day,
    error::{ParameterProblem, QueryError},
};
use crate::{
    collect::{Context, FIRST_DAY},
    config::{shown, suggestion},
    store::{StoreError, ValuesAsked},
};

/// The names of what `values` selects.
pub const VALUES: [&str; 2] = [IN_FORCE, RECORDED];
const IN_FORCE: &str = "in_force";
const RECORDED: &str = "recorded";
/// The name of the parameter with the instant.
const AS_OF: &str = "as_of";

/// A query's view of the record. Its context has the clock, and its catalogue the definitions, of the instant that is asked about.
pub struct View {
    pub context: Context,
    pub catalogue: Arc<Catalogue>,
    pub values: ValuesAsked,
}

/// The parameters of a view, as they come from outside.
#[derive(Debug, Clone, Copy, Default)]
pub struct ViewRequest<'a> {
    /// `in_force`, the default, or `recorded`.
    pub values: Option<&'a str>,
    /// An instant, or a day, of which the end is meant; by default now.
    pub as_of: Option<&'a str>,
}

impl View {
    /// # Errors
    /// [`QueryError::InvalidParameters`] with every problem, or when the instant is in the future; when the store fails, or a commit that was under way at the instant has not
    /// ended.
    pub async fn new(
        context: &Context,
        catalogue: &Arc<Catalogue>,
        request: ViewRequest<'_>,
    ) -> Result<Self, QueryError> {
        let as_recorded = request.values.map_or(Ok(false), as_recorded);
        let as_of = request.as_of.map(|text| instant(context, text)).transpose();
        let (as_recorded, as_of) = match (as_recorded, as_of) {
            (Ok(as_recorded), Ok(as_of)) => (as_recorded, as_of),
            (as_recorded, as_of) => {
                let problems = [as_recorded.err(), as_of.err()];
                return Err(QueryError::InvalidParameters(problems.into_iter().flatten().collect()));
            }
        };
        let values = ValuesAsked { as_recorded, as_of };
        let Some(instant) = as_of else {
            return Ok(Self { context: context.clone(), catalogue: Arc::clone(catalogue), values });
        };
        settle(context, instant).await.map_err(|error| match error {
            StoreError::Future { .. } => {
                let problem = ParameterProblem { parameter: AS_OF, message: error.to_string() };
                QueryError::InvalidParameters(vec![problem])
            }
            error => error.into(),
        })?;
        let versions = context.tenant.store.definition_versions().await?;
        let catalogue = Arc::new(catalogue.as_of(versions, instant));
        Ok(Self { context: context.at(instant), catalogue, values })
    }
}

/// As [`crate::store::Records::settle`]. The present of a simulated clock counts, too: the times in the store are then those of that clock.
///
/// # Errors
/// As there.
pub async fn settle(context: &Context, instant: Timestamp) -> Result<(), StoreError> {
    let now = context.now();
    if context.installation.clock.is_simulated() && instant > now {
        return Err(StoreError::Future { instant, now });
    }
    context.tenant.store.settle(instant).await
}

fn as_recorded(name: &str) -> Result<bool, ParameterProblem> {
    match name {
        IN_FORCE => Ok(false),
        RECORDED => Ok(true),
        other => {
            let hint = suggestion(other, VALUES).map_or_else(String::new, |hint| format!("; {hint}"));
            let message = format!("must be {IN_FORCE} or {RECORDED}, not {}{hint}", shown(other));
            Err(ParameterProblem { parameter: "values", message })
        }
    }
}

/// The instant that `as_of` names. A day means its last microsecond in the reporting time zone. A day that has not ended is refused,
/// because its answer would still change. [`settle`] refuses an instant in the future, because only the clock of the store's database can
/// tell.
fn instant(context: &Context, text: &str) -> Result<Timestamp, ParameterProblem> {
    let problem = |message: String| ParameterProblem { parameter: AS_OF, message };
    let (now, calendar) = (context.now(), &context.tenant.calendar);
    let form = "must be an instant, as in 2025-01-31T12:00:00Z, or a day, as in 2025-01-31";
    let instant = match (day::parse(text), text.parse::<Timestamp>()) {
        (Ok(date), _) => {
            let end = calendar.start_of(date.tomorrow().unwrap_or(date));
            if end > now {
                let last = calendar.last_finished(now, SignedDuration::ZERO);
                return Err(problem(format!(
                    "the day {date} has not ended; the last finished day is {last}, and an instant may be as late as now, {now}"
                )));
            }
            end.checked_sub(SignedDuration::from_micros(1)).unwrap_or(end)
        }
        (_, Ok(instant)) => instant,
        _ => return Err(problem(format!("{form}, not {}", shown(text)))),
    };
    if instant < calendar.start_of(FIRST_DAY.tomorrow().unwrap_or(FIRST_DAY)) {
        return Err(problem(format!(
            "{} is before {FIRST_DAY}, the first day that can be recorded",
            shown(text)
        )));
    }
    Ok(instant)
}
