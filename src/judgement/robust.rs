//! Statistics of weighted values.

/// A value and its weight, which is positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighted {
    pub value: f64,
    pub weight: u32,
}

/// Scales a median absolute deviation to the standard deviation of a normal distribution: 1 / Φ⁻¹(3/4).
const MAD_TO_DEVIATION: f64 = 1.482_602_218_505_602;
/// Scales a mean absolute deviation to the standard deviation of a normal distribution: √(π/2).
const MEAN_AD_TO_DEVIATION: f64 = 1.253_314_137_315_500_3;

/// The weighted median: the smallest value at which the weights of the values up to it reach half of all weights; where they
/// are exactly half, the mean of this value and the next one. `None` without values. Sorts the values.
pub fn weighted_median(values: &mut [Weighted]) -> Option<f64> {
    values.sort_unstable_by(|one, other| one.value.total_cmp(&other.value));
    let all: u32 = values.iter().map(|value| value.weight).sum();
    let mut sum = 0;
    for (index, Weighted { value, weight }) in values.iter().enumerate() {
        sum += weight;
        if 2 * sum > all {
            return Some(*value);
        }
        if 2 * sum == all {
            // Halved first, because the sum of two large values is infinite.
            let next = values.get(index + 1).map_or(*value, |next| next.value);
            return Some(value / 2.0 + next / 2.0);
        }
    }
    None
}

/// The standard deviation of residuals, estimated by their median absolute deviation from 0; where that is 0, because more than
/// half of them are 0, by their mean absolute deviation.
pub fn robust_deviation(residuals: &[Weighted]) -> f64 {
    let mut sizes: Vec<_> =
        residuals.iter().map(|residual| Weighted { value: residual.value.abs(), ..*residual }).collect();
    let mad = weighted_median(&mut sizes).unwrap_or(0.0);
    if mad > 0.0 {
        return mad * MAD_TO_DEVIATION;
    }
    mean(&sizes) * MEAN_AD_TO_DEVIATION
}

/// The weighted mean; 0 without values.
pub fn mean(values: &[Weighted]) -> f64 {
    let weights: f64 = values.iter().map(|value| f64::from(value.weight)).sum();
    if weights == 0.0 {
        return 0.0;
    }
    // Each is divided before they are added, because a sum of large values is infinite.
    values.iter().map(|value| value.value * (f64::from(value.weight) / weights)).sum()
}

/// The standard deviation of a sample with reliability weights, without bias for equal weights; 0 of fewer than two values.
pub fn standard_deviation(values: &[Weighted], mean: f64) -> f64 {
    let weights: f64 = values.iter().map(|value| f64::from(value.weight)).sum();
    let squares: f64 = values.iter().map(|value| f64::from(value.weight).powi(2)).sum();
    let degrees = weights - squares / weights;
    if values.len() < 2 || degrees <= 0.0 {
        return 0.0;
    }
    let sum: f64 = values.iter().map(|value| f64::from(value.weight) * (value.value - mean).powi(2)).sum();
    (sum / degrees).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weighted(values: &[(f64, u32)]) -> Vec<Weighted> {
        values.iter().map(|(value, weight)| Weighted { value: *value, weight: *weight }).collect()
    }

    /// As if each value occurred as often as its weight says.
    fn repeated(values: &[(f64, u32)]) -> Vec<f64> {
        let mut repeated: Vec<_> =
            values.iter().flat_map(|(value, weight)| vec![*value; *weight as usize]).collect();
        repeated.sort_by(f64::total_cmp);
        repeated
    }

    #[test]
    fn most_residuals_of_zero_are_judged_by_their_mean() {
        let residuals = weighted(&[(0.0, 1), (0.0, 1), (0.0, 1), (-4.0, 1)]);
        assert!((robust_deviation(&residuals) - MEAN_AD_TO_DEVIATION).abs() < 1e-12);
        assert!(robust_deviation(&weighted(&[(0.0, 3)])).abs() < f64::EPSILON);
    }

    #[test]
    fn deviations_of_equal_weights_are_those_of_a_sample() {
        let values = weighted(&[(2.0, 7), (4.0, 7), (9.0, 7)]);
        assert!((mean(&values) - 5.0).abs() < 1e-12);
        assert!((standard_deviation(&values, 5.0) - 13.0_f64.sqrt()).abs() < 1e-12);
        assert!(standard_deviation(&values[..1], 2.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn a_weighted_median_is_that_of_the_repeated_values(
            values in prop::collection::vec((-1000..1000_i32, 1..6_u32), 1..20)
        ) {
            let values: Vec<_> = values.into_iter().map(|(value, weight)| (f64::from(value), weight)).collect();
            let repeated = repeated(&values);
            let middle = repeated.len() / 2;
            let expected = match repeated.len() % 2 {
                1 => repeated[middle],
                _ => repeated[middle - 1] / 2.0 + repeated[middle] / 2.0,
            };
            prop_assert_eq!(weighted_median(&mut weighted(&values)), Some(expected));
        }
    }
}
