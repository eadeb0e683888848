//! Evaluates the metrics of recorded days again from the platform's present rows, without writing anything. The
//! difference to the records is due to rows that were deleted since.

use jiff::civil::Date;

use super::{CollectError, Context, batch::Batch, selection};
use crate::{
    database::{Deadline, Fault},
    metric::{DayBounds, Decimal, Definition, MetricKey},
};

/// Returns the present value of each day from `from` to `to` for every active metric that can be reconstructed. Days
/// that the time zone skipped are left out, as are metrics that cannot be read.
///
/// # Errors
/// When the platform or the store cannot be read.
pub async fn recount(
    context: &Context,
    from: Date,
    to: Date,
) -> Result<Vec<(MetricKey, Vec<Decimal>)>, CollectError> {
    let metrics = selection::active(context.tenant.store.as_ref()).await?;
    let definitions: Vec<_> = metrics
        .into_iter()
        .map(|metric| metric.definition)
        .filter(|definition| definition.measure.reconstructible())
        .collect();
    let days = context.tenant.calendar.days(from, to);
    context.on_platform(|| read(context, &definitions, &days)).await
}

async fn read(
    context: &Context,
    definitions: &[Definition],
    days: &[DayBounds],
) -> Result<Vec<(MetricKey, Vec<Decimal>)>, Fault> {
    let schema = context.tenant.platform.inspect().await?;
    let mut cut = context.tenant.platform.open_cut(Deadline::none()).await?;
    let batch = Batch::new(definitions.iter().enumerate());
    let answers = batch.read(cut.as_mut(), &schema, days).await?;
    let values = answers.iter().filter_map(|answer| {
        let definition = &definitions[answer.metric];
        let of_day = |day| definition.evaluate(&answer.of_day(day).ok()?).ok();
        let values: Option<Vec<_>> = (0..days.len()).map(|day| Some(of_day(day)?.value)).collect();
        Some((definition.key(), values?))
    });
    Ok(values.collect())
}
