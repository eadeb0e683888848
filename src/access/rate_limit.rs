//! The rate limit: requests per minute for each subject, by the generic cell rate algorithm (the crate `governor`). A
//! subject without recent requests may make a minute's requests at once; after that, permits return one by one.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use super::{Principal, credentials::address_subject};

const MINUTE: Duration = Duration::from_secs(60);

/// After this many requests, subjects with a full quota are forgotten. Memory therefore holds at most the subjects of
/// the last minute and of this many requests.
const SWEEP_EVERY: u32 = 8192;

/// Limits how many requests per minute each subject may make.
pub struct RateLimit<C: Clock = DefaultClock> {
    limit: NonZeroU32,
    limiter: RateLimiter<Arc<str>, DashMapStateStore<Arc<str>>, C, StateInformationMiddleware>,
    clock: C,
    checks: AtomicU32,
}

/// Whether a request is allowed, and how many more the subject may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// Requests per minute.
    pub limit: u32,
    /// Requests that may be made at once after this one.
    pub remaining: u32,
    /// If the request is allowed, the time after which all `limit` requests may be made at once again; if not, the time
    /// to wait before the next request.
    pub reset_after: Duration,
}

impl RateLimit {
    /// Allows `per_minute` requests per minute for each subject; 0 is taken as 1.
    pub fn new(per_minute: u32) -> Self {
        Self::with_clock(per_minute, DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimit<C> {
    fn with_clock(per_minute: u32, clock: C) -> Self {
        let limit = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let limiter = RateLimiter::dashmap_with_clock(Quota::per_minute(limit), clock.clone())
            .with_middleware::<StateInformationMiddleware>();
        Self { limit, limiter, clock, checks: AtomicU32::new(0) }
    }

    /// Forgets subjects with a full quota, and frees their memory. The server calls this every few seconds.
    pub fn run_upkeep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// Counts a request of the principal.
    pub fn check(&self, principal: &Principal) -> Decision {
        self.count(&principal.subject)
    }

    /// Counts a request that is identified by its address only.
    pub fn check_address(&self, address: IpAddr) -> Decision {
        self.count(&address_subject(address))
    }

    fn count(&self, subject: &Arc<str>) -> Decision {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        let limit = self.limit.get();
        match self.limiter.check_key(subject) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity().min(limit);
                let reset_after = MINUTE.mul_f64(f64::from(limit - remaining) / f64::from(limit));
                Decision { allowed: true, limit, remaining, reset_after }
            }
            Err(refused) => {
                let reset_after = refused.wait_time_from(self.clock.now());
                Decision { allowed: false, limit, remaining: 0, reset_after }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::identity::{Role, Scopes};

    fn principal(subject: &str) -> Principal {
        Principal { subject: subject.into(), role: Role::Reader, scopes: Scopes::NONE }
    }

    #[test]
    fn a_minutes_requests_are_allowed_at_once_and_then_one_by_one() {
        let clock = FakeRelativeClock::default();
        let limits = RateLimit::with_clock(60, clock.clone());
        let (one, other) = (principal("user:1"), principal("user:2"));
        for remaining in (0..60).rev() {
            let decision = limits.check(&one);
            assert_eq!((decision.allowed, decision.limit, decision.remaining), (true, 60, remaining));
            assert_eq!(decision.reset_after, Duration::from_secs(u64::from(60 - remaining)));
        }
        let refused = limits.check(&one);
        let expected =
            Decision { allowed: false, limit: 60, remaining: 0, reset_after: Duration::from_secs(1) };
        assert_eq!(refused, expected);
        assert!(limits.check(&other).allowed, "other subjects are not limited");
        clock.advance(Duration::from_secs(1));
        assert!(limits.check(&one).allowed);
        assert!(!limits.check(&one).allowed);
    }

    #[test]
    fn subjects_with_a_full_quota_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limits = RateLimit::with_clock(1_000_000_000, clock.clone());
        for number in 0..3 * SWEEP_EVERY {
            limits.check(&principal(&format!("user:{number}")));
            clock.advance(Duration::from_millis(1));
        }
        assert!(limits.limiter.len() <= SWEEP_EVERY as usize, "{}", limits.limiter.len());
        clock.advance(Duration::from_secs(120));
        limits.run_upkeep();
        assert_eq!(limits.limiter.len(), 0);
    }
}
