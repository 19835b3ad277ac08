//! A map that straightens a funnel: one coordinate, the driver, decides how wide the others are and where they lie. With
//! θ_d the driver, θ_rest = m(θ_d) + L(θ_d) z, so that z has mean zero and unit covariance at every value of the driver. A single
//! step size then fits the whole population, where a linear map leaves the narrow end out of reach.
//!
//! Scales that are unknown make such shapes on the way from a prior to a posterior: while the likelihood counts little, a
//! regression may have any noise, and for each noise its coefficients are known that well. Means, the rows of L as correlations, their lengths and
//! L's diagonal are interpolated between knots; lengths and diagonal by their logarithms, which go on as straight lines beyond the last knots,
//! since that is how a population goes on into the narrow end.

use super::tempering::effective;
use super::whitening::{covariance, factor_towards_diagonal, moments};
use crate::math::linear::dot;

/// Knots are this many at most.
const KNOTS: usize = 6;
/// Effective particles for each number that a knot holds.
const PER_NUMBER: f64 = 4.0;
/// Corrections of the map by what the particles look like through it.
const CORRECTIONS: usize = 6;
/// Particles among which a driver is looked for.
const LOOKED_AT: usize = 512;
/// Nats by which a map has to describe the particles better than one with a single covariance, in all and for each coordinate. Logarithms of
/// widths with variance v are worth v.
const LEAST_GAIN: f64 = 0.25;
const PER_COORDINATE: f64 = 0.1;
/// Particles of a chain that tell as much as one that is independent of the others.
const CHAINED: f64 = 2.0;
/// Standard deviations of the driver beyond the last knots up to which logarithms go on.
const FARTHEST: f64 = 3.0;
/// Coordinates beyond which no driver is looked for: a knot would need more particles than there are.
const LARGEST: usize = 40;

/// The map.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditional {
    driver: usize,
    centre: f64,
    width: f64,
    /// Of the standardised driver, in rising order; at least two.
    knots: Vec<f64>,
    /// What holds at each.
    shapes: Vec<Shape>,
}

/// The distribution of the other coordinates at one value of the driver.
#[derive(Debug, Clone, PartialEq)]
struct Shape {
    mean: Vec<f64>,
    /// log L_jj
    log_diagonal: Vec<f64>,
    /// log of the length of L's row j, the standard deviation of coordinate j.
    log_deviation: Vec<f64>,
    /// Row j of L over its length; the diagonal is not used.
    direction: Vec<f64>,
}

impl Shape {
    fn new(mean: Vec<f64>, lower: &[f64]) -> Self {
        let size = mean.len();
        let mut shape = Self {
            mean,
            log_diagonal: Vec::with_capacity(size),
            log_deviation: Vec::with_capacity(size),
            direction: vec![0.0; size * size],
        };
        for j in 0..size {
            let row = &lower[j * size..j * size + j + 1];
            let length = dot::<false>(row, row).sqrt();
            shape.log_diagonal.push(libm::log(row[j]));
            shape.log_deviation.push(libm::log(length));
            for (k, value) in row[..j].iter().enumerate() {
                shape.direction[j * size + k] = value / length;
            }
        }
        shape
    }

    /// L
    fn lower(&self) -> Vec<f64> {
        let size = self.mean.len();
        let mut lower = vec![0.0; size * size];
        for j in 0..size {
            let length = libm::exp(self.log_deviation[j]);
            for k in 0..j {
                lower[j * size + k] = length * self.direction[j * size + k];
            }
            lower[j * size + j] = libm::exp(self.log_diagonal[j]);
        }
        lower
    }
}

/// What the map is at one value of the driver. Reused from position to position: it allocates once.
#[derive(Debug, Clone, Default)]
pub struct Local {
    place: Place,
    coordinates: Vec<Coordinate>,
}

/// A place between two knots.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// The knot below.
    segment: usize,
    /// From 0 at the knot below to 1 at that above; outside of that beyond the last knots.
    part: f64,
    /// One over the distance of the knots.
    rate: f64,
}

