//! What a session at a prompt asks of the compiler beside whole models: what became of each name of a program that may still be
//! incomplete, and the value of one expression, by itself or along draws of a posterior.

use std::collections::{HashMap, HashSet};

use likelier_runtime::random::Stream;

use crate::check::hir::{
    Element, Hir, Size, StatementKind, Support, Type, VariableId, VariableKind,
};
use crate::compiled::{Column, Role};
use crate::data::bind::{Bound, Draws, Known, Purpose, bind};
use crate::data::dataset::Dataset;
use crate::data::{BoundProgram, bind_program, labels, loops};
use crate::simulation::{Context, Simulation};
use crate::source::{Diagnostic, FileId, Sources};
use crate::{Coordinates, Options};

/// What a name of a program stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The name.
    pub name: String,
    /// What sort of thing it is.
    pub kind: DescribedKind,
    /// Its type, with numbers for sizes that are known: `real[8]`.
    pub ty: String,
    /// Whether it is made of true and false.
    pub is_bool: bool,
    /// What the data make of a random variable.
    pub role: Option<Role>,
    /// Whether the data hold some of its elements and miss others; the role is that of the missing ones.
    pub is_partial: bool,
}

/// What sort of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescribedKind {
    /// A covariate or setting.
    Given,
    /// A size.
    Size,
    /// A value.
    Let,
    /// A random variable.
    Random,
}

/// What is known of a program.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// Its names, in the order of their definitions.
    pub names: Vec<Described>,
    /// The sizes that are known.
    pub sizes: Vec<(String, i64)>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// Why it cannot run with these data, if it cannot; nothing is said of programs that observe nothing.
    pub obstacles: Vec<Diagnostic>,
}

impl Description {
    /// What is known of a name.
    pub fn get(&self, name: &str) -> Option<&Described> {
        self.names.iter().find(|known| known.name == name)
    }
}

/// What is known of a program, with as many of its data as there are.
///
/// # Errors
/// What is wrong with its text.
pub fn describe(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
) -> Result<Description, Vec<Diagnostic>> {
    let (hir, warnings) = crate::front(sources, file, &options.adjustments)?;
    let purpose = Purpose::Posterior(Coordinates::Natural);
    let (bound, mut obstacles) = bind(&hir, dataset, purpose, &HashSet::new());
    let mut program = None;
    if obstacles.is_empty() {
        match bind_program(&hir, sources, dataset, purpose) {
            Ok(whole) => program = Some(whole),
            Err(diagnostics) => obstacles = diagnostics,
        }
    }
    let bound = program.as_ref().map_or(&bound, |program| &program.bound);
    let describer = Describer {
        hir: &hir,
        bound,
        program: program.as_ref(),
    };
    let ids = (0..hir.variables.len()).map(|i| VariableId(i as u32));
    Ok(Description {
        names: ids
            .clone()
            .filter_map(|id| describer.described(id))
            .collect(),
        sizes: ids.filter_map(|id| describer.size_of(id)).collect(),
        warnings,
        obstacles,
    })
}

struct Describer<'a> {
    hir: &'a Hir,
    bound: &'a Bound,
    program: Option<&'a BoundProgram>,
}

impl Describer<'_> {
    fn size_of(&self, id: VariableId) -> Option<(String, i64)> {
        let variable = &self.hir.variables[id.0 as usize];
        let size = self.known_size(id)?;
        (variable.kind == VariableKind::Size).then(|| (variable.name.clone(), size))
    }

    /// A size. Where binding failed, 0 stands for one that is not known.
    fn known_size(&self, id: VariableId) -> Option<i64> {
        let size = *self.bound.sizes.get(&id)?;
        (size != 0 || self.program.is_some()).then_some(size)
    }

    fn described(&self, id: VariableId) -> Option<Described> {
        let variable = &self.hir.variables[id.0 as usize];
        let kind = match variable.kind {
            VariableKind::Given => DescribedKind::Given,
            VariableKind::Size => DescribedKind::Size,
            VariableKind::Let => DescribedKind::Let,
            VariableKind::Random => DescribedKind::Random,
            _ => return None,
        };
        let is_random = kind == DescribedKind::Random;
        Some(Described {
            name: variable.name.clone(),
            kind,
            ty: self.ty(id, &variable.ty),
            is_bool: variable.ty.element == Element::Bool,
            role: is_random.then(|| self.role(id, &variable.name)),
            is_partial: self.bound.partial.contains(&id),
        })
    }

    fn role(&self, id: VariableId, name: &str) -> Role {
        let is_summed = |program: &&BoundProgram| {
            let loops = &program.loops;
            let mut summed = loops.summed_out.iter();
            summed.any(|summed| loops.array(summed.array).name == name)
        };
        match self.bound.roles.get(&id) {
            _ if self.program.as_ref().is_some_and(is_summed) => Role::SummedOut,
            Some(loops::Role::Inferred) => Role::Inferred,
            Some(loops::Role::SummedOut) => Role::SummedOut,
            Some(loops::Role::Simulated) => Role::Simulated,
            None => Role::Observed,
        }
    }

    /// A type with what is known of its sizes: from the storage of the bound program, else from sizes by name.
    fn ty(&self, id: VariableId, ty: &Type) -> String {
        let scalar = match self.is_factor(id) {
            true => "factor".to_owned(),
            false => Type::scalar(ty.element).show(&self.hir.variables),
        };
        if ty.rank() == 0 {
            return scalar;
        }
        let array = self.program.and_then(|program| {
            let array = program.arrays.get(&id)?;
            Some(&program.loops.array(*array).shape)
        });
        let shape = array.filter(|shape| shape.len() == ty.rank());
        let size = |(axis, size): (usize, &Size)| match shape {
            Some(shape) => shape[axis].to_string(),
            None => match self.number(size) {
                Some(number) => number.to_string(),
                None => size.show(&self.hir.variables),
            },
        };
        let sizes: Vec<String> = ty.sizes.iter().enumerate().map(size).collect();
        format!("{scalar}[{}]", sizes.join(", "))
    }

    /// Whether a variable is declared as a factor, whose numbers stand for labels.
    fn is_factor(&self, id: VariableId) -> bool {
        self.hir.statements.iter().any(|one| match &one.kind {
            StatementKind::Given {
                variable, declared, ..
            } => *variable == id && declared.support == Support::Factor,
            _ => false,
        })
    }

    fn number(&self, size: &Size) -> Option<i64> {
        match size {
            Size::Known(number) => Some(*number),
            Size::Unknown => None,
            Size::Linear(terms, constant) => terms.iter().try_fold(*constant, |sum, term| {
                Some(sum + term.1 * self.known_size(term.0)?)
            }),
        }
    }
}

