//! Dense algebra on row-major slices of the caller: no allocation, no blocking, inner loops over contiguous rows that the
//! compiler vectorises. Everything is generic over `FMA` (the caller must run on a machine that has it) and inlined, so
//! that it can be instantiated at several CPU levels. Sums of products run in eight lanes added pairwise, at every level.
//! Subnormal numbers, which exponentiated-quadratic covariances are full of, cost up to seven times the time; whoever
//! fills a covariance may set what is below 1e−300 to zero.

#[inline(always)]
fn multiply_add<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Σ a[k] b[k] over the shorter length.
#[inline(always)]
pub fn dot<const FMA: bool>(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..n].as_chunks::<8>(), b[..n].as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for k in 0..8 {
            lanes[k] = multiply_add::<FMA>(a[k], b[k], lanes[k]);
        }
    }
    for (k, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[k] = multiply_add::<FMA>(*a, *b, lanes[k]);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The products of four rows with b, over the length of b; each sum has the tree of [`dot`].
#[inline(always)]
fn dot4<const FMA: bool>(rows: [&[f64]; 4], b: &[f64]) -> [f64; 4] {
    let rows = rows.map(|row| row[..b.len()].as_chunks::<8>());
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [[0.0; 8]; 4];
    for (k, b) in b.iter().enumerate() {
        for (lanes, row) in lanes.iter_mut().zip(&rows) {
            let a = &row.0[k];
            for l in 0..8 {
                lanes[l] = multiply_add::<FMA>(a[l], b[l], lanes[l]);
            }
        }
    }
    for (lanes, row) in lanes.iter_mut().zip(&rows) {
        for (l, (a, b)) in row.1.iter().zip(b_rest).enumerate() {
            lanes[l] = multiply_add::<FMA>(*a, *b, lanes[l]);
        }
    }
    lanes.map(|[a, b, c, d, e, f, g, h]| ((a + e) + (c + g)) + ((b + f) + (d + h)))
}

/// Four rows of a matrix that begins with them.
#[inline(always)]
fn four_rows(panel: &[f64], columns: usize) -> [&[f64]; 4] {
    let (first, rest) = panel.split_at(columns);
    let (second, rest) = rest.split_at(columns);
    let (third, fourth) = rest.split_at(columns);
    [first, second, third, &fourth[..columns]]
}

/// y[k] += factor x[k]
#[inline(always)]
pub fn add_scaled<const FMA: bool>(factor: f64, x: &[f64], y: &mut [f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = multiply_add::<FMA>(factor, *x, *y);
    }
}

/// C (rows × columns) = A (rows × inner) B (inner × columns).
#[inline(always)]
pub fn product<const FMA: bool>(inner: usize, columns: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    c.fill(0.0);
    add_product::<FMA>(inner, columns, a, b, c);
}

/// C (rows × columns) += A (rows × inner) B (inner × columns).
#[inline(always)]
pub fn add_product<const FMA: bool>(
    inner: usize,
    columns: usize,
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
) {
    if inner == 0 || columns == 0 {
        return;
    }
    if columns == 1 {
        // Four rows at a time, so that their sums do not wait for one another.
        let (quads, last) = c.as_chunks_mut::<4>();
        let mut panels = a.chunks_exact(4 * inner);
        for (c, panel) in quads.iter_mut().zip(panels.by_ref()) {
            let sums = dot4::<FMA>(four_rows(panel, inner), &b[..inner]);
            for (c, sum) in c.iter_mut().zip(sums) {
                *c += sum;
            }
        }
        for (c, a) in last.iter_mut().zip(panels.remainder().chunks_exact(inner)) {
            *c += dot::<FMA>(a, b);
        }
        return;
    }
    for (c, a) in c.chunks_exact_mut(columns).zip(a.chunks_exact(inner)) {
        for (a, b) in a.iter().zip(b.chunks_exact(columns)) {
            add_scaled::<FMA>(*a, b, c);
        }
    }
}

/// C (rows × columns) += Aᵀ B, A (inner × rows), B (inner × columns).
#[inline(always)]
pub fn add_transposed_product<const FMA: bool>(
    rows: usize,
    columns: usize,
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
) {
    if rows == 0 || columns == 0 {
        return;
    }
    if columns == 1 {
        // Four rows at a time: the result is read and written once for all of them.
        let (quads, last) = b.as_chunks::<4>();
        let mut panels = a.chunks_exact(4 * rows);
        for (panel, [b0, b1, b2, b3]) in panels.by_ref().zip(quads) {
            let (a0, panel) = panel.split_at(rows);
            let (a1, panel) = panel.split_at(rows);
            let (a2, a3) = panel.split_at(rows);
            for ((((c, a0), a1), a2), a3) in c.iter_mut().zip(a0).zip(a1).zip(a2).zip(a3) {
                let first = multiply_add::<FMA>(*a0, *b0, *a1 * *b1);
                let second = multiply_add::<FMA>(*a2, *b2, *a3 * *b3);
                *c += first + second;
            }
        }
        for (a, b) in panels.remainder().chunks_exact(rows).zip(last) {
            add_scaled::<FMA>(*b, a, c);
        }
        return;
    }
    for (a, b) in a.chunks_exact(rows).zip(b.chunks_exact(columns)) {
        for (a, c) in a.iter().zip(c.chunks_exact_mut(columns)) {
            add_scaled::<FMA>(*a, b, c);
        }
    }
}

/// C (rows × columns) += A Bᵀ, A (rows × inner), B (columns × inner).
#[inline(always)]
pub fn add_product_transposed<const FMA: bool>(
    inner: usize,
    columns: usize,
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
) {
    if inner == 0 || columns == 0 {
        return;
    }
    if inner == 1 {
        for (c, a) in c.chunks_exact_mut(columns).zip(a) {
            add_scaled::<FMA>(*a, b, c);
        }
        return;
    }
    for (c, a) in c.chunks_exact_mut(columns).zip(a.chunks_exact(inner)) {
        for (c, b) in c.iter_mut().zip(b.chunks_exact(inner)) {
            *c += dot::<FMA>(a, b);
        }
    }
}

/// A matrix is not positive definite: the pivot of this row is not a positive number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotPositiveDefinite(pub usize);

/// L with L Lᵀ = A and zeros above the diagonal; the lower triangle of A is read.
#[inline(always)]
pub fn cholesky<const FMA: bool>(
    size: usize,
    a: &[f64],
    l: &mut [f64],
) -> Result<(), NotPositiveDefinite> {
    // Four rows at a time: each row above is read once for all of them.
    for start in (0..size).step_by(4) {
        let count = (size - start).min(4);
        let (above, block) = l.split_at_mut(start * size);
        for (j, other) in above.chunks_exact(size).enumerate() {
            let (other, pivot) = (&other[..j], other[j]);
            let sums = if count == 4 {
                dot4::<FMA>(four_rows(block, size), other)
            } else {
                let mut sums = [0.0; 4];
                for (sum, row) in sums.iter_mut().zip(block.chunks_exact(size)) {
                    *sum = dot::<FMA>(row, other);
                }
                sums
            };
            for (k, sum) in sums[..count].iter().enumerate() {
                block[k * size + j] = (a[(start + k) * size + j] - sum) / pivot;
            }
        }
        for i in start..start + count {
            let (done, row) = block.split_at_mut((i - start) * size);
            let row = &mut row[..size];
            for (other, j) in done.chunks_exact(size).zip(start..) {
                let rest = a[i * size + j] - dot::<FMA>(&row[..j], &other[..j]);
                row[j] = rest / other[j];
            }
            let pivot = a[i * size + i] - dot::<FMA>(&row[..i], &row[..i]);
            // A NaN is not positive either.
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(NotPositiveDefinite(i));
            }
            row[i] = pivot.sqrt();
            row[i + 1..].fill(0.0);
        }
    }
    Ok(())
}

