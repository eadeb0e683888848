//! How many exports may flow at once, in total and for each principal, so that one principal leaves some to others.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

pub struct ConcurrencyLimit {
    total: usize,
    per_principal: usize,
    /// The number of permits by the principal's subject, only of principals that hold one.
    held: Mutex<HashMap<Arc<str>, usize>>,
}

/// A permit, which is returned when it is dropped.
pub struct Permit {
    limit: Arc<ConcurrencyLimit>,
    subject: Arc<str>,
}

/// The limit that is reached, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    PerPrincipal(usize),
    Total(usize),
}

impl ConcurrencyLimit {
    /// `total` permits, of which one principal may hold half, and at least one.
    pub fn new(total: usize) -> Self {
        Self { total, per_principal: (total / 2).max(1), held: Mutex::default() }
    }

    /// # Errors
    /// When the principal holds as many permits as one may, or when all are held.
    pub fn try_acquire(self: &Arc<Self>, subject: &Arc<str>) -> Result<Permit, LimitReached> {
        let mut held = self.held.lock();
        if held.get(subject).is_some_and(|held| *held >= self.per_principal) {
            return Err(LimitReached::PerPrincipal(self.per_principal));
        }
        if held.values().sum::<usize>() >= self.total {
            return Err(LimitReached::Total(self.total));
        }
        *held.entry(Arc::clone(subject)).or_default() += 1;
        Ok(Permit { limit: Arc::clone(self), subject: Arc::clone(subject) })
    }

    /// How many permits are held.
    pub fn held(&self) -> usize {
        self.held.lock().values().sum()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.limit.held.lock();
        if let Some(count) = held.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_has_half_of_the_permits_and_dropped_ones_are_free_again() {
        let limit = Arc::new(ConcurrencyLimit::new(5));
        let [one, two, three] = ["user:1", "user:2", "user:3"].map(Arc::<str>::from);
        let first = limit.try_acquire(&one).ok();
        let _others = [&one, &two, &two].map(|subject| limit.try_acquire(subject).ok().unwrap());
        assert_eq!(limit.try_acquire(&one).err(), Some(LimitReached::PerPrincipal(2)));
        let _last = limit.try_acquire(&three).ok().unwrap();
        assert_eq!((limit.try_acquire(&three).err(), limit.held()), (Some(LimitReached::Total(5)), 5));
        drop(first);
        assert_eq!(limit.held(), 4);
        assert!(limit.try_acquire(&one).is_ok());
    }

    #[test]
    fn a_single_permit_can_be_taken_and_principals_without_permits_are_forgotten() {
        let (limit, one) = (Arc::new(ConcurrencyLimit::new(1)), Arc::<str>::from("user:1"));
        drop(limit.try_acquire(&one).ok().unwrap());
        assert!(limit.held.lock().is_empty());
    }
}