/// The mean and the row of L of one coordinate, with slopes along the standardised driver.
#[derive(Debug, Clone, Copy)]
struct Coordinate {
    mean: f64,
    mean_slope: f64,
    log_diagonal: f64,
    log_diagonal_slope: f64,
    diagonal: f64,
    deviation: f64,
    log_deviation_slope: f64,
}

impl Conditional {
    /// The map that describes weighted positions (rows of `dimension` values) best, if it follows widths that vary by more
    /// than by accident.
    pub fn find(positions: &[f64], weights: &[f64], dimension: usize) -> Option<Self> {
        if !(2..=LARGEST).contains(&dimension) {
            return None;
        }
        let numbers = numbers(dimension - 1);
        let knots = (effective(weights) / (PER_NUMBER * numbers)) as usize;
        if knots < 2 {
            return None;
        }
        let knots = knots.min(KNOTS);
        let stride = weights.len().div_ceil(LOOKED_AT);
        let rows = positions.chunks(dimension).step_by(stride);
        let some: Vec<f64> = rows.flatten().copied().collect();
        let their_weights: Vec<f64> = weights.iter().copied().step_by(stride).collect();
        let gain = |driver: usize| {
            let map = Self::of(&some, &their_weights, dimension, driver, knots)?;
            Some((map.gain(&some, &their_weights)?, driver))
        };
        let gains = (0..dimension).filter_map(gain);
        let (_, driver) = gains.max_by(|a, b| a.0.total_cmp(&b.0))?;
        let map = Self::of(positions, weights, dimension, driver, knots)?;
        let gain = map.gain(positions, weights)?;
        let by_accident = 0.5 * knots as f64 * numbers / effective(weights);
        let least = LEAST_GAIN.max(PER_COORDINATE * (dimension - 1) as f64);
        (gain > least + by_accident).then_some(map)
    }

    /// The map with a driver and the number of its knots given.
    fn of(
        positions: &[f64],
        weights: &[f64],
        dimension: usize,
        driver: usize,
        knots: usize,
    ) -> Option<Self> {
        let size = dimension - 1;
        let (mean, variance) = moments(positions, weights, dimension);
        let (centre, width) = (mean[driver], variance[driver].sqrt());
        let standard = |row: &[f64]| (row[driver] - centre) / width;
        let values: Vec<f64> = positions.chunks(dimension).map(standard).collect();
        let knots = quantiles(&values, weights, knots)?;
        let rest = |row: &[f64]| -> Vec<f64> { without(row, driver).collect() };
        let others: Vec<f64> = positions.chunks(dimension).flat_map(rest).collect();
        let shape = Shape::new(
            without(&mean, driver).collect(),
            &covariance_factor(&others, weights, size)?,
        );
        let mut map = Self {
            driver,
            centre,
            width,
            shapes: vec![shape; knots.len()],
            knots,
        };
        for _ in 0..CORRECTIONS {
            map.correct(&values, &others, weights)?;
        }
        Some(map)
    }

    /// Corrects the shape at each knot by the moments of nearby particles, as the map shows them.
    fn correct(&mut self, values: &[f64], others: &[f64], weights: &[f64]) -> Option<()> {
        let size = self.shapes[0].mean.len();
        let mut seen = vec![0.0; others.len()];
        let mut local = Local::default();
        let rows = others.chunks(size).zip(seen.chunks_mut(size));
        for (value, (row, z)) in values.iter().zip(rows) {
            self.look_at(*value, &mut local);
            self.straighten(&local, row.iter().copied(), z);
        }
        let mut near = vec![0.0; values.len()];
        for knot in 0..self.knots.len() {
            for ((near, value), weight) in near.iter_mut().zip(values).zip(weights) {
                *near = weight * self.hat(knot, *value);
            }
            let (shift, _) = moments(&seen, &near, size);
            let factor = covariance_factor(&seen, &near, size)?;
            let shape = &self.shapes[knot];
            let lower = shape.lower();
            let mut mean = shape.mean.clone();
            let mut product = vec![0.0; size * size];
            for i in 0..size {
                mean[i] += dot::<false>(&lower[i * size..=i * size + i], &shift[..=i]);
                for j in 0..=i {
                    let terms = (j..=i).map(|k| lower[i * size + k] * factor[k * size + j]);
                    product[i * size + j] = terms.sum();
                }
            }
            self.shapes[knot] = Shape::new(mean, &product);
        }
        Some(())
    }

