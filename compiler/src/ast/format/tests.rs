//! What is formatted means the same, and stays as it is when formatted again: random programs of the whole grammar with
//! spaces, ends of lines and comments at every place that takes them; and the layout itself, by example.

mod programs;

use likelier_runtime::random::{Purpose, Stream};

use super::super::parse;
use super::{Failure, WIDTH, format};
use crate::source::FileId;
use programs::Programs;

fn formatted(text: &str) -> String {
    match format(FileId(0), text) {
        Ok(formatted) => formatted,
        Err(failure) => panic!("{failure:?}\n{text}"),
    }
}

/// A tree without the places of its nodes. This is another way than that of the formatter itself.
fn tree(text: &str) -> String {
    let (tree, diagnostics) = parse(FileId(0), text);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}\n{text}");
    let shown = format!("{tree:?}");
    let mut parts = shown.split("Span {");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |all, part| {
        all + part.split_once('}').map_or("", |(_, rest)| rest)
    })
}

/// The numbers of the comments in a random program.
fn comments(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .split("# comment ")
        .skip(1)
        .map(|rest| {
            rest.split_once("; with (brackets {")
                .expect("a whole comment")
                .0
        })
        .collect();
    found.sort_unstable();
    found
}

#[test]
fn a_thousand_programs_keep_their_meaning() {
    let mut seen = String::new();
    for seed in 0..1000 {
        let mut programs = Programs::new(Stream::new(seed, Purpose::Test, 0));
        let text = programs.program();
        let once = formatted(&text);
        assert_eq!(
            tree(&text),
            tree(&once),
            "program {seed}\n{text}\n-----\n{once}"
        );
        assert_eq!(once, formatted(&once), "program {seed}\n{text}");
        assert_eq!(
            comments(&text),
            comments(&once),
            "program {seed}\n{text}\n-----\n{once}"
        );
        for line in once.lines() {
            assert_eq!(line, line.trim_end(), "program {seed}");
        }
        assert!(
            !once.contains("\n\n\n") && !once.starts_with('\n'),
            "program {seed}"
        );
        seen.push_str(&tree(&once));
    }
    for form in [
        "Given",
        "levels: Some",
        "column: Some",
        "default: Some",
        "Let {",
        "LetTuple",
        "Random",
        "Over {",
        "At(",
        "Observe",
        "Factor",
        "Require",
        "Soft",
        "weight: Some",
        "is_joint: true",
        "Report",
        "For {",
        "If {",
        "Var",
        "Assign",
        "Return",
        "Function",
        "more: [Type",
        "keyword_only: true",
        "Distribution(Dist",
        "Members",
        "Same",
        "Model",
        "Import {",
        "ImportFile",
        "Truncated",
        "Censored",
        "Ordered",
        "Type(Type",
        "bounds: Some",
        "Real",
        "Integer",
        "Boolean",
        "Label(",
        "Negate",
        "Not",
        "Call",
        "Method",
        "Index",
        "All",
        "Range(",
        "Transpose",
        "Array",
        "Comprehension",
        "Reduction",
        "Tuple",
        "Compare",
        "Penalty",
        "Implies",
        "Near",
        "Joint",
        "Normalised",
        "tail: Some",
        "freedom: Some",
        "doc: Some",
        "Add",
        "Subtract",
        "Multiply",
        "Divide",
        "Power",
        "MatrixMultiply",
        "Less",
        "GreaterEqual",
        "NotEqual",
        "And",
        "Or",
    ] {
        assert!(seen.contains(form), "no program has `{form}`");
    }
}

#[test]
fn words_that_mean_nothing_by_themselves_change() {
    let text = "# a\n\n\n\n  mu~normal( 0,10 ) ;tau  ~half_normal(  1,)# b\n\nlet a=-  x ^ -2*( y+z )[ i,,2 .. N ]'\n\n\n";
    let wanted = "# a\n\nmu ~ normal(0, 10)\ntau ~ half_normal(1)  # b\n\nlet a = -x^-2 * (y + z)[i, , 2..N]'\n";
    assert_eq!(formatted(text), wanted);
}

