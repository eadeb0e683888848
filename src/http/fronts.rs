//! The threads that speak HTTP. A connection stays with one of them: an answer that is kept is read for, found and sent
//! without waking another thread, which takes about as long as all of that. They ask no store: see [`super::workers`].

use std::{io, num::NonZero, thread};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// Each answers some tens of thousands of requests a second; more would only be more threads.
const MOST: usize = 8;

/// Threads with a runtime each. They end when this is dropped, with whatever connections they still have.
pub struct Fronts {
    threads: Vec<Front>,
    next: usize,
}

struct Front {
    runtime: Handle,
    /// The thread goes on until this is dropped.
    _end: oneshot::Sender<()>,
}

impl Fronts {
    /// As many as there are processors.
    ///
    /// # Errors
    /// When the system gives no more threads or file descriptors.
    pub fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = (0..processors.min(MOST)).map(Front::start).collect::<io::Result<_>>()?;
        Ok(Self { threads, next: 0 })
    }

    /// Gives a connection to the next of them.
    ///
    /// # Errors
    /// When the system refuses to watch the connection from there.
    pub fn take<F>(&mut self, stream: TcpStream, speak: impl FnOnce(TcpStream) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stream = stream.into_std()?;
        let front = &self.threads[self.next];
        self.next = (self.next + 1) % self.threads.len();
        // Sockets and timers belong to the runtime in whose context they are made.
        let _context = front.runtime.enter();
        front.runtime.spawn(speak(TcpStream::from_std(stream)?));
        Ok(())
    }
}

impl Front {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name(format!("http-{number}")).spawn(move || {
            // Nobody sends anything.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, _end: end })
    }
}
