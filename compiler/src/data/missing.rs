//! Variables whose elements have different roles: a column with missing cells, or a group-level effect of which draws hold
//! some groups and not others. Each role gets an array of its own (the data, the inferred elements, the simulated
//! ones), so that samplers see a dense position and likelihood loops run over the observed elements alone; the variable
//! itself is an array into which all of them are gathered, and which costs nothing where nobody reads it.
//!
//! A plate becomes one loop for each role over its elements, whose indices are known ints. Where order matters (inside other
//! loops, and where a law reads earlier elements of its own variable) each round looks its role up.

use std::collections::HashSet;

use super::bind::Known;
use super::dataset::Entry;
use super::expand::{BlockKind, Expander, Outcome};
use super::interval::Interval;
use super::loops::{ArrayId, ArrayKind, Binder, PartOf, Place, Role, Scalar, Statement};
use super::pull::Value;
use super::subscripts::subscripts;
use crate::check::hir::{Element, Law, StatementKind, VariableId};
use crate::check::walk::all_statements;
use crate::math::primitive::Operation;
use crate::source::{Diagnostic, Span};

/// The roles, in the order of their codes in role tables. `None` is observed.
const ROLES: [Option<Role>; 3] = [None, Some(Role::Inferred), Some(Role::Simulated)];

/// How the elements of a variable are divided. A unit is what one draw of its law gives: an element, or a vector.
#[derive(Debug, Clone)]
pub struct Split {
    /// The array that the rest of the program reads.
    pub whole: ArrayId,
    /// The role of each unit.
    pub roles: Vec<Option<Role>>,
    /// The place of each unit in the array of its role, from 1.
    slots: Vec<i64>,
    /// The lengths of the index positions that number the units.
    units: Vec<usize>,
    /// The data, of the variable's shape.
    data: Option<ArrayId>,
    inferred: Option<ArrayId>,
    simulated: Option<ArrayId>,
    /// Codes of roles, and slots, as int arrays for statements that look them up.
    tables: Option<(ArrayId, ArrayId)>,
}

impl Split {
    fn part(&self, role: Role) -> ArrayId {
        let part = match role {
            Role::Inferred | Role::SummedOut => self.inferred,
            Role::Simulated => self.simulated,
        };
        part.expect("a part for every role that occurs")
    }

