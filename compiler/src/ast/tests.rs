//! The parser on programs of the language, and on what is none.

use super::*;

fn parsed(text: &str) -> Tree {
    let (tree, diagnostics) = parse(FileId(0), text);
    assert!(diagnostics.is_empty(), "{text}\n{diagnostics:#?}");
    tree
}

fn errors(text: &str) -> Vec<Diagnostic> {
    parse(FileId(0), text).1
}

#[test]
fn a_first_model() {
    let tree = parsed(
        "## Eight schools.\n\ngiven sigma: positive[J]  # a covariate\n\nmu  ~ normal(0, 5)\ntau ~ half_cauchy(5)\n\
         theta[1..J]      ~ normal(mu, tau)\ny[j in 1..J]     ~ normal(theta[j], sigma[j])\n\
         report spread = max(theta) - min(theta)\n",
    );
    assert_eq!(tree.statements.len(), 6);
    let StatementKind::Random { indices, .. } = &tree.statements[4].kind else {
        panic!("{tree:?}")
    };
    assert!(matches!(&indices[0], RandomIndex::Over { name: Some(name), .. } if name.text == "j"));
}

#[test]
fn every_statement() {
    let tree = parsed(
        "given x: real[N] from \"Sepal.Length\"\ngiven s: positive = 2.5\ngiven county: factor[N]; given k: int in 1..3\n\
         let a = -x[1]^2 +\n  3\n  - 4\nlet b[2] = [1, 2]' @ [i * j for i in 1..3, j in 1..N]\n\
         z[1..K] ~ normal(0, 1) truncated(0, inf)\nw[1..3] ~ normal(0, 1) ordered\n\
         for t in 2..T { q[t] ~ normal(q[t-1], s); if t > 3 and not (t == 5) { let c = X[, 2] } else { let c = X[1] } }\n\
         observe log(y) ~ bernoulli(logit=a)\nfactor normal(0, 1).log_density(2)\nrequire a < b\nreport a\nreport r = sum(e for e in 1..3)\n\
         f ~ flat(real in (0, 1 - a))\nimport std.kernels\nlet d = if a > 0 { 1 } else if a < -1 { 2 } else { 3 }\n",
    );
    assert_eq!(tree.statements.len(), 17);
}

#[test]
fn functions_and_distributions() {
    let tree = parsed(
        "## The area.\nfn area(r: real, n: int) -> real {\n  var s = 0.0\n  for i in 1..n { s = s + r }\n  return s\n}\n\
         fn f(x: real) -> real = x^-2\n\
         dist gamma(; shape: positive, rate: positive) on positive {\n  log_density(x) = shape * log(x)\n    - rate * x\n\n  sample() {\n    return random_gamma(shape) / rate\n  }\n}\n\
         dist exponential(; mean: positive) on positive = exponential(rate=1 / mean)\n",
    );
    assert_eq!(tree.statements.len(), 4);
    assert_eq!(tree.statements[0].doc.as_deref(), Some("The area."));
    let StatementKind::Distribution(item) = &tree.statements[2].kind else {
        panic!("{tree:?}")
    };
    assert!(item.parameters.iter().all(|p| p.keyword_only));
    assert!(matches!(&item.body, DistributionBody::Members(members) if members.len() == 2));
}

#[test]
fn a_choice_on_several_lines_ends_no_constraint() {
    let tree =
        parsed("soft near: (if N > 2 {\n  x\n} else {\n  y\n}) ~= 0 within 1 tail laplace\n");
    assert_eq!(tree.statements.len(), 1);
    parsed("if N > 2 { soft a: x < 1 within 2 } else { y ~ normal(0, 1) ordered }\n");
}

#[test]
fn precedence() {
    let tree = parsed("let a = -x^2 * y + z < 3 or not b and c");
    let StatementKind::Let { value, .. } = &tree.statements[0].kind else {
        panic!()
    };
    let ExpressionKind::Binary {
        operator: BinaryOperator::Or,
        left,
        right,
    } = &*value.kind
    else {
        panic!("{value:?}")
    };
    assert!(matches!(
        &*left.kind,
        ExpressionKind::Binary {
            operator: BinaryOperator::Less,
            ..
        }
    ));
    assert!(matches!(
        &*right.kind,
        ExpressionKind::Binary {
            operator: BinaryOperator::And,
            ..
        }
    ));
}

#[test]
fn one_mistake_hides_nothing() {
    let (tree, diagnostics) = parse(
        FileId(0),
        "mu <- normal(0, 1)\nlet a = (1 + 2\nlet b = 3\ny ~ normal(mu 1)\nlet c = 4\n",
    );
    assert_eq!(diagnostics.len(), 3, "{diagnostics:#?}");
    assert_eq!(tree.statements.len(), 2, "{tree:#?}");
}

#[test]
fn nonsense_is_answered() {
    assert!(errors("").is_empty());
    let deep = format!("let a = {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(errors(&deep).len(), 1);
    assert_eq!(
        errors(&format!("let a = {}1", "-".repeat(100_000))).len(),
        1
    );
    assert_eq!(
        errors(&format!("let a = 1{}", "+1".repeat(100_000))).len(),
        1
    );
    let mut state = 1u64;
    let noise: String = (0..1_000_000)
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            char::from((state >> 56) as u8)
        })
        .collect();
    let count = errors(&noise).len();
    assert!((1..=MOST_ERRORS).contains(&count));
    assert!(!errors("let a = 99999999999999999999").is_empty());
}
