//! Moves that leave a density the same: components of a mixture that change places, factors that change their sign. There is a copy
//! of each mode for every order of names and every choice of signs, and chains do not cross between well separated copies: the
//! shares in which they stand in them say nothing, means over them belong to none, and a proposal that is fitted to all of them
//! fits none.
//!
//! Symmetries are found, not declared (`find.rs`), however the model is written. Where copies do not mix by themselves, draws are
//! brought into one of them: components into the order in which a coordinate ascends, signs to that which makes a
//! coordinate positive. So ∫ p = |G| ∫ p over this domain (`domain.rs`), with |G| the number of copies; this holds exactly, whatever
//! the coordinate. The one that tells components apart best leaves one mode.

mod domain;
mod find;

use likelier_compiler::{Compiled, InferredVariable, given_count, owner};
use likelier_runtime::diagnose::{rhat_text, summarise};
use likelier_runtime::target::{Target, Weights};

use crate::posterior::Chain;

pub(crate) use domain::Domain;

/// An axis of an unknown variable: the place of the variable among [`Compiled::inferred`], and of the index among its own.
type Axis = (usize, usize);

/// A family of moves that leave the density the same.
#[derive(Debug, Clone, PartialEq)]
enum Moves {
    /// Components along axes of one length change places; a variable with two such axes is moved along both at once.
    Exchange {
        axes: Vec<Axis>,
        length: usize,
        components: Vec<usize>,
    },
    /// Each component along axes of one length changes its sign, by itself.
    Signs {
        axes: Vec<Axis>,
        components: Vec<usize>,
    },
    /// Whole variables change their signs together.
    Sign { variables: Vec<usize> },
}

/// Moves that leave the density the same, and what chooses one of the copies that they make.
#[derive(Debug, Clone, PartialEq)]
struct Symmetry {
    moves: Moves,
    /// Coordinates of the position, one for each component: those that ascend in the chosen order, or are not negative with the chosen
    /// signs.
    key: Vec<usize>,
    /// Whether values ascend with these coordinates; those below an upper bound descend.
    is_rising: bool,
}

/// Symmetries of a model that together choose one copy of each position.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Symmetries {
    found: Vec<Symmetry>,
}

/// The values when component `order[k]` takes the name k along these axes.
fn renamed(
    inferred: &[InferredVariable],
    axes: &[Axis],
    order: &[usize],
    given: &[f64],
) -> Vec<f64> {
    let mut values = given.to_vec();
    for (place, variable) in inferred.iter().enumerate() {
        let along = axes.iter().filter(|axis| axis.0 == place);
        let strides: Vec<usize> = along.map(|axis| stride(variable, axis.1)).collect();
        if strides.is_empty() {
            continue;
        }
        for flat in 0..variable.length() {
            let source = strides.iter().fold(flat, |source, stride| {
                let name = flat / stride % order.len();
                source + order[name] * stride - name * stride
            });
            values[variable.given_offset + flat] = given[variable.given_offset + source];
        }
    }
    values
}

/// The distance of elements that are neighbours along an axis.
fn stride(variable: &InferredVariable, axis: usize) -> usize {
    variable.shape[axis + 1..].iter().product()
}

/// The values with one component along these axes negated.
fn negated_component(
    inferred: &[InferredVariable],
    axes: &[Axis],
    component: usize,
    given: &[f64],
) -> Vec<f64> {
    let mut values = given.to_vec();
    for &(place, axis) in axes {
        let variable = &inferred[place];
        let (stride, length) = (stride(variable, axis), variable.shape[axis]);
        let here = (0..variable.length()).filter(|flat| flat / stride % length == component);
        for flat in here {
            let value = &mut values[variable.given_offset + flat];
            *value = -*value;
        }
    }
    values
}

/// The values with whole variables negated.
fn negated(inferred: &[InferredVariable], variables: &[usize], given: &[f64]) -> Vec<f64> {
    let mut values = given.to_vec();
    for variable in variables.iter().map(|place| &inferred[*place]) {
        let place = variable.given_offset..variable.given_offset + variable.length();
        values[place].iter_mut().for_each(|value| *value = -*value);
    }
    values
}

