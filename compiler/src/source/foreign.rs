//! Names of distributions in other systems, and what they are here. People arrive knowing Stan, PyMC, NumPyro, R or SciPy;
//! a message that names the thing they meant is worth more than the nearest spelling.

/// What another system's distribution is written as here; `None` if it is not known.
pub fn distribution(name: &str) -> Option<&'static str> {
    let folded: String = name
        .chars()
        .filter(|c| *c != '_')
        .flat_map(char::to_lowercase)
        .collect();
    let ours = match folded.as_str() {
        "gaussian" | "norm" | "dnorm" => "normal(mean, sd)",
        "halfnormal" | "halfgaussian" | "halfnorm" => "half_normal(scale)",
        "halfcauchy" => "half_cauchy(scale)",
        "halfstudentt" | "halft" => "half_student_t(df, scale)",
        "t" | "student" | "studentst" | "studentt" | "dt" => "student_t(df, loc, scale)",
        "lognorm" | "dlnorm" | "lognormal" => "lognormal(loc, scale)",
        "doubleexponential" | "doubleexp" => "laplace(loc, scale)",
        "inversegamma" | "invgamma" | "invgam" => "inv_gamma(shape=…, scale=…)",
        "mvnormal" | "mvnorm" | "multivariatenormal" | "multinormal" | "mvn" | "dmnorm" => {
            "multi_normal(mean, cov=…)"
        }
        "multinormalcholesky" | "mvnormalcholesky" => "multi_normal(mean, chol=…)",
        "bernoullilogit" | "bernoullilogits" => "bernoulli(logit=…)",
        "binomiallogit" => "binomial(n, logit=…)",
        "categoricallogit" | "categoricallogits" => "categorical(logit=…)",
        "poissonlog" => "poisson(log_rate=…)",
        "negativebinomial" | "negbin" | "negbinomial" | "nbinom" | "negativebinomial2"
        | "negbinomial2" | "gammapoisson" => "neg_binomial(mean=…, concentration=…)",
        "negbinomial2log" | "negativebinomial2log" => "neg_binomial(mean=exp(…), concentration=…)",
        "expon" | "dexp" => "exponential(rate=…)",
        "unif" | "dunif" => "uniform(lower, upper)",
        "dgamma" => "gamma(shape=…, rate=…)",
        "dbeta" => "beta(a, b)",
        "dbern" => "bernoulli(p)",
        "dbin" | "dbinom" => "binomial(n, p)",
        "dpois" => "poisson(rate)",
        "improperuniform" => "flat()",
        _ => return None,
    };
    Some(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_systems_are_known() {
        let known = [
            "MvNormal",
            "InverseGamma",
            "HalfNormal",
            "NegativeBinomial2",
            "dnorm",
        ];
        assert!(known.iter().all(|name| distribution(name).is_some()));
        assert_eq!(distribution("banana"), None);
    }
}
