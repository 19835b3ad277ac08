"""Writes tests/reference/distributions.json: log densities and cdfs by mpmath with 50 digits.

Run: pip install mpmath; python tests/reference/distributions.py

Every law is written from its textbook definition (gamma functions, binomial coefficients, sums of masses), not from the
rearranged forms of stdlib/distributions. Each row is {"law", "call", "x", "log_density", "cdf"}: `call` in the syntax of
the language, `x` a number (an int for a law of ints) or a list, "-inf" for a density of 0, null for a cdf that is not
given. Parameters and points are the doubles that are printed, taken as exact.
"""
import json
from pathlib import Path

from mpmath import mp, mpf

import matrix_laws

mp.dps = 50
ROWS = []
# A sum of masses is taken up to here.
LONGEST_SUM = 3000


def exact(value):
    if isinstance(value, (list, tuple)):
        return [exact(v) for v in value]
    return mpf(value)


def text(value):
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text(v) for v in value) + "]"
    return repr(value)


def number(value):
    if value is None:
        return None
    if value == -mp.inf:
        return "-inf"
    assert mp.isfinite(value), value
    return float(value)


def log(value):
    return mp.log(value) if value != 0 else -mp.inf


def rows(law, density, cdf, positional, keywords, settings, points):
    """One row for each setting and point. `density` and `cdf` take x, then the parameters."""
    for setting in settings:
        names = positional + keywords
        shown = [text(v) for v in setting[: len(positional)]]
        shown += [f"{n}={text(v)}" for n, v in zip(keywords, setting[len(positional):])]
        parameters = [exact(v) for v in setting]
        assert len(names) == len(setting)
        here = points(*setting) if callable(points) else points
        assert len(here) >= 5, (law, setting)
        for x in here:
            p = density(exact(x), *parameters)
            ROWS.append({
                "law": law,
                "call": f"{law}({', '.join(shown)})",
                "x": x,
                "log_density": number(log(p)),
                "cdf": number(cdf(exact(x), *parameters)) if cdf else None,
            })


# Continuous laws, as densities.

def normal(x, m, s):
    return mp.exp(-((x - m) ** 2) / (2 * s**2)) / (s * mp.sqrt(2 * mp.pi))


def normal_cdf(x, m, s):
    return mp.erfc(-(x - m) / (s * mp.sqrt(2))) / 2


def on(inside, density):
    """A density that is 0 outside."""
    return lambda x, *p: density(x, *p) if inside(x) else mpf(0)


def above(lower, cdf):
    return lambda x, *p: cdf(x, *p) if x > lower else mpf(0)


def student(x, nu, m, s):
    z = (x - m) / s
    return mp.gamma((nu + 1) / 2) / mp.gamma(nu / 2) / mp.sqrt(nu * mp.pi) / s * (1 + z**2 / nu) ** (-(nu + 1) / 2)


def student_cdf(x, nu, m, s):
    z = (x - m) / s
    with mp.workdps(400):
        half = z * mp.gamma((nu + 1) / 2) / mp.gamma(nu / 2) / mp.sqrt(nu * mp.pi)
        value = mpf(1) / 2 + half * mp.hyp2f1(mpf(1) / 2, (nu + 1) / 2, mpf(3) / 2, -(z**2) / nu)
    return +value


def half_student_cdf(x, nu, s):
    z = x / s
    return 2 * z * mp.gamma((nu + 1) / 2) / mp.gamma(nu / 2) / mp.sqrt(nu * mp.pi) * mp.hyp2f1(
        mpf(1) / 2, (nu + 1) / 2, mpf(3) / 2, -(z**2) / nu)


def cauchy_cdf(x, m, s):
    with mp.workdps(400):
        value = mpf(1) / 2 + mp.atan((x - m) / s) / mp.pi
    return +value


def laplace_cdf(x, m, b):
    return mp.exp((x - m) / b) / 2 if x < m else 1 - mp.exp(-(x - m) / b) / 2


def logistic(x, m, s):
    z = (x - m) / s
    return mp.exp(z) / (s * (1 + mp.exp(z)) ** 2)


def logistic_cdf(x, m, s):
    z = (x - m) / s
    return mp.exp(z) / (1 + mp.exp(z))


def gamma(x, a, b):
    return b**a * x ** (a - 1) * mp.exp(-b * x) / mp.gamma(a)


def gamma_cdf(x, a, b):
    return mp.gammainc(a, 0, b * x, regularized=True)


def inv_gamma(x, a, b):
    return b**a * x ** (-a - 1) * mp.exp(-b / x) / mp.gamma(a)


def inv_gamma_cdf(x, a, b):
    return mp.gammainc(a, b / x, mp.inf, regularized=True)


def beta(x, a, b):
    return x ** (a - 1) * (1 - x) ** (b - 1) * mp.gamma(a + b) / (mp.gamma(a) * mp.gamma(b))


