//! Large sizes against what defines a result, against finite differences, and against the row kernels of `linear`.

use super::super::examples::{numbers, with};
use super::super::{decompositions, linear};
use super::*;

/// Beyond the sizes at which faer begins to work in blocks, and no multiple of anything.
const N: usize = 197;
const M: usize = 83;

/// A Aᵀ + 1, which is positive definite. Above the diagonal stands NaN: nobody may look there.
fn covariance(size: usize, seed: u64) -> Vec<f64> {
    let a = numbers(size * size, seed);
    let mut matrix = vec![0.0; size * size];
    linear::add_product_transposed::<false>(size, size, &a, &a, &mut matrix);
    for i in 0..size {
        matrix[i * size + i] += 1.0;
        matrix[i * size + i + 1..(i + 1) * size].fill(f64::NAN);
    }
    matrix
}

/// Agreement to 10⁻¹² of the largest number.
#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-12 * scale, "{a} is not {b} at {i}");
    }
}

fn transposed(a: &[f64], columns: usize) -> Vec<f64> {
    let rows = a.len() / columns;
    (0..a.len())
        .map(|i| a[i % rows * columns + i / rows])
        .collect()
}

fn factor(a: &[f64], size: usize) -> Vec<f64> {
    let mut l = vec![f64::NAN; size * size];
    with(cholesky_scratch(size), |stack| {
        cholesky(size, a, &mut l, stack).expect("it is positive definite");
    });
    l
}

fn dot_product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn products_are_those_of_the_row_kernels() {
    let sizes = (N, M, 61);
    let (a, b, c) = (numbers(N * M, 1), numbers(M * 61, 2), numbers(N * 61, 3));
    let (a_transposed, b_transposed) = (transposed(&a, M), transposed(&b, 61));
    let (mut replaced, mut expected) = (c.clone(), c.clone());
    product(sizes, &a, &b, &mut replaced);
    linear::product::<false>(M, 61, &a, &b, &mut expected);
    assert_close(&replaced, &expected);
    for (sum, c) in expected.iter_mut().zip(&c) {
        *sum += c;
    }
    let mut added = [c.clone(), c.clone(), c];
    add_product(sizes, &a, &b, &mut added[0]);
    add_transposed_product(sizes, &a_transposed, &b, &mut added[1]);
    add_product_transposed(sizes, &a, &b_transposed, &mut added[2]);
    for added in &added {
        assert_close(added, &expected);
    }
}

#[test]
fn a_factor_multiplies_to_the_matrix() {
    for size in [1, 2, 5, 64, 65, 129, N] {
        let a = covariance(size, 4);
        let l = factor(&a, size);
        let mut small = vec![0.0; size * size];
        linear::cholesky::<false>(size, &a, &mut small).expect("it is positive definite");
        assert_close(&l, &small);
        let mut back = vec![0.0; size * size];
        add_product_transposed((size, size, size), &l, &l, &mut back);
        for i in 0..size {
            assert_close(&back[i * size..=i * size + i], &a[i * size..=i * size + i]);
            assert!(
                l[i * size + i + 1..(i + 1) * size]
                    .iter()
                    .all(|x| *x == 0.0)
            );
        }
    }
}

#[test]
fn a_matrix_without_a_factor_is_refused() {
    for (place, value) in [
        (150 * N + 150, -1.0),
        (150 * N + 150, 0.0),
        (180 * N + 20, f64::NAN),
        (180 * N + 20, f64::INFINITY),
        (3 * N + 3, f64::INFINITY),
        (N * N - 1, f64::NAN),
    ] {
        let mut a = covariance(N, 4);
        a[place] = value;
        let mut l = vec![0.0; N * N];
        let found = with(cholesky_scratch(N), |stack| cholesky(N, &a, &mut l, stack));
        assert!(found.is_err(), "{value} at {place}");
        let (mut solved, mut inverse) = (vec![1.0; N], vec![1.0; N * N]);
        let density = with(multi_normal_scratch(N), |stack| {
            multi_normal(N, &numbers(N, 1), &a, &mut solved, &mut inverse, stack)
        });
        assert_eq!(density, f64::NEG_INFINITY);
        assert!(solved.iter().chain(&inverse).all(|x| *x == 0.0));
    }
}

