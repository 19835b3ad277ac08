//! A model as an object file: the same programs as [`crate::compile`] makes, for a linker instead of this process.

use crate::check::hir::Hir;
use crate::compiled::{Column, ColumnKind, Compiled, given_count, internal, programs};
use crate::data::bind::Purpose;
use crate::data::bind_program;
use crate::data::dataset::Dataset;
use crate::jit::{self, Interface, Kind};
use crate::source::{Diagnostic, FileId, Sources};
use crate::{Options, density, front};

/// An object file with what goes with it.
pub struct ObjectFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The C header of its interface.
    pub header: String,
    /// The functions of the interface; all others belong to the inside.
    pub symbols: Vec<String>,
}

/// Compiles a model for its data once more, to an object file whose functions begin with `prefix`. `compiled` is the same
/// model compiled with the same options.
///
/// # Errors
/// As [`crate::compile`].
pub fn object_file(
    sources: &mut Sources,
    file: FileId,
    dataset: &Dataset,
    options: &Options,
    compiled: &Compiled,
    prefix: &str,
) -> Result<ObjectFile, Vec<Diagnostic>> {
    let (hir, _): (Hir, _) = front(sources, file, &options.adjustments)?;
    let purpose = Purpose::Posterior(options.coordinates);
    let program = bind_program(&hir, sources, dataset, purpose)?;
    let layout = density::layout(&program.loops);
    let (programs, _) = programs(&program, &layout, options)?;
    let interface = interface(sources.name(file), compiled, prefix);
    let bytes = jit::object(&programs, &interface, options.cpu)
        .map_err(|error| vec![internal(error.to_string())])?;
    Ok(ObjectFile {
        bytes,
        header: interface.header(programs.density.dimension, jit::COMPILER),
        symbols: interface.symbols(),
    })
}

fn interface(model: &str, compiled: &Compiled, prefix: &str) -> Interface {
    let kind = |column: &Column| match column.kind {
        ColumnKind::Inferred => Kind::Parameter,
        ColumnKind::Report => Kind::Report,
        ColumnKind::Simulated => Kind::Simulated,
        ColumnKind::SummedOut => Kind::SummedOut,
    };
    let unknowns = compiled.inferred.iter().map(|variable| {
        let values = variable.given_offset..variable.given_offset + variable.length();
        (
            variable.name.clone(),
            values,
            variable.unconstrained.clone(),
        )
    });
    Interface {
        prefix: prefix.to_owned(),
        model: model.to_owned(),
        coordinates: compiled.coordinates.name().to_owned(),
        constraints: compiled
            .constraints
            .iter()
            .map(|constraint| constraint.name.clone())
            .collect(),
        outputs: compiled
            .columns
            .iter()
            .map(|column| (column.name.clone(), kind(column)))
            .collect(),
        parameters: given_count(&compiled.inferred),
        unknowns: unknowns.collect(),
    }
}