def beta_cdf(x, a, b):
    return mpf(0) if x <= 0 else mpf(1) if x >= 1 else mp.betainc(a, b, 0, x, regularized=True)


def weibull(x, k, s):
    return k / s * (x / s) ** (k - 1) * mp.exp(-((x / s) ** k))


def lognormal(x, m, s):
    return normal(mp.log(x), m, s) / x


positive = lambda x: x > 0
nonnegative = lambda x: x >= 0

rows("normal", normal, normal_cdf, ["mean", "sd"], [], [(0.0, 1.0), (2.5, 0.3), (-1e6, 1e3), (1e-3, 1e-8)],
     lambda m, s: [m - 37.0 * s, m - 5.0 * s, m, m + 0.3 * s, m + 2.0 * s, m + 8.0 * s, m + 100.0 * s])
rows("half_normal", on(nonnegative, lambda x, s: 2 * normal(x, 0, s)),
     above(0, lambda x, s: mp.erf(x / (s * mp.sqrt(2)))), ["sd"], [], [(1.0,), (2.5,), (1e-5,), (1e4,)],
     lambda s: [-s, 0.0, 1e-12 * s, 0.5 * s, s, 3.0 * s, 30.0 * s])
rows("cauchy", lambda x, m, s: 1 / (mp.pi * s * (1 + ((x - m) / s) ** 2)), cauchy_cdf, ["loc", "scale"], [],
     [(0.0, 1.0), (3.0, 2.5), (-10.0, 0.01), (1e3, 1e4)],
     lambda m, s: [m - 1e12 * s, m - 3.0 * s, m, m + 0.2 * s, m + s, m + 7.0 * s, m + 1e9 * s])
rows("half_cauchy", on(nonnegative, lambda x, s: 2 / (mp.pi * s * (1 + (x / s) ** 2))),
     above(0, lambda x, s: 2 / mp.pi * mp.atan(x / s)), ["scale"], [], [(1.0,), (2.5,), (5.0,), (1e-4,)],
     lambda s: [-s, 0.0, 1e-10 * s, 0.7 * s, 4.0 * s, 1e8 * s])
rows("student_t", student, student_cdf, ["df", "loc", "scale"], [],
     [(1.0, 0.0, 1.0), (4.0, 0.5, 2.5), (0.3, -2.0, 0.1), (30.0, 10.0, 3.0), (2.5, 0.0, 1e3)],
     lambda d, m, s: [m - 1e8 * s, m - 6.0 * s, m - 0.4 * s, m, m + 1e-9 * s, m + s, m + 3.3 * s, m + 50.0 * s])
# The normal limit; the hypergeometric series of the cdf is left out.
rows("student_t", student, None, ["df", "loc", "scale"], [], [(1e10, 0.0, 1.0), (1e6, 1.0, 2.0)],
     [-20.0, -1.0, 0.0, 0.5, 3.0, 9.0])
rows("half_student_t", on(nonnegative, lambda x, d, s: 2 * student(x, d, 0, s)), above(0, half_student_cdf),
     ["df", "scale"], [], [(3.0, 10.0), (1.0, 1.0), (7.5, 0.2), (25.0, 1e3)],
     lambda d, s: [-s, 0.0, 1e-9 * s, 0.6 * s, 2.0 * s, 15.0 * s, 1e6 * s])
rows("lognormal", on(positive, lognormal), above(0, lambda x, m, s: normal_cdf(mp.log(x), m, s)),
     ["location", "scale"], [], [(0.0, 1.0), (2.3, 0.25), (-5.0, 3.0), (10.0, 0.01)],
     [-1.0, 0.0, 1e-30, 0.01, 1.0, 8.5, 2e4, 1e40])
for keyword, rate in [("rate", lambda v: v), ("mean", lambda v: 1 / v)]:
    rows("exponential", on(nonnegative, lambda x, v: rate(v) * mp.exp(-rate(v) * x)),
         above(0, lambda x, v: -mp.expm1(-rate(v) * x)), [], [keyword], [(1.0,), (0.3,), (1e-4,), (250.0,)],
         [-1.0, 0.0, 1e-15, 0.5, 3.0, 400.0])
for keyword, rate in [("rate", lambda v: v), ("scale", lambda v: 1 / v)]:
    rows("gamma", on(positive, lambda x, a, v: gamma(x, a, rate(v))), above(0, lambda x, a, v: gamma_cdf(x, a, rate(v))),
         [], ["shape", keyword], [(2.5, 0.7), (0.4, 3.0), (1.0, 1.0), (25.0, 4.0), (500.0, 0.25)],
         [-1.0, 1e-6, 0.3, 1.3, 6.0, 125.0, 2000.0])
    rows("gamma", on(positive, lambda x, a, v: gamma(x, a, rate(v))), above(0, lambda x, a, v: gamma_cdf(x, a, rate(v))),
         [], ["shape", keyword], [(3.0, 2.0)], [0.0, 1e-100, 0.5, 1.0, 40.0])
