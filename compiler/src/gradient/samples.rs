//! Random programs for tests: every kind of storage, loop and branch in combinations nobody would think of. They keep
//! the contracts of the graph (elements of local arrays stored once, indices in range) and are smooth enough for
//! finite differences nearly everywhere.

mod decompositions;

use std::sync::Arc;

use crate::math::builder::Builder;
use crate::math::graph::{BufferId, BufferKind, Graph, Part, Region, Value};
use crate::math::primitive::{Dense, Operation};

/// A small generator of its own, so that failures name a seed and stay reproducible.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Uniform on (−1, 1).
    pub(crate) fn real(&mut self) -> f64 {
        (self.next() % 2_000_001) as f64 / 1e6 - 1.0
    }
}

const DIMENSION: usize = 5;
/// Groups that rows belong to; positions are loaded by group.
const GROUPS: usize = 4;

/// A random program with loops of up to four rounds in each other.
pub(crate) fn program(seed: u64) -> Graph {
    program_with(seed, GROUPS, 0)
}

/// A random program with loops of hundreds of rounds, none inside another.
pub(crate) fn long_program(seed: u64) -> Graph {
    program_with(seed, 200 + (seed as usize * 37) % 500, 2)
}

fn program_with(seed: u64, rows: usize, depth: usize) -> Graph {
    let mut dice = Dice::new(seed);
    let mut builder = Builder::new();
    builder.set_sizes(DIMENSION, 1);
    let position = builder.buffer("position", DIMENSION, BufferKind::Position);
    let reals: Arc<[f64]> = (0..rows * 3).map(|_| dice.real()).collect();
    let ints: Arc<[i64]> = (0..rows * 3).map(|_| dice.below(GROUPS) as i64).collect();
    let x = builder.buffer("x", rows * 3, BufferKind::RealData(reals));
    let group = builder.buffer("group", rows * 3, BufferKind::IntData(ints));
    let statement = builder.statement("a term");
    let mut writer = Writer {
        builder,
        dice,
        position,
        x,
        group,
        statement,
        loops: Vec::new(),
        pool: vec![Vec::new()],
        budget: 60,
        rows,
    };
    writer.block(depth);
    if writer.dice.below(3) == 0 {
        writer.dense();
    }
    writer.builder.finish()
}

struct Writer {
    builder: Builder,
    dice: Dice,
    position: BufferId,
    x: BufferId,
    group: BufferId,
    statement: u32,
    /// Index, lowest index and most rounds of the open loops.
    loops: Vec<(Value, Value, usize)>,
    /// Reals at hand, by open block.
    pool: Vec<Vec<Value>>,
    budget: usize,
    /// Rounds of most loops.
    rows: usize,
}

impl Writer {
    fn scalar(&mut self, operation: Operation, arguments: &[Value]) -> Value {
        self.builder.scalar(operation, arguments)
    }

    fn pick(&mut self) -> Value {
        let all: Vec<Value> = self.pool.iter().flatten().copied().collect();
        if all.is_empty() || self.dice.below(5) == 0 {
            self.leaf()
        } else {
            all[self.dice.below(all.len())]
        }
    }

    fn push(&mut self, value: Value) {
        self.pool.last_mut().expect("an open block").push(value);
    }

    /// An int in 0..rows.
    fn row(&mut self) -> Value {
        if self.loops.is_empty() || self.dice.below(4) == 0 {
            let row = self.dice.below(self.rows) as i64;
            return self.builder.int(row);
        }
        let index = self.loops[self.dice.below(self.loops.len())].0;
        if self.dice.below(2) == 0 {
            index
        } else {
            self.builder.load(self.group, index)
        }
    }

    fn leaf(&mut self) -> Value {
        let index = self.row();
        match self.dice.below(4) {
            0 if self.dice.below(3) == 0 => {
                let three = self.builder.int(3);
                let place = self.scalar(Operation::IntMultiply, &[index, three]);
                self.builder.load(self.x, place)
            }
            0 if self.dice.below(3) == 0 => self.scalar(Operation::IntToReal, &[index]),
            0 => self.builder.load(self.x, index),
            1 => {
                let value = self.dice.real();
                self.builder.real(value)
            }
            _ if self.rows > GROUPS => {
                let group = self.builder.load(self.group, index);
                self.builder.load(self.position, group)
            }
            _ => self.builder.load(self.position, index),
        }
    }

