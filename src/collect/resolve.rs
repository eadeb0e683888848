//! What a configuration comes to on the platform as it is now.

use super::{CollectError, Context};
use crate::config::{Config, Resolved};

/// The metrics that `config` makes, and everything that is wrong with them.
///
/// # Errors
/// When the platform cannot be looked at.
pub async fn resolve(context: &Context, config: &Config) -> Result<Resolved, CollectError> {
    let platform = context.tenant.platform.as_ref();
    let schema = context.on_platform(|| platform.inspect()).await?;
    let columns = config.columns_to_detect(&schema);
    let detected = context.on_platform(|| platform.detect_time_formats(&columns)).await?;
    Ok(config.resolve(&schema, &detected))
}