rows("inv_gamma", on(positive, inv_gamma), above(0, inv_gamma_cdf), [], ["shape", "scale"],
     [(3.0, 2.0), (0.5, 0.5), (1.0, 7.0), (40.0, 30.0)], [-1.0, 0.0, 0.02, 0.4, 1.0, 5.5, 1e6])
rows("beta", on(lambda x: 0 <= x <= 1, beta), beta_cdf, ["a", "b"], [],
     [(2.0, 5.0), (1.0, 1.0), (1.0, 3.0), (4.0, 1.0), (80.0, 30.0), (3000.0, 2.0)],
     [-0.5, 0.0, 1e-8, 0.2, 0.5, 0.93, 1.0, 1.5])
rows("beta", on(lambda x: 0 <= x <= 1, beta), beta_cdf, ["a", "b"], [], [(0.5, 0.5), (0.1, 2.5)],
     [-1e-3, 1e-12, 0.01, 0.4, 0.75, 0.999])
rows("uniform", lambda x, l, u: 1 / (u - l) if l <= x <= u else mpf(0),
     lambda x, l, u: min(max((x - l) / (u - l), mpf(0)), mpf(1)), ["lower", "upper"], [],
     [(0.0, 1.0), (-1.0, 3.0), (1e5, 1e5 + 1.0), (-1e-6, 1e-6)],
     lambda l, u: [l - 1.0, l, l + 0.25 * (u - l), l + 0.875 * (u - l), u, u + 1.0])
rows("laplace", lambda x, m, b: mp.exp(-abs(x - m) / b) / (2 * b), laplace_cdf, ["loc", "scale"], [],
     [(0.0, 1.0), (2.0, 0.5), (-30.0, 12.0), (0.1, 1e-3)],
     lambda m, s: [m - 600.0 * s, m - 2.0 * s, m, m + 0.1 * s, m + 5.0 * s, m + 1e3 * s])
rows("logistic", logistic, logistic_cdf, ["loc", "scale"], [], [(0.0, 1.0), (2.0, 0.5), (-30.0, 12.0), (0.1, 1e-3)],
     lambda m, s: [m - 600.0 * s, m - 2.0 * s, m, m + 0.1 * s, m + 5.0 * s, m + 1e3 * s])
rows("weibull", on(positive, weibull), above(0, lambda x, k, s: -mp.expm1(-((x / s) ** k))), [], ["shape", "scale"],
     [(1.5, 2.0), (0.5, 1.0), (1.0, 3.0), (8.0, 100.0)], [-1.0, 1e-9, 0.4, 2.0, 7.7, 95.0, 130.0])
rows("weibull", on(positive, weibull), above(0, lambda x, k, s: -mp.expm1(-((x / s) ** k))), [], ["shape", "scale"],
     [(3.0, 2.0)], [0.0, 1e-20, 1.0, 2.5, 10.0])


# Laws derived from the first ones.

def scaled_inv_chi_squared(x, df, s):
    return inv_gamma(x, df / 2, df * s**2 / 2)


def scaled_inv_chi_squared_cdf(x, df, s):
    return inv_gamma_cdf(x, df / 2, df * s**2 / 2)


def triangular(x, l, u, m):
    if not l <= x <= u:
        return mpf(0)
    return 2 / (u - l) * ((x - l) / (m - l) if x < m else (u - x) / (u - m) if x > m else 1)


def triangular_cdf(x, l, u, m):
    if x <= l:
        return mpf(0)
    if x >= u:
        return mpf(1)
    return (x - l) ** 2 / ((u - l) * (m - l)) if x <= m else 1 - (u - x) ** 2 / ((u - l) * (u - m))


def logit_normal(x, m, s):
    return normal(mp.log(x / (1 - x)), m, s) / (x * (1 - x))


def logit_normal_cdf(x, m, s):
    return mpf(0) if x <= 0 else mpf(1) if x >= 1 else normal_cdf(mp.log(x / (1 - x)), m, s)


def exponential_part(x, m, s, r):
    return mp.exp(r * (m - x) + (r * s) ** 2 / 2) * mp.erfc(-((x - m) / s - r * s) / mp.sqrt(2)) / 2


def exp_mod_normal(x, m, s, r):
    return r * exponential_part(x, m, s, r)


def exp_mod_normal_cdf(x, m, s, r):
    with mp.workdps(1500):
        value = normal_cdf(x, m, s) - exponential_part(x, m, s, r)
    return +value


def skew_normal(x, m, s, a):
    return 2 * normal(x, m, s) * normal_cdf(a * (x - m) / s, 0, 1)


def skew_normal_cdf(x, m, s, a):
    """The integral of the density from below or above, whichever is smaller, by pieces of the width of its tail."""
    z, sign = ((x - m) / s, 1) if x <= m else ((m - x) / s, -1)
    density = lambda t: mp.exp(-(t**2) / 2) / mp.sqrt(2 * mp.pi) * mp.erfc(-sign * a * t / mp.sqrt(2))
    unit = 1 / (1 + abs(z) * (1 + a**2 if sign * a > 0 else 1))
    ends = [z - unit * v for v in [0, 1, 2, 4, 7, 10, 15, 25, 40, 60, 90, 150]]
    tail = mp.quad(density, [z - 40] + ends[::-1] if ends[-1] > z - 40 else ends[::-1])
    return tail if sign > 0 else 1 - tail


