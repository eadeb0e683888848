//! The server: accepts connections up to a limit, serves each with hyper, and stops gracefully.

use std::{convert::Infallible, io, iter, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt;

use super::{
    client_io::{ClientIo, InFlight},
    health,
    middleware::client_address::Peer,
    service::Shared,
};
use crate::{
    clock::{Clock, SystemClock},
    collect::CancellationToken,
    telemetry::LogThrottle,
};

/// How long a client may take to send the head of a request, or leave a connection idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// The same limit for connections that were not accepted yet when the server began to stop.
const LAST_HEAD_TIMEOUT: Duration = Duration::from_secs(1);
/// How much of a request's head is buffered, in bytes. A longer head is answered with 431.
const MAX_HEAD: usize = 64 * 1024;
/// Connections that wait to be accepted. The system may have a lower limit (`net.core.somaxconn`).
const BACKLOG: u32 = 1024;
/// The pause after an error of `accept`, such as no file descriptor being left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long writing the times of last use of API keys may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections beyond `http.max_connections`, and of `http.management_listen`: they get the health endpoints, or 503.
const HEALTH_CONNECTIONS: usize = 16;
/// How long such a connection may last.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that is bound to its address and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// # Errors
    /// When the address is taken, not this machine's, or not allowed.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Frees the port of a server that ended a moment ago. On other systems the option means more.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// The address with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop`. Then no further connection is accepted, requests in flight are finished within
    /// `http.shutdown_seconds`, and jobs end after their commit in progress.
    pub async fn serve(self, router: Router, service: Shared, stop: CancellationToken) {
        let upkeep = tokio::spawn(run_upkeep(Arc::clone(&service)));
        let mut acceptor = Acceptor {
            graceful: GracefulShutdown::new(),
            connections: JoinSet::new(),
            limit: Arc::new(Semaphore::new(service.http.max_connections)),
            health_limit: Arc::new(Semaphore::new(HEALTH_CONNECTIONS)),
            stall_timeout: service.http.stall_timeout,
            router,
            health_router: health::router_when_full(Arc::clone(&service)),
            full: LogThrottle::new(),
        };
        acceptor.accept_until(&self.listener, stop).await;
        acceptor.accept_backlog(&self.listener);
        drop(self.listener);
        tracing::info!("stopping");
        // Jobs are asked to stop first, because requests in flight may be waiting for them.
        service.jobs.request_stop();
        service.event_streams.close();
        acceptor.close(service.http.shutdown).await;
        service.jobs.stop().await;
        upkeep.abort();
        if timeout(WRITE_TIMEOUT, service.access.finish()).await.is_err() {
            tracing::warn!("the times of last use of API keys could not be written in time");
        }
    }

    /// Answers `/livez`, `/readyz` and `/metrics` and nothing else, until `stop`.
    pub async fn serve_management(self, service: Shared, stop: CancellationToken) {
        let router = health::management_router(service);
        let limit = Arc::new(Semaphore::new(HEALTH_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let (stream, peer) = tokio::select! {
                () = stop.cancelled() => return,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener) => accepted,
            };
            if let Ok(permit) = Arc::clone(&limit).try_acquire_owned() {
                connections.spawn(serve_health(stream, peer, router.clone(), permit));
            }
        }
    }
}

struct Acceptor {
    graceful: GracefulShutdown,
    connections: JoinSet<()>,
    /// A permit for each further connection that may be open.
    limit: Arc<Semaphore>,
    health_limit: Arc<Semaphore>,
    stall_timeout: Duration,
    router: Router,
    health_router: Router,
    full: LogThrottle,
}

