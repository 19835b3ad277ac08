//! A graph as text: what `likelier show density`, `gradient` and `forward` print and what golden tests compare. Values
//! are numbered anew in the order in which they are defined and literals stand where they are used, so that the text
//! depends on what the program does and not on how it was built.

use std::collections::HashMap;
use std::fmt::Write;

use super::graph::{
    Block, BufferId, BufferKind, Constant, Graph, Instruction, Part, Region, Value,
};
use super::primitive::{DRAWS, Draw};

/// The text form of a graph.
pub fn print(graph: &Graph) -> String {
    let mut printer = Printer {
        graph,
        text: String::new(),
        names: buffer_names(graph),
        values: HashMap::new(),
        count: 0,
        indent: 1,
    };
    printer.header();
    printer.block(&graph.body);
    for (number, equation) in graph.equations.iter().enumerate() {
        let name = &equation.name;
        let parts = [("derivative", Some(&equation.derivative))];
        for (part, program) in parts
            .into_iter()
            .chain([("adjoint", equation.adjoint.as_ref())])
        {
            if let Some(program) = program {
                let _ = writeln!(printer.text, "equation {number}, {name}: {part}");
                printer.text.push_str(&print(program));
            }
        }
    }
    printer.text
}

struct Printer<'a> {
    graph: &'a Graph,
    text: String,
    names: Vec<String>,
    values: HashMap<Value, String>,
    count: usize,
    indent: usize,
}

/// Buffer names; those that occur before get a number.
fn buffer_names(graph: &Graph) -> Vec<String> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::with_capacity(graph.buffers.len());
    for buffer in &graph.buffers {
        let count = seen.entry(&buffer.name).or_insert(0);
        *count += 1;
        names.push(match *count {
            1 => buffer.name.clone(),
            n => format!("{}.{n}", buffer.name),
        });
    }
    names
}

fn kind_name(kind: &BufferKind) -> &'static str {
    match kind {
        BufferKind::Position => "position",
        BufferKind::RealData(_) => "data",
        BufferKind::IntData(_) => "int data",
        BufferKind::Given => "given",
        BufferKind::Local => "local",
        BufferKind::Mutable => "mutable",
        BufferKind::Gradient => "gradient",
        BufferKind::Output => "output",
    }
}

fn part_name(part: Part) -> String {
    match part {
        Part::Prior => "prior".into(),
        Part::Jacobian => "jacobian".into(),
        Part::Soft(k) => format!("soft[{}]", k + 1),
        Part::Likelihood => "likelihood".into(),
    }
}

/// A literal; reals always show a point or an exponent.
fn literal(constant: Constant) -> String {
    match constant {
        Constant::Real(value) => format!("{value:?}"),
        Constant::Int(value) => value.to_string(),
        Constant::Bool(value) => value.to_string(),
    }
}

