//! How symmetries are found: the density is compared at points of the posterior and of the prior before and after a move. All
//! small sets of axes of one length are tried, the smallest first, since what moves by itself also moves with others.

use likelier_compiler::{Compiled, InferredVariable, given_count, owner};
use likelier_runtime::random::{Purpose, Stream};
use likelier_runtime::target::{Evaluator, Parts, Target, Weights};

use super::{Axis, Moves, Symmetries, Symmetry, negated, negated_component, renamed, stride};
use crate::posterior::Chain;
use crate::uncertainty::Moments;

/// Prior draws at which the density is compared.
const PRIOR_POINTS: usize = 16;
/// Draws at which what was found is compared once more: a density may differ in a part of the posterior only.
const DRAWS: usize = 400;
/// Of more axes of one length, or variables that could change their signs, only small sets are tried.
const FEW_MEMBERS: u32 = 6;
const SMALL_SET: u32 = 4;
/// And of more than these none.
const MOST_MEMBERS: usize = 16;
/// Components beyond this have too many pairs.
const MOST_COMPONENTS: usize = 20;
/// Log densities that differ by no more than this share of the size of their parts are the same.
const TOLERANCE: f64 = 1e-9;
/// Values that differ by no more than this share of their size are the same.
const ROUNDING: f64 = 1e-6;

/// The search takes at most this share of the steps that the draws took, but always some.
const SHARE: usize = 10;
const ALWAYS: usize = 500;

/// A point where densities are compared.
struct Point {
    given: Vec<f64>,
    position: Vec<f64>,
    /// Of the values: no move changes volumes there.
    density: f64,
    /// The sizes of its parts together.
    size: f64,
}

impl Point {
    /// Whether the densities are the same.
    fn is_like(&self, other: &Self) -> bool {
        match other.density.is_finite() {
            true => (self.density - other.density).abs() <= TOLERANCE * self.size,
            false => !self.density.is_finite(),
        }
    }
}

struct Finder<'a> {
    compiled: &'a Compiled,
    weights: Weights,
    evaluator: Box<dyn Evaluator + 'a>,
    points: Vec<Point>,
    /// How many densities may still be computed.
    left: usize,
}

/// Moves that leave the density the same, with the coordinates that may choose a copy.
type Found = (Moves, Vec<Vec<usize>>);

pub(super) fn symmetries(
    compiled: &Compiled,
    weights: &Weights,
    chains: &[Chain],
    seed: u64,
) -> Symmetries {
    let dimension = compiled.model.dimension();
    let Some(mut finder) = Finder::new(compiled, weights, chains, seed) else {
        return Symmetries::default();
    };
    let mut all: Vec<Found> = Vec::new();
    let lengths = lengths(&compiled.inferred);
    for &length in &lengths {
        all.extend(finder.signs(length));
    }
    all.extend(finder.whole_signs(&all));
    for &length in &lengths {
        all.extend(finder.exchanges(length));
    }
    let mut chosen = Symmetries::default();
    for (moves, keys) in all {
        let Some(key) = best_key(&moves, chains, dimension, keys) else {
            continue;
        };
        let symmetry = Symmetry {
            is_rising: finder.is_rising(&key),
            moves,
            key,
        };
        if !chosen.is_apart_from(&symmetry.moves)
            || symmetry.is_mixed(chains, dimension)
            || !finder.stays_at_draws(&symmetry.moves, chains)
        {
            continue;
        }
        chosen.found.push(symmetry);
        if !finder.chooses_one(&chosen) {
            chosen.found.pop();
        }
    }
    chosen
}

