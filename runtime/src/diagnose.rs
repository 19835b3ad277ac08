//! How far draws can be trusted: rank-normalised split R-hat, bulk and tail effective sample sizes, Monte Carlo standard
//! errors (Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021), E-BFMI (Betancourt 2016), and what they mean in words.
//! Autocovariances are computed lag by lag and only as far as Geyer's criterion looks; where it looks far, all at once.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::math::special::normal_quantile;

/// Summary of one quantity over all chains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Mean of all draws.
    pub mean: f64,
    /// Standard deviation (divisor n − 1).
    pub sd: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse_mean: f64,
    /// Monte Carlo standard error of the standard deviation.
    pub mcse_sd: f64,
    /// 5 % quantile.
    pub q5: f64,
    /// Median.
    pub q50: f64,
    /// 95 % quantile.
    pub q95: f64,
    /// Rank-normalised split R-hat, the larger of bulk and folded; NaN for a constant.
    pub rhat: f64,
    /// Bulk effective sample size; NaN for a constant.
    pub ess_bulk: f64,
    /// Tail effective sample size; NaN for a constant.
    pub ess_tail: f64,
}

/// A quantity whose draws differ by less than this share of their size is constant.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// Summarises one quantity; one vector of draws per chain, of equal lengths.
pub fn summarise(chains: &[Vec<f64>]) -> Summary {
    let all: Vec<f64> = chains.iter().flatten().copied().collect();
    let n = all.len() as f64;
    let mean = all.iter().sum::<f64>() / n;
    let squares: f64 = all.iter().map(|x| (x - mean) * (x - mean)).sum();
    let sd = (squares / (n - 1.0)).sqrt();
    let mut sorted = all.clone();
    sorted.sort_by(f64::total_cmp);
    let [q5, q50, q95] = [0.05, 0.5, 0.95].map(|p| quantile(&sorted, p));
    // What is constant but for rounding has no spread of its own, and no chains that could disagree.
    let ends = sorted.first().zip(sorted.last());
    let constant = ends.is_some_and(|(low, high)| {
        low == high
            || (high - low).is_finite() && high - low <= ROUNDING * low.abs().max(high.abs())
    });
    // One draw says nothing of the spread.
    let none = if all.len() > 1 { 0.0 } else { f64::NAN };
    let (mean, sd) = match constant {
        true => (q50, none),
        false => (mean, sd),
    };
    let short = chains.iter().any(|chain| chain.len() < FEWEST_DRAWS);
    if constant || short || all.iter().any(|x| !x.is_finite()) {
        let nan = f64::NAN;
        let mcse = if constant { none } else { nan };
        return Summary {
            mean,
            sd,
            mcse_mean: mcse,
            mcse_sd: mcse,
            q5,
            q50,
            q95,
            rhat: nan,
            ess_bulk: nan,
            ess_tail: nan,
        };
    }
    let split = split(chains);
    let normal = rank_normalised(&split);
    let median = q50;
    let folded: Vec<Vec<f64>> = split
        .iter()
        .map(|chain| chain.iter().map(|x| (x - median).abs()).collect())
        .collect();
    let below = |q: f64| -> Vec<Vec<f64>> {
        split
            .iter()
            .map(|chain| chain.iter().map(|&x| f64::from(x <= q)).collect())
            .collect()
    };
    let squared: Vec<Vec<f64>> = split
        .iter()
        .map(|chain| chain.iter().map(|x| (x - mean) * (x - mean)).collect())
        .collect();
    let variance = squares / n;
    let fourth = squared.iter().flatten().map(|s| s * s).sum::<f64>() / n;
    let variance_of_variance = (fourth - variance * variance) / effective_size(&squared);
    Summary {
        mean,
        sd,
        mcse_mean: sd / effective_size(&split).sqrt(),
        mcse_sd: (variance_of_variance / variance / 4.0).sqrt(),
        q5,
        q50,
        q95,
        rhat: f64::max(rhat(&normal), rhat(&rank_normalised(&folded))),
        ess_bulk: effective_size(&normal),
        ess_tail: f64::min(effective_size(&below(q5)), effective_size(&below(q95))),
    }
}

