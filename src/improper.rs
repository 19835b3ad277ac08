//! Posteriors that cannot be normalised, recognised before anything is drawn. A prior that does not integrate to one leaves that to
//! the data; where they fail too, chains wander off for ever and every number of theirs is noise. If the log density is an affine
//! function along one and the same direction wherever one starts, its exponential has no finite integral, whatever it does across:
//! then its gradients at many positions differ only across that direction. So the search is for the null space of the
//! gradients less their mean, and what it finds is confirmed by long steps. Improper posteriors of other kinds remain unnamed.

use likelier_compiler::Compiled;
use likelier_runtime::math::decompositions::{eigen_symmetric, eigen_symmetric_scratch};
use likelier_runtime::math::stack::{MemBuffer, MemStack};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::Target;

use crate::Model;
use crate::probe::Probe;

/// Models of more coordinates are not looked at.
const MOST_COORDINATES: usize = 200;
/// Gradients beyond one for each coordinate.
const MORE_GRADIENTS: usize = 8;
/// The largest eigenvalue times this is taken for zero, to be confirmed by steps.
const NULL: f64 = 1e-9;
/// Steps that confirm a direction.
const STEPS: [f64; 6] = [-100.0, -10.0, -1.0, 1.0, 10.0, 100.0];
/// Positions from which they are made.
const STARTS: usize = 5;
/// Log densities that differ by less, relative to their size, are equal.
const TOLERANCE: f64 = 1e-7;
/// A variable takes part in a direction if it moves by this much of the coordinate that moves most.
const PART: f64 = 1e-4;

impl Model {
    /// A warning that the posterior is improper, if it is seen to be: the prior does not integrate to one, and there is a direction in
    /// which nothing holds the unknowns.
    pub fn improper_warning(&self) -> Option<String> {
        let obstacle = self.evidence_obstacle()?;
        let names = unbounded(&self.compiled);
        let (what, whom) = match names.as_slice() {
            [] => return None,
            [one] => (format!("`{one}`"), "it"),
            several => {
                let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
                (format!("{} together", names.join(", ")), "one of them")
            }
        };
        Some(format!(
            "warning: the posterior is improper: nothing keeps {what} from growing without end, so draws wander off and no mean exists\n  note: {obstacle}\n  help: give {whom} a proper distribution, for example `normal(0, 10)`, or leave it out of the model"
        ))
    }
}

