//! Random variables: their storage, one law for each element or vector, and the loops around it.

use std::collections::HashSet;

use super::expand::{BlockKind, Expander, Outcome};
use super::expression::sizes;
use super::interval::Interval;
use super::loops::{ArrayId, Binder, Place, Random, Role, Scalar, Statement, Support};
use super::missing::Target;
use super::pull::{Body, Pull, Value};
use crate::check::hir::{Element, Law, RandomIndex, VariableId};
use crate::math::graph::Part;
use crate::math::primitive::Operation;
use crate::math::structure::Structure;
use crate::source::{Diagnostic, Span};

/// A draw: of what, where it is kept, and what is done about it.
pub(super) struct Drawn<'b> {
    /// The variable.
    pub variable: VariableId,
    /// Its element, or the first indices of a vector, in the array that holds it.
    pub place: Place,
    /// Which element of the variable it is.
    pub at: &'b [Scalar],
    /// Its role; `None` if it is observed.
    pub role: Option<Role>,
}

impl<'a> Expander<'a> {
    pub(super) fn role(&self, variable: VariableId) -> Role {
        self.bound
            .roles
            .get(&variable)
            .copied()
            .unwrap_or(Role::Simulated)
    }

    /// Runs `body` for every element of a shape: one loop for each index position.
    pub(super) fn plate(
        &mut self,
        shape: &[usize],
        body: impl FnOnce(&mut Self, &[Scalar]) -> Outcome<()>,
    ) -> Outcome<()> {
        let binders: Vec<Binder> = shape
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        self.nest(binders, HashSet::new(), body)
    }

    pub(super) fn nest(
        &mut self,
        binders: Vec<Binder>,
        defines: HashSet<ArrayId>,
        body: impl FnOnce(&mut Self, &[Scalar]) -> Outcome<()>,
    ) -> Outcome<()> {
        for binder in &binders {
            self.open(BlockKind::Over(vec![binder.index]));
            self.blocks
                .last_mut()
                .expect("the loop")
                .defines
                .clone_from(&defines);
        }
        let at: Vec<Scalar> = binders
            .iter()
            .map(|binder| Scalar::index(binder.index))
            .collect();
        let result = body(self, &at);
        for binder in binders.into_iter().rev() {
            let statements = self.close();
            if result.is_ok() {
                self.settle(vec![Statement::For {
                    binder,
                    body: statements,
                }])?;
            }
        }
        result
    }

    /// The arguments of a law for one element: arrays that stand for scalar parameters are indexed.
    pub(super) fn arguments_at(
        &mut self,
        law: &'a Law,
        arguments: &[Value],
        at: &[Scalar],
        shape: &[usize],
        span: Span,
    ) -> Outcome<Vec<Value>> {
        let slots = law.call.slots(&self.hir.distributions);
        let mut here = Vec::new();
        for (slot, argument) in slots.iter().zip(arguments) {
            here.push(match argument {
                Value::Array(pull) if slot.is_scalar => {
                    let own = &pull.shape[usize::from(slot.is_indexed)..];
                    if own != shape && !(slot.is_indexed && own.is_empty()) {
                        let place = slot.expression.span;
                        let diagnostic = Diagnostic::error(
                            "E0411",
                            format!(
                                "this argument has {}, and {} needed",
                                sizes(own),
                                if shape.is_empty() {
                                    "one number is".to_string()
                                } else {
                                    format!("{} are", sizes(shape))
                                }
                            ),
                        )
                        .at(place, sizes(own));
                        let diagnostic = self.origins_note(diagnostic, &law.call.arguments);
                        return Err(diagnostic
                            .help("give each element its own number: make the lengths equal, or index the array")
                            .into());
                    }
                    if slot.is_indexed {
                        self.component_elements(argument, at, span)
                    } else {
                        Value::Scalar(pull.at(&self.loops.arrays, at, span))
                    }
                }
                other => other.clone(),
            });
        }
        Ok(here)
    }

