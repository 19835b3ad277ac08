//! Which missing elements anything conditioned depends on. The program is run backwards over its loops, with the indices
//! that data decide: what a condition reads is needed, and so is what the definition of anything needed reads. A value
//! is defined before it is used, so one pass from the last statement to the first finds all of it.
//!
//! Only arrays that hold missing elements, or are computed from some, are looked at. Where an index is not known, the
//! whole array counts as read; where there is too much to look at, everything counts as needed.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::fold::{Interpreter, is_data_only};
use super::loops::{
    ArrayId, ArrayKind, Binder, Loops, Node, Place, Random, Role, Scalar, Statement, Term,
    walk_statements,
};
use super::missing::Split;
use crate::check::hir::VariableId;

/// Rounds and elements that are looked at before every missing element counts as needed.
const MOST_WORK: u64 = 20_000_000;

/// The role of each element of the split variables.
pub fn roles(
    loops: &Loops,
    splits: &HashMap<VariableId, Split>,
) -> HashMap<VariableId, Vec<Option<Role>>> {
    let mut relevant: HashSet<ArrayId> = splits.values().flat_map(Split::defined).collect();
    loop {
        let before = relevant.len();
        spread(&loops.statements, &mut relevant);
        if relevant.len() == before {
            break;
        }
    }
    let needed = relevant
        .iter()
        .map(|&array| (array, vec![false; loops.array(array).length()]))
        .collect();
    let mut backward = Backward {
        loops,
        interpreter: Interpreter::new(loops),
        needed,
        reads: HashMap::new(),
        work: 0,
    };
    let complete = backward.statements(&loops.statements).is_some();
    let needed = backward.needed;
    let of = |split: &Split| {
        let whole = &needed[&split.whole];
        let length = whole.len() / split.roles.len().max(1);
        let role = |flat: usize| {
            split.roles[flat / length.max(1)].map(|_| match !complete || whole[flat] {
                true => Role::Inferred,
                false => Role::Simulated,
            })
        };
        (0..whole.len()).map(role).collect()
    };
    splits
        .iter()
        .map(|(&variable, split)| (variable, of(split)))
        .collect()
}

/// Adds the arrays that are computed from relevant ones, in one pass.
pub(crate) fn spread(statements: &[Statement], relevant: &mut HashSet<ArrayId>) {
    for statement in statements {
        let mut found = false;
        walk_statements(std::slice::from_ref(statement), &mut |scalar| {
            found = found || reads_any(scalar, relevant);
        });
        super::fold::dense_inputs(std::slice::from_ref(statement), &mut |place| {
            found = found || relevant.contains(&place.array);
        });
        if !found {
            continue;
        }
        match statement {
            Statement::For { body, .. } => spread(body, relevant),
            Statement::If {
                condition,
                then,
                otherwise,
            } if !reads_any(condition, relevant) => {
                spread(then, relevant);
                spread(otherwise, relevant);
            }
            other => super::fold::stored_arrays(std::slice::from_ref(other), relevant),
        }
    }
}

pub(crate) fn reads_any(scalar: &Scalar, arrays: &HashSet<ArrayId>) -> bool {
    let mut found = false;
    scalar.walk(&mut |node| {
        if let Node::Element { array, .. } = &*node.0 {
            found |= arrays.contains(array);
        }
    });
    found
}

struct Backward<'a> {
    loops: &'a Loops,
    interpreter: Interpreter<'a>,
    /// Of relevant arrays, which elements are needed.
    needed: HashMap<ArrayId, Vec<bool>>,
    /// Whether a scalar reads a relevant array.
    reads: HashMap<*const Node, bool>,
    work: u64,
}

/// `None`: too much work, or an index without a value.
type Done = Option<()>;

