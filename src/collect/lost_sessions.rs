//! Metrics whose statements end the session of the platform, such as a query that terminates or crashes its own server process. All
//! metrics of a run are read in one session, so one of them would fail the others again at each retry. A metric at whose statement the
//! session was lost twice, or once at the last retry, is left out with the cause, and the others are read in a further session. If the
//! platform cannot be reached then, the run fails as in every outage.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, Reading},
    platform::{Cut, ReadingResults, Schema, Sources},
};

/// The losses of sessions in the attempts of one run.
#[derive(Debug)]
pub(super) struct LostSessions {
    /// How often a run is retried after a lost session.
    retries: usize,
    state: Mutex<SessionLosses>,
}

#[derive(Debug, Default)]
struct SessionLosses {
    /// The attempts since the last one that succeeded.
    attempts: usize,
    readings: HashMap<Reading, Losses>,
    /// Whether an attempt that begins now would read something in another way than the last one.
    has_changed: bool,
}

/// How often the session was lost at the statement of a reading.
#[derive(Debug, Default)]
struct Losses {
    /// At a statement that the reading shared with others.
    shared: usize,
    /// At a statement of its own.
    own: usize,
    way: Way,
    fault: Option<Fault>,
}

/// How a reading is read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Way {
    #[default]
    WithOthers,
    /// With a statement of its own, after all others.
    Alone,
    LeftOut,
}

impl LostSessions {
    pub fn new(retries: usize) -> Self {
        Self { retries, state: Mutex::default() }
    }

    /// Makes one attempt to read everything: `read`, again while a lost session has changed how something is read.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn attempt<T, F>(&self, read: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.state().attempts += 1;
        loop {
            match read().await {
                Err(_) if std::mem::take(&mut self.state().has_changed) => {}
                Err(fault) => return Err(fault),
                Ok(value) => {
                    self.state().attempts = 0;
                    return Ok(value);
                }
            }
        }
    }

    /// As [`Cut::read`]. Readings that are left out have the fault for that reason.
    pub async fn read(
        &self,
        cut: &mut dyn Cut,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<ReadingResults, Fault> {
        let mut results: Vec<_> = readings.iter().map(|reading| Err(self.left_out(reading))).collect();
        for indexes in self.together(readings) {
            let asked: Vec<_> = indexes.iter().map(|index| readings[*index].clone()).collect();
            match cut.read(schema, sources, &asked, days).await {
                Ok(answers) => {
                    for (index, answer) in indexes.into_iter().zip(answers) {
                        results[index] = answer;
                    }
                }
                Err(lost) => {
                    let at: Vec<_> = lost.readings.iter().filter_map(|index| asked.get(*index)).collect();
                    self.count(&at, &lost.fault);
                    return Err(lost.fault);
                }
            }
        }
        Ok(results)
    }

    /// The indexes of the readings that are read together, in the order in which they are read.
    fn together(&self, readings: &[Reading]) -> Vec<Vec<usize>> {
        let state = self.state();
        let way = |index: &usize| {
            state.readings.get(&readings[*index]).map_or(Way::WithOthers, |losses| losses.way)
        };
        let of_way = |wanted| (0..readings.len()).filter(move |index| way(index) == wanted);
        let mut groups = vec![of_way(Way::WithOthers).collect::<Vec<_>>()];
        groups.extend(of_way(Way::Alone).map(|index| vec![index]));
        groups.retain(|group| !group.is_empty());
        groups
    }

    /// Counts that the session was lost at a statement of these readings.
    fn count(&self, readings: &[&Reading], fault: &Fault) {
        if fault.class != FaultClass::Unreachable {
            return;
        }
        let mut state = self.state();
        let enough = if state.attempts > self.retries { 1 } else { 2 };
        for reading in readings {
            let losses = state.readings.entry((*reading).clone()).or_default();
            match readings.len() {
                1 => losses.own += 1,
                _ => losses.shared += 1,
            }
            losses.fault = Some(fault.clone());
            let way = match losses.own + losses.shared {
                lost if lost < enough => losses.way,
                _ if losses.own > 0 => Way::LeftOut,
                _ => Way::Alone,
            };
            let is_other = std::mem::replace(&mut losses.way, way) != way;
            state.has_changed |= is_other;
        }
    }

    fn left_out(&self, reading: &Reading) -> Fault {
        let state = self.state();
        match state.readings.get(reading).and_then(|losses| losses.fault.as_ref()) {
            Some(fault) => {
                let message =
                    format!("the platform's session ended at the statement of this metric: {fault}");
                Fault { context: fault.context.clone(), ..Fault::new(FaultClass::Other, message) }
            }
            None => Fault::new(FaultClass::Other, "it was not read"),
        }
    }

    fn state(&self) -> MutexGuard<'_, SessionLosses> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::QueryShape;

    fn reading(number: usize) -> Reading {
        Reading::Query { sql: number.to_string(), shape: QueryShape::Value }
    }

    fn lost() -> Fault {
        Fault::new(FaultClass::Unreachable, "gone")
    }

    /// Counts a loss in each of `attempts` attempts, and returns what is read together afterwards.
    async fn after(attempts: usize, retries: usize, at: &[&Reading], all: &[Reading]) -> Vec<Vec<usize>> {
        let sessions = LostSessions::new(retries);
        for _ in 0..attempts {
            let first = std::cell::Cell::new(true);
            let read = || async {
                match first.replace(false) {
                    true => {
                        sessions.count(at, &lost());
                        Err(lost())
                    }
                    false => Ok(()),
                }
            };
            let outcome: Result<(), Fault> = sessions.attempt(read).await;
            drop(outcome);
        }
        sessions.together(all)
    }

    #[tokio::test]
    async fn a_reading_that_loses_the_session_twice_is_left_out() {
        let all: Vec<_> = (0..3).map(reading).collect();
        assert_eq!(after(1, 3, &[&all[1]], &all).await, [vec![0, 1, 2]], "a single loss may be anything");
        assert_eq!(after(2, 3, &[&all[1]], &all).await, [vec![0, 2]]);
        assert_eq!(after(1, 0, &[&all[1]], &all).await, [vec![0, 2]], "there is no further retry");
    }

    #[tokio::test]
    async fn readings_that_share_a_statement_are_read_alone_before_they_are_left_out() {
        let all: Vec<_> = (0..3).map(reading).collect();
        assert_eq!(after(2, 3, &[&all[0], &all[1]], &all).await, [vec![2], vec![0], vec![1]]);
    }
}
