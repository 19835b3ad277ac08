//! Elementary functions without branches, for loops that the compiler turns into vector code. Each is generic over
//! `FMA`: with it, products and sums are fused explicitly (the caller must run on a machine that has it); without it the
//! code is portable. Range reduction by adding and subtracting a large constant, powers of two by bit patterns, special
//! values by selection at the end.

use super::special;

/// 1.5 · 2⁵²: adding it leaves the nearest whole number in the low bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;
/// log 2 in two parts, the first with enough trailing zeros that its products with exponents are exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

#[inline(always)]
fn multiply_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f64, highest_first: [f64; N]) -> f64 {
    let mut sum = highest_first[0];
    for &coefficient in &highest_first[1..] {
        sum = multiply_add::<FMA>(sum, x, coefficient);
    }
    sum
}

/// e^x: 2^k times the Taylor series on |r| ≤ log(2)/2.
#[inline(always)]
pub fn exp_lane<const FMA: bool>(x: f64) -> f64 {
    let clamped = if x > 710.0 { 710.0 } else { x };
    let clamped = if clamped < -746.0 { -746.0 } else { clamped };
    let shifted = multiply_add::<FMA>(clamped, std::f64::consts::LOG2_E, SHIFT);
    let exponent = shifted.to_bits().wrapping_sub(SHIFT.to_bits()) as i64;
    let k = shifted - SHIFT;
    let r = multiply_add::<FMA>(k, -LN2_HIGH, clamped);
    let r = multiply_add::<FMA>(k, -LN2_LOW, r);
    let p = polynomial::<FMA, 12>(
        r,
        [
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
        ],
    );
    let p = 1.0 + multiply_add::<FMA>(p * r, r, r);
    // In two steps, so that subnormal results are reached.
    let half = exponent >> 1;
    let first = f64::from_bits(((half + 1023) as u64) << 52);
    let second = f64::from_bits(((exponent - half + 1023) as u64) << 52);
    let value = p * first * second;
    let value = if x > 709.782_712_893_384 {
        f64::INFINITY
    } else {
        value
    };
    let value = if x < -745.2 { 0.0 } else { value };
    if x.is_nan() { x } else { value }
}

/// log x: the series of the inverse hyperbolic tangent on a mantissa in [1/√2, √2).
#[inline(always)]
pub fn log_lane<const FMA: bool>(x: f64) -> f64 {
    let is_subnormal = x < f64::MIN_POSITIVE;
    let scaled = if is_subnormal {
        x * 18_014_398_509_481_984.0
    } else {
        x
    };
    let offset = if is_subnormal { -54.0 } else { 0.0 };
    let above = scaled
        .to_bits()
        .wrapping_sub(std::f64::consts::FRAC_1_SQRT_2.to_bits());
    let exponent = (above as i64) >> 52;
    let mantissa = f64::from_bits(scaled.to_bits().wrapping_sub((exponent as u64) << 52));
    let k = f64::from_bits((exponent as u64).wrapping_add(SHIFT.to_bits())) - SHIFT + offset;
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    // log(1 + f) = 2 s + s z R, and 2 s = f − s f, which keeps the leading term exact.
    let rest = polynomial::<FMA, 10>(
        z,
        [
            2.0 / 21.0,
            2.0 / 19.0,
            2.0 / 17.0,
            2.0 / 15.0,
            2.0 / 13.0,
            2.0 / 11.0,
            2.0 / 9.0,
            2.0 / 7.0,
            2.0 / 5.0,
            2.0 / 3.0,
        ],
    );
    let correction = s * (f - z * rest) - k * LN2_LOW;
    let value = k * LN2_HIGH + (f - correction);
    let value = if x == f64::INFINITY { x } else { value };
    let value = if x == 0.0 { f64::NEG_INFINITY } else { value };
    if x < 0.0 || x.is_nan() {
        f64::NAN
    } else {
        value
    }
}

/// log(1 + x): the rounding of 1 + x is put back to first order.
#[inline(always)]
pub fn log1p_lane<const FMA: bool>(x: f64) -> f64 {
    let sum = 1.0 + x;
    let lost = if x > 1.0 {
        1.0 - (sum - x)
    } else {
        x - (sum - 1.0)
    };
    let logarithm = log_lane::<FMA>(sum);
    let corrected = logarithm + lost / sum;
    if sum == f64::INFINITY || x <= -1.0 {
        logarithm
    } else {
        corrected
    }
}

/// e^x − 1
#[inline(always)]
pub fn expm1_lane<const FMA: bool>(x: f64) -> f64 {
    special::expm1(x)
}

/// 1 / (1 + e^−x)
#[inline(always)]
pub fn logistic_lane<const FMA: bool>(x: f64) -> f64 {
    1.0 / (1.0 + exp_lane::<FMA>(-x))
}

/// log(1 + e^x)
#[inline(always)]
pub fn log1p_exp_lane<const FMA: bool>(x: f64) -> f64 {
    let positive = if x > 0.0 { x } else { 0.0 };
    let value = positive + log1p_lane::<FMA>(exp_lane::<FMA>(-x.abs()));
    if x.is_nan() { x } else { value }
}

/// log |Γ(x)|
#[inline(always)]
pub fn lgamma_lane<const FMA: bool>(x: f64) -> f64 {
    special::lgamma(x)
}

/// The derivative of log Γ.
#[inline(always)]
pub fn digamma_lane<const FMA: bool>(x: f64) -> f64 {
    special::digamma(x)
}

/// The sine.
#[inline(always)]
pub fn sin_lane<const FMA: bool>(x: f64) -> f64 {
    special::sin(x)
}

/// The cosine.
#[inline(always)]
pub fn cos_lane<const FMA: bool>(x: f64) -> f64 {
    special::cos(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(
        name: &str,
        lane: fn(f64) -> f64,
        reference: fn(f64) -> f64,
        points: impl Iterator<Item = f64>,
        ulps: f64,
    ) {
        for x in points {
            let (value, truth) = (lane(x), reference(x));
            let same = value == truth || (value.is_nan() && truth.is_nan());
            let near =
                (value - truth).abs() <= ulps * f64::EPSILON * truth.abs().max(f64::MIN_POSITIVE);
            assert!(same || near, "{name}({x:e}) = {value:e}, not {truth:e}");
        }
    }

    fn special_points() -> Vec<f64> {
        vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
        ]
    }

    /// `libm` is the independent reference; it is within one unit in the last place.
    #[test]
    fn lanes_agree_with_libm() {
        let wide = || {
            (-7400..=7100)
                .map(|i| f64::from(i) * 0.1 + 0.013)
                .chain(special_points())
        };
        agree("exp", exp_lane::<false>, libm::exp, wide(), 2.0);
        agree(
            "log1p_exp",
            log1p_exp_lane::<false>,
            special::log1p_exp,
            wide(),
            4.0,
        );
        agree(
            "logistic",
            logistic_lane::<false>,
            special::logistic,
            wide().filter(|x| *x > -700.0),
            4.0,
        );
        let positive = || {
            (-3000..3000)
                .map(|i| libm::exp2(f64::from(i) * 0.34 + 0.01))
                .chain(special_points())
        };
        agree("log", log_lane::<false>, libm::log, positive(), 2.0);
        let near_one = (-999..1000).map(|i| 1.0 + f64::from(i) * 1e-4);
        agree("log", log_lane::<false>, libm::log, near_one, 2.0);
        let small = (-999..1000).map(|i| f64::from(i) * 1e-3).chain(positive());
        agree("log1p", log1p_lane::<false>, libm::log1p, small, 3.0);
    }
}
