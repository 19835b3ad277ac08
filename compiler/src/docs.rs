//! `likelier doc`: what stands beside the definitions of the library, and what primitives say of themselves. The pages of the
//! manual that list the library are made of the same texts, in [`reference`].

pub mod reference;

use crate::ast;
use crate::ast::tree::{DistributionBody, DistributionItem, ModelItem, Statement, StatementKind};
use crate::check::library::{ALWAYS, FILES, File, Item, Library};
use crate::math::primitive::{DRAWS, Entry, TABLE};
use crate::source::{FileId, foreign, suggest};
use crate::words::WORDS;

/// Functions of the language itself that take whole arrays.
const WHOLES: &[(&str, &str)] = &[
    (
        "sum",
        "sum(x), sum(e for i in 1..N): the sum of all elements; 0 for none.",
    ),
    (
        "prod",
        "prod(x), prod(e for i in 1..N): the product; 1 for none.",
    ),
    (
        "mean",
        "mean(x), mean(e for i in 1..N): the arithmetic mean.",
    ),
    (
        "max",
        "max(a, b), max(x), max(e for i in 1..N): the largest.",
    ),
    (
        "min",
        "min(a, b), min(x), min(e for i in 1..N): the smallest.",
    ),
    (
        "logsumexp",
        "logsumexp(x), logsumexp(e for i in 1..N): log of the sum of exponentials, without overflow.",
    ),
    ("indicator", "indicator(c): 1 where c is true, else 0."),
    (
        "variance",
        "variance(x): the sample variance, divisor n - 1.",
    ),
    ("sd", "sd(x): the sample standard deviation, divisor n - 1."),
    (
        "length",
        "length(x): the number of elements along the first index.",
    ),
    ("rows", "rows(X): the number of rows of a matrix."),
    ("columns", "columns(X): the number of columns of a matrix."),
    ("levels", "levels(f): the number of categories of a factor."),
    ("diagonal", "diagonal(A): the diagonal of a square matrix."),
    (
        "diagonal_matrix",
        "diagonal_matrix(x): the matrix with this diagonal.",
    ),
    ("zeros", "zeros(n), zeros(n, m): an array of zeros."),
    ("ones", "ones(n), ones(n, m): an array of ones."),
    ("identity", "identity(n): the unit matrix."),
    (
        "concatenate",
        "concatenate(a, b, …): numbers and arrays end to end.",
    ),
    ("cumulative_sum", "cumulative_sum(x): x[1], x[1] + x[2], …"),
    (
        "cholesky",
        "cholesky(A): the lower triangular L with L @ L' = A.",
    ),
    (
        "solve_lower",
        "solve_lower(L, b): the x with L @ x = b, L lower triangular.",
    ),
    (
        "solve_lower_transposed",
        "solve_lower_transposed(L, b): the x with L' @ x = b, L lower triangular.",
    ),
    (
        "multi_normal_log_density",
        "multi_normal_log_density(r, cov): the log density of r under a normal with mean 0 and this covariance.",
    ),
    (
        "solve",
        "solve(A, b): the x with A @ x = b, for a vector or a matrix b; impossible (log density -inf) if A is singular.",
    ),
    (
        "solve_spd",
        "solve_spd(A, b): the same for symmetric positive definite A, of which the lower triangle is read.",
    ),
    (
        "inverse",
        "inverse(A): the inverse; rather use `solve` where it is multiplied.",
    ),
    (
        "inverse_spd",
        "inverse_spd(A): the inverse of a symmetric positive definite matrix.",
    ),
    (
        "log_det",
        "log_det(A): the logarithm of the absolute value of the determinant; -inf if A is singular.",
    ),
    (
        "log_det_spd",
        "log_det_spd(A): the log determinant of a symmetric positive definite matrix.",
    ),
    ("determinant", "determinant(A): the determinant."),
    (
        "eigenvalues_sym",
        "eigenvalues_sym(A): the eigenvalues of a symmetric matrix (the lower triangle is read), in increasing order.",
    ),
    (
        "eigenvectors_sym",
        "eigenvectors_sym(A): the eigenvectors of a symmetric matrix, of length 1, as columns in the order of the eigenvalues. In\neach, the first entry with at least half the largest magnitude is positive. No gradient where eigenvalues are equal.",
    ),
    (
        "qr_q",
        "qr_q(A): the thin orthogonal factor of A = Q @ R, with as many columns as A.",
    ),
    (
        "qr_r",
        "qr_r(A): the upper triangular factor of A = Q @ R, with a positive diagonal.",
    ),
    ("sort", "sort(x): the numbers in increasing order."),
    (
        "segment_sum",
        "segment_sum(x, group, K): for each of the groups 1..K the sum of the x[i] with group[i] of that number; 0 for none.",
    ),
    (
        "ode",
        "ode(f, y0, t0, ts, …): the solution of dy/dt = f(t, y, …) with y = y0 at t0, a row for each of the times ts (not\ndecreasing, none before t0). f is the name of a function `fn f(t: real, y: real[K], …) -> real[K]`; what follows ts goes\nto its other parameters. y0, t0, ts and the arguments may be known or unknown: the gradient is that of the solution as\ncomputed.\n\n    fn decline(t: real, y: real[K], rate: real) -> real[K] = -rate * y\n    let z = ode(decline, [y0], 0, ts, rate)\n    y ~ normal(z[, 1], sigma)\n\nThe method is Dormand and Prince's, explicit, of order 5 with steps of adapted length. Settings, by name: rtol=1e-6 and\natol=1e-6, the error allowed in a step, relative and absolute; max_steps=10000, for all steps of one solution. Where more\nwould be needed, or f is not finite, the point is impossible: its log density is -inf. See ode_stiff for what then helps.",
    ),
    (
        "ode_stiff",
        "ode_stiff(f, y0, t0, ts, …): as ode, for stiff equations, in which something dies out much faster than what is of interest\nchanges. The method is implicit (SDIRK of order 4, L-stable): a step costs more than one of ode, and more with more\nstates, but there may be a thousand times fewer.",
    ),
];

