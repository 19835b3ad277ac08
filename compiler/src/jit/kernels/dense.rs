//! shim
#![allow(unsafe_code)]
use crate::math::primitive::Dense;
use super::super::symbols::Symbol;
pub(in super::super) const CLEAR: &str = "likelier_clear";
pub(in super::super) fn dense(operation: Dense) -> (&'static str, Vec<usize>) {
    match operation {
        Dense::Product { rows, inner, columns } => ("likelier_product", vec![rows, inner, columns]),
        Dense::AddProduct { rows, inner, columns } => ("likelier_add_product", vec![rows, inner, columns]),
        Dense::AddTransposedProduct { rows, inner, columns } => ("likelier_add_transposed_product", vec![rows, inner, columns]),
        Dense::AddProductTransposed { rows, inner, columns } => ("likelier_add_product_transposed", vec![rows, inner, columns]),
        Dense::Cholesky { size } => ("likelier_cholesky", vec![size]),
        Dense::AddCholeskyAdjoint { size } => ("likelier_add_cholesky_adjoint", vec![size]),
        Dense::SolveLower { size, columns } => ("likelier_solve_lower", vec![size, columns]),
        Dense::SolveLowerTransposed { size, columns } => ("likelier_solve_lower_transposed", vec![size, columns]),
        Dense::SubtractLowerOuter { size, columns } => ("likelier_subtract_lower_outer", vec![size, columns]),
        Dense::MultiNormal { size } => ("likelier_multi_normal", vec![size]),
        Dense::AddMultiNormalAdjoint { size } => ("likelier_add_multi_normal_adjoint", vec![size]),
    }
}
unsafe extern "C" fn likelier_clear(p: *mut f64, n: usize) { unsafe { std::slice::from_raw_parts_mut(p, n) }.fill(0.0) }
unsafe fn shim(op: Dense, i: &[*const f64], o: &[*mut f64]) {
    let (li, lo) = op.lengths();
    let inputs: Vec<Vec<f64>> = i.iter().zip(li).map(|(&p, n)| unsafe { std::slice::from_raw_parts(p, n) }.to_vec()).collect();
    let mut outputs: Vec<Vec<f64>> = o.iter().zip(&lo).map(|(&p, &n)| unsafe { std::slice::from_raw_parts(p, n) }.to_vec()).collect();
    crate::math::interpret::dense::evaluate(op, &inputs, &mut outputs);
    for (r, &p) in outputs.iter().zip(o) { unsafe { std::slice::from_raw_parts_mut(p, r.len()) }.copy_from_slice(r) }
}
macro_rules! d { ($($n:ident $k:ident {$($s:ident),*} ($($i:ident),*) ($($o:ident),*);)*) => { $(unsafe extern "C" fn $n($($s: usize,)* $($i: *const f64,)* $($o: *mut f64),*) { unsafe { shim(Dense::$k { $($s),* }, &[$($i),*], &[$($o),*]) } })*
 pub(in super::super) fn symbols(_cpu: super::super::CpuLevel) -> Vec<Symbol> { vec![Symbol { name: CLEAR, address: likelier_clear as *const u8 }, $(Symbol { name: stringify!($n), address: $n as *const u8 }),*] } } }
d! {
 likelier_product Product {rows, inner, columns} (a,b) (c);
 likelier_add_product AddProduct {rows, inner, columns} (a,b) (c);
 likelier_add_transposed_product AddTransposedProduct {rows, inner, columns} (a,b) (c);
 likelier_add_product_transposed AddProductTransposed {rows, inner, columns} (a,b) (c);
 likelier_cholesky Cholesky {size} (a) (c);
 likelier_add_cholesky_adjoint AddCholeskyAdjoint {size} (a,b) (c);
 likelier_solve_lower SolveLower {size, columns} (a,b) (c);
 likelier_solve_lower_transposed SolveLowerTransposed {size, columns} (a,b) (c);
 likelier_subtract_lower_outer SubtractLowerOuter {size, columns} (a,b) (c);
 likelier_multi_normal MultiNormal {size} (a,b) (c,d,e);
 likelier_add_multi_normal_adjoint AddMultiNormalAdjoint {size} (a,b,c) (d,e);
}