    /// Arguments as long as the ranges on the left, where these begin later than 1, are matched position by position:
    /// `y[2..T] ~ normal(phi * y[1..T - 1], sigma)`. `at` is the present element.
    pub(super) fn by_position(
        &self,
        law: &Law,
        arguments: Vec<Value>,
        ranges: &[Binder],
        at: &[Scalar],
        shape: &[usize],
        span: Span,
    ) -> Vec<Value> {
        let bounds = |binder: &Binder| Some((binder.lower.as_int()?, binder.upper.as_int()?));
        let Some(bounds) = ranges.iter().map(bounds).collect::<Option<Vec<_>>>() else {
            return arguments;
        };
        let lengths: Vec<usize> = bounds
            .iter()
            .map(|(lower, upper)| (upper - lower + 1).max(0) as usize)
            .collect();
        if lengths.is_empty() || lengths == shape {
            return arguments;
        }
        let positions: Vec<Scalar> = at
            .iter()
            .zip(&bounds)
            .map(|(index, (lower, _))| {
                let before = Scalar::int(lower - 1);
                Scalar::operation(Operation::IntSubtract, vec![index.clone(), before])
            })
            .collect();
        let slots = law.call.slots(&self.hir.distributions);
        arguments
            .into_iter()
            .zip(&slots)
            .map(|(argument, slot)| match argument {
                Value::Array(pull)
                    if slot.is_scalar && !slot.is_indexed && pull.shape == lengths =>
                {
                    Value::Scalar(pull.at(&self.loops.arrays, &positions, span))
                }
                other => other,
            })
            .collect()
    }

    pub(super) fn random(
        &mut self,
        variable: VariableId,
        indices: &'a [RandomIndex],
        law: &'a Law,
        span: Span,
    ) -> Outcome<()> {
        let arguments = if indices
            .iter()
            .any(|index| matches!(index, RandomIndex::Over { .. }))
        {
            None
        } else {
            Some(self.law_arguments(&law.call)?)
        };
        let mut binders = Vec::new();
        let mut at = Vec::new();
        let mut names = Vec::new();
        for index in indices {
            match index {
                RandomIndex::At(index) => at.push(self.scalar(index)?),
                RandomIndex::Over {
                    variable,
                    lower,
                    upper,
                } => {
                    let (lower, upper) = (self.scalar(lower)?, self.scalar(upper)?);
                    let (lower, upper) = (
                        self.folded(lower, Element::Int)?,
                        self.folded(upper, Element::Int)?,
                    );
                    let name = match self.hir.variables[variable.0 as usize].name.as_str() {
                        "_" => super::expand::UNNAMED.to_string(),
                        name => name.to_string(),
                    };
                    let id = self.index(name, lower.clone(), upper.clone());
                    self.frame()
                        .bind(*variable, Value::Scalar(Scalar::index(id)));
                    names.push((*variable, at.len()));
                    binders.push(Binder {
                        index: id,
                        lower,
                        upper,
                    });
                    at.push(Scalar::index(id));
                }
            }
        }
        let array =
            self.random_storage(variable, indices, law, arguments.as_deref(), &binders, span)?;
        if indices.is_empty() && self.draw_rank(&law.call) == 0 {
            let shape = self.loops.array(array).shape.clone();
            for length in shape {
                let binder = self.count_binder(length);
                at.push(Scalar::index(binder.index));
                binders.push(binder);
            }
        }
        let ranges = match binders.len() == at.len() {
            true => binders.clone(),
            false => Vec::new(),
        };
        if self.splits.contains_key(&variable) {
            let target = Target {
                variable,
                at,
                names,
                ranges,
            };
            return self.random_split(target, binders, arguments, law, span);
        }
        if law.ordered {
            return self.ordered(variable, array, binders, arguments, law, span);
        }
        let role = self.role_of(array);
        let defines = match role {
            None => HashSet::new(),
            Some(_) => HashSet::from([array]),
        };
        self.nest(binders, defines, |expander, _| {
            let arguments = match arguments {
                Some(arguments) => arguments,
                None => expander.law_arguments(&law.call)?,
            };
            let shape = expander.loops.array(array).shape[..at.len()].to_vec();
            let arguments = expander.by_position(law, arguments, &ranges, &at, &shape, span);
            let here = expander.arguments_at(law, &arguments, &at, &shape, span)?;
            expander.element = (at.clone(), shape);
            let entered = expander.enter(&law.call, here)?;
            let drawn = Drawn {
                variable,
                place: Place {
                    array,
                    prefix: at.clone(),
                },
                at: &at,
                role,
            };
            let random = expander.random_element(drawn, &entered, law, span);
            expander.leave(&entered);
            expander.emit(Statement::Random(Box::new(random?)));
            Ok(())
        })
    }