def von_mises(x, m, k):
    return mp.exp(k * mp.cos(x - m)) / (2 * mp.pi * mp.besseli(0, k)) if abs(x) <= mp.pi else mpf(0)


def von_mises_cdf(x, m, k):
    """The Fourier series of the density, integrated, with digits to spare for what cancels in the tails."""
    if abs(x) >= mp.pi:
        return mpf(x > 0)
    with mp.workdps(int(120 + 2 * k / 3)):
        total, j, i0 = (x + mp.pi) / (2 * mp.pi), 0, mp.besseli(0, k)
        while k > 0:
            j += 1
            ratio = mp.besseli(j, k) / i0
            total += ratio * (mp.sin(j * (x - m)) + mp.sin(j * (mp.pi + m))) / (j * mp.pi)
            if ratio < mpf(10) ** (-mp.dps):
                break
    return +total


rows("chi_squared", on(positive, lambda x, d: gamma(x, d / 2, mpf(1) / 2)),
     above(0, lambda x, d: gamma_cdf(x, d / 2, mpf(1) / 2)), ["df"], [], [(4.0,), (1.0,), (2.0,), (37.5,)],
     [-1.0, 1e-8, 0.3, 1.0, 5.5, 40.0, 200.0])
rows("inv_chi_squared", on(positive, lambda x, d: inv_gamma(x, d / 2, mpf(1) / 2)),
     above(0, lambda x, d: inv_gamma_cdf(x, d / 2, mpf(1) / 2)), ["df"], [], [(4.0,), (1.0,), (2.0,), (37.5,)],
     [-1.0, 0.0, 0.005, 0.03, 0.3, 1.0, 5.5, 1e4])
rows("scaled_inv_chi_squared", on(positive, scaled_inv_chi_squared), above(0, scaled_inv_chi_squared_cdf),
     ["df", "scale"], [], [(4.0, 1.5), (1.0, 0.2), (2.0, 1.0), (37.5, 30.0)],
     lambda d, s: [-1.0, 0.0, 0.02 * s * s, 0.4 * s * s, s * s, 2.3 * s * s, 1e4 * s * s])
rows("gumbel", lambda x, m, s: mp.exp(-(x - m) / s - mp.exp(-(x - m) / s)) / s,
     lambda x, m, s: mp.exp(-mp.exp(-(x - m) / s)), ["loc", "scale"], [], [(0.0, 1.0), (2.5, 0.3), (-30.0, 12.0)],
     lambda m, s: [m - 6.0 * s, m - 3.0 * s, m - 0.7 * s, m, m + 0.3 * s, m + 4.0 * s, m + 38.0 * s, m + 60.0 * s])
rows("pareto", lambda x, s, k: k / s * (s / x) ** (k + 1) if x >= s else mpf(0),
     lambda x, s, k: 1 - (s / x) ** k if x >= s else mpf(0), [], ["scale", "shape"],
     [(1.5, 3.0), (1.0, 0.4), (0.02, 1.0), (1e4, 25.0)],
     lambda s, k: [0.5 * s, s, s * (1 + 2.0**-20), 1.25 * s, 2.0 * s, 7.7 * s, 1e5 * s])
rows("triangular", triangular, triangular_cdf, ["lower", "upper"], ["mode"],
     [(0.0, 10.0, 3.0), (-1.0, 1.0, 0.25), (-50.0, 1e3, 990.0)],
     lambda l, u, m: [l - 1.0, l + 1e-9 * (u - l), l + 0.1 * (u - l), l + 0.45 * (u - l), l + 0.625 * (u - l),
                      u - 1e-3 * (u - l), u + 1.0])
rows("rayleigh", on(positive, lambda x, s: x / s**2 * mp.exp(-(x**2) / (2 * s**2))),
     above(0, lambda x, s: -mp.expm1(-(x**2) / (2 * s**2))), ["scale"], [], [(1.0,), (2.5,), (1e-3,), (40.0,)],
     lambda s: [-s, 0.0, 1e-9 * s, 0.4 * s, 1.1 * s, 3.0 * s, 12.0 * s])
rows("logit_normal", on(lambda x: 0 < x < 1, logit_normal), logit_normal_cdf, ["location", "scale"], [],
     [(0.0, 1.0), (-2.0, 0.3), (3.0, 1.5), (0.5, 4.0)], [-0.5, 0.0, 1e-8, 0.1, 0.2, 0.5, 0.93, 1.0, 1.5])
