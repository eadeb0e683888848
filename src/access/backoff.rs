//! Addresses from which authentication fails again and again have to wait, each time twice as long.
//!
//! Many people may share an address, so that a few texts a second are looked at even while it waits: one that is genuine
//! lets its holder in, and one that is not says nothing but to wait. Nobody guesses a key of 256 random bits or a
//! signature at that rate.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

/// Anybody mistypes a key or lets one go stale: this many failures cost nothing.
const FREE_FAILURES: u32 = 5;
/// After the first failure that is not free; doubled by each further one.
const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(1);
const MAX_DELAY: SignedDuration = SignedDuration::from_secs(300);
/// Texts a second that are looked at for an address that has to wait.
const LOOKS_A_SECOND: u32 = 4;
/// An address that has not failed for so long starts anew.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// The most addresses that are remembered, some hundred bytes each. Where more of them fail, those that failed longest
/// ago are forgotten.
const MAX_ADDRESSES: usize = 10_000;

#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
    wait_until: Timestamp,
    /// Texts looked at during the wait, in the second that began at the time beside it.
    looks: (u32, Timestamp),
}

impl Backoff {
    /// How long the address has to wait still, if it has to.
    pub fn wait(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let failures = self.lock().get(&network(address)).copied()?;
        Duration::try_from(failures.wait_until.duration_since(now)).ok().filter(|wait| !wait.is_zero())
    }

    /// Whether a text may be looked at though the address has to wait. Counts it as looked at.
    pub fn may_look(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut addresses = self.lock();
        let Some(Failures { looks: (count, since), .. }) = addresses.get_mut(&network(address)) else {
            return true;
        };
        if now.duration_since(*since) >= SignedDuration::from_secs(1) {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        *count <= LOOKS_A_SECOND
    }

    /// Lets the address wait for other reasons than failures.
    pub fn hold_up(&self, address: IpAddr, now: Timestamp, wait: Duration) {
        let wait = SignedDuration::try_from(wait).unwrap_or(MAX_DELAY).min(MAX_DELAY);
        let until = now.saturating_add(wait).unwrap_or(now);
        let mut addresses = self.lock();
        let failures = of(&mut addresses, address, now);
        failures.wait_until = failures.wait_until.max(until);
    }

    pub fn failed(&self, address: IpAddr, now: Timestamp) {
        let mut addresses = self.lock();
        let failures = of(&mut addresses, address, now);
        if is_forgotten(failures, now) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if let Some(doublings) = failures.count.checked_sub(FREE_FAILURES + 1) {
            let delay = FIRST_DELAY.checked_mul(1_i32.checked_shl(doublings.min(30)).unwrap_or(i32::MAX));
            let delay = delay.map_or(MAX_DELAY, |delay| delay.min(MAX_DELAY));
            failures.wait_until = now.saturating_add(delay).unwrap_or(now);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(addresses: &mut HashMap<IpAddr, Failures>, address: IpAddr, now: Timestamp) -> &mut Failures {
    let address = network(address);
    if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&address) {
        make_room(addresses, now);
    }
    let none = Failures { count: 0, last: now, wait_until: now, looks: (0, now) };
    addresses.entry(address).or_insert(none)
}

fn is_forgotten(failures: &Failures, now: Timestamp) -> bool {
    now.duration_since(failures.last) >= FORGOTTEN_AFTER
}

/// Forgets what is to be forgotten, or else the tenth that failed longest ago: not one by one, as each time takes a look
/// at all.
fn make_room(addresses: &mut HashMap<IpAddr, Failures>, now: Timestamp) {
    addresses.retain(|_, failures| !is_forgotten(failures, now));
    if addresses.len() >= MAX_ADDRESSES {
        let mut times: Vec<_> = addresses.values().map(|failures| failures.last).collect();
        let (_, threshold, _) = times.select_nth_unstable(MAX_ADDRESSES / 10);
        let threshold = *threshold;
        let mut surplus = MAX_ADDRESSES / 10;
        addresses.retain(|_, failures| {
            let goes = surplus > 0 && failures.last <= threshold;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

/// What counts as one address: an IPv4 address, also when it is written as IPv6; of IPv6 the /64 network, because whoever
/// has one of its addresses has them all.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn delays_double_up_to_five_minutes_and_are_forgotten() {
        let (backoff, address) = (Backoff::default(), address("192.0.2.1"));
        let mut delays = Vec::new();
        for _ in 0..17 {
            backoff.failed(address, START);
            delays.push(backoff.wait(address, START).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(delays, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(backoff.wait(address, START + 299.seconds()), Some(Duration::from_secs(1)));
        assert_eq!(backoff.wait(address, START + 300.seconds()), None);

        backoff.failed(address, START + 301.seconds());
        assert!(backoff.wait(address, START + 301.seconds()).is_some(), "not forgotten yet");
        backoff.failed(address, START + 301.seconds() + 15.minutes());
        assert_eq!(backoff.wait(address, START + 301.seconds() + 15.minutes()), None);
    }

    #[test]
    fn a_few_are_looked_at_each_second_of_the_wait() {
        let (backoff, address) = (Backoff::default(), address("192.0.2.1"));
        for _ in 0..10 {
            backoff.failed(address, START);
        }
        for second in 0..3 {
            let now = START + second.seconds() + 999.milliseconds();
            let looks = (0..100).filter(|_| backoff.may_look(address, now)).count();
            assert_eq!(looks, LOOKS_A_SECOND as usize);
        }
    }

    #[test]
    fn whoever_is_held_up_waits_that_long_and_has_not_failed() {
        let (backoff, address) = (Backoff::default(), address("192.0.2.1"));
        backoff.hold_up(address, START, Duration::from_secs(2));
        assert_eq!(backoff.wait(address, START), Some(Duration::from_secs(2)));
        for _ in 0..FREE_FAILURES {
            backoff.failed(address, START + 2.seconds());
            assert_eq!(backoff.wait(address, START + 2.seconds()), None);
        }
        backoff.failed(address, START + 2.seconds());
        backoff.hold_up(address, START + 2.seconds(), Duration::from_millis(1));
        assert_eq!(backoff.wait(address, START + 2.seconds()), Some(Duration::from_secs(1)), "no shorter");
    }

    #[test]
    fn a_network_is_one_address() {
        let backoff = Backoff::default();
        for last in 0..6 {
            backoff.failed(address(&format!("2001:db8::{last}")), START);
        }
        assert!(backoff.wait(address("2001:db8::ffff"), START).is_some());
        assert!(backoff.wait(address("2001:db8:0:1::"), START).is_none());
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_the_latest_are_kept() {
        let backoff = Backoff::default();
        for number in 0..3 * MAX_ADDRESSES {
            let address = IpAddr::V4(u32::try_from(number).unwrap().into());
            backoff.failed(address, START + i64::try_from(number).unwrap().milliseconds());
        }
        let addresses = backoff.lock();
        assert!(
            addresses.len() <= MAX_ADDRESSES && addresses.len() > MAX_ADDRESSES / 2,
            "{}",
            addresses.len()
        );
        assert!(addresses.contains_key(&IpAddr::V4(u32::try_from(3 * MAX_ADDRESSES - 1).unwrap().into())));
    }
}