    /// Arrays that statements of the variable define.
    pub fn defined(&self) -> HashSet<ArrayId> {
        [Some(self.whole), self.inferred, self.simulated]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// What storage a variable needs.
enum Partition {
    Uniform(Role),
    Parts(Vec<Option<Role>>),
}

/// A drawn unit: what is left of `~`.
#[derive(Clone)]
pub(super) struct Target {
    /// The variable.
    pub variable: VariableId,
    /// The indices of the index positions that the law draws over.
    pub at: Vec<Scalar>,
    /// The indices that the statement names, to be bound for its right-hand side.
    pub names: Vec<(VariableId, usize)>,
    /// The ranges that `at` runs over, where it has no other indices.
    pub ranges: Vec<Binder>,
}

impl<'a> Expander<'a> {
    /// Storage for a random variable that is not in the data.
    pub(super) fn unknown_storage(
        &mut self,
        variable: VariableId,
        shape: Vec<usize>,
    ) -> Outcome<ArrayId> {
        let declared = &self.hir.variables[variable.0 as usize];
        match self.partition(variable, &shape)? {
            Partition::Uniform(role) => {
                let kind = ArrayKind::Random(role);
                Ok(self.array(declared.name.clone(), shape, kind, declared.span))
            }
            Partition::Parts(roles) => self.split(variable, shape, roles, None),
        }
    }

    /// The range of a variable of whole numbers, from those of its parts.
    pub(super) fn learn_range_of_whole(&mut self, variable: VariableId) {
        if self.hir.variables[variable.0 as usize].ty.element != Element::Int {
            return;
        }
        let Some(split) = self.splits.get(&variable) else {
            return;
        };
        let mut ranges: Vec<Interval> = Vec::new();
        for part in [split.inferred, split.simulated].into_iter().flatten() {
            ranges.extend(self.ranges.arrays.get(&part));
        }
        if let Some(data) = split.data
            && let ArrayKind::Int(values) = &self.loops.array(data).kind
        {
            let length = values.len() / split.roles.len().max(1);
            let observed = |flat: &usize| split.roles[flat / length.max(1)].is_none();
            let numbers = (0..values.len())
                .filter(observed)
                .map(|flat| values[flat] as f64);
            ranges.extend(numbers.map(|number| Interval::closed(number, number)));
        }
        if let Some(range) = ranges.into_iter().reduce(Interval::join) {
            let whole = split.whole;
            self.ranges.arrays.insert(whole, range);
        }
    }

    /// The roles of a variable's units when draws hold some of its elements.
    fn partition(&mut self, variable: VariableId, shape: &[usize]) -> Outcome<Partition> {
        let declared = &self.hir.variables[variable.0 as usize];
        let Some(known) = self.bound.known.get(&declared.name) else {
            return Ok(Partition::Uniform(self.role(variable)));
        };
        let rank = self.unit_rank(variable);
        if known.shape.len() != shape.len() || known.shape[rank..] != shape[rank..] {
            return Err(Diagnostic::error(
                "E0471",
                format!(
                    "`{}` has {} in the draws, and {} with these data",
                    declared.name,
                    super::expression::sizes(&known.shape),
                    super::expression::sizes(shape)
                ),
            )
            .at(
                declared.span,
                "it is drawn as a whole, so none of it can be kept",
            )
            .help(format!(
                "use data of the same sizes, or draw it anew with `--redraw {}`",
                declared.name
            ))
            .into());
        }
        let length: usize = shape[rank..].iter().product();
        let count: usize = shape[..rank].iter().product();
        let holds =
            |unit: usize| (0..length).all(|inner| known_at(known, shape, unit * length + inner));
        let roles: Vec<Option<Role>> = (0..count)
            .map(|unit| match holds(unit) {
                true => Some(Role::Inferred),
                false => Some(Role::Simulated),
            })
            .collect();
        Ok(match roles.first() {
            Some(first) if roles.iter().any(|role| role != first) => Partition::Parts(roles),
            Some(Some(role)) => Partition::Uniform(*role),
            _ => Partition::Uniform(Role::Inferred),
        })
    }

    /// The number of index positions that number the draws of a variable.
    fn unit_rank(&self, wanted: VariableId) -> usize {
        let rank = self.hir.variables[wanted.0 as usize].ty.rank();
        let mut drawn = 0;
        all_statements(&self.hir.statements, 0, &mut |statement, _| {
            if let StatementKind::Random { variable, law, .. } = &statement.kind
                && *variable == wanted
            {
                let own = self.draw_rank(&law.call);
                drawn = drawn.max(if law.ordered { rank } else { own });
            }
        });
        rank - drawn.min(rank)
    }

    /// Storage for a variable of which the data miss some elements; `data` holds any numbers where they are missing.
    pub(super) fn load_partial(
        &mut self,
        variable: VariableId,
        entry: &Entry,
        shape: Vec<usize>,
        kind: ArrayKind,
    ) -> Outcome<ArrayId> {
        let declared = &self.hir.variables[variable.0 as usize];
        let rank = self.unit_rank(variable);
        let length: usize = shape[rank..].iter().product();
        let count: usize = shape[..rank].iter().product();
        let mut roles = Vec::with_capacity(count);
        for unit in 0..count {
            let elements = unit * length..(unit + 1) * length;
            let missing = elements.clone().filter(|&flat| entry.is_missing(flat));
            let role = match missing.count() {
                0 => None,
                n if n < length => {
                    let first = elements.clone().find(|&flat| entry.is_missing(flat));
                    return Err(Diagnostic::error(
                        "E0472",
                        format!(
                            "`{}` is missing, and not the whole vector it belongs to",
                            entry.element_name(first.unwrap_or(0))
                        ),
                    )
                    .at(declared.span, "its elements are drawn together")
                    .note(format!("`{}` comes from {}", declared.name, entry.origin))
                    .help("vectors are observed or missing as a whole: write the law element by element, as the manual shows under missing data for `multi_normal`; or remove the vector")
                    .into());
                }
                _ => Some(self.missing_role(variable, entry, elements)),
            };
            roles.push(role);
        }
        let data = self.array(declared.name.clone(), shape.clone(), kind, declared.span);
        let whole = self.split(variable, shape, roles, Some(data))?;
        self.gather_observed(variable, data);
        Ok(whole)
    }

    /// The role of missing elements that are drawn together: inferred if one of them is.
    fn missing_role(
        &self,
        variable: VariableId,
        entry: &Entry,
        mut elements: std::ops::Range<usize>,
    ) -> Role {
        if let Some(known) = self.bound.known.get(&entry.key) {
            return match elements.all(|flat| known_at(known, &entry.shape, flat)) {
                true => Role::Inferred,
                false => Role::Simulated,
            };
        }
        match self.bound.elements.get(&variable) {
            Some(roles) => match elements.any(|flat| roles[flat] == Some(Role::Inferred)) {
                true => Role::Inferred,
                false => Role::Simulated,
            },
            None => self.role(variable),
        }
    }

    /// Makes the arrays of a variable whose units have these roles, and the array that gathers them.
    fn split(
        &mut self,
        variable: VariableId,
        shape: Vec<usize>,
        roles: Vec<Option<Role>>,
        data: Option<ArrayId>,
    ) -> Outcome<ArrayId> {
        let declared = &self.hir.variables[variable.0 as usize];
        let (name, span) = (declared.name.clone(), declared.span);
        let rank = self.unit_rank(variable);
        let length: usize = shape[rank..].iter().product();
        let whole = self.array(name.clone(), shape.clone(), ArrayKind::Let, span);
        let mut slots = vec![0; roles.len()];
        let mut parts = [None, None];
        for (part, role) in parts.iter_mut().zip([Role::Inferred, Role::Simulated]) {
            let units: Vec<usize> = (0..roles.len())
                .filter(|&unit| roles[unit] == Some(role))
                .collect();
            if units.is_empty() {
                continue;
            }
            for (slot, &unit) in units.iter().enumerate() {
                slots[unit] = slot as i64 + 1;
            }
            let mut part_shape = vec![units.len()];
            part_shape.extend(&shape[rank..]);
            let array = self.array(name.clone(), part_shape, ArrayKind::Random(role), span);
            let elements = units
                .iter()
                .flat_map(|unit| unit * length..(unit + 1) * length)
                .collect();
            self.loops.parts.insert(
                array,
                PartOf {
                    shape: shape.clone(),
                    elements,
                },
            );
            *part = Some(array);
        }
        let split = Split {
            whole,
            roles,
            slots,
            units: shape[..rank].to_vec(),
            data,
            inferred: parts[0],
            simulated: parts[1],
            tables: None,
        };
        self.splits.insert(variable, split);
        Ok(whole)
    }

    /// Copies the observed elements into the whole, before anything reads them.
    fn gather_observed(&mut self, variable: VariableId, data: ArrayId) {
        let split = self.splits[&variable].clone();
        let span = self.loops.array(data).span;
        let units: Vec<usize> = split.units_of(None, |_| true);
        let (binder, at) = self.rows(&split.units, &units);
        self.open(BlockKind::Over(vec![binder.index]));
        self.copy_unit(
            &split,
            Place {
                array: data,
                prefix: at.clone(),
            },
            &at,
            span,
        );
        let body = self.close();
        self.emit(Statement::For { binder, body });
    }

    /// Stores a unit, which is at `place`, into the whole.
    fn copy_unit(&mut self, split: &Split, place: Place, at: &[Scalar], span: Span) {
        let inner = self.loops.array(split.whole).shape[at.len()..].to_vec();
        let binders: Vec<Binder> = inner
            .iter()
            .map(|&length| self.count_binder(length))
            .collect();
        let rest: Vec<Scalar> = binders.iter().map(|b| Scalar::index(b.index)).collect();
        let with = |first: &[Scalar]| first.iter().chain(&rest).cloned().collect::<Vec<_>>();
        let value =
            super::pull::element(&self.loops.arrays, place.array, with(&place.prefix), span);
        let mut nest = Statement::Store {
            array: split.whole,
            indices: with(at),
            value,
        };
        for binder in binders.into_iter().rev() {
            nest = Statement::For {
                binder,
                body: vec![nest],
            };
        }
        self.emit(nest);
    }

    /// A loop over some units, and the indices of its present one.
    fn rows(&mut self, shape: &[usize], units: &[usize]) -> (Binder, Vec<Scalar>) {
        if let ([_], [first, .., last] | [first @ last]) = (shape, units)
            && last - first + 1 == units.len()
        {
            let (lower, upper) = (*first as i64 + 1, *last as i64 + 1);
            let (lower, upper) = (Scalar::int(lower), Scalar::int(upper));
            let index = self.index(super::expand::UNNAMED, lower.clone(), upper.clone());
            let at = vec![Scalar::index(index)];
            let binder = Binder {
                index,
                lower,
                upper,
            };
            return (binder, at);
        }
        let binder = self.count_binder(units.len());
        let row = Scalar::index(binder.index);
        let mut stride: usize = shape.iter().product();
        let mut at = Vec::new();
        for &length in shape {
            stride /= length.max(1);
            let indices = units
                .iter()
                .map(|unit| (unit / stride % length) as i64 + 1)
                .collect();
            at.push(self.lookup("elements", vec![units.len()], indices, vec![row.clone()]));
        }
        (binder, at)
    }

    /// An element of a new array of known ints.
    fn lookup(
        &mut self,
        name: &str,
        shape: Vec<usize>,
        values: Vec<i64>,
        at: Vec<Scalar>,
    ) -> Scalar {
        let array = self.int_array(name, shape, values);
        super::pull::element(&self.loops.arrays, array, at, Span::default())
    }

    fn int_array(&mut self, name: &str, shape: Vec<usize>, values: Vec<i64>) -> ArrayId {
        let (low, high) = values.iter().fold((i64::MAX, i64::MIN), |(low, high), &v| {
            (low.min(v), high.max(v))
        });
        let array = self.array(name, shape, ArrayKind::Int(values.into()), Span::default());
        let range = super::interval::Interval::closed(low as f64, high as f64);
        self.ranges.arrays.insert(array, range);
        array
    }

    /// The draws of a statement on a variable whose elements differ in role.
    pub(super) fn random_split(
        &mut self,
        target: Target,
        binders: Vec<Binder>,
        arguments: Option<Vec<Value>>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<()> {
        let split = self.splits[&target.variable].clone();
        if law.ordered {
            let name = &self.hir.variables[target.variable.0 as usize].name;
            return Err(Diagnostic::error(
                "E0437",
                format!("`ordered` is for unknown variables, and some of `{name}` is known"),
            )
            .at(law.span, "these draws are ordered as a whole")
            .help("remove `ordered`, or the data")
            .into());
        }
        let bounds: Option<Vec<(i64, i64)>> = binders
            .iter()
            .map(|b| b.lower.as_int().zip(b.upper.as_int()))
            .collect();
        let is_plate = !reads(law, target.variable)
            && self.blocks.iter().all(|b| b.kind == BlockKind::Straight)
            && binders.len() == split.units.len()
            && !split.units.is_empty();
        match bounds {
            Some(bounds) if is_plate => {
                for role in ROLES {
                    let inside = |unit: usize| split.is_inside(unit, &bounds);
                    let units = split.units_of(role, inside);
                    if !units.is_empty() {
                        let arguments = arguments.as_deref();
                        self.plate_of_role(&split, role, &units, &target, arguments, law, span)?;
                    }
                }
                Ok(())
            }
            _ => self.nest(binders, split.defined(), |expander, _| {
                let arguments = arguments.as_deref();
                let statements =
                    expander.branches(&split, &ROLES, &target, arguments, law, span)?;
                for statement in statements {
                    expander.emit(statement);
                }
                Ok(())
            }),
        }
    }

    /// The draws of all units of one role: a loop over them.
    #[allow(clippy::too_many_arguments)]
    fn plate_of_role(
        &mut self,
        split: &Split,
        role: Option<Role>,
        units: &[usize],
        target: &Target,
        arguments: Option<&[Value]>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<()> {
        let (binder, at) = self.rows(&split.units, units);
        let slots: Vec<i64> = units.iter().map(|&unit| split.slots[unit]).collect();
        let slot = match role {
            None => Scalar::int(0),
            Some(_) if slots.len() == 1 => Scalar::int(slots[0]),
            Some(_) => {
                let shift = slots[0] - binder.lower.as_int().unwrap_or(1);
                let index = Scalar::index(binder.index);
                let consecutive = slots.windows(2).all(|pair| pair[1] == pair[0] + 1);
                match consecutive {
                    true if shift == 0 => index,
                    true => Scalar::operation(Operation::IntAdd, vec![index, Scalar::int(shift)]),
                    false => {
                        let first = binder.lower.as_int().unwrap_or(1) - 1;
                        let row = Scalar::operation(
                            Operation::IntSubtract,
                            vec![index, Scalar::int(first)],
                        );
                        self.lookup("slots", vec![slots.len()], slots, vec![row])
                    }
                }
            }
        };
        let defines = match role {
            None => HashSet::new(),
            Some(_) => split.defined(),
        };
        let target = Target {
            at,
            ..target.clone()
        };
        self.nest(vec![binder], defines, |expander, _| {
            expander.unit(split, role, slot, &target, arguments, law, span)
        })
    }

    /// One draw, by its role when it is looked up.
    fn branches(
        &mut self,
        split: &Split,
        roles: &[Option<Role>],
        target: &Target,
        arguments: Option<&[Value]>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<Vec<Statement>> {
        let present = |role: &&Option<Role>| split.roles.contains(role);
        let present: Vec<Option<Role>> = roles.iter().filter(present).copied().collect();
        let Some((&role, rest)) = present.split_first() else {
            return Ok(Vec::new());
        };
        let (codes, slots) = self.tables(target.variable);
        let look = |expander: &Self, table: ArrayId| {
            super::pull::element(&expander.loops.arrays, table, target.at.clone(), span)
        };
        let (code, slot) = (look(self, codes), look(self, slots));
        if code.as_int().is_some_and(|code| code != code_of(role)) {
            return self.branches(split, rest, target, arguments, law, span);
        }
        self.open(BlockKind::Closed);
        let result = self.unit(split, role, slot, target, arguments, law, span);
        let then = self.close();
        result?;
        if rest.is_empty() || code.as_int().is_some() {
            return Ok(then);
        }
        let otherwise = self.branches(split, rest, target, arguments, law, span)?;
        let condition =
            Scalar::operation(Operation::IntEqual, vec![code, Scalar::int(code_of(role))]);
        Ok(vec![Statement::If {
            condition,
            then,
            otherwise,
        }])
    }

    fn tables(&mut self, variable: VariableId) -> (ArrayId, ArrayId) {
        if let Some(tables) = self.splits[&variable].tables {
            return tables;
        }
        let split = self.splits[&variable].clone();
        let codes = split.roles.iter().map(|&role| code_of(role)).collect();
        // Slots of other roles are never looked at; they are in range all the same.
        let slots = split.slots.iter().map(|&slot| slot.max(1)).collect();
        let codes = self.int_array("roles", split.units.clone(), codes);
        let slots = self.int_array("slots", split.units.clone(), slots);
        let tables = (codes, slots);
        if let Some(split) = self.splits.get_mut(&variable) {
            split.tables = Some(tables);
        }
        tables
    }

    /// One draw of a role: its law, and its copy in the whole.
    #[allow(clippy::too_many_arguments)]
    fn unit(
        &mut self,
        split: &Split,
        role: Option<Role>,
        slot: Scalar,
        target: &Target,
        arguments: Option<&[Value]>,
        law: &'a Law,
        span: Span,
    ) -> Outcome<()> {
        for (name, position) in &target.names {
            let index = target.at[*position].clone();
            self.frame().bind(*name, Value::Scalar(index));
        }
        let arguments = match arguments {
            Some(arguments) => arguments.to_vec(),
            None => self.law_arguments(&law.call)?,
        };
        let place = match role {
            None => Place {
                array: split.data.expect("observed units are in the data"),
                prefix: target.at.clone(),
            },
            Some(role) => Place {
                array: split.part(role),
                prefix: vec![slot],
            },
        };
        let arguments = self.by_position(
            law,
            arguments,
            &target.ranges,
            &target.at,
            &split.units,
            span,
        );
        let here = self.arguments_at(law, &arguments, &target.at, &split.units, span)?;
        self.element = (target.at.clone(), split.units.clone());
        let entered = self.enter(&law.call, here)?;
        let drawn = super::random::Drawn {
            variable: target.variable,
            place: place.clone(),
            at: &target.at,
            role,
        };
        let random = self.random_element(drawn, &entered, law, span);
        self.leave(&entered);
        self.emit(Statement::Random(Box::new(random?)));
        if role.is_some() {
            self.copy_unit(split, place, &target.at, span);
        }
        Ok(())
    }
}

impl Split {
    /// The units of a role that pass a test.
    fn units_of(&self, role: Option<Role>, test: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.roles.len())
            .filter(|&unit| self.roles[unit] == role && test(unit))
            .collect()
    }

    /// Whether a unit lies within ranges of its indices.
    fn is_inside(&self, unit: usize, bounds: &[(i64, i64)]) -> bool {
        let mut rest = unit;
        bounds
            .iter()
            .zip(&self.units)
            .rev()
            .all(|(bound, &length)| {
                let index = (rest % length) as i64 + 1;
                rest /= length;
                (bound.0..=bound.1).contains(&index)
            })
    }
}

/// Whether a law reads a variable: its elements are then drawn in their order.
fn reads(law: &Law, variable: VariableId) -> bool {
    let mut found = false;
    law.expressions(&mut |expression| {
        expression.variables(0, &mut |id, _| found |= id == variable);
    });
    found
}

fn code_of(role: Option<Role>) -> i64 {
    ROLES.iter().position(|other| *other == role).unwrap_or(0) as i64
}

/// Whether draws hold an element, by its flat index in a program's own shape.
fn known_at(known: &Known, shape: &[usize], flat: usize) -> bool {
    let indices = subscripts(flat, shape);
    let from_zero: Vec<usize> = indices.iter().map(|index| index - 1).collect();
    known.holds(&from_zero)
}

/// The entry with a present value in place of each missing one, which nobody will read.
pub(super) fn filled(entry: &Entry) -> Entry {
    let present = (0..entry.values.len()).find(|&flat| !entry.is_missing(flat));
    let stand_in = present.map_or(0.0, |flat| entry.values[flat]);
    let values = entry
        .values
        .iter()
        .enumerate()
        .map(|(flat, &value)| {
            if entry.is_missing(flat) {
                stand_in
            } else {
                value
            }
        })
        .collect();
    Entry {
        values,
        missing: Vec::new(),
        ..entry.clone()
    }
}
