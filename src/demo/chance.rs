//! Chances that simulated people take.

use fastrand::Rng;

/// A whole number whose mean is `mean`.
pub fn about(random: &mut Rng, mean: f64) -> usize {
    (mean + random.f64()) as usize
}

/// An index below `len`, which is not 0; low ones far more often than high ones.
pub fn skewed(random: &mut Rng, len: usize) -> usize {
    let share = random.f64().powi(2);
    ((share * len as f64) as usize).min(len - 1)
}
