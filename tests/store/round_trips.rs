//! How often the store and a PostgreSQL server wait for each other, seen from between the two.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use daymark::store::{AskedMetric, SeriesQuestion, Store};
use futures_util::future::{join_all, try_join};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::fixture::{Fixture, day, finish, key, record};
use daymark::metric::MetricType;

const QUESTIONS: usize = 20;

/// How often clients spoke after the server had.
#[derive(Default)]
struct Turns(AtomicUsize);

/// Passes on what is said at the port that it returns.
async fn relay(server: (String, u16)) -> (u16, Arc<Turns>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, turns) = (listener.local_addr().unwrap().port(), Arc::new(Turns::default()));
    let counted = Arc::clone(&turns);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((server.0.as_str(), server.1)).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let answered = Arc::new(AtomicBool::new(true));
            let (turns, heard) = (Arc::clone(&counted), Arc::clone(&answered));
            tokio::spawn(pass_on(from_client, to_server, move || {
                if heard.swap(false, Ordering::SeqCst) {
                    turns.0.fetch_add(1, Ordering::SeqCst);
                }
            }));
            tokio::spawn(pass_on(from_server, to_client, move || answered.store(true, Ordering::SeqCst)));
        }
    });
    (port, turns)
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        seen();
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

async fn store_behind_a_relay() -> (Fixture, Arc<dyn Store>, Arc<Turns>, SeriesQuestion) {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "1")], Some(&finish(run))).await.unwrap();
    let (port, turns) = relay(fixture.server()).await;
    let store = fixture.by_way_of(port);
    let posts = AskedMetric { key: key(MetricType::Count, "posts_total"), metadata: false };
    let question = SeriesQuestion { from: day(1), to: day(2), metrics: vec![posts] };
    (fixture, store, turns, question)
}

#[tokio::test]
async fn a_question_is_one_round_trip() {
    let (_fixture, store, turns, question) = store_behind_a_relay().await;
    store.series(&question).await.unwrap();
    let before = turns.0.load(Ordering::SeqCst);
    for _ in 0..QUESTIONS {
        assert_eq!(store.series(&question).await.unwrap().series[0].len(), 1);
    }
    let took = turns.0.load(Ordering::SeqCst) - before;
    // On a machine that stands still for a second, a session is tried again.
    assert!((QUESTIONS..2 * QUESTIONS).contains(&took), "{took} turns for {QUESTIONS} questions");
}

#[tokio::test]
async fn however_many_ask_sessions_are_left_for_all_else() {
    let (_fixture, store, _, question) = store_behind_a_relay().await;
    let answers = join_all((0..QUESTIONS).map(|_| store.series(&question))).await;
    assert!(answers.iter().all(Result::is_ok));
    try_join(store.definitions(), store.recorded_span()).await.unwrap();
}
