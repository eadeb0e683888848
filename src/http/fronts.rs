//! The threads that speak HTTP. A connection stays with one of them: an answer that is kept is read for, found and sent
//! without waking another thread, which takes about as long as all of that. They ask no store: see [`super::workers`].

use std::{
    io,
    num::NonZero,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// On two processors two of them send sixty thousand answers a second; a larger machine has other things to do, too.
const MOST: usize = 8;

/// Turns of connections after which a thread looks who else has sent something. A connection that has sent many requests at once
/// has sixteen of them answered in a turn (hyper's limit): of Tokio's 61 turns, others would wait for a thousand answers.
const TURNS: u32 = 4;

/// Threads with a runtime each.
pub struct Fronts(Vec<Front>);

struct Front {
    runtime: Handle,
    /// Each of its connections has one.
    connection: Arc<()>,
    /// It goes on until this is dropped.
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Fronts {
    /// As many as there are processors.
    ///
    /// # Errors
    /// When the system gives no more threads or file descriptors.
    pub fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        (0..processors.min(MOST)).map(Front::start).collect::<io::Result<_>>().map(Self)
    }

    /// Gives a connection to the one that has the fewest.
    ///
    /// # Errors
    /// When the system refuses to watch the connection from there.
    pub fn take<F>(&self, stream: TcpStream, speak: impl FnOnce(TcpStream) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stream = stream.into_std()?;
        // There is always one.
        let Some(front) = self.0.iter().min_by_key(|front| Arc::strong_count(&front.connection)) else {
            return Ok(());
        };
        // Sockets and timers belong to the runtime in whose context they are made.
        let _context = front.runtime.enter();
        let (connection, speaking) = (Arc::clone(&front.connection), speak(TcpStream::from_std(stream)?));
        front.runtime.spawn(async move {
            speaking.await;
            drop(connection);
        });
        Ok(())
    }

    /// Ends them, with whatever connections they still have.
    pub async fn end(self) {
        let threads: Vec<_> = self.0.into_iter().map(|front| front.thread_that_ends()).collect();
        // Nothing takes long there.
        let _ =
            tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| drop(thread.join()))).await;
    }
}

impl Front {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().event_interval(TURNS).build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("http-{number}")).spawn(move || {
            // Nobody sends anything.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, connection: Arc::new(()), end, thread })
    }

    fn thread_that_ends(self) -> JoinHandle<()> {
        drop(self.end);
        self.thread
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        io::Write,
        sync::atomic::{AtomicU32, Ordering},
        task::Poll,
    };

    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    /// As a connection that is always ready has its turns.
    async fn another_turn() {
        let mut had = false;
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut had, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[tokio::test]
    async fn who_has_much_to_be_answered_keeps_nobody_waiting() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let fronts = Fronts(vec![Front::start(0).unwrap()]);
        let turn = Arc::new(AtomicU32::new(0));
        let (heard, hears) = oneshot::channel();
        let turns = Arc::clone(&turn);
        let hearing = async move |mut stream: TcpStream| {
            stream.read_u8().await.unwrap();
            heard.send(turns.load(Ordering::Relaxed)).unwrap();
        };
        fronts.take(stream, hearing).unwrap();
        fronts.0[0].runtime.spawn(async move {
            for number in 0..2000 {
                if number == 1000 {
                    client.write_all(b"x").unwrap();
                }
                turn.fetch_add(1, Ordering::Relaxed);
                another_turn().await;
            }
        });
        let waited = hears.await.unwrap() - 1000;
        assert!(waited <= 2 * TURNS, "{waited} turns");
        fronts.end().await;
    }
}