/// A position with the log density there, up to its constant, and its gradient.
struct Point {
    position: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// The variables that move along directions in which the density has no end.
fn unbounded(compiled: &Compiled) -> Vec<String> {
    let dimension = compiled.model.dimension();
    if dimension == 0 || dimension > MOST_COORDINATES {
        return Vec::new();
    }
    let mut probe = Probe::new(compiled);
    let mut stream = Stream::new(1, Purpose::Start, u32::MAX);
    let mut found: Vec<Point> = Vec::new();
    for number in 0..dimension + MORE_GRADIENTS {
        let mut position = probe.draw(number);
        position
            .iter_mut()
            .for_each(|q| *q += 2.0 * stream.uniform() - 1.0);
        if let Some((value, gradient)) = probe.posterior(&position) {
            found.push(Point {
                position,
                value,
                gradient,
            });
        }
    }
    if found.len() <= dimension {
        return Vec::new();
    }
    let gradients: Vec<&[f64]> = found.iter().map(|one| one.gradient.as_slice()).collect();
    let mut is_part = vec![false; dimension];
    for direction in null_directions(&gradients, dimension) {
        let mut starts = found.iter().take(STARTS);
        if starts.all(|start| is_affine(&mut probe, start, &direction)) {
            for (flag, entry) in is_part.iter_mut().zip(&direction) {
                *flag |= entry.abs() > PART;
            }
        }
    }
    let variables = compiled.inferred.iter();
    variables
        .filter(|variable| variable.unconstrained.clone().any(|k| is_part[k]))
        .map(|variable| variable.name.clone())
        .collect()
}

/// Directions along which no gradient differs from the mean of all, their largest entry 1.
fn null_directions(gradients: &[&[f64]], dimension: usize) -> Vec<Vec<f64>> {
    let count = gradients.len() as f64;
    let mut centred: Vec<Vec<f64>> = gradients.iter().map(|g| g.to_vec()).collect();
    let mut scales = vec![1.0; dimension];
    for k in 0..dimension {
        let mean = gradients.iter().map(|g| g[k]).sum::<f64>() / count;
        centred.iter_mut().for_each(|g| g[k] -= mean);
        let size = centred.iter().map(|g| g[k].abs()).fold(0.0, f64::max);
        // What is constant but for rounding is so exactly.
        match size > 1e-12 * (1.0 + mean.abs()) {
            true => scales[k] = size,
            false => centred.iter_mut().for_each(|g| g[k] = 0.0),
        }
        centred.iter_mut().for_each(|g| g[k] /= scales[k]);
    }
    let mut products = vec![0.0; dimension * dimension];
    for g in &centred {
        for i in 0..dimension {
            for j in 0..=i {
                products[i * dimension + j] += g[i] * g[j];
            }
        }
    }
    let mut values = vec![0.0; dimension];
    let mut vectors = vec![0.0; dimension * dimension];
    let mut memory = MemBuffer::new(eigen_symmetric_scratch(dimension));
    let stack = MemStack::new(&mut memory);
    eigen_symmetric(dimension, &products, &mut values, &mut vectors, stack);
    let largest = values.last().copied().unwrap_or(0.0);
    let direction = |column: usize| -> Vec<f64> {
        let entries = (0..dimension).map(|row| vectors[row * dimension + column] / scales[row]);
        let entries: Vec<f64> = entries.collect();
        let largest = entries.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        entries.iter().map(|entry| entry / largest).collect()
    };
    (0..dimension)
        .filter(|&column| values[column] <= NULL * largest.max(f64::MIN_POSITIVE))
        .map(direction)
        .collect()
}

/// Whether the log density is an affine function along a direction from a start, as far as steps go.
fn is_affine(probe: &mut Probe<'_>, start: &Point, direction: &[f64]) -> bool {
    let products = start.gradient.iter().zip(direction).map(|(g, d)| g * d);
    let slope: f64 = products.sum();
    STEPS.iter().all(|step| {
        let places = start.position.iter().zip(direction);
        let moved: Vec<f64> = places.map(|(q, d)| q + step * d).collect();
        probe.posterior(&moved).is_some_and(|(there, _)| {
            let expected = start.value + step * slope;
            (there - expected).abs() <= TOLERANCE * (1.0 + start.value.abs() + expected.abs())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Options};

    fn warning(text: &str) -> Option<String> {
        let data = Dataset::from_json("d", r#"{"y": [0.3, -0.2, 0.7], "k": [0, 1, 1]}"#).unwrap();
        let model = Model::compile("m", text, &data, &Options::default()).unwrap();
        model.improper_warning()
    }

    #[test]
    fn what_nothing_holds_is_named() {
        for (text, named) in [
            // A ridge: only the sum is known.
            (
                "a ~ flat()\nb ~ flat()\nc ~ normal(0, 1)\ny[1..3] ~ normal(a + 2 * b + c, 1)",
                "`a`, `b` together",
            ),
            ("a ~ flat()\ny[1..3] ~ normal(0 * a, 1)", "keeps `a` from"),
            (
                "a[1..3] ~ flat()\ny[1..3] ~ normal(a[1] + a[2], exp(a[3]))",
                "keeps `a` from",
            ),
            // On the scale of logarithms the density rises for ever.
            (
                "s ~ flat(positive)\ny[1..3] ~ normal(0 * s, 1)",
                "keeps `s` from",
            ),
        ] {
            let said = warning(text).unwrap_or_default();
            assert!(said.contains(named), "{text}\n{said}");
        }
    }

    #[test]
    fn what_the_data_hold_is_not() {
        for text in [
            "a ~ flat()\ny[1..3] ~ normal(a, 1)",
            "a ~ flat()\nb ~ normal(0, 1)\ny[1..3] ~ normal(a + b, 1)",
            "a ~ flat()\nk[1..3] ~ bernoulli(inv_logit(a))",
            "a ~ flat()\ny[1..3] ~ normal(a * 1e-3, 1)",
            "a ~ flat()\ns ~ flat(positive)\ny[1..3] ~ normal(a, s)",
            "a ~ normal(0, 1)\ny[1..3] ~ normal(0 * a, 1)",
        ] {
            assert_eq!(warning(text), None, "{text}");
        }
    }
}