/// What stands where a distribution does, and is a form of the language.
const FORMS: &[(&str, &str)] = &[
    (
        "flat",
        "flat(), flat(positive), flat(real in (a, b)), flat(TYPE): log density 0 everywhere on the support. Other types are `real[N]`\n(with bounds too), `simplex[K]`, `ordered[K]`, `positive_ordered[K]`, `unit_vector[K]`, `sum_to_zero[K]`, `corr[K]`,\n`cholesky_corr[K]`, `cov[K]` and `cholesky_cov[K]`. A bound may be infinite for some elements. Improper unless\nbounded, so there is no evidence under it; variables start between -2 and 2 on the unconstrained scale.\n\n    sigma ~ flat(positive)",
    ),
    (
        "mixture",
        "mixture(weights, [d, e, …]), mixture(weights, [d(m[k]) for k in 1..K]): a draw of one of several distributions, chosen\nwith these probabilities. Its log density is the log of the weighted sum of densities.\n\n    y ~ mixture([0.3, 0.7], [normal(0, 1), normal(3, 2)])",
    ),
    (
        "zero_inflated",
        "zero_inflated(p, d): 0 with probability p, else a draw of the distribution of counts d (which may be 0 too).\n\n    y ~ zero_inflated(0.2, poisson(3))",
    ),
    (
        "hurdle",
        "hurdle(p, d): 0 with probability p, else a draw of the distribution of counts d that is not 0.\n\n    y ~ hurdle(0.2, poisson(3))",
    ),
];

/// The documentation of a name.
///
/// # Errors
/// When there is nothing of that name: a sentence with the nearest one.
pub fn doc(name: &str) -> Result<String, String> {
    if let "distributions" | "functions" | "library" | "std" = name {
        return Ok(index());
    }
    let mut found = library(name);
    if let Some((_, text)) = WORDS.iter().find(|word| word.0 == name) {
        found.push(format!("{text}\n"));
    }
    if let Some((_, doc)) = FORMS.iter().chain(WHOLES).find(|entry| entry.0 == name) {
        found.push(format!("{doc}\n"));
    }
    if let Some(entry) = scalars().find(|entry| entry.name == name) {
        found.push(format!("{}\n\n{}\n", signature(entry), entry.doc));
    }
    if let Some(draw) = DRAWS.iter().find(|draw| draw.0 == name) {
        found.push(format!(
            "{name}: {} Only in the `sample` of a distribution.\n",
            draw.3
        ));
    }
    if !found.is_empty() {
        return Ok(found.join("\n"));
    }
    let modules = Library::modules();
    let known = FILES
        .iter()
        .filter(|file| modules.contains(&file.module))
        .flat_map(|file| file.names.iter().copied())
        .chain(FORMS.iter().chain(WHOLES).map(|entry| entry.0))
        .chain(WORDS.iter().map(|word| word.0))
        .chain(scalars().map(|entry| entry.name));
    let known: Vec<&str> = known.collect();
    let help = match foreign::distribution(name) {
        Some(ours) => format!("here it is `{ours}`"),
        None => match (
            suggest::nearest(name, known.iter().copied()),
            containing(name, &known),
        ) {
            (_, Some(names)) => format!("there is {names}"),
            (Some(near), _) => format!("did you mean `{near}`?"),
            _ => "`likelier doc library` lists what there is".to_string(),
        },
    };
    Err(format!(
        "there is no `{name}` in the library\n  help: {help}"
    ))
}