#[test]
fn what_is_long_is_broken_at_its_brackets_or_operators() {
    let text = "\
y[i in 1..N] ~ normal(sum(beta[k] * x[i]^(k - 1) for k in 1..degree + 1) + intercept[group[i]] * 1.5, sqrt(sigma2))
let total = first_quantity_of_many * second_quantity + third_quantity * fourth_quantity - fifth_quantity_of_many
fn curve(x: real[N], beta: real[K]) -> real[N] = [sum(beta[k] * x[i]^(k - 1) for k in 1..K) for i in 1..N, j in 1..N]
let numbers = [1.25, 2.5, 3.75, 4.25, 5.5, 6.75, 7.25, 8.5, 9.75, 10.25, 11.5, 12.75, -13.25, 14.5, 15.75, 16.5]
soft near: total_of_everything_that_was_measured ~= total_of_everything_that_was_expected within 0.5 for i in 1..N
let choice = if a_long_condition_of_many_words > 0 { the_first_of_two_values + 1 } else { the_second_of_two_values - 1 }
dist many(n: int in 0..inf; coefficients: real[P], sd: positive, mean: real = 0, shape: positive, rate: positive) on real[n] = ar(n)
";
    let wanted = "\
y[i in 1..N] ~ normal(
  sum(beta[k] * x[i]^(k - 1) for k in 1..degree + 1) + intercept[group[i]] * 1.5,
  sqrt(sigma2)
)
let total =
  first_quantity_of_many * second_quantity
  + third_quantity * fourth_quantity
  - fifth_quantity_of_many
fn curve(x: real[N], beta: real[K]) -> real[N] =
  [sum(beta[k] * x[i]^(k - 1) for k in 1..K) for i in 1..N, j in 1..N]
let numbers = [
  1.25, 2.5, 3.75, 4.25, 5.5, 6.75, 7.25, 8.5, 9.75, 10.25, 11.5, 12.75, -13.25, 14.5, 15.75, 16.5
]
soft near:
  total_of_everything_that_was_measured
  ~= total_of_everything_that_was_expected within 0.5 for i in 1..N
let choice = if a_long_condition_of_many_words > 0 {
  the_first_of_two_values + 1
} else {
  the_second_of_two_values - 1
}
dist many(
  n: int in 0..inf;
  coefficients: real[P],
  sd: positive,
  mean: real = 0,
  shape: positive,
  rate: positive
) on real[n] = ar(n)
";
    assert_eq!(formatted(text), wanted);
    assert!(wanted.lines().all(|line| line.chars().count() <= WIDTH));
}

#[test]
fn blocks_and_comments_stay_where_they_are() {
    let text = "\
#!/usr/bin/env likelier
## What it is.

## What x is.
given x: real[N]  # metres
for i in 1..N { y[i] ~ normal(x[i], 1) }
for i in 1..N {
  # above
  z[i] ~ normal(
    # first
    x[i],  # behind
    1
  )

  let a[i] = z[i]
  # below
}
if N > 2 {
  factor 1
} else {
  factor 2  # two
}
# the end
";
    assert_eq!(formatted(text), text);
}

#[test]
fn ends_of_lines_of_other_systems_go() {
    assert_eq!(
        formatted("\u{feff}mu ~ normal(0, 1)\r\n\r\n\r\n# c\r\nreport mu"),
        "mu ~ normal(0, 1)\n\n# c\nreport mu\n"
    );
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n\n# only this\n\n"), "# only this\n");
}

#[test]
fn what_is_wrong_is_left_alone() {
    let failure = format(FileId(0), "mu ~ normal(0,\nlet a = 1\n");
    assert!(matches!(failure, Err(Failure::Syntax(errors)) if errors.len() == 1));
}

#[test]
fn deep_and_long_programs_are_formatted() {
    let deep = format!("let a = {}1{}", "(".repeat(200), ")".repeat(200));
    assert_eq!(tree(&deep), tree(&formatted(&deep)));
    let long = format!("let a = 1{}", " + 1".repeat(5000));
    assert_eq!(formatted(&long).lines().count(), 5002);
}
