//! The interface that the two stores provide so that `entities/` can implement the contract for both: sessions that execute statements, and
//! the few statements and operations that only one database understands.

use std::{borrow::Cow, ops::DerefMut, path::Path, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp, civil::Date};
use uuid::Uuid;

use super::{
    Held, IntegrityFinding, LockName, LoggedRun, MigrationNames, RecordedDays, ScheduleState, SeriesQuestion,
    SharedWatch, StoreError, ValuesAsked,
    outbox::NewEvent,
    row::{self, Columns},
    sought_label::SoughtLabel,
    statement::Statement,
};
use crate::{
    database::{Fault, FaultClass, RetryPolicy},
    metric::{MetricKey, Record},
};

/// A session of the database, within a transaction or outside one.
#[async_trait]
pub(super) trait SqlSession: Send {
    type Row: Columns + Send + Sync;

    async fn fetch(&mut self, statement: &Statement<'_>) -> Result<Vec<Self::Row>, sqlx::Error>;

    /// Returns the number of rows that the statement wrote.
    async fn execute(&mut self, statement: &Statement<'_>) -> Result<u64, sqlx::Error>;
}

/// The statements that each database has in a wording of its own. Their placeholders mean the same on both.
pub(super) struct OwnStatements {
    /// An entry whose id exists is left alone: it was inserted by an earlier attempt whose answer was lost, because the id is
    /// random.
    pub add_run: &'static str,
    /// Ends a running entry of the log, and counts its records.
    pub finish_run: &'static str,
    /// A job whose id exists is left alone, as in `add_run`.
    pub add_job: &'static str,
    /// A key whose id exists, or the name of a key that is not revoked, is left alone.
    pub add_api_key: &'static str,
    /// A pause whose id exists is left alone.
    pub add_pause: &'static str,
    /// Makes the transaction the only one that can write definitions, if it is not the only writer anyway.
    pub lock_definitions: Option<&'static str>,
    /// The days of the first and the last record, as `first` and `last`, without dates that are none.
    pub select_span: &'static str,
    /// Changes an annotation; the time is that of the database's clock.
    pub change_annotation: &'static str,
    /// Inserts judgements from the array of objects `$2`, except those whose value or history has a revision after `$3`: that of the
    /// day and of the 57 days before it, as the triggers that delete judgements have it. The caller appends what happens to earlier ones.
    pub add_judgements: &'static str,
    /// Inserts recounts, as `add_judgements` does.
    pub add_drift_samples: &'static str,
    /// Inserts the revisions of the batch `$2` from the array of objects `$6`, unless there are some of this batch.
    pub add_revisions: &'static str,
    /// Renews the statistics of the table of revisions, where the planner uses statistics.
    pub analyze_revisions: Option<&'static str>,
    /// Lets no redaction be made until the transaction ends, and the same for other redactions and all commits of values that name
    /// labels, if the transaction is not the only writer anyway.
    pub lock_redactions: Option<[&'static str; 2]>,
    /// The end of a SELECT that locks its rows until the transaction ends; empty where the transaction is the only writer anyway.
    pub for_update: &'static str,
    /// The clock of the database, as `now`.
    pub now: &'static str,
}

#[async_trait]
pub(super) trait SqlStore: Send + Sync {
    type Row: Columns + Send + Sync;
    type Session: SqlSession<Row = Self::Row>;
    type Transaction: DerefMut<Target = Self::Session> + Send;

    const OWN: OwnStatements;

    fn tenant(&self) -> &str;
    /// The store in messages, without a password.
    fn shown(&self) -> &str;
    fn retry_policy(&self) -> RetryPolicy;

    /// The reason why the pool got no session. `error` is the pool's error, which only says that it waited; where the server refuses
    /// connections, the returned error has the server's message.
    async fn why_no_session(&self, error: StoreError) -> StoreError {
        error
    }
    /// How long an operation may take; `None` where the database is in this process. Its statements end before, so that a server that
    /// has not answered by then hangs, or can no longer be reached over this connection.
    fn answer_timeout(&self) -> Option<Duration>;

    /// Starts a transaction that writes. Dropping it rolls it back.
    async fn begin(&self) -> Result<Self::Transaction, StoreError>;
    async fn end(&self, transaction: Self::Transaction) -> Result<(), StoreError>;
    async fn fetch(&self, statement: &Statement<'_>) -> Result<Vec<Self::Row>, StoreError>;
    /// Executes a statement as a transaction of its own. Returns the number of rows that it wrote.
    async fn execute(&self, statement: &Statement<'_>) -> Result<u64, StoreError>;

    /// A statement whose `$1` is the tenant.
    fn statement(&self, sql: impl Into<Cow<'static, str>>) -> Statement<'_> {
        Statement::new(sql, self.tenant())
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        row::failed(self.shown(), error)
    }
}

/// The outbox of one database.
#[async_trait]
pub(super) trait SqlEvents: SqlStore {
    /// Writes the events in the transaction of the commit that made them true, as the last statement before COMMIT.
    async fn insert_events(
        &self,
        session: &mut Self::Session,
        events: &[NewEvent],
    ) -> Result<(), sqlx::Error>;
}

/// The locks of one database, and the statements that look at them.
#[async_trait]
pub(super) trait SqlRuns: SqlStore {
    async fn acquire(&self, name: &LockName) -> Result<Option<Box<dyn Held>>, StoreError>;
    async fn select_heartbeat_age(&self, name: &LockName) -> Result<Option<SignedDuration>, StoreError>;
    async fn name_holder(&self, name: &LockName) -> Result<Option<String>, StoreError>;
    /// Whether some process holds the lock.
    async fn is_held_by_any(&self, name: &LockName) -> Result<bool, StoreError>;
    async fn select_incomplete_runs(&self, from: Date, to: Date) -> Result<Vec<LoggedRun>, StoreError>;
    /// The newest run, and the newest run that completed; one entry where they are the same.
    async fn select_last_runs(&self) -> Result<Vec<LoggedRun>, StoreError>;
    async fn select_schedule(&self) -> Result<ScheduleState, StoreError>;
}

/// The statements of one database that select records.
#[async_trait]
pub(super) trait SqlRecords: SqlStore {
    async fn select_keys(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError>;
    async fn select_records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Self::Row>, StoreError>;
    async fn select_series(&self, question: &SeriesQuestion) -> Result<Vec<Self::Row>, StoreError>;
    /// The newest value of each of `metrics` after leaving out the `skipped` newest ones.
    async fn select_latest(
        &self,
        metrics: &[MetricKey],
        skipped: i64,
        values: ValuesAsked,
    ) -> Result<Vec<Self::Row>, StoreError>;
    async fn count_records(&self, day: Date, skipped: &[Date]) -> Result<Vec<Self::Row>, StoreError>;
    /// Whether every commit of records and revisions whose time is at or before `instant` has ended.
    async fn is_settled(&self, instant: Timestamp) -> Result<bool, StoreError>;
}

/// How one database inserts records.
#[async_trait]
pub(super) trait SqlCommits: SqlStore {
    /// Prepares the tables for these records, before the transaction that inserts them.
    async fn prepare_for(&self, records: &[Record]) -> Result<(), StoreError>;
    /// Returns the keys of those that were written, by this attempt or by an earlier one whose answer was lost; and how many
    /// this attempt wrote.
    async fn insert_records(
        &self,
        session: &mut Self::Session,
        records: &[Record],
    ) -> Result<(Vec<(Date, MetricKey)>, u64), sqlx::Error>;
}

/// How one database replaces a label in what is immutable otherwise.
#[async_trait]
pub(super) trait SqlRedactions: SqlEvents {
    /// Whether the metadata `@metadata@` may name the label that has the hash `$2`. It leaves out what certainly does not.
    const NAMES_LABEL: &'static str;

    /// Lets the transaction change texts of immutable rows. What it returns ends that in [`Self::end_redacting`].
    async fn begin_redacting(&self, session: &mut Self::Session) -> Result<Vec<String>, sqlx::Error>;

    /// Replaces the label of a redaction, whose entry is in the log, in all records and revisions of the metrics, and the reasons of
    /// batches of revisions, by their ids.
    async fn redact_values(
        &self,
        session: &mut Self::Session,
        redaction: &RedactedValues<'_>,
    ) -> Result<(), sqlx::Error>;

    async fn end_redacting(&self, session: &mut Self::Session, begun: Vec<String>)
    -> Result<(), sqlx::Error>;

    /// See [`super::Redactions::rewrite_after_redaction`].
    async fn rewrite(&self) -> Result<Option<String>, StoreError>;
}

/// What [`SqlRedactions::redact_values`] replaces.
pub(super) struct RedactedValues<'a> {
    pub redaction: Uuid,
    pub sought: &'a SoughtLabel<'a>,
    pub metrics: &'a [MetricKey],
    pub reasons: &'a [(String, String)],
}

/// The operations on the store as a whole that each database implements by itself.
#[async_trait]
pub(super) trait SqlUpkeep: SqlStore {
    /// Names and statements of the migrations, in the order of their application.
    const MIGRATIONS: &'static [(&'static str, &'static str)];

    /// The statement before the migrations that lets them find their schema, where they need one.
    fn script_head(&self) -> String {
        String::new()
    }

    async fn migrate_tables(&self) -> Result<MigrationNames, StoreError>;
    async fn missing_migrations(&self) -> Result<MigrationNames, StoreError>;
    async fn differences(&self) -> Result<Vec<IntegrityFinding>, StoreError>;
    async fn absent_privileges(&self) -> Result<Vec<String>, StoreError>;
    /// Why no further partition of the records can be made, where records are in partitions.
    async fn refused_partition(&self) -> Result<Option<IntegrityFinding>, StoreError> {
        Ok(None)
    }
    fn local_file(&self) -> Option<&Path>;
    fn listen(&self) -> SharedWatch;
}

/// Repeats `attempt` after a transient failure, as often as the store's options say.
pub(super) async fn retry<T, F>(
    store: &impl SqlStore,
    mut attempt: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    store.retry_policy().run(StoreError::is_transient, || answered(store, attempt())).await
}

/// Fails if `operation` takes longer than [`SqlStore::answer_timeout`]. Its session is closed then, as it does not answer.
pub(super) async fn answered<T>(
    store: &impl SqlStore,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let Some(limit) = store.answer_timeout() else { return operation.await };
    let done = tokio::time::timeout(limit, operation).await.unwrap_or_else(|_| {
        let message = format!("the server has not answered within {} s", limit.as_secs());
        let fault = Fault::new(FaultClass::Unreachable, message);
        Err(StoreError::Fault { location: store.shown().to_owned(), fault })
    });
    match done {
        Err(error) if error.is_without_session() => Err(store.why_no_session(error).await),
        done => done,
    }
}

/// Reads the rows of `table` that a statement selects with `read`; see [`row::readable`].
pub(super) async fn read_rows<S: SqlStore, T>(
    store: &S,
    table: &'static str,
    statement: &Statement<'_>,
    read: impl Fn(&S::Row) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, StoreError> {
    let rows = retry(store, || store.fetch(statement)).await?;
    Ok(row::readable(store.shown(), table, &rows, read))
}

/// Executes a statement, repeatedly after transient failures. Returns the number of rows that it wrote.
pub(super) async fn write(store: &impl SqlStore, statement: &Statement<'_>) -> Result<u64, StoreError> {
    retry(store, || store.execute(statement)).await
}
