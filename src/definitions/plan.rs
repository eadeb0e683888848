//! Shows the SQL that a collection or a backfill would run on the platform, without running it.

use crate::{
    collect::{CollectError, Context, batch::Batch},
    metric::{DayBounds, Definition},
    platform::PlannedStatement,
};

/// Returns the statements that reading `definitions` for `days` would run on the platform.
///
/// # Errors
/// When the platform cannot be inspected.
pub async fn plan(
    context: &Context,
    definitions: &[Definition],
    days: &[DayBounds],
) -> Result<Vec<PlannedStatement>, CollectError> {
    let queries = Definition::source_queries(definitions);
    let schema = context.on_platform(|| context.tenant.platform.inspect_with(&queries)).await?;
    let planned =
        Batch::new(definitions.iter().enumerate()).plan(context.tenant.platform.as_ref(), &schema, days);
    planned.map_err(|fault| CollectError::Platform { location: context.tenant.platform.location(), fault })
}