rows("exp_mod_normal", exp_mod_normal, exp_mod_normal_cdf, ["loc", "sd"], ["rate"],
     [(0.0, 1.0, 1.0), (300.0, 20.0, 0.01), (2.0, 0.5, 30.0), (-1.0, 3.0, 250.0), (0.0, 0.2, 0.5)],
     lambda m, s, r: [m - 30.0 * s, m - 4.0 * s, m - 0.7 * s, m + 0.1 * s, m + 2.5 * s, m + 9.0 * s, m + 9.0 * s + 4.0 / r])
rows("skew_normal", skew_normal, skew_normal_cdf, ["loc", "scale", "shape"], [],
     [(0.0, 1.0, 4.0), (2.5, 0.5, -1.5), (-10.0, 3.0, 0.0), (1.0, 2.0, 0.125), (0.0, 1.0, 50.0)],
     lambda m, s, a: [m - 9.0 * s, m - 2.0 * s, m - 0.5 * s, m, m + 0.125 * s, m + 1.5 * s, m + 6.0 * s])
rows("von_mises", von_mises, von_mises_cdf, ["loc", "concentration"], [],
     [(0.5, 3.0), (0.0, 0.001), (-3.0, 0.25), (1.0, 50.0), (9.5, 2.0)], [-4.0, -3.125, -2.0, -0.3, 0.25, 0.26, 1.0, 3.0, 3.25])
rows("von_mises", von_mises, von_mises_cdf, ["loc", "concentration"], [],
     [(0.25, 640.0)], [0.0, 0.125, 0.26, 0.5, 0.75])
rows("von_mises", von_mises, None, ["loc", "concentration"], [],
     [(0.0, 0.0), (0.25, 5e3)], [-4.0, -3.125, -2.0, -0.3, 0.25, 0.26, 1.0, 3.0, 3.25])
rows("pc_sd", on(nonnegative, lambda x, u, p: -mp.log(p) / u * mp.exp(mp.log(p) / u * x)),
     above(0, lambda x, u, p: -mp.expm1(mp.log(p) / u * x)), [], ["upper", "prob"],
     [(3.0, 0.05), (0.1, 0.5), (40.0, 0.01)], lambda u, p: [-u, 0.0, 1e-6 * u, 0.3 * u, u, 5.0 * u])
rows("beta", on(lambda x: 0 <= x <= 1, lambda x, m, c: beta(x, m * c, (1 - m) * c)),
     lambda x, m, c: beta_cdf(x, m * c, (1 - m) * c), [], ["mean", "concentration"],
     [(0.25, 8.0), (0.5, 2.0), (0.75, 300.0)], [-0.5, 1e-8, 0.2, 0.5, 0.93, 1.0 - 2.0**-10, 1.5])


# Discrete laws, as masses; 0 to the power 0 is 1.

def whole(mass):
    return lambda x, *p: mass(x, *p) if x >= 0 else mpf(0)


def summed(mass):
    def cdf(x, *p):
        if x > LONGEST_SUM:
            return None
        return mp.fsum(mass(mpf(k), *p) for k in range(int(x) + 1))
    return cdf


def binomial(x, n, p):
    return mp.binomial(n, x) * p**x * (1 - p) ** (n - x) if 0 <= x <= n else mpf(0)


def poisson(x, rate):
    return rate**x * mp.exp(-rate) / mp.factorial(x)


def neg_binomial(x, m, c):
    return mp.gamma(x + c) / (mp.gamma(c) * mp.factorial(x)) * (m / (m + c)) ** x * (c / (m + c)) ** c


def probability(logit):
    return mp.exp(logit) / (1 + mp.exp(logit))


def categorical(x, p):
    return p[int(x) - 1] if 1 <= x <= len(p) else mpf(0)


def shares(logits):
    total = mp.fsum(mp.exp(v) for v in logits)
    return [mp.exp(v) / total for v in logits]


def in_words(mass, convert):
    """The law with its last parameter converted."""
    return lambda x, *p: mass(x, *p[:-1], convert(p[-1]))


# Of few trials: more digits than 50 are never lost in 1 - p, except for very large logits.
mp.dps = 80
bernoulli = lambda x, p: binomial(x, mpf(1), p)
rows("bernoulli", bernoulli, summed(bernoulli), ["p"], [], [(0.3,), (0.0,), (1.0,), (1e-20,), (0.5,)], [-1, 0, 1, 2, 5])
rows("bernoulli", in_words(bernoulli, probability), summed(in_words(bernoulli, probability)), [], ["logit"],
     [(0.0,), (-0.8,), (40.0,), (-45.0,), (3.0,)], [-1, 0, 1, 2, 5])
rows("binomial", binomial, summed(binomial), ["n", "p"], [],
     [(10, 0.3), (0, 0.4), (25, 0.0), (7, 1.0), (1000, 0.02), (3, 1e-12)], lambda n, p: [-1, 0, 1, 3, 7, n, n + 1])
