"""Rows of tests/reference/distributions.py for laws of matrices and of vectors on surfaces, from textbook definitions."""
from mpmath import mp, mpf


def multigamma(k, a):
    return mp.pi ** (mpf(k * (k - 1)) / 4) * mp.fprod(mp.gamma(a - mpf(j) / 2) for j in range(k))


def lkj_normaliser(k, shape):
    """The integral of det^(shape - 1): over partial correlations, Beta(b, b) on (-1, 1), one by one."""
    product = mpf(1)
    for j in range(1, k):
        b = shape + mpf(k - j - 1) / 2
        product *= (2 ** (2 * b - 1) * mp.beta(b, b)) ** (k - j)
    return product


def lkj_corr(x, k, shape):
    return mp.det(mp.matrix(x)) ** (shape - 1) / lkj_normaliser(int(k), shape)


def lkj_cholesky(x, k, shape):
    k = int(k)
    factor = mp.matrix(x)
    jacobian = mp.fprod(factor[i, i] ** (k - 1 - i) for i in range(k))
    return lkj_corr((factor * factor.T).tolist(), k, shape) * jacobian


def wishart(x, df, scale):
    x, v = mp.matrix(x), mp.matrix(scale)
    k = x.rows
    trace = mp.fsum((v**-1 * x)[i, i] for i in range(k))
    return mp.det(x) ** ((df - k - 1) / 2) * mp.exp(-trace / 2) / (
        2 ** (df * k / 2) * mp.det(v) ** (df / 2) * multigamma(k, df / 2))


def inv_wishart(x, df, scale):
    x, v = mp.matrix(x), mp.matrix(scale)
    k = x.rows
    trace = mp.fsum((v * x**-1)[i, i] for i in range(k))
    return mp.det(v) ** (df / 2) * mp.det(x) ** (-(df + k + 1) / 2) * mp.exp(-trace / 2) / (
        2 ** (df * k / 2) * multigamma(k, df / 2))


def multi_student(x, df, loc, scale):
    r, s = mp.matrix(x) - mp.matrix(loc), mp.matrix(scale)
    k = len(x)
    square = (r.T * s**-1 * r)[0]
    return mp.gamma((df + k) / 2) / mp.gamma(df / 2) / mp.sqrt((df * mp.pi) ** k * mp.det(s)) * (
        1 + square / df) ** (-(df + k) / 2)


def multi_student_chol(x, df, loc, chol):
    factor = mp.matrix(chol)
    return multi_student(x, df, loc, (factor * factor.T).tolist())


def zero_sum_normal(x, k, sd):
    return mp.exp(-mp.fsum(v**2 for v in x) / (2 * sd**2)) / (sd * mp.sqrt(2 * mp.pi)) ** (int(k) - 1)


CORRELATIONS = [[[1.0, r], [r, 1.0]] for r in (0.0, 0.5, -0.25, 0.875, -0.984375)]
THREE_CORRELATIONS = [[[1.0, a, b], [a, 1.0, c], [b, c, 1.0]]
                      for a, b, c in ((0.0, 0.0, 0.0), (0.5, -0.25, 0.125), (-0.75, 0.5, -0.25), (0.875, 0.75, 0.9375),
                                      (0.25, 0.125, -0.5))]
FACTORS = [[[1.0, 0.0], [a, b]] for a, b in ((0.0, 1.0), (0.6, 0.8), (-0.8, 0.6), (0.28, 0.96), (-0.96, 0.28))]
THREE_FACTORS = [[[1.0, 0.0, 0.0], [a, b, 0.0], [c, d, e]]
                 for a, b, c, d, e in ((0.0, 1.0, 0.0, 0.0, 1.0), (0.6, 0.8, 0.48, 0.64, 0.6), (-0.8, 0.6, 0.0, 0.6, 0.8),
                                       (0.28, 0.96, -0.48, 0.36, 0.8), (0.96, 0.28, 0.36, -0.48, 0.8))]
COVARIANCES = [[[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.0], [0.0, 1.0]], [[9.0, -3.5], [-3.5, 2.0]], [[0.125, 0.0625], [0.0625, 0.25]],
               [[30.0, 4.0], [4.0, 50.0]]]
THREE_COVARIANCES = [[[4.0, 1.0, -0.5], [1.0, 3.0, 0.25], [-0.5, 0.25, 0.75]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
                     [[8.0, 2.0, 1.0], [2.0, 5.0, -1.0], [1.0, -1.0, 9.0]], [[0.5, 0.25, 0.0], [0.25, 0.5, 0.25], [0.0, 0.25, 0.5]],
                     [[20.0, -3.0, 2.0], [-3.0, 10.0, 1.0], [2.0, 1.0, 30.0]]]
TWO = [[0.0, 0.0], [0.3, -1.2], [1.0, 2.0], [-40.0, 35.0], [1e3, 1e3]]


def add(rows):
    """Calls `rows` of distributions.py for every law."""
    rows("lkj_corr", lkj_corr, None, ["K", "shape"], [], [(2, 1.0), (2, 2.5), (2, 0.5)], CORRELATIONS)
    rows("lkj_corr", lkj_corr, None, ["K", "shape"], [], [(3, 1.0), (3, 4.0)], THREE_CORRELATIONS)
    rows("lkj_cholesky", lkj_cholesky, None, ["K", "shape"], [], [(2, 1.0), (2, 2.5), (2, 0.5)], FACTORS)
    rows("lkj_cholesky", lkj_cholesky, None, ["K", "shape"], [], [(3, 1.0), (3, 4.0)], THREE_FACTORS)
    for name, density in (("wishart", wishart), ("inv_wishart", inv_wishart)):
        rows(name, density, None, ["df"], ["scale"],
             [(5.0, [[2.0, 0.5], [0.5, 1.0]]), (1.25, [[1.0, -0.25], [-0.25, 0.5]]), (40.0, [[1.0, 0.0], [0.0, 1.0]])],
             COVARIANCES)
        rows(name, density, None, ["df"], ["scale"], [(4.5, THREE_COVARIANCES[2])], THREE_COVARIANCES)
    rows("multi_student_t", multi_student, None, ["df", "loc"], ["scale"],
         [(4.0, [0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]), (0.5, [-3.0, 2.5], [[1.0, 0.5], [0.5, 1.0]]),
          (200.0, [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])], TWO)
    rows("multi_student_t", multi_student_chol, None, ["df", "loc"], ["chol"],
         [(4.0, [0.0, 1.0], [[1.5, 0.0], [0.3, 1.0]]), (1.5, [-3.0, 2.5], [[1.0, 0.0], [0.999, 0.05]])], TWO)
    rows("zero_sum_normal", zero_sum_normal, None, ["K", "sd"], [], [(3, 0.5), (3, 2.0)],
         [[0.0, 0.0, 0.0], [1.0, -0.5, -0.5], [0.25, 0.5, -0.75], [-2.0, 4.0, -2.0], [0.125, 0.125, -0.25]])
