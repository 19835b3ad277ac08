//! Differential equations. The right-hand side becomes a program of its own: it is expanded in an empty set of blocks, so
//! that nothing leaves it, and reads data and one array, the *point* (t, y, p). What is known and the same in all rounds
//! of the loops around the call stays data; everything else that is handed to the right-hand side is packed into p. So
//! one array, the first point, carries all that the solution depends on, except for its times.

use likelier_runtime::math::ode::{self, Failure, Problem, Settings, System, Workspace};

use super::expand::{BlockKind, Expander, Outcome, has_draw};
use super::expression::sizes;
use super::fold::{FoldError, Interpreter, free_indices};
use super::loops::{
    ArrayId, ArrayKind, DenseKind, Equation, Loops, Node, Place, Scalar, Statement,
};
use super::pull::{Body, Pull, Value, element, truth};
use crate::check::hir::{self, Element, OdeCall};
use crate::math::primitive::{Ode, Operation};
use crate::source::{Diagnostic, Span};

impl<'a> Expander<'a> {
    /// The solution: a row for each time.
    pub(super) fn ode(&mut self, call: &'a OdeCall, span: Span) -> Outcome<Value> {
        let function = &self.hir.functions[call.function.0 as usize];
        if self.in_equation {
            return Err(Diagnostic::error(
                "E0470",
                "a differential equation cannot be solved inside the right-hand side of another",
            )
            .at(span, "")
            .help("make it one equation of all their states")
            .into());
        }
        let settings = self.ode_settings(call)?;
        let initial = self.pull(&call.initial)?;
        let start = self.scalar(&call.start)?;
        let times = self.pull(&call.times)?;
        let arguments = self.values(&call.arguments)?;
        let (states, count) = (initial.shape[0], times.shape[0]);
        if states == 0 || count == 0 {
            let shape = [count, states];
            return self.over(&shape, Element::Real, span, |_, _| Ok(Scalar::real(0.0)));
        }

        let mut packed = vec![Value::Scalar(start.clone()), Value::Array(initial)];
        let mut known = Vec::new();
        for (argument, parameter) in arguments.into_iter().zip(&function.parameters[2..]) {
            let name = &function.variables[parameter.variable.0 as usize].name;
            known.push(self.known_argument(&argument, name, span)?);
            if known.last().is_some_and(Option::is_none) {
                packed.push(argument);
            }
        }
        let point: usize = packed
            .iter()
            .map(|value| value.shape().iter().product::<usize>())
            .sum();
        let equation = self.equation(call, settings, start, &packed, known, point, span)?;
        let ode = Ode {
            equation,
            states,
            point,
            times: count,
        };
        let first = self.pack(packed, point, span)?;
        let times = self.place(&times, "times", span)?;
        let solution = self.dense(
            DenseKind::Ode(ode),
            vec![first, times],
            vec![count + 1, states],
            &function.name,
            span,
        )?;
        // The last row is for the gradient.
        self.over(&[count, states], Element::Real, span, |expander, at| {
            Ok(expander.at(&solution, at, span))
        })
    }

    fn ode_settings(&mut self, call: &'a OdeCall) -> Outcome<Settings> {
        let mut numbers = [0.0; 3];
        for (number, expression) in numbers.iter_mut().zip(&call.settings) {
            let scalar = self.scalar(expression)?;
            let Some(value) = self.constant(&scalar)? else {
                return Err(Diagnostic::error(
                    "E0476",
                    "the tolerances and the cap of steps must be known when the data are",
                )
                .at(expression.span, "")
                .help("write numbers, or settings with `given`")
                .into());
            };
            *number = value;
        }
        let [relative, absolute, steps] = numbers;
        let rules = [
            (
                (1e-14..1.0).contains(&relative),
                "`rtol` must lie between 1e-14 and 1",
            ),
            (
                absolute > 0.0 && absolute.is_finite(),
                "`atol` must be positive",
            ),
            (steps >= 1.0, "`max_steps` must be at least 1"),
        ];
        for (i, (holds, rule)) in rules.into_iter().enumerate() {
            if !holds {
                return Err(Diagnostic::error(
                    "E0476",
                    format!("{rule}, and it is {}", numbers[i]),
                )
                .at(call.settings[i].span, "")
                .help("the defaults are rtol=1e-6, atol=1e-6 and max_steps=10000")
                .into());
            }
        }
        Ok(Settings {
            method: call.method,
            relative_tolerance: relative,
            absolute_tolerance: absolute,
            max_steps: steps as usize,
        })
    }

