//! What each graph does with a random variable: the density reads its coordinates and adds Jacobian and log density, a
//! start draws it and computes its coordinates, outputs transform it or simulate it, and the inverse computes coordinates
//! of given values.

use super::live;
use super::lower::{Lowered, Lowerer, Mode};
use super::unconstrain::{Bound, Bounds, Stretch};
use crate::data::loops::{ArrayId, ArrayKind, Random, Role, Scalar, Standard, Statement, Support};
use crate::math::graph::{BufferId, BufferKind, Part, Value};
use crate::math::primitive::{Draw, Operation};
use crate::math::structure::Structure;
use crate::source::Diagnostic;

impl Lowerer<'_> {
    /// Where the elements of a random variable are kept.
    pub(super) fn random_storage(&mut self, id: ArrayId) -> (BufferId, usize) {
        let array = self.loops.array(id);
        if let Some(inferred) = self.layout.of(id) {
            match self.mode {
                mode if mode.has_position() && inferred.is_identity => {
                    return (
                        self.position.expect("these graphs have a position"),
                        inferred.unconstrained.start,
                    );
                }
                mode if mode.has_given() => {
                    return (
                        self.given.expect("this graph has given values"),
                        inferred.given_offset,
                    );
                }
                _ => {}
            }
        }
        // Ordered draws are sorted in place.
        let is_drawn = self.mode == Mode::Start || self.layout.of(id).is_none();
        let sorted = is_drawn && is_ordered(&self.loops.statements, id);
        let kind = if sorted {
            BufferKind::Mutable
        } else {
            BufferKind::Local
        };
        (self.builder.buffer(&array.name, array.length(), kind), 0)
    }

    /// Whether a variable is read where it lies in the input of the graph.
    pub(super) fn is_aliased(&self, id: ArrayId) -> bool {
        self.layout.of(id).is_some_and(|inferred| match self.mode {
            Mode::Density | Mode::Outputs | Mode::Rows => inferred.is_identity,
            Mode::Unconstrain
            | Mode::Predict
            | Mode::Simulate
            | Mode::Pointwise
            | Mode::Constraints => true,
            Mode::Start => false,
        })
    }

    /// An unknown number that is read where it lies.
    pub(super) fn scalar_variable(&mut self, id: ArrayId) -> Option<Value> {
        if !self.is_aliased(id) {
            return None;
        }
        let (buffer, offset) = self.buffer(id);
        let index = self.builder.int(offset as i64);
        Some(self.builder.load(buffer, index))
    }

    pub(super) fn random(&mut self, random: &Random) -> Lowered<()> {
        let Some(wanted) = live::wanted(self.loops, random, self.mode) else {
            return Ok(());
        };
        if random.observed {
            return match self.mode {
                mode if mode.is_pointwise() => self.pointwise(&random.density),
                _ => self.term(&random.density, Part::Likelihood),
            };
        }
        let array = self.loops.array(random.variable);
        if matches!(
            array.kind,
            ArrayKind::Random(Role::Simulated | Role::SummedOut)
        ) {
            return match &random.sample {
                Some(sample) => {
                    self.all_statements(sample)?;
                    self.sort_drawn(random)
                }
                None => Err(Diagnostic::error("E0464", format!("`{}` is simulated, and its distribution has no way to draw from it", array.name))
                    .at(random.density.span, "nothing observed depends on it")
                    .help("define `sample` (for `truncated`: `quantile` and `cdf`) in the distribution, or remove the variable")),
            };
        }
        match self.mode {
            Mode::Density | Mode::Outputs | Mode::Rows => self.transform(random)?,
            Mode::Start => self.draw(random)?,
            Mode::Unconstrain => self.invert(random)?,
            Mode::Predict | Mode::Simulate | Mode::Pointwise | Mode::Constraints => {}
        }
        if wanted.density {
            self.term(&random.density, Part::Prior)?;
        }
        Ok(())
    }

    fn bounds(&mut self, lower: &Option<Scalar>, upper: &Option<Scalar>) -> Lowered<Bounds> {
        Ok(Bounds {
            lower: self.bound(lower, f64::NEG_INFINITY)?,
            upper: self.bound(upper, f64::INFINITY)?,
        })
    }

    /// A bound, with a test where data or unknowns may make it infinite.
    fn bound(&mut self, bound: &Option<Scalar>, infinity: f64) -> Lowered<Option<Bound>> {
        let Some(bound) = bound else { return Ok(None) };
        let range = self.ranges.of(&self.loops.arrays, bound);
        let value = self.real(bound)?;
        if let Some(known) = self.builder.as_real(value) {
            return Ok((known != infinity).then_some(Bound::at(value)));
        }
        let is_one = (range.low == infinity || range.high == infinity).then(|| {
            let infinity = self.builder.real(infinity);
            let none = self.builder.scalar(Operation::Equal, &[value, infinity]);
            self.builder.scalar(Operation::Not, &[none])
        });
        Ok(Some(Bound { value, is_one }))
    }

    fn description(&mut self, random: &Random) -> u32 {
        self.described(random.density.description)
    }

    /// The coordinate of an element, or the first of a vector.
    fn coordinate_index(&mut self, random: &Random) -> Lowered<Value> {
        let inferred = self.layout.of(random.variable);
        let start = inferred.expect("it is inferred").unconstrained.start;
        let flat = self.flat(random.variable, &random.indices)?;
        let free = match random.support {
            Support::Interval { .. } => 1,
            ref support => support.free(),
        };
        let index = self.times(flat, free);
        Ok(self.plus(index, start as i64))
    }

    fn stretch(&mut self, random: &Random) -> Lowered<Stretch> {
        let size = random.support.size();
        let coordinate = match self.layout.of(random.variable) {
            Some(_) => self.coordinate_index(random)?,
            None => self.builder.int(0),
        };
        let flat = self.flat(random.variable, &random.indices)?;
        let (buffer, offset) = self.buffer(random.variable);
        let first = self.times(flat, size);
        let first = self.plus(first, offset as i64);
        let statement = self.description(random);
        Ok(Stretch {
            array: random.variable,
            size,
            buffer,
            first,
            coordinate,
            statement,
        })
    }

    fn is_identity(&self, random: &Random) -> bool {
        self.layout
            .of(random.variable)
            .is_some_and(|inferred| inferred.is_identity)
    }

    /// Elements from coordinates.
    fn transform(&mut self, random: &Random) -> Lowered<()> {
        if self.is_identity(random) {
            return Ok(());
        }
        match &random.support {
            Support::Interval { lower, upper, .. } => {
                let bounds = self.bounds(lower, upper)?;
                let index = self.coordinate_index(random)?;
                let u = self.builder.load(self.position.expect("a position"), index);
                let (u, stretch) = self.natural(u, random)?;
                let (x, jacobian) = self.constrain(u, bounds);
                self.store(random.variable, &random.indices, x)?;
                let statement = self.description(random);
                for jacobian in stretch.into_iter().chain(jacobian) {
                    self.jacobian(jacobian, statement);
                }
            }
            Support::Ordered { lower, upper, .. } => {
                let bounds = self.bounds(lower, upper)?;
                let stretch = self.stretch(random)?;
                self.constrain_ordered(stretch, bounds);
            }
            Support::Array { .. } => {
                let stretch = self.stretch(random)?;
                self.constrain_array(stretch, &random.support)?;
            }
            Support::Structured { structure, size } => {
                let stretch = self.stretch(random)?;
                self.constrain_structured(stretch, *structure, *size);
            }
        }
        Ok(())
    }

    /// The natural coordinate, and the log Jacobian of the step to it.
    fn natural(&mut self, u: Value, random: &Random) -> Lowered<(Value, Option<Value>)> {
        let Some(Standard { centre, width }) = &random.standard else {
            return Ok((u, None));
        };
        let may_vanish = self.ranges.of(&self.loops.arrays, width).low < 0.0;
        let (centre, width) = (self.real(centre)?, self.real(width)?);
        let spread = self.op(Operation::Multiply, &[width, u]);
        let natural = self.op(Operation::Add, &[spread, centre]);
        let mut log_width = self.op(Operation::Logarithm, &[width]);
        if may_vanish {
            let (zero, impossible) = (self.builder.real(0.0), self.builder.real(f64::NEG_INFINITY));
            let is_positive = self.op(Operation::Less, &[zero, width]);
            log_width = self.op(Operation::Select, &[is_positive, log_width, impossible]);
        }
        let is_stretched = self.builder.as_real(log_width) != Some(0.0);
        Ok((natural, is_stretched.then_some(log_width)))
    }

    /// The standardised coordinate from the natural one.
    fn standardised(&mut self, u: Value, random: &Random) -> Lowered<Value> {
        let Some(Standard { centre, width }) = &random.standard else {
            return Ok(u);
        };
        let (centre, width) = (self.real(centre)?, self.real(width)?);
        let spread = self.op(Operation::Subtract, &[u, centre]);
        let standard = self.op(Operation::Divide, &[spread, width]);
        if self.mode != Mode::Start {
            return Ok(standard);
        }
        // A width that underflows to 0 leaves nothing to divide.
        let zero = self.builder.real(0.0);
        let difference = self.op(Operation::Subtract, &[standard, standard]);
        let is_finite = self.op(Operation::Equal, &[difference, zero]);
        Ok(self.op(Operation::Select, &[is_finite, standard, zero]))
    }

    /// Elements between bounds from coordinates.
    fn constrain_array(&mut self, stretch: Stretch, support: &Support) -> Lowered<()> {
        self.each_element(support, &mut |lowerer, k, bounds| {
            let u = lowerer.coordinate(stretch, k);
            let (x, jacobian) = lowerer.constrain(u, bounds);
            lowerer.set_element(stretch, k, x);
            if let Some(jacobian) = jacobian {
                lowerer.jacobian(jacobian, stretch.statement);
            }
        })
    }

    /// Coordinates of elements between bounds.
    fn free_array(&mut self, stretch: Stretch, support: &Support) -> Lowered<()> {
        self.each_element(support, &mut |lowerer, k, bounds| {
            let x = lowerer.element_at(stretch, k);
            let u = lowerer.free(x, bounds);
            lowerer.set_coordinate(stretch, k, u);
        })
    }

    /// Runs `body` for every element of an array with free elements: its number from 0 and its bounds.
    fn each_element(
        &mut self,
        support: &Support,
        body: &mut dyn FnMut(&mut Self, Value, Bounds),
    ) -> Lowered<()> {
        let Support::Array {
            binders,
            lower,
            upper,
        } = support
        else {
            return Ok(());
        };
        if support.binders().is_empty() {
            if support.size() > 0 {
                let k = self.builder.begin_count(support.size());
                body(self, k, Bounds::default());
                self.builder.end();
            }
            return Ok(());
        }
        self.nest(binders, &mut |lowerer| {
            let mut k = lowerer.builder.int(0);
            for (binder, length) in binders.iter().zip(support.shape()) {
                let index = lowerer.indices[&binder.index];
                let before = lowerer.times(k, length);
                let index = lowerer.plus(index, -1);
                k = lowerer.builder.scalar(Operation::IntAdd, &[before, index]);
            }
            let bounds = lowerer.bounds(lower, upper)?;
            body(lowerer, k, bounds);
            Ok(())
        })
    }

    fn constrain_structured(&mut self, stretch: Stretch, structure: Structure, size: usize) {
        match structure {
            Structure::Simplex => self.constrain_simplex(stretch),
            Structure::SumToZero => self.constrain_sum_to_zero(stretch),
            Structure::UnitVector => self.constrain_unit_vector(stretch),
            Structure::Ordered => self.constrain_ordered(stretch, Bounds::default()),
            Structure::PositiveOrdered => {
                let bounds = self.positive();
                self.constrain_ordered(stretch, bounds);
            }
            Structure::Correlation => self.constrain_correlation(stretch, size),
            Structure::CholeskyCorrelation => self.constrain_correlation_factor(stretch, size),
            Structure::Covariance => self.constrain_covariance(stretch, size),
            Structure::CholeskyCovariance => self.constrain_covariance_factor(stretch, size),
        }
    }

    fn free_structured(&mut self, stretch: Stretch, structure: Structure, size: usize) {
        match structure {
            Structure::Simplex => self.free_simplex(stretch),
            Structure::SumToZero => self.free_sum_to_zero(stretch),
            Structure::UnitVector => self.free_unit_vector(stretch),
            Structure::Ordered => self.free_ordered(stretch, Bounds::default()),
            Structure::PositiveOrdered => {
                let bounds = self.positive();
                self.free_ordered(stretch, bounds);
            }
            Structure::Correlation => self.free_correlation(stretch, size),
            Structure::CholeskyCorrelation => self.free_correlation_factor(stretch, size),
            Structure::Covariance => self.free_covariance(stretch, size),
            Structure::CholeskyCovariance => self.free_covariance_factor(stretch, size),
        }
    }

    fn positive(&mut self) -> Bounds {
        Bounds {
            lower: Some(Bound::at(self.builder.real(0.0))),
            upper: None,
        }
    }

    /// Copies a stretch of one buffer to another.
    pub(crate) fn copy(
        &mut self,
        length: usize,
        from: BufferId,
        source: Value,
        to: BufferId,
        target: Value,
    ) {
        if length == 0 {
            return;
        }
        let k = self.builder.begin_count(length);
        let index = self.builder.scalar(Operation::IntAdd, &[source, k]);
        let mut value = self.builder.load(from, index);
        if !self.is_real(value) {
            value = self.builder.scalar(Operation::IntToReal, &[value]);
        }
        let index = self.builder.scalar(Operation::IntAdd, &[target, k]);
        self.builder.store(to, index, value);
        self.builder.end();
    }

    /// Coordinates of the elements that are there.
    fn invert(&mut self, random: &Random) -> Lowered<()> {
        match &random.support {
            Support::Interval { lower, upper, .. } => {
                let bounds = self.bounds(lower, upper)?;
                let x = self.element_value(random)?;
                let u = self.free(x, bounds);
                let u = self.standardised(u, random)?;
                let index = self.coordinate_index(random)?;
                self.builder
                    .store(self.output.expect("an output"), index, u);
            }
            Support::Ordered { lower, upper, .. } => {
                let bounds = self.bounds(lower, upper)?;
                let stretch = self.stretch(random)?;
                self.free_ordered(stretch, bounds);
            }
            Support::Array { .. } => {
                let stretch = self.stretch(random)?;
                self.free_array(stretch, &random.support)?;
            }
            Support::Structured { structure, size } => {
                let stretch = self.stretch(random)?;
                self.free_structured(stretch, *structure, *size);
            }
        }
        Ok(())
    }

    fn element_value(&mut self, random: &Random) -> Lowered<Value> {
        if self.loops.array(random.variable).shape.is_empty() {
            if let Some(value) = self
                .scopes
                .iter()
                .rev()
                .find_map(|scope| scope.values.get(&random.variable))
            {
                return Ok(*value);
            }
            if let Some(value) = self.scalar_variable(random.variable) {
                return Ok(value);
            }
        }
        let index = self.flat(random.variable, &random.indices)?;
        let (buffer, offset) = self.buffer(random.variable);
        let index = self.plus(index, offset as i64);
        Ok(self.builder.load(buffer, index))
    }

    /// Puts the elements of an ordered vector, which are drawn one by one, in their order.
    fn sort_drawn(&mut self, random: &Random) -> Lowered<()> {
        if let Support::Ordered { .. } = random.support {
            let stretch = self.stretch(random)?;
            self.sort(stretch);
        }
        Ok(())
    }

    /// A draw from the prior and its coordinates; without a sampler, coordinates uniform on (−2, 2) and their values.
    fn draw(&mut self, random: &Random) -> Lowered<()> {
        if let Some(sample) = &random.sample {
            self.all_statements(sample)?;
            self.sort_drawn(random)?;
            return self.invert(random);
        }
        let coordinate = self.coordinate_index(random)?;
        let output = self.output.expect("an output");
        let free = random.support.free();
        // One coordinate stands outside any loop of its own, so that a variable of rank 0 stays a value.
        if let Support::Interval { lower, upper, .. } = &random.support {
            let bounds = self.bounds(lower, upper)?;
            let u = self.between();
            self.builder.store(output, coordinate, u);
            let (u, _) = self.natural(u, random)?;
            let (x, _) = self.constrain(u, bounds);
            return self.store(random.variable, &random.indices, x);
        }
        if free > 0 {
            let k = self.builder.begin_count(free);
            let u = self.between();
            let index = self.builder.scalar(Operation::IntAdd, &[coordinate, k]);
            self.builder.store(output, index, u);
            self.builder.end();
        }
        let stretch = self.stretch(random)?;
        let position = self.position.replace(output);
        match &random.support {
            Support::Ordered { lower, upper, .. } => {
                let bounds = self.bounds(lower, upper)?;
                self.constrain_ordered(stretch, bounds);
            }
            Support::Array { .. } => self.constrain_array(stretch, &random.support)?,
            Support::Structured { structure, size } => {
                self.constrain_structured(stretch, *structure, *size);
            }
            Support::Interval { .. } => unreachable!("handled above"),
        }
        self.position = position;
        Ok(())
    }

    fn between(&mut self) -> Value {
        let uniform = self.builder.draw(Draw::Uniform, Vec::new());
        let (four, two) = (self.builder.real(4.0), self.builder.real(-2.0));
        let wide = self.builder.scalar(Operation::Multiply, &[four, uniform]);
        self.builder.scalar(Operation::Add, &[wide, two])
    }
}

fn is_ordered(statements: &[Statement], id: ArrayId) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For { body, .. } => is_ordered(body, id),
        Statement::If {
            then, otherwise, ..
        } => is_ordered(then, id) || is_ordered(otherwise, id),
        Statement::Random(random) => {
            random.variable == id && matches!(random.support, Support::Ordered { .. })
        }
        _ => false,
    })
}