#[test]
fn the_adjoint_of_a_factor_is_its_derivative() {
    let (a, weights) = (covariance(N, 5), numbers(N * N, 6));
    let l = factor(&a, N);
    let mut found = numbers(N * N, 7);
    let mut small = found.clone();
    with(cholesky_adjoint_scratch(N), |stack| {
        add_cholesky_adjoint(N, &l, &weights, &mut found, stack);
    });
    linear::add_cholesky_adjoint::<false>(N, &l, &weights, &mut small, &mut vec![0.0; N * N]);
    assert_close(&found, &small);

    // Along a symmetric direction, by central differences.
    let lower = |i: usize| i % N <= i / N;
    let direction = numbers(N * N, 8);
    let direction: Vec<f64> = (0..N * N)
        .map(|i| direction[i] + direction[i % N * N + i / N])
        .collect();
    let along = |step: f64| {
        let moved: Vec<f64> = (0..N * N).map(|i| a[i] + step * direction[i]).collect();
        let l = factor(&moved, N);
        (0..N * N)
            .filter(|&i| lower(i))
            .map(|i| l[i] * weights[i])
            .sum::<f64>()
    };
    let step = 1e-4;
    let difference = (along(step) - along(-step)) / (2.0 * step);
    let gradient: Vec<f64> = found
        .iter()
        .zip(numbers(N * N, 7))
        .map(|(a, b)| a - b)
        .collect();
    let derivative = dot_product(&gradient, &direction);
    assert!(
        (derivative - difference).abs() < 1e-6 * difference.abs().max(1.0),
        "{derivative} is not {difference}"
    );
}

#[test]
fn triangular_systems_are_solved() {
    let l = factor(&covariance(N, 9), N);
    for columns in [1, 2, M] {
        let b = numbers(N * columns, 10);
        let (mut x, mut back) = (b.clone(), vec![0.0; N * columns]);
        solve_lower((N, columns), &l, &mut x);
        add_product((N, N, columns), &l, &x, &mut back);
        assert_close(&back, &b);
        let (mut x, mut back) = (b.clone(), vec![0.0; N * columns]);
        solve_lower_transposed((N, columns), &l, &mut x);
        add_transposed_product((N, N, columns), &l, &x, &mut back);
        assert_close(&back, &b);
        let (mut found, s) = (numbers(N * N, 11), numbers(N * columns, 12));
        let mut small = found.clone();
        subtract_lower_outer((N, columns), &s, &b, &mut found);
        linear::subtract_lower_outer::<false>(N, columns, &s, &b, &mut small);
        assert_close(&found, &small);
    }
}

#[test]
fn the_normal_density_is_that_of_the_row_kernels() {
    let (covariance, residual) = (covariance(N, 13), numbers(N, 14));
    let (mut solved, mut inverse) = (vec![f64::NAN; N], vec![f64::NAN; N * N]);
    let found = with(multi_normal_scratch(N), |stack| {
        multi_normal(N, &residual, &covariance, &mut solved, &mut inverse, stack)
    });
    let (mut small_solved, mut small_inverse) = (vec![0.0; N], vec![0.0; N * N]);
    let expected = linear::multi_normal::<false>(
        N,
        &residual,
        &covariance,
        &mut small_solved,
        &mut small_inverse,
        &mut vec![0.0; N * N],
    );
    assert!((found - expected).abs() < 1e-12 * expected.abs());
    assert_close(&solved, &small_solved);
    assert_close(&inverse, &small_inverse);
    // K K⁻¹ = 1 and K K⁻¹ r = r.
    let full: Vec<f64> = (0..N * N)
        .map(|i| covariance[(i % N).max(i / N) * N + (i % N).min(i / N)])
        .collect();
    let mut identity = vec![0.0; N * N];
    add_product((N, N, N), &full, &inverse, &mut identity);
    let expected: Vec<f64> = (0..N * N)
        .map(|i| f64::from(u8::from(i % (N + 1) == 0)))
        .collect();
    let largest = identity.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    assert!(largest.fold(0.0, f64::max) < 1e-10);
}

