"""Writes runtime/tests/arviz_figures.json: small sets of draws with ArviZ's figures for them.

Run: pip install 'arviz<1' numpy; python tests/reference/arviz_figures.py
"""
import json
from pathlib import Path

import arviz as az
import numpy as np

rng = np.random.default_rng(20260101)


def autoregressive(chains, draws, rho, shift=0.0):
    x = np.zeros((chains, draws))
    for c in range(chains):
        x[c, 0] = rng.normal()
        for t in range(1, draws):
            x[c, t] = rho * x[c, t - 1] + np.sqrt(1 - rho**2) * rng.normal()
    x[0] += shift
    return x


cases = {
    "independent": rng.normal(size=(4, 100)),
    "slow": autoregressive(4, 150, 0.9),
    "antithetic": autoregressive(4, 100, -0.6),
    "shifted": autoregressive(4, 100, 0.3, shift=1.5),
    "heavy": rng.standard_cauchy(size=(2, 101)),
    "counts": rng.poisson(1.3, size=(4, 60)).astype(float),
}
out = {"written_by": f"tests/reference/arviz_figures.py, ArviZ {az.__version__}", "cases": []}
for name, x in cases.items():
    x = np.round(x, 4)
    e = np.diff(x, axis=1) ** 2
    out["cases"].append({
        "name": name,
        "draws": x.tolist(),
        "rhat": float(az.rhat(x)),
        "ess_bulk": float(az.ess(x, method="bulk")),
        "ess_tail": float(az.ess(x, method="tail")),
        "mcse_mean": float(az.mcse(x, method="mean")),
        "quantiles": [float(q) for q in np.quantile(x, [0.05, 0.5, 0.95])],
        "bfmi": [float(b) for b in az.bfmi(x)],
    })
text = json.dumps(out)
Path(__file__).parents[2].joinpath("runtime/tests/arviz_figures.json").write_text(text.replace('{"name"', '\n{"name"') + "\n")