    /// An argument as data, if data decide it and it is the same in all rounds of the loops around.
    fn known_argument(
        &mut self,
        argument: &Value,
        name: &str,
        span: Span,
    ) -> Outcome<Option<Value>> {
        match argument {
            Value::Scalar(scalar) => {
                let known = self.is_data(scalar) && free_indices(scalar).is_empty();
                Ok(known.then(|| argument.clone()))
            }
            Value::Array(pull) => {
                let fixed = match &pull.body {
                    Body::Stored(place) => place
                        .prefix
                        .iter()
                        .all(|index| free_indices(index).is_empty()),
                    Body::Lambda(placeholders, body) => {
                        self.is_data(body)
                            && free_indices(body)
                                .iter()
                                .all(|index| placeholders.contains(index))
                    }
                };
                if !fixed {
                    return Ok(None);
                }
                let place = self.place(pull, name, span)?;
                let kind = &self.loops.array(place.array).kind;
                let known = matches!(kind, ArrayKind::Real(_) | ArrayKind::Int(_));
                Ok(known.then(|| {
                    Value::Array(Pull {
                        body: Body::Stored(place),
                        ..pull.clone()
                    })
                }))
            }
        }
    }

    /// The program of the right-hand side. `known` has a value for each argument that is not packed.
    #[allow(clippy::too_many_arguments)]
    fn equation(
        &mut self,
        call: &'a OdeCall,
        settings: Settings,
        start_time: Scalar,
        packed: &[Value],
        known: Vec<Option<Value>>,
        size: usize,
        span: Span,
    ) -> Outcome<u32> {
        let function = &self.hir.functions[call.function.0 as usize];
        let point = self.array("point", vec![size], ArrayKind::Argument, span);
        let mut views = Vec::new();
        let mut offset = 0;
        for value in packed {
            views.push(self.view(point, offset, value, span)?);
            offset += value.shape().iter().product::<usize>();
        }
        let mut views = views.into_iter();
        let mut arguments: Vec<Value> = views.by_ref().take(2).collect();
        for value in known {
            let value = value.or_else(|| views.next());
            arguments.push(value.expect("what is not known is packed"));
        }

        let outer = std::mem::take(&mut self.blocks);
        self.open(BlockKind::Closed);
        self.in_equation = true;
        let first = ArrayId(self.loops.arrays.len() as u32);
        let value = self.call(function, arguments, span);
        let derivative = value
            .and_then(|value| self.derivative(function, value, packed[1].shape(), first, span));
        let statements = self.close();
        self.in_equation = false;
        self.blocks = outer;
        self.loops.equations.push(Equation {
            name: function.name.clone(),
            settings,
            point,
            statements,
            derivative: derivative?,
            start_time,
            times_span: call.times.span,
        });
        Ok(self.loops.equations.len() as u32 - 1)
    }

    /// Part of the point, in the shape and type of the value that is packed there.
    fn view(&mut self, point: ArrayId, offset: usize, value: &Value, span: Span) -> Outcome<Value> {
        let at = |expander: &Self, place: Scalar, is_bool: bool| {
            let stored = element(&expander.loops.arrays, point, vec![place], span);
            if is_bool { truth(stored) } else { stored }
        };
        match value {
            Value::Scalar(scalar) => {
                let is_bool = self.is_truth(scalar);
                let place = Scalar::int(offset as i64 + 1);
                Ok(Value::Scalar(at(self, place, is_bool)))
            }
            Value::Array(pull) => {
                let (shape, is_bool) = (pull.shape.clone(), pull.element == Element::Bool);
                self.over(&shape, pull.element, span, |expander, indices| {
                    Ok(at(expander, flat(offset, &shape, indices), is_bool))
                })
            }
        }
    }