/// Threads have storage of their own, and all must find the same bits.
#[test]
fn results_do_not_depend_on_where_numbers_lie() {
    let (a, b) = (covariance(N, 27), numbers(N * N, 28));
    let compute = |shift: usize| {
        let place = |values: &[f64]| [&vec![0.0; shift], values].concat();
        let (a, b, zeros) = (place(&a), place(&b), vec![0.0; N * N + shift]);
        let (a, b) = (&a[shift..], &b[shift..]);
        let mut out = [(); 6].map(|()| zeros.clone());
        let [l, adjoint, c, x, inverse, vectors] = &mut out;
        let scratch = stack::numbers(N * N * 8);
        with(scratch, |stack| {
            // The stack begins elsewhere too.
            let (_, stack) = stack.make_with(shift, |_| 0.0);
            cholesky(N, a, &mut l[shift..], stack).expect("it is positive definite");
            add_cholesky_adjoint(N, &l[shift..], b, &mut adjoint[shift..], stack);
            product((N, N, N), b, b, &mut c[shift..]);
            x[shift..].copy_from_slice(b);
            solve_lower((N, N), &l[shift..], &mut x[shift..]);
            let mut solved = vec![0.0; N];
            multi_normal(N, &b[..N], a, &mut solved, &mut inverse[shift..], stack);
            decompositions::eigen_symmetric(N, b, &mut solved, &mut vectors[shift..], stack);
        });
        out.map(|numbers| {
            numbers[shift..]
                .iter()
                .map(|x| x.to_bits())
                .collect::<Vec<_>>()
        })
    };
    let expected = compute(0);
    for shift in 1..9 {
        assert!(compute(shift) == expected, "{shift} numbers on");
    }
}

/// Decompositions of a large matrix multiply back to it, and their adjoints are derivatives along a direction.
#[test]
fn large_decompositions_and_their_derivatives() {
    let a = numbers(N * M, 15);
    let (mut q, mut r) = (vec![0.0; N * M], vec![0.0; M * M]);
    let decompose = |a: &[f64], q: &mut [f64], r: &mut [f64]| {
        with(decompositions::qr_scratch(N, M), |stack| {
            decompositions::qr((N, M), a, q, r, stack);
        });
    };
    decompose(&a, &mut q, &mut r);
    let mut back = vec![0.0; N * M];
    product((N, M, M), &q, &r, &mut back);
    assert_close(&back, &a);
    let (q_weights, r_weights) = (numbers(N * M, 16), numbers(M * M, 17));
    let mut adjoint = vec![0.0; N * M];
    with(decompositions::qr_adjoint_scratch(N, M), |stack| {
        let adjoints = (&q_weights[..], &r_weights[..]);
        decompositions::add_qr_adjoint((N, M), (&q, &r), adjoints, &mut adjoint, stack);
    });
    assert_derivative(&a, &adjoint, &numbers(N * M, 18), 1e-6, |a| {
        let (mut q, mut r) = (vec![0.0; N * M], vec![0.0; M * M]);
        decompose(a, &mut q, &mut r);
        dot_product(&q, &q_weights) + dot_product(&r, &r_weights)
    });
}

