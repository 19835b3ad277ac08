"""Writes tests/reference/soft_constraints.json: log potentials of soft constraints on x and their slopes, by mpmath.

Near zero, where a potential leaves 1, and 1e8 scales away.

Run: pip install mpmath; python tests/reference/soft_constraints.py
"""
import json
from pathlib import Path
import mpmath as mp

mp.mp.dps = 400
CORE = mp.mpf("1e-3")


def equal(z):
    return -z * z / 2, -z


def student(z, nu=4):
    return -mp.mpf(nu + 1) / 2 * mp.log1p(z * z / nu), -(nu + 1) * z / (nu + z * z)


def laplace(z):
    root = mp.sqrt(z * z + CORE**2)
    return CORE - root, -z / root


def below(z):
    """x < 0, z = x / within"""
    return -mp.log1p(mp.exp(z)), -1 / (1 + mp.exp(-z))


def above(z):
    value, slope = below(-z)
    return value, -slope


def penalty(z):
    return -z * z, -2 * z


def opposite(p):
    value, slope = p
    return mp.log(-mp.expm1(value)), slope / -mp.expm1(-value)


def both(p, q):
    return p[0] + q[0], p[1] + q[1]


def either(p, q):
    value = mp.log(mp.exp(p[0]) + mp.exp(q[0]) - mp.exp(p[0] + q[0]))
    slope = (mp.exp(p[0]) * p[1] * -mp.expm1(q[0]) + mp.exp(q[0]) * q[1] * -mp.expm1(p[0])) / mp.exp(value)
    return value, slope


def weighted(w, p):
    return w * p[0], w * p[1]


# The scale is 0.5 everywhere.
FORMULAS = {
    "x ~= 0 within 0.5": equal,
    "x ~= 0 within 0.5 tail student(4)": student,
    "x ~= 0 within 0.5 tail laplace": laplace,
    "x < 0 within 0.5": below,
    "x > 0 within 0.5": above,
    "penalty (x / 0.5)^2": penalty,
    "not (x ~= 0 within 0.5)": lambda z: opposite(equal(z)),
    "not (x < 0 within 0.5)": lambda z: opposite(below(z)),
    "not penalty (x / 0.5)^2": lambda z: opposite(penalty(z)),
    "x ~= 0 within 0.5 and x < 0 within 0.5": lambda z: both(equal(z), below(z)),
    "x ~= 0 within 0.5 or x < 0 within 0.5": lambda z: either(equal(z), below(z)),
    "x < 0 within 0.5 or x > 0 within 0.5": lambda z: either(below(z), above(z)),
    "x ~= 0 within 0.5 or x ~= 0 within 0.5": lambda z: either(equal(z), equal(z)),
    "x < 0 within 0.5 implies x ~= 0 within 0.5": lambda z: either(above(z), equal(z)),
    "not (x ~= 0 within 0.5 or x < 0 within 0.5)": lambda z: both(opposite(equal(z)), above(z)),
    "x ~= 0 within 0.5 weight 2.5": lambda z: weighted(mp.mpf("2.5"), equal(z)),
}

rows = []
for text, formula in FORMULAS.items():
    for x in [-1e8, -300.0, -3.0, -0.4, -1e-8, 1e-8, 0.4, 3.0, 300.0, 1e8]:
        z = mp.mpf(x) / mp.mpf("0.5")
        value, slope = formula(z)
        slope = slope / mp.mpf("0.5")
        rows.append([text, x, float(value), float(slope)])
lines = ",\n".join("  " + json.dumps(row) for row in rows)
Path(__file__).with_suffix(".json").write_text("[\n" + lines + "\n]\n")