/// E-BFMI of one chain: how much of the energy's spread one momentum refreshment explores.
pub fn e_bfmi(energies: &[f64]) -> f64 {
    let n = energies.len() as f64;
    let mean = energies.iter().sum::<f64>() / n;
    let spread: f64 = energies.iter().map(|e| (e - mean) * (e - mean)).sum();
    let jumps: f64 = energies
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) * (pair[1] - pair[0]))
        .sum();
    jumps / spread
}

/// The quantile of sorted values, linear between them.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = p * last as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(last);
    sorted[low] + (at - low as f64) * (sorted[high] - sorted[low])
}

fn split(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let half = chains.iter().map(Vec::len).min().unwrap_or(0) / 2;
    chains
        .iter()
        .flat_map(|chain| [chain[..half].to_vec(), chain[chain.len() - half..].to_vec()])
        .collect()
}

/// Normal scores of the ranks over all chains; ties share their mean rank.
fn rank_normalised(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let width = chains.first().map_or(0, Vec::len);
    let all: Vec<f64> = chains.iter().flatten().copied().collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&a, &b| all[a].total_cmp(&all[b]));
    let mut scores = vec![0.0; all.len()];
    let mut first = 0;
    while first < order.len() {
        let mut last = first;
        while last + 1 < order.len() && all[order[last + 1]] == all[order[first]] {
            last += 1;
        }
        let rank = 1.0 + 0.5 * (first + last) as f64;
        let score = normal_quantile((rank - 0.375) / (all.len() as f64 + 0.25));
        for &position in &order[first..=last] {
            scores[position] = score;
        }
        first = last + 1;
    }
    scores.chunks(width.max(1)).map(<[f64]>::to_vec).collect()
}

fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance_of(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (values.len() as f64 - 1.0)
}

fn rhat(chains: &[Vec<f64>]) -> f64 {
    let n = chains[0].len() as f64;
    let means: Vec<f64> = chains.iter().map(|chain| mean_of(chain)).collect();
    let within = mean_of(
        &chains
            .iter()
            .map(|chain| variance_of(chain))
            .collect::<Vec<_>>(),
    );
    let between = n * variance_of(&means);
    ((between / within + n - 1.0) / n).sqrt()
}

/// Chains that remember more draws than this have all their covariances computed at once.
const MANY_LAGS: usize = 64;

/// The mean over chains of the covariance of draws that lie `lag` apart.
fn covariance_at(chains: &[Vec<f64>], means: &[f64], lag: usize) -> f64 {
    let of_chain = |(chain, mean): (&Vec<f64>, &f64)| {
        let pairs = chain[lag..].iter().zip(chain);
        let products = pairs.map(|(a, b)| (a - mean) * (b - mean));
        products.sum::<f64>() / chain.len() as f64
    };
    chains.iter().zip(means).map(of_chain).sum::<f64>() / chains.len() as f64
}

/// The same for all lags, by a Fourier transform of the chains with as many zeros behind them.
fn covariances(chains: &[Vec<f64>], means: &[f64]) -> Vec<f64> {
    let length = chains[0].len();
    let size = (2 * length).next_power_of_two();
    let transform = FftPlanner::new().plan_fft_forward(size);
    let mut power = vec![Complex::default(); size];
    for (chain, mean) in chains.iter().zip(means) {
        let mut values = vec![Complex::default(); size];
        for (value, x) in values.iter_mut().zip(chain) {
            value.re = x - mean;
        }
        transform.process(&mut values);
        for (sum, value) in power.iter_mut().zip(&values) {
            sum.re += value.norm_sqr();
        }
    }
    // The power is real and even, so that a second transform forward is one back.
    transform.process(&mut power);
    let scale = size as f64 * length as f64 * chains.len() as f64;
    power[..length].iter().map(|sum| sum.re / scale).collect()
}