#[test]
fn large_systems_and_their_derivatives() {
    let mut a = numbers(N * N, 19);
    // A heavy diagonal, for a good condition.
    a.iter_mut().step_by(N + 1).for_each(|x| *x += 20.0);
    let (b, weights) = (numbers(N * M, 20), numbers(N * M, 21));
    let solution = |a: &[f64]| {
        let mut x = b.clone();
        with(decompositions::solve_scratch(N, M), |stack| {
            decompositions::solve((N, M), a, &mut x, stack);
        });
        x
    };
    let (x, mut back) = (solution(&a), vec![0.0; N * M]);
    add_product((N, N, M), &a, &x, &mut back);
    assert_close(&back, &b);
    let (mut a_adjoint, mut b_adjoint) = (vec![0.0; N * N], vec![0.0; N * M]);
    with(decompositions::solve_adjoint_scratch(N, M), |stack| {
        let read = (&a[..], &x[..], &weights[..]);
        let size = (N, M);
        decompositions::add_solve_adjoint(size, read, &mut a_adjoint, &mut b_adjoint, stack);
    });
    assert_derivative(&a, &a_adjoint, &numbers(N * N, 22), 1e-5, |a| {
        dot_product(&solution(a), &weights)
    });
    // Linear in B: the weighted sum is the adjoint times B.
    let (sum, expected) = (dot_product(&b_adjoint, &b), dot_product(&x, &weights));
    assert!((sum - expected).abs() < 1e-10 * expected.abs().max(1.0));

    let mut inverse = vec![0.0; N * N];
    let mut determinant = |a: &[f64]| {
        with(decompositions::determinant_scratch(N), |stack| {
            decompositions::determinant(N, a, &mut inverse, stack).0
        })
    };
    // det(2 A) = 2ⁿ det A
    let twice: Vec<f64> = a.iter().map(|a| 2.0 * a).collect();
    let difference = determinant(&twice) - determinant(&a);
    assert!((difference - N as f64 * 2.0_f64.ln()).abs() < 1e-10);
}

#[test]
fn large_eigenvectors_and_their_derivatives() {
    let half = numbers(N * N, 23);
    let symmetric: Vec<f64> = half
        .iter()
        .zip(transposed(&half, N))
        .map(|(a, b)| a + b)
        .collect();
    let decompose = |a: &[f64]| {
        let (mut w, mut v) = (vec![0.0; N], vec![0.0; N * N]);
        with(decompositions::eigen_symmetric_scratch(N), |stack| {
            decompositions::eigen_symmetric(N, a, &mut w, &mut v, stack);
        });
        (w, v)
    };
    let (w, v) = decompose(&symmetric);
    assert!(w.is_sorted());
    let scaled: Vec<f64> = v.iter().enumerate().map(|(i, v)| v * w[i % N]).collect();
    let mut back = vec![0.0; N * N];
    add_product_transposed((N, N, N), &scaled, &v, &mut back);
    assert_close(&back, &symmetric);
    let (w_weights, mut v_weights) = (numbers(N, 24), numbers(N * N, 25));
    // Vectors of neighbouring values turn quickly; five of them are enough.
    for (i, weight) in v_weights.iter_mut().enumerate() {
        *weight *= f64::from(u8::from(i % N < 5));
    }
    let mut adjoint = vec![0.0; N * N];
    with(
        decompositions::eigen_symmetric_adjoint_scratch(N),
        |stack| {
            decompositions::add_eigen_symmetric_adjoint(
                N,
                (&w, &v),
                (&w_weights, &v_weights),
                &mut adjoint,
                stack,
            );
        },
    );
    let direction = numbers(N * N, 26);
    let direction: Vec<f64> = direction
        .iter()
        .zip(transposed(&direction, N))
        .map(|(a, b)| a + b)
        .collect();
    assert_derivative(&symmetric, &adjoint, &direction, 1e-4, |a| {
        let (w, v) = decompose(a);
        dot_product(&w, &w_weights) + dot_product(&v, &v_weights)
    });
}

/// The derivative of `value` along a direction, by central differences, is what the adjoint says.
#[track_caller]
fn assert_derivative(
    at: &[f64],
    adjoint: &[f64],
    direction: &[f64],
    tolerance: f64,
    mut value: impl FnMut(&[f64]) -> f64,
) {
    let mut along = |step: f64| {
        let moved: Vec<f64> = at
            .iter()
            .zip(direction)
            .map(|(a, d)| a + step * d)
            .collect();
        value(&moved)
    };
    let step = 1e-6;
    let difference = (along(step) - along(-step)) / (2.0 * step);
    let derivative = dot_product(adjoint, direction);
    assert!(
        (derivative - difference).abs() < tolerance * difference.abs().max(1.0),
        "{derivative} is not {difference}"
    );
}
