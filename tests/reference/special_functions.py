"""Writes runtime/src/math/special_values.rs: special functions by mpmath with 30 digits.

Run: pip install mpmath; python tests/reference/special_functions.py
"""
from pathlib import Path
import mpmath as mp

mp.mp.dps = 40
X = [0.001, 0.1, 0.5, 0.9, 1.3, 2.5, 3.0, 7.7, 12.0, 55.5, 1000.0, 1e6]
Z = [-30.0, -12.5, -6.0, -5.0, -4.9, -2.0, -0.5, 0.0, 0.7, 1.5, 3.0]


def exact(x):
    return mp.mpf(x)


def number(v):
    return mp.nstr(v, 20, min_fixed=0, max_fixed=0).replace("e+", "e")


rows = []


def row(name, args, value):
    text = ", ".join(repr(float(a)) for a in args)
    rows.append(f'close("{name}({text})", {name}({text}), {number(value)});')


for x in X:
    row("lgamma", [x], mp.loggamma(exact(x)))
    row("digamma", [x], mp.psi(0, exact(x)))
    row("trigamma", [x], mp.psi(1, exact(x)))
for x in Z:
    row("normal_cdf", [x], mp.ncdf(exact(x)))
    row("log_normal_cdf", [x], mp.log(mp.ncdf(exact(x))))
    row("logistic", [x], 1 / (1 + mp.exp(-exact(x))))
    row("log1p_exp", [x], mp.log1p(mp.exp(exact(x))))
    if x < 0:
        row("log1m_exp", [x], mp.log(1 - mp.exp(exact(x))))
for p in [1e-300, 1e-20, 0.001, 0.03, 0.25, 0.45, 0.6, 0.99]:
    row("normal_quantile", [p], mp.sqrt(2) * mp.erfinv(2 * exact(p) - 1) if p > 1e-10
        else mp.findroot(lambda t: mp.log(mp.ncdf(t)) - mp.log(exact(p)), -mp.sqrt(-2 * mp.log(p)) + 0.1))
body = "{\n" + "\n".join("    " + r for r in rows) + "\n}\n"
Path(__file__).parents[2].joinpath("runtime/src/math/special_values.rs").write_text(
    "// Written by tests/reference/special_functions.py; included in a test.\n" + body)