/// Adds to `a_adjoint` what reaches A when `l_adjoint` reaches its Cholesky factor L, half on each triangle: the loops
/// of `cholesky` backwards (Murray 2016, arXiv:1602.07527, section 3.3). `work` holds size² numbers.
#[inline(always)]
pub fn add_cholesky_adjoint<const FMA: bool>(
    size: usize,
    l: &[f64],
    l_adjoint: &[f64],
    a_adjoint: &mut [f64],
    work: &mut [f64],
) {
    work.copy_from_slice(l_adjoint);
    for i in (0..size).rev() {
        let (above, row) = work.split_at_mut(i * size);
        let (row, l_row) = (&mut row[..size], &l[i * size..(i + 1) * size]);
        let pivot = 0.5 * row[i] / l_row[i];
        add_scaled::<FMA>(-2.0 * pivot, &l_row[..i], &mut row[..i]);
        a_adjoint[i * size + i] += pivot;
        for j in (0..i).rev() {
            let l_other = &l[j * size..j * size + j + 1];
            let other = &mut above[j * size..j * size + j + 1];
            let rest = row[j] / l_other[j];
            other[j] = multiply_add::<FMA>(-rest, l_row[j], other[j]);
            add_scaled::<FMA>(-rest, &l_other[..j], &mut row[..j]);
            add_scaled::<FMA>(-rest, &l_row[..j], &mut other[..j]);
            a_adjoint[i * size + j] += 0.5 * rest;
            a_adjoint[j * size + i] += 0.5 * rest;
        }
    }
}

/// X (size × columns) in place of B: L⁻¹ B.
#[inline(always)]
pub fn solve_lower<const FMA: bool>(size: usize, columns: usize, l: &[f64], x: &mut [f64]) {
    for i in 0..size {
        let row = &l[i * size..i * size + i + 1];
        let (done, rest) = x.split_at_mut(i * columns);
        let target = &mut rest[..columns];
        if columns == 1 {
            target[0] = (target[0] - dot::<FMA>(&row[..i], done)) / row[i];
            continue;
        }
        for (factor, done) in row[..i].iter().zip(done.chunks_exact(columns)) {
            add_scaled::<FMA>(-factor, done, target);
        }
        target.iter_mut().for_each(|x| *x /= row[i]);
    }
}