impl Backward<'_> {
    fn statements(&mut self, statements: &[Statement]) -> Done {
        for statement in statements.iter().rev() {
            self.statement(statement)?;
        }
        Some(())
    }

    fn statement(&mut self, statement: &Statement) -> Done {
        match statement {
            Statement::For { binder, body } => {
                self.rounds(binder, &mut |backward| backward.statements(body))
            }
            Statement::If {
                condition,
                then,
                otherwise,
            } => match self.known(condition) {
                Some(holds) => self.statements(if holds != 0.0 { then } else { otherwise }),
                None => {
                    self.statements(otherwise)?;
                    self.statements(then)?;
                    // Either branch may decide anything that it defines.
                    self.read(condition)
                }
            },
            Statement::Store {
                array,
                indices,
                value,
            } => match self.is_needed(*array, indices)? {
                true => self.read(value),
                false => Some(()),
            },
            Statement::Dense { inputs, output, .. } => {
                if self.is_needed(output.array, &output.prefix)? {
                    for place in inputs {
                        self.read_place(place)?;
                    }
                }
                Some(())
            }
            Statement::Random(random) => self.random(random),
            Statement::Term(term) => self.term(term),
        }
    }

    fn random(&mut self, random: &Random) -> Done {
        // A variable that is inferred as a whole has a density for each of its elements, whoever needs them.
        let is_inferred = matches!(
            self.loops.array(random.variable).kind,
            ArrayKind::Random(Role::Inferred)
        ) && !self.loops.parts.contains_key(&random.variable);
        if random.observed || is_inferred || self.is_needed(random.variable, &random.indices)? {
            let mut bounds = Vec::new();
            super::loops::walk_support(&random.support, &mut |bound| bounds.push(bound.clone()));
            for bound in bounds {
                self.read(&bound)?;
            }
            return self.term(&random.density);
        }
        Some(())
    }

    fn term(&mut self, term: &Term) -> Done {
        for condition in &term.domain {
            self.read(&condition.holds)?;
        }
        self.read(&term.value)?;
        self.statements(&term.statements)
    }

    /// Runs `body` from the last value of an index to the first.
    fn rounds(&mut self, binder: &Binder, body: &mut dyn FnMut(&mut Self) -> Done) -> Done {
        let lower = self.known(&binder.lower)? as i64;
        let upper = self.known(&binder.upper)? as i64;
        self.count(super::fold::rounds(lower, upper))?;
        for round in (lower..=upper).rev() {
            self.interpreter.set_index(binder.index, round);
            body(self)?;
        }
        Some(())
    }

    fn count(&mut self, work: u64) -> Done {
        self.work = self.work.saturating_add(work);
        (self.work <= MOST_WORK).then_some(())
    }

    fn known(&mut self, scalar: &Scalar) -> Option<f64> {
        if !is_data_only(&self.loops.arrays, scalar) {
            return None;
        }
        self.interpreter.value(scalar).ok()
    }

    /// The elements behind indices, in a relevant array; all of them where an index is not known.
    fn stretch(&mut self, array: ArrayId, indices: &[Scalar]) -> std::ops::Range<usize> {
        let shape = &self.loops.array(array).shape;
        let mut start = 0;
        for (index, &length) in indices.iter().zip(shape) {
            match self.known(index) {
                Some(value) if value >= 1.0 && value as usize <= length => {
                    start = start * length + (value as usize - 1);
                }
                _ => return 0..shape.iter().product(),
            }
        }
        let block: usize = shape[indices.len().min(shape.len())..].iter().product();
        start * block..(start + 1) * block
    }

    fn is_needed(&mut self, array: ArrayId, indices: &[Scalar]) -> Option<bool> {
        if !self.needed.contains_key(&array) {
            return Some(false);
        }
        let stretch = self.stretch(array, indices);
        self.count(stretch.len() as u64)?;
        Some(self.needed[&array][stretch].contains(&true))
    }

    fn read_place(&mut self, place: &Place) -> Done {
        if self.needed.contains_key(&place.array) {
            let stretch = self.stretch(place.array, &place.prefix);
            self.mark(place.array, stretch)?;
        }
        Some(())
    }

    fn mark(&mut self, array: ArrayId, stretch: std::ops::Range<usize>) -> Done {
        self.count(stretch.len() as u64)?;
        if let Some(needed) = self.needed.get_mut(&array) {
            needed[stretch].fill(true);
        }
        Some(())
    }

    /// Whether a scalar reads a relevant array.
    fn is_relevant(&mut self, scalar: &Scalar) -> bool {
        let key = Rc::as_ptr(&scalar.0);
        if let Some(&known) = self.reads.get(&key) {
            return known;
        }
        let mut found =
            matches!(&*scalar.0, Node::Element { array, .. } if self.needed.contains_key(array));
        scalar.children(&mut |child| found = found || self.is_relevant(child));
        self.reads.insert(key, found);
        found
    }

    fn read(&mut self, scalar: &Scalar) -> Done {
        if !self.is_relevant(scalar) {
            return Some(());
        }
        self.count(1)?;
        match &*scalar.0 {
            Node::Element { array, indices, .. } => {
                for index in indices {
                    self.read(index)?;
                }
                if self.needed.contains_key(array) {
                    let stretch = self.stretch(*array, indices);
                    self.mark(*array, stretch)?;
                }
                Some(())
            }
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                self.read(condition)?;
                match self.known(condition) {
                    Some(holds) => self.read(if holds != 0.0 { then } else { otherwise }),
                    None => {
                        self.read(then)?;
                        self.read(otherwise)
                    }
                }
            }
            Node::Reduce { binders, body, .. } => self.nest(binders, body),
            _ => {
                let mut children = Vec::new();
                scalar.children(&mut |child| children.push(child.clone()));
                children.iter().try_for_each(|child| self.read(child))
            }
        }
    }

    fn nest(&mut self, binders: &[Binder], body: &Scalar) -> Done {
        match binders.split_first() {
            Some((first, rest)) => self.rounds(first, &mut |backward| backward.nest(rest, body)),
            None => self.read(body),
        }
    }
}