    /// The arguments that stand for parameters that are numbers.
    pub(super) fn scalar_arguments(&self, law: &Law, arguments: &[Value]) -> Vec<Value> {
        let slots = law.call.slots(&self.hir.distributions);
        let scalars = slots
            .iter()
            .zip(arguments)
            .filter(|(slot, _)| slot.is_scalar);
        scalars
            .map(|(slot, argument)| self.without_component(argument, slot.is_indexed, law.span))
            .collect()
    }

    pub(super) fn observed(&self, variable: VariableId) -> bool {
        self.bound.keys.contains_key(&variable)
    }

    /// Whether unknowns are to be sampled; otherwise draws are at hand, or their roles are still being found out.
    fn conditions_on_data(&self) -> bool {
        !self.is_probing && self.bound.known.is_empty()
    }

    /// The role of what an array of a random variable holds; `None` for data.
    pub(super) fn role_of(&self, array: ArrayId) -> Option<Role> {
        match self.loops.array(array).kind {
            super::loops::ArrayKind::Random(role) => Some(role),
            _ => None,
        }
    }

    pub(super) fn random_element(
        &mut self,
        drawn: Drawn,
        entered: &super::laws::Entered<'a>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Random> {
        let Drawn {
            variable,
            place,
            at,
            role,
        } = drawn;
        let observed = role.is_none();
        let array = place.array;
        let declared = &self.hir.variables[variable.0 as usize];
        let element = declared.ty.element;
        let support = self.truncated_support(entered, law, at)?;
        let vector = self.draw_rank(&law.call) > 0;
        let x = if vector {
            let shape = support.shape();
            Value::Array(Pull {
                element,
                shape,
                body: Body::Stored(place.clone()),
            })
        } else {
            Value::Scalar(super::pull::element(
                &self.loops.arrays,
                array,
                place.prefix.clone(),
                span,
            ))
        };
        if !observed {
            let is_unknown = matches!(role, Some(Role::Inferred | Role::SummedOut));
            if element == Element::Int && is_unknown && self.conditions_on_data() {
                self.sums_out(array, &support)?;
            }
            self.learn_range(array, &support);
            if law.censored.is_some() {
                if role == Some(Role::Inferred) && self.conditions_on_data() {
                    return Err(Diagnostic::error(
                        "E0439",
                        format!(
                            "`{}` is unknown, and `censored` is for what is observed",
                            declared.name
                        ),
                    )
                    .at(law.span, "something observed depends on it")
                    .help("remove `censored`; to restrict an unknown write `truncated`")
                    .into());
                }
                self.ranges.arrays.insert(array, Interval::ALL);
            }
            self.learn_range_of_whole(variable);
            if let Support::Structured { structure, .. } = support {
                self.structures.insert(array, structure);
            }
        }
        let standard = match role {
            Some(Role::Inferred) => self.standard(entered, law, &support, &declared.name, span)?,
            _ => None,
        };
        let what = format!("`{}`", declared.name);
        let density = if observed {
            let shape = self.loops.array(array).shape[..at.len()].to_vec();
            let observation = self.observation(Some(&declared.name), &shape);
            super::loops::Term {
                observation: Some((observation, at.to_vec())),
                ..self.law_term(entered, law, x, &what, true, span)?
            }
        } else if role == Some(Role::Simulated) {
            self.term(Scalar::real(0.0), Vec::new(), Part::Likelihood, span)
        } else {
            // What reads the variable can only run once it has its value.
            self.open(BlockKind::Straight);
            self.blocks
                .last_mut()
                .expect("just opened")
                .defines
                .insert(array);
            let term = self.law_term(entered, law, x, &what, false, span);
            let statements = self.close();
            super::loops::Term {
                statements,
                ..term?
            }
        };
        let sample = if observed {
            None
        } else {
            self.sample(array, &place.prefix, entered, law, &support, span)?
        };
        if sample.is_none() && !observed && role == Some(Role::Simulated) && entered.is_flat() {
            return Err(Diagnostic::error(
                "E0436",
                format!(
                    "`{}` is simulated, and `flat` cannot be drawn from",
                    declared.name
                ),
            )
            .at(law.span, "nothing observed depends on it")
            .help("give it a proper distribution, or remove it")
            .into());
        }
        if !observed && entered.is_flat() {
            let reason = "the density of `flat` does not integrate to one";
            self.loops.unnormalised.push((law.span, reason.to_string()));
        }
        Ok(Random {
            variable: array,
            indices: place.prefix,
            observed,
            support,
            standard,
            density,
            sample,
        })
    }