impl Moves {
    /// What they move: variables, whole or along an axis.
    fn axes(&self) -> Vec<(usize, Option<usize>)> {
        match self {
            Moves::Exchange { axes, .. } | Moves::Signs { axes, .. } => {
                axes.iter().map(|axis| (axis.0, Some(axis.1))).collect()
            }
            Moves::Sign { variables } => variables.iter().map(|place| (*place, None)).collect(),
        }
    }
}

impl Symmetry {
    /// Whether a position lies in the chosen copy.
    fn holds(&self, position: &[f64]) -> bool {
        match &self.moves {
            Moves::Exchange { .. } => {
                let mut pairs = self.key.windows(2);
                pairs.all(|pair| position[pair[0]] <= position[pair[1]])
            }
            Moves::Signs { .. } | Moves::Sign { .. } => {
                self.key.iter().all(|key| position[*key] >= 0.0)
            }
        }
    }

    /// The values of the chosen copy of a position.
    fn chosen(&self, inferred: &[InferredVariable], position: &[f64], given: &[f64]) -> Vec<f64> {
        match &self.moves {
            Moves::Exchange {
                axes,
                length,
                components,
            } => {
                let mut ranked: Vec<usize> = (0..components.len()).collect();
                ranked.sort_by(|a, b| position[self.key[*a]].total_cmp(&position[self.key[*b]]));
                let mut order: Vec<usize> = (0..*length).collect();
                for (component, rank) in components.iter().zip(ranked) {
                    order[*component] = components[rank];
                }
                renamed(inferred, axes, &order, given)
            }
            Moves::Signs { axes, components } => {
                let keyed = components.iter().zip(&self.key);
                let negative = keyed.filter(|(_, key)| position[**key] < 0.0);
                negative.fold(given.to_vec(), |given, (component, _)| {
                    negated_component(inferred, axes, *component, &given)
                })
            }
            Moves::Sign { variables } => negated(inferred, variables, given),
        }
    }

    /// The logarithm of the number of copies.
    fn log_copies(&self) -> f64 {
        match &self.moves {
            Moves::Exchange { components, .. } => {
                (2..=components.len()).map(|n| (n as f64).ln()).sum()
            }
            _ => self.key.len() as f64 * std::f64::consts::LN_2,
        }
    }

    /// Whether chains change between copies often enough that their draws tell no component from another, no sign from the other.
    fn is_mixed(&self, chains: &[Chain], dimension: usize) -> bool {
        let summary = |coordinate: &usize| {
            let column = |chain: &Chain| -> Vec<f64> {
                let draws = chain.positions.chunks(dimension);
                draws.map(|position| position[*coordinate]).collect()
            };
            summarise(&chains.iter().map(column).collect::<Vec<_>>())
        };
        let summaries: Vec<_> = self.key.iter().map(summary).collect();
        let (mean, error) = match &self.moves {
            Moves::Exchange { .. } => (summaries[0].mean, summaries[0].mcse_mean),
            _ => (0.0, 0.0),
        };
        summaries.iter().all(|s| {
            s.rhat < 1.01
                && s.ess_bulk >= 400.0
                && (s.mean - mean).abs() <= 4.0 * s.mcse_mean.hypot(error)
        })
    }

    /// The number of copies, as it is read.
    fn copies(&self) -> String {
        match (&self.moves, self.key.len()) {
            (Moves::Exchange { components, .. }, _) if components.len() > 8 => {
                format!("{}!", components.len())
            }
            (Moves::Signs { .. }, count) if count > 8 => format!("2^{count}"),
            _ => format!("{:.0}", self.log_copies().exp()),
        }
    }