/// The lengths of axes that may be those of components.
fn lengths(inferred: &[InferredVariable]) -> Vec<usize> {
    let shapes = inferred.iter().flat_map(|variable| &variable.shape);
    let possible = shapes.filter(|length| (2..=MOST_COMPONENTS).contains(*length));
    let mut lengths: Vec<usize> = possible.copied().collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

/// Sets of so many members, the smallest first; none if they are too many.
fn sets(members: usize) -> Vec<usize> {
    if members > MOST_MEMBERS {
        return Vec::new();
    }
    let is_small = |set: &usize| members as u32 <= FEW_MEMBERS || set.count_ones() <= SMALL_SET;
    let mut sets: Vec<usize> = (1..1 << members).filter(is_small).collect();
    sets.sort_by_key(|set| set.count_ones());
    sets
}

/// The members of a set.
fn members<T: Copy>(all: &[T], set: usize) -> Vec<T> {
    let chosen = all
        .iter()
        .enumerate()
        .filter(|(bit, _)| set >> bit & 1 == 1);
    chosen.map(|(_, member)| *member).collect()
}

impl<'a> Finder<'a> {
    /// `None` when the values of a draw do not say where it was: then none can be moved.
    fn new(compiled: &'a Compiled, weights: &Weights, chains: &[Chain], seed: u64) -> Option<Self> {
        let target = &compiled.model;
        let draws = chains.iter().flat_map(|c| &c.statistics);
        let steps: usize = draws.map(|draw| draw.n_steps as usize).sum();
        let mut finder = Self {
            compiled,
            weights: weights.clone(),
            evaluator: target.evaluator(),
            points: Vec::new(),
            left: ALWAYS.max(steps / SHARE),
        };
        let (count, width) = (given_count(&compiled.inferred), compiled.columns.len());
        for chain in chains {
            let point = finder.point(chain.values.get(..width)?[..count].to_vec())?;
            if !are_close(&point.position, &chain.positions[..target.dimension()]) {
                return None;
            }
            finder.points.push(point);
        }
        let mut stream = Stream::new(seed, Purpose::Prior, u32::MAX - 1);
        let mut position = vec![0.0; target.dimension()];
        let mut values = vec![0.0; width];
        for number in 0..PRIOR_POINTS {
            stream.at(number as u64);
            let evaluator = &mut finder.evaluator;
            evaluator.prior_draw(&mut stream, &mut position);
            evaluator.outputs(&position, &mut stream, &mut values);
            let point = finder.point(values[..count].to_vec())?;
            finder.points.push(point);
        }
        Some(finder)
    }

    fn point(&mut self, given: Vec<f64>) -> Option<Point> {
        let position = self.compiled.model.unconstrain(&given)?;
        let mut gradient = vec![0.0; position.len()];
        let mut parts = Parts::default();
        let (evaluator, weights) = (&mut self.evaluator, &self.weights);
        let all = evaluator.log_density_gradient(&position, weights, &mut gradient, &mut parts);
        let density = match all.is_finite() {
            true => all - parts.jacobian,
            false => f64::NEG_INFINITY,
        };
        let size = parts.prior.abs() + parts.soft_sum().abs() + parts.likelihood.abs();
        Some(Point {
            given,
            position,
            density,
            size: 1.0 + size,
        })
    }

    /// Whether values ascend with these coordinates.
    fn is_rising(&self, key: &[usize]) -> bool {
        let point = &self.points[0];
        let value = |coordinate: usize| {
            owner(&self.compiled.inferred, coordinate).map(|(_, place)| point.given[place])
        };
        let Some(&[one, other]) = key.first_chunk::<2>() else {
            return true;
        };
        (point.position[one] < point.position[other]) == (value(one) < value(other))
    }

    /// Whether the density is the same at many draws before and after the moves that make all others.
    fn stays_at_draws(&mut self, moves: &Moves, chains: &[Chain]) -> bool {
        let (count, width) = (
            given_count(&self.compiled.inferred),
            self.compiled.columns.len(),
        );
        let rows: Vec<&[f64]> = chains.iter().flat_map(|c| c.values.chunks(width)).collect();
        let stride = rows.len().div_ceil(DRAWS).max(1);
        rows.iter().step_by(stride).all(|row| {
            let given = row[..count].to_vec();
            let images = moves.images(&self.compiled.inferred, &given);
            let Some(before) = self.point(given) else {
                return false;
            };
            images.into_iter().all(|image| {
                let after = self.point(image);
                after.is_some_and(|after| before.is_like(&after))
            })
        })
    }

    /// Whether the density is the same at all points before and after a move.
    fn stays(&mut self, moves: &Moves) -> bool {
        let mut is_seen = false;
        for number in 0..self.points.len() {
            for given in moves.images(&self.compiled.inferred, &self.points[number].given) {
                if self.left == 0 {
                    return false;
                }
                self.left -= 1;
                let Some(after) = self.point(given) else {
                    return false;
                };
                let before = &self.points[number];
                let (is_same, is_possible) = (before.is_like(&after), before.density.is_finite());
                // Values that may not be moved so come back changed, as an order or the rows of a factor would.
                if !is_same || (is_possible && !self.comes_back(&after)) {
                    return false;
                }
                is_seen |= is_possible;
            }
        }
        is_seen
    }

    fn comes_back(&mut self, point: &Point) -> bool {
        let mut values = vec![0.0; self.compiled.columns.len()];
        let mut stream = Stream::new(0, Purpose::Prior, u32::MAX - 1);
        let evaluator = &mut self.evaluator;
        evaluator.outputs(&point.position, &mut stream, &mut values);
        are_close(&values[..point.given.len()], &point.given)
    }

    /// Variables all of whose elements are unknown, with their places.
    fn whole_variables(&self) -> impl Iterator<Item = (usize, &'a InferredVariable)> + use<'a> {
        let inferred = self.compiled.inferred.iter().enumerate();
        inferred.filter(|(_, variable)| variable.elements.is_none())
    }

    fn axes(&self, length: usize) -> Vec<Axis> {
        self.whole_variables()
            .flat_map(|(place, v)| (0..v.shape.len()).map(move |axis| (v, (place, axis))))
            .filter(|(v, axis)| v.shape[axis.1] == length)
            .map(|(_, axis)| axis)
            .collect()
    }

    /// Components along axes of one length that change places.
    fn exchanges(&mut self, length: usize) -> Vec<Found> {
        let axes = self.axes(length);
        let (mut used, mut found) = (0, Vec::new());
        for set in sets(axes.len()) {
            if set & used != 0 {
                continue;
            }
            for moves in self.classes(&members(&axes, set), length) {
                used |= set;
                found.push(self.with_keys(moves));
            }
        }
        found
    }

    /// Exchanges of at least two components of which any two can change places.
    fn classes(&mut self, axes: &[Axis], length: usize) -> Vec<Moves> {
        let exchange = |components: Vec<usize>| Moves::Exchange {
            axes: axes.to_vec(),
            length,
            components,
        };
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for component in 0..length {
            let class = (0..classes.len())
                .find(|&class| self.stays(&exchange(vec![classes[class][0], component])));
            match class {
                Some(class) => classes[class].push(component),
                None => classes.push(vec![component]),
            }
        }
        classes.retain(|class| class.len() > 1);
        classes.into_iter().map(exchange).collect()
    }

    /// Components along axes of one length that change their signs, each by itself.
    fn signs(&mut self, length: usize) -> Vec<Found> {
        let axes = self.axes(length);
        let (mut used, mut found) = (0, Vec::new());
        for set in sets(axes.len()) {
            if set & used != 0 {
                continue;
            }
            let signs = |components: Vec<usize>| Moves::Signs {
                axes: members(&axes, set),
                components,
            };
            let signed = (0..length).filter(|component| self.stays(&signs(vec![*component])));
            let components: Vec<usize> = signed.collect();
            if !components.is_empty() {
                used |= set;
                found.push(self.with_keys(signs(components)));
            }
        }
        found
    }

    /// Variables that change their signs together, of those none of whose components does so by itself.
    fn whole_signs(&mut self, others: &[Found]) -> Vec<Found> {
        let is_signed = |place: usize| {
            let mut axes = others.iter().flat_map(|(moves, _)| moves.axes());
            axes.any(|axis| axis.0 == place)
        };
        let variables: Vec<usize> = self
            .whole_variables()
            .map(|(place, _)| place)
            .filter(|place| !is_signed(*place) && self.is_negatable(*place))
            .collect();
        let (mut used, mut found) = (0, Vec::new());
        for set in sets(variables.len()) {
            let moves = Moves::Sign {
                variables: members(&variables, set),
            };
            if set & used == 0 && self.stays(&moves) {
                used |= set;
                found.push(self.with_keys(moves));
            }
        }
        found
    }

    /// Whether the coordinates of a variable change their signs with it.
    fn is_negatable(&self, place: usize) -> bool {
        let (inferred, point) = (&self.compiled.inferred, &self.points[0]);
        let variable = &inferred[place];
        let given = negated(inferred, &[place], &point.given);
        let after = self.compiled.model.unconstrain(&given);
        variable.unconstrained.len() == variable.length()
            && after.is_some_and(|after| {
                let mut own = variable.unconstrained.clone();
                own.all(|k| are_close(&[after[k]], &[-point.position[k]]))
            })
    }

    /// Moves with the coordinates that follow them: one for each component, of which two change places, or one its sign, when these
    /// components do.
    fn with_keys(&self, moves: Moves) -> Found {
        let mut keys = self.possible_keys(&moves);
        for number in 0..self.points.len() {
            if !self.points[number].density.is_finite() {
                continue;
            }
            let given = &self.points[number].given;
            // The first of these moves is that of the first component, or of the first two.
            let mut images = moves.images(&self.compiled.inferred, given);
            let Some(after) = self.compiled.model.unconstrain(&images.swap_remove(0)) else {
                return (moves, Vec::new());
            };
            let before = &self.points[number].position;
            keys.retain(|key| {
                let one = key[0];
                let is_negated = are_close(&[after[one]], &[-before[one]]);
                let is_exchanged = key.get(1).is_some_and(|&other| {
                    are_close(&[after[one], after[other]], &[before[other], before[one]])
                });
                is_negated || is_exchanged
            });
        }
        (moves, keys)
    }

    /// The coordinates of each component, of variables whose elements have coordinates of their own.
    fn possible_keys(&self, moves: &Moves) -> Vec<Vec<usize>> {
        let inferred = &self.compiled.inferred;
        let (axes, components) = match moves {
            Moves::Sign { variables } => {
                let own = |place: &usize| inferred[*place].unconstrained.clone();
                return variables
                    .iter()
                    .flat_map(own)
                    .map(|key| vec![key])
                    .collect();
            }
            Moves::Exchange {
                axes, components, ..
            }
            | Moves::Signs { axes, components } => (axes, components),
        };
        let mut keys = Vec::new();
        for &(place, axis) in axes {
            let variable = &inferred[place];
            let along = axes.iter().filter(|(other, _)| *other == place);
            if along.count() != 1 || variable.unconstrained.len() != variable.length() {
                continue;
            }
            let stride = stride(variable, axis);
            let of_first = |flat: &usize| (flat / stride).is_multiple_of(variable.shape[axis]);
            for first in (0..variable.length()).filter(of_first) {
                let coordinate = |k: &usize| variable.unconstrained.start + first + k * stride;
                keys.push(components.iter().map(coordinate).collect());
            }
        }
        keys
    }

    /// Whether these symmetries choose one copy among all: from wherever two moves in a row lead.
    fn chooses_one(&self, symmetries: &Symmetries) -> bool {
        let inferred = &self.compiled.inferred;
        let moves: Vec<&Moves> = symmetries.found.iter().map(|s| &s.moves).collect();
        let possible = self.points.iter().filter(|p| p.density.is_finite());
        for point in possible {
            let mut chosen = point.position.clone();
            let mut given = point.given.clone();
            let found = symmetries.choose(self.compiled, &mut chosen, &mut given);
            if found.is_none() || !symmetries.holds(&chosen) {
                return false;
            }
            let images = |given: &[f64]| -> Vec<Vec<f64>> {
                let of_one = |moves: &&Moves| moves.images(inferred, given);
                moves.iter().flat_map(of_one).collect()
            };
            for once in images(&point.given) {
                for mut twice in images(&once).into_iter().chain([once.clone()]) {
                    let Some(mut image) = self.compiled.model.unconstrain(&twice) else {
                        return false;
                    };
                    let found = symmetries.choose(self.compiled, &mut image, &mut twice);
                    if found.is_none() || !are_close(&image, &chosen) {
                        return false;
                    }
                }
            }
        }
        true
    }
}

impl Moves {
    /// Values after each move of those that make all others.
    fn images(&self, inferred: &[InferredVariable], given: &[f64]) -> Vec<Vec<f64>> {
        match self {
            Moves::Exchange {
                axes,
                length,
                components,
            } => {
                let swapped = |pair: &[usize]| {
                    let mut order: Vec<usize> = (0..*length).collect();
                    order.swap(pair[0], pair[1]);
                    renamed(inferred, axes, &order, given)
                };
                components.windows(2).map(swapped).collect()
            }
            Moves::Signs { axes, components } => {
                let negated = |k: &usize| negated_component(inferred, axes, *k, given);
                components.iter().map(negated).collect()
            }
            Moves::Sign { variables } => vec![negated(inferred, variables, given)],
        }
    }
}

fn are_close(a: &[f64], b: &[f64]) -> bool {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= ROUNDING * (1.0 + a.abs().max(b.abs()));
    a.len() == b.len() && a.iter().zip(b).all(close)
}

/// The key that tells copies apart best: that whose sorted values lie farthest from each other, or whose sizes lie farthest from zero, for
/// their spreads, where they are nearest.
fn best_key(
    moves: &Moves,
    chains: &[Chain],
    dimension: usize,
    keys: Vec<Vec<usize>>,
) -> Option<Vec<usize>> {
    let is_exchange = matches!(moves, Moves::Exchange { .. });
    let separation = |key: &Vec<usize>| {
        let mut moments = vec![Moments::default(); key.len()];
        let mut values = vec![0.0; key.len()];
        for position in chains.iter().flat_map(|c| c.positions.chunks(dimension)) {
            let at = key.iter().map(|k| position[*k]);
            values.iter_mut().zip(at).for_each(|(v, q)| *v = q);
            match is_exchange {
                true => values.sort_by(f64::total_cmp),
                false => values.iter_mut().for_each(|v| *v = v.abs()),
            }
            moments.iter_mut().zip(&values).for_each(|(m, v)| m.add(*v));
        }
        let apart =
            |distance: f64, variance: f64| distance.powi(2) / variance.max(f64::MIN_POSITIVE);
        let of_pair =
            |m: &[Moments]| apart(m[1].mean() - m[0].mean(), m[0].variance() + m[1].variance());
        let distances: Vec<f64> = match is_exchange {
            true => moments.windows(2).map(of_pair).collect(),
            false => moments
                .iter()
                .map(|m| apart(m.mean(), m.variance()))
                .collect(),
        };
        distances.into_iter().fold(f64::INFINITY, f64::min)
    };
    let scored = keys.into_iter().map(|key| (separation(&key), key));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(best.1)
}