    /// Marks a discrete unknown as summed out; its bounds must be finite and known.
    fn sums_out(&mut self, array: ArrayId, support: &Support) -> Outcome<()> {
        let declared = self.loops.array(array);
        let (name, span) = (declared.name.clone(), declared.span);
        let Support::Interval { lower, upper, .. } = support else {
            return Err(Diagnostic::error(
                "E0435",
                format!("`{name}` is an unknown vector of whole numbers"),
            )
            .at(span, "something observed depends on it")
            .help("discrete unknowns are summed out one number at a time: write it element by element")
            .into());
        };
        let (Some(lower), Some(upper)) = (lower, upper) else {
            return Err(super::sum_out::ground::infinite(&name, span).into());
        };
        if !self.is_data(lower) || !self.is_data(upper) {
            return Err(Diagnostic::error(
                "E0502",
                format!("the values that `{name}` can take depend on an unknown"),
            )
            .at(span, "its bounds are not known when the data are")
            .help("give it bounds made of data")
            .into());
        }
        self.loops.arrays[array.0 as usize].kind = super::loops::ArrayKind::Random(Role::SummedOut);
        Ok(())
    }

    pub(super) fn learn_range(&mut self, array: ArrayId, support: &Support) {
        let bounds = |lower: &Option<Scalar>, upper: &Option<Scalar>| {
            let low = lower.as_ref().and_then(Scalar::as_number);
            let high = upper.as_ref().and_then(Scalar::as_number);
            Interval {
                low: low.unwrap_or(f64::NEG_INFINITY),
                high: high.unwrap_or(f64::INFINITY),
                above: low.is_some(),
                below: high.is_some(),
            }
        };
        let mut range = match support {
            Support::Interval { lower, upper, .. } => bounds(lower, upper),
            Support::Ordered { lower, upper, .. } | Support::Array { lower, upper, .. } => {
                bounds(lower, upper)
            }
            Support::Structured { structure, .. } => match structure {
                Structure::Simplex => Interval::closed(0.0, 1.0),
                Structure::PositiveOrdered => Interval::POSITIVE,
                Structure::UnitVector | Structure::Correlation | Structure::CholeskyCorrelation => {
                    Interval::closed(-1.0, 1.0)
                }
                _ => Interval::ALL,
            },
        };
        // A lower bound that is itself an expression is at least as low as its range.
        if let Support::Interval {
            lower: Some(lower), ..
        }
        | Support::Array {
            lower: Some(lower), ..
        } = support
            && lower.as_number().is_none()
        {
            let known = self.range(lower);
            (range.low, range.above) = (known.low, true);
        }
        if let Support::Interval {
            upper: Some(upper), ..
        }
        | Support::Array {
            upper: Some(upper), ..
        } = support
            && upper.as_number().is_none()
        {
            let known = self.range(upper);
            (range.high, range.below) = (known.high, true);
        }
        // Closed supports of simulated variables include their ends; inferred ones are strictly inside.
        // With several statements an element may be read before the last of them is known.
        let known = self.ranges.arrays.get(&array).copied();
        let range = match known {
            None => range,
            // Whole numbers index arrays: their range is needed, and checked when all statements are known.
            Some(known) if matches!(support, Support::Interval { int: true, .. }) => {
                known.join(range)
            }
            Some(_) => Interval::ALL,
        };
        self.ranges.arrays.insert(array, range);
    }