    /// How near a value is to a knot: one there and, from the first and the last, outwards as far as the map goes on; zero
    /// at the next knots.
    fn hat(&self, knot: usize, value: f64) -> f64 {
        let at = self.knots[knot];
        let next = match value < at {
            true => knot.checked_sub(1).map(|k| self.knots[k]),
            false => self.knots.get(knot + 1).copied(),
        };
        match next {
            Some(next) => (1.0 - (value - at) / (next - at)).max(0.0),
            None => f64::from((value - at).abs() <= FARTHEST),
        }
    }

    /// The nats by which the map describes particles better, by entropies of normals, than a linear one and than one with
    /// the same means and a single covariance does: two modes have different means, and are no funnel.
    fn gain(&self, positions: &[f64], weights: &[f64]) -> Option<f64> {
        let size = self.shapes[0].mean.len();
        let mut residuals = Vec::with_capacity(weights.len() * size);
        let mut turned = Vec::with_capacity(positions.len());
        let (mut z, mut local) = (vec![0.0; size], Local::default());
        let (mut total, mut curved) = (0.0, 0.0);
        for (row, weight) in positions.chunks(size + 1).zip(weights) {
            self.look_at((row[self.driver] - self.centre) / self.width, &mut local);
            turned.push(row[self.driver]);
            for (other, coordinate) in without(row, self.driver).zip(&local.coordinates) {
                turned.push(other);
                residuals.push(other - coordinate.mean);
            }
            self.straighten(&local, without(row, self.driver), &mut z);
            let (determinant, _) = local.log_determinant();
            total += weight;
            // As far as the map is right, |z|² has the mean that it would have for a normal.
            curved += weight * (determinant + 0.5 * (dot::<false>(&z, &z) - size as f64));
        }
        let entropy = |rows: &[f64], width: usize, skipped: usize| -> Option<f64> {
            let lower = covariance_factor(rows, weights, width)?;
            let diagonal = lower.iter().step_by(width + 1).skip(skipped);
            Some(diagonal.map(|l| libm::log(*l)).sum())
        };
        let linear = entropy(&turned, size + 1, 1)?;
        let single = entropy(&residuals, size, 0)?;
        let gain = linear.min(single) - curved / total;
        gain.is_finite().then_some(gain)
    }

    /// Computes what the map is at a value of the standardised driver.
    fn look_at(&self, value: f64, local: &mut Local) {
        let last = self.knots.len() - 2;
        let above = self.knots.partition_point(|knot| *knot < value);
        let segment = above.saturating_sub(1).min(last);
        let (low, high) = (self.knots[segment], self.knots[segment + 1]);
        let place = Place {
            segment,
            part: (value - low) / (high - low),
            rate: 1.0 / (high - low),
        };
        let coordinate = |j: usize| {
            let (mean, mean_slope) = self.bounded(place, |shape| shape.mean[j]);
            let (log_diagonal, log_diagonal_slope) =
                self.logarithm(place, |shape| shape.log_diagonal[j]);
            let (log_deviation, log_deviation_slope) =
                self.logarithm(place, |shape| shape.log_deviation[j]);
            Coordinate {
                mean,
                mean_slope,
                log_diagonal,
                log_diagonal_slope,
                diagonal: libm::exp(log_diagonal),
                deviation: libm::exp(log_deviation),
                log_deviation_slope,
            }
        };
        let size = self.shapes[0].mean.len();
        local.place = place;
        local.coordinates.clear();
        local.coordinates.extend((0..size).map(coordinate));
    }

