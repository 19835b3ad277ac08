//! One subcommand a file, its options on top.

pub mod calibrate;
pub mod check;
pub mod compare;
pub mod compile;
pub mod completions;
pub mod density;
pub mod doc;
pub mod evidence;
pub mod explain;
pub mod fmt;
pub mod man;
pub mod optimise;
pub mod predict;
pub mod repl;
pub mod run;
pub mod show;
pub mod simulate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use likelier::output::RunInfo;
use likelier::output::roles::roles_text;
use likelier::{Adjustment, Compiled, Coordinates, CpuLevel, Dataset, Error, Model};

use crate::configuration::{self, Setting};
use crate::files;
use crate::terminal::Printer;

/// A model with its data, as most commands take them.
#[derive(Args)]
pub struct ModelAndData {
    /// The model, a .ppl file; `FILE:NAME` for one of the `model` items in it
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Data files: .json (an object of arrays) or .csv (a column is an array)
    #[arg(value_name = "DATA")]
    pub data: Vec<PathBuf>,
    /// Set or override one value: a number or a JSON array; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = files::parse_set)]
    pub sets: Vec<(String, String)>,
    /// Leave out a constraint; may be repeated
    #[arg(long, value_name = "NAME")]
    pub without: Vec<String>,
    /// Multiply the `within` of a constraint; may be repeated
    #[arg(long, value_name = "NAME=FACTOR", value_parser = parse_scale)]
    pub scale: Vec<(String, f64)>,
    /// Turn a soft constraint made of inequalities into a hard one; may be repeated
    #[arg(long, value_name = "NAME")]
    pub harden: Vec<String>,
    /// Instruction set of the native code; the same level gives the same draws on every machine, large matrices apart
    #[arg(long, value_enum, default_value_t = Cpu::Native)]
    pub cpu: Cpu,
    /// Leave likelier.toml beside the model unread
    #[arg(long)]
    pub no_config: bool,
}

impl ModelAndData {
    /// Reads the files and compiles.
    pub fn compile(&self) -> Result<Model, Error> {
        self.compile_in(Coordinates::Natural)
    }

    /// As [`ModelAndData::compile`], for a position in these coordinates.
    pub fn compile_in(&self, coordinates: Coordinates) -> Result<Model, Error> {
        let text = files::read_model(&self.model)?;
        let options = likelier::Options {
            coordinates,
            ..self.options()
        };
        Model::compile(
            &self.model.display().to_string(),
            &text,
            &self.read_data()?,
            &options,
        )
    }

    /// The files that this reads.
    pub fn files(&self) -> Vec<&Path> {
        std::iter::once(&self.model)
            .chain(&self.data)
            .map(PathBuf::as_path)
            .collect()
    }

    /// The arguments that say the same to another process.
    pub fn arguments(&self) -> Vec<String> {
        let paths = std::iter::once(&self.model).chain(&self.data);
        let mut arguments: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        let sets = self.sets.iter();
        arguments.extend(sets.map(|(name, value)| format!("--set={name}={value}")));
        for adjustment in self.adjustments() {
            arguments.push(match adjustment {
                Adjustment::Without(name) => format!("--without={name}"),
                Adjustment::Scale(name, factor) => format!("--scale={name}={factor}"),
                Adjustment::Harden(name) => format!("--harden={name}"),
            });
        }
        arguments.push(format!("--cpu={}", self.cpu.level()));
        arguments
    }

    /// Reads the data files.
    pub fn read_data(&self) -> Result<Dataset, Error> {
        files::read_data(&self.data, &self.sets)
    }

    /// What the compiler needs to know.
    pub fn options(&self) -> likelier::Options {
        likelier::Options {
            cpu: self.cpu.level(),
            loader: Some(files::load_import),
            adjustments: self.adjustments(),
            ..likelier::Options::default()
        }
    }

    fn adjustments(&self) -> Vec<Adjustment> {
        let without = self.without.iter().cloned().map(Adjustment::Without);
        let scale = self.scale.iter().cloned();
        let harden = self.harden.iter().cloned().map(Adjustment::Harden);
        without
            .chain(scale.map(|(name, factor)| Adjustment::Scale(name, factor)))
            .chain(harden)
            .collect()
    }

