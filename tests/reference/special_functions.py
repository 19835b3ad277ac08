"""Writes tests/reference/special_functions.txt: special functions and their derivatives by mpmath.

Each line: name, arguments, value, and the size that errors are measured against (the value itself, where it keeps its
relative accuracy; near a zero that is not at a round argument, a number of the function's own size). `f'i` is the
derivative of `f` in its argument i, counted from 0.

Run: pip install mpmath; python tests/reference/special_functions.py [family ...]
With families only their rows are computed again.
"""
import sys
from pathlib import Path
import mpmath as mp

mp.mp.dps = 50
FILE = Path(__file__).with_name("special_functions.txt")
SMALLEST, LARGEST = mp.mpf("1e-290"), mp.mpf("1e300")
rows = []


def row(name, args, value, scale=None):
    """A row, unless the value is outside the range of floats with full accuracy."""
    scale = abs(value) if scale is None else abs(scale)
    if value == 0 or SMALLEST < abs(value) < LARGEST:
        text = " ".join(repr(float(a)) for a in args)
        rows.append(f"{name} {text} {mp.nstr(value, 20)} {mp.nstr(scale, 3)}")


def exact(*args):
    return [mp.mpf(a) for a in args]


def elementary():
    for x in [-745.0, -30.0, -12.5, -4.9, -2.0, -0.5, -1e-9, 0.0, 0.7, 1.5, 3.0, 40.0]:
        y = mp.mpf(x)
        row("logistic", [x], 1 / (1 + mp.exp(-y)))
        row("log1p_exp", [x], mp.log1p(mp.exp(y)))
        if x < 0:
            row("log1m_exp", [x], mp.log1p(-mp.exp(y)))


    for a in [-1e16, -800.0, -36.0, -5.0, -0.9, -0.1, -1e-8, -1e-20]:
        for b in [-1e16, -802.0, -20.0, -0.7, -1e-3, -1e-17]:
            x, y = exact(a, b)
            with mp.workdps(120):
                value = mp.log(mp.exp(x) + mp.exp(y) - mp.exp(x + y))
                slope = mp.exp(x - value) * -mp.expm1(y)
            row("log_or", [a, b], value)
            if slope > 1e-290:
                row("log_or'0", [a, b], slope)


def complete_gamma():
    for x in [1e-300, 1e-8, 0.001, 0.1, 0.5, 0.9, 1.3, 2.5, 3.0, 7.7, 12.0, 55.5, 1000.0, 1e6, 1e15, -0.5, -3.7]:
        y = mp.mpf(x)
        row("lgamma", [x], mp.log(abs(mp.gamma(y))) if x < 0 else mp.loggamma(y))
        row("digamma", [x], mp.psi(0, y))
        row("trigamma", [x], mp.psi(1, y))


def normal():
    for x in [-38.0, -30.0, -12.5, -6.0, -5.0, -4.9, -2.0, -0.5, -1e-9, 0.0, 0.7, 1.5, 3.0, 8.0]:
        y = mp.mpf(x)
        density = mp.exp(-y * y / 2) / mp.sqrt(2 * mp.pi)
        row("erf", [x], mp.erf(y))
        row("erfc", [x], mp.erfc(y))
        row("normal_cdf", [x], mp.ncdf(y))
        row("normal_cdf'0", [x], density)
        row("log_normal_cdf", [x], mp.log1p(-mp.ncdf(-y)) if x > 0 else mp.log(mp.ncdf(y)))
        row("log_normal_cdf'0", [x], density / mp.ncdf(y))
    for p in [1e-300, 1e-20, 0.001, 0.03, 0.25, 0.45, 0.6, 0.99, 1 - 1e-12]:
        q = mp.mpf(p)
        start = -mp.sqrt(-2 * mp.log(q)) + 0.1 if p < 1e-10 else mp.sqrt(2) * mp.erfinv(2 * q - 1)
        row("normal_quantile", [p], mp.findroot(lambda t: mp.log(mp.ncdf(t)) - mp.log(q), start))


