//! Drift on a schedule: a few recorded days are counted again each night, and the results are kept, so that a platform whose
//! past changes is noticed.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::civil::Date;

use super::{CancellationToken, CollectError, Context, DriftRequest, drift};
use crate::store::DriftSample;

/// How many values of one day are compared at most.
const MAX_VALUES: usize = 20_000;

/// Counts `count` recorded days again, and writes the results. Which days they are depends on `seed` only, such as on the day of
/// the night: days of the whole record, each with the same probability. Returns the number of compared values.
///
/// # Errors
/// As [`drift`]; the days that were counted before are kept.
pub async fn sample_drift(
    context: &Context,
    seed: Date,
    count: usize,
    cancel: &CancellationToken,
) -> Result<usize, CollectError> {
    let store = &context.tenant.store;
    let Some((first, last)) = store.recorded_span().await? else { return Ok(0) };
    let last = last.min(context.last_finished());
    let days = context.tenant.calendar.days(first, last).into_iter().map(|day| day.date).collect();
    let mut compared = 0;
    for day in chosen(days, seed, count) {
        let request =
            DriftRequest { from: Some(day), to: Some(day), only: Vec::new(), max_values: MAX_VALUES };
        let report = drift(context, &request, cancel).await?;
        let recounted_at = context.now();
        let samples: Vec<_> = report
            .metrics
            .into_iter()
            .flat_map(|metric| {
                let key = metric.key;
                metric.days.into_iter().map(move |day| DriftSample {
                    date: day.date,
                    key: key.clone(),
                    in_force: day.in_force,
                    recounted: day.recounted,
                    recounted_at,
                })
            })
            // A recount that is too long to be recorded has no place in the table.
            .filter(|sample| sample.recounted.is_recordable())
            .collect();
        store.write_drift_samples(&samples).await?;
        compared += samples.len();
    }
    Ok(compared)
}

/// `count` of `days`, in a pseudo-random order that `seed` determines.
fn chosen(mut days: Vec<Date>, seed: Date, count: usize) -> Vec<Date> {
    days.sort_by_cached_key(|day| {
        let mut hasher = DefaultHasher::new();
        (seed, day).hash(&mut hasher);
        (hasher.finish(), *day)
    });
    days.truncate(count);
    days
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};

    use super::*;

    #[test]
    fn each_night_has_other_days_and_all_days_have_their_turn() {
        let days: Vec<_> = date(2025, 1, 1).series(1.day()).take(50).collect();
        let nights = date(2025, 3, 1).series(1.day()).take(400);
        let mut turns = std::collections::BTreeMap::new();
        for night in nights {
            let of_night = chosen(days.clone(), night, 2);
            assert_eq!(of_night.len(), 2);
            assert_eq!(of_night, chosen(days.clone(), night, 2), "the same night has the same days");
            for day in of_night {
                *turns.entry(day).or_insert(0) += 1;
            }
        }
        assert_eq!(turns.len(), 50);
        assert!(turns.values().all(|count| (2..50).contains(count)), "{turns:?}");
        assert_eq!(chosen(days[..1].to_vec(), date(2025, 3, 1), 5).len(), 1);
    }
}