    /// A logarithm, which goes on beyond the last knots, with its slope.
    fn logarithm(&self, place: Place, value: impl Fn(&Shape) -> f64) -> (f64, f64) {
        let (low, high) = self.around(place, value);
        let margin = FARTHEST * place.rate;
        let (part, slope) = match place.part {
            part if part < -margin => (-margin, 0.0),
            part if part > 1.0 + margin => (1.0 + margin, 0.0),
            part => (part, (high - low) * place.rate),
        };
        (low + part * (high - low), slope)
    }

    /// Something that stays as it is beyond the last knots, with its slope.
    fn bounded(&self, place: Place, value: impl Fn(&Shape) -> f64) -> (f64, f64) {
        let (low, high) = self.around(place, value);
        match place.part {
            part if part <= 0.0 => (low, 0.0),
            part if part >= 1.0 => (high, 0.0),
            part => (low + part * (high - low), (high - low) * place.rate),
        }
    }

    fn around(&self, place: Place, value: impl Fn(&Shape) -> f64) -> (f64, f64) {
        let Place { segment, .. } = place;
        (
            value(&self.shapes[segment]),
            value(&self.shapes[segment + 1]),
        )
    }

    /// Entry k of row j of L over the row's length, with its slope.
    fn direction(&self, place: Place, j: usize, k: usize) -> (f64, f64) {
        let entry = j * self.shapes[0].mean.len() + k;
        self.bounded(place, |shape| shape.direction[entry])
    }

    /// z = L⁻¹ (θ − m)
    fn straighten(&self, local: &Local, others: impl Iterator<Item = f64>, z: &mut [f64]) {
        for (j, (other, at)) in others.zip(&local.coordinates).enumerate() {
            let terms = z[..j].iter().enumerate();
            let before: f64 = terms
                .map(|(k, z)| self.direction(local.place, j, k).0 * z)
                .sum();
            z[j] = (other - at.mean - at.deviation * before) / at.diagonal;
        }
    }

    /// z of θ; the driver stands at its own place.
    pub fn whiten(&self, position: &[f64], z: &mut [f64], local: &mut Local) {
        let value = (position[self.driver] - self.centre) / self.width;
        self.look_at(value, local);
        // The driver is moved to the end for the others to be a slice.
        let size = position.len() - 1;
        self.straighten(local, without(position, self.driver), &mut z[..size]);
        z[self.driver..].rotate_right(1);
        z[self.driver] = value;
    }

    /// θ of z, leaving what [`Conditional::pull`] needs in `local`.
    pub fn color(&self, z: &[f64], position: &mut [f64], local: &mut Local) {
        self.look_at(z[self.driver], local);
        for (j, at) in local.coordinates.iter().enumerate() {
            let before = without(z, self.driver).take(j).enumerate();
            let before: f64 = before
                .map(|(k, z)| self.direction(local.place, j, k).0 * z)
                .sum();
            let own = z[self.index(j)];
            position[self.index(j)] = at.mean + at.deviation * before + at.diagonal * own;
        }
        position[self.driver] = self.centre + self.width * z[self.driver];
    }

    /// The gradient in z of a log density whose gradient in θ is given, with that of log |dθ/dz|, which is returned; after
    /// [`Conditional::color`] of the same z.
    pub fn pull(&self, z: &[f64], gradient: &[f64], out: &mut [f64], local: &Local) -> f64 {
        let (log_determinant, slope) = local.log_determinant();
        out.fill(0.0);
        let mut along = slope + self.width * gradient[self.driver];
        for (j, at) in local.coordinates.iter().enumerate() {
            let g = gradient[self.index(j)];
            let (mut before, mut before_slope) = (0.0, 0.0);
            for k in 0..j {
                let (entry, entry_slope) = self.direction(local.place, j, k);
                let z = z[self.index(k)];
                before += entry * z;
                before_slope += entry_slope * z;
                out[self.index(k)] += g * at.deviation * entry;
            }
            let own = z[self.index(j)];
            out[self.index(j)] += g * at.diagonal;
            along += g
                * (at.mean_slope
                    + at.deviation * (at.log_deviation_slope * before + before_slope)
                    + at.diagonal * at.log_diagonal_slope * own);
        }
        out[self.driver] = along;
        log_determinant + libm::log(self.width)
    }