/// A program for the value of one name.
pub struct Evaluation {
    /// What draws hold goes in, the elements of the value come out.
    pub simulation: Simulation,
    /// Of each element.
    pub element: Element,
    /// The length of each index position.
    pub shape: Vec<usize>,
}

impl Evaluation {
    /// The value, where nothing goes in.
    pub fn value(&self, stream: &mut Stream) -> Vec<f64> {
        let mut output = vec![0.0; self.simulation.program.output_count()];
        let mut runner = self.simulation.program.runner();
        runner.run(&[], Some(stream), &mut output);
        let places = self.simulation.places.iter();
        places.map(|&place| output[place]).collect()
    }
}

/// Compiles a program for the value of one of its reports or random variables. What the `columns` of draws hold is taken from
/// them, observed variables keep their data, other random variables are drawn.
///
/// # Errors
/// What is wrong with the text, or with its fit to the data.
pub fn evaluate(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    columns: &[Column],
    name: &str,
    options: &Options,
) -> Result<Evaluation, Vec<Diagnostic>> {
    let (hir, warnings) = crate::front(sources, file, &options.adjustments)?;
    let dataset = &*labels::shared(&hir, dataset)?;
    let randoms = || {
        let all = hir.variables.iter();
        all.filter(|variable| variable.kind == VariableKind::Random)
    };
    let is_whole = |key: &str| {
        dataset
            .get(key)
            .is_some_and(|e| e.missing_count() < e.values.len())
    };
    let held = randoms()
        .map(|variable| variable.name.clone())
        .filter(|name| is_whole(name));
    let known = randoms().filter_map(|variable| {
        Some((
            variable.name.clone(),
            known(columns, &variable.name, dataset)?,
        ))
    });
    let draws = Draws {
        known: known.collect(),
        held: held.collect(),
        sizes: HashMap::new(),
    };
    let program = bind_program(&hir, sources, dataset, Purpose::Prediction(&draws))?;
    let mut simulation =
        Context::new(&hir, sources, dataset, &program, options).forward_program(warnings, false)?;
    let places = std::mem::take(&mut simulation.places);
    let results = std::mem::take(&mut simulation.columns);
    let wanted = results
        .into_iter()
        .zip(places)
        .filter(|(column, _)| column.variable == name);
    (simulation.columns, simulation.places) = wanted.unzip();
    let loops = &program.loops;
    let report = loops.reports.iter().find(|report| report.name == name);
    let drawn = (0..hir.variables.len() as u32).map(VariableId);
    let drawn = drawn
        .filter(|id| hir.variables[id.0 as usize].name == name)
        .find_map(|id| program.arrays.get(&id));
    let array = report.map(|report| &report.array).or(drawn);
    Ok(Evaluation {
        simulation,
        element: element_of(&hir, name),
        shape: array.map_or_else(Vec::new, |array| loops.array(*array).shape.clone()),
    })
}

fn element_of(hir: &Hir, name: &str) -> Element {
    let reported = hir.statements.iter().find_map(|one| match &one.kind {
        StatementKind::Report {
            name: own, value, ..
        } if own == name => Some(value.ty.element),
        _ => None,
    });
    let variable = hir.variables.iter().find(|variable| variable.name == name);
    reported
        .or(variable.map(|variable| variable.ty.element))
        .unwrap_or(Element::Real)
}

/// What draws hold of a variable, if anything.
fn known(columns: &[Column], name: &str, dataset: &Dataset) -> Option<Known> {
    let own = || columns.iter().filter(|column| column.variable == name);
    let rank = own().next()?.index.len();
    let length = |axis| own().map(|column| column.index[axis]).max().unwrap_or(0);
    let shape: Vec<usize> = match dataset.get(name) {
        Some(entry) if entry.shape.len() == rank => entry.shape.clone(),
        _ => (0..rank).map(length).collect(),
    };
    let mut present = vec![false; shape.iter().product()];
    for column in own() {
        let places = column.index.iter().zip(&shape);
        let flat = places.fold(0, |flat, (&index, &length)| flat * length + index - 1);
        *present.get_mut(flat)? = true;
    }
    Some(Known { shape, present })
}