rows("binomial", binomial, summed(binomial), ["n", "p"], [], [(1000000, 0.001)], [0, 900, 1000, 1100, 1000000])
rows("binomial", in_words(binomial, probability), summed(in_words(binomial, probability)), ["n"], ["logit"],
     [(10, -0.8), (0, 1.0), (25, 0.0), (7, 45.0), (1000, -3.9)], lambda n, p: [-1, 0, 1, 3, 7, n, n + 1])
rows("poisson", whole(poisson), summed(poisson), ["rate"], [], [(3.5,), (0.0,), (1e-9,), (150.0,), (1.0,), (1e5,)],
     [-1, 0, 1, 2, 12, 160, 100000])
rows("poisson", whole(in_words(poisson, mp.exp)), summed(in_words(poisson, mp.exp)), [], ["log_rate"],
     [(1.2,), (-20.0,), (5.0,), (0.0,)], [-1, 0, 1, 2, 12, 160, 10000])
rows("neg_binomial", whole(neg_binomial), summed(neg_binomial), [], ["mean", "concentration"],
     [(3.5, 2.0), (0.01, 0.1), (120.0, 0.5), (40.0, 75.0), (1e4, 30.0)],
     [-1, 0, 1, 4, 50, 1000, 12345])
# The Poisson limit; the argument of the incomplete beta function is too close to 1 for a cdf.
rows("neg_binomial", whole(neg_binomial), None, [], ["mean", "concentration"], [(5.0, 1e8), (5.0, 1e14), (300.0, 1e10)],
     [-1, 0, 1, 4, 50, 1000])
rows("neg_binomial", whole(lambda x, l, c: neg_binomial(x, mp.exp(l), c)),
     summed(lambda x, l, c: neg_binomial(x, mp.exp(l), c)), [], ["log_mean", "concentration"],
     [(1.2, 2.0), (-8.0, 0.1), (5.0, 0.5), (3.5, 75.0)], [-1, 0, 1, 4, 50, 1000])
rows("neg_binomial", whole(lambda x, l, c: neg_binomial(x, mp.exp(l), c)), None, [], ["log_mean", "concentration"],
     [(1.5, 1e12), (-3.0, 1e7)], [-1, 0, 1, 4, 50, 1000])
rows("categorical", categorical, lambda x, p: mp.fsum(p[: max(int(x), 0)]), ["p"], [],
     [([0.25, 0.5, 0.25],), ([1.0],), ([0.0, 0.75, 0.0, 0.25],), ([0.125, 0.125, 0.25, 0.25, 0.125, 0.125],)],
     lambda p: [0, 1, 2, len(p), len(p) + 1, 7])
rows("categorical", in_words(categorical, shares), lambda x, l: mp.fsum(shares(l)[: max(int(x), 0)]), [], ["logits"],
     [([0.0, 1.5, -0.5],), ([3.0],), ([1000.0, 0.0, 999.0, -1000.0],), ([-2.0, -2.5, 0.3, 0.1],)],
     lambda p: [0, 1, 2, len(p), len(p) + 1, 7])


def beta_binomial(x, n, a, b):
    if not 0 <= x <= n:
        return mpf(0)
    return mp.binomial(n, x) * mp.beta(x + a, n - x + b) / mp.beta(a, b)


def hypergeometric(x, k, f, n):
    if not max(mpf(0), n - f) <= x <= min(n, k):
        return mpf(0)
    return mp.binomial(k, x) * mp.binomial(f, n - x) / mp.binomial(k + f, n)


def uniform_mass(x, l, u):
    return 1 / (u - l + 1) if l <= x <= u else mpf(0)


def ordered(distribution):
    """The mass between neighbouring cutpoints and the cdf of a law of categories 1, 2, …"""
    def cdf(x, e, c):
        return mpf(0) if x < 1 else mpf(1) if x > len(c) else distribution(c[int(x) - 1] - e)

    def mass(x, e, c):
        with mp.workdps(400):
            value = cdf(x, e, c) - cdf(x - 1, e, c) if 1 <= x <= len(c) + 1 else mpf(0)
        return +value
    return mass, cdf


rows("beta_binomial", beta_binomial, summed(beta_binomial), ["n", "a", "b"], [],
     [(10, 2.0, 3.5), (0, 1.0, 1.0), (25, 0.2, 0.3), (60, 40.0, 1.5), (12, 1e9, 3e9)],
     lambda n, a, b: [-1, 0, 1, 3, 7, n, n + 1])
rows("beta_binomial", lambda x, n, m, c: beta_binomial(x, n, m * c, (1 - m) * c),
     summed(lambda x, n, m, c: beta_binomial(x, n, m * c, (1 - m) * c)), ["n"], ["mean", "concentration"],
     [(10, 0.25, 4.0), (30, 0.5, 100.0), (1, 0.75, 2.0)], lambda n, m, c: [-1, 0, 1, 3, n, n + 1])
rows("hypergeometric", hypergeometric, summed(hypergeometric), [], ["successes", "failures", "draws"],
     [(7, 13, 5), (3, 4, 6), (0, 5, 2), (5, 0, 2), (4, 4, 0), (300, 700, 200)],
     lambda k, f, n: [-1, 0, 1, 2, 4, 60, min(n, k), min(n, k) + 1])