/// What a name of the library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// It stands where a distribution does.
    Distribution,
    /// It is called with arguments.
    Function,
    /// A word of the language: a statement, a type, a modifier.
    Word,
}

/// All names that there are documentation of, sorted.
pub fn names() -> Vec<(&'static str, NameKind)> {
    let modules = Library::modules();
    let kind = |module: &str| match module {
        "distributions" | "priors" => NameKind::Distribution,
        _ => NameKind::Function,
    };
    let library = FILES
        .iter()
        .filter(|file| modules.contains(&file.module))
        .flat_map(|file| file.names.iter().map(|name| (*name, kind(file.module))));
    let mut names: Vec<(&str, NameKind)> = library
        .chain(FORMS.iter().map(|form| (form.0, NameKind::Distribution)))
        .chain(WHOLES.iter().map(|whole| (whole.0, NameKind::Function)))
        .chain(scalars().map(|entry| (entry.name, NameKind::Function)))
        .chain(WORDS.iter().map(|word| (word.0, NameKind::Word)))
        .collect();
    names.sort_by_key(|(name, _)| *name);
    names.dedup_by_key(|(name, _)| *name);
    names
}

/// How a distribution or function of the library is called: `normal(mean: real, sd: positive)`, one for each way.
pub fn signatures(name: &str) -> Vec<String> {
    let without_word = |head: String| match head.split_once(' ') {
        Some(("fn" | "dist" | "model", rest)) => rest.to_string(),
        _ => head,
    };
    let mut found: Vec<String> = Library::file_of(name)
        .map(documented)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.item.name() == name)
        .map(|entry| without_word(entry.head))
        .collect();
    if let Some((_, doc)) = FORMS.iter().chain(WHOLES).find(|entry| entry.0 == name) {
        let head = doc.split(": ").next().unwrap_or(doc);
        found.push(head.to_string());
    }
    found.extend(scalars().find(|entry| entry.name == name).map(signature));
    found
}

/// The functions of numbers that programs may call.
fn scalars() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(|entry| entry.callable)
}

/// `log(real) -> real`
fn signature(entry: &Entry) -> String {
    let word = |ty: &dyn std::fmt::Debug| format!("{ty:?}").to_lowercase();
    let arguments: Vec<String> = entry.arguments.iter().map(|ty| word(ty)).collect();
    let (name, result) = (entry.name, word(&entry.result));
    format!("{name}({}) -> {result}", arguments.join(", "))
}

