//! Exponential backoff for addresses whose requests fail to authenticate repeatedly.
//!
//! Many people may share an address, so a few credentials per second are verified even during the backoff: a genuine
//! one is accepted, and any other is answered as if it had not been verified. A key of 256 random bits or a signature
//! cannot be guessed at that rate.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::clock::has_passed;

/// The number of failures without a delay, because people mistype keys or let them expire.
const FREE_FAILURES: u32 = 5;
/// The delay after the first failure beyond [`FREE_FAILURES`]. Each further failure doubles it, up to [`MAX_DELAY`].
const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(1);
const MAX_DELAY: SignedDuration = SignedDuration::from_secs(300);
/// The most credentials per second that are verified for an address in backoff.
const VERIFICATIONS_A_SECOND: u32 = 4;
/// The failures of an address are forgotten after this long without another failure.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// The most addresses that are remembered, at some hundred bytes each. When more addresses fail, those that failed
/// longest ago are forgotten.
const MAX_ADDRESSES: usize = 10_000;

#[derive(Debug, Default)]
pub struct Backoff(Mutex<HashMap<IpAddr, FailureHistory>>);

#[derive(Debug, Clone, Copy)]
struct FailureHistory {
    count: u32,
    last: Timestamp,
    wait_until: Timestamp,
    /// The number of credentials verified during the backoff, in the second that began at the given time.
    verifications: (u32, Timestamp),
}

impl Backoff {
    /// The remaining wait of an address that is in backoff.
    pub fn wait(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let failures = self.0.lock().get(&network(address)).copied()?;
        let wait = failures.wait_until.duration_since(now);
        // A wait longer than the maximum means that the clock was set back; it is ignored.
        (wait <= MAX_DELAY).then(|| Duration::try_from(wait).ok()).flatten().filter(|wait| !wait.is_zero())
    }

    /// Whether another credential may be verified although the address is in backoff. The call counts as one
    /// verification.
    pub fn may_verify(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut addresses = self.0.lock();
        let Some(FailureHistory { verifications: (count, since), .. }) = addresses.get_mut(&network(address))
        else {
            return true;
        };
        if has_passed(*since, SignedDuration::from_secs(1), now) {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        *count <= VERIFICATIONS_A_SECOND
    }

    /// Puts the address into backoff for a reason other than failed authentication.
    pub fn hold_up(&self, address: IpAddr, now: Timestamp, wait: Duration) {
        let wait = SignedDuration::try_from(wait).unwrap_or(MAX_DELAY).min(MAX_DELAY);
        let until = now.saturating_add(wait).unwrap_or(now);
        let mut addresses = self.0.lock();
        let failures = entry_of(&mut addresses, address, now);
        failures.wait_until = failures.wait_until.max(until);
    }

    pub fn failed(&self, address: IpAddr, now: Timestamp) {
        let mut addresses = self.0.lock();
        let failures = entry_of(&mut addresses, address, now);
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

    /// Frees the memory of addresses whose failures are forgotten. The server calls this every few seconds.
    pub fn run_upkeep(&self, now: Timestamp) {
        let mut addresses = self.0.lock();
        addresses.retain(|_, failures| !is_forgotten(failures, now));
        if addresses.capacity() > 4 * addresses.len().max(64) {
            addresses.shrink_to_fit();
        }
    }
}

fn entry_of(
    addresses: &mut HashMap<IpAddr, FailureHistory>,
    address: IpAddr,
    now: Timestamp,
) -> &mut FailureHistory {
    let address = network(address);
    if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&address) {
        make_room(addresses, now);
    }
    let no_failures = FailureHistory { count: 0, last: now, wait_until: now, verifications: (0, now) };
    addresses.entry(address).or_insert(no_failures)
}

fn is_forgotten(failures: &FailureHistory, now: Timestamp) -> bool {
    has_passed(failures.last, FORGOTTEN_AFTER, now)
}

/// Forgets the addresses whose time has passed. If there are none, it forgets the tenth that failed longest ago at
/// once, because each call iterates over all addresses.
fn make_room(addresses: &mut HashMap<IpAddr, FailureHistory>, now: Timestamp) {
    addresses.retain(|_, failures| !is_forgotten(failures, now));
    if addresses.len() >= MAX_ADDRESSES {
        let mut times: Vec<_> = addresses.values().map(|failures| failures.last).collect();
        let (_, threshold, _) = times.select_nth_unstable(MAX_ADDRESSES / 10);
        let threshold = *threshold;
        let mut surplus = MAX_ADDRESSES / 10;
        addresses.retain(|_, failures| {
            let is_forgotten = surplus > 0 && failures.last <= threshold;
            surplus -= usize::from(is_forgotten);
            !is_forgotten
        });
    }
}

/// Returns the address by which requests are counted: an IPv4 address as it is, also when it is mapped to IPv6; of an
/// IPv6 address the /64 network, because one customer usually has a whole /64.
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
    fn a_few_credentials_are_verified_each_second_of_the_backoff() {
        let (backoff, address) = (Backoff::default(), address("192.0.2.1"));
        for _ in 0..10 {
            backoff.failed(address, START);
        }
        for second in 0..3 {
            let now = START + second.seconds() + 999.milliseconds();
            let verified = (0..100).filter(|_| backoff.may_verify(address, now)).count();
            assert_eq!(verified, VERIFICATIONS_A_SECOND as usize);
        }
    }

    #[test]
    fn an_address_put_into_backoff_waits_without_counting_a_failure() {
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
    fn a_clock_that_was_set_back_ends_the_backoff() {
        let (backoff, address) = (Backoff::default(), address("192.0.2.1"));
        for _ in 0..10 {
            backoff.failed(address, START + 1.hours());
        }
        assert_eq!(backoff.wait(address, START), None);
        assert!((0..10).filter(|_| backoff.may_verify(address, START)).count() > 0);
    }

    #[test]
    fn memory_shrinks_when_addresses_are_forgotten() {
        let backoff = Backoff::default();
        for number in 0..MAX_ADDRESSES {
            backoff.failed(IpAddr::V4(u32::try_from(number).unwrap().into()), START);
        }
        backoff.run_upkeep(START + 1.minutes());
        assert_eq!(backoff.0.lock().len(), MAX_ADDRESSES);
        backoff.run_upkeep(START + 15.minutes());
        assert!(backoff.0.lock().is_empty() && backoff.0.lock().capacity() < 100);
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
        let addresses = backoff.0.lock();
        assert!(
            addresses.len() <= MAX_ADDRESSES && addresses.len() > MAX_ADDRESSES / 2,
            "{}",
            addresses.len()
        );
        assert!(addresses.contains_key(&IpAddr::V4(u32::try_from(3 * MAX_ADDRESSES - 1).unwrap().into())));
    }
}