rows("hypergeometric", lambda x, N, k, n: hypergeometric(x, k, N - k, n),
     summed(lambda x, N, k, n: hypergeometric(x, k, N - k, n)), [], ["population", "successes", "draws"],
     [(20, 7, 5), (7, 3, 6), (50, 25, 25)], [-1, 0, 1, 2, 3, 12])
rows("geometric", whole(lambda x, p: p * (1 - p) ** x), summed(whole(lambda x, p: p * (1 - p) ** x)), ["p"], [],
     [(0.2,), (1.0,), (0.01,), (0.9,)], [-1, 0, 1, 2, 12, 160, 1000])
rows("discrete_uniform", uniform_mass, lambda x, l, u: min(max((x - l + 1) / (u - l + 1), mpf(0)), mpf(1)),
     ["lower", "upper"], [], [(1, 6), (0, 0), (-3, 4), (10, 200)], lambda l, u: [l - 2, l - 1, l, l + 1, u, u + 1])
for law, distribution in [("ordered_logistic", lambda z: mp.exp(z) / (1 + mp.exp(z))),
                          ("ordered_probit", lambda z: mp.erfc(-z / mp.sqrt(2)) / 2)]:
    rows(law, *ordered(distribution), ["predictor", "cutpoints"], [],
         [(0.3, [-1.0, 0.5, 2.0]), (-6.0, [0.0]), (4.0, [-30.0, -29.0, 0.0, 1e-7, 28.0])],
         lambda e, c: [0, 1, 2, len(c), len(c) + 1, len(c) + 2, 9])


# Laws of vectors.

def dirichlet(x, a):
    if any(v < 0 for v in x) or abs(mp.fsum(x) - 1) > mpf("1e-6"):
        return mpf(0)
    constant = mp.gamma(mp.fsum(a)) / mp.fprod(mp.gamma(v) for v in a)
    return constant * mp.fprod(v ** (c - 1) for v, c in zip(x, a))


def multi_normal(x, m, cov):
    r = mp.matrix(x) - mp.matrix(m)
    s = mp.matrix(cov)
    return mp.exp(-(r.T * s**-1 * r)[0] / 2) / mp.sqrt((2 * mp.pi) ** len(x) * mp.det(s))


def multi_normal_chol(x, m, chol):
    factor = mp.matrix(chol)
    return multi_normal(x, m, (factor * factor.T).tolist())


THREE = [[0.2, 0.3, 0.5], [0.25, 0.25, 0.5], [0.001, 0.9, 0.099], [1e-10, 1e-5, 1 - 1e-5 - 1e-10], [0.5, 0.6, 0.1],
         [1.2, -0.3, 0.1]]
rows("dirichlet", dirichlet, None, ["concentration"], [],
     [([1.0, 2.0, 0.5],), ([0.1, 0.1, 0.1],), ([30.0, 4.0, 12.5],), ([1.0, 1.0, 1.0],)], THREE)
