//! Sessions return to the pool after each query.

use daymark::{
    metric::MetricType,
    store::{AskedMetric, SeriesQuestion, ValuesAsked},
};
use futures_util::future::{join_all, try_join};

use crate::fixture::{Fixture, day, finish, key, record};

const QUESTIONS: usize = 20;

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
    // Five calls at once need as many sessions as the pool has.
    let store = &fixture.store;
    let commits = join_all((0..3).map(|_| store.commit(&[], None)));
    try_join(store.definitions(), store.recorded_span()).await.unwrap();
    assert!(commits.await.iter().all(Result::is_ok));
}
