"""Compiled models under another sampler: the NUTS of nutpie (the PyMC developers', in Rust) calls the C interface of
`likelier compile MODEL DATA -o model.so` through ctypes; its moments are compared with those of `likelier run`.

    pip install nutpie
    cargo build --release
    python benches/peers/compiled.py target/release/likelier

Prints means, standard deviations and their differences in standard errors, and ends with code 1 if any mean is more than
4.5 standard errors from the other.
"""

import ctypes
import json
import pathlib
import subprocess
import sys
import tempfile
from ctypes import POINTER, c_char_p, c_double, c_int, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np
import nutpie

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
MODELS = ["eight_schools", "varying_slopes", "epidemic"]


class Model:
    """A compiled model. Every thread needs a state of its own: `new_state`."""

    def __init__(self, path):
        library = ctypes.CDLL(str(path))
        numbers = POINTER(c_double)
        for name, result, arguments in [
            ("interface_version", c_uint32, []),
            ("dimension", c_size_t, []),
            ("parameter_count", c_size_t, []),
            ("output_name", c_char_p, [c_size_t]),
            ("new", c_void_p, []),
            ("log_density", c_double, [c_void_p, numbers, numbers, numbers, numbers]),
            ("constrain", None, [c_void_p, numbers, numbers]),
            ("prior_draw", None, [c_void_p, c_uint64, c_uint64, numbers]),
        ]:
            function = getattr(library, "likelier_" + name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        assert self.interface_version() == 1
        self.names = [self.output_name(i).decode() for i in range(self.parameter_count())]

    def new_state(self):
        state = self.new()
        if not state:
            sys.exit("this processor lacks the instructions of the library: compile it with --cpu portable")
        return state


def address(array):
    return array.ctypes.data_as(POINTER(c_double))


def sample(model, seed):
    """Chains by draws by constrained values."""

    def make_log_density():
        state, gradient = model.new_state(), np.empty(model.dimension())

        def log_density(position):
            position = np.ascontiguousarray(position)
            value = model.log_density(state, address(position), None, address(gradient), None)
            return value, gradient.copy()

        return log_density

    def make_constrain(seed1, seed2, chain):
        state, values = model.new_state(), np.empty(len(model.names))

        def constrain(position):
            position = np.ascontiguousarray(position)
            model.constrain(state, address(position), address(values))
            return {"values": values.copy()}

        return constrain

    def start(seed):
        """A prior draw at which the posterior has a density."""
        state, position = model.new_state(), np.empty(model.dimension())
        for number in range(1000):
            model.prior_draw(state, seed, number, address(position))
            if np.isfinite(model.log_density(state, address(position), None, None, None)):
                return position
        sys.exit("no start found")

    compiled = nutpie.compiled_pyfunc.from_pyfunc(
        model.dimension(),
        make_log_density,
        make_constrain,
        [np.dtype(np.float64)],
        [(len(model.names),)],
        ["values"],
        make_initial_point_fn=start,
    )
    trace = nutpie.sample(compiled, draws=2000, tune=1000, chains=4, seed=seed, progress_bar=False)
    return np.asarray(trace.posterior["values"])


def standard_error(draws, batch=80):
    """Of the mean, by the means of batches within chains."""
    means = draws.reshape(-1, batch).mean(axis=1)
    return means.std(ddof=1) / np.sqrt(len(means))


def main(likelier):
    worst = 0.0
    for name in MODELS:
        files = [str(EXAMPLES / f"{name}.ppl"), str(EXAMPLES / f"{name}.json")]
        with tempfile.TemporaryDirectory() as folder:
            library, summary = pathlib.Path(folder, "model.so"), pathlib.Path(folder, "summary.json")
            subprocess.run([likelier, "compile", *files, "-o", library, "--quiet"], check=True)
            options = ["--draws", "2000", "--quiet", "--summary-json", summary]
            subprocess.run([likelier, "run", *files, *options], check=True)
            ours = json.loads(summary.read_text())["parameters"]
            model = Model(library)
            draws = sample(model, 3)
        print(f"{name}\n{'':16}{'mean':>10}{'nutpie':>10}{'sd':>10}{'nutpie':>10}{'z':>7}")
        for k, variable in enumerate(model.names):
            theirs, row = draws[:, :, k], ours[variable]
            error = standard_error(theirs)
            # What cannot vary must be the same.
            error = np.hypot(row["mcse_mean"] or 0.0, error) or 1e-12
            z = (row["mean"] - theirs.mean()) / error
            worst = max(worst, abs(z))
            print(
                f"{variable:16}{row['mean']:10.4f}{theirs.mean():10.4f}{row['sd']:10.4f}{theirs.std():10.4f}{z:7.2f}"
            )
    print(f"largest difference {worst:.2f} standard errors")
    return int(worst > 4.5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
