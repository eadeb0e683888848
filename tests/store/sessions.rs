//! Sessions return to the pool after each query.

use std::time::Duration;

use daymark::{
    metric::MetricType,
    store::{AskedMetric, SeriesQuestion, ValuesAsked},
};
use futures_util::future::join_all;
use sqlx::{Connection, Executor, PgConnection};

use crate::fixture::{Fixture, day, finish, key, record};

const QUESTIONS: usize = 20;
/// The sessions of a store's pool.
const POOL: i64 = 5;

#[tokio::test]
async fn series_queries_return_their_sessions_to_the_pool() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "1")], Some(&finish(run))).await.unwrap();
    let posts = AskedMetric { key: key(MetricType::Count, "posts_total"), metadata: false, judgement: false };
    let question =
        SeriesQuestion { from: day(1), to: day(2), metrics: vec![posts], values: ValuesAsked::default() };
    let answers = join_all((0..QUESTIONS).map(|_| fixture.store.series(&question))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().series[0].recorded.len() == 1));
    let mut session = fixture.postgres_session().await;
    let mut lock = session.begin().await.unwrap();
    lock.execute("LOCK TABLE metric_definitions").await.unwrap();
    let calls = (0..POOL).map(|_| {
        let store = std::sync::Arc::clone(&fixture.store);
        tokio::spawn(async move { store.definitions().await.map(drop) })
    });
    let calls: Vec<_> = calls.collect();
    let mut observer = fixture.postgres_session().await;
    let all_wait = async { while waiting(&mut observer).await < POOL {} };
    tokio::time::timeout(Duration::from_secs(30), all_wait).await.expect("all sessions of the pool are free");
    lock.rollback().await.unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

/// How many sessions of the database wait for a lock.
async fn waiting(observer: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(count).fetch_one(observer).await.unwrap()
}