    /// A tame expression of what is at hand.
    fn expression(&mut self) -> Value {
        use Operation::*;
        let (a, b) = (self.pick(), self.pick());
        let one = self.builder.real(1.0);
        let value = match self.dice.below(16) {
            0 | 1 => self.scalar(Add, &[a, b]),
            2 => self.scalar(Subtract, &[a, b]),
            3 | 4 => self.scalar(Multiply, &[a, b]),
            5 => {
                let square = self.scalar(Multiply, &[b, b]);
                let divisor = self.scalar(Add, &[one, square]);
                self.scalar(Divide, &[a, divisor])
            }
            6 => {
                let square = self.scalar(Multiply, &[a, a]);
                let sum = self.scalar(Add, &[one, square]);
                self.scalar(SquareRoot, &[sum])
            }
            7 => {
                let tame = self.scalar(HyperbolicTangent, &[a]);
                self.scalar(Exponential, &[tame])
            }
            8 => self.scalar(LogOnePlusExp, &[a]),
            9 => self.scalar(Sine, &[a]),
            10 => self.scalar(Logistic, &[a]),
            11 if self.dice.below(3) == 0 => {
                let (i, j) = (self.row(), self.row());
                let comparison = [IntEqual, IntLess, IntLessEqual][self.dice.below(3)];
                let condition = self.scalar(comparison, &[i, j]);
                self.scalar(Select, &[condition, a, b])
            }
            11 => {
                let less = self.scalar(Less, &[a, b]);
                let c = self.pick();
                self.scalar(Select, &[less, a, c])
            }
            12 => self.scalar(Maximum, &[a, b]),
            13 => self.scalar(NormalCdf, &[a]),
            14 => {
                let positive = self.scalar(Exponential, &[one]);
                let root = self.scalar(Absolute, &[a]);
                let sum = self.scalar(Add, &[positive, root]);
                self.scalar(LogGamma, &[sum])
            }
            _ => self.scalar(Negate, &[a]),
        };
        // Keeps values of order one through long chains.
        if self.dice.below(2) == 0 {
            self.scalar(HyperbolicTangent, &[value])
        } else {
            value
        }
    }

