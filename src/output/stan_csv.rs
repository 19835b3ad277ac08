//! Draws in the CSV layout of CmdStan, one file per chain, which ArviZ, CmdStanR and `posterior` read without being
//! taught. Comment lines hold the settings under Stan's names; matrices run column by column, as Stan writes them;
//! figures are the shortest text that reads back as the same number.

use std::io::{self, Write};

use likelier_compiler::Column;

use super::{RunInfo, VERSION};
use crate::posterior::{Chain, InverseMetric, Posterior};
use crate::sampling::{Method, Schedule};
use crate::simulation::Rows;

/// How every file begins, by which a file of ours is known.
pub const FIRST_WORDS: &str = "# likelier_version = ";

/// Writes one chain; `extras` are further columns, a row of each for every draw.
///
/// # Errors
/// Those of `out`.
pub fn write(
    out: &mut dyn Write,
    info: &RunInfo,
    posterior: &Posterior,
    chain: &Chain,
    extras: &[Rows],
) -> io::Result<()> {
    write_settings(out, info, posterior, chain)?;
    let order = stan_order(&posterior.columns);
    write!(
        out,
        "lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__"
    )?;
    for &column in &order {
        write!(out, ",{}", stan_name(&posterior.columns[column]))?;
    }
    let extra_orders: Vec<Vec<usize>> = extras.iter().map(|e| stan_order(&e.columns)).collect();
    for (extra, order) in extras.iter().zip(&extra_orders) {
        for &column in order {
            write!(out, ",{}", stan_name(&extra.columns[column]))?;
        }
    }
    writeln!(out)?;
    write_adaptation(out, chain)?;
    for (draw, statistics) in chain.statistics.iter().enumerate() {
        write_number(out, statistics.lp)?;
        out.write_all(b",")?;
        write_number(out, statistics.acceptance_rate)?;
        out.write_all(b",")?;
        write_number(out, statistics.step_size)?;
        let divergent = u8::from(statistics.diverging);
        write!(
            out,
            ",{},{},{divergent},",
            statistics.tree_depth, statistics.n_steps
        )?;
        write_number(out, statistics.energy)?;
        let values = &chain.values[draw * posterior.columns.len()..];
        for &column in &order {
            out.write_all(b",")?;
            write_number(out, values[column])?;
        }
        for (extra, order) in extras.iter().zip(&extra_orders) {
            let values = &extra.values[draw * extra.columns.len()..];
            for &column in order {
                out.write_all(b",")?;
                write_number(out, values[column])?;
            }
        }
        out.write_all(b"\n")?;
    }
    write_times(out, chain)
}

fn write_settings(
    out: &mut dyn Write,
    info: &RunInfo,
    posterior: &Posterior,
    chain: &Chain,
) -> io::Result<()> {
    let settings = &posterior.settings;
    let schedule = match settings.warmup_schedule {
        Schedule::Fisher => "fisher",
        Schedule::Classical => "classical",
    };
    let metric = match &chain.inverse_metric {
        InverseMetric::Diagonal(_) => "diag_e",
        InverseMetric::Dense(_) => "dense_e",
    };
    writeln!(out, "{FIRST_WORDS}{VERSION}")?;
    writeln!(out, "# model = {}", one_line(&info.model))?;
    writeln!(out, "# method = sample")?;
    writeln!(out, "#   sample")?;
    writeln!(out, "#     num_samples = {}", posterior.draw_count())?;
    writeln!(out, "#     num_warmup = {}", settings.warmup)?;
    writeln!(out, "#     save_warmup = false")?;
    writeln!(out, "#     thin = 1")?;
    if settings.method == Method::Nuts {
        writeln!(out, "#     adapt")?;
        writeln!(out, "#       engaged = true")?;
        writeln!(out, "#       delta = {}", settings.target_accept)?;
        writeln!(out, "#       schedule = {schedule}")?;
        writeln!(out, "#     algorithm = hmc")?;
        writeln!(out, "#       hmc")?;
        writeln!(out, "#         engine = nuts")?;
        writeln!(out, "#           nuts")?;
        writeln!(out, "#             max_depth = {}", settings.max_depth)?;
        writeln!(out, "#         metric = {metric}")?;
    } else {
        writeln!(out, "#     algorithm = smc")?;
    }
    writeln!(out, "#     num_chains = {}", posterior.chains.len())?;
    writeln!(out, "# id = {}", chain.number)?;
    writeln!(out, "# data")?;
    writeln!(out, "#   file = {}", one_line(&info.data.join(" ")))?;
    writeln!(out, "# random")?;
    writeln!(out, "#   seed = {}", settings.seed)?;
    if let Some(run) = &posterior.discarded_run {
        let (divergences, delta) = (run.divergences, run.target_accept);
        writeln!(
            out,
            "# discarded_run = {divergences} divergences at delta {delta}"
        )?;
    }
    writeln!(out, "# coordinates = {}", info.coordinates.name())?;
    writeln!(out, "# cpu = {}", info.cpu)
}