    /// What can be done without a change of the density, and which copy is chosen.
    fn texts(&self, compiled: &Compiled) -> (String, String) {
        let inferred = &compiled.inferred;
        let names = |places: &mut dyn Iterator<Item = usize>| {
            let mut names: Vec<String> = Vec::new();
            for place in places {
                let name = format!("`{}`", inferred[place].name);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            listed(&names)
        };
        let key: Vec<String> = self
            .key
            .iter()
            .filter_map(|coordinate| owner(inferred, *coordinate))
            .map(|(_, value)| format!("`{}`", compiled.columns[value].name))
            .collect();
        match &self.moves {
            Moves::Exchange {
                axes,
                length,
                components,
            } => {
                let which = match components.len() == *length {
                    true => format!("the {length} components"),
                    false => {
                        let numbers = components.iter().map(|k| (k + 1).to_string());
                        format!("components {}", listed(&numbers.collect::<Vec<_>>()))
                    }
                };
                let of = names(&mut axes.iter().map(|axis| axis.0));
                let sign = if self.is_rising { " < " } else { " > " };
                (format!("{which} of {of} change places"), joined(&key, sign))
            }
            Moves::Signs { axes, .. } => {
                let of = names(&mut axes.iter().map(|axis| axis.0));
                (
                    format!("a component of {of} changes its sign"),
                    format!("{} > 0", joined(&key, ", ")),
                )
            }
            Moves::Sign { variables } => {
                let of = names(&mut variables.iter().copied());
                let verb = match variables.len() {
                    1 => "changes its sign",
                    _ => "change their signs",
                };
                (
                    format!("{of} {verb}"),
                    format!("{} > 0", joined(&key, ", ")),
                )
            }
        }
    }
}

/// Names between which a sign stands; of many only the first and the last.
fn joined(names: &[String], sign: &str) -> String {
    match names {
        [first, .., last] if names.len() > 4 => format!("{first}{sign}…{sign}{last}"),
        names => names.join(sign),
    }
}

/// A list as it is read: `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [name] => name.clone(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

impl Symmetries {
    /// Those of the density with these weights whose copies do not mix by themselves in draws of it, and the draws, each in the chosen copy;
    /// `None` where there are none, or a draw cannot be moved.
    pub fn with_one_copy(
        compiled: &Compiled,
        weights: &Weights,
        chains: &[Chain],
        seed: u64,
    ) -> Option<(Self, Vec<Chain>)> {
        let symmetries = find::symmetries(compiled, weights, chains, seed);
        if symmetries.found.is_empty() {
            return None;
        }
        let chosen = symmetries.chosen(compiled, chains)?;
        Some((symmetries, chosen))
    }

    /// Whether these and further moves have nothing in common: they move no variable along different axes. Else a move may do what others do together,
    /// as all rows that are negated are all columns that are, and the numbers of copies may not be multiplied.
    fn is_apart_from(&self, other: &Moves) -> bool {
        self.found.iter().all(|symmetry| {
            let (own, other) = (symmetry.moves.axes(), other.axes());
            let meet =
                |a: &(usize, Option<usize>), b: &(usize, Option<usize>)| a.0 == b.0 && a != b;
            let is_whole = |axes: &[(usize, Option<usize>)]| axes.iter().any(|a| a.1.is_none());
            let clash = own.iter().any(|a| other.iter().any(|b| meet(a, b)));
            let both = own.iter().any(|a| other.contains(a));
            !clash && !(both && (is_whole(&own) || is_whole(&other)))
        })
    }

    /// Whether a position lies in the chosen copy.
    fn holds(&self, position: &[f64]) -> bool {
        self.found.iter().all(|symmetry| symmetry.holds(position))
    }

    /// The logarithm of the number of copies.
    fn log_copies(&self) -> f64 {
        self.found.iter().map(Symmetry::log_copies).sum()
    }

    /// Moves a position with its values into the chosen copy; `None` if that cannot be computed.
    fn choose(&self, compiled: &Compiled, position: &mut [f64], given: &mut [f64]) -> Option<()> {
        for symmetry in &self.found {
            if !symmetry.holds(position) {
                let chosen = symmetry.chosen(&compiled.inferred, position, given);
                given.copy_from_slice(&chosen);
                position.copy_from_slice(&compiled.model.unconstrain(given)?);
            }
        }
        Some(())
    }

    /// Chains with each draw in the chosen copy, but for what was computed of its values.
    fn chosen(&self, compiled: &Compiled, chains: &[Chain]) -> Option<Vec<Chain>> {
        let (dimension, width) = (compiled.model.dimension(), compiled.columns.len());
        let count = given_count(&compiled.inferred);
        let of_chain = |chain: &Chain| -> Option<Chain> {
            let mut chain = chain.clone();
            let positions = chain.positions.chunks_mut(dimension);
            let mut draws = positions.zip(chain.values.chunks_mut(width));
            draws.try_for_each(|(position, values)| {
                self.choose(compiled, position, &mut values[..count])
            })?;
            Some(chain)
        };
        chains.iter().map(of_chain).collect()
    }

