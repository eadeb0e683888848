//! What a definition gives on the last days, before it is made.

use jiff::{ToSpan, civil::Date};
use serde_json::{Map, Value};

use super::define::{DefineError, checked};
use crate::{
    collect::{self, Context, LeftOut},
    config::{Config, Finding},
    metric::{Decimal, Definition},
};

/// How many days are previewed.
const DAYS: i64 = 14;
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

/// The value of a day, `None` where the platform's present rows have no valid one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedDay {
    pub date: Date,
    pub value: Option<Decimal>,
}

/// Checks the definition in `body` as [`super::define`] does, and computes its values on the last finished days. Nothing is
/// written.
///
/// # Errors
/// When the definition is not valid, or one of the databases fails.
pub async fn preview(
    context: &Context,
    config: &Config,
    body: &Map<String, Value>,
) -> Result<Preview, DefineError> {
    let (definition, warnings) = checked(context, config, NAME, body).await?;
    if !definition.measure.reconstructible() {
        let left_out = Some(LeftOut::not_reconstructible(definition.key()).reason);
        return Ok(Preview { definition, days: Vec::new(), left_out, warnings });
    }
    let to = context.last_finished();
    let from = to.saturating_sub((DAYS - 1).days());
    let (days, left_out) = match collect::counted_now(context, &definition, from, to).await? {
        Ok(values) => (values.into_iter().map(|(date, value)| PreviewedDay { date, value }).collect(), None),
        Err(failure) => (Vec::new(), Some(failure.message)),
    };
    Ok(Preview { definition, days, left_out, warnings })
}