def modified_bessel():
    orders = [0.0, 1e-3, 0.5, 1.0, 2.3, 11.5, 24.9, 25.0, 100.0, 1234.5]
    xs = [1e-12, 1e-3, 0.1, 0.7, 2.0, 2.1, 13.0, 29.9, 30.1, 77.0, 300.0, 650.0]
    for v in orders:
        for x in xs + [1e4, 1e9]:
            if x > 650 and v > 30:
                continue  # the general algorithms take forever
            w, y = exact(v, x)
            i, above = mp.besseli(w, y), mp.besseli(w + 1, y)
            log_i, log_slope = mp.log(i), w / y + above / i
            k, above = mp.besselk(w, y), mp.besselk(w + 1, y)
            log_k, log_k_slope = mp.log(k), w / y - above / k
            if x <= 650:
                row("bessel_i", [v, x], mp.exp(log_i))
                row("bessel_i'1", [v, x], mp.exp(log_i) * log_slope)
                row("bessel_k", [v, x], mp.exp(log_k))
                row("bessel_k'1", [v, x], mp.exp(log_k) * log_k_slope)
            relative = v == 0 and x < 30
            row("log_bessel_i", [v, x], log_i, None if relative else max(abs(log_i), 1))
            row("log_bessel_i'1", [v, x], log_slope)
            row("log_bessel_k", [v, x], log_k, max(abs(log_k), 1))
            row("log_bessel_k'1", [v, x], log_k_slope)
    for v, x in [(0.0, -2.5), (1.0, -2.5), (3.0, -40.0)]:
        row("bessel_i", [v, x], mp.re(mp.besseli(v, mp.mpf(x))))
        row("bessel_i'1", [v, x], mp.re(mp.besseli(v, mp.mpf(x), derivative=1)))


def ordinary_bessel():
    """Near zeros errors are measured against the amplitude, the root of J² + Y², or sqrt(2 / pi x) if that is larger."""
    for v in [0.0, 0.3, 0.5, 1.0, 2.8, 10.0, 24.6, 120.4, 1000.0]:
        for x in [1e-9, 0.01, 0.7, 1.99, 2.0, 3.3, 9.0, 14.7, 24.9, 25.1, 60.0, 130.0, 999.0, 2500.0, 1e5, 1e9]:
            if v * v > 50 * x and x > 1e4:
                continue
            w, y = exact(v, x)
            j, k = mp.besselj(w, y), mp.bessely(w, y)
            j_slope = w / y * j - mp.besselj(w + 1, y)
            k_slope = w / y * k - mp.bessely(w + 1, y)
            falls = v > x or x < 1
            row("bessel_j", [v, x], j, None if falls else max(abs(j), mp.sqrt(2 / mp.pi / y)))
            row("bessel_j'1", [v, x], j_slope, None if falls else max(abs(j_slope), mp.sqrt(2 / mp.pi / y)))
            row("bessel_y", [v, x], k, None if v > x else max(abs(k), mp.sqrt(2 / mp.pi / y)))
            row("bessel_y'1", [v, x], k_slope, None if v > x else max(abs(k_slope), mp.sqrt(2 / mp.pi / y)))
    for v, x in [(0.0, -2.5), (1.0, -40.0)]:
        row("bessel_j", [v, x], mp.re(mp.besselj(v, mp.mpf(x))))


def owens_t():
    for h in [0.0, 1e-6, 0.3, 1.0, 1.7, 5.5, 20.0, 36.0, -1.3]:
        for a in [1e-9, 0.01, 0.3, 1.0, 1.1, 10.0, 1e6, -0.6, -3.0]:
            g, b = exact(h, a)
            # Absolute errors are what `quad` looks at: factor out the exponential.
            integrand = lambda x: mp.exp(-g * g * x * x / 2) / (1 + x * x)
            end = abs(b) if g == 0 else min(abs(b), 16 / abs(g))
            points = [0] + [p for p in [0.03, 0.1, 0.3, 1, 3, 10, 40, 100, 1000, 1e4, 1e5] if p < end] + [end]
            value = mp.sign(b) * mp.exp(-g * g / 2) * mp.quad(integrand, points) / (2 * mp.pi)
            row("owens_t", [h, a], value)
            row("owens_t'0", [h, a], -mp.exp(-g * g / 2) / mp.sqrt(2 * mp.pi) * mp.erf(g * b / mp.sqrt(2)) / 2)
            row("owens_t'1", [h, a], mp.exp(-g * g * (1 + b * b) / 2) / (2 * mp.pi * (1 + b * b)))


def tail(log_density, weight, x, end):
    """The integral of weight times density between x and an end of its range (an infinite one as a large number), where
    the density falls from x on."""
    sign = 1 if end > x else -1
    start = log_density(x)
    # Stretches that double from the scale on which the density falls.
    step = mp.mpf("1e-12") * abs(end - x)
    while start - log_density(x + sign * step) < 1 and 2 * step < abs(end - x):
        step *= 2
    points = [x]
    while abs(points[-1] - x) + step < abs(end - x) and start - log_density(points[-1]) < 120:
        points.append(points[-1] + sign * step)
        step *= mp.mpf("1.5")
    if start - log_density(points[-1]) < 120:
        points.append(end)
    integrand = lambda t: mp.exp(log_density(t) - start) * weight(t)
    return mp.exp(start) * mp.quad(integrand, points) * sign


