//! Differential equations: the right-hand side is lowered to programs of its own, whose position is the point (t, y, p).
//! It is differentiated here, because an implicit method needs its Jacobian where nothing else is differentiated.

use std::sync::Arc;

use likelier_runtime::math::ode::Method;

use super::Layout;
use super::lower::{Lowered, Lowerer, Mode, UNROLLED};
use crate::data::loops::Equation;
use crate::gradient;
use crate::math::builder::Builder;
use crate::math::graph::{self, BufferKind, Graph, Part, Region};
use crate::math::primitive::{Dense, Ode, Operation};

impl Lowerer<'_> {
    pub(super) fn ode(&mut self, ode: Ode, inputs: Vec<Region>, whole: Region) -> Lowered<()> {
        let equation = match self.equations.get(&ode.equation) {
            Some(&known) => known,
            None => {
                let lowered = self.equation(ode)?;
                let number = self.builder.equation(Arc::new(lowered));
                self.equations.insert(ode.equation, number);
                number
            }
        };
        let length = ode.times * ode.states;
        let solution = Region { length, ..whole };
        let trajectory = Region {
            offset: self.plus(whole.offset, length as i64),
            length: 1,
            ..whole
        };
        let operation = Dense::Ode(Ode { equation, ..ode });
        self.builder
            .dense(operation, inputs, vec![solution, trajectory]);
        Ok(())
    }

    fn equation(&self, ode: Ode) -> Lowered<graph::Equation> {
        let equation = &self.loops.equations[ode.equation as usize];
        let layout = Layout {
            dimension: ode.point,
            ..Layout::default()
        };
        let is_differentiated =
            self.mode == Mode::Density || equation.settings.method == Method::Stiff;
        let adjoint = match is_differentiated {
            true => {
                let weighted = self.right_hand_side(equation, ode, &layout, true)?;
                Some(gradient::differentiate(&weighted))
            }
            false => None,
        };
        Ok(graph::Equation {
            name: equation.name.clone(),
            states: ode.states,
            settings: equation.settings,
            derivative: self.right_hand_side(equation, ode, &layout, false)?,
            adjoint,
        })
    }

    /// dy/dt in the output, or w · dy/dt for given w as the one term of a log density.
    fn right_hand_side(
        &self,
        equation: &Equation,
        ode: Ode,
        layout: &Layout,
        weighted: bool,
    ) -> Lowered<Graph> {
        let mode = if weighted {
            Mode::Density
        } else {
            Mode::Outputs
        };
        let mut lowerer = Lowerer::new(self.loops, self.ranges, layout, mode);
        // It is called often: its short loops are written out.
        lowerer.loop_depth = 1;
        let position = lowerer.position.expect("these modes have a position");
        lowerer.storage.insert(equation.point, (position, 0));
        if !weighted {
            lowerer.declare_output(ode.states);
            let output = lowerer.output.expect("it was just declared");
            lowerer.storage.insert(equation.derivative, (output, 0));
        }
        lowerer.all_statements(&equation.statements)?;
        if weighted {
            let weights = lowerer
                .builder
                .buffer("weights", ode.states, BufferKind::Given);
            let (derivative, _) = lowerer.buffer(equation.derivative);
            let statement = lowerer.builder.statement(equation.name.as_str());
            let builder = &mut lowerer.builder;
            let term = |builder: &mut Builder, index| {
                let weight = builder.load(weights, index);
                let slope = builder.load(derivative, index);
                let term = builder.scalar(Operation::Multiply, &[weight, slope]);
                builder.add_part(Part::Prior, term, statement);
            };
            if ode.states as i64 <= UNROLLED {
                for state in 0..ode.states as i64 {
                    let index = builder.int(state);
                    term(builder, index);
                }
            } else {
                let index = builder.begin_count(ode.states);
                term(builder, index);
                builder.end();
            }
        }
        Ok(lowerer.finish("right-hand side"))
    }
}
