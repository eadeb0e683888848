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

use crate::{
    clock::{Clock, SystemClock},
    telemetry::LogThrottle,
};

/// Who is silent for less may only be about to ask, or be waiting for a thread to look at what was asked.
const SILENCE: Duration = Duration::from_millis(500);
/// Where nobody is silent for so long: how soon it is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub struct Connections {
    most: usize,
    /// A permit for each more that may be open.
    room: Arc<Semaphore>,
    open: Arc<Open>,
    closing: LogThrottle,
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

#[derive(Debug)]
struct State {
    is_answering: bool,
    /// Something of an answer is still to be written to the socket.
    is_sending: bool,
    /// To make room. No request is begun any more.
    is_closed: bool,
    /// When it was connected, or when one of these ended.
    since: Instant,
}

/// As long as this is there, a request is being answered.
pub struct Answering(Arc<Line>);

impl Connections {
    pub fn new(most: usize) -> Self {
        Self { most, room: Arc::new(Semaphore::new(most)), open: Arc::default(), closing: LogThrottle::new() }
    }

    /// A place for one more. It comes at once unless no other is silent.
    pub async fn place(&self) -> Place {
        loop {
            if let Some(place) = self.free_place() {
                return place;
            }
            if self.open.close_who_is_silent_for_longest()
                && let Some(left_out) = self.closing.allow(SystemClock.now())
            {
                tracing::warn!(open = self.most, left_out, "a silent connection is closed to make room");
            }
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
        let line = Arc::new(Line::new(close));
        self.by_number().insert(number, Arc::clone(&line));
        Place { line, closed, taken: Taken { number, open: Arc::clone(self), _permit: permit } }
    }

    /// Whether one is. Not while another is closed and not gone yet, which is room enough.
    fn close_who_is_silent_for_longest(&self) -> bool {
        let open = self.by_number();
        let mut longest: Option<(Instant, &Arc<Line>)> = None;
        for line in open.values() {
            let state = line.state();
            if state.is_closed {
                return false;
            }
            if state.is_silent() && longest.is_none_or(|(since, _)| state.since < since) {
                longest = Some((state.since, line));
            }
        }
        longest.is_some_and(|(since, line)| since.elapsed() >= SILENCE && line.close_if_silent())
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
    fn new(close: AbortHandle) -> Self {
        let state = State { is_answering: false, is_sending: false, is_closed: false, since: Instant::now() };
        Self { state: Mutex::new(state), close }
    }

    /// Nothing where the line is closed: then nobody would hear the answer.
    pub fn answering(self: &Arc<Self>) -> Option<Answering> {
        let mut state = self.state();
        if state.is_closed {
            return None;
        }
        state.is_answering = true;
        Some(Answering(Arc::clone(self)))
    }

    /// Something is to be written to the client, or all of it has been.
    pub fn sends(&self, is_sending: bool) {
        let mut state = self.state();
        state.is_sending = is_sending;
        state.since = Instant::now();
    }

    fn close_if_silent(&self) -> bool {
        let mut state = self.state();
        if state.is_silent() {
            state.is_closed = true;
            self.close.abort();
        }
        state.is_closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_silent(&self) -> bool {
        !(self.is_answering || self.is_sending || self.is_closed)
    }
}

impl Answering {
    /// Until all of the answer has been made.
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
        let mut state = self.0.state();
        state.is_answering = false;
        state.since = Instant::now();
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
    async fn a_line_is_taken_until_all_was_made_and_sent() {
        let connections = Connections::new(1);
        let place = connections.place().await;
        let line = place.line();
        let answer = line.answering().unwrap().until_end_of(Response::new(Body::from("answer")));
        assert_eq!(answer.body().size_hint().exact(), Some(6));
        assert!(!line.close_if_silent());
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "answer");
        line.sends(true);
        assert!(!line.close_if_silent());
        line.sends(false);
        assert!(line.close_if_silent());
        assert!(line.answering().is_none(), "nothing is begun on a line that is closed");
        place.hold(pending::<()>()).await;
        assert!(connections.all_closed().now_or_never().is_some());
        assert!(connections.open.by_number().is_empty());
    }

    #[tokio::test]
    async fn one_is_closed_for_one() {
        let connections = Connections::new(2);
        let places = [connections.place().await, connections.place().await];
        assert!(!connections.open.close_who_is_silent_for_longest(), "nobody is silent for long");
        for place in &places {
            place.line().state().since -= SILENCE;
        }
        assert!(connections.open.close_who_is_silent_for_longest());
        assert!(!connections.open.close_who_is_silent_for_longest(), "there will be room");
        let [first, _second] = places;
        first.hold(pending::<()>()).await;
        assert!(connections.open.close_who_is_silent_for_longest());
    }
}