    /// What a reader of chains should know that are apart in these moves and in nothing else.
    pub fn of_chains(&self, compiled: &Compiled, rhat: f64) -> String {
        let texts: Vec<(String, String)> = self.found.iter().map(|s| s.texts(compiled)).collect();
        let changes: Vec<String> = texts.iter().map(|(change, _)| change.clone()).collect();
        let chosen: Vec<String> = texts.into_iter().map(|(_, chosen)| chosen).collect();
        let exchanges = |symmetry: &Symmetry| matches!(symmetry.moves, Moves::Exchange { .. });
        let mut cures = Vec::new();
        if self.found.iter().any(exchanges) {
            cures.push("`ordered` behind a law names components by their order".to_owned());
        }
        if !self.found.iter().all(exchanges) {
            cures.push("`truncated(0, inf)` behind a law decides a sign".to_owned());
        }
        format!(
            "The density stays the same when {}, and the chains stand in different copies of one mode: what the table says of these \
             variables is a mean over copies. With {} in all draws R-hat is at most {}. What does not depend on names and signs is not \
             harmed, such as predictions and the evidence; {}.",
            listed(&changes),
            listed(&chosen),
            rhat_text(rhat),
            listed(&cures),
        )
    }

    /// What a reader of a bridge should know, one sentence for each.
    pub fn remarks(&self, compiled: &Compiled) -> Vec<String> {
        let remark = |symmetry: &Symmetry| {
            let (change, chosen) = symmetry.texts(compiled);
            let copies = symmetry.copies();
            format!(
                "The density stays the same when {change}: the bridge counts the part with {chosen}, {copies} times."
            )
        };
        self.found.iter().map(remark).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(shape: &[usize], given_offset: usize) -> InferredVariable {
        let length: usize = shape.iter().product();
        InferredVariable {
            name: "x".to_owned(),
            shape: shape.to_vec(),
            elements: None,
            given_offset,
            unconstrained: given_offset..given_offset + length,
            structure: None,
        }
    }

    /// A matrix whose rows and columns are renamed at once, and a vector with it.
    #[test]
    fn components_are_renamed_along_all_axes_at_once() {
        let inferred = [variable(&[3, 3], 0), variable(&[3], 9), variable(&[3], 12)];
        let given: Vec<f64> = (0..15).map(f64::from).collect();
        let axes = [(0, 0), (0, 1), (1, 0)];
        // The component 2 takes the name 0, 0 the name 1, 1 the name 2.
        let found = renamed(&inferred, &axes, &[2, 0, 1], &given);
        let matrix = [8.0, 6.0, 7.0, 2.0, 0.0, 1.0, 5.0, 3.0, 4.0];
        assert_eq!(found[..9], matrix);
        assert_eq!(found[9..], [11.0, 9.0, 10.0, 12.0, 13.0, 14.0]);
    }

    #[test]
    fn a_component_is_negated_along_its_axis() {
        let inferred = [variable(&[2, 3], 0)];
        let given = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let found = negated_component(&inferred, &[(0, 1)], 2, &given);
        assert_eq!(found, [1.0, 2.0, -3.0, 4.0, 5.0, -6.0]);
    }

    /// The order of the key decides the names of everything that moves with it.
    #[test]
    fn the_chosen_copy_ascends() {
        let inferred = [variable(&[3], 0), variable(&[3], 3)];
        let symmetry = Symmetry {
            moves: Moves::Exchange {
                axes: vec![(0, 0), (1, 0)],
                length: 3,
                components: vec![0, 2],
            },
            key: vec![3, 5],
            is_rising: true,
        };
        let given = [0.1, 0.2, 0.7, 4.0, -9.0, 1.0];
        assert!(!symmetry.holds(&given));
        let found = symmetry.chosen(&inferred, &given, &given);
        assert_eq!(found, [0.7, 0.2, 0.1, 1.0, -9.0, 4.0]);
        assert!(symmetry.holds(&found));
        assert!((symmetry.log_copies() - 2.0_f64.ln()).abs() < 1e-15);
    }
}