    /// What describes results beside themselves.
    pub fn info(&self, model: &Model) -> RunInfo {
        RunInfo {
            model: self.model.display().to_string(),
            data: self.data_names(),
            cpu: model.cpu().to_string(),
            coordinates: model.compiled.coordinates,
            compile_seconds: model.compile_time.as_secs_f64(),
        }
    }

    /// The data and what is changed of the constraints, as given, for headers and files.
    pub fn data_names(&self) -> Vec<String> {
        let adjustments = self.adjustments().into_iter().map(|one| match one {
            Adjustment::Without(name) => format!("without {name}"),
            Adjustment::Scale(name, factor) => format!("scale {name}={factor}"),
            Adjustment::Harden(name) => format!("harden {name}"),
        });
        let files = self.data.iter().map(|path| path.display().to_string());
        files
            .chain(
                self.sets
                    .iter()
                    .map(|(name, value)| format!("{name}={value}")),
            )
            .chain(adjustments)
            .collect()
    }
}

/// Where a command's text goes.
pub type Print<'a> = dyn FnMut(&str) -> Result<(), Error> + 'a;

/// What stands above every report: the model, its data, the settings in words, and what became of each variable.
pub fn header(info: &RunInfo, model: &Model, settings: &str) -> String {
    let Compiled {
        roles,
        constraints,
        unused_keys,
        ..
    } = &model.compiled;
    format!(
        "Model      {}\nData       {}\nSettings   {settings}\n\n{}\n",
        info.model,
        info.data_text(),
        roles_text(roles, constraints, unused_keys)
    )
}

/// What `--dry-run` says: what would be used, who said so, and which files would be written.
pub fn dry_run(head: &str, origins: &[Setting], written: &[PathBuf]) -> Result<ExitCode, Error> {
    let mut text = format!("{head}{}", configuration::table(origins));
    if !written.is_empty() {
        text.push_str(&format!("\nWould write {}\n", listed(written)));
    }
    Printer::new(false).print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses a dry run where there is no command line.
pub fn refuse_dry_run(is_wanted: bool) -> Result<(), Error> {
    match is_wanted {
        false => Ok(()),
        true => Err(Error::Settings(
            "a dry run is for the command line; here, `:set` lists what is set".to_owned(),
        )),
    }
}

/// The names of files, of many only the first and the last.
pub fn listed(paths: &[PathBuf]) -> String {
    match paths {
        [first, _, .., last] => format!("{} … {}", first.display(), last.display()),
        few => few
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// `NAME=FACTOR`
fn parse_scale(text: &str) -> Result<(String, f64), String> {
    let parts = text.rsplit_once('=');
    let factor = parts.and_then(|(name, factor)| Some((name, factor.trim().parse().ok()?)));
    factor
        .map(|(name, factor)| (name.trim().to_owned(), factor))
        .ok_or_else(|| "write the name of a constraint and a number: rising=0.5".to_owned())
}

/// `--coordinates`
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SampledCoordinates {
    /// Values, logarithms of positive ones, log odds of bounded ones
    Natural,
    /// The same, less the centre of their law and divided by its width: for priors whose scales are unknown
    Standardised,
}

impl From<SampledCoordinates> for Coordinates {
    fn from(coordinates: SampledCoordinates) -> Self {
        match coordinates {
            SampledCoordinates::Natural => Coordinates::Natural,
            SampledCoordinates::Standardised => Coordinates::Standardised,
        }
    }
}

/// `--cpu`
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cpu {
    /// Every 64-bit processor
    Portable,
    /// AVX2 and FMA
    Avx2,
    /// AVX-512
    Avx512,
    /// The best this machine has
    Native,
}

impl Cpu {
    /// The same for the compiler.
    pub fn level(self) -> CpuLevel {
        match self {
            Cpu::Portable => CpuLevel::Portable,
            Cpu::Avx2 => CpuLevel::Avx2,
            Cpu::Avx512 => CpuLevel::Avx512,
            Cpu::Native => CpuLevel::Native,
        }
    }
}
