//! Resolves a configuration against the platform's present tables.

use crate::{
    collect::{CollectError, Context},
    config::{Config, Resolved},
    metric::TimeFormat,
    platform::{DetectedFormat, DetectedFormats, Schema},
};

/// Returns the metrics of `config`, and all findings about them.
///
/// # Errors
/// When the platform cannot be inspected.
pub async fn resolve(context: &Context, config: &Config) -> Result<Resolved, CollectError> {
    let platform = context.tenant.platform.as_ref();
    let queries = config.source_queries();
    let schema = context.on_platform(|| platform.inspect_with(&queries)).await?;
    let detected = detected_formats(context, config, &schema).await?;
    Ok(config.resolve(&schema, &detected))
}

/// Returns the time formats of the columns whose type does not determine one. The format in the stored definitions is
/// kept unless the present values contradict it, so that new rows do not change definitions. If the store cannot be
/// read, the values alone decide.
///
/// # Errors
/// When the platform cannot be inspected.
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
        for column in named.map(|column| (source.relation().to_owned(), column.clone())) {
            let shown = detected.get(&column).copied();
            if columns.contains(&column) && is_still_right(source.time_format, shown) {
                let has_null = shown.is_none_or(|shown| shown.has_null);
                let format = Some(source.time_format);
                detected.insert(column, DetectedFormat { format, has_null, ..DetectedFormat::default() });
            }
        }
    }
    Ok(detected)
}

/// Whether values of the format `shown` can be read as `stored`: `iso` reads every text format.
fn is_still_right(stored: TimeFormat, shown: Option<DetectedFormat>) -> bool {
    match shown.map(|shown| shown.format) {
        Some(None) => !shown.is_some_and(|shown| shown.out_of_range),
        Some(Some(shown)) if shown == stored => true,
        Some(Some(TimeFormat::IsoUtc | TimeFormat::IsoUtcT | TimeFormat::Date)) => stored == TimeFormat::Iso,
        _ => false,
    }
}
