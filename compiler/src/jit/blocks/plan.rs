//! Whether a loop can run operation by operation on blocks of its rounds, and how. It can if its body is straight-line,
//! each of its operations has a kernel, indices are `scale · i + c` or `scale · table[i + c] + d`, and no round reads
//! from storage what another round wrote. Sums are no obstacle: their terms are computed in blocks and added up.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::math::graph::{Block, BufferId, BufferKind, Constant, Graph, Instruction, Type, Value};
use crate::math::primitive::Operation;

use super::super::kernels;

/// How a value of the body varies over the rounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// The same in every round.
    Uniform,
    /// A real or a truth value for each round.
    Varying,
    /// An int for each round.
    Index(Form),
}

/// scale · source + constant + Σ multiple · uniform, where the source is the loop's index or an element of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    pub table: Option<(BufferId, Box<Form>)>,
    pub scale: i64,
    pub constant: i64,
    pub uniforms: BTreeMap<Value, i64>,
}

/// What has been found out about a loop.
pub(super) struct Plan {
    pub kinds: HashMap<Value, Kind>,
    /// Products that are computed as part of the sum that uses them.
    pub deferred: HashSet<Value>,
    /// The position in the body of the last use of each varying value.
    pub last_use: HashMap<Value, usize>,
    /// Values that go straight to the buffer they are stored in, by the position of the store.
    pub direct: HashMap<Value, usize>,
    /// Buffers that the loop writes.
    pub written: HashSet<BufferId>,
    /// What a round costs: cheap operations, and calls.
    pub cheap: usize,
    pub expensive: usize,
}

impl Form {
    fn index() -> Form {
        Form {
            table: None,
            scale: 1,
            constant: 0,
            uniforms: BTreeMap::new(),
        }
    }

    /// Whether consecutive rounds touch consecutive elements.
    pub fn is_contiguous(&self) -> bool {
        self.table.is_none() && self.scale == 1
    }

    fn times(&self, factor: i64) -> Option<Form> {
        let mut form = self.clone();
        form.scale = form.scale.checked_mul(factor)?;
        form.constant = form.constant.checked_mul(factor)?;
        for multiple in form.uniforms.values_mut() {
            *multiple = multiple.checked_mul(factor)?;
        }
        Some(form)
    }

    fn plus(&self, uniform: Value, literal: Option<i64>, multiple: i64) -> Option<Form> {
        let mut form = self.clone();
        match literal {
            Some(literal) => {
                form.constant = form.constant.checked_add(literal.checked_mul(multiple)?)?;
            }
            None => *form.uniforms.entry(uniform).or_insert(0) += multiple,
        }
        Some(form)
    }
}

impl Plan {
    /// The plan of a loop with this index and body; none if it has to run round by round. `literal` knows the ints
    /// that are literals.
    pub fn new(
        graph: &Graph,
        index: Value,
        body: &Block,
        literal: &dyn Fn(Value) -> Option<i64>,
    ) -> Option<Plan> {
        let mut plan = Plan {
            kinds: HashMap::from([(index, Kind::Index(Form::index()))]),
            deferred: HashSet::new(),
            last_use: HashMap::new(),
            direct: HashMap::new(),
            written: written(body)?,
            cheap: 0,
            expensive: 0,
        };
        let mut inner_literals = HashMap::new();
        for instruction in &body.instructions {
            if let Instruction::Constant {
                result,
                constant: Constant::Int(value),
            } = instruction
            {
                inner_literals.insert(*result, *value);
            }
            let literal = |v: Value| inner_literals.get(&v).copied().or_else(|| literal(v));
            plan.instruction(graph, instruction, &literal)?;
        }
        plan.check_storage(graph, body)?;
        plan.fuse(graph, body);
        plan.find_last_uses(body);
        Some(plan)
    }

    /// Values from outside the loop are uniform.
    pub fn kind(&self, value: Value) -> &Kind {
        self.kinds.get(&value).unwrap_or(&Kind::Uniform)
    }

    pub fn is_uniform(&self, value: Value) -> bool {
        *self.kind(value) == Kind::Uniform
    }

