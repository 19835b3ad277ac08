//! From weighted particles to equal ones. Every scheme gives particle n, on average, exactly `count`·W_n offspring; they
//! differ in how much the numbers scatter around that. SSP, pairwise pivotal sampling (Srinivasan 2001; Gerber, Chopin
//! & Whiteley 2019), scatters least, always between the whole numbers next to it, and is consistent.

use crate::random::Stream;

/// How ancestors are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resampling {
    /// Srinivasan's sampling process.
    #[default]
    Ssp,
    /// One uniform number for a comb of equal teeth.
    Systematic,
    /// A uniform number for each tooth.
    Stratified,
    /// Whole parts first, the rest multinomially.
    Residual,
    /// Independent choices.
    Multinomial,
}

impl Resampling {
    /// The ancestors of `count` offspring, in rising order, by weights that need not sum to one.
    pub fn ancestors(self, weights: &[f64], count: usize, stream: &mut Stream) -> Vec<usize> {
        let total: f64 = weights.iter().sum();
        let expected: Vec<f64> = weights.iter().map(|w| w / total * count as f64).collect();
        let offspring = match self {
            Resampling::Ssp => ssp(&expected, stream),
            Resampling::Systematic => {
                let offset = stream.uniform();
                comb(&expected, count, |_| offset)
            }
            Resampling::Stratified => comb(&expected, count, |_| stream.uniform()),
            Resampling::Residual => residual(&expected, count, stream),
            Resampling::Multinomial => multinomial(&expected, count, stream),
        };
        let mut ancestors = Vec::with_capacity(count);
        for (particle, &number) in offspring.iter().enumerate() {
            ancestors.extend(std::iter::repeat_n(particle, number));
        }
        ancestors
    }
}

/// Settles two fractions at a time: one is raised and the other lowered until one is whole, in the direction that keeps
/// both expectations.
fn ssp(expected: &[f64], stream: &mut Stream) -> Vec<usize> {
    let mut offspring: Vec<usize> = expected.iter().map(|e| e.floor() as usize).collect();
    let mut open: Option<(usize, f64)> = None;
    for (next, e) in expected.iter().enumerate() {
        let mut b = e - e.floor();
        if b <= 0.0 {
            continue;
        }
        let Some((first, mut a)) = open.take() else {
            open = Some((next, b));
            continue;
        };
        let (up, down) = (b.min(1.0 - a), a.min(1.0 - b));
        if stream.uniform() * (up + down) < down {
            (a, b) = (a + up, if up == b { 0.0 } else { b - up });
        } else {
            (a, b) = (if down == a { 0.0 } else { a - down }, b + down);
        }
        let near_one = |fraction: f64| fraction > 1.0 - 1e-12;
        if a <= 0.0 || near_one(a) {
            offspring[first] += usize::from(near_one(a));
            open = (b > 0.0 && !near_one(b)).then_some((next, b));
            offspring[next] += usize::from(near_one(b));
        } else {
            offspring[next] += usize::from(near_one(b));
            open = Some((first, a));
        }
    }
    // What is left is whole but for rounding.
    if let Some((last, fraction)) = open {
        offspring[last] += usize::from(fraction > 0.5);
    }
    offspring
}

/// Offspring of the particles under whose share of [0, count) the teeth k + offset(k) fall.
fn comb(expected: &[f64], count: usize, mut offset: impl FnMut(usize) -> f64) -> Vec<usize> {
    let mut offspring = vec![0; expected.len()];
    let mut particle = 0;
    let mut end = expected.first().copied().unwrap_or(0.0);
    for tooth in 0..count {
        let place = tooth as f64 + offset(tooth);
        while place > end && particle + 1 < expected.len() {
            particle += 1;
            end += expected[particle];
        }
        offspring[particle] += 1;
    }
    offspring
}

fn residual(expected: &[f64], count: usize, stream: &mut Stream) -> Vec<usize> {
    let mut offspring: Vec<usize> = expected.iter().map(|e| e.floor() as usize).collect();
    let left = count.saturating_sub(offspring.iter().sum());
    let rest: Vec<f64> = expected.iter().map(|e| e - e.floor()).collect();
    for (own, more) in offspring.iter_mut().zip(multinomial(&rest, left, stream)) {
        *own += more;
    }
    offspring
}

fn multinomial(expected: &[f64], count: usize, stream: &mut Stream) -> Vec<usize> {
    let total: f64 = expected.iter().sum();
    let mut points: Vec<f64> = (0..count).map(|_| stream.uniform() * total).collect();
    points.sort_by(f64::total_cmp);
    let mut offspring = vec![0; expected.len()];
    let (mut particle, mut end) = (0, expected.first().copied().unwrap_or(0.0));
    for point in points {
        while point > end && particle + 1 < expected.len() {
            particle += 1;
            end += expected[particle];
        }
        offspring[particle] += 1;
    }
    offspring
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    const ALL: [Resampling; 5] = [
        Resampling::Ssp,
        Resampling::Systematic,
        Resampling::Stratified,
        Resampling::Residual,
        Resampling::Multinomial,
    ];

    /// The mean number of offspring is count·W for every particle and scheme, and there are always `count` of them.
    #[test]
    fn offspring_are_unbiased() {
        let weights = [0.02, 0.3, 0.0, 0.11, 0.25, 0.07, 0.05, 0.2];
        for scheme in ALL {
            let mut stream = Stream::new(3, Purpose::Test, 0);
            let rounds = 40_000;
            let mut sums = [0.0; 8];
            let mut squares = [0.0; 8];
            for _ in 0..rounds {
                let mut offspring = [0.0; 8];
                let ancestors = scheme.ancestors(&weights, 5, &mut stream);
                assert_eq!(ancestors.len(), 5, "{scheme:?}");
                ancestors.iter().for_each(|&a| offspring[a] += 1.0);
                for (n, count) in offspring.iter().enumerate() {
                    sums[n] += count;
                    squares[n] += count * count;
                }
            }
            for (n, weight) in weights.iter().enumerate() {
                let mean = sums[n] / f64::from(rounds);
                let variance = squares[n] / f64::from(rounds) - mean * mean;
                let error = (variance / f64::from(rounds)).sqrt();
                assert!(
                    (mean - 5.0 * weight).abs() <= 4.0 * error + 1e-12,
                    "{scheme:?}, particle {n}: {mean}, not {}",
                    5.0 * weight
                );
            }
        }
    }

    #[test]
    fn ssp_stays_next_to_the_expected_numbers() {
        let mut stream = Stream::new(4, Purpose::Test, 0);
        for _ in 0..200 {
            let weights: Vec<f64> = (0..50).map(|_| stream.exponential()).collect();
            let total: f64 = weights.iter().sum();
            let mut offspring = [0usize; 50];
            let ancestors = Resampling::Ssp.ancestors(&weights, 120, &mut stream);
            ancestors.iter().for_each(|&a| offspring[a] += 1);
            assert_eq!(ancestors.len(), 120);
            for (w, &number) in weights.iter().zip(&offspring) {
                let expected = w / total * 120.0;
                assert!(number as f64 >= expected.floor() && number as f64 <= expected.ceil());
            }
        }
    }
}