impl Acceptor {
    async fn accept_until(&mut self, listener: &TcpListener, stop: CancellationToken) {
        loop {
            let (stream, peer) = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(_) = self.connections.join_next() => continue,
                accepted = accept(listener) => accepted,
            };
            self.serve(stream, peer, HEAD_TIMEOUT, true);
        }
    }

    /// Connections in the backlog that were not accepted yet are in flight too, and their requests are answered.
    fn accept_backlog(&mut self, listener: &TcpListener) {
        for (stream, peer) in iter::from_fn(|| listener.accept().now_or_never()?.ok()) {
            self.serve(stream, peer, LAST_HEAD_TIMEOUT, false);
        }
    }

    /// A connection beyond the limit gets the health endpoints, or 503; beyond the limit of those connections it is
    /// closed.
    fn serve(&mut self, stream: TcpStream, peer: SocketAddr, head_timeout: Duration, keep_alive: bool) {
        // Answers are written whole, so Nagle's algorithm would only delay them.
        let _ = stream.set_nodelay(true);
        let Ok(permit) = Arc::clone(&self.limit).try_acquire_owned() else {
            if let Some(left_out) = self.full.allow(SystemClock.now()) {
                tracing::warn!(left_out, "a connection is refused: `http.max_connections` are open");
            }
            if let Ok(permit) = Arc::clone(&self.health_limit).try_acquire_owned() {
                self.connections.spawn(serve_health(stream, peer, self.health_router.clone(), permit));
            }
            return;
        };
        set_stall_timeout(&stream, self.stall_timeout);
        let in_flight = InFlight::default();
        let io = TokioIo::new(ClientIo::new(stream, in_flight.clone()));
        let connection = http(head_timeout)
            .keep_alive(keep_alive)
            .serve_connection(io, request_service(self.router.clone(), peer, in_flight));
        // Clients often close connections early, which is not an error.
        match keep_alive {
            true => {
                let connection = self.graceful.watch(connection);
                self.connections.spawn(async move {
                    let _ = connection.await;
                    drop(permit);
                })
            }
            // A graceful shutdown would close a connection whose head has not been read yet.
            false => self.connections.spawn(async move {
                let _ = connection.await;
                drop(permit);
            }),
        };
    }

    /// Returns when every request in flight has been answered, or when `limit` has passed and the others are cut off.
    async fn close(self, limit: Duration) {
        let Self { graceful, mut connections, .. } = self;
        let finished = async {
            graceful.shutdown().await;
            while connections.join_next().await.is_some() {}
        };
        if timeout(limit, finished).await.is_err() {
            tracing::warn!("requests in flight did not finish in time and are cut off");
        }
        connections.shutdown().await;
    }
}

/// The next connection. Errors are logged, and tried again after a pause.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    static FAILED: LogThrottle = LogThrottle::new();
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                if let Some(left_out) = FAILED.allow(SystemClock.now()) {
                    tracing::warn!(%error, left_out, "a connection cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one request about health, within a short time limit.
async fn serve_health(stream: TcpStream, peer: SocketAddr, router: Router, permit: OwnedSemaphorePermit) {
    let service = request_service(router, peer, InFlight::default());
    let connection = http(HEALTH_TIMEOUT).keep_alive(false).serve_connection(TokioIo::new(stream), service);
    let _ = timeout(HEALTH_TIMEOUT, connection).await;
    drop(permit);
}

fn http(head_timeout: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(MAX_HEAD);
    builder
}

/// The router as hyper's service, for one connection.
fn request_service(
    router: Router,
    peer: SocketAddr,
    in_flight: InFlight,
) -> impl Service<
    hyper::Request<Incoming>,
    Response = Response<impl HttpBody<Data = Bytes, Error = axum::Error> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Send {
    hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let (in_flight, response) = (in_flight.begin(), router.clone().oneshot(request));
        async move {
            let response = without_content_length(response.await?);
            Ok(response.map(|body| {
                // The closure owns the guard, so that it is dropped with the body.
                body.map_err(move |error| {
                    let _ = &in_flight;
                    error
                })
            }))
        }
    })
}

/// A 304 may carry the length that the 200 would have (RFC 9110, 8.6), but not the length of its own empty body.
fn without_content_length(mut response: Response) -> Response {
    if response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// The operating system ends a connection whose peer has not acknowledged sent data for this long (`TCP_USER_TIMEOUT`).
/// Only the operating system can detect this: its buffer accepts megabytes after the peer has stopped reading, and
/// accepts nothing for a while if the peer is slow.
#[cfg(target_os = "linux")]
fn set_stall_timeout(stream: &TcpStream, limit: Duration) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limit)) {
        tracing::debug!(%error, "TCP_USER_TIMEOUT cannot be set, so a client that stops reading its answer is not disconnected");
    }
}

#[cfg(not(target_os = "linux"))]
fn set_stall_timeout(_: &TcpStream, _: Duration) {}

async fn run_upkeep(service: Shared) {
    loop {
        tokio::time::sleep(service.upkeep_interval).await;
        service.run_upkeep().await;
        // Uses that are not written in time stay for the next call.
        let _ = timeout(WRITE_TIMEOUT, service.access.run_upkeep()).await;
    }
}
