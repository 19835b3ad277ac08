//! What must hold of the finished loops and can only be known with the data: indices in range, each element defined once
//! and before it is read, parameters that data alone decide within their domain. Most indices are in range by their
//! intervals; only what is left is looked at round by round.

mod definitions;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::bind::Bound;
use super::expand::{UNNAMED, out_of_range, rounds_text, without_place};
use super::fold::{FoldError, Interpreter, is_data_only, is_known_array};
use super::interval::{Interval, Ranges};
use super::laws::nothing_between;
use super::loops::{
    ArrayId, Binder, DenseKind, IndexId, Loops, Node, Place, Random, Scalar, Standard, Statement,
    Support, Term, walk_statements, walk_support,
};
use crate::math::primitive::Ode;
use crate::source::{Diagnostic, Span};
use definitions::{defined_arrays, sequential};

/// At most this many messages.
const MOST_ERRORS: usize = 5;

/// Checks the loops; an empty list means that all is well.
pub fn verify(loops: &Loops, ranges: &Ranges, bound: &Bound) -> Vec<Diagnostic> {
    let mut tracked = HashMap::new();
    sequential(&loops.statements, loops, false, &mut tracked);
    for equation in &loops.equations {
        sequential(&equation.statements, loops, false, &mut tracked);
    }
    let mut verifier = Verifier {
        loops,
        ranges,
        bound,
        tracked,
        suspicious: HashMap::new(),
        rounds: Vec::new(),
        diagnostics: Vec::new(),
        said: HashSet::new(),
        guards: 0,
    };
    let mut interpreter = Interpreter::new(loops);
    let bodies = loops.equations.iter().map(|equation| &equation.statements);
    let mut all = bodies.chain([&loops.statements]);
    match all.try_for_each(|statements| verifier.run(statements, &mut interpreter)) {
        Ok(()) | Err(FoldError::Undefined { .. }) => {}
        Err(FoldError::OutOfRange {
            array,
            index,
            length,
            span,
        }) => {
            verifier
                .diagnostics
                .push(out_of_range(loops, bound, array, index, length, span, &[]));
        }
        Err(FoldError::Unsolved { equation, failure }) => {
            let diagnostic = super::ode::unsolved(loops, equation, failure);
            verifier.diagnostics.push(diagnostic);
        }
        Err(error) => verifier.diagnostics.push(without_place(error)),
    }
    verifier.complete();
    verifier.diagnostics
}

struct Verifier<'a> {
    loops: &'a Loops,
    ranges: &'a Ranges,
    bound: &'a Bound,
    /// Which elements are defined so far.
    tracked: HashMap<ArrayId, Vec<bool>>,
    /// Whether a scalar holds anything to look at round by round.
    suspicious: HashMap<*const Node, bool>,
    rounds: Vec<IndexId>,
    diagnostics: Vec<Diagnostic>,
    said: HashSet<Span>,
    /// Choices around the present scalar that unknowns decide: they may keep an index in range.
    guards: usize,
}

impl<'a> Verifier<'a> {
    fn full(&self) -> bool {
        self.diagnostics.len() >= MOST_ERRORS
    }