fn write_adaptation(out: &mut dyn Write, chain: &Chain) -> io::Result<()> {
    if chain.inverse_metric.is_empty() {
        return Ok(());
    }
    writeln!(out, "# Adaptation terminated")?;
    writeln!(out, "# Step size = {}", number(chain.step_size))?;
    let elements = match &chain.inverse_metric {
        InverseMetric::Diagonal(_) => "Diagonal elements",
        InverseMetric::Dense(_) => "Elements",
    };
    writeln!(out, "# {elements} of inverse mass matrix:")?;
    for row in chain.inverse_metric.rows() {
        let row: Vec<String> = row.into_iter().map(number).collect();
        writeln!(out, "# {}", row.join(", "))?;
    }
    Ok(())
}

fn write_times(out: &mut dyn Write, chain: &Chain) -> io::Result<()> {
    let total = chain.warmup_seconds + chain.sampling_seconds;
    writeln!(out, "# ")?;
    writeln!(
        out,
        "#  Elapsed Time: {:.6} seconds (Warm-up)",
        chain.warmup_seconds
    )?;
    writeln!(
        out,
        "#                {:.6} seconds (Sampling)",
        chain.sampling_seconds
    )?;
    writeln!(out, "#                {total:.6} seconds (Total)")?;
    writeln!(out, "# ")
}

/// The columns with the first index running fastest within each variable.
pub(crate) fn stan_order(columns: &[Column]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..columns.len()).collect();
    for group in order.chunk_by_mut(|&a, &b| columns[a].variable == columns[b].variable) {
        group.sort_by(|&a, &b| {
            columns[a]
                .index
                .iter()
                .rev()
                .cmp(columns[b].index.iter().rev())
        });
    }
    order
}

/// `theta.1.2`; points separate indices, so one inside a name gives way.
pub(crate) fn stan_name(column: &Column) -> String {
    let mut name = column.variable.replace('.', "_");
    for index in &column.index {
        name.push_str(&format!(".{index}"));
    }
    name
}

pub(super) fn write_number(out: &mut dyn Write, value: f64) -> io::Result<()> {
    match value {
        v if v.is_nan() => write!(out, "nan"),
        v if v == v.trunc() && v.abs() < 1e15 => write!(out, "{v}"),
        v => write!(out, "{v:?}"),
    }
}

fn number(value: f64) -> String {
    let mut text = Vec::new();
    write_number(&mut text, value).expect("writing to memory does not fail");
    String::from_utf8_lossy(&text).into_owned()
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::{info, posterior};
    use likelier_compiler::ColumnKind;

    #[test]
    fn numbers_read_back_as_themselves() {
        for value in [
            0.0,
            -0.0,
            0.1,
            1.0 / 3.0,
            1e-300,
            -1.5e300,
            123_456_789.0,
            1e22,
            f64::MAX,
        ] {
            let back: f64 = number(value).parse().unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{}", number(value));
        }
        assert_eq!(number(f64::NAN), "nan");
        assert_eq!(number(f64::NEG_INFINITY), "-inf");
        assert!(number(1e-300).len() < 10);
    }

    #[test]
    fn rows_match_the_header_and_matrices_run_column_by_column() {
        let mut posterior = posterior(&[
            ("mu", ColumnKind::Inferred, 0),
            ("X", ColumnKind::Inferred, 4),
        ]);
        for (column, index) in [[1, 1], [1, 2], [2, 1], [2, 2]].into_iter().enumerate() {
            posterior.columns[column + 1].index = index.to_vec();
        }
        let mut text = Vec::new();
        let extra = Rows {
            columns: vec![Column {
                name: "log_lik".to_owned(),
                variable: "log_lik".to_owned(),
                index: vec![1],
                kind: ColumnKind::Simulated,
            }],
            values: vec![-1.0, -2.5, -3.0],
            tried: 3,
            ..Rows::default()
        };
        write(
            &mut text,
            &info(),
            &posterior,
            &posterior.chains[1],
            &[extra],
        )
        .unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(
            lines[0].ends_with("energy__,mu,X.1.1,X.2.1,X.1.2,X.2.2,log_lik.1"),
            "{}",
            lines[0]
        );
        assert_eq!(
            lines[2],
            "-12.25,0.875,0.5,3,7,0,17.5,1.5,11.5,31.5,21.5,41.5,-2.5"
        );
        assert!(text.contains("\n# id = 2\n") && text.contains("\n# 1, 0.25\n"));
    }
}
