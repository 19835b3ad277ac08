//! Dense algebra backwards, in terms of the dense operations themselves. With Ā for the adjoint of A:
//! C = A B gives Ā += C̄ Bᵀ and B̄ += Aᵀ C̄; X = L⁻¹ B gives B̄ += L⁻ᵀ X̄ and L̄ −= tril(L⁻ᵀ X̄ Xᵀ); the Cholesky factor and
//! the multivariate normal density bring their own adjoints (Murray 2016, arXiv:1602.07527; Rasmussen & Williams 2006,
//! eq. 5.9), and so do the decompositions. Operations that add to their output are differentiated too, so that the set is closed.

use crate::math::graph::{BufferId, BufferKind, Region};
use crate::math::primitive::{Dense, Ode};

use super::Differentiator;

impl Differentiator<'_> {
    pub(super) fn dense_backward(
        &mut self,
        operation: Dense,
        inputs: &[Region],
        outputs: &[Region],
    ) {
        if !outputs
            .iter()
            .any(|region| self.analysis.is_active_buffer(region.buffer))
        {
            return;
        }
        self.assert_stable(inputs);
        self.assert_stable(outputs);
        match operation {
            Dense::Product { .. }
            | Dense::AddProduct { .. }
            | Dense::AddTransposedProduct { .. }
            | Dense::AddProductTransposed { .. } => self.product(operation, inputs, outputs),
            Dense::Cholesky { size } => {
                let (l, l_adjoint) = (self.old(&outputs[0]), self.adjoint_region(&outputs[0]));
                let adjoint = self.adjoint_region(&inputs[0]);
                let operation = Dense::AddCholeskyAdjoint { size };
                self.builder
                    .dense(operation, vec![l, l_adjoint], vec![adjoint]);
            }
            Dense::SolveLower { size, columns } => {
                self.solve(size, columns, false, inputs, &outputs[0]);
            }
            Dense::SolveLowerTransposed { size, columns } => {
                self.solve(size, columns, true, inputs, &outputs[0]);
            }
            Dense::MultiNormal { size } => self.multi_normal(size, inputs, outputs),
            Dense::Solve { .. }
            | Dense::Determinant { .. }
            | Dense::EigenSymmetric { .. }
            | Dense::Qr { .. }
            | Dense::Sort { .. } => self.decomposition(operation, inputs, outputs),
            Dense::Ode(ode) => self.ode(ode, inputs, outputs),
            Dense::AddCholeskyAdjoint { .. }
            | Dense::SubtractLowerOuter { .. }
            | Dense::AddMultiNormalAdjoint { .. }
            | Dense::AddSolveAdjoint { .. }
            | Dense::AddDeterminantAdjoint { .. }
            | Dense::AddEigenSymmetricAdjoint { .. }
            | Dense::AddQrAdjoint { .. }
            | Dense::AddSortAdjoint { .. }
            | Dense::AddOdeAdjoint { .. } => {
                panic!("{operation:?} stands in gradients only, which are not differentiated again")
            }
        }
    }

    /// Dense algebra works on storage that is not overwritten: its operands are needed again.
    fn assert_stable(&self, regions: &[Region]) {
        for region in regions {
            let buffer = self.analysis.graph.buffer(region.buffer);
            assert!(
                buffer.kind.is_stable(),
                "dense algebra on the mutable buffer {}",
                buffer.name
            );
        }
    }

    fn is_active_region(&self, region: &Region) -> bool {
        self.analysis.is_active_buffer(region.buffer)
    }

    fn old(&mut self, region: &Region) -> Region {
        Region {
            offset: self.value(region.offset),
            ..*region
        }
    }

    /// The adjoints of a region; of one that does not depend on the position, a place to put what nobody reads.
    fn adjoint_region(&mut self, region: &Region) -> Region {
        if self.is_active_region(region) {
            let buffer = self.adjoint_buffer(region.buffer);
            return Region {
                buffer,
                ..self.old(region)
            };
        }
        let buffer = self
            .builder
            .buffer("unused", region.length, BufferKind::Mutable);
        self.builder.clear_at(0, buffer);
        self.whole(buffer)
    }

    fn whole(&mut self, buffer: BufferId) -> Region {
        let length = self.builder.graph().buffer(buffer).length;
        Region {
            buffer,
            offset: self.builder.int(0),
            length,
        }
    }

    fn product(&mut self, operation: Dense, inputs: &[Region], outputs: &[Region]) {
        let (a, b, c) = (self.old(&inputs[0]), self.old(&inputs[1]), {
            self.adjoint_region(&outputs[0])
        });
        for (position, input) in inputs.iter().enumerate() {
            if !self.is_active_region(input) {
                continue;
            }
            let adjoint = self.adjoint_region(input);
            let (reverse, first, second) = match (operation, position) {
                (
                    Dense::Product {
                        rows,
                        inner,
                        columns,
                    }
                    | Dense::AddProduct {
                        rows,
                        inner,
                        columns,
                    },
                    0,
                ) => (
                    Dense::AddProductTransposed {
                        rows,
                        inner: columns,
                        columns: inner,
                    },
                    c,
                    b,
                ),
                (
                    Dense::Product {
                        rows,
                        inner,
                        columns,
                    }
                    | Dense::AddProduct {
                        rows,
                        inner,
                        columns,
                    },
                    _,
                ) => (
                    Dense::AddTransposedProduct {
                        rows: inner,
                        inner: rows,
                        columns,
                    },
                    a,
                    c,
                ),
                // C += Aᵀ B: Ā += B C̄ᵀ, B̄ += A C̄.
                (
                    Dense::AddTransposedProduct {
                        rows,
                        inner,
                        columns,
                    },
                    0,
                ) => (
                    Dense::AddProductTransposed {
                        rows: inner,
                        inner: columns,
                        columns: rows,
                    },
                    b,
                    c,
                ),
                (
                    Dense::AddTransposedProduct {
                        rows,
                        inner,
                        columns,
                    },
                    _,
                ) => (
                    Dense::AddProduct {
                        rows: inner,
                        inner: rows,
                        columns,
                    },
                    a,
                    c,
                ),
                // C += A Bᵀ: Ā += C̄ B, B̄ += C̄ᵀ A.
                (
                    Dense::AddProductTransposed {
                        rows,
                        inner,
                        columns,
                    },
                    0,
                ) => (
                    Dense::AddProduct {
                        rows,
                        inner: columns,
                        columns: inner,
                    },
                    c,
                    b,
                ),
                (
                    Dense::AddProductTransposed {
                        rows,
                        inner,
                        columns,
                    },
                    _,
                ) => (
                    Dense::AddTransposedProduct {
                        rows: columns,
                        inner: rows,
                        columns: inner,
                    },
                    c,
                    a,
                ),
                _ => unreachable!("called for products only"),
            };
            self.builder
                .dense(reverse, vec![first, second], vec![adjoint]);
        }
    }

    fn solve(
        &mut self,
        size: usize,
        columns: usize,
        transposed: bool,
        inputs: &[Region],
        output: &Region,
    ) {
        let (l, x, x_adjoint) = {
            let (l, x) = (self.old(&inputs[0]), self.old(output));
            (l, x, self.adjoint_region(output))
        };
        let scratch = self
            .builder
            .buffer("solved", size * columns, BufferKind::Mutable);
        let solved = self.whole(scratch);
        let operation = if transposed {
            Dense::SolveLower { size, columns }
        } else {
            Dense::SolveLowerTransposed { size, columns }
        };
        self.builder
            .dense(operation, vec![l, x_adjoint], vec![solved]);
        if self.is_active_region(&inputs[1]) {
            let target = self.adjoint_region(&inputs[1]);
            let i = self.builder.begin_count(size * columns);
            let share = self.builder.load(scratch, i);
            let place = self.builder.scalar(
                crate::math::primitive::Operation::IntAdd,
                &[target.offset, i],
            );
            self.builder.accumulate(target.buffer, place, share);
            self.builder.end();
        }
        if self.is_active_region(&inputs[0]) {
            let target = self.adjoint_region(&inputs[0]);
            let factors = if transposed {
                vec![x, solved]
            } else {
                vec![solved, x]
            };
            self.builder.dense(
                Dense::SubtractLowerOuter { size, columns },
                factors,
                vec![target],
            );
        }
    }

    fn multi_normal(&mut self, size: usize, inputs: &[Region], outputs: &[Region]) {
        let seed = self.adjoint_region(&outputs[0]);
        let (solved, inverse) = (self.old(&outputs[1]), self.old(&outputs[2]));
        let (residual, covariance) = (
            self.adjoint_region(&inputs[0]),
            self.adjoint_region(&inputs[1]),
        );
        let operation = Dense::AddMultiNormalAdjoint { size };
        self.builder.dense(
            operation,
            vec![seed, solved, inverse],
            vec![residual, covariance],
        );
    }

    /// Operations whose adjoint is one operation on what they read and wrote, and on the adjoints of the latter.
    fn decomposition(&mut self, operation: Dense, inputs: &[Region], outputs: &[Region]) {
        let values: Vec<Region> = outputs.iter().map(|region| self.old(region)).collect();
        let adjoints: Vec<Region> = outputs
            .iter()
            .map(|region| self.adjoint_region(region))
            .collect();
        let (reverse, read) = match operation {
            Dense::Solve { size, columns } => (
                Dense::AddSolveAdjoint { size, columns },
                vec![self.old(&inputs[0]), values[0], adjoints[0]],
            ),
            Dense::Determinant { size } => (
                Dense::AddDeterminantAdjoint { size },
                vec![adjoints[0], values[2]],
            ),
            Dense::EigenSymmetric { size } => (
                Dense::AddEigenSymmetricAdjoint { size },
                [values, adjoints].concat(),
            ),
            Dense::Qr { rows, columns } => (
                Dense::AddQrAdjoint { rows, columns },
                [values, adjoints].concat(),
            ),
            Dense::Sort { size } => (Dense::AddSortAdjoint { size }, vec![values[1], adjoints[0]]),
            other => unreachable!("{other:?} has its rule above"),
        };
        let targets = inputs
            .iter()
            .map(|region| self.adjoint_region(region))
            .collect();
        self.builder.dense(reverse, read, targets);
    }

    /// The solver goes back through the steps it kept; see `likelier_runtime::math::ode`.
    fn ode(&mut self, ode: Ode, inputs: &[Region], outputs: &[Region]) {
        let with_times = self.is_active_region(&inputs[1]);
        let mut read = self.regions(inputs);
        read.extend(self.regions(outputs));
        read.push(self.adjoint_region(&outputs[0]));
        let mut written = vec![self.adjoint_region(&inputs[0])];
        if with_times {
            written.push(self.adjoint_region(&inputs[1]));
        }
        let operation = Dense::AddOdeAdjoint { ode, with_times };
        self.builder.dense(operation, read, written);
    }
}
