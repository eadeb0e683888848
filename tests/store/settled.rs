//! What was known at an instant does not change afterwards: a question about it waits for the commits that were under way then.

use daymark::store::{
    AskedMetric, NewRevision, RevisionFilter, SeriesQuestion, Store, StoreError, ValuesAsked,
};
use jiff::{Timestamp, ToSpan, civil::Date};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    fixture::{Fixture, record},
    redactions::{NAME, named, redaction},
    revisions::{correction, write},
    trust::{insert, real, text},
};

crate::on_both_stores!(
    a_question_waits_for_a_commit_that_was_under_way,
    no_instant_is_settled_before_it_has_passed,
);

/// What the store says was known at the instant: the values of `posts_total`, and how many revisions there were.
async fn known(store: &dyn Store, at: Timestamp, date: Date) -> (Vec<String>, usize) {
    let key = record(uuid::Uuid::nil(), date, "1").key;
    let metrics = vec![AskedMetric { key, metadata: false, judgement: false }];
    let values = ValuesAsked { as_recorded: false, as_of: Some(at) };
    let question = SeriesQuestion { from: date.saturating_sub(30.days()), to: date, metrics, values };
    let series = store.series_days(&question).await.unwrap().remove(0);
    let filter = RevisionFilter { as_of: Some(at), limit: 1000, ..RevisionFilter::default() };
    let revisions = store.revisions(&filter).await.unwrap().len();
    (series.recorded.iter().map(|day| day.value.to_string()).collect(), revisions)
}

/// The commit ends while the question is asked. Its answer is the one that is given later.
async fn a_question_waits_for_a_commit_that_was_under_way(fixture: Fixture) {
    let (run, ended) = real(&fixture).await;
    let store = fixture.store.as_ref();
    let read_at = text(store.now().await.unwrap());
    let write = insert(run, &ended.to_string(), "reconstructed", &read_at);
    let ask = async |at| {
        store.settle(at).await?;
        Ok::<_, StoreError>(known(store, at, ended).await)
    };
    let (answer, at) = if fixture.is_postgres() {
        let mut session = fixture.postgres_session().await;
        let mut transaction = session.begin().await.unwrap();
        transaction
            .execute(AssertSqlSafe(format!("{}; {write}", lock(&fixture, "redactions", true))))
            .await
            .unwrap();
        let at = store.now().await.unwrap();
        assert!(matches!(ask(at).await, Err(StoreError::Unsettled { instant }) if instant == at));
        transaction.commit().await.unwrap();
        (ask(at).await.unwrap(), at)
    } else {
        let mut connection = fixture.sqlite_connection().await;
        connection.execute(AssertSqlSafe(format!("BEGIN IMMEDIATE; {write}"))).await.unwrap();
        let at = store.now().await.unwrap();
        let (answer, committed) = tokio::join!(ask(at), connection.execute("COMMIT"));
        committed.unwrap();
        (answer.unwrap(), at)
    };
    assert_eq!(answer, (vec!["5".to_owned()], 0));
    assert_eq!(known(store, at, ended).await, answer);
}

/// What will be committed until then is not known yet.
async fn no_instant_is_settled_before_it_has_passed(fixture: Fixture) {
    let store = fixture.store.as_ref();
    store.migrate().await.unwrap();
    for ahead in [1.minute(), 1.hour(), 24.hours()] {
        let at = store.now().await.unwrap() + ahead;
        let refused = store.settle(at).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::Future { instant, now } if instant == at && now < at),
            "{refused}"
        );
        let message = format!("{at} is in the future; by the clock of the store's database it is ");
        assert!(refused.to_string().starts_with(&message), "{refused}");
    }
    let now = store.now().await.unwrap();
    store.settle(now).await.unwrap();
}

/// The statement that takes an advisory lock of the store, until its session ends or until its transaction does.
fn lock(fixture: &Fixture, name: &str, of_transaction: bool) -> String {
    let function = if of_transaction { "pg_advisory_xact_lock_shared" } else { "pg_advisory_lock" };
    assert!(fixture.is_postgres());
    format!("SELECT {function}(hashtextextended('daymark:daymark:default:{name}', 0))")
}

/// Waits until a session waits for a lock that another one of this database holds.
pub async fn wait_for_a_waiter(session: &mut PgConnection) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let waiting = "SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()";
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut *session).await.unwrap() {
        assert!(std::time::Instant::now() < deadline, "no session waits");
        tokio::task::yield_now().await;
    }
}