    fn block(&mut self, depth: usize) {
        let statements = 2 + self.dice.below(5);
        for _ in 0..statements {
            if self.budget == 0 {
                break;
            }
            self.budget -= 1;
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: usize) {
        match self.dice.below(if depth < 3 { 16 } else { 5 }) {
            0..=2 => {
                let value = self.expression();
                self.push(value);
            }
            3 | 4 => self.term(),
            5 | 6 => self.looped(|writer| writer.block(depth + 1)),
            7 => self.branch(depth),
            8 => self.sum(),
            9 => self.variable(),
            10 => self.recurrence(),
            11 => self.transformed(),
            12 => self.carried(),
            13 => self.series_in_one_loop(),
            14 => self.overwritten(),
            _ => self.mutable_array(),
        }
    }

    fn term(&mut self) {
        let value = self.expression();
        let part = [Part::Prior, Part::Jacobian, Part::Soft(0), Part::Likelihood];
        let part = part[self.dice.below(4)];
        self.builder.add_part(part, value, self.statement);
    }

    /// A loop: to a literal, to a datum, or to the index of the loop around it.
    fn looped(&mut self, body: impl FnOnce(&mut Self)) {
        let lower = self.dice.below(2) as i64;
        let lower = self.builder.int(lower);
        let upper = match (self.dice.below(3), self.loops.last().copied()) {
            (0, Some((index, ..))) => index,
            (1, Some((index, ..))) => self.builder.load(self.group, index),
            // A bound that is known when the program runs only.
            (0, None) => {
                let rows = self.builder.int(self.rows as i64 - 2);
                let (a, b) = (self.pick(), self.pick());
                let less = self.scalar(Operation::Less, &[a, b]);
                let (all, few) = (
                    self.builder.int(1),
                    self.builder.int(-(self.rows as i64) / 2),
                );
                let more = self.scalar(Operation::IntSelect, &[less, all, few]);
                self.scalar(Operation::IntAdd, &[rows, more])
            }
            _ => self.builder.int(self.rows as i64 - 1),
        };
        let reversed = self.dice.below(5) == 0;
        self.rounds(lower, upper, self.rows, reversed, body);
    }

    fn rounds(
        &mut self,
        lower: Value,
        upper: Value,
        max_count: usize,
        reversed: bool,
        body: impl FnOnce(&mut Self),
    ) {
        let index = self.builder.begin_loop(lower, upper, max_count, reversed);
        self.loops.push((index, lower, max_count));
        self.pool.push(Vec::new());
        body(self);
        self.pool.pop();
        self.loops.pop();
        self.builder.end();
    }

    fn count(&mut self, lower: i64, body: impl FnOnce(&mut Self)) {
        let (lower, upper) = (
            self.builder.int(lower),
            self.builder.int(self.rows as i64 - 1),
        );
        self.rounds(lower, upper, self.rows, false, body);
    }

    fn branch(&mut self, depth: usize) {
        let condition = if self.dice.below(2) == 0 {
            let weight = self.builder.weight(Part::Likelihood);
            let zero = self.builder.real(0.0);
            let equal = self.scalar(Operation::Equal, &[weight, zero]);
            self.scalar(Operation::Not, &[equal])
        } else {
            let (a, b) = (self.pick(), self.pick());
            self.scalar(Operation::Less, &[a, b])
        };
        self.builder.begin_if(condition);
        self.pool.push(Vec::new());
        self.block(depth + 1);
        self.pool.pop();
        self.builder.begin_else();
        self.pool.push(Vec::new());
        if self.dice.below(2) == 0 {
            self.block(depth + 1);
        }
        self.pool.pop();
        self.builder.end();
    }

    fn sum(&mut self) {
        let (register, zero) = (self.builder.register("sum"), self.builder.int(0));
        self.builder.clear(register);
        self.looped(|writer| {
            let value = writer.expression();
            writer.builder.accumulate(register, zero, value);
        });
        let sum = self.builder.load(register, zero);
        self.push(sum);
    }

    /// A variable that each round changes, and sometimes a term in each round.
    fn variable(&mut self) {
        let (register, zero) = (self.builder.register("variable"), self.builder.int(0));
        let start = self.expression();
        self.builder.store(register, zero, start);
        self.looped(|writer| {
            let old = writer.builder.load(register, zero);
            writer.push(old);
            let other = writer.expression();
            let sum = writer.scalar(Operation::Multiply, &[old, other]);
            let new = writer.scalar(Operation::Sine, &[sum]);
            writer.builder.store(register, zero, new);
            if writer.dice.below(2) == 0 {
                let again = writer.builder.load(register, zero);
                writer.push(again);
                writer.term();
            }
        });
        if self.dice.below(3) > 0 {
            let end = self.builder.load(register, zero);
            self.push(end);
        }
    }

    /// A register that only one loop touches, but whose value goes from round to round.
    fn carried(&mut self) {
        let (register, zero) = (self.builder.register("carried"), self.builder.int(0));
        self.count(0, |writer| {
            writer.if_first_round(
                |writer| {
                    let start = writer.expression();
                    writer.builder.store(register, zero, start);
                },
                |_| {},
            );
            let old = writer.builder.load(register, zero);
            let other = writer.expression();
            let sum = writer.scalar(Operation::Add, &[old, other]);
            let new = writer.scalar(Operation::Sine, &[sum]);
            writer.builder.store(register, zero, new);
            writer.push(new);
            writer.term();
        });
    }

    /// The same with an array: s[t] from s[t − 1], start and terms in one loop.
    fn series_in_one_loop(&mut self) {
        let (base, total) = self.places(self.rows);
        let series = self.builder.buffer("series", total, BufferKind::Local);
        self.count(0, |writer| {
            let t = writer.loops.last().expect("an open loop").0;
            let place = writer.scalar(Operation::IntAdd, &[base, t]);
            writer.builder.pin(series);
            writer.if_first_round(
                |writer| {
                    let start = writer.expression();
                    writer.builder.store(series, place, start);
                },
                |writer| {
                    let minus = writer.builder.int(-1);
                    let before = writer.scalar(Operation::IntAdd, &[place, minus]);
                    writer.builder.pin(series);
                    let old = writer.builder.load(series, before);
                    let other = writer.expression();
                    let product = writer.scalar(Operation::Multiply, &[old, other]);
                    let new = writer.scalar(Operation::Sine, &[product]);
                    writer.builder.store(series, place, new);
                },
            );
            let value = writer.builder.load(series, place);
            writer.push(value);
            writer.term();
        });
    }

    fn if_first_round(&mut self, first: impl FnOnce(&mut Self), other: impl FnOnce(&mut Self)) {
        let &(index, lower, _) = self.loops.last().expect("an open loop");
        let condition = self.scalar(Operation::IntEqual, &[index, lower]);
        self.builder.begin_if(condition);
        self.pool.push(Vec::new());
        first(self);
        self.pool.pop();
        self.builder.begin_else();
        self.pool.push(Vec::new());
        other(self);
        self.pool.pop();
        self.builder.end();
    }

    /// A register that a loop of terms reads and that gets another value afterwards.
    fn overwritten(&mut self) {
        let (register, zero) = (self.builder.register("overwritten"), self.builder.int(0));
        for _ in 0..2 {
            let value = self.expression();
            self.builder.store(register, zero, value);
            self.looped(|writer| {
                let value = writer.builder.load(register, zero);
                writer.push(value);
                writer.term();
            });
        }
    }

    /// The first of `length` places that belong to the present round of all open loops, and the places of all rounds.
    fn places(&mut self, length: usize) -> (Value, usize) {
        let mut place = self.builder.int(0);
        let mut total = length;
        for (index, lower, max_count) in self.loops.clone() {
            let radix = self.builder.int(max_count as i64);
            let digit = self.scalar(Operation::IntSubtract, &[index, lower]);
            let shifted = self.scalar(Operation::IntMultiply, &[place, radix]);
            place = self.scalar(Operation::IntAdd, &[shifted, digit]);
            total *= max_count;
        }
        let length = self.builder.int(length as i64);
        (self.scalar(Operation::IntMultiply, &[place, length]), total)
    }

    /// s[t] from s[t − 1], with terms on the way or after.
    fn recurrence(&mut self) {
        let (base, total) = self.places(self.rows);
        let series = self.builder.buffer("series", total, BufferKind::Local);
        let start = self.expression();
        self.builder.store(series, base, start);
        let terms = self.dice.below(2) == 0;
        self.count(1, |writer| {
            let t = writer.loops.last().expect("an open loop").0;
            let place = writer.scalar(Operation::IntAdd, &[base, t]);
            let minus = writer.builder.int(-1);
            let before = writer.scalar(Operation::IntAdd, &[place, minus]);
            writer.builder.pin(series);
            let old = writer.builder.load(series, before);
            let other = writer.expression();
            let product = writer.scalar(Operation::Multiply, &[old, other]);
            let new = writer.scalar(Operation::LogOnePlusExp, &[product]);
            writer.builder.store(series, place, new);
            if terms {
                writer.push(new);
                writer.term();
            }
        });
        self.count(0, |writer| {
            let t = writer.loops.last().expect("an open loop").0;
            let place = writer.scalar(Operation::IntAdd, &[base, t]);
            let value = writer.builder.load(series, place);
            writer.push(value);
            writer.term();
        });
    }

    /// m[i] = f(…); terms of m[i] and of m[group[i]], in the same loop or in another.
    fn transformed(&mut self) {
        let (base, total) = self.places(self.rows);
        let array = self.builder.buffer("transformed", total, BufferKind::Local);
        let same = self.dice.below(2) == 0;
        self.count(0, |writer| {
            let i = writer.loops.last().expect("an open loop").0;
            let place = writer.scalar(Operation::IntAdd, &[base, i]);
            let value = writer.expression();
            writer.builder.store(array, place, value);
            if same {
                let value = writer.builder.load(array, place);
                writer.push(value);
                writer.term();
            }
        });
        if !same {
            self.count(0, |writer| {
                let i = writer.loops.last().expect("an open loop").0;
                let other = writer.builder.load(writer.group, i);
                let place = writer.scalar(Operation::IntAdd, &[base, other]);
                let value = writer.builder.load(array, place);
                writer.push(value);
                writer.term();
            });
        }
    }

    fn mutable_array(&mut self) {
        let array = self
            .builder
            .buffer("scratch", self.rows, BufferKind::Mutable);
        if self.dice.below(2) == 0 {
            self.builder.clear(array);
            self.looped(|writer| {
                let row = writer.row();
                let value = writer.expression();
                writer.builder.accumulate(array, row, value);
            });
        }
        self.count(0, |writer| {
            let i = writer.loops.last().expect("an open loop").0;
            let value = writer.expression();
            writer.builder.store(array, i, value);
        });
        self.looped(|writer| {
            let row = writer.row();
            let value = writer.builder.load(array, row);
            writer.push(value);
            writer.term();
        });
    }

    /// A regression through a Cholesky factor: L = chol(M Mᵀ + 4), v = L⁻¹ (x p), terms of v.
    fn dense(&mut self) {
        let n = 3;
        let zero = self.builder.int(0);
        let mut matrix = |name: &str, length| self.builder.buffer(name, length, BufferKind::Local);
        let (m, outer, a, l) = (
            matrix("M", 9),
            matrix("M Mt", 9),
            matrix("A", 9),
            matrix("L", 9),
        );
        let (product, solved, back) = (matrix("x p", n), matrix("solved", n), matrix("back", n));
        let (log, kept, inverse) = (matrix("log", 1), matrix("K r", n), matrix("K", 9));
        let region = |buffer, length| Region {
            buffer,
            offset: zero,
            length,
        };
        let outer_transpose = Dense::Product {
            rows: n,
            inner: n,
            columns: n,
        };
        let transposed = self.builder.buffer("Mt", 9, BufferKind::Local);
        for i in 0..n {
            for j in 0..n {
                let value = self.expression();
                let place = self.builder.int((i * n + j) as i64);
                self.builder.store(m, place, value);
                let place = self.builder.int((j * n + i) as i64);
                self.builder.store(transposed, place, value);
            }
        }
        self.builder.dense(
            outer_transpose,
            vec![region(m, 9), region(transposed, 9)],
            vec![region(outer, 9)],
        );
        for k in 0..9 {
            let place = self.builder.int(k);
            let value = self.builder.load(outer, place);
            let ridge = self.builder.real(if k % 4 == 0 { 4.0 } else { 0.0 });
            let value = self.scalar(Operation::Add, &[value, ridge]);
            self.builder.store(a, place, value);
        }
        self.builder.dense(
            Dense::Cholesky { size: n },
            vec![region(a, 9)],
            vec![region(l, 9)],
        );
        let times = Dense::Product {
            rows: n,
            inner: 4,
            columns: 1,
        };
        let (x, position) = (self.x, self.position);
        self.builder.dense(
            times,
            vec![region(x, 12), region(position, 4)],
            vec![region(product, n)],
        );
        let solve = Dense::SolveLower {
            size: n,
            columns: 1,
        };
        self.builder.dense(
            solve,
            vec![region(l, 9), region(product, n)],
            vec![region(solved, n)],
        );
        let solve = Dense::SolveLowerTransposed {
            size: n,
            columns: 1,
        };
        self.builder.dense(
            solve,
            vec![region(l, 9), region(solved, n)],
            vec![region(back, n)],
        );
        self.builder.dense(
            Dense::MultiNormal { size: n },
            vec![region(back, n), region(a, 9)],
            vec![region(log, 1), region(kept, n), region(inverse, 9)],
        );
        let value = self.builder.load(log, zero);
        self.builder
            .add_part(Part::Likelihood, value, self.statement);
        self.decompositions(a, product);
        for buffer in [solved, back, l] {
            let value = self.builder.load(buffer, zero);
            self.push(value);
            self.term();
        }
    }
}