    fn instruction(
        &mut self,
        graph: &Graph,
        instruction: &Instruction,
        literal: &dyn Fn(Value) -> Option<i64>,
    ) -> Option<()> {
        match instruction {
            Instruction::Constant { .. } | Instruction::Weight { .. } => {}
            Instruction::Load {
                result,
                buffer,
                index,
            } => {
                let kind = self.load(graph, *buffer, *index)?;
                self.kinds.insert(*result, kind);
            }
            Instruction::Scalar {
                result,
                operation,
                arguments,
            } => {
                let kind = self.scalar(graph, *operation, arguments, literal)?;
                self.kinds.insert(*result, kind);
            }
            Instruction::Store { index, value, .. } => {
                self.real(*value)?;
                match self.kind(*index) {
                    Kind::Index(form) if form.is_contiguous() => {}
                    _ => return None,
                }
            }
            Instruction::Accumulate { index, value, .. } => {
                self.real(*value)?;
                match self.kind(*index) {
                    Kind::Varying => return None,
                    Kind::Uniform | Kind::Index(_) => {}
                }
            }
            Instruction::AddPart { value, .. } => self.real(*value)?,
            _ => return None,
        }
        Some(())
    }

    /// Requires a real, uniform or not.
    fn real(&self, value: Value) -> Option<()> {
        (!matches!(self.kind(value), Kind::Index(_))).then_some(())
    }

    fn load(&self, graph: &Graph, buffer: BufferId, index: Value) -> Option<Kind> {
        let is_int = graph.buffer(buffer).kind.is_int();
        match self.kind(index) {
            Kind::Uniform => (!self.written.contains(&buffer)).then_some(Kind::Uniform),
            Kind::Varying => None,
            Kind::Index(form) if is_int => {
                let table = Some((buffer, Box::new(form.clone())));
                form.is_contiguous().then_some(Kind::Index(Form {
                    table,
                    ..Form::index()
                }))
            }
            Kind::Index(_) => Some(Kind::Varying),
        }
    }

    fn scalar(
        &mut self,
        graph: &Graph,
        operation: Operation,
        arguments: &[Value],
        literal: &dyn Fn(Value) -> Option<i64>,
    ) -> Option<Kind> {
        use Operation::*;
        if arguments.iter().all(|&argument| self.is_uniform(argument)) {
            return Some(Kind::Uniform);
        }
        let form = |plan: &Self, position: usize| match plan.kind(arguments[position]) {
            Kind::Index(form) => Some(form.clone()),
            _ => None,
        };
        let uniform = |plan: &Self, position: usize| {
            plan.is_uniform(arguments[position])
                .then_some(arguments[position])
        };
        let form = match operation {
            IntNegate => form(self, 0)?.times(-1)?,
            IntAdd if uniform(self, 0).is_some() => {
                form(self, 1)?.plus(arguments[0], literal(arguments[0]), 1)?
            }
            IntAdd => form(self, 0)?.plus(uniform(self, 1)?, literal(arguments[1]), 1)?,
            IntSubtract if uniform(self, 0).is_some() => {
                form(self, 1)?
                    .times(-1)?
                    .plus(arguments[0], literal(arguments[0]), 1)?
            }
            IntSubtract => form(self, 0)?.plus(uniform(self, 1)?, literal(arguments[1]), -1)?,
            IntMultiply => match (literal(arguments[0]), literal(arguments[1])) {
                (Some(factor), _) => form(self, 1)?.times(factor)?,
                (_, Some(factor)) => form(self, 0)?.times(factor)?,
                _ => return None,
            },
            IntToReal | IntEqual | IntLess | IntLessEqual => {
                self.cheap += 1;
                return Some(Kind::Varying);
            }
            _ => {
                let ints = arguments.iter().any(|&a| graph.type_of(a) == Type::Int);
                let has_kernel = match arguments.len() {
                    1 => kernels::unary(operation).is_some(),
                    2 => kernels::binary(operation, kernels::Operands::BothBlocks).is_some(),
                    _ => operation == Select && !self.is_uniform(arguments[0]),
                };
                if ints || !has_kernel {
                    return None;
                }
                if operation.is_cheap() {
                    self.cheap += 1
                } else {
                    self.expensive += 1
                }
                return Some(Kind::Varying);
            }
        };
        Some(Kind::Index(form))
    }

    /// All accesses to a written buffer must be of one element a round, the same for all of them, or additions only.
    fn check_storage(&self, graph: &Graph, body: &Block) -> Option<()> {
        for &buffer in &self.written {
            let mut forms: Vec<&Kind> = Vec::new();
            let mut only_additions = true;
            for instruction in &body.instructions {
                match instruction {
                    Instruction::Load {
                        buffer: touched,
                        index,
                        ..
                    }
                    | Instruction::Store {
                        buffer: touched,
                        index,
                        ..
                    } if *touched == buffer => {
                        only_additions = false;
                        forms.push(self.kind(*index));
                    }
                    Instruction::Accumulate {
                        buffer: touched,
                        index,
                        ..
                    } if *touched == buffer => {
                        forms.push(self.kind(*index));
                    }
                    _ => {}
                }
            }
            let own = |kind: &Kind| matches!(kind, Kind::Index(form) if form.is_contiguous());
            let same = forms.iter().all(|&kind| own(kind) && kind == forms[0]);
            let single = graph.buffer(buffer).length == 1;
            if !(only_additions || same && !single) {
                return None;
            }
        }
        Some(())
    }

