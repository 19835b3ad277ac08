//! Scalar expressions as values of a graph. Shared nodes are computed once per block; what reads a `var` or draws a random
//! number is computed where it stands. Choices become branch-free where both sides are harmless.

use std::collections::HashSet;
use std::rc::Rc;

use super::lower::{Lowered, Lowerer, Mode, Scope};
use crate::check::hir::Reducer;
use crate::data::loops::{ArrayId, ArrayKind, Binder, Node, Scalar};
use crate::math::graph::{BufferId, Type, Value};
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

/// A branch of more nodes than this is not computed in vain.
const FEW_NODES: usize = 64;

impl Lowerer<'_> {
    /// The value of an element that no statement holds.
    pub(crate) fn element_of(&mut self, scalar: Scalar) -> Lowered<Value> {
        // Computed afresh: a memo would outlive the node.
        let value = self.compute(&scalar)?;
        Ok(self.as_real(value))
    }

    /// A real value.
    pub(super) fn real(&mut self, scalar: &Scalar) -> Lowered<Value> {
        let value = self.value(scalar)?;
        Ok(self.as_real(value))
    }

    /// A value as it is stored: truths are 0 and 1.
    fn as_real(&mut self, value: Value) -> Value {
        match self.builder.graph().type_of(value) {
            Type::Int => self.builder.scalar(Operation::IntToReal, &[value]),
            Type::Bool => {
                let (one, zero) = (self.builder.real(1.0), self.builder.real(0.0));
                self.builder.scalar(Operation::Select, &[value, one, zero])
            }
            Type::Real => value,
        }
    }

    /// A truth, from what may have been stored.
    fn as_bool(&mut self, value: Value) -> Value {
        let is_zero = match self.builder.graph().type_of(value) {
            Type::Bool => return value,
            Type::Int => {
                let zero = self.builder.int(0);
                self.builder.scalar(Operation::IntEqual, &[value, zero])
            }
            Type::Real => {
                let zero = self.builder.real(0.0);
                self.builder.scalar(Operation::Equal, &[value, zero])
            }
        };
        self.builder.scalar(Operation::Not, &[is_zero])
    }

    /// An int value: an index or a bound.
    pub(super) fn int(&mut self, scalar: &Scalar) -> Lowered<Value> {
        let value = self.value(scalar)?;
        if self.builder.graph().type_of(value) == Type::Int {
            return Ok(value);
        }
        let mut span = Span::default();
        scalar.walk(&mut |node| {
            if let Node::Element { span: place, .. } = &*node.0 {
                span = *place;
            }
        });
        Err(
            Diagnostic::error("E0462", "an index must be known when the data are")
                .at(span, "this is computed with every draw")
                .help("use a sum over the possible indices with `indicator`, or `if`"),
        )
    }

    /// A truth.
    pub(super) fn bool(&mut self, scalar: &Scalar) -> Lowered<Value> {
        let value = self.value(scalar)?;
        Ok(self.as_bool(value))
    }

    /// A value of whatever type it has.
    pub(super) fn value(&mut self, scalar: &Scalar) -> Lowered<Value> {
        match &*scalar.0 {
            Node::Real(value) => return Ok(self.builder.real(*value)),
            Node::Int(value) => return Ok(self.builder.int(*value)),
            Node::Bool(value) => return Ok(self.builder.bool(*value)),
            Node::Index(index) => {
                return Ok(*self
                    .indices
                    .get(index)
                    .expect("every index is bound by a loop around it"));
            }
            _ => {}
        }
        if self.is_volatile(scalar) {
            return self.compute(scalar);
        }
        let key = Rc::as_ptr(&scalar.0);
        if let Some(value) = self
            .scopes
            .iter()
            .rev()
            .find_map(|scope: &Scope| scope.memo.get(&key))
        {
            return Ok(*value);
        }
        let value = self.compute(scalar)?;
        self.scopes
            .last_mut()
            .expect("a scope")
            .memo
            .insert(key, value);
        Ok(value)
    }

    /// Whether a scalar may have another value when computed again.
    fn is_volatile(&mut self, scalar: &Scalar) -> bool {
        let key = Rc::as_ptr(&scalar.0);
        if let Some(known) = self.volatile.get(&key) {
            return *known;
        }
        let own = match &*scalar.0 {
            Node::Element { array, .. } => matches!(self.loops.array(*array).kind, ArrayKind::Var),
            Node::Draw { .. } => true,
            _ => false,
        };
        let mut below = false;
        scalar.children(&mut |child| below = below || self.is_volatile(child));
        self.volatile.insert(key, own || below);
        own || below
    }

    fn compute(&mut self, scalar: &Scalar) -> Lowered<Value> {
        match &*scalar.0 {
            Node::Element {
                array,
                indices,
                span,
            } => self.element(*array, indices, *span),
            Node::Operation {
                operation,
                arguments,
            } => self.operation(*operation, arguments),
            Node::Reduce {
                reducer,
                binders,
                body,
            } => self.reduce(*reducer, binders, body),
            Node::If {
                condition,
                then,
                otherwise,
            } => self.choice(condition, then, otherwise),
            Node::Draw { draw, arguments } => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(self.real(argument)?);
                }
                Ok(self.builder.draw(*draw, values))
            }
            _ => self.value(scalar),
        }
    }

    fn element(&mut self, array: ArrayId, indices: &[Scalar], span: Span) -> Lowered<Value> {
        let declared = self.loops.array(array);
        if declared.shape.is_empty()
            && matches!(declared.kind, ArrayKind::Let | ArrayKind::Random(_))
        {
            if let Some(value) = self
                .scopes
                .iter()
                .rev()
                .find_map(|scope| scope.values.get(&array))
            {
                return Ok(*value);
            }
            if let Some(value) = self.scalar_variable(array) {
                return Ok(value);
            }
            return Err(Diagnostic::error(
                "E0463",
                format!("`{}` has no value here", declared.name),
            )
            .at(span, "used here")
            .help("define it outside the branch"));
        }
        let index = self.flat(array, indices)?;
        let (buffer, offset) = self.buffer(array);
        let index = self.plus(index, offset as i64);
        Ok(self.builder.load(buffer, index))
    }

    fn operation(&mut self, operation: Operation, arguments: &[Scalar]) -> Lowered<Value> {
        use Operation::*;
        self.check_order(operation, arguments)?;
        let entry = operation.entry();
        let mut values = Vec::new();
        for (argument, &ty) in arguments.iter().zip(entry.arguments) {
            values.push(match ty {
                Type::Bool => self.bool(argument)?,
                _ => self.value(argument)?,
            });
        }
        // Dividing by what a loop does not change: one reciprocal before it, products inside.
        if operation == Divide
            && values.iter().all(|&value| self.is_real(value))
            && self.builder.depth_of(values[1]) < self.builder.depth_of(values[0])
        {
            let one = self.builder.real(1.0);
            let reciprocal = self.builder.scalar(Divide, &[one, values[1]]);
            return Ok(self.builder.scalar(Multiply, &[values[0], reciprocal]));
        }
        let fits =
            |lowerer: &Self, value: Value, ty: Type| lowerer.builder.graph().type_of(value) == ty;
        if values
            .iter()
            .zip(entry.arguments)
            .all(|(&value, &ty)| fits(self, value, ty))
        {
            return Ok(self.builder.scalar(operation, &values));
        }
        // Whole numbers that are computed with every draw are kept as reals.
        let mut reals = Vec::new();
        for (&value, &ty) in values.iter().zip(entry.arguments) {
            reals.push(match ty {
                Type::Bool => value,
                _ => self.as_real(value),
            });
        }
        let real = match operation {
            IntToReal => return Ok(reals[0]),
            IntNegate => Negate,
            IntAdd => Add,
            IntSubtract => Subtract,
            IntMultiply => Multiply,
            IntMinimum => Minimum,
            IntMaximum => Maximum,
            IntLess => Less,
            IntLessEqual => LessEqual,
            IntEqual => Equal,
            IntSelect => Select,
            IntDivide | IntRemainder => {
                let quotient = self.builder.scalar(Divide, &reals);
                let whole = self.builder.scalar(Floor, &[quotient]);
                if operation == IntDivide {
                    return Ok(whole);
                }
                let product = self.builder.scalar(Multiply, &[reals[1], whole]);
                return Ok(self.builder.scalar(Subtract, &[reals[0], product]));
            }
            other => other,
        };
        Ok(self.builder.scalar(real, &reals))
    }

    /// Bessel functions have no derivative in their order, so a density may not need one.
    fn check_order(&self, operation: Operation, arguments: &[Scalar]) -> Lowered<()> {
        use Operation::*;
        let order = match operation {
            BesselI | LogBesselI | BesselK | LogBesselK | BesselJ | BesselY => &arguments[0],
            _ => return Ok(()),
        };
        if self.mode != Mode::Density || crate::data::fold::is_data_only(&self.loops.arrays, order)
        {
            return Ok(());
        }
        let mut span = Span::default();
        order.walk(&mut |node| {
            if let Node::Element { array, .. } = &*node.0 {
                span = self.loops.array(*array).span;
            }
        });
        let name = operation.entry().name;
        Err(
            Diagnostic::error("E0465", format!("`{name}` needs its order known"))
                .at(
                    span,
                    "this is unknown, and the function has no derivative in its order",
                )
                .help("make the order a number or part of the data"),
        )
    }

    fn choice(&mut self, condition: &Scalar, then: &Scalar, otherwise: &Scalar) -> Lowered<Value> {
        let condition = self.bool(condition)?;
        match self.builder.as_bool(condition) {
            Some(true) => return self.value(then),
            Some(false) => return self.value(otherwise),
            None => {}
        }
        if self.is_total(then) && self.is_total(otherwise) {
            let (a, b) = (self.value(then)?, self.value(otherwise)?);
            let types = (
                self.builder.graph().type_of(a),
                self.builder.graph().type_of(b),
            );
            return Ok(match types {
                (Type::Int, Type::Int) => self
                    .builder
                    .scalar(Operation::IntSelect, &[condition, a, b]),
                (Type::Bool, Type::Bool) => {
                    let first = self.builder.scalar(Operation::And, &[condition, a]);
                    let not = self.builder.scalar(Operation::Not, &[condition]);
                    let second = self.builder.scalar(Operation::And, &[not, b]);
                    self.builder.scalar(Operation::Or, &[first, second])
                }
                _ => {
                    let (a, b) = (self.real(then)?, self.real(otherwise)?);
                    self.builder.scalar(Operation::Select, &[condition, a, b])
                }
            });
        }
        let register = self.builder.register("choice");
        let zero = self.builder.int(0);
        self.builder.begin_if(condition);
        let first = self.branch(then, register)?;
        self.builder.begin_else();
        let second = self.branch(otherwise, register)?;
        self.builder.end();
        let value = self.builder.load(register, zero);
        Ok(match (first, second) {
            (Type::Bool, Type::Bool) => self.as_bool(value),
            _ => value,
        })
    }

    /// Stores one side of a choice; says of what type it was.
    fn branch(&mut self, scalar: &Scalar, register: BufferId) -> Lowered<Type> {
        self.scoped(|lowerer| {
            let value = lowerer.value(scalar)?;
            let ty = lowerer.builder.graph().type_of(value);
            let zero = lowerer.builder.int(0);
            let real = lowerer.as_real(value);
            lowerer.builder.store(register, zero, real);
            Ok(ty)
        })
    }

    /// Whether a scalar can be computed anywhere, is finite for finite arguments, and cheap.
    fn is_total(&mut self, scalar: &Scalar) -> bool {
        self.is_harmless(scalar, &mut HashSet::new())
    }

    /// The same for a part of a scalar. What was seen before was harmless, or the whole is not.
    fn is_harmless(&mut self, scalar: &Scalar, seen: &mut HashSet<*const Node>) -> bool {
        use Operation::*;
        if !seen.insert(Rc::as_ptr(&scalar.0)) {
            return true;
        }
        if seen.len() > FEW_NODES {
            return false;
        }
        match &*scalar.0 {
            Node::Real(_) | Node::Int(_) | Node::Bool(_) | Node::Index(_) => true,
            Node::Element { array, indices, .. } => {
                let loops = self.loops;
                let mut places = indices.iter().zip(&loops.array(*array).shape);
                let in_range = places.all(|(index, &length)| {
                    let range = self.ranges.of(&loops.arrays, index);
                    range.low >= 1.0 && range.high <= length as f64 && self.is_harmless(index, seen)
                });
                in_range && self.is_stored(*array, indices)
            }
            Node::Operation {
                operation,
                arguments,
            } => {
                matches!(
                    operation,
                    Negate
                        | Add
                        | Subtract
                        | Multiply
                        | Minimum
                        | Maximum
                        | Absolute
                        | LogOnePlusExp
                        | Logistic
                        | IntToReal
                        | IntNegate
                        | IntAdd
                        | IntSubtract
                        | IntMultiply
                        | IntMinimum
                        | IntMaximum
                        | Less
                        | LessEqual
                        | Equal
                        | And
                        | Or
                        | Not
                        | IntLess
                        | IntLessEqual
                        | IntEqual
                        | IntSelect
                ) && arguments
                    .iter()
                    .all(|argument| self.is_harmless(argument, seen))
            }
            Node::If {
                condition,
                then,
                otherwise,
            } => [condition, then, otherwise]
                .into_iter()
                .all(|part| self.is_harmless(part, seen)),
            Node::Reduce { .. } | Node::Draw { .. } => false,
        }
    }

    /// Whether an element is surely there: in a loop that fills its array, only what this round has stored. What is not
    /// there reads as anything, and the gradient would multiply it with zero.
    fn is_stored(&mut self, array: ArrayId, indices: &[Scalar]) -> bool {
        let is_once = matches!(
            self.loops.array(array).kind,
            ArrayKind::Let | ArrayKind::Random(_)
        );
        let is_filled = is_once && !indices.is_empty() && self.filling.contains(&array);
        if !is_filled || self.is_aliased(array) {
            return true;
        }
        let Ok(index) = self.flat(array, indices) else {
            return false;
        };
        self.scopes
            .iter()
            .any(|scope| scope.stored.contains(&(array, index)))
    }

    fn reduce(&mut self, reducer: Reducer, binders: &[Binder], body: &Scalar) -> Lowered<Value> {
        if let Some(values) = self.few_rounds(binders, body)? {
            return self.combine(reducer, values);
        }
        if reducer == Reducer::LogSumExp {
            return self.log_sum_exp(binders, body);
        }
        let start = match reducer {
            Reducer::Product => 1.0,
            Reducer::Maximum => f64::NEG_INFINITY,
            Reducer::Minimum => f64::INFINITY,
            _ => 0.0,
        };
        let operation = fold_operation(reducer);
        let total =
            self.accumulate(binders, start, operation, &mut |lowerer| lowerer.real(body))?;
        if reducer != Reducer::Mean {
            return Ok(total);
        }
        let one = self.builder.real(1.0);
        let count = self.accumulate_count(binders, one)?;
        Ok(self.builder.scalar(Operation::Divide, &[total, count]))
    }

    fn accumulate_count(&mut self, binders: &[Binder], one: Value) -> Lowered<Value> {
        let mut product = 1.0;
        for binder in binders {
            match self.known_rounds(binder)? {
                Some((lower, upper)) => product *= (upper - lower + 1).max(0) as f64,
                None => return self.accumulate(binders, 0.0, Operation::Add, &mut |_| Ok(one)),
            }
        }
        Ok(self.builder.real(product))
    }

    /// The values of all rounds, when they are few.
    fn few_rounds(&mut self, binders: &[Binder], body: &Scalar) -> Lowered<Option<Vec<Value>>> {
        let mut count: i64 = 1;
        for binder in binders {
            let simple = binder.lower.as_int().zip(binder.upper.as_int());
            let Some((lower, upper)) = simple else {
                return Ok(None);
            };
            count = count.saturating_mul((upper - lower + 1).max(0));
        }
        if !self.is_short(count) {
            return Ok(None);
        }
        let mut values = Vec::new();
        self.copies *= count.max(1);
        self.unrolled(binders, body, &mut values)?;
        self.copies /= count.max(1);
        Ok(Some(values))
    }

    fn unrolled(
        &mut self,
        binders: &[Binder],
        body: &Scalar,
        values: &mut Vec<Value>,
    ) -> Lowered<()> {
        let Some((first, rest)) = binders.split_first() else {
            values.push(self.real(body)?);
            return Ok(());
        };
        let (lower, upper) = (
            first.lower.as_int().unwrap_or(1),
            first.upper.as_int().unwrap_or(0),
        );
        let outer = self.indices.get(&first.index).copied();
        for i in lower..=upper {
            let index = self.builder.int(i);
            self.indices.insert(first.index, index);
            // The values outlive the scope: nothing in it opens a block that has closed since.
            self.scoped(|lowerer| lowerer.unrolled(rest, body, values))?;
        }
        match outer {
            Some(value) => self.indices.insert(first.index, value),
            None => self.indices.remove(&first.index),
        };
        Ok(())
    }

    fn combine(&mut self, reducer: Reducer, values: Vec<Value>) -> Lowered<Value> {
        let count = values.len();
        if reducer == Reducer::LogSumExp {
            return self.log_sum_exp_of(values);
        }
        let operation = fold_operation(reducer);
        let empty = match reducer {
            Reducer::Product => 1.0,
            Reducer::Maximum => f64::NEG_INFINITY,
            Reducer::Minimum => f64::INFINITY,
            _ => 0.0,
        };
        let folded = values
            .into_iter()
            .reduce(|a, b| self.builder.scalar(operation, &[a, b]));
        let total = match folded {
            Some(total) => total,
            None => self.builder.real(empty),
        };
        if reducer == Reducer::Mean {
            let count = self.builder.real(count as f64);
            return Ok(self.builder.scalar(Operation::Divide, &[total, count]));
        }
        Ok(total)
    }

    /// A register that takes in every round.
    fn accumulate(
        &mut self,
        binders: &[Binder],
        start: f64,
        operation: Operation,
        body: &mut dyn FnMut(&mut Self) -> Lowered<Value>,
    ) -> Lowered<Value> {
        let register = self.builder.register("sum");
        let zero = self.builder.int(0);
        let initial = self.builder.real(start);
        self.builder.store(register, zero, initial);
        self.nest(binders, &mut |lowerer| {
            let value = body(lowerer)?;
            let so_far = lowerer.builder.load(register, zero);
            let next = lowerer.builder.scalar(operation, &[so_far, value]);
            lowerer.builder.store(register, zero, next);
            Ok(())
        })?;
        Ok(self.builder.load(register, zero))
    }

    /// Loops over the binders, the first outermost.
    pub(super) fn nest(
        &mut self,
        binders: &[Binder],
        body: &mut dyn FnMut(&mut Self) -> Lowered<()>,
    ) -> Lowered<()> {
        match binders.split_first() {
            None => body(self),
            Some((first, rest)) => {
                self.rounds(first, false, &mut |lowerer| lowerer.nest(rest, body))
            }
        }
    }

    /// m + log Σ exp(x − m) with m the largest; −∞ if all are. The shift by m cancels, so the derivative takes it as a
    /// constant: what reaches each x is exp(x − m) / Σ, and nothing where all are −∞. There is no branch, which would
    /// keep a loop from running in blocks.
    fn log_sum_exp(&mut self, binders: &[Binder], body: &Scalar) -> Lowered<Value> {
        let largest = self.accumulate(
            binders,
            f64::NEG_INFINITY,
            Operation::Maximum,
            &mut |lowerer| lowerer.real(body),
        )?;
        let shift = self.shift(largest);
        let sum = self.accumulate(binders, 0.0, Operation::Add, &mut |lowerer| {
            let value = lowerer.real(body)?;
            Ok(lowerer.shifted_exponential(value, shift.0))
        })?;
        Ok(self.shifted_logarithm(sum, shift))
    }

    /// The same for a few values, without branches, so that loops around it can run in blocks: for two of them
    /// b + log(1 + exp(a − b)) with b the larger, for more m + log Σ exp(x − m). Where the largest is infinite, 0 stands
    /// for the difference or for m.
    fn log_sum_exp_of(&mut self, values: Vec<Value>) -> Lowered<Value> {
        use Operation::*;
        let zero = self.builder.real(0.0);
        if let [a, b] = values[..] {
            // Not `Minimum` and `Maximum`: of two equal values each must be one of the two, for the gradient.
            let is_less = self.builder.scalar(Less, &[a, b]);
            let small = self.builder.scalar(Select, &[is_less, a, b]);
            let large = self.builder.scalar(Select, &[is_less, b, a]);
            let held = self.builder.scalar(Hold, &[large]);
            let is_infinite = self.is_infinite(held);
            let gap = self.builder.scalar(Subtract, &[small, large]);
            let gap = self.builder.scalar(Select, &[is_infinite, zero, gap]);
            let rest = self.builder.scalar(LogOnePlusExp, &[gap]);
            return Ok(self.builder.scalar(Add, &[large, rest]));
        }
        if values.len() == 1 {
            return Ok(values[0]);
        }
        let largest = values
            .iter()
            .copied()
            .reduce(|a, b| self.builder.scalar(Maximum, &[a, b]));
        let Some(largest) = largest else {
            return Ok(self.builder.real(f64::NEG_INFINITY));
        };
        let shift = self.shift(largest);
        let mut sum = zero;
        for value in values {
            let term = self.shifted_exponential(value, shift.0);
            sum = self.builder.scalar(Add, &[sum, term]);
        }
        Ok(self.shifted_logarithm(sum, shift))
    }

    fn is_infinite(&mut self, value: Value) -> Value {
        let infinity = self.builder.real(f64::INFINITY);
        let size = self.builder.scalar(Operation::Absolute, &[value]);
        self.builder.scalar(Operation::Equal, &[size, infinity])
    }

    /// The largest of the terms as a constant, and 0 in its place when it is infinite.
    fn shift(&mut self, largest: Value) -> (Value, Value) {
        let zero = self.builder.real(0.0);
        let held = self.builder.scalar(Operation::Hold, &[largest]);
        let is_infinite = self.is_infinite(held);
        let shift = self
            .builder
            .scalar(Operation::Select, &[is_infinite, zero, held]);
        (shift, held)
    }

    fn shifted_exponential(&mut self, value: Value, shift: Value) -> Value {
        let below = self.builder.scalar(Operation::Subtract, &[value, shift]);
        self.builder.scalar(Operation::Exponential, &[below])
    }

    /// shift + log sum. The sum holds exp(0), so it is 1 or more unless all terms are −∞, when the derivative divides by
    /// the 1 that is added, not by 0.
    fn shifted_logarithm(&mut self, sum: Value, (shift, largest): (Value, Value)) -> Value {
        let nothing = self.builder.real(f64::NEG_INFINITY);
        let is_nothing = self.builder.scalar(Operation::Equal, &[largest, nothing]);
        let (zero, one) = (self.builder.real(0.0), self.builder.real(1.0));
        let least = self
            .builder
            .scalar(Operation::Select, &[is_nothing, one, zero]);
        let sum = self.builder.scalar(Operation::Add, &[sum, least]);
        let log = self.builder.scalar(Operation::Logarithm, &[sum]);
        let total = self.builder.scalar(Operation::Add, &[shift, log]);
        self.builder
            .scalar(Operation::Select, &[is_nothing, nothing, total])
    }
}

fn fold_operation(reducer: Reducer) -> Operation {
    match reducer {
        Reducer::Product => Operation::Multiply,
        Reducer::Maximum => Operation::Maximum,
        Reducer::Minimum => Operation::Minimum,
        _ => Operation::Add,
    }
}
