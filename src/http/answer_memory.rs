//! A budget for the memory of answers that are being computed, sent or cached. A request whose answer may be large
//! waits, within its time limit, until others have released theirs.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All answers together, in bytes. The cache takes half of it at most.
pub const BUDGET_BYTES: usize = 64 << 20;
/// The most that one answer reserves while it is made. This is free whenever only the cache holds memory.
const MAX_RESERVED_BYTES: usize = BUDGET_BYTES / 4;
/// The number of bytes of a permit.
const PERMIT_BYTES: usize = 1024;

pub struct AnswerMemory(Arc<Semaphore>);

/// A reservation of memory, which is returned to the budget when it is dropped, together with the answer that holds it.
pub struct Reservation(Option<OwnedSemaphorePermit>);

struct ReservedBody {
    body: Bytes,
    /// Held for as long as the body is in the cache or is being sent to a client.
    _reservation: Reservation,
}

impl AsRef<[u8]> for ReservedBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Default for AnswerMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_BYTES / PERMIT_BYTES)))
    }
}

impl AnswerMemory {
    /// Waits until `bytes` of the budget are free, in the order of the requests.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        let permits = u32::try_from(bytes.min(MAX_RESERVED_BYTES).div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        // The semaphore is never closed, so this is never `None`.
        Reservation(Arc::clone(&self.0).acquire_many_owned(permits).await.ok())
    }
}

impl Reservation {
    /// The body, with the part of the reservation that it uses. The rest is released now.
    pub fn hold(mut self, body: Bytes) -> Bytes {
        let kept = body.len().div_ceil(PERMIT_BYTES);
        let rest = self.0.as_mut().and_then(|permit| permit.split(permit.num_permits().saturating_sub(kept)));
        drop(rest);
        Bytes::from_owner(ReservedBody { body, _reservation: self })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn free(memory: &AnswerMemory) -> usize {
        memory.0.available_permits() * PERMIT_BYTES
    }

    #[tokio::test]
    async fn a_body_holds_its_own_bytes_until_its_last_copy_is_gone() {
        let memory = AnswerMemory::default();
        let reservation = memory.reserve(1 << 20).await;
        assert_eq!(free(&memory), BUDGET_BYTES - (1 << 20));
        let body = reservation.hold(Bytes::from(vec![7; 3000]));
        assert_eq!((free(&memory), body.len()), (BUDGET_BYTES - 3 * PERMIT_BYTES, 3000));
        let copy = body.clone();
        drop(body);
        assert_eq!(free(&memory), BUDGET_BYTES - 3 * PERMIT_BYTES);
        drop(copy);
        assert_eq!(free(&memory), BUDGET_BYTES);
    }

    #[tokio::test]
    async fn answers_beyond_the_budget_wait() {
        let memory = AnswerMemory::default();
        let mut held = Vec::new();
        while let Some(reservation) = memory.reserve(usize::MAX).now_or_never() {
            held.push(reservation);
        }
        assert_eq!((held.len(), free(&memory)), (BUDGET_BYTES / MAX_RESERVED_BYTES, 0));
        let waiting = memory.reserve(1);
        held.pop();
        waiting.await;
    }
}