    /// The place among all coordinates of the j-th that is not the driver.
    fn index(&self, j: usize) -> usize {
        j + usize::from(j >= self.driver)
    }
}

impl Local {
    /// log |L| and its slope along the standardised driver.
    fn log_determinant(&self) -> (f64, f64) {
        let add = |sum: (f64, f64), at: &Coordinate| {
            (sum.0 + at.log_diagonal, sum.1 + at.log_diagonal_slope)
        };
        self.coordinates.iter().fold((0.0, 0.0), add)
    }
}

fn without(row: &[f64], driver: usize) -> impl Iterator<Item = f64> {
    row[..driver].iter().chain(&row[driver + 1..]).copied()
}

/// How many numbers a knot holds for certain: a mean and a deviation of each coordinate.
fn numbers(size: usize) -> f64 {
    2.0 * size as f64
}

/// Different values at equally spaced levels; `None` when there are not two.
fn quantiles(values: &[f64], weights: &[f64], count: usize) -> Option<Vec<f64>> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let total: f64 = weights.iter().sum();
    let mut knots: Vec<f64> = Vec::with_capacity(count);
    let mut below = 0.0;
    for n in order {
        below += weights[n];
        let level = (knots.len() as f64 + 0.5) / count as f64;
        if below >= level * total {
            if knots.last().is_none_or(|last| values[n] > last + 1e-6) {
                knots.push(values[n]);
            }
            if knots.len() == count {
                break;
            }
        }
    }
    (knots.len() >= 2).then_some(knots)
}