/// Effective sample size of the mean of chains of equal lengths (at least four), by Geyer's initial monotone sequence over all chains.
pub fn effective_size(chains: &[Vec<f64>]) -> f64 {
    let (m, n) = (chains.len(), chains[0].len());
    let total = (m * n) as f64;
    let first = chains[0][0];
    if chains.iter().flatten().all(|&x| x == first) {
        return total;
    }
    let means: Vec<f64> = chains.iter().map(|chain| mean_of(chain)).collect();
    let mut all_lags: Option<Vec<f64>> = None;
    let mut covariance = |lag: usize| match lag {
        0..MANY_LAGS => covariance_at(chains, &means, lag),
        _ => all_lags.get_or_insert_with(|| covariances(chains, &means))[lag],
    };
    let mean_variance = covariance(0) * n as f64 / (n as f64 - 1.0);
    let mut variance_plus = mean_variance * (n as f64 - 1.0) / n as f64;
    if m > 1 {
        variance_plus += variance_of(&means);
    }
    let mut correlation = |lag: usize| 1.0 - (mean_variance - covariance(lag)) / variance_plus;
    let (mut even, mut odd) = (1.0, correlation(1));
    let mut rho = vec![even, odd];
    let mut t = 1;
    while t + 3 < n && even + odd > 0.0 {
        even = correlation(t + 1);
        odd = correlation(t + 2);
        if even + odd >= 0.0 {
            rho.extend([even, odd]);
        }
        t += 2;
    }
    let last = t as isize - 2;
    rho.resize((t + 2).max(2), 0.0);
    if even > 0.0 {
        rho[(last + 1) as usize] = even;
    }
    let mut s = 1;
    while s as isize <= last - 2 {
        if rho[s + 1] + rho[s + 2] > rho[s - 1] + rho[s] {
            let mean = 0.5 * (rho[s - 1] + rho[s]);
            rho[s + 1] = mean;
            rho[s + 2] = mean;
        }
        s += 2;
    }
    let end = (last + 1) as usize;
    let tau = -1.0 + 2.0 * rho[..end].iter().sum::<f64>() + rho[end];
    total / f64::max(tau, 1.0 / total.log10())
}

/// Fewer draws of a chain have no R-hat.
const FEWEST_DRAWS: usize = 4;

/// R-hat for people: what exceeds 100 is simply far too large.
pub fn rhat_text(value: f64) -> String {
    match value {
        v if v.is_nan() => "–".to_owned(),
        v if v < 10.0 => format!("{v:.3}"),
        v if v <= 100.0 => format!("{v:.0}"),
        _ => "> 100".to_owned(),
    }
}

/// What a verdict is made of.
pub struct Evidence<'a> {
    /// Hamiltonians of each chain's draws.
    pub energies: &'a [Vec<f64>],
    /// Divergent transitions after warm-up.
    pub divergences: usize,
    /// Transitions that ended by their depth.
    pub max_depth_hits: usize,
    /// Number of draws over all chains.
    pub draws: usize,
    /// The acceptance probability aimed at.
    pub target_accept: f64,
    /// A quantity that other coordinates would rid of a width that is unknown.
    pub of_unknown_width: Option<&'a str>,
    /// Draws of each chain.
    pub draws_per_chain: usize,
    /// Quantities that are not finite in some draw.
    pub not_finite: Vec<&'a str>,
    /// Name, R-hat and the smaller effective sample size of each quantity.
    pub columns: Vec<(&'a str, f64, f64)>,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Whether nothing speaks against using the draws.
    pub ok: bool,
    /// Divergent transitions after warm-up.
    pub divergences: usize,
    /// Transitions that ended by their depth.
    pub max_depth_hits: usize,
    /// E-BFMI of each chain.
    pub e_bfmi: Vec<f64>,
    /// The quantity with the largest R-hat.
    pub worst_rhat: Option<(String, f64)>,
    /// The quantity with the lowest effective sample size.
    pub lowest_ess: Option<(String, f64)>,
    /// What was found, each in a plain sentence with what to try.
    pub sentences: Vec<String>,
}

