//! The connections that are open: so many and no more. When another client comes and there is no room, that connection is
//! closed whose client has been silent for longest (as nginx does), so that clients who ask for nothing shut nobody out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::HttpBody;
use bytes::Bytes;
use futures_util::future::{AbortHandle, AbortRegistration, Abortable};
use http_body_util::BodyExt;
use hyper::Response;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Where all are being answered: how soon it is looked again whether one is silent.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub struct Connections {
    most: usize,
    /// A permit for each more that may be open.
    room: Arc<Semaphore>,
    open: Arc<Open>,
}

#[derive(Default)]
struct Open {
    next: AtomicU64,
    by_number: Mutex<BTreeMap<u64, Arc<Line>>>,
}

/// What an open connection has, and gives back when it is dropped.
pub struct Place {
    line: Arc<Line>,
    closed: AbortRegistration,
    taken: Taken,
}

struct Taken {
    number: u64,
    open: Arc<Open>,
    _permit: OwnedSemaphorePermit,
}

/// The line to one client.
pub struct Line {
    state: Mutex<State>,
    close: AbortHandle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Since it was connected, or since its last answer ended.
    SilentSince(Instant),
    Answering,
    /// To make room. No request is begun any more.
    Closed,
}

/// As long as this is there, a request is being answered.
pub struct Answering(Arc<Line>);

impl Connections {
    pub fn new(most: usize) -> Self {
        Self { most, room: Arc::new(Semaphore::new(most)), open: Arc::default() }
    }

    /// A place for one more. It comes at once unless all others are being answered.
    pub async fn place(&self) -> Place {
        loop {
            if let Some(place) = self.free_place() {
                return place;
            }
            self.open.close_who_is_silent_for_longest();
            if let Ok(Ok(permit)) = timeout(LOOK_AGAIN, Arc::clone(&self.room).acquire_owned()).await {
                return self.open.place(permit);
            }
        }
    }

    /// Without closing another.
    pub fn free_place(&self) -> Option<Place> {
        Some(self.open.place(Arc::clone(&self.room).try_acquire_owned().ok()?))
    }

    /// Returns when none is open any more.
    pub async fn all_closed(&self) {
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        let _permits = self.room.acquire_many(all).await;
    }
}

impl Open {
    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (close, closed) = AbortHandle::new_pair();
        let line = Arc::new(Line { state: Mutex::new(State::SilentSince(Instant::now())), close });
        self.by_number().insert(number, Arc::clone(&line));
        Place { line, closed, taken: Taken { number, open: Arc::clone(self), _permit: permit } }
    }

    fn close_who_is_silent_for_longest(&self) {
        let open = self.by_number();
        let silent = open.values().filter_map(|line| Some((line.silent_since()?, line)));
        if let Some((_, line)) = silent.min_by_key(|(since, _)| *since) {
            line.close_if_silent();
        }
    }

    fn by_number(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Line>>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }

    /// Has the place taken until the connection has ended, or is closed to make room.
    pub async fn hold(self, connection: impl Future) {
        let Self { closed, taken, .. } = self;
        // It comes to the same.
        let _ = Abortable::new(connection, closed).await;
        drop(taken);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.open.by_number().remove(&self.number);
    }
}

impl Line {
    /// Nothing where the line is closed: then nobody would hear the answer.
    pub fn answering(self: &Arc<Self>) -> Option<Answering> {
        let mut state = self.state();
        if *state == State::Closed {
            return None;
        }
        *state = State::Answering;
        Some(Answering(Arc::clone(self)))
    }

    fn silent_since(&self) -> Option<Instant> {
        match *self.state() {
            State::SilentSince(since) => Some(since),
            State::Answering | State::Closed => None,
        }
    }

    fn close_if_silent(&self) {
        let mut state = self.state();
        if matches!(*state, State::SilentSince(_)) {
            *state = State::Closed;
            self.close.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answering {
    /// Until the last of the answer has been given away.
    pub fn until_end_of<B>(
        self,
        response: Response<B>,
    ) -> Response<impl HttpBody<Data = Bytes, Error = B::Error> + use<B>>
    where
        B: HttpBody<Data = Bytes>,
    {
        response.map(|body| {
            body.map_err(move |error| {
                let _until_the_body_is_dropped = &self;
                error
            })
        })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *self.0.state() = State::SilentSince(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::body::Body;
    use futures_util::{FutureExt, future::join};

    use super::*;

    #[tokio::test]
    async fn there_are_so_many_and_no_more() {
        let connections = Connections::new(2);
        let places = [connections.place().await, connections.place().await];
        let answering = places.each_ref().map(|place| place.line().answering());
        assert!(connections.free_place().is_none());
        assert!(connections.place().now_or_never().is_none());
        assert!(connections.all_closed().now_or_never().is_none());
        drop(answering);
        let [first, second] = places;
        let ((), _third) = join(first.hold(pending::<()>()), connections.place()).await;
        drop(second);
        assert!(connections.free_place().is_some());
    }

    #[tokio::test]
    async fn a_line_is_taken_until_the_body_has_been_taken() {
        let connections = Connections::new(1);
        let place = connections.place().await;
        let line = place.line();
        let answer = line.answering().unwrap().until_end_of(Response::new(Body::from("answer")));
        assert_eq!(answer.body().size_hint().exact(), Some(6));
        assert_eq!(line.silent_since(), None);
        line.close_if_silent();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "answer");
        assert!(line.silent_since().is_some());
        line.close_if_silent();
        assert!(line.answering().is_none(), "nothing is begun on a line that is closed");
        place.hold(pending::<()>()).await;
        assert!(connections.all_closed().now_or_never().is_some());
        assert!(connections.open.by_number().is_empty());
    }
}
