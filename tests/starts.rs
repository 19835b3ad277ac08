//! Where chains begin: under a prior that knows no scale, as `inv_gamma(0.001, 0.001)` on a variance does, no draw of it is a place to
//! start from.

use likelier::{Dataset, Model, Options, Settings};

const GROUPS: [f64; 10] = [3.1, -4.2, 7.9, 0.4, -6.3, 5.5, 9.8, -1.7, 2.6, -8.4];

/// Mean and standard deviation of log v and of m, by quadrature over log v: given it, `m` is normal.
fn truth() -> [(f64, f64); 2] {
    let (prior, count, step) = (100.0_f64.powi(2), GROUPS.len() as f64, 0.001);
    let sum: f64 = GROUPS.iter().sum();
    let points: Vec<(f64, f64, f64, f64)> = (-4000..12_000)
        .map(|k| {
            let log_v = step * f64::from(k);
            let (v, variance) = (log_v.exp(), log_v.exp() + 1.0);
            let posterior = 1.0 / (1.0 / prior + count / variance);
            let mean = posterior * sum / variance;
            let squares: f64 = GROUPS.iter().map(|y| y * y).sum();
            let log_density = -0.001 * log_v - 0.001 / v - 0.5 * count * variance.ln()
                + 0.5 * (posterior / prior).ln()
                - 0.5 * (squares / variance - mean * mean / posterior);
            (log_density, log_v, mean, posterior)
        })
        .collect();
    let largest = points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
    let mut sums = [0.0; 5];
    for (log_density, log_v, mean, variance) in points {
        let weight = (log_density - largest).exp();
        let terms = [1.0, log_v, log_v * log_v, mean, mean * mean + variance];
        sums.iter_mut()
            .zip(terms)
            .for_each(|(s, t)| *s += weight * t);
    }
    let moments = |first: f64, second: f64| {
        let mean = first / sums[0];
        (mean, (second / sums[0] - mean * mean).sqrt())
    };
    [moments(sums[1], sums[2]), moments(sums[3], sums[4])]
}

#[test]
fn chains_find_the_posterior_under_a_prior_that_knows_no_scale() {
    let text = "m ~ normal(0, 100)\nv ~ inv_gamma(shape=0.001, scale=0.001)\ntheta[1..N] ~ normal(m, sqrt(v))\n\
                y[i in 1..N] ~ normal(theta[i], 1)\nreport log_v = log(v)\n";
    let data = format!("{{\"y\": {GROUPS:?}}}");
    let data = Dataset::from_json("data.json", &data).expect("data");
    let model = match Model::compile("model.ppl", text, &data, &Options::default()) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    };
    let posterior = model.sample(&Settings::default()).expect("draws");
    for (name, (mean, sd)) in ["log_v", "m"].iter().zip(truth()) {
        let column = posterior.columns.iter().position(|c| c.name == *name);
        let row = &posterior.summary[column.expect("a column")];
        println!(
            "{name}: {} ± {}, sd {}; {mean}, {sd}",
            row.mean, row.mcse_mean, row.sd
        );
        assert!(row.rhat < 1.02, "{name}: {}", row.rhat);
        assert!(
            (row.mean - mean).abs() < 4.0 * row.mcse_mean,
            "{name}: {mean}"
        );
        assert!((row.sd / sd - 1.0).abs() < 0.1, "{name}: {sd}");
    }
}