    fn run(
        &mut self,
        statements: &[Statement],
        interpreter: &mut Interpreter,
    ) -> Result<(), FoldError> {
        for statement in statements {
            if self.full() {
                return Ok(());
            }
            match statement {
                Statement::For { binder, body } => {
                    self.scalar(&binder.lower, interpreter)?;
                    self.scalar(&binder.upper, interpreter)?;
                    if !self.matters(body) {
                        continue;
                    }
                    self.rounds.push(binder.index);
                    self.for_each(
                        std::slice::from_ref(binder),
                        interpreter,
                        &mut |verifier, interpreter| verifier.run(body, interpreter),
                    )?;
                    self.rounds.pop();
                }
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    self.scalar(condition, interpreter)?;
                    match self.known(condition, interpreter)? {
                        Some(holds) => {
                            self.run(if holds != 0.0 { then } else { otherwise }, interpreter)?
                        }
                        None => {
                            let before = self.tracked.clone();
                            self.run(then, interpreter)?;
                            let after = std::mem::replace(&mut self.tracked, before);
                            self.run(otherwise, interpreter)?;
                            self.drawn_in_one(&after, [then, otherwise]);
                            for (array, defined) in after {
                                if let Some(other) = self.tracked.get_mut(&array) {
                                    other.iter_mut().zip(defined).for_each(|(a, b)| *a |= b);
                                }
                            }
                        }
                    }
                }
                Statement::Store {
                    array,
                    indices,
                    value,
                } => {
                    self.scalar(value, interpreter)?;
                    self.define(*array, indices, interpreter)?;
                }
                Statement::Dense {
                    operation,
                    inputs,
                    output,
                } => {
                    for place in inputs.iter().chain([output]) {
                        for index in &place.prefix {
                            self.scalar(index, interpreter)?;
                        }
                    }
                    if let DenseKind::Ode(ode) = operation {
                        self.times(*ode, &inputs[1], interpreter)?;
                    }
                }
                Statement::Random(random) => {
                    let mut bounds = Vec::new();
                    walk_support(&random.support, &mut |bound| bounds.push(bound.clone()));
                    if bounds.iter().any(|bound| bound.as_number().is_none()) {
                        let binders = random.support.binders();
                        self.for_each(binders, interpreter, &mut |verifier, interpreter| {
                            for bound in &bounds {
                                verifier.scalar(bound, interpreter)?;
                            }
                            verifier.room(random, &bounds, interpreter)
                        })?;
                    }
                    if let Some(Standard { centre, width }) = &random.standard {
                        self.scalar(centre, interpreter)?;
                        self.scalar(width, interpreter)?;
                    }
                    if !random.observed {
                        self.define(random.variable, &random.indices, interpreter)?;
                    }
                    self.term(&random.density, interpreter)?;
                }
                Statement::Term(term) => self.term(term, interpreter)?,
            }
        }
        Ok(())
    }

    /// Times that data decide must not decrease, nor lie before the start.
    fn times(
        &mut self,
        ode: Ode,
        place: &Place,
        interpreter: &mut Interpreter,
    ) -> Result<(), FoldError> {
        if self.full() || !is_known_array(&self.loops.arrays, place.array, &HashSet::new()) {
            return Ok(());
        }
        let equation = &self.loops.equations[ode.equation as usize];
        let start = self.known(&equation.start_time, interpreter)?;
        let times = interpreter.elements(place, ode.times)?;
        if let Some(diagnostic) = super::ode::bad_times(equation, start, &times)
            && self.said.insert(equation.times_span)
        {
            let diagnostic = self.rounds_note(diagnostic, interpreter);
            self.diagnostics.push(diagnostic);
        }
        Ok(())
    }

    /// Bounds that data decide must leave room.
    fn room(
        &mut self,
        random: &Random,
        bounds: &[Scalar],
        interpreter: &mut Interpreter,
    ) -> Result<(), FoldError> {
        let [lower, upper] = bounds else {
            return Ok(());
        };
        if matches!(random.support, Support::Interval { int: true, .. }) {
            return Ok(());
        }
        let (lower, upper) = (
            self.known(lower, interpreter)?,
            self.known(upper, interpreter)?,
        );
        if let (Some(lower), Some(upper)) = (lower, upper)
            && lower >= upper
            && !random.observed
            && self.said.insert(random.density.span)
        {
            let diagnostic = nothing_between(lower, upper, random.density.span);
            self.diagnostics
                .push(self.rounds_note(diagnostic, interpreter));
        }
        Ok(())
    }

    fn for_each(
        &mut self,
        binders: &[Binder],
        interpreter: &mut Interpreter,
        visit: &mut dyn FnMut(&mut Self, &mut Interpreter) -> Result<(), FoldError>,
    ) -> Result<(), FoldError> {
        interpreter.for_each(binders, &mut |interpreter| {
            if self.full() {
                Ok(())
            } else {
                visit(self, interpreter)
            }
        })
    }

    fn term(&mut self, term: &Term, interpreter: &mut Interpreter) -> Result<(), FoldError> {
        self.run(&term.statements, interpreter)?;
        for condition in &term.domain {
            self.scalar(&condition.holds, interpreter)?;
            if self.full() {
                return Ok(());
            }
            if self.known(&condition.holds, interpreter)? == Some(0.0)
                && self.said.insert(condition.span)
            {
                let value = self.known(&condition.value, interpreter)?;
                let found = value
                    .map(|value| format!(", and it is {value}"))
                    .unwrap_or_default();
                let mut diagnostic =
                    Diagnostic::error("E0430", format!("{}{found}", condition.rule))
                        .at(condition.span, "");
                if let Some(origin) = self.origin_of(&condition.value, interpreter) {
                    diagnostic = diagnostic.note(origin);
                }
                diagnostic = self.rounds_note(diagnostic, interpreter);
                self.diagnostics.push(
                    diagnostic
                        .help("look at these data, or choose a distribution that allows them"),
                );
            }
        }
        self.scalar(&term.value, interpreter)
    }

    /// Where the first element of data in a scalar comes from.
    fn origin_of(&self, scalar: &Scalar, interpreter: &mut Interpreter) -> Option<String> {
        let mut found = None;
        scalar.walk(&mut |node| {
            if let Node::Element { array, indices, .. } = &*node.0
                && found.is_none()
            {
                found = Some((*array, indices.clone()));
            }
        });
        let (array, indices) = found?;
        let name = &self.loops.array(array).name;
        let origin = self.bound.origin(name)?;
        let mut element = name.clone();
        for index in &indices {
            element.push_str(&format!("[{}]", self.known(index, interpreter).ok()??));
        }
        Some(format!("this is `{element}`, from {origin}"))
    }

    fn rounds_note(&self, diagnostic: Diagnostic, interpreter: &Interpreter) -> Diagnostic {
        let rounds = self.round_names(interpreter);
        if rounds.is_empty() {
            return diagnostic;
        }
        diagnostic.note(format!("this happens first at {}", rounds_text(&rounds)))
    }

    fn round_names(&self, interpreter: &Interpreter) -> Vec<(String, i64)> {
        self.rounds
            .iter()
            .map(|index| {
                (
                    self.loops.indices[index.0 as usize].clone(),
                    interpreter.index(*index),
                )
            })
            .collect()
    }

    /// The value of a scalar that data and the round decide.
    fn known(
        &self,
        scalar: &Scalar,
        interpreter: &mut Interpreter,
    ) -> Result<Option<f64>, FoldError> {
        if let Some(number) = scalar.as_number() {
            return Ok(Some(number));
        }
        if !is_data_only(&self.loops.arrays, scalar) {
            return Ok(None);
        }
        interpreter.value(scalar).map(Some)
    }

    fn element_name(
        &self,
        array: ArrayId,
        indices: &[Scalar],
        interpreter: &mut Interpreter,
    ) -> String {
        let mut name = self.loops.array(array).name.clone();
        let shown: Vec<String> = indices
            .iter()
            .filter_map(|index| interpreter.value(index).ok())
            .map(|value| value.to_string())
            .collect();
        if !shown.is_empty() {
            name.push_str(&format!("[{}]", shown.join(", ")));
        }
        name
    }

    /// The position of an element in storage, unless an index is out of range, which is reported.
    fn position(
        &mut self,
        array: ArrayId,
        indices: &[Scalar],
        span: Span,
        interpreter: &mut Interpreter,
    ) -> Result<Option<usize>, FoldError> {
        let mut position = 0;
        for (axis, index) in indices.iter().enumerate() {
            let length = self.loops.array(array).shape[axis];
            let Some(value) = self.known(index, interpreter)? else {
                let range = self.ranges.of(&self.loops.arrays, index);
                let inside = range.low >= 1.0 && range.high <= length as f64;
                // Laws and functions of other files look after the range of their arguments by conditions.
                let is_own = span.file == self.loops.array(array).span.file;
                if !inside && is_own && self.guards == 0 && self.said.insert(span) {
                    self.diagnostics
                        .push(self.may_leave(array, length, range, span));
                }
                return Ok(None);
            };
            let value = value as i64;
            if value < 1 || value as usize > length {
                if self.said.insert(span) {
                    let rounds = self.round_names(interpreter);
                    let mut diagnostic =
                        out_of_range(self.loops, self.bound, array, value, length, span, &rounds);
                    if let Some(origin) = self.origin_of(index, interpreter) {
                        diagnostic = diagnostic.note(origin);
                    }
                    self.diagnostics.push(diagnostic);
                }
                return Ok(None);
            }
            position = position * length + (value as usize - 1);
        }
        Ok(Some(position))
    }

    /// The message for an index that an unknown decides and that is not surely in range.
    fn may_leave(&self, array: ArrayId, length: usize, range: Interval, span: Span) -> Diagnostic {
        let name = &self.loops.array(array).name;
        let bound = |value: f64| match value.is_finite() {
            true => format!("{value}"),
            false => "any number".to_string(),
        };
        Diagnostic::error(
            "E0510",
            format!("this index may be outside `{name}`, which has {length} elements"),
        )
        .at(
            span,
            format!("it lies between {} and {}", bound(range.low), bound(range.high)),
        )
        .help("an index that is not known when the data are must lie within the array whatever its value: bound the variable, for instance by `truncated`, or add an offset")
    }

    /// Whether anything in the statements has to be looked at round by round.
    fn matters(&mut self, statements: &[Statement]) -> bool {
        let mut all = Vec::new();
        walk_statements(statements, &mut |scalar| all.push(scalar.clone()));
        let tracked = self.tracked.keys().copied().collect::<HashSet<_>>();
        let mut arrays = HashSet::new();
        defined_arrays(statements, &mut arrays);
        arrays.iter().any(|array| tracked.contains(array))
            || all.iter().any(|scalar| self.is_suspicious(scalar))
            || data_conditions(self.loops, statements)
            || super::ode::occurs(statements)
    }

    fn is_suspicious(&mut self, scalar: &Scalar) -> bool {
        let key = Rc::as_ptr(&scalar.0);
        if let Some(known) = self.suspicious.get(&key) {
            return *known;
        }
        let own = match &*scalar.0 {
            Node::Element { array, indices, .. } => {
                self.tracked.contains_key(array)
                    || indices.iter().zip(&self.loops.array(*array).shape).any(
                        |(index, &length)| {
                            let range = self.ranges.of(&self.loops.arrays, index);
                            !(range.low >= 1.0 && range.high <= length as f64)
                        },
                    )
            }
            _ => false,
        };
        let mut below = false;
        scalar.children(&mut |child| below = below || self.is_suspicious(child));
        self.suspicious.insert(key, own || below);
        own || below
    }

    fn scalar(&mut self, scalar: &Scalar, interpreter: &mut Interpreter) -> Result<(), FoldError> {
        if self.full() || !self.is_suspicious(scalar) {
            return Ok(());
        }
        match &*scalar.0 {
            Node::Element {
                array,
                indices,
                span,
            } => {
                for index in indices {
                    self.scalar(index, interpreter)?;
                }
                let Some(position) = self.position(*array, indices, *span, interpreter)? else {
                    return Ok(());
                };
                let undefined = self
                    .tracked
                    .get(array)
                    .is_some_and(|defined| !defined[position]);
                if undefined && self.said.insert(*span) {
                    let element = self.element_name(*array, indices, interpreter);
                    let diagnostic = Diagnostic::error(
                        "E0421",
                        format!("`{element}` is used before it is defined"),
                    )
                    .at(*span, "used here")
                    .at(self.loops.array(*array).span, "defined here");
                    let rounds = self.round_names(interpreter);
                    let diagnostic = if rounds.iter().any(|(name, _)| name != UNNAMED) {
                        self.rounds_note(diagnostic, interpreter).help(
                            "define the first elements before the loop, and each element before it is read",
                        )
                    } else {
                        let name = &self.loops.array(*array).name;
                        diagnostic.help(format!(
                            "define each element before it is read; `{name}[K] ~ …` draws element K alone, `{name}[1..K] ~ …` draws K of them"
                        ))
                    };
                    self.diagnostics.push(diagnostic);
                }
            }
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                self.scalar(condition, interpreter)?;
                match self.known(condition, interpreter)? {
                    Some(holds) => {
                        self.scalar(if holds != 0.0 { then } else { otherwise }, interpreter)?
                    }
                    None => {
                        self.guards += 1;
                        self.scalar(then, interpreter)?;
                        self.scalar(otherwise, interpreter)?;
                        self.guards -= 1;
                    }
                }
            }
            Node::Reduce { binders, body, .. } => {
                self.rounds
                    .extend(binders.iter().map(|binder| binder.index));
                self.for_each(binders, interpreter, &mut |verifier, interpreter| {
                    verifier.scalar(body, interpreter)
                })?;
                self.rounds.truncate(self.rounds.len() - binders.len());
            }
            _ => {
                let mut children = Vec::new();
                scalar.children(&mut |child| children.push(child.clone()));
                for child in children {
                    self.scalar(&child, interpreter)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a term has a condition that data decide.
fn data_conditions(loops: &Loops, statements: &[Statement]) -> bool {
    statements.iter().any(|statement| {
        let term = match statement {
            Statement::For { body, .. } => return data_conditions(loops, body),
            Statement::If {
                then, otherwise, ..
            } => return data_conditions(loops, then) || data_conditions(loops, otherwise),
            Statement::Random(random) => &random.density,
            Statement::Term(term) => term,
            _ => return false,
        };
        term.domain
            .iter()
            .any(|condition| is_data_only(&loops.arrays, &condition.holds))
    })
}
