"""Evidence by Likelier and its peers on four problems with known answers, on one machine in one run.

    pip install dynesty ultranest pymc pocomc numpy scipy
    cargo build --release
    python benches/peers/evidence.py target/release/likelier [dynesty] [ultranest] [pymc] [pocomc]

Prints the error against the truth, the claimed standard error, seconds of wall time (compilation included, ours and
PyMC's; Python's imports not) and evaluations of the likelihood (ours: log density with gradient). All run with their
defaults: PyMC's `sample_smc` with four chains of 2000 draws, whose spread is its error; pocoMC on the unit cube. The
problems and their truths are those of tests/evidence.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy import stats

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "evidence"


def problem(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def eight_schools():
    data = problem("eight_schools")
    y, s = np.array(data["data"]["y"]), np.array(data["data"]["s"])

    def prior(u):
        tau = 5 * np.tan(np.pi * u[1] / 2)
        mu = 5 * stats.norm.ppf(u[0])
        return np.concatenate([[mu, tau], mu + tau * stats.norm.ppf(u[2:])])

    constant = -0.5 * np.log(2 * np.pi) * len(y) - np.log(s).sum()
    return "eight_schools", data["data"], data["truth"]["log_evidence"], 10, prior, (
        lambda q: constant - 0.5 * (((y - q[2:]) / s) ** 2).sum()
    )


def mixture():
    data = problem("finite_mixture_2")
    y = np.array(data["data"]["y"])

    def likelihood(q):
        parts = np.log([q[0], 1 - q[0]])[:, None] + stats.norm.logpdf(y, q[1:, None], 1)
        return np.logaddexp(parts[0], parts[1]).sum()

    prior = lambda u: np.concatenate([u[:1], 3 * stats.norm.ppf(u[1:])])
    return "finite_mixture_2", data["data"], data["truth"]["log_evidence"], 3, prior, likelihood


def polynomial():
    data = problem("polynomial_order")
    x, y = np.array(data["data"]["x"]), np.array(data["data"]["y"])
    design = x[:, None] ** np.arange(4)
    truth = next(v["log_evidence"] for v in data["truth"]["variants"] if v["name"] == "hard_3")

    def prior(u):
        sigma2 = stats.invgamma.ppf(u[0], 2, scale=0.2)
        return np.concatenate([[sigma2], np.sqrt(100 * sigma2) * stats.norm.ppf(u[1:])])

    def likelihood(q):
        r = y - design @ q[1:]
        return -0.5 * len(y) * np.log(2 * np.pi * q[0]) - 0.5 * (r @ r) / q[0]

    given = {"x": x.tolist(), "y": y.tolist(), "degree": 3, "shrink": 1.0}
    return "polynomial", given, truth, 5, prior, likelihood


def shells():
    variant = problem("gaussian_shells")["truth"]["variants"][1]
    shells, dimension = variant["shells"], variant["dim"]

    def likelihood(q):
        logs = []
        for shell in shells:
            d = np.sqrt((q[0] - shell["centre_x1"]) ** 2 + (q[1:] ** 2).sum())
            w = shell["width"]
            logs.append(-0.5 * np.log(2 * np.pi * w * w) - 0.5 * ((d - shell["radius"]) / w) ** 2)
        return np.logaddexp(*logs)

    given = {
        "D": dimension,
        "centre": [s["centre_x1"] for s in shells],
        "radius": [s["radius"] for s in shells],
        "width": [s["width"] for s in shells],
    }
    return "gaussian_shells", given, variant["log_evidence"], dimension, (lambda u: 12 * u - 6), likelihood


def pymc_model(name, data):
    """The same model in PyMC."""
    import pymc as pm

    given = {key: np.array(value) for key, value in data.items()}
    with pm.Model() as model:
        if name == "eight_schools":
            mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
            theta = pm.Normal("theta", mu, tau, shape=len(given["y"]))
            pm.Normal("y", theta, given["s"], observed=given["y"])
        elif name == "finite_mixture_2":
            w, mu = pm.Dirichlet("w", np.ones(2)), pm.Normal("mu", 0, 3, shape=2)
            pm.NormalMixture("y", w, mu, sigma=1, observed=given["y"])
        elif name == "polynomial":
            variance = pm.InverseGamma("variance", 2, 0.2)
            beta = pm.Normal("beta", 0, 10 * pm.math.sqrt(variance), shape=4)
            mean = (given["x"][:, None] ** np.arange(4)) @ beta
            pm.Normal("y", mean, pm.math.sqrt(variance), observed=given["y"])
        else:
            theta = pm.Uniform("theta", -6, 6, shape=int(given["D"]))
            rest = (theta[1:] ** 2).sum()
            logs = []
            for centre, radius, width in zip(given["centre"], given["radius"], given["width"]):
                distance = pm.math.sqrt((theta[0] - centre) ** 2 + rest)
                logs.append(pm.logp(pm.Normal.dist(radius, width), distance))
            pm.Potential("shells", pm.math.logaddexp(*logs))
    return model


def pymc(name, data):
    import logging

    import pymc as pm
    from pymc.smc.kernels import IMH

    class Counting(IMH):
        stats_dtypes_shapes = IMH.stats_dtypes_shapes | {"evaluations": (int, [])}

        def sample_stats(self):
            return super().sample_stats() | {"evaluations": self.draws * self.n_steps}

    logging.getLogger("pymc").setLevel(logging.ERROR)
    start = time.time()
    with pymc_model(name, data):
        found = pm.sample_smc(
            kernel=Counting, chains=4, random_seed=1, progressbar=False, compute_convergence_checks=False
        ).sample_stats
    seconds = time.time() - start
    chains = [stages[-1] for stages in found["log_marginal_likelihood"].values.tolist()]
    evaluations = sum(np.nansum(np.array(stages, float)) for stages in found["evaluations"].values.tolist())
    evaluations += 4 * 2000
    return np.mean(chains), np.std(chains, ddof=1) / 2, seconds, int(evaluations), ""


def pocomc(dimension, prior, likelihood):
    import pocomc

    cube = pocomc.Prior([stats.uniform(0, 1)] * dimension)
    sampler = pocomc.Sampler(cube, lambda u: likelihood(prior(u)), random_state=1)
    start = time.time()
    sampler.run(progress=False)
    value, error = sampler.evidence()
    return value, error, time.time() - start, sampler.calls, ""


def likelier(binary, model, data, method):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(data, file)
        file.flush()
        start = time.time()
        command = [binary, "evidence", FOLDER / f"{model}.ppl", file.name, "--json", "--no-progress", "--method", method]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        seconds = time.time() - start
    evaluations = sum(e["evaluations"] for e in found["estimators"].values())
    return found["log_evidence"], found["se"], seconds, evaluations, found["verdict"]


def dynesty(dimension, prior, likelihood):
    import dynesty

    sampler = dynesty.NestedSampler(likelihood, prior, dimension, nlive=500, rstate=np.random.default_rng(1))
    start = time.time()
    sampler.run_nested(print_progress=False)
    found = sampler.results
    return found.logz[-1], found.logzerr[-1], time.time() - start, int(np.sum(found.ncall)), ""


def ultranest(dimension, prior, likelihood):
    import logging

    import ultranest

    logging.getLogger("ultranest").setLevel(logging.ERROR)
    np.random.seed(1)
    names = [f"q{i}" for i in range(dimension)]
    sampler = ultranest.ReactiveNestedSampler(names, likelihood, prior)
    start = time.time()
    found = sampler.run(show_status=False, viz_callback=False, max_ncalls=2_000_000)
    return found["logz"], found["logzerr"], time.time() - start, found["ncall"], ""


def main():
    binary = sys.argv[1]
    peers = sys.argv[2:] or ["dynesty", "ultranest", "pymc", "pocomc"]
    print("| problem | method | error | claimed | seconds | evaluations | verdict |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for make in [eight_schools, mixture, polynomial, shells]:
        model, data, truth, dimension, prior, likelihood = make()
        runs = [
            ("likelier, both", lambda: likelier(binary, model, data, "both")),
            ("likelier, SMC", lambda: likelier(binary, model, data, "smc")),
        ]
        if "dynesty" in peers:
            runs.append(("dynesty, 500 live", lambda: dynesty(dimension, prior, likelihood)))
        if "ultranest" in peers:
            runs.append(("UltraNest", lambda: ultranest(dimension, prior, likelihood)))
        if "pymc" in peers:
            runs.append(("PyMC, sample_smc", lambda: pymc(model, data)))
        if "pocomc" in peers:
            runs.append(("pocoMC", lambda: pocomc(dimension, prior, likelihood)))
        for name, run in runs:
            value, error, seconds, evaluations, verdict = run()
            off = "–" if value is None else f"{value - truth:+.3f}"
            claimed = "–" if error is None else f"{error:.3f}"
            print(f"| {model}, d = {dimension} | {name} | {off} | {claimed} | {seconds:.2f} | {evaluations} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