/// Judges a run: any divergence, R-hat above 1.01, an effective sample size below 400, E-BFMI below 0.3, or more than
/// 1 % of the transitions at the largest depth speak against it.
pub fn judge(evidence: &Evidence) -> Health {
    let e_bfmi: Vec<f64> = evidence
        .energies
        .iter()
        .map(|energies| e_bfmi(energies))
        .collect();
    let finite = |pick: fn(&(&str, f64, f64)) -> f64| {
        evidence
            .columns
            .iter()
            .map(move |column| (column.0.to_string(), pick(column)))
            .filter(|c| !c.1.is_nan())
    };
    let worst_rhat = finite(|c| c.1).max_by(|a, b| a.1.total_cmp(&b.1));
    let lowest_ess = finite(|c| c.2).min_by(|a, b| a.1.total_cmp(&b.1));
    let mut sentences = Vec::new();
    if evidence.draws_per_chain < FEWEST_DRAWS && !evidence.columns.is_empty() {
        sentences.push(format!(
            "These draws cannot be judged: R-hat and effective sample sizes need at least {FEWEST_DRAWS} draws of each \
             chain. Take more draws (--draws)."
        ));
    }
    if let Some(first) = evidence.not_finite.first() {
        let others = match evidence.not_finite.len() - 1 {
            0 => String::new(),
            count => format!(" (and {count} more)"),
        };
        sentences.push(format!(
            "`{first}`{others} is infinite or no number in some draws, so it has no summary and cannot be judged. Look at \
             how it is computed: a logarithm of 0, 0 / 0, a root of a negative number?"
        ));
    }
    let share = |count: usize| 100.0 * count as f64 / evidence.draws.max(1) as f64;
    if evidence.divergences > 0 {
        let higher = if evidence.target_accept < 0.945 {
            0.95
        } else {
            0.99
        };
        let remedy = match evidence.of_unknown_width {
            Some(name) => format!(
                "The width of the prior of `{name}` is unknown: try --coordinates standardised, which samples it relative \
                 to that width and leaves the model as it is; if divergences remain, --target-accept {higher}."
            ),
            None => format!(
                "Try --target-accept {higher}; if divergences remain, rewrite the model so that no scale, sum or product of \
                 unknowns is left free by the data."
            ),
        };
        sentences.push(format!(
            "{} of {} draws ({:.1} %) diverged: the posterior has a region too narrow for the step size, which the draws \
             avoid, so means and intervals may be biased. {remedy}",
            evidence.divergences, evidence.draws, share(evidence.divergences)
        ));
    }
    if let Some((name, value)) = worst_rhat.as_ref().filter(|(_, value)| *value > 1.01) {
        sentences.push(format!(
            "The chains disagree: R-hat of `{name}` is {} (1.01 or less is wanted). Run longer (--warmup, \
             --draws); if that does not help, the posterior may have several modes or the model more parameters than the \
             data inform.",
            rhat_text(*value)
        ));
    }
    if let Some((name, value)) = lowest_ess.as_ref().filter(|(_, value)| *value < 400.0) {
        sentences.push(format!(
            "The draws of `{name}` are worth only {value:.0} independent ones (400 are wanted): its mean and quantiles are \
             rough. Take more draws (--draws), or reduce correlations by rewriting the model."
        ));
    }
    let lowest = e_bfmi
        .iter()
        .copied()
        .filter(|v| !v.is_nan())
        .fold(f64::INFINITY, f64::min);
    if lowest < 0.3 {
        sentences.push(format!(
            "The energy is explored slowly (E-BFMI {lowest:.2}, 0.3 is wanted): the tails of the posterior may be missed. \
             Heavy-tailed priors and centred group effects are the usual causes."
        ));
    }
    if share(evidence.max_depth_hits) > 1.0 {
        sentences.push(format!(
            "{:.1} % of the trajectories were cut off at the largest depth: the draws are right but cost more than they \
             need. Put the parameters on similar scales, or raise --max-depth.",
            share(evidence.max_depth_hits)
        ));
    }
    Health {
        ok: sentences.is_empty(),
        divergences: evidence.divergences,
        max_depth_hits: evidence.max_depth_hits,
        e_bfmi,
        worst_rhat,
        lowest_ess,
        sentences,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    /// Chains that remember long, one of them about another mean.
    #[test]
    fn covariances_are_the_same_at_once_and_one_by_one() {
        let mut stream = Stream::new(5, Purpose::Test, 0);
        let mut chain = |mean: f64| -> Vec<f64> {
            let mut deviation = 0.0;
            let mut draw = || {
                deviation = 0.98 * deviation + stream.normal();
                mean + deviation
            };
            (0..777).map(|_| draw()).collect()
        };
        let chains = [chain(0.0), chain(3.0), chain(-1.0)];
        let means: Vec<f64> = chains.iter().map(|chain| mean_of(chain)).collect();
        let all = covariances(&chains, &means);
        assert_eq!(all.len(), 777);
        for (lag, found) in all.iter().enumerate() {
            let expected = covariance_at(&chains, &means, lag);
            assert!((found - expected).abs() < 1e-12 * all[0], "{lag}");
        }
    }
}