/// Records, corrections and redactions wait for the lock of events at their end, when their rows are written and not committed yet.
#[tokio::test]
async fn no_instant_is_settled_while_a_commit_from_before_it_is_under_way() {
    let fixture = Fixture::postgres().await;
    let (run, ended) = real(&fixture).await;
    let store = fixture.store.as_ref();
    let now = store.now().await.unwrap();
    let of_day = |back: i64| ended.saturating_sub(back.days());
    let of_now = |record: daymark::metric::Record, back| daymark::metric::Record {
        metric_date: of_day(back),
        collection_timestamp: now,
        provenance: daymark::metric::Provenance::Reconstructed,
        ..record
    };
    store.commit(&[of_now(record(run, ended, "4"), 0), of_now(named(run, 1), 0)], None).await.unwrap();
    let recording = async |writer: std::sync::Arc<dyn Store>| {
        writer.commit(&[of_now(record(run, ended, "7"), 1)], None).await.map(drop)
    };
    let correcting = async |writer: std::sync::Arc<dyn Store>| {
        write(writer.as_ref(), vec![NewRevision { date: ended, ..correction(1, "8") }]).await.map(drop)
    };
    let redacting = async |writer: std::sync::Arc<dyn Store>| writer.redact(&redaction(NAME)).await.map(drop);
    let (first, second, third) = (
        under_way(&fixture, ended, recording).await,
        under_way(&fixture, ended, correcting).await,
        under_way(&fixture, ended, redacting).await,
    );
    assert_eq!((first.0.len(), second.1, third.1), (2, 1, 2));
}

/// Lets `writing` wait at its end, and returns what was known while it did.
async fn under_way(
    fixture: &Fixture,
    ended: Date,
    writing: impl AsyncFnOnce(std::sync::Arc<dyn Store>) -> Result<(), StoreError>,
) -> (Vec<String>, usize) {
    let store = fixture.store.as_ref();
    let writer = fixture.again();
    let before = store.now().await.unwrap();
    let mut session = fixture.postgres_session().await;
    session.execute(AssertSqlSafe(lock(fixture, "events", false))).await.unwrap();
    let asking = async {
        wait_for_a_waiter(&mut session).await;
        let during = store.now().await.unwrap();
        assert!(matches!(store.settle(during).await, Err(StoreError::Unsettled { .. })));
        store.settle(before).await.unwrap();
        session.close().await.unwrap();
        during
    };
    let (written, during) = tokio::join!(writing(writer), asking);
    written.unwrap();
    store.settle(during).await.unwrap();
    known(store, during, ended).await
}

/// A transaction that began before the instant and writes after it is not known at the instant.
#[tokio::test]
async fn a_record_has_the_time_at_which_it_is_written_and_not_that_of_its_transaction() {
    let fixture = Fixture::postgres().await;
    let (run, ended) = real(&fixture).await;
    let store = fixture.store.as_ref();
    let writer = fixture.again();
    writer.recorded_span().await.unwrap();
    let record = daymark::metric::Record {
        collection_timestamp: store.now().await.unwrap(),
        ..record(run, ended, "7")
    };
    let mut session = fixture.postgres_session().await;
    let mut blocking = session.begin().await.unwrap();
    // The first thing that a commit with an end of its run reads.
    blocking.execute("LOCK TABLE metric_collection_log IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let finish =
        daymark::store::Finish { completed_at: store.now().await.unwrap(), ..crate::fixture::finish(run) };
    let records = [record];
    let asking = async {
        let mut watching = fixture.postgres_session().await;
        wait_for_a_waiter(&mut watching).await;
        let during = store.now().await.unwrap();
        store.settle(during).await.unwrap();
        let then = known(store, during, ended).await;
        blocking.commit().await.unwrap();
        (during, then)
    };
    let (written, (during, then)) = tokio::join!(writer.commit(&records, Some(&finish)), asking);
    written.unwrap();
    assert_eq!(then, (Vec::new(), 0));
    assert_eq!(known(store, during, ended).await, then);
    let later = store.now().await.unwrap();
    store.settle(later).await.unwrap();
    assert_eq!(known(store, later, ended).await.0, ["7"]);
}