    fn is_truth(&self, scalar: &Scalar) -> bool {
        match &*scalar.0 {
            Node::Bool(_) => true,
            Node::Operation { operation, .. } => {
                operation.entry().result == crate::math::graph::Type::Bool
            }
            Node::If { then, .. } => self.is_truth(then),
            _ => false,
        }
    }

    /// The array that holds dy/dt at the end of the right-hand side.
    fn derivative(
        &mut self,
        function: &'a hir::Function,
        value: Value,
        shape: &[usize],
        first: ArrayId,
        span: Span,
    ) -> Outcome<ArrayId> {
        if value.shape() != shape {
            return Err(Diagnostic::error(
                "E0475",
                format!(
                    "the start has {}, and `{}` returns {}",
                    sizes(shape),
                    function.name,
                    sizes(value.shape())
                ),
            )
            .at(span, "")
            .at(function.span, "")
            .help("dy/dt has one element for each element of y")
            .into());
        }
        if let Value::Array(Pull {
            body: Body::Stored(place),
            ..
        }) = &value
        {
            let array = self.loops.array(place.array);
            let is_own = place.array >= first && matches!(array.kind, ArrayKind::Let);
            if is_own && place.prefix.is_empty() && array.shape == shape {
                return Ok(place.array);
            }
        }
        let array = self.array("derivative", shape.to_vec(), ArrayKind::Let, span);
        self.fill(array, &value, span);
        Ok(array)
    }

    /// Stores values one after another, in the outermost block in which they exist.
    fn pack(&mut self, values: Vec<Value>, size: usize, span: Span) -> Outcome<Place> {
        let mut scalars = Vec::new();
        let mut elements = Vec::new();
        let mut offset = 0;
        for value in &values {
            let shape = value.shape().to_vec();
            let binders: Vec<_> = shape.iter().map(|&n| self.count_binder(n)).collect();
            let at: Vec<Scalar> = binders.iter().map(|b| Scalar::index(b.index)).collect();
            let scalar = self.at(value, &at, span);
            scalars.push(scalar.clone());
            elements.push((binders, flat(offset, &shape, &at), scalar));
            offset += shape.iter().product::<usize>();
        }
        let innermost = self.blocks.len() - 1;
        let level = if has_draw(&scalars) {
            innermost
        } else {
            self.level_of(&scalars, &[])
        };
        let place = self.local(level, "start", &[size], span);
        let mut statements = Vec::new();
        for (binders, at, value) in elements {
            let mut nest = Statement::Store {
                array: place.array,
                indices: place.prefix.iter().cloned().chain([at]).collect(),
                value,
            };
            for binder in binders.into_iter().rev() {
                nest = Statement::For {
                    binder,
                    body: vec![nest],
                };
            }
            statements.push(nest);
        }
        let straight = self.blocks[..=level]
            .iter()
            .all(|block| block.kind == BlockKind::Straight);
        if straight && super::fold::depends_on_data_alone(&self.loops.arrays, &statements) {
            self.interpret(&statements)?;
        } else {
            for statement in statements {
                self.emit_at(level, statement);
            }
        }
        Ok(place)
    }
}

/// The index from 1, in a flat array, of an element of an array that begins behind `offset` others.
fn flat(offset: usize, shape: &[usize], indices: &[Scalar]) -> Scalar {
    let int = |value: usize| Scalar::int(value as i64);
    let mut position = int(0);
    for (index, &length) in indices.iter().zip(shape) {
        let rows = Scalar::operation(Operation::IntMultiply, vec![position, int(length)]);
        let before = Scalar::operation(Operation::IntSubtract, vec![index.clone(), int(1)]);
        position = Scalar::operation(Operation::IntAdd, vec![rows, before]);
    }
    Scalar::operation(Operation::IntAdd, vec![position, int(offset + 1)])
}

/// A right-hand side on known numbers.
struct Folded<'a> {
    interpreter: Interpreter<'a>,
    equation: &'a Equation,
    states: usize,
    error: Option<FoldError>,
}

