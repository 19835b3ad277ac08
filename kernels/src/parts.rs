//! From the sums that a density program leaves to a log density. What is not finite becomes −∞ here and nowhere else.

use crate::context::FIXED_PARTS;

/// Sets the parts to what is reported (NaN becomes −∞, a part of weight zero becomes zero) and returns their weighted sum, or
/// −∞ if that is not finite. Weights are those of the soft constraints, then of the likelihood; parts are the prior, the
/// Jacobian and the likelihood, then the soft constraints.
pub fn settle(weights: &[f64], parts: &mut [f64]) -> f64 {
    let (fixed, soft) = parts.split_at_mut(FIXED_PARTS);
    let likelihood = weights[soft.len()];
    fixed[0] = not_nan(fixed[0]);
    fixed[1] = not_nan(fixed[1]);
    fixed[2] = counted(likelihood, fixed[2]);
    let mut total = fixed[0] + fixed[1];
    for (&weight, part) in weights.iter().zip(soft) {
        *part = counted(weight, *part);
        if weight != 0.0 {
            total += weight * *part;
        }
    }
    if likelihood != 0.0 {
        total += likelihood * fixed[2];
    }
    if total.is_finite() {
        total
    } else {
        f64::NEG_INFINITY
    }
}

/// A number, or −∞.
pub fn not_nan(part: f64) -> f64 {
    if part.is_nan() {
        f64::NEG_INFINITY
    } else {
        part
    }
}

/// A part as reported: zero if its weight is zero, whatever was computed.
fn counted(weight: f64, part: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { not_nan(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_weight_zero_do_not_count_and_nan_is_nothing() {
        let mut parts = [1.0, 2.0, f64::NAN, 8.0, f64::NEG_INFINITY];
        assert_eq!(settle(&[0.5, 0.0, 0.0], &mut parts), 7.0);
        assert_eq!(parts, [1.0, 2.0, 0.0, 8.0, 0.0]);
        let mut parts = [1.0, 2.0, f64::NAN];
        assert_eq!(settle(&[1.0], &mut parts), f64::NEG_INFINITY);
        assert_eq!(parts[2], f64::NEG_INFINITY);
        let mut parts = [f64::INFINITY, 0.0, 0.0];
        assert_eq!(settle(&[1.0], &mut parts), f64::NEG_INFINITY);
    }
}
