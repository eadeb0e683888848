//! The socket of a client that may close its sending half after its request (`shutdown(SHUT_WR)`, as `nc -N` does).
//!
//! A client that has disconnected looks the same at first: both send a FIN. So the end of the client's data is passed
//! on to hyper, which then abandons the request, only after a grace period in which an answer may still be sent. A
//! disconnected client answers data with a reset, and a client that accepts data is still connected.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// How long an answer may take after the client has closed its sending half. The statement of a disconnected client
/// ends on the database within 2 s: after this time, a quarter of a second in which the session is found to be busy,
/// and half a second, the interval at which PostgreSQL checks the connection of its client.
const GRACE: Duration = Duration::from_secs(1);

/// Whether a request of the connection is being answered.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<AtomicBool>);

impl InFlight {
    /// A request is in flight until the guard is dropped.
    pub fn begin(&self) -> InFlightGuard {
        self.0.store(true, Ordering::Release);
        InFlightGuard(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
pub struct InFlightGuard(Arc<AtomicBool>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

pub struct ClientIo {
    stream: TcpStream,
    in_flight: InFlight,
    /// Starts at the end of the client's data, and again at each write.
    grace: Option<Pin<Box<Sleep>>>,
    /// The system has no room for more: it is still sending, or waiting for the client to take something.
    write_is_pending: bool,
}

impl ClientIo {
    pub fn new(stream: TcpStream, in_flight: InFlight) -> Self {
        Self { stream, in_flight, grace: None, write_is_pending: false }
    }

    fn note_write(&mut self, written: &Poll<io::Result<usize>>) {
        self.write_is_pending = written.is_pending();
        if let (Some(grace), Poll::Ready(Ok(1..))) = (&mut self.grace, written) {
            grace.as_mut().reset(Instant::now() + GRACE);
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let is_end = buffer.filled().len() == filled && buffer.remaining() > 0;
        // The end of an answer may still be in hyper's buffer. The operating system detects a disconnected client, and
        // wakes this task when the client reads.
        if is_end && self.write_is_pending {
            return Poll::Pending;
        }
        if is_end && self.in_flight.0.load(Ordering::Acquire) {
            let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
            ready!(grace.as_mut().poll(context));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
