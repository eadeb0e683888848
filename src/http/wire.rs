//! Between hyper and the socket. It is noted when all that is said to a client has been sent. And what cannot be read as a
//! request never comes to a handler: hyper refuses it with a status and an empty body, which becomes a problem with a request
//! id here, as every other refusal is.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::http::StatusCode;
use hyper::rt::{Read, ReadBufCursor, Write};

use super::{
    connections::Line,
    middleware::request_id::new_id,
    problem::{self, Problem},
};

/// Hyper's own refusals have this, and no request id.
const EMPTY: &str = "\r\ncontent-length: 0";
const LONGEST_REFUSAL: usize = 512;

/// What hyper reads from and writes to.
pub struct Wire<T> {
    io: T,
    line: Arc<Line>,
    /// Whether something of what was written is not sent yet.
    is_sending: bool,
    /// Of a refusal: what is to be written yet.
    rest: Vec<u8>,
}

impl<T: Write + Unpin> Wire<T> {
    pub fn new(io: T, line: Arc<Line>) -> Self {
        Self { io, line, is_sending: false, rest: Vec::new() }
    }

    /// Its users write until there is nothing left to write, and flush then.
    fn sends(&mut self, is_sending: bool) {
        if self.is_sending != is_sending {
            self.is_sending = is_sending;
            self.line.sends(is_sending);
        }
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes `bytes` over if they are a refusal.
    fn take_over(&mut self, bytes: &[u8]) -> bool {
        let may_be_one = bytes.starts_with(b"HTTP/1.") && bytes.get(8..10) == Some(b" 4");
        let explained = if may_be_one { explained(bytes) } else { None };
        explained.map(|explained| self.rest = explained).is_some()
    }
}

impl<T: Read + Unpin> Read for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Wire<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.sends(true);
        ready!(self.poll_rest(context))?;
        match self.take_over(bytes) {
            true => Poll::Ready(Ok(bytes.len())),
            false => Pin::new(&mut self.io).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sends(true);
        ready!(self.poll_rest(context))?;
        match slices {
            [only] if self.take_over(only) => Poll::Ready(Ok(only.len())),
            _ => Pin::new(&mut self.io).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(context))?;
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        self.sends(false);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// The same refusal with a reason, if `bytes` are one.
fn explained(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = str::from_utf8(bytes).ok().filter(|head| head.len() <= LONGEST_REFUSAL)?;
    let lines = head.strip_suffix("\r\n\r\n").filter(|lines| !lines.contains("\r\n\r\n"))?;
    let (before, after) = lines.split_once(EMPTY)?;
    if lines.contains("\r\nx-request-id:") {
        return None;
    }
    let (id, problem) = (new_id(), why(StatusCode::from_bytes(bytes.get(9..12)?).ok()?));
    let (id, body) = (id.to_str().ok()?, serde_json::to_string(&problem).ok()?);
    tracing::info!(id, status = problem.status, "what a client sent cannot be read as a request");
    let (media_type, length) = (problem::MEDIA_TYPE, body.len());
    let headers = format!(
        "content-type: {media_type}\r\ncontent-length: {length}\r\ncache-control: no-store\r\nx-request-id: {id}"
    );
    Some(format!("{before}\r\n{headers}{after}\r\n\r\n{body}").into_bytes())
}

fn why(status: StatusCode) -> Problem {
    let (name, title, detail) = match status {
        StatusCode::URI_TOO_LONG => {
            ("uri-too-long", "The URI is too long", "path and query have 8 KiB at most")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            "headers-too-large",
            "The headers are too large",
            "path and query have 8 KiB at most, and there are 100 headers of 32 KiB at most",
        ),
        _ => ("invalid-request", "The request cannot be carried out", "this is no request of HTTP/1.1"),
    };
    Problem::new(status, name, title).detail(detail)
}