impl Printer<'_> {
    fn header(&mut self) {
        let graph = self.graph;
        let _ = write!(self.text, "program of {} coordinates", graph.dimension);
        if graph.soft_count > 0 {
            let _ = write!(self.text, ", {} soft constraints", graph.soft_count);
        }
        self.text.push('\n');
        for (buffer, name) in graph.buffers.iter().zip(&self.names) {
            let _ = writeln!(
                self.text,
                "  {} {name}[{}]",
                kind_name(&buffer.kind),
                buffer.length
            );
        }
        self.text.push_str("do\n");
    }

    fn block(&mut self, block: &Block) {
        for instruction in &block.instructions {
            self.instruction(instruction);
        }
    }

    fn nested(&mut self, block: &Block) {
        self.indent += 1;
        self.block(block);
        self.indent -= 1;
    }

    fn line(&mut self, text: &str) {
        for _ in 0..self.indent {
            self.text.push_str("  ");
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn define(&mut self, value: Value) -> String {
        let name = format!("%{}", self.count);
        self.count += 1;
        self.values.insert(value, name.clone());
        name
    }

    fn value(&self, value: Value) -> &str {
        // A malformed graph is printed too: that is when one needs the print.
        self.values.get(&value).map_or("%undefined", String::as_str)
    }

    fn list(&self, values: &[Value]) -> String {
        values
            .iter()
            .map(|&v| format!(" {}", self.value(v)))
            .collect()
    }

    fn element(&self, buffer: BufferId, index: Value) -> String {
        format!("{}[{}]", self.names[buffer.0 as usize], self.value(index))
    }

    fn region(&self, region: &Region) -> String {
        let name = &self.names[region.buffer.0 as usize];
        format!("{name}[{} +{}]", self.value(region.offset), region.length)
    }

    fn instruction(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Constant { result, constant } => {
                self.values.insert(*result, literal(*constant));
            }
            Instruction::Scalar {
                result,
                operation,
                arguments,
            } => {
                let arguments = self.list(arguments);
                let name = self.define(*result);
                self.line(&format!("{name} = {}{arguments}", operation.entry().name));
            }
            Instruction::Weight { result, part } => {
                let name = self.define(*result);
                self.line(&format!("{name} = weight of {}", part_name(*part)));
            }
            Instruction::Load {
                result,
                buffer,
                index,
            } => {
                let element = self.element(*buffer, *index);
                let name = self.define(*result);
                self.line(&format!("{name} = {element}"));
            }
            Instruction::Store {
                buffer,
                index,
                value,
            } => {
                self.line(&format!(
                    "{} = {}",
                    self.element(*buffer, *index),
                    self.value(*value)
                ));
            }
            Instruction::Accumulate {
                buffer,
                index,
                value,
            } => {
                self.line(&format!(
                    "{} += {}",
                    self.element(*buffer, *index),
                    self.value(*value)
                ));
            }
            Instruction::Clear { buffer } => {
                self.line(&format!("clear {}", self.names[buffer.0 as usize]));
            }
            Instruction::AddPart {
                part,
                value,
                statement,
            } => {
                let note = self.graph.statements.get(*statement as usize);
                let note = note.map_or(String::new(), |note| format!("   # {note}"));
                self.line(&format!(
                    "{} += {}{note}",
                    part_name(*part),
                    self.value(*value)
                ));
            }
            Instruction::Draw {
                result,
                draw,
                arguments,
            } => {
                let arguments = self.list(arguments);
                let name = self.define(*result);
                self.line(&format!("{name} = {}{arguments}", draw_name(*draw)));
            }
            Instruction::Dense {
                operation,
                inputs,
                outputs,
            } => {
                let inputs: Vec<_> = inputs.iter().map(|region| self.region(region)).collect();
                let outputs: Vec<_> = outputs.iter().map(|region| self.region(region)).collect();
                let (inputs, outputs) = (inputs.join(", "), outputs.join(", "));
                self.line(&format!("{operation:?}: {inputs} -> {outputs}"));
            }
            Instruction::Loop { .. } | Instruction::If { .. } => self.compound(instruction),
        }
    }

    fn compound(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Loop {
                index,
                lower,
                upper,
                max_count,
                reversed,
                body,
            } => {
                let (first, last, word) = match reversed {
                    false => (self.value(*lower), self.value(*upper), "to"),
                    true => (self.value(*upper), self.value(*lower), "down to"),
                };
                // A loop between literals says how many rounds it has already.
                let fixed = !first.starts_with('%') && !last.starts_with('%');
                let most = if fixed {
                    String::new()
                } else {
                    format!(" (at most {max_count})")
                };
                let range = format!("from {first} {word} {last}{most}");
                let name = self.define(*index);
                self.line(&format!("for {name} {range}"));
                self.nested(body);
            }
            Instruction::If {
                condition,
                then,
                otherwise,
            } => {
                self.line(&format!("if {}", self.value(*condition)));
                self.nested(then);
                if !otherwise.instructions.is_empty() {
                    self.line("else");
                    self.nested(otherwise);
                }
            }
            _ => {}
        }
    }
}

fn draw_name(draw: Draw) -> &'static str {
    let row = DRAWS.iter().find(|row| row.1 == draw);
    row.map(|row| row.0)
        .expect("every law is in the table of draws")
}

#[cfg(test)]
mod tests {
    use super::super::builder::Builder;
    use super::super::graph::{BufferKind, Part};
    use super::super::primitive::Operation;
    use super::print;

    #[test]
    fn a_small_program_reads_well() {
        let mut builder = Builder::new();
        builder.set_sizes(2, 0);
        let position = builder.buffer("position", 2, BufferKind::Position);
        let y = builder.buffer("y", 3, BufferKind::RealData(vec![1.0, 2.0, 3.0].into()));
        let statement = builder.statement("line 3: y ~ normal(mu, 1)");
        let zero = builder.int(0);
        let mu = builder.load(position, zero);
        let i = builder.begin_count(3);
        let yi = builder.load(y, i);
        let r = builder.scalar(Operation::Subtract, &[yi, mu]);
        let square = builder.scalar(Operation::Multiply, &[r, r]);
        let half = builder.real(-0.5);
        let term = builder.scalar(Operation::Multiply, &[half, square]);
        builder.add_part(Part::Likelihood, term, statement);
        builder.end();
        let expected = "program of 2 coordinates
  position position[2]
  data y[3]
do
  %0 = position[0]
  for %1 from 0 to 2
    %2 = y[%1]
    %3 = sub %2 %0
    %4 = mul %3 %3
    %5 = mul %4 -0.5
    likelihood += %5   # line 3: y ~ normal(mu, 1)
";
        assert_eq!(print(&builder.finish()), expected);
    }
}
