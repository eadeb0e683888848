//! Permits of which nobody holds more than a share, so that one who takes their time leaves some to others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// So many permits; half of them, and one at least, may be held by one holder.
pub struct Shares {
    total: usize,
    held: Mutex<HashMap<Arc<str>, usize>>,
}

/// Given back when it is dropped.
pub struct Share {
    of: Arc<Shares>,
    holder: Arc<str>,
}

/// Why there is none to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The holder has as many as one may have: so many.
    ByHolder(usize),
    /// All are held: so many.
    ByAll(usize),
}

impl Shares {
    pub fn new(total: usize) -> Self {
        Self { total, held: Mutex::default() }
    }

    /// # Errors
    /// When `holder` has as many as one may have, or all are held.
    pub fn try_take(self: &Arc<Self>, holder: &Arc<str>) -> Result<Share, Taken> {
        let most = (self.total / 2).max(1);
        let mut held = self.lock();
        if held.get(holder).is_some_and(|held| *held >= most) {
            return Err(Taken::ByHolder(most));
        }
        if held.values().sum::<usize>() >= self.total {
            return Err(Taken::ByAll(self.total));
        }
        *held.entry(Arc::clone(holder)).or_default() += 1;
        Ok(Share { of: Arc::clone(self), holder: Arc::clone(holder) })
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.of.lock();
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_has_half_and_what_is_given_back_can_be_taken_again() {
        let shares = Arc::new(Shares::new(5));
        let [one, two, three] = ["user:1", "user:2", "user:3"].map(Arc::<str>::from);
        let first = shares.try_take(&one).ok();
        let _others = [&one, &two, &two].map(|holder| shares.try_take(holder).ok().unwrap());
        assert_eq!(shares.try_take(&one).err(), Some(Taken::ByHolder(2)));
        let _last = shares.try_take(&three).ok().unwrap();
        assert_eq!((shares.try_take(&three).err(), shares.held()), (Some(Taken::ByAll(5)), 5));
        drop(first);
        assert_eq!(shares.held(), 4);
        assert!(shares.try_take(&one).is_ok());
    }

    #[test]
    fn nobody_is_left_with_none_and_nobody_is_remembered() {
        let (shares, one) = (Arc::new(Shares::new(1)), Arc::<str>::from("user:1"));
        drop(shares.try_take(&one).ok().unwrap());
        assert!(shares.lock().is_empty());
    }
}
