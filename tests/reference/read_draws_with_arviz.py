"""Reads draws that Likelier wrote with ArviZ, and compares ArviZ's own figures with the summary that Likelier wrote.

This is the check that `-o draws.csv` is CmdStan's layout as others read it, and that every number in
`--summary-json` is what a second implementation computes from the same draws.

    python -m venv /tmp/arviz && /tmp/arviz/bin/pip install "arviz<1"      # written with arviz 0.23
    likelier run MODEL DATA -o draws.csv --summary-json summary.json
    /tmp/arviz/bin/python tests/reference/read_draws_with_arviz.py summary.json draws_*.csv

Exits with 1 and says what differs, if anything does.
"""

import json
import math
import re
import sys

import arviz as az
import numpy as np

TOLERANCE = {"rhat": 1e-8, "ess_bulk": 1e-6, "ess_tail": 1e-6, "mcse_mean": 1e-6, "mcse_sd": 1e-6}


def figures(draws):
    """ArviZ's summary of one quantity; `draws` has shape (chains, draws)."""
    q5, q50, q95 = np.quantile(draws, [0.05, 0.5, 0.95])
    return {
        "mean": draws.mean(),
        "sd": draws.std(ddof=1),
        "mcse_mean": az.mcse(draws, method="mean"),
        "mcse_sd": az.mcse(draws, method="sd"),
        "q5": q5,
        "q50": q50,
        "q95": q95,
        "rhat": az.rhat(draws),
        "ess_bulk": az.ess(draws, method="bulk"),
        "ess_tail": az.ess(draws, method="tail"),
    }


def quantity(posterior, name):
    """The draws behind a name such as `X[2,1]`, whose indices begin at 1."""
    match = re.fullmatch(r"([^\[]+)(?:\[([0-9,\]\[]+)\])?", name)
    variable, index = match.group(1), match.group(2)
    indices = [] if index is None else [int(i) - 1 for i in re.findall(r"[0-9]+", index)]
    return posterior[variable.replace(".", "_")].values[(slice(None), slice(None), *indices)]


def differences(parameters, posterior):
    for name, row in parameters.items():
        draws = quantity(posterior, name)
        if np.ptp(draws) == 0 or not np.all(np.isfinite(draws)):
            continue
        for key, theirs in figures(draws).items():
            ours = row[key]
            scale = max(abs(theirs), row["sd"] if key in ("mean", "q5", "q50", "q95") else 0.0)
            if ours is None or not math.isclose(ours, theirs, rel_tol=0, abs_tol=TOLERANCE.get(key, 1e-9) * scale):
                yield f"{name} {key}: {ours} here, {theirs} in ArviZ"


def main(summary_path, draw_paths):
    with open(summary_path, encoding="utf-8") as file:
        summary = json.load(file)
    number = lambda path: int(re.search(r"_([0-9]+)\.[^.]*$", path).group(1))
    data = az.from_cmdstan(posterior=sorted(draw_paths, key=number))
    chains, draws = data.posterior.sizes["chain"], data.posterior.sizes["draw"]
    problems = list(differences(summary["parameters"], data.posterior))
    steps = [chain["leapfrog_steps"] for chain in summary["chains"]]
    if list(data.sample_stats["n_steps"].sum("draw").values) != steps:
        problems.append("the leapfrog steps differ")
    if int(data.sample_stats["diverging"].sum()) != summary["health"]["divergences"]:
        problems.append("the number of divergences differs")
    if len(summary["chains"]) != chains or summary["chains"][0]["draws"] != draws:
        problems.append("the number of chains or draws differs")
    for problem in problems:
        print(problem)
    print(f"{len(summary['parameters'])} quantities, {chains} chains of {draws} draws: "
          + (f"{len(problems)} differences" if problems else "all figures agree with ArviZ"))
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
