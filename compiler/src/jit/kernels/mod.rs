//! Which function of `likelier_kernels` computes what on many numbers at a time, and how it is called. Names are the same at
//! every CPU level; `Level::linked_name` says which instance is meant.

mod block;
mod dense;

pub(super) use block::{
    ADD_TO, COPY, DOT, FILL, GATHER, GATHER_TABLE, IOTA, IOTA_TABLE, Operands, SCATTER_ADD,
    SCATTER_ADD_TABLE, SELECT, SUM, binary, multiply_add, unary,
};
pub(super) use dense::{CLEAR, dense};
