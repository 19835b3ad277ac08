//! What the words of the language mean, for `likelier doc`: statements, types and modifiers, which have no definition to
//! stand beside.

/// A word, and what is said of it.
pub(crate) const WORDS: [(&str, &str); 24] = [
    (
        "given",
        "given x: real[N], given s: positive = 2.5\n\nA covariate or setting: it must be in the data unless it has a default, which --set s=1 overrides. A size such as N\nthat is met here first is the length found in the data. `from` names a column that is no word.\n\n    given weight: positive[N]\n    given width: real[N] from \"Sepal.Width\"",
    ),
    (
        "let",
        "let a = e, let a[t] = e\n\nA value computed from others. Inside a loop `let a[t] = …` defines one element, and each element is defined once.\n\n    let mu = alpha + beta * x",
    ),
    (
        "observe",
        "observe e ~ d(…)\n\nConditions on the value of an expression.\n\n    observe y[1] - y[2] ~ normal(0, 0.1)",
    ),
    (
        "factor",
        "factor e (a statement): adds e to the log density, as it is.\n\n    factor -0.5 * sum((beta - 1)^2)\n\nfactor[N] (a type): labelled categories. The labels of the data, sorted, are counted from 1; `levels(f)` is their number,\nan array indexed by f has the value of each row's category. Columns that name the same things share their labels with\n`levels`.\n\n    given city: factor[N]\n    a[1..levels(city)] ~ normal(0, 1)\n    y ~ normal(a[city], 1)\n    given neighbour: factor[N] levels city",
    ),
    (
        "require",
        "require c\n\nA hard constraint: the density is zero where c is false.\n\n    require a < b",
    ),
    (
        "soft",
        "soft NAME: a ~= b within s, soft NAME: a < b within s, soft NAME: penalty e\n\nA soft constraint: a potential between 0 and 1 that multiplies the prior. `within` is the scale on which it may be\nviolated, in the units of what is compared. `and`, `or`, `not` and `implies` combine comparisons; `tail student(nu)` and\n`tail laplace` forgive large residuals; `weight w` multiplies the log; `for i in a..b` repeats it.\n\n    soft rising: f[i] <= f[i + 1] within 0.1 for i in 1..N - 1\n    soft budget: sum(w) ~= 1 within 0.02\n    soft either: (a ~= 0 within 0.1) or (b ~= 0 within 0.1)",
    ),
    (
        "report",
        "report r = e, report a\n\nA derived quantity that is kept with every draw; with a name alone, a value that `let` defines.\n\n    report ratio = a / b",
    ),
    (
        "for",
        "for i in a..b { … }\n\nA loop; both ends are included, and there is no round if b < a.\n\n    for t in 2..length(y) { y[t] ~ normal(phi * y[t - 1], sigma) }",
    ),
    (
        "if",
        "if c { … } else { … }\n\nA choice between statements, or between values: `let a = if c { 1 } else { 2 }`.",
    ),
    (
        "fn",
        "fn f(x: real, n: int) -> real = e, fn f(…) -> real { … return e }\n\nA function. Parameters after `;` must be named in calls. Inside, `var` values may change.\n\n    fn decay(t: real; rate: positive) -> real = exp(-rate * t)",
    ),
    (
        "dist",
        "dist d(…) on SUPPORT { log_density(x) = …  sample() = … }\n\nA distribution of your own; with `cdf(x)` it can be truncated. `dist d(…) = other(…)` is another parametrisation.",
    ),
    (
        "import",
        "import std.kernels\n\nBrings a module of the library into scope. Distributions and link functions are always in scope; `likelier doc library`\nlists the modules.",
    ),
    (
        "truncated",
        "d(…) truncated(lo, hi)\n\nThe distribution cut to lo..hi and normalised again; -inf and inf leave a side open. It needs a cdf.\n\n    sigma ~ normal(0, 1) truncated(0, inf)",
    ),
    (
        "censored",
        "d(…) censored(lo, hi)\n\nA value at a bound or beyond it means \"there or beyond\", and counts with that probability; -inf and inf censor nothing.\nBounds may differ by element. It needs a cdf, and applies to what is observed.\n\n    y[i in 1..N] ~ weibull(shape=2, scale=s) censored(-inf, end[i])",
    ),
    (
        "ordered",
        "x[1..K] ~ d(…) ordered: draws in increasing order, normalised (K! for identical draws).\n\n    c[1..3] ~ normal(0, 5) ordered\n\nordered[K] (a type): strictly increasing vectors, as in `flat(ordered[K])`.",
    ),
    (
        "simplex",
        "simplex[K] (a type): K nonnegative numbers with sum 1.\n\n    p ~ dirichlet([1.0, 1.0, 1.0])",
    ),
    (
        "positive",
        "positive (a type): reals above 0; positive[N] an array of them.",
    ),
    (
        "nonnegative",
        "nonnegative (a type): reals of 0 or more; nonnegative[N] an array of them.",
    ),
    (
        "unit",
        "unit (a type): reals between 0 and 1; unit[N] an array of them.",
    ),
    (
        "real",
        "real, real[N], real[N, K] (types): numbers, arrays, matrices. `real in (a, b)` lies between bounds.",
    ),
    (
        "int",
        "int, int[N] (types): whole numbers, written without a point. `int in 1..K` lies between bounds.",
    ),
    (
        "bool",
        "bool (a type): true or false. `indicator(c)` makes 1 or 0 of it.",
    ),
    (
        "kernels",
        "import std.kernels\n\nCovariance functions of Gaussian processes. Add a little to the diagonal before factorising:\n\n    let K = add_diagonal(squared_exponential(x, x, sd=1.0, scale=0.5), 1e-6)",
    ),
    (
        "..",
        "a..b (a range): from a to b, both ends included; empty if b < a.",
    ),
];
