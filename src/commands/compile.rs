//! `likelier compile`: a model and its data as a file of their own, a program or code for C.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Args;
use likelier::output::roles::roles_text;
use likelier::{Error, Model};
use likelier_runtime::target::Target;

use super::{ModelAndData, SampledCoordinates};
use crate::carried::Carried;
use crate::files::Batch;
use crate::linking::{self, Product};
use crate::terminal::{self, Printer};
use crate::{files, interrupt};

/// Compile a model with its data to a program or a C library
///
/// A program does what `run` does; the library is called from C, Python and others.
#[derive(Args)]
#[command(after_help = "Example:
  likelier compile model.ppl data.json -o model.so")]
pub struct Options {
    #[command(flatten)]
    input: ModelAndData,
    /// What to write: a shared library (model.so), an object file (model.o), or a program (model)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Of a library or object file: what the names of its functions begin with
    #[arg(long, default_value = "likelier", value_parser = parse_prefix)]
    prefix: String,
    /// Of a library or object file: where to write its C header [default: model.h beside model.so]
    #[arg(long, value_name = "FILE")]
    header: Option<PathBuf>,
    /// The coordinates of a position; of a program, those in which it samples
    #[arg(long, value_enum, default_value_t = SampledCoordinates::Natural, value_name = "COORDINATES")]
    coordinates: SampledCoordinates,
    /// Print nothing but errors and warnings
    #[arg(short, long)]
    quiet: bool,
}

/// Runs the command.
pub fn execute(options: &Options) -> Result<ExitCode, Error> {
    let output = &options.output;
    let product = linking::product(output).map_err(Error::Settings)?;
    let header = product.map(|_| {
        let named = options.header.clone();
        named.unwrap_or_else(|| output.with_extension("h"))
    });
    if product.is_none() && (options.header.is_some() || options.prefix != "likelier") {
        return Err(Error::Settings(format!(
            "{} is a program, which has no C interface: --header and --prefix go with a name that ends in .so or .o",
            output.display()
        )));
    }
    let written: Vec<PathBuf> = std::iter::once(output.clone())
        .chain(header.clone())
        .collect();
    let _claim = files::claim_beside(&options.input.files(), &written)?;
    let _watch = interrupt::on_interrupt(|| {
        linking::clean_up();
        interrupt::quit();
    });
    let (model, texts) = compile(options)?;
    terminal::warn(&model.warnings(terminal::is_color()));
    match (product, &header) {
        (Some(product), Some(header)) => write_linked(options, &model, product, header)?,
        _ => write_program(options, texts)?,
    }
    let mut printer = Printer::new(options.quiet);
    printer.print(&report(options, &model, &written))?;
    Ok(ExitCode::SUCCESS)
}

/// The texts that the model imported, by path.
static IMPORTED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

fn load_and_note(from: &str, path: &str) -> Result<(String, String), String> {
    let (name, text) = files::load_import(from, path)?;
    if let Ok(mut imported) = IMPORTED.lock() {
        imported.insert(name.clone(), text.clone());
    }
    Ok((name, text))
}

/// The compiled model, and all texts that it was made of.
fn compile(options: &Options) -> Result<(Model, BTreeMap<String, String>), Error> {
    let input = &options.input;
    let name = input.model.display().to_string();
    let text = files::read_model(&input.model)?;
    let compiler_options = likelier::Options {
        coordinates: options.coordinates.into(),
        loader: Some(load_and_note),
        ..input.options()
    };
    let model = Model::compile(&name, &text, &input.read_data()?, &compiler_options)?;
    let mut texts = IMPORTED
        .lock()
        .map(|texts| texts.clone())
        .unwrap_or_default();
    texts.insert(likelier::split_entry(&name).0.to_owned(), text);
    for path in &input.data {
        texts.insert(path.display().to_string(), files::read_text(path)?);
    }
    Ok((model, texts))
}

/// Writes a library or object file and its header.
fn write_linked(
    options: &Options,
    model: &Model,
    product: Product,
    header: &Path,
) -> Result<(), Error> {
    let object = model.object_file(&options.prefix)?;
    let output = &options.output;
    let linked = linking::link(&object, product)
        .map_err(|reason| files::failure("write", output, &reason))?;
    let mut batch = Batch::default();
    batch.write(output, |out| out.write_all(&linked))?;
    batch.write(header, |out| out.write_all(object.header.as_bytes()))?;
    batch.finish()
}

/// Writes a program.
fn write_program(options: &Options, files: BTreeMap<String, String>) -> Result<(), Error> {
    let mut arguments = options.input.arguments();
    if options.coordinates == SampledCoordinates::Standardised {
        arguments.push("--coordinates=standardised".to_owned());
    }
    let carried = Carried { arguments, files };
    let output = &options.output;
    let failure =
        |error: std::io::Error| crate::files::failure("write", output, &error.to_string());
    files::write_whole(output, |out| carried.write(out))?;
    let metadata = fs::metadata(output).map_err(failure)?;
    make_executable(output, &metadata).map_err(failure)
}

/// Whoever may read the file may run it.
#[cfg(unix)]
fn make_executable(path: &Path, metadata: &fs::Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode();
    let mode = mode | (mode & 0o444) >> 2;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn make_executable(_: &Path, _: &fs::Metadata) -> std::io::Result<()> {
    Ok(())
}

fn report(options: &Options, model: &Model, written: &[PathBuf]) -> String {
    let info = options.input.info(model);
    let compiled = &model.compiled;
    let dimension = compiled.model.dimension();
    let names: Vec<String> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    format!(
        "Model      {}\nData       {}\n\n{}\nWritten    {} ({dimension} {}, cpu {})\n",
        info.model,
        info.data_text(),
        roles_text(
            &compiled.roles,
            &compiled.constraints,
            &compiled.unused_keys
        ),
        names.join(", "),
        if dimension == 1 {
            "coordinate"
        } else {
            "coordinates"
        },
        info.cpu,
    )
}

/// A name in C that is none of ours.
fn parse_prefix(text: &str) -> Result<String, String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    match begins && text.chars().all(letters) {
        false => Err("write a name in C: a letter, then letters, digits and _".to_owned()),
        true if text.starts_with("likelier_") => {
            Err("names that begin with `likelier_` are taken".to_owned())
        }
        true => Ok(text.to_owned()),
    }
}