/// X (size × columns) in place of B: L⁻ᵀ B.
#[inline(always)]
pub fn solve_lower_transposed<const FMA: bool>(
    size: usize,
    columns: usize,
    l: &[f64],
    x: &mut [f64],
) {
    for i in (0..size).rev() {
        let row = &l[i * size..i * size + i + 1];
        let (waiting, rest) = x.split_at_mut(i * columns);
        let target = &mut rest[..columns];
        target.iter_mut().for_each(|x| *x /= row[i]);
        if columns == 1 {
            add_scaled::<FMA>(-target[0], &row[..i], waiting);
            continue;
        }
        for (factor, waiting) in row[..i].iter().zip(waiting.chunks_exact_mut(columns)) {
            add_scaled::<FMA>(-factor, target, waiting);
        }
    }
}

/// Subtracts the lower triangle of S Xᵀ (both size × columns) from `target` (size × size).
#[inline(always)]
pub fn subtract_lower_outer<const FMA: bool>(
    size: usize,
    columns: usize,
    s: &[f64],
    x: &[f64],
    target: &mut [f64],
) {
    for i in 0..size {
        let row = &mut target[i * size..i * size + i + 1];
        if columns == 1 {
            add_scaled::<FMA>(-s[i], x, row);
            continue;
        }
        let s = &s[i * columns..(i + 1) * columns];
        for (target, x) in row.iter_mut().zip(x.chunks_exact(columns)) {
            *target -= dot::<FMA>(s, x);
        }
    }
}

/// The log density of a residual r under normal(0, K), all constants included, with K⁻¹ r and K⁻¹ for the adjoint.
/// If K is not positive definite the result is −∞ and the other outputs are zero. `work` holds size² numbers.
#[inline(always)]
pub fn multi_normal<const FMA: bool>(
    size: usize,
    residual: &[f64],
    covariance: &[f64],
    solved: &mut [f64],
    inverse: &mut [f64],
    work: &mut [f64],
) -> f64 {
    if cholesky::<FMA>(size, covariance, work).is_err() {
        solved.fill(0.0);
        inverse.fill(0.0);
        return f64::NEG_INFINITY;
    }
    let l = work;
    let mut log_determinant = 0.0;
    for i in 0..size {
        log_determinant += super::special::log(l[i * size + i]);
    }
    solved.copy_from_slice(residual);
    solve_lower::<FMA>(size, 1, l, solved);
    let square = dot::<FMA>(solved, solved);
    solve_lower_transposed::<FMA>(size, 1, l, solved);
    invert_from_factor::<FMA>(size, l, inverse);
    let constant = 0.5 * size as f64 * super::special::log(2.0 * std::f64::consts::PI);
    -0.5 * square - log_determinant - constant
}

/// K⁻¹ = L⁻ᵀ L⁻¹; L is overwritten by L⁻¹.
#[inline(always)]
fn invert_from_factor<const FMA: bool>(size: usize, l: &mut [f64], inverse: &mut [f64]) {
    // Row i of L⁻¹ is (e_i − Σ_k L_ik row k) / L_ii, and the rows above are done.
    for i in 0..size {
        let (done, rest) = l.split_at_mut(i * size);
        let row = &mut rest[..size];
        let target = &mut inverse[..i + 1];
        target.fill(0.0);
        for (k, done) in done.chunks_exact(size).enumerate() {
            add_scaled::<FMA>(-row[k], &done[..k + 1], &mut target[..k + 1]);
        }
        target[i] = 1.0;
        let pivot = row[i];
        for (row, target) in row.iter_mut().zip(target) {
            *row = *target / pivot;
        }
    }
    inverse.fill(0.0);
    for row in l
        .chunks_exact(size)
        .enumerate()
        .map(|(k, row)| &row[..k + 1])
    {
        for (i, &factor) in row.iter().enumerate() {
            add_scaled::<FMA>(
                factor,
                &row[..i + 1],
                &mut inverse[i * size..i * size + i + 1],
            );
        }
    }
    for i in 0..size {
        for j in 0..i {
            inverse[j * size + i] = inverse[i * size + j];
        }
    }
}

/// Adds the adjoints of the residual and of the covariance when `seed` reaches the log density of `multi_normal`:
/// −α and ½ (α αᵀ − K⁻¹), α = K⁻¹ r.
#[inline(always)]
pub fn add_multi_normal_adjoint<const FMA: bool>(
    size: usize,
    seed: f64,
    solved: &[f64],
    inverse: &[f64],
    residual_adjoint: &mut [f64],
    covariance_adjoint: &mut [f64],
) {
    add_scaled::<FMA>(-seed, solved, residual_adjoint);
    for i in 0..size {
        let (row, inverse) = (
            &mut covariance_adjoint[i * size..(i + 1) * size],
            &inverse[i * size..(i + 1) * size],
        );
        let half = 0.5 * seed;
        let factor = half * solved[i];
        for ((target, solved), inverse) in row.iter_mut().zip(solved).zip(inverse) {
            *target += multiply_add::<FMA>(factor, *solved, -half * inverse);
        }
    }
}