/// The lower factor of the covariance of weighted rows. Correlations are drawn towards zero by as much of their squares as
/// chance explains (Schäfer and Strimmer 2005).
fn covariance_factor(rows: &[f64], weights: &[f64], size: usize) -> Option<Vec<f64>> {
    let (mean, variance) = moments(rows, weights, size);
    let covariance = covariance(rows, weights, &mean);
    let independent = effective(weights) / CHAINED;
    let (mut squares, mut chance) = (0.0, 0.0);
    for i in 0..size {
        for j in 0..i {
            let square = covariance[i * size + j].powi(2) / (variance[i] * variance[j]);
            squares += square;
            chance += (1.0 - square).max(0.0).powi(2) / independent;
        }
    }
    let kept = 1.0 - (chance / squares.max(1e-300)).min(1.0);
    factor_towards_diagonal(covariance, &variance, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    /// A driver with two coordinates that are as wide as its exponential, correlated.
    fn funnel(count: usize) -> Vec<f64> {
        let mut stream = Stream::new(1, Purpose::Test, 0);
        let mut positions = Vec::with_capacity(3 * count);
        for _ in 0..count {
            let driver = 2.0 * stream.normal();
            let (a, b) = (stream.normal(), stream.normal());
            let scale = libm::exp(driver);
            let correlated = 3.0 * scale * (0.8 * a + 0.6 * b);
            positions.extend([2.0 + scale * a, driver, correlated]);
        }
        positions
    }

    #[test]
    fn a_funnel_is_found_and_straightened() {
        let positions = funnel(4000);
        let map = Conditional::find(&positions, &vec![1.0; 4000], 3).expect("a funnel");
        assert_eq!(map.driver, 1);
        // A normal as wide as the mouth describes the neck badly, by several nats.
        let gain = map.gain(&positions, &vec![1.0; 4000]).unwrap();
        assert!(gain > 4.0, "{gain}");
        println!("{map:#?}");
        let (mut z, mut back) = (vec![0.0; 3], vec![0.0; 3]);
        let mut local = Local::default();
        // Sums of squares and products for low, middle and high values of the driver.
        let mut sums = [[0.0; 4]; 3];
        for row in positions.chunks(3) {
            map.whiten(row, &mut z, &mut local);
            map.color(&z, &mut back, &mut local);
            for (a, b) in row.iter().zip(&back) {
                assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()));
            }
            let third = match z[1] {
                // Beyond the last knots scales do not go on for ever.
                z if z.abs() > 2.3 => continue,
                z if z < -0.6 => 0,
                z if z < 0.6 => 1,
                _ => 2,
            };
            let terms = [1.0, z[0] * z[0], z[2] * z[2], z[0] * z[2]];
            sums[third].iter_mut().zip(terms).for_each(|(s, t)| *s += t);
        }
        for [count, first, second, product] in sums {
            assert!((first / count - 1.0).abs() < 0.25, "{}", first / count);
            assert!((second / count - 1.0).abs() < 0.25, "{}", second / count);
            assert!((product / count).abs() < 0.15, "{}", product / count);
        }
    }

    #[test]
    fn gradients_are_those_of_the_density_in_z() {
        let positions = funnel(2000);
        let map = Conditional::find(&positions, &vec![1.0; 2000], 3).unwrap();
        // log p = sin θ_0 + θ_1 θ_2
        let density = |z: &[f64]| {
            let (mut q, mut local) = (vec![0.0; 3], Local::default());
            map.color(z, &mut q, &mut local);
            let mut out = vec![0.0; 3];
            let gradient = [libm::cos(q[0]), q[2], q[1]];
            let added = map.pull(z, &gradient, &mut out, &local);
            (libm::sin(q[0]) + q[1] * q[2] + added, out)
        };
        for z in [
            [0.3, 0.2, -0.4],
            [-1.0, -1.3, 0.6],
            [0.5, 1.9, -0.2],
            [0.1, 5.0, 0.3],
        ] {
            let (_, gradient) = density(&z);
            for i in 0..3 {
                let step = 1e-6;
                let (mut low, mut high) = (z, z);
                low[i] -= step;
                high[i] += step;
                let slope = (density(&high).0 - density(&low).0) / (2.0 * step);
                let scale = 1.0 + slope.abs();
                assert!(
                    (slope - gradient[i]).abs() < 1e-5 * scale,
                    "{slope} {gradient:?}"
                );
            }
        }
        // What is added is the log of the volume that z's neighbourhood takes in θ.
        let z = [0.3, 0.2, -0.4];
        let (mut jacobian, mut local) = ([[0.0; 3]; 3], Local::default());
        for i in 0..3 {
            let (mut low, mut high) = (z, z);
            low[i] -= 1e-6;
            high[i] += 1e-6;
            let (mut below, mut above) = (vec![0.0; 3], vec![0.0; 3]);
            map.color(&low, &mut below, &mut local);
            map.color(&high, &mut above, &mut local);
            for j in 0..3 {
                jacobian[j][i] = (above[j] - below[j]) / 2e-6;
            }
        }
        let [a, b, c] = jacobian;
        let determinant = a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0]);
        map.color(&z, &mut [0.0; 3], &mut local);
        let added = map.pull(&z, &[0.0; 3], &mut [0.0; 3], &local);
        assert!((added - determinant.abs().ln()).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_funnel_is_left_alone() {
        let mut stream = Stream::new(2, Purpose::Test, 0);
        let mut positions = Vec::new();
        for _ in 0..2000 {
            let (a, b, c) = (stream.normal(), stream.normal(), stream.normal());
            positions.extend([a, 0.9 * a + 0.1 * b, 1e3 * c]);
        }
        assert_eq!(Conditional::find(&positions, &vec![1.0; 2000], 3), None);
    }
}
