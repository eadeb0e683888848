//! Random numbers with the distributions of the simulation.

use fastrand::Rng;

/// Rounds `mean` up or down at random (stochastic rounding), so that the results have that mean.
pub fn round(random: &mut Rng, mean: f64) -> usize {
    (mean + random.f64()) as usize
}

/// Returns an index below `len`, which must not be 0. Low indexes are more frequent, because a uniform number is
/// squared.
pub fn skewed_index(random: &mut Rng, len: usize) -> usize {
    let share = random.f64().powi(2);
    ((share * len as f64) as usize).min(len - 1)
}
