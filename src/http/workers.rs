//! Work that does not belong to the threads that speak HTTP: whatever asks a store, and whatever takes long. It is done by
//! the runtime that the server was started in, whose threads share its tasks, and whose own the stores' sessions are.

use std::{io, panic::resume_unwind};

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use futures_util::{StreamExt, stream};
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

use super::{middleware::request_id::Current, service::Shared};

/// That runtime.
#[derive(Debug, Clone)]
pub struct Workers(Handle);

impl Workers {
    /// Those of the runtime that this is called in.
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Has `work` done, as that of the request that is being worked on. It is given up when nobody waits for it any more, and
    /// panics here if it does there.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        // A set gives its tasks up when it is dropped.
        let mut tasks = JoinSet::new();
        match Current::get() {
            Some(current) => tasks.spawn_on(current.go_on(work), &self.0),
            None => tasks.spawn_on(work, &self.0),
        };
        match tasks.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is ending, and the server with it.
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    /// The same bytes, made by them, one piece ahead of what the client takes.
    fn hand_over(&self, body: Body) -> Body {
        let mut pieces = body.into_data_stream();
        let (sender, receiver) = mpsc::channel(1);
        let mut task = JoinSet::new();
        let making = async move {
            while let Ok(room) = sender.reserve().await {
                let Some(piece) = pieces.next().await else { break };
                room.send(piece);
            }
        };
        task.spawn_on(making, &self.0);
        Body::from_stream(stream::try_unfold((receiver, task), async |(mut receiver, mut task)| {
            match receiver.recv().await {
                Some(piece) => Ok(Some((piece?, (receiver, task)))),
                // What ends by a panic did not end.
                None => match task.join_next().await {
                    Some(Err(error)) => Err(axum::Error::new(io::Error::other(error))),
                    _ => Ok(None),
                },
            }
        }))
    }
}

/// Around handlers that ask a store with every request, or take their time, and around what says that the server is well.
pub async fn by_workers(State(service): State<Shared>, request: Request, next: Next) -> Response {
    let workers = &service.workers;
    let has_body = request.method() != Method::HEAD;
    let response = workers.run(next.run(request)).await;
    match response.body().size_hint().exact() {
        None if has_body => response.map(|body| workers.hand_over(body)),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Poll, thread};

    use axum::{body::to_bytes, http::HeaderValue};
    use bytes::Bytes;
    use tokio::{runtime::Builder, sync::Notify};

    use super::*;
    use crate::http::middleware::request_id::{current_request_id, working_on};

    /// `work` on a thread that speaks HTTP, beside the workers of this runtime.
    async fn in_front<T: Send + 'static, F: Future<Output = T>>(
        work: impl FnOnce(Workers) -> F + Send + 'static,
    ) -> T {
        let workers = Workers::here();
        let front = move || Builder::new_current_thread().build().unwrap().block_on(work(workers));
        tokio::task::spawn_blocking(front).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn they_work_for_the_same_request_on_another_thread() {
        let here = Handle::current().id();
        let id = HeaderValue::from_static("abc");
        in_front(move |workers| {
            working_on(id.clone(), async move {
                let front = thread::current().id();
                let work = async { (current_request_id(), Handle::current().id(), thread::current().id()) };
                let (request, runtime, thread) = workers.run(work).await;
                assert_eq!((request, runtime), (Some(id), here));
                assert_ne!(thread, front);
            })
        })
        .await;
    }

    /// Tells when it is dropped.
    struct Told(Arc<Notify>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_nobody_waits_for_is_given_up() {
        let (begun, given_up) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (beginning, told) = (Arc::clone(&begun), Told(Arc::clone(&given_up)));
        in_front(move |workers| async move {
            let work = workers.run(async move {
                let _told = told;
                beginning.notify_one();
                std::future::pending::<()>().await;
            });
            tokio::select! {
                () = work => {}
                () = begun.notified() => {}
            }
        })
        .await;
        given_up.notified().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_goes_on_where_it_is_waited_for() {
        let front = tokio::spawn(async { Workers::here().run(async { panic!("as intended") }).await });
        let panicked: Result<(), _> = front.await;
        let message = *panicked.unwrap_err().into_panic().downcast::<&str>().unwrap();
        assert_eq!(message, "as intended");
    }

    fn pieces(each: fn(usize) -> Result<Bytes, io::Error>) -> Body {
        Body::from_stream(stream::iter(0..100).map(each))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_they_make_is_the_same() {
        let body = Workers::here().hand_over(pieces(|number| Ok(Bytes::from(format!("{number} ")))));
        let whole: String = (0..100).map(|number| format!("{number} ")).collect();
        assert_eq!(to_bytes(body, usize::MAX).await.unwrap(), whole);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_cannot_be_made_to_its_end_has_none() {
        let after_some =
            |number| if number < 50 { Ok(Bytes::from("piece")) } else { Err(io::Error::other("no")) };
        assert!(to_bytes(Workers::here().hand_over(pieces(after_some)), usize::MAX).await.is_err());
        let panics = |number| if number < 50 { Ok(Bytes::from("piece")) } else { panic!("as intended") };
        assert!(to_bytes(Workers::here().hand_over(pieces(panics)), usize::MAX).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_nobody_takes_is_given_up() {
        let given_up = Arc::new(Notify::new());
        let told = Told(Arc::clone(&given_up));
        let first = stream::iter([Ok::<_, io::Error>(Bytes::from("first"))]);
        let then_none = stream::poll_fn(move |_| {
            let _ = &told;
            Poll::Pending
        });
        let mut body =
            Workers::here().hand_over(Body::from_stream(first.chain(then_none))).into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "first");
        drop(body);
        given_up.notified().await;
    }
}