    /// The array of a random variable: its data, or storage of the shape that the statement says.
    pub(super) fn random_storage(
        &mut self,
        variable: VariableId,
        indices: &'a [RandomIndex],
        law: &'a Law,
        arguments: Option<&[Value]>,
        binders: &[Binder],
        span: Span,
    ) -> Outcome<ArrayId> {
        let declared = &self.hir.variables[variable.0 as usize];
        if indices
            .iter()
            .any(|index| matches!(index, RandomIndex::At(_)))
        {
            return match self.arrays_of.get(&variable) {
                Some(array) => Ok(*array),
                None => self.element_storage(variable),
            };
        }
        let mut shape = Vec::new();
        let uppers = binders.iter().filter_map(|binder| binder.upper.as_int());
        self.check_size(uppers, span)?;
        for binder in binders {
            let Some(upper) = binder.upper.as_int() else {
                return Err(Diagnostic::error(
                    "E0410",
                    "the end of this range must be known when the data are",
                )
                .at(span, "")
                .help("draw element by element inside a `for`")
                .into());
            };
            shape.push(upper.max(0) as usize);
        }
        // Each of several statements may draw the last element.
        if !binders.is_empty() && self.is_drawn_in_pieces(variable) {
            let needed = self.shape_of_elements(variable)?;
            for (length, needed) in shape.iter_mut().zip(needed) {
                *length = (*length).max(needed);
            }
        }
        if let (Some(arguments), 0) = (arguments, self.draw_rank(&law.call)) {
            let scalars = self.scalar_arguments(law, arguments);
            shape = self
                .common_shape(&scalars, &law.call.arguments, law.span)?
                .unwrap_or_default();
        }
        if self.draw_rank(&law.call) > 0 {
            shape.extend(self.draw_shape_here(law, arguments, binders)?);
        }
        match self.arrays_of.get(&variable).copied() {
            Some(array) if self.observed(variable) => {
                let found = self.loops.array(array).shape.clone();
                let nothing = |shape: &[usize]| shape.first() == Some(&0);
                if nothing(&found) && nothing(&shape) {
                    self.loops.arrays[array.0 as usize].shape = shape;
                    return Ok(array);
                }
                if found != shape {
                    let mut diagnostic = Diagnostic::error(
                        "E0440",
                        format!(
                            "`{}` has {} in the data, and the model says {}",
                            declared.name,
                            sizes(&found),
                            sizes(&shape)
                        ),
                    )
                    .at(span, format!("{} here", sizes(&shape)));
                    if let Some(origin) = self.bound.origin(&declared.name) {
                        diagnostic =
                            diagnostic.note(format!("`{}` comes from {origin}", declared.name));
                    }
                    let call_expressions = &law.call.arguments;
                    diagnostic = self.origins_note(diagnostic, call_expressions);
                    let help = if shape.is_empty() {
                        format!(
                            "write `{}[1..{}] ~ …` for one draw for each element",
                            declared.name,
                            found.first().copied().unwrap_or(0)
                        )
                    } else {
                        "make the data and the model agree".to_string()
                    };
                    return Err(diagnostic.help(help).into());
                }
                Ok(array)
            }
            Some(array) => Ok(array),
            None => {
                let element = declared.ty.element;
                let array = self.unknown_storage(variable, shape)?;
                self.arrays_of.insert(variable, array);
                let value = self.stored_value(array, element, declared.span);
                self.frame().bind(variable, value);
                Ok(array)
            }
        }
    }

    fn draw_shape_here(
        &mut self,
        law: &'a Law,
        arguments: Option<&[Value]>,
        binders: &[Binder],
    ) -> Outcome<Vec<usize>> {
        for binder in binders {
            self.open(BlockKind::Over(vec![binder.index]));
        }
        let mut shape = || -> Outcome<Vec<usize>> {
            let values = match arguments {
                Some(arguments) => arguments.to_vec(),
                None => self.law_arguments(&law.call)?,
            };
            let entered = self.enter(&law.call, values)?;
            let shape = self.draw_shape(&entered);
            self.leave(&entered);
            shape
        };
        let result = shape();
        // What this needed is computed again where the law is used.
        for _ in binders {
            self.close();
        }
        result
    }
}
