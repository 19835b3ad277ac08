//! One subcommand a file, its options on top.

pub mod check;
pub mod density;
pub mod doc;
pub mod explain;
pub mod predict;
pub mod run;
pub mod show;
pub mod simulate;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use likelier::{CpuLevel, Dataset, Error, Model};

use crate::files;

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
    /// Instruction set of the native code; the same level gives the same draws on every machine
    #[arg(long, value_enum, default_value_t = Cpu::Native)]
    pub cpu: Cpu,
}

impl ModelAndData {
    /// Reads the files and compiles.
    pub fn compile(&self) -> Result<Model, Error> {
        let text = files::read_model(&self.model)?;
        Model::compile(
            &self.model.display().to_string(),
            &text,
            &self.read_data()?,
            &self.options(),
        )
    }

    /// The files that this reads.
    pub fn files(&self) -> Vec<&Path> {
        std::iter::once(&self.model)
            .chain(&self.data)
            .map(PathBuf::as_path)
            .collect()
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
            ..likelier::Options::default()
        }
    }

    /// The data as given, for headers and files.
    pub fn data_names(&self) -> Vec<String> {
        let files = self.data.iter().map(|path| path.display().to_string());
        files
            .chain(
                self.sets
                    .iter()
                    .map(|(name, value)| format!("{name}={value}")),
            )
            .collect()
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
    fn level(self) -> CpuLevel {
        match self {
            Cpu::Portable => CpuLevel::Portable,
            Cpu::Avx2 => CpuLevel::Avx2,
            Cpu::Avx512 => CpuLevel::Avx512,
            Cpu::Native => CpuLevel::Native,
        }
    }
}