    /// Finds products that become part of a sum, and values that go straight to where they are stored.
    fn fuse(&mut self, graph: &Graph, body: &Block) {
        let mut uses: HashMap<Value, usize> = HashMap::new();
        let mut touched: HashMap<BufferId, usize> = HashMap::new();
        let mut products = HashSet::new();
        let mut computed = HashSet::new();
        for instruction in &body.instructions {
            operands(instruction, &mut |value| {
                *uses.entry(value).or_insert(0) += 1
            });
            match instruction {
                Instruction::Scalar {
                    result, operation, ..
                } => {
                    computed.insert(*result);
                    if *operation == Operation::Multiply {
                        products.insert(*result);
                    }
                }
                Instruction::Load { buffer, .. }
                | Instruction::Store { buffer, .. }
                | Instruction::Accumulate { buffer, .. } => {
                    *touched.entry(*buffer).or_insert(0) += 1;
                }
                _ => {}
            }
        }
        let candidate = |plan: &Self, value: Value| {
            products.contains(&value) && uses[&value] == 1 && *plan.kind(value) == Kind::Varying
        };
        for (position, instruction) in body.instructions.iter().enumerate() {
            match instruction {
                Instruction::Scalar {
                    result,
                    operation: Operation::Add,
                    arguments,
                } if !self.is_uniform(*result) => {
                    let product = arguments
                        .iter()
                        .rev()
                        .find(|&&a| candidate(self, a))
                        .copied();
                    self.deferred.extend(product);
                }
                Instruction::AddPart { value, .. } if candidate(self, *value) => {
                    self.deferred.insert(*value);
                }
                Instruction::Accumulate { index, value, .. }
                    if self.is_uniform(*index) && candidate(self, *value) =>
                {
                    self.deferred.insert(*value);
                }
                Instruction::Store { buffer, value, .. }
                    if touched[buffer] == 1
                        && uses.get(value) == Some(&1)
                        && computed.contains(value)
                        && *self.kind(*value) == Kind::Varying
                        && matches!(graph.buffer(*buffer).kind, BufferKind::Local) =>
                {
                    self.direct.insert(*value, position);
                }
                _ => {}
            }
        }
    }

    /// A deferred product keeps its factors alive until it is used.
    fn find_last_uses(&mut self, body: &Block) {
        let mut factors: HashMap<Value, &[Value]> = HashMap::new();
        for (position, instruction) in body.instructions.iter().enumerate() {
            if let Instruction::Scalar {
                result, arguments, ..
            } = instruction
                && self.deferred.contains(result)
            {
                factors.insert(*result, arguments);
            }
            let last_use = &mut self.last_use;
            operands(instruction, &mut |value| {
                last_use.insert(value, position);
                if let Some(factors) = factors.get(&value) {
                    last_use.extend(factors.iter().map(|&factor| (factor, position)));
                }
            });
        }
    }
}

/// The buffers a body writes; none if it has anything but straight-line arithmetic.
fn written(body: &Block) -> Option<HashSet<BufferId>> {
    let mut written = HashSet::new();
    for instruction in &body.instructions {
        match instruction {
            Instruction::Store { buffer, .. } | Instruction::Accumulate { buffer, .. } => {
                written.insert(*buffer);
            }
            Instruction::Constant { .. }
            | Instruction::Scalar { .. }
            | Instruction::Weight { .. }
            | Instruction::Load { .. }
            | Instruction::AddPart { .. } => {}
            _ => return None,
        }
    }
    Some(written)
}

fn operands(instruction: &Instruction, visit: &mut dyn FnMut(Value)) {
    match instruction {
        Instruction::Scalar { arguments, .. } => arguments.iter().for_each(|&a| visit(a)),
        Instruction::Load { index, .. } => visit(*index),
        Instruction::Store { index, value, .. } | Instruction::Accumulate { index, value, .. } => {
            visit(*index);
            visit(*value);
        }
        Instruction::AddPart { value, .. } => visit(*value),
        _ => {}
    }
}
