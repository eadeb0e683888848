//! Counts days again from the platform's present rows, without writing anything.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{
    CancellationToken, CollectError, Context, Failure,
    batch::{Answers, Batch, MetricReadings},
    freshness::{self, CutAttempt, Freshness, Refusals},
    lost_sessions::LostSessions,
    run,
};
use crate::metric::{DayBounds, Definition, Observation, Tally};

/// The value that a definition gives for each day from the platform's present rows, `None` if they have no valid value; or the
/// reason why the definition cannot be read.
pub type CountedDays = Result<Vec<(Date, Option<Observation>)>, Box<Failure>>;

/// What each of `definitions` gives for the days from `from` to `to`, all read in one cut. Nothing is written.
///
/// # Errors
/// When the platform lags or cannot be read, the deadline of runs passes, or the call is cancelled.
pub async fn counted_now(
    context: &Context,
    definitions: &[&Definition],
    from: Date,
    to: Date,
    cancel: &CancellationToken,
) -> Result<Vec<CountedDays>, CollectError> {
    let days = context.tenant.calendar.days(from, to);
    let counted = recount(context, definitions, &days, to, cancel, |seen| seen).await?;
    let dated = |seen: Vec<_>| days.iter().map(|day| day.date).zip(seen).collect();
    Ok(counted.into_iter().map(|seen| seen.map(dated)).collect())
}

/// Days as several definitions count them now, all read in one cut. The tallies are kept in memory; a value is made from them when
/// it is asked for.
pub struct RecountedDays {
    definitions: Vec<Definition>,
    days: Vec<DayBounds>,
    read: Read,
}

/// The answers for the definitions that were read, and why the others were not.
struct Read {
    answers: Answers<Vec<Tally>>,
    refusals: Refusals,
}

impl RecountedDays {
    /// Reads the days from `from` to `to`. Nothing is written.
    ///
    /// # Errors
    /// When the platform lags or cannot be read, the deadline of runs passes, or the call is cancelled.
    pub async fn read(
        context: &Context,
        definitions: Vec<Definition>,
        from: Date,
        to: Date,
        cancel: &CancellationToken,
    ) -> Result<Self, CollectError> {
        let days = context.tenant.calendar.days(from, to);
        let asked: Vec<_> = definitions.iter().collect();
        let read = read(context, &asked, &days, to, cancel).await?;
        Ok(Self { definitions, days, read })
    }

    /// Why the definition at this place cannot be read.
    pub fn failure(&self, definition: usize) -> Option<Box<Failure>> {
        let known = &self.definitions[definition];
        match self.answer(definition) {
            None => Some(refusal(known, &self.read.refusals)),
            Some(answer) => answer.fault().map(|fault| Box::new(Failure::of_fault(&known.category, fault))),
        }
    }

    /// What the definition at this place gives for a day; `None` where the rows have no valid value.
    pub fn observation(&self, definition: usize, date: Date) -> Option<Observation> {
        let day = self.days.binary_search_by_key(&date, |day| day.date).ok()?;
        let answer = self.answer(definition)?;
        self.definitions[definition].evaluate(&answer.of_day(day).ok()?).ok()
    }

    fn answer(&self, definition: usize) -> Option<MetricReadings<'_, Vec<Tally>>> {
        self.read.answers.iter().find(|answer| answer.metric == definition)
    }
}

/// What is kept of each day for a metric, `None` where the rows have no valid value; or the reason why the metric cannot be
/// read.
pub(super) type Recounted<T> = Result<Vec<Option<T>>, Box<Failure>>;

/// Reads `days` for each of `definitions` in one cut, and keeps of each day what `keep` makes of it.
pub(super) async fn recount<T>(
    context: &Context,
    definitions: &[&Definition],
    days: &[DayBounds],
    to: Date,
    cancel: &CancellationToken,
    keep: fn(Observation) -> T,
) -> Result<Vec<Recounted<T>>, CollectError> {
    if days.is_empty() {
        return Ok(Vec::new());
    }
    let Read { answers, refusals } = read(context, definitions, days, to, cancel).await?;
    let kept = |answer: &MetricReadings<'_, Vec<Tally>>| kept(definitions, answer, days.len(), keep);
    let mut recounted: BTreeMap<_, _> = answers.iter().map(|answer| (answer.metric, kept(&answer))).collect();
    let of_metric = |index: usize| {
        recounted.remove(&index).unwrap_or_else(|| Err(refusal(definitions[index], &refusals)))
    };
    Ok((0..definitions.len()).map(of_metric).collect())
}

/// Reads `days` for each of `definitions` in one cut.
async fn read(
    context: &Context,
    definitions: &[&Definition],
    days: &[DayBounds],
    to: Date,
    cancel: &CancellationToken,
) -> Result<Read, CollectError> {
    let deadline = context.deadline();
    let Some(last) = days.last() else {
        return Ok(Read { answers: Answers::none(), refusals: Refusals::new() });
    };
    let freshness = Freshness::new(context, definitions.iter().copied(), *last);
    let wanted: Vec<_> = definitions.iter().map(|definition| (definition.key(), to)).collect();
    let lost_sessions = LostSessions::new(context.installation.retry.retries);
    let reading = freshness::when_fresh(context, to, &lost_sessions, async |may_wait| {
        let queries = Definition::source_queries(definitions.iter().copied());
        let schema = context.tenant.platform.inspect_with(&queries).await?;
        let mut cut = context.tenant.platform.open_cut(deadline).await?;
        let state = freshness.of_cut(cut.as_mut()).await?;
        let refusals = match state.refusals(&wanted, CutAttempt { may_wait, has_other_records: false }) {
            Ok(refusals) => refusals,
            Err(staleness) => return Ok(Err(staleness)),
        };
        let is_read = |(_, definition): &(usize, &Definition)| !refusals.contains_key(&definition.key());
        let batch = Batch::new(definitions.iter().copied().enumerate().filter(is_read));
        let answers = batch.read(cut.as_mut(), &schema, days, &lost_sessions).await?;
        Ok(Ok(Read { answers, refusals }))
    });
    let advice = || "nothing was counted; give a shorter range or fewer metrics".to_owned();
    run::bounded(context, deadline, cancel, advice, reading).await
}

/// The failure of a metric that was not read.
fn refusal(definition: &Definition, refusals: &Refusals) -> Box<Failure> {
    let refusal = refusals.get(&definition.key()).cloned();
    Box::new(refusal.unwrap_or_else(|| Failure::of_value(&definition.category, "it was not read".to_owned())))
}

fn kept<T>(
    definitions: &[&Definition],
    answer: &MetricReadings<'_, Vec<Tally>>,
    days: usize,
    keep: fn(Observation) -> T,
) -> Recounted<T> {
    let definition = definitions[answer.metric];
    if let Some(fault) = answer.fault() {
        return Err(Box::new(Failure::of_fault(&definition.category, fault)));
    }
    let of_day = |day| Some(keep(definition.evaluate(&answer.of_day(day).ok()?).ok()?));
    Ok((0..days).map(of_day).collect())
}
