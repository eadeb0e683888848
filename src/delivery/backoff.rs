//! The time of the next attempt to deliver a notification.

use jiff::{SignedDuration, Timestamp};

use crate::store::AfterAttempt;

/// The pause after the first failure. It doubles with each further one, up to [`MAX_PAUSE`].
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);
pub const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// Decides whether a notification of `created_at` is tried again after its attempt `number` has failed at `now`, and when.
pub fn after_failure(
    created_at: Timestamp,
    number: i64,
    now: Timestamp,
    give_up_after: SignedDuration,
) -> AfterAttempt {
    // More doublings than these exceed the maximum.
    let doublings = u32::try_from(number - 1).unwrap_or(0).min(16);
    let pause = (FIRST_PAUSE * 2_i32.pow(doublings)).min(MAX_PAUSE);
    let next = now.checked_add(pause).unwrap_or(Timestamp::MAX);
    if next.duration_since(created_at) > give_up_after {
        return AfterAttempt::GivenUp;
    }
    AfterAttempt::TryAgain(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_until_it_is_given_up() {
        let created = Timestamp::UNIX_EPOCH;
        let (mut now, mut pauses) = (created, Vec::new());
        for number in 1.. {
            match after_failure(created, number, now, SignedDuration::from_hours(24)) {
                AfterAttempt::TryAgain(next) => {
                    pauses.push(next.duration_since(now).as_secs());
                    now = next;
                }
                after => {
                    assert_eq!(after, AfterAttempt::GivenUp);
                    break;
                }
            }
        }
        assert_eq!(pauses[..12], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        let hours = now.duration_since(created).as_hours();
        assert!((22..=23).contains(&hours), "{hours}");
    }
}