impl System for Folded<'_> {
    fn derivative(&mut self, point: &[f64], derivative: &mut [f64]) {
        if let Err(error) = self
            .interpreter
            .derivative(self.equation, point, derivative)
        {
            derivative.fill(f64::NAN);
            // What is not a number counts as undefined here.
            if !matches!(error, FoldError::Undefined { .. }) {
                self.error = Some(error);
            }
        }
    }

    /// By differences: Newton's iteration, which alone asks for it, needs no more.
    fn add_adjoint(&mut self, point: &[f64], weights: &[f64], adjoint: &mut [f64]) {
        let mut moved = point.to_vec();
        let (mut before, mut after) = (vec![0.0; self.states], vec![0.0; self.states]);
        self.derivative(point, &mut before);
        for k in 1..=self.states {
            let step = 1e-7 * point[k].abs().max(1e-3);
            moved[k] = point[k] + step;
            self.derivative(&moved, &mut after);
            moved[k] = point[k];
            let changes = after.iter().zip(&before).zip(weights);
            adjoint[k] += changes.map(|((a, b), w)| w * (a - b)).sum::<f64>() / step;
        }
    }
}

/// The solution of an equation on known numbers, and a row of zeros.
pub(super) fn evaluate(
    loops: &Loops,
    ode: Ode,
    inputs: &[Vec<f64>],
) -> Result<Vec<f64>, FoldError> {
    let equation = &loops.equations[ode.equation as usize];
    let mut folded = Folded {
        interpreter: Interpreter::new(loops),
        equation,
        states: ode.states,
        error: None,
    };
    let problem = Problem {
        states: ode.states,
        start: &inputs[0],
        times: &inputs[1],
        settings: equation.settings,
    };
    let mut solution = vec![0.0; (ode.times + 1) * ode.states];
    let mut workspace = Workspace::default();
    let rows = &mut solution[..ode.times * ode.states];
    ode::solve(&mut folded, &problem, &mut workspace, rows);
    match (folded.error, workspace.failure()) {
        (Some(error), _) => Err(error),
        (None, Some(failure)) => Err(FoldError::Unsolved {
            equation: ode.equation,
            failure,
        }),
        (None, None) => Ok(solution),
    }
}

/// The message for an equation that has no solution on the data alone.
pub(super) fn unsolved(loops: &Loops, equation: u32, failure: Failure) -> Diagnostic {
    let equation = &loops.equations[equation as usize];
    let diagnostic = Diagnostic::error(
        "E0473",
        format!("`{}` has no solution here: {failure}", equation.name),
    )
    .at(equation.times_span, "at these times");
    diagnostic.help(match failure {
        Failure::TooManySteps { .. } => {
            "raise `max_steps`, loosen `rtol` and `atol`, or use `ode_stiff` if the equation is stiff"
        }
        Failure::BadTimes => "sort the times, and begin at or before the first",
        _ => "look at the equation there: it may divide by zero, or grow beyond all bounds",
    })
}

/// Whether a differential equation is solved among the statements.
pub(super) fn occurs(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For { body, .. } => occurs(body),
        Statement::If {
            then, otherwise, ..
        } => occurs(then) || occurs(otherwise),
        Statement::Dense { operation, .. } => matches!(operation, DenseKind::Ode(_)),
        _ => false,
    })
}

/// The message for times that decrease or lie before the start, if they do.
pub(super) fn bad_times(
    equation: &Equation,
    start: Option<f64>,
    times: &[f64],
) -> Option<Diagnostic> {
    let mut before = start.unwrap_or(f64::NEG_INFINITY);
    let mut element = None;
    for (i, &time) in times.iter().enumerate() {
        if !time.is_finite() || time < before {
            element = Some(i);
            break;
        }
        before = time;
    }
    let element = element?;
    let what = match element {
        0 => format!("the first is {}, and the start is {before}", times[0]),
        i => format!("number {} is {}, after {before}", i + 1, times[i]),
    };
    Some(
        Diagnostic::error(
            "E0474",
            format!(
                "the times at which `{}` is solved must not decrease",
                equation.name
            ),
        )
        .at(equation.times_span, what)
        .help("sort the times (and what was observed at them), and begin at or before the first"),
    )
}
