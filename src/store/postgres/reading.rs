//! Sessions that are kept at hand for questions. When a session goes back to the pool, that asks the server whether the
//! session is still good, which is a second round trip for each question. One whose statement was read to its end is known
//! to be.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// One that was not used for so long goes back to the pool, which tries a session before it is used again.
const UNUSED_FOR: Duration = Duration::from_secs(1);
/// One that is used all the time goes back now and then too: the pool replaces sessions that grew old.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Sessions of a pool, so many at most.
pub(super) struct Reading {
    turns: Semaphore,
    /// The one that was used last at the end.
    kept: Mutex<Vec<Kept>>,
    patience: Duration,
}

struct Kept {
    session: PoolConnection<Postgres>,
    /// When it came from the pool.
    since: Instant,
    used: Instant,
}

/// A session for one statement. Unless it is handed to [`Reading::end`] it goes back to the pool.
pub(super) struct Session<'a> {
    session: PoolConnection<Postgres>,
    since: Instant,
    _turn: SemaphorePermit<'a>,
}

impl Reading {
    /// `most` are fewer than the pool has, so that some are left for all else; `patience` is how long somebody waits for
    /// their turn.
    pub fn new(most: usize, patience: Duration) -> Self {
        Self { turns: Semaphore::new(most), kept: Mutex::default(), patience }
    }

    /// A session that is kept, or else one of the pool; everybody in turn.
    ///
    /// # Errors
    /// When none comes free in time, or as [`PgPool::acquire`].
    pub async fn begin(&self, pool: &PgPool) -> Result<Session<'_>, sqlx::Error> {
        if let Ok(turn) = self.turns.try_acquire()
            && let Some(Kept { session, since, .. }) = self.take_kept()
        {
            return Ok(Session { session, since, _turn: turn });
        }
        // The turn and the session come out of one patience: those before may have waited for a server that is away.
        let beginning = tokio::time::timeout(self.patience, self.begin_in_turn(pool));
        beginning.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn begin_in_turn(&self, pool: &PgPool) -> Result<Session<'_>, sqlx::Error> {
        let Ok(turn) = self.turns.acquire().await else { return Err(sqlx::Error::PoolClosed) };
        let (session, since) = match self.take_kept() {
            Some(Kept { session, since, .. }) => (session, since),
            None => (pool.acquire().await?, Instant::now()),
        };
        Ok(Session { session, since, _turn: turn })
    }

    /// To be called when all rows of a statement are read.
    pub fn end(&self, Session { session, since, _turn }: Session<'_>) {
        if since.elapsed() < KEPT_FOR {
            self.kept().push(Kept { session, since, used: Instant::now() });
        }
    }

    fn take_kept(&self) -> Option<Kept> {
        self.kept().pop()
    }

    /// Without those that were not used for a while.
    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.used.elapsed() < UNUSED_FOR);
        kept
    }
}

impl Deref for Session<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.session
    }
}

impl DerefMut for Session<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.session
    }
}
