//! What a configuration comes to on the platform as it is now.

use crate::{
    collect::{CollectError, Context},
    config::{Config, Resolved},
    metric::TimeFormat,
    platform::{DetectedFormat, DetectedFormats, Schema},
};

/// The metrics that `config` makes, and everything that is wrong with them.
///
/// # Errors
/// When the platform cannot be looked at.
pub async fn resolve(context: &Context, config: &Config) -> Result<Resolved, CollectError> {
    let platform = context.tenant.platform.as_ref();
    let schema = context.on_platform(|| platform.inspect()).await?;
    let detected = detected_formats(context, config, &schema).await?;
    Ok(config.resolve(&schema, &detected))
}

/// The formats of the columns whose type leaves it open how they store a time: as the stored definitions have them, so that
/// rows that were added since do not change definitions, or as the values show where those contradict it. Where the store
/// cannot be asked, the values alone decide.
///
/// # Errors
/// When the platform cannot be looked at.
pub async fn detected_formats(
    context: &Context,
    config: &Config,
    schema: &Schema,
) -> Result<DetectedFormats, CollectError> {
    let columns = config.columns_to_detect(schema);
    let platform = context.tenant.platform.as_ref();
    let mut detected = context.on_platform(|| platform.detect_time_formats(&columns)).await?;
    let stored = if columns.is_empty() { Ok(Vec::new()) } else { context.tenant.store.definitions().await };
    let active = stored.unwrap_or_default().into_iter().filter(|stored| stored.is_active);
    for source in active.flat_map(|stored| stored.definition.sources.into_values()) {
        let named = std::iter::once(&source.time_column).chain(&source.deleted_column);
        for column in named.map(|column| (source.table.clone(), column.clone())) {
            let shown = detected.get(&column).copied();
            if columns.contains(&column) && is_still_right(source.time_format, shown) {
                let has_null = shown.is_none_or(|shown| shown.has_null);
                detected.insert(column, DetectedFormat { format: Some(source.time_format), has_null });
            }
        }
    }
    Ok(detected)
}

/// Whether values that show that format can be read as `stored`: `iso` reads each of the formats that are texts.
fn is_still_right(stored: TimeFormat, shown: Option<DetectedFormat>) -> bool {
    match shown.map(|shown| shown.format) {
        Some(None) => true,
        Some(Some(shown)) if shown == stored => true,
        Some(Some(TimeFormat::IsoUtc | TimeFormat::IsoUtcT | TimeFormat::Date)) => stored == TimeFormat::Iso,
        _ => false,
    }
}