def incomplete_gamma():
    shapes = [1e-10, 1e-3, 0.1, 0.49, 1.0, 3.3, 9.9, 10.1, 59.0, 61.0, 300.0, 1e5, 1e9]
    for a in shapes:
        points = {1e-10, 0.3, 1.0, 20.0, 300.0} if a < 70 else set()
        points |= {a * f for f in [0.01, 0.3, 0.7, 0.97, 1.0, 1.04, 1.5, 3.0]} if a < 1e3 else set()
        points |= {a + z * a ** 0.5 for z in [-20.0, -6.0, -1.5, -0.01, 0.6, 3.0, 12.0, 25.0]} if a > 50 else set()
        for x in sorted(points):
            if x < 1e-11:
                continue
            b, y = exact(a, x)
            if a < 70:
                lower, upper = (mp.gammainc(b, *ends, regularized=True) for ends in ((0, y), (y, mp.inf)))
                with mp.workdps(80):
                    slope = mp.diff(lambda c: mp.gammainc(c, y, regularized=True) if y > b else
                                    -mp.gammainc(c, 0, y, regularized=True), b) * -1
            else:
                log_density = lambda t: (b - 1) * mp.log(t) - t - mp.loggamma(b)
                weight = lambda t: mp.log(t) - mp.psi(0, b)
                end = mp.mpf(0) + mp.mpf(a) * mp.mpf("1e-6") if y < b else y * 10
                one, slope = (tail(log_density, w, y, end) for w in (lambda t: 1, weight))
                lower, upper = (one, 1 - one) if y < b else (1 - one, one)
                slope = slope if y < b else -slope
            row("gamma_p", [a, x], lower)
            row("gamma_q", [a, x], upper)
            row("gamma_p'0", [a, x], slope)
            row("gamma_q'0", [a, x], -slope)


def incomplete_beta():
    points = [1e-12, 1e-3, 0.1, 0.3, 0.5, 0.8, 0.97, 1 - 1e-9]
    shapes = [1e-8, 0.01, 0.5, 1.0, 2.7, 9.9, 10.1, 61.0, 250.0]
    cases = [(a, b, x) for a in shapes for b in shapes for x in points]
    for a, b in [(1e4, 2e4), (1e8, 1e8), (3e5, 0.5), (2.5, 4e6), (1e9, 1e3)]:
        mean, sd = a / (a + b), (a * b / (a + b) ** 2 / (a + b)) ** 0.5
        cases += [(a, b, mean + z * sd) for z in [-15, -4, -0.7, 0.01, 1.2, 5, 20] if 0 < mean + z * sd < 1]
    for i, (a, b, x) in enumerate(cases):
        if max(a, b) < 1e4 and i % 3:
            continue
        c, d, y = exact(a, b, x)
        if max(a, b) < 1e4:
            above = y > c / (c + d)

            def value(c, d):
                if above:
                    return -mp.betainc(d, c, 0, 1 - y, regularized=True)
                return mp.betainc(c, d, 0, y, regularized=True)
            with mp.workdps(90):
                lower = value(c, d) + (1 if above else 0)
                slopes = [mp.diff(lambda c: value(c, d), c), mp.diff(lambda d: value(c, d), d)]
        else:
            constant = mp.loggamma(c + d) - mp.loggamma(c) - mp.loggamma(d)
            log_density = lambda t: (c - 1) * mp.log(t) + (d - 1) * mp.log1p(-t) + constant
            below = y < c / (c + d)
            end = mp.mpf("1e-60") if below else 1 - mp.mpf("1e-45")
            gap = mp.psi(0, c) - mp.psi(0, c + d), mp.psi(0, d) - mp.psi(0, c + d)
            one, first, second = (tail(log_density, w, y, end) for w in (
                lambda t: 1, lambda t: mp.log(t) - gap[0], lambda t: mp.log1p(-t) - gap[1]))
            lower = one if below else 1 - one
            slopes = [first, second] if below else [-first, -second]
        row("beta_inc", [a, b, x], lower)
        row("beta_inc'0", [a, b, x], slopes[0])
        row("beta_inc'1", [a, b, x], slopes[1])


FAMILIES = [elementary, complete_gamma, normal, incomplete_gamma, incomplete_beta, modified_bessel, ordinary_bessel, owens_t]

chosen = sys.argv[1:] or [family.__name__ for family in FAMILIES]
known = {}
if FILE.exists():
    for line in FILE.read_text().splitlines():
        if line.startswith("# "):
            known[line[2:]] = current = []
        elif line:
            current.append(line)
text = []
for family in FAMILIES:
    if family.__name__ in chosen or family.__name__ not in known:
        rows = []
        family()
        known[family.__name__] = rows
    text += ["# " + family.__name__] + known[family.__name__]
FILE.write_text("\n".join(text) + "\n")
