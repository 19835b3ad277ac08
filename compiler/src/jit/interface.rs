//! The C interface of models that are compiled to files: one list of functions, of which both the functions themselves
//! and the header with its documentation are made. What they do stands in `likelier_kernels::interface`.

use cranelift::prelude::{Type, types};
use likelier_kernels::interface::VERSION;

/// A function of the interface.
pub(super) struct Function {
    /// Its name after the prefix and `_`, and after `likelier_table_` in `likelier_kernels`.
    pub name: &'static str,
    /// The C type that it returns.
    pub result: &'static str,
    /// The C types and names of its arguments.
    pub arguments: &'static [(&'static str, &'static str)],
    /// What it does, for the header; `@` stands for the prefix.
    text: &'static str,
}

macro_rules! functions {
    ($($(#[doc = $line:literal])* fn $name:ident($($type:literal $argument:ident),*) -> $result:literal;)*) => {
        /// All functions, in the order of the header.
        pub(super) const FUNCTIONS: &[Function] = &[$(Function {
            name: stringify!($name),
            result: $result,
            arguments: &[$(($type, stringify!($argument))),*],
            text: concat!($($line, "\n"),*),
        }),*];
    };
}

functions! {
    /// The version of this interface, which is @_INTERFACE of the header that a program was compiled with, unless the
    /// program goes with another file. It changes when older programs would go wrong.
    fn interface_version() -> "uint32_t";
    /// The compiler and its version, the name of the model, the instructions that its code uses (portable, avx2 or avx512),
    /// and which coordinates a position holds (natural or standardised). Texts are UTF-8, and stay as long as the library.
    fn compiler() -> "const char *";
    fn model() -> "const char *";
    fn cpu() -> "const char *";
    fn coordinates() -> "const char *";
    /// How many coordinates a position has.
    fn dimension() -> "size_t";
    /// How many constrained values the unknowns have together.
    fn parameter_count() -> "size_t";
    /// How many values are stored for a draw. The parameters come first; then discrete unknowns, reports, and what the
    /// model simulates.
    fn output_count() -> "size_t";
    /// How many constraints there are, `soft` and `require`.
    fn constraint_count() -> "size_t";
    /// The name of a value of a draw, such as theta[3]; NULL past the end.
    fn output_name("size_t" index) -> "const char *";
    /// What a value of a draw is: one of enum @_kind, or -1 past the end.
    fn output_kind("size_t" index) -> "int";
    /// The name of a constraint; NULL past the end.
    fn constraint_name("size_t" index) -> "const char *";
    /// Working memory for the functions below: one for each thread, since two calls may not use one at the same time. NULL
    /// if this processor lacks the instructions of the code.
    fn new() -> "@_state *";
    /// Gives the memory back; NULL is allowed.
    fn free("@_state *" state) -> "void";
    /// The log density at a position (dimension numbers), as samplers need it: of the position, so with the log Jacobian of
    /// the map to constrained values; no constant is left out. -INFINITY outside the support, never NaN.
    /// weights: one for each constraint, then one for the likelihood; NULL for all ones, the posterior.
    /// gradient: room for dimension numbers, or NULL; unspecified where the log density is -INFINITY.
    /// parts: room for 3 + constraint_count numbers, or NULL: prior, log Jacobian, likelihood, then each constraint, each
    /// without its weight. What has weight zero is not computed and is 0.
    fn log_density("@_state *" state, "const double *" position, "const double *" weights, "double *" gradient, "double *" parts) -> "double";
    /// The constrained values (parameter_count) of a position (dimension).
    fn constrain("@_state *" state, "const double *" position, "double *" values) -> "void";
    /// The position (dimension) of constrained values (parameter_count): 1, or 0 if they are not inside their support; the
    /// position is then of no use.
    fn unconstrain("@_state *" state, "const double *" values, "double *" position) -> "int";
    /// A position drawn from the prior; uniform on (-2, 2) where the prior is improper. The same seed and number give the
    /// same draw.
    fn prior_draw("@_state *" state, "uint64_t" seed, "uint64_t" number, "double *" position) -> "void";
    /// All that is stored for a draw (output_count) at a position, with simulated values drawn. Seed, chain and draw choose
    /// the random numbers: those that `likelier run --seed SEED` has for the draw of the chain, both counted from 0.
    fn simulate("@_state *" state, "const double *" position, "uint64_t" seed, "uint32_t" chain, "uint64_t" draw, "double *" outputs) -> "void";
}

/// The machine's type for a C type; none for `void`.
pub(super) fn machine_type(c_type: &str) -> Option<Type> {
    match c_type {
        "void" => None,
        "double" => Some(types::F64),
        "int" | "uint32_t" => Some(types::I32),
        _ => Some(types::I64),
    }
}

/// What a file says of its model beside the programs.
pub struct Interface {
    /// What the names of its functions begin with.
    pub prefix: String,
    /// The name of the model.
    pub model: String,
    /// Which coordinates a position holds.
    pub coordinates: String,
    /// The names of the constraints.
    pub constraints: Vec<String>,
    /// The values of a draw, of which the parameters come first.
    pub outputs: Vec<(String, Kind)>,
    /// How many parameters there are.
    pub parameters: usize,
    /// The unknowns with the ranges of their values and of their coordinates, for readers of the header.
    pub unknowns: Vec<(String, std::ops::Range<usize>, std::ops::Range<usize>)>,
}

/// What a value of a draw is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A constrained value of an unknown.
    Parameter = 0,
    /// A derived quantity.
    Report = 1,
    /// Drawn with every draw.
    Simulated = 2,
    /// A discrete unknown.
    SummedOut = 3,
}

impl Interface {
    /// The name of a function as C programs call it.
    pub(super) fn symbol(&self, function: &Function) -> String {
        format!("{}_{}", self.prefix, function.name)
    }

    /// The names of all functions.
    pub fn symbols(&self) -> Vec<String> {
        FUNCTIONS.iter().map(|f| self.symbol(f)).collect()
    }

    /// The C header.
    pub fn header(&self, dimension: usize, compiler: &str) -> String {
        let prefix = &self.prefix;
        let upper = prefix.to_ascii_uppercase();
        let sizes = [
            ("INTERFACE", VERSION as usize),
            ("DIMENSION", dimension),
            ("PARAMETERS", self.parameters),
            ("OUTPUTS", self.outputs.len()),
            ("CONSTRAINTS", self.constraints.len()),
        ];
        let sizes = sizes.map(|(name, value)| format!("#define {upper}_{name} {value}\n"));
        let mut text = format!(
            "/* {}, compiled for its data by {compiler}.\n *\n{}\n */\n#ifndef {upper}_H\n#define {upper}_H\n\n\
             #include <stddef.h>\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
             /* The sizes of this model, which its functions give as well. */\n{}\n\
             enum {prefix}_kind {{\n    {upper}_PARAMETER = 0, {upper}_REPORT = 1, {upper}_SIMULATED = 2, \
             {upper}_SUMMED_OUT = 3\n}};\n\n\
             /* Working memory of one thread. */\ntypedef struct {prefix}_state {prefix}_state;\n",
            comment_safe(&self.model),
            self.places(),
            sizes.concat(),
        );
        for function in FUNCTIONS {
            text.push_str(&self.declaration(function));
        }
        text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
        text
    }

    /// Where the unknowns lie among values and coordinates.
    fn places(&self) -> String {
        if self.unknowns.is_empty() {
            return " * The model has no unknowns.".to_owned();
        }
        let range = |range: &std::ops::Range<usize>| match range.len() {
            0 => "none".to_owned(),
            1 => range.start.to_string(),
            _ => format!("{} to {}", range.start, range.end - 1),
        };
        let mut rows = vec![[
            "unknown".to_owned(),
            "values".to_owned(),
            "coordinates".to_owned(),
        ]];
        rows.extend(
            self.unknowns.iter().map(|(name, values, position)| {
                [comment_safe(name), range(values), range(position)]
            }),
        );
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let (first, second) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
        let lines = rows.iter().map(|[name, values, position]| {
            format!(" * {name:first$}   {values:second$}   {position}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn declaration(&self, function: &Function) -> String {
        let with_prefix = |text: &str| {
            let upper = format!("{}_", self.prefix.to_ascii_uppercase());
            text.replace("@_INTERFACE", &format!("{upper}INTERFACE"))
                .replace('@', &self.prefix)
        };
        let comment: Vec<String> = function
            .text
            .lines()
            .map(|l| with_prefix(l.trim()))
            .collect();
        let comment = match comment.iter().all(String::is_empty) {
            true => String::new(),
            false => format!("\n/* {}\n */\n", comment.join("\n * ")),
        };
        let join = |c_type: &str, name: &str| {
            let space = if c_type.ends_with('*') { "" } else { " " };
            format!("{}{space}{name}", with_prefix(c_type))
        };
        let arguments: Vec<String> = function
            .arguments
            .iter()
            .map(|(c_type, name)| join(c_type, name))
            .collect();
        let arguments = match arguments.is_empty() {
            true => "void".to_owned(),
            false => arguments.join(", "),
        };
        format!(
            "{comment}{}({arguments});\n",
            join(function.result, &self.symbol(function))
        )
    }
}

/// A text that does not end the comment it stands in.
fn comment_safe(text: &str) -> String {
    text.replace("*/", "* /").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_header_is_one_of_the_kernels() {
        let known: Vec<&str> = likelier_kernels::interface::addresses()
            .iter()
            .map(|symbol| symbol.name)
            .collect();
        let wanted: Vec<String> = FUNCTIONS
            .iter()
            .map(|function| format!("likelier_table_{}", function.name))
            .collect();
        assert_eq!(known.len(), wanted.len());
        for name in wanted {
            assert!(known.contains(&name.as_str()), "{name}");
        }
    }
}
