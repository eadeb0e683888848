//! The server: accepting connections, and stopping without cutting anybody off.

use std::{
    convert::Infallible, error::Error, future::pending, io, iter, net::SocketAddr, sync::Arc, time::Duration,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{StatusCode, header},
    response::Response,
};
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tower::ServiceExt;

use super::{
    connections::{Connections, Line, Place},
    fronts::Fronts,
    service::Shared,
    wire::Wire,
};
use crate::collect::Cancellation;

/// How long a client may take to send the head of a request, or leave a connection idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long those are waited for that are connected when the server is told to stop, and have sent no head.
const LAST_HEAD_TIMEOUT: Duration = Duration::from_secs(1);
/// What of a request's head is buffered, in bytes. Whatever is longer is answered with 431.
const MAX_HEAD: usize = 64 * 1024;
/// Connections that wait to be accepted. The system lets whoever comes when there are more wait for a second or longer. It
/// may have a lower limit (`net.core.somaxconn`).
const BACKLOG: u32 = 1024;
/// After an error that would only repeat itself at once, such as no file descriptor being left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For writing when keys were used.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// A server that has its address and does not answer yet.
pub struct Bound {
    listener: TcpListener,
    fronts: Fronts,
    address: SocketAddr,
}

impl Bound {
    /// # Errors
    /// When the address is taken, not this machine's, or not allowed, or when there can be no more threads.
    pub async fn at(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As any server does: the port is free again although connections of the last one linger. Elsewhere it means more.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { address: listener.local_addr()?, fronts: Fronts::start()?, listener })
    }

    /// The address with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`. Then no connection is accepted any more, requests in flight are finished, and jobs are
    /// asked to end what they are committing.
    pub async fn serve(self, router: Router, service: Shared, stop: Cancellation) {
        let upkeep = tokio::spawn(keep_up(Arc::clone(&service)));
        let door = Door {
            graceful: GracefulShutdown::new(),
            connections: Connections::new(service.http.max_connections),
            patience: service.http.stall_timeout,
            fronts: self.fronts,
            router,
        };
        let in_the_door = door.let_in(&self.listener, stop).await;
        door.let_in_the_last(in_the_door, &self.listener);
        drop(self.listener);
        tracing::info!("stopping");
        // Requests may be waiting for them.
        service.jobs.ask_to_stop();
        door.close(service.http.shutdown).await;
        service.jobs.stop().await;
        upkeep.abort();
        if tokio::time::timeout(WRITE_TIMEOUT, service.access.finish()).await.is_err() {
            tracing::warn!("when API keys were used last could not be written in time");
        }
    }
}

/// Where clients come in.
struct Door {
    graceful: GracefulShutdown,
    connections: Connections,
    patience: Duration,
    fronts: Fronts,
    router: Router,
}

impl Door {
    /// Returns who stood in the door when it was told to stop.
    async fn let_in(&self, listener: &TcpListener, stop: Cancellation) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let (stream, peer) = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let place = tokio::select! {
                biased;
                () = stop.cancelled() => return Some((stream, peer)),
                place = self.connections.place() => place,
            };
            let answers = answering(self.router.clone(), peer, place.line());
            self.give(stream, place, |stream| {
                self.graceful.watch(speaking(HEAD_TIMEOUT).serve_connection(stream, answers))
            });
        }
    }

    /// Clients that are connected already, but were not accepted yet, are in flight too: what they have sent is answered.
    fn let_in_the_last(&self, first: Option<(TcpStream, SocketAddr)>, listener: &TcpListener) {
        let others = iter::from_fn(|| listener.accept().now_or_never()?.ok());
        for (stream, peer) in first.into_iter().chain(others) {
            let Some(place) = self.connections.free_place() else { break };
            let answers = answering(self.router.clone(), peer, place.line());
            self.give(stream, place, |stream| {
                speaking(LAST_HEAD_TIMEOUT).keep_alive(false).serve_connection(stream, answers)
            });
        }
    }

    /// Returns when everybody has been answered, or is cut off.
    async fn close(self, within: Duration) {
        let Self { graceful, connections, fronts, .. } = self;
        let finished = async {
            graceful.shutdown().await;
            // Also of those that are not watched.
            connections.all_closed().await;
        };
        if tokio::time::timeout(within, finished).await.is_err() {
            tracing::warn!("requests in flight did not finish in time and are cut off");
        }
        fronts.end().await;
    }

    fn give<F: Future<Output = hyper::Result<()>> + Send + 'static>(
        &self,
        stream: TcpStream,
        place: Place,
        serve: impl FnOnce(Wire<TokioIo<TcpStream>>) -> F,
    ) {
        // Answers are written whole; there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        give_up_after(&stream, self.patience);
        // Clients break connections off all the time, which is no error.
        let given = self.fronts.take(stream, |stream| {
            let wire = Wire::new(TokioIo::new(stream), place.line());
            place.hold(serve(wire))
        });
        if let Err(error) = given {
            tracing::warn!(%error, "a connection cannot be answered");
        }
    }
}

/// What a client's requests come to.
fn answering(
    router: Router,
    peer: SocketAddr,
    line: Arc<Line>,
) -> impl Service<
    hyper::Request<Incoming>,
    Response = Response<impl HttpBody<Data: Send, Error: Error + Send + Sync> + 'static>,
    Error = Infallible,
    Future: Send,
> {
    hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let answering = line.answering();
        let answer = router.clone().oneshot(request);
        async {
            match answering {
                Some(answering) => {
                    answer.await.map(|answer| answering.until_end_of(without_length_of_nothing(answer)))
                }
                None => pending().await,
            }
        }
    })
}

fn speaking(head_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(MAX_HEAD);
    builder
}

/// A 304 may have the length that the 200 would have (RFC 9110, 8.6), and no other: not that of its own empty body.
fn without_length_of_nothing(mut answer: Response) -> Response {
    if answer.status() == StatusCode::NOT_MODIFIED {
        answer.headers_mut().remove(header::CONTENT_LENGTH);
    }
    answer
}

/// The system ends a connection whose peer takes nothing of what was written for so long, whether it is there and does not
/// read, or is gone. Only the system knows: it still takes megabytes from us when the peer takes nothing any more, and
/// does not take any for a while from a peer that is slow.
#[cfg(target_os = "linux")]
fn give_up_after(stream: &TcpStream, patience: Duration) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(patience)) {
        tracing::debug!(%error, "a client that takes nothing of its answer will not be noticed");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_up_after(_: &TcpStream, _: Duration) {}

async fn keep_up(service: Shared) {
    loop {
        tokio::time::sleep(service.upkeep).await;
        service.telemetry.keep_up();
        // What is not written in time stays for the next time.
        let _ = tokio::time::timeout(WRITE_TIMEOUT, service.access.keep_up()).await;
    }
}