/// The names of which this one is a part: `lkj` of `lkj_corr` and `lkj_cholesky`.
fn containing(name: &str, known: &[&str]) -> Option<String> {
    let wanted = name.to_lowercase();
    let is_part = |other: &&str| other.split('_').any(|part| part == wanted);
    let mut names: Vec<&str> = known.iter().copied().filter(is_part).collect();
    names.sort_unstable();
    names.dedup();
    let shown: Vec<String> = names
        .iter()
        .take(8)
        .map(|name| format!("`{name}`"))
        .collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// An item of the library as the documentation shows it.
struct Documented {
    item: Item,
    /// The line that defines it, up to its body.
    head: String,
    /// The `##` lines above it.
    doc: String,
}

fn documented(file: &File) -> Vec<Documented> {
    let (tree, _) = ast::parse(FileId(0), file.text);
    let items = tree.statements.into_iter().filter_map(|statement| {
        Some(Documented {
            head: head(file.text, &statement),
            doc: statement.doc.clone().unwrap_or_default(),
            item: Item::of(statement)?,
        })
    });
    items.collect()
}

/// An item on one line: all of it if it is written on one, else up to its type; of another name for a law, the law too.
fn head(text: &str, statement: &Statement) -> String {
    let (start, end) = (statement.span.start as usize, statement.span.end as usize);
    let text = &text[start..end];
    let end = match &statement.kind {
        StatementKind::Function(item) if text.contains('\n') => match item.more.last() {
            Some(last) => last.span.end as usize + 1,
            None => item.result.span.end as usize,
        },
        StatementKind::Distribution(DistributionItem {
            body: DistributionBody::Members(_),
            support,
            ..
        }) => support.span.end as usize,
        StatementKind::Model(ModelItem {
            result: Some(ty), ..
        }) => ty.span.end as usize,
        StatementKind::Model(_) => start + text.find(" {").unwrap_or(text.len()),
        _ => end,
    };
    let text = &text[..end - start];
    text.lines()
        .map(str::trim)
        .fold(String::new(), |all, line| {
            let is_tight = all.is_empty() || all.ends_with('(') || line.starts_with(')');
            all + if is_tight { "" } else { " " } + line
        })
}

fn library(name: &str) -> Vec<String> {
    let Some(file) = Library::file_of(name) else {
        return Vec::new();
    };
    let import = match file.module {
        module if ALWAYS.contains(&module) => String::new(),
        module => format!("import std.{module}\n"),
    };
    documented(file)
        .iter()
        .filter(|entry| entry.item.name() == name)
        .map(|entry| format!("{import}{}\n\n{}\n", entry.head, entry.doc))
        .collect()
}

fn index() -> String {
    let mut text = String::new();
    for module in Library::modules() {
        let mut names: Vec<&str> = FILES
            .iter()
            .filter(|file| file.module == module)
            .flat_map(|file| file.names.iter().copied())
            .collect();
        names.dedup();
        text.push_str(&format!("{module}: {}\n", names.join(" ")));
    }
    let forms: Vec<&str> = FORMS.iter().map(|form| form.0).collect();
    text.push_str(&format!("forms: {}\n", forms.join(" ")));
    let wholes: Vec<&str> = WHOLES.iter().map(|whole| whole.0).collect();
    text.push_str(&format!("arrays: {}\n", wholes.join(" ")));
    let scalars: Vec<&str> = scalars().map(|entry| entry.name).collect();
    text.push_str(&format!("numbers: {}\n", scalars.join(" ")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_language_are_explained() {
        for word in [
            "factor",
            "given",
            "truncated",
            "censored",
            "ordered",
            "kernels",
            "simplex",
            "report",
        ] {
            assert!(doc(word).is_ok_and(|text| text.contains(word)), "{word}");
        }
    }

    #[test]
    fn names_have_kinds_and_signatures() {
        let names = names();
        for (name, kind) in [
            ("normal", NameKind::Distribution),
            ("mixture", NameKind::Distribution),
            ("exp", NameKind::Function),
            ("mean", NameKind::Function),
            ("truncated", NameKind::Word),
        ] {
            assert!(names.contains(&(name, kind)), "{name}");
        }
        assert!(names.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(signatures("exp"), ["exp(real) -> real"]);
        assert!(
            signatures("normal")[0].starts_with("normal(mean: real"),
            "{:?}",
            signatures("normal")
        );
        assert!(signatures("mean")[0].starts_with("mean(x)"));
        assert_eq!(signatures("gamma").len(), 2);
        assert!(signatures("nothing").is_empty());
    }

    #[test]
    fn what_is_nearly_a_name_is_said() {
        for (name, help) in [
            ("lkj", "there is `lkj_cholesky`, `lkj_corr`"),
            ("MvNormal", "here it is `multi_normal"),
            ("cholesk", "did you mean `cholesky`?"),
            ("zzz", "`likelier doc library` lists"),
        ] {
            let said = doc(name).expect_err("nothing of this name");
            assert!(said.contains(help), "{said}");
        }
    }

    #[test]
    fn a_signature_ends_with_its_type() {
        let text = doc("squared_exponential").expect("a kernel");
        let head = text
            .lines()
            .find(|line| line.starts_with("fn "))
            .expect("a signature");
        assert!(head.ends_with("real[N, M]"), "{head}");
        let text = doc("hypergeometric").expect("a law");
        let heads: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("dist "))
            .collect();
        assert!(heads[0].starts_with("dist hypergeometric(; successes: int in 0..inf, failures"));
        assert!(heads[0].ends_with("min(draws, successes)"), "{heads:?}");
        assert!(heads[1].ends_with("draws=draws)"), "{heads:?}");
    }
}
