//! Running single statements in the session of a snapshot, and again where a lock or another server was in the way.

use jiff::Timestamp;

use super::{
    dialect::Dialect,
    session::{Session, SpanRow},
    time::TimeColumn,
};
use crate::{
    database::{Deadline, Fault, FaultClass},
    metric::Calendar,
    platform::contract::PlatformOptions,
};

/// A session with the options that apply to it.
pub struct Executor<'a> {
    session: &'a mut dyn Session,
    options: &'a PlatformOptions,
    deadline: Deadline,
}

impl<'a> Executor<'a> {
    pub fn new(session: &'a mut dyn Session, options: &'a PlatformOptions, deadline: Deadline) -> Self {
        Self { session, options, deadline }
    }

    pub fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    pub fn calendar(&self) -> &'a Calendar {
        &self.options.calendar
    }

    /// Runs a statement; when another session's lock is in the way, or another server is away, again a little later.
    pub async fn answers(&mut self, sql: &str) -> Result<Vec<SpanRow>, Fault> {
        let session = tokio::sync::Mutex::new(&mut *self.session);
        let answers =
            self.options.retry.run(is_transient, || async { session.lock().await.answers(sql).await });
        until(self.deadline, answers).await
    }

    /// The relations that a statement names; asked for again like [`Self::answers`].
    pub async fn relations(&mut self, sql: &str) -> Result<Vec<String>, Fault> {
        let session = tokio::sync::Mutex::new(&mut *self.session);
        let relations =
            self.options.retry.run(is_transient, || async { session.lock().await.relations(sql).await });
        until(self.deadline, relations).await
    }

    /// Whether the run's deadline has passed.
    pub fn is_over(&self) -> bool {
        self.deadline.is_over()
    }

    pub async fn earliest(&mut self, time: &TimeColumn, table: &str) -> Result<Option<Timestamp>, Fault> {
        let answers = self.answers(&time.earliest_query(table)).await?;
        let first = answers.into_iter().next().and_then(|(_, values)| values.into_iter().next().flatten());
        Ok(first.and_then(|seconds| time.earliest_from(&seconds)))
    }

    /// Whether the database would read a range of an index for the statement, although none is known of: the source may be a view
    /// of an indexed table, or a query.
    pub async fn reads_a_range(&mut self, sql: &str) -> Result<bool, Fault> {
        let plan = self.explain(sql).await?;
        Ok(self.dialect().reads_a_range(&plan))
    }

    pub async fn explain(&mut self, sql: &str) -> Result<String, Fault> {
        self.session.explain(sql).await
    }
}

/// Awaits `attempts` until the deadline. Later statements of the session are not sent any more.
async fn until<T>(deadline: Deadline, attempts: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::select! {
        biased;
        () = deadline.passed() => Err(deadline_reached(deadline)),
        outcome = attempts => outcome.map_err(|fault| match fault.class {
            FaultClass::TimedOut if deadline.is_over() => deadline_reached(deadline),
            _ => fault,
        }),
    }
}

fn deadline_reached(deadline: Deadline) -> Fault {
    match deadline.limit() {
        Some(limit) => Fault {
            limit: Some(limit.source),
            ..Fault::new(FaultClass::TimedOut, format!("not read within {limit}"))
        },
        None => Fault::new(FaultClass::TimedOut, "not read within the time limit"),
    }
}

/// Whether the same statement may well work a moment later, in the same snapshot.
fn is_transient(fault: &Fault) -> bool {
    matches!(fault.class, FaultClass::Locked | FaultClass::Contention | FaultClass::Elsewhere)
}