rows("dirichlet", dirichlet, None, ["concentration"], [], [([1.0, 1.0, 1.0],), ([1.0, 3.0, 2.0],)],
     [[0.0, 0.25, 0.75], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
rows("dirichlet", dirichlet, None, ["concentration"], [], [([2.0, 5.0],), ([0.5, 1.0],)],
     [[0.1, 0.9], [0.5, 0.5], [0.75, 0.25], [0.999, 0.001], [1e-9, 1 - 1e-9]])
TWO = [[0.0, 0.0], [0.3, -1.2], [1.0, 2.0], [-40.0, 35.0], [1e3, 1e3]]
rows("multi_normal", multi_normal, None, ["mean"], ["cov"],
     [([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]]), ([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]),
      ([-3.0, 2.5], [[1.0, 0.999], [0.999, 1.0]]), ([0.1, 0.2], [[1e-4, 0.0], [0.0, 1e4]])], TWO)
rows("multi_normal", multi_normal, None, ["mean"], ["cov"],
     [([0.0, 1.0, -1.0], [[4.0, 1.0, -0.5], [1.0, 3.0, 0.25], [-0.5, 0.25, 0.75]])],
     [[0.0, 0.0, 0.0], [1.0, -1.0, 2.0], [0.5, 0.25, -0.125], [10.0, 20.0, -30.0], [-0.1, 0.9, 1.3]])
rows("multi_normal", multi_normal_chol, None, ["mean"], ["chol"],
     [([0.0, 1.0], [[1.5, 0.0], [0.3, 1.0]]), ([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]),
      ([-3.0, 2.5], [[1.0, 0.0], [0.999, 0.05]]), ([0.1, 0.2], [[1e-2, 0.0], [3.0, 1e2]])], TWO)
rows("multi_normal", multi_normal_chol, None, ["mean"], ["chol"], [([0.5], [[3.0]])],
     [[0.5], [0.0], [-7.0], [100.0], [1.25]])


def multinomial(x, n, p):
    if mp.fsum(x) != n or any(v < 0 for v in x):
        return mpf(0)
    return mp.factorial(n) * mp.fprod(q**v / mp.factorial(v) for v, q in zip(x, p))


def dirichlet_multinomial(x, n, a):
    if mp.fsum(x) != n or any(v < 0 for v in x):
        return mpf(0)
    total = mp.fsum(a)
    parts = mp.fprod(mp.gamma(v + c) / (mp.gamma(c) * mp.factorial(v)) for v, c in zip(x, a))
    return mp.factorial(n) * mp.gamma(total) / mp.gamma(n + total) * parts


def random_walk(x, n, sd, start, drift):
    before = [start] + x[:-1]
    return mp.fprod(normal(b, a + drift, sd) for a, b in zip(before, x))


def autoregression(x, n, coefficients, sd, mean):
    """The joint normal law; its covariances solve the Yule-Walker equations."""
    order = len(coefficients)
    equations, right = mp.zeros(order + 1), mp.zeros(order + 1, 1)
    right[0] = sd**2
    for lag in range(order + 1):
        equations[lag, lag] += 1
        for j, phi in enumerate(coefficients):
            equations[lag, abs(lag - j - 1)] -= phi
    gamma = list(mp.lu_solve(equations, right))
    while len(gamma) < len(x):
        gamma.append(mp.fsum(phi * gamma[-1 - j] for j, phi in enumerate(coefficients)))
    cov = [[gamma[abs(i - j)] for j in range(len(x))] for i in range(len(x))]
    return multi_normal(x, [mean] * len(x), cov)


for mass in [multinomial, in_words(multinomial, shares)]:
    is_share = mass is multinomial
    rows("multinomial", mass, None, ["n"] + ["p"] * is_share, ["logits"] * (not is_share),
         [(5, [0.25, 0.5, 0.25] if is_share else [0.5, -1.25, 2.0]), (8, [0.125, 0.125, 0.75] if is_share else [0.0, 0.0, 30.0])],
         lambda n, p: [[n, 0, 0], [0, n, 0], [1, n - 2, 1], [2, 1, n - 3], [0, 2, n - 2], [1, 1, 1], [-1, 1, n]])
rows("multinomial", multinomial, None, ["n", "p"], [], [(3, [0.0, 1.0]), (4, [0.75, 0.25])],
     lambda n, p: [[0, n], [n, 0], [1, n - 1], [2, n - 2], [n, n]])
rows("dirichlet_multinomial", dirichlet_multinomial, None, ["n", "concentration"], [],
     [(5, [1.0, 2.0, 0.5]), (8, [0.1, 0.1, 0.1]), (4, [1e9, 2e9, 1e9])],
     lambda n, p: [[n, 0, 0], [0, n, 0], [1, n - 2, 1], [2, 1, n - 3], [0, 2, n - 2], [1, 1, 1], [-1, 1, n]])
rows("dirichlet_multinomial", dirichlet_multinomial, None, ["n", "concentration"], [], [(6, [30.0, 2.5])],
     lambda n, p: [[n, 0], [0, n], [1, n - 1], [3, n - 3], [n, n]])
rows("gaussian_random_walk", random_walk, None, ["n"], ["sd", "start", "drift"], [(2, 0.5, 0.0, 0.0), (2, 1.5, -3.0, 0.25)],
     TWO)
rows("gaussian_random_walk", random_walk, None, ["n"], ["sd", "start", "drift"], [(3, 2.0, 10.0, 3.0)],
     [[13.0, 16.0, 19.0], [10.0, 10.0, 10.0], [14.5, 15.0, 22.25], [0.0, 1.0, 2.0], [30.0, 8.0, -5.0]])
rows("ar", autoregression, None, ["n"], ["coefficients", "sd", "mean"],
     [(2, [0.6, -0.2], 0.5, 0.0), (2, [-0.9], 1.5, 2.0), (2, [1.2, -0.5, 0.125], 1.0, -1.0)], TWO[:3] + [[-4.0, 3.5], [30.0, 10.0]])
rows("ar", autoregression, None, ["n"], ["coefficients", "sd", "mean"],
     [(3, [0.6, -0.2], 0.5, 10.0), (3, [0.95], 2.0, 0.0), (3, [0.1, 0.2, 0.3], 1.0, 0.5)],
     [[10.0, 10.0, 10.0], [9.0, 10.5, 11.25], [0.5, -1.0, 2.0], [3.0, 8.0, -5.0], [0.1, 0.2, 0.3]])


# Laws of matrices and of vectors on surfaces.

matrix_laws.add(rows)

lines = ",\n".join(json.dumps(row, allow_nan=False) for row in ROWS)
(Path(__file__).parent / "distributions.json").write_text(f"[\n{lines}\n]\n")
print(len(ROWS), "rows of", len({r["law"] for r in ROWS}), "laws")
