//! Lines of a log, written in batches: a server writes a line for each request, and a system call for each is a tenth of what
//! an answer costs. Lines are written whole, each once, and in the order in which they came.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How much may wait to be written, in bytes. Whoever finds no room writes it himself. As much again may be being written.
pub const CAPACITY: usize = 1024 * 1024;
/// How long a line may wait: what a process that is killed has not written.
pub const DELAY: Duration = Duration::from_millis(10);
/// In bytes: PIPE_BUF of Linux. A pipe takes so much at once or not at all, and never in the midst of what other processes
/// write to it.
const PIECE: usize = 4096;

/// What lines are written to. Clones write to the same.
///
/// Nothing that is done under its locks panics, so that a panic hook may flush it.
pub struct LogLines<W>(Arc<Shared<W>>);

struct Shared<W> {
    capacity: usize,
    delay: Duration,
    waiting: Mutex<Waiting>,
    /// That the first line is waiting, or that it has ended.
    changed: Condvar,
    /// Who writes takes this lock before that of `waiting`: what was taken out first is written first.
    sink: Mutex<Sink<W>>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    has_ended: bool,
}

struct Sink<W> {
    to: W,
    /// What is being written; its memory is used again.
    batch: Vec<u8>,
}

impl<W> Clone for LogLines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: io::Write + Send + 'static> LogLines<W> {
    pub fn start(sink: W, capacity: usize, delay: Duration) -> Self {
        let lines = Self(Arc::new(Shared {
            capacity,
            delay,
            waiting: Mutex::default(),
            changed: Condvar::new(),
            sink: Mutex::new(Sink { to: sink, batch: Vec::new() }),
        }));
        let writing = lines.clone();
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_batches());
        if thread.is_err() {
            // Without the thread every line is written at once.
            lines.end();
        }
        lines
    }

    /// Until it has ended. Sleeps as long as there is nothing to write.
    fn write_batches(&self) {
        let Shared { waiting, changed, delay, .. } = &*self.0;
        loop {
            let waiting = lock(waiting);
            let is_idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.has_ended;
            let waiting = changed.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
            let gathered = changed.wait_timeout_while(waiting, *delay, |waiting| !waiting.has_ended);
            let (waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            let has_ended = waiting.has_ended;
            drop(waiting);
            self.flush();
            if has_ended {
                return;
            }
        }
    }
}

impl<W: io::Write> LogLines<W> {
    /// Takes a line, or several, with their line feeds.
    fn add(&self, line: &[u8], at_once: bool) {
        let mut waiting = self.with_room(line.len());
        let is_first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        let at_once = at_once || waiting.has_ended;
        drop(waiting);
        if at_once {
            self.flush();
        } else if is_first {
            self.0.changed.notify_one();
        }
    }

    /// A line that is longer than all the room there is waits alone.
    fn with_room(&self, length: usize) -> MutexGuard<'_, Waiting> {
        loop {
            let waiting = lock(&self.0.waiting);
            if waiting.lines.is_empty() || waiting.lines.len() + length <= self.0.capacity {
                return waiting;
            }
            drop(waiting);
            self.flush();
        }
    }

    /// Writes a line after all that came before, and returns when it is written.
    pub fn write_now(&self, line: &[u8]) {
        self.add(line, true);
    }

    /// Returns when all that came before is written.
    pub fn flush(&self) {
        let mut sink = lock(&self.0.sink);
        let Sink { to, batch } = &mut *sink;
        batch.clear();
        std::mem::swap(batch, &mut lock(&self.0.waiting).lines);
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(end_of_piece(rest));
            // Nobody reads the log, or there is no room for it: no reason to stop, and what comes next is tried again.
            let _ = to.write_all(piece);
            rest = after;
        }
    }

    /// Writes what is left. From now on every line is written at once.
    pub fn end(&self) {
        lock(&self.0.waiting).has_ended = true;
        self.0.changed.notify_one();
        self.flush();
    }
}

/// As many whole lines as are a piece, and one at least.
fn end_of_piece(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let within = lines.iter().take(PIECE).rposition(is_end);
    within.or_else(|| lines.iter().position(is_end)).map_or(lines.len(), |at| at + 1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a, W: io::Write + 'a> MakeWriter<'a> for LogLines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { lines: self, at_once: true }
    }

    /// Warnings and errors do not wait.
    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Line { lines: self, at_once: *metadata.level() <= Level::WARN }
    }
}

/// Where one line is written to. The subscriber hands it over whole.
pub struct Line<'a, W> {
    lines: &'a LogLines<W>,
    at_once: bool,
}

impl<W: io::Write> io::Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.add(line, self.at_once);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
