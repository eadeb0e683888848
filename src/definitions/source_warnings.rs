//! Finds sources that would record wrong values although every statement works, before anything is recorded: columns that
//! look like flags and that no filter uses, and tables without rows.

use crate::{
    collect::{CollectError, Context},
    config::{Config, Finding},
    metric::Definition,
};

/// Returns a warning for each source of `definitions` that has a column that looks like a flag and is not used by a filter,
/// and for each that has no rows.
///
/// # Errors
/// When the platform cannot be read.
pub async fn source_warnings(
    context: &Context,
    config: &Config,
    definitions: &[Definition],
) -> Result<Vec<Finding>, CollectError> {
    let platform = context.tenant.platform.as_ref();
    let schema = context.on_platform(|| platform.inspect()).await?;
    let tables = config.source_tables(&schema, definitions);
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let statistics = context.on_platform(|| platform.statistics(&tables)).await?;
    Ok(config.source_warnings(&schema, definitions, &statistics))
}
