//! Draws from the prior with its constraints. A draw is kept with the probability that the constraints give it, which is exact and
//! cheap where they agree with the prior. A pilot tells where they do not; there they are tempered in (`tempered.rs`), and where that
//! cannot be done, an error names what rejects.

use likelier_compiler::ConstraintKind;
use likelier_runtime::random::{Purpose, Stream};

use super::{Rows, Simulator};
use crate::Error;

/// Draws after which it is judged once whether tempering is the better way.
const PILOT: usize = 20_000;
/// Constraints that keep at most this share of the pilot are tempered in.
const RARE: f64 = 1e-3;
/// Draws that are tried before rejection is given up, where constraints cannot be tempered in.
const PATIENCE: usize = 50_000;
/// A smaller share of draws is not waited for.
const RAREST: f64 = 1e-4;
/// A constraint that alone keeps more than this share is not what rejects them all.
const COMMON: f64 = 0.01;

impl Simulator {
    /// Draws from the prior with its constraints, `count` times: by rejection, where these keep more than one draw in a thousand
    /// or few are wanted, else by SMC. [`Rows::way`] tells.
    ///
    /// # Errors
    /// [`Error::Rejected`] when hardly any draw is kept, and SMC does not help.
    pub fn draw(&self, seed: u64, count: usize) -> Result<Rows, Error> {
        self.draw_on(None, seed, count)
    }

    /// As [`Simulator::draw`] on so many threads, on which the draws do not depend.
    ///
    /// # Errors
    /// As [`Simulator::draw`].
    pub fn draw_on(&self, threads: Option<usize>, seed: u64, count: usize) -> Result<Rows, Error> {
        let mut stream = Stream::new(seed, Purpose::Prior, 0);
        let mut coins = Stream::new(seed, Purpose::Prior, 1);
        let mut runner = self.runner();
        let constraints = &self.simulation.constraints;
        let mut kept = 0;
        let mut rates = vec![0.0; constraints.len()];
        let mut obstacle = None;
        while kept < count {
            let attempt = runner.tried as u64;
            stream.at(attempt);
            runner.evaluate(&[], &mut stream);
            let potentials = &runner.row[runner.row.len() - constraints.len()..];
            for (rate, potential) in rates.iter_mut().zip(potentials) {
                *rate += potential.exp();
            }
            coins.at(attempt);
            if constraints.is_empty() || coins.uniform().ln() < potentials.iter().sum() {
                runner.keep();
                kept += 1;
            }
            let are_rare = |share: f64| kept as f64 <= share * runner.tried as f64;
            if runner.tried == PILOT && kept < count && are_rare(RARE) {
                match self.tempered(seed, count, threads) {
                    Ok(mut rows) => {
                        rows.tried = runner.tried;
                        return Ok(rows);
                    }
                    Err(why) => obstacle = Some(why),
                }
            }
            if runner.tried >= PATIENCE && are_rare(RAREST) {
                return Err(self.rejected(kept, runner.tried, &rates, obstacle));
            }
        }
        Ok(runner.finish())
    }

    /// As [`Simulator::draw_on`], by SMC whatever share rejection would keep.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the reason why it cannot be done.
    pub fn draw_tempered(
        &self,
        threads: Option<usize>,
        seed: u64,
        count: usize,
    ) -> Result<Rows, Error> {
        self.tempered(seed, count, threads).map_err(Error::Rejected)
    }

    fn rejected(
        &self,
        kept: usize,
        tried: usize,
        rates: &[f64],
        obstacle: Option<String>,
    ) -> Error {
        let share = |rate: &f64| rate / tried as f64;
        let constraints = || self.simulation.constraints.iter().zip(rates);
        let strictest = constraints().min_by(|a, b| a.1.total_cmp(b.1));
        let (constraint, rate) = strictest.expect("only constraints reject");
        let found = format!("of {tried} draws from the prior, the constraints kept {kept}");
        let obstacle = obstacle.map_or(String::new(), |why| format!("\n  note: {why}"));
        // Each leaves many draws, and together they leave none.
        if share(rate) > COMMON {
            let each = constraints().map(|(constraint, rate)| {
                let kept = 100.0 * share(rate);
                format!(
                    "\n  note: {} alone would keep {kept:.1} % of them",
                    constraint.description
                )
            });
            let each: String = each.collect();
            return Error::Rejected(format!(
                "{found}{each}{obstacle}\n  help: they contradict each other, or there are very many of them: widen some, or leave some out with --without"
            ));
        }
        let wider = match constraint.kind {
            ConstraintKind::Soft => "widen it",
            ConstraintKind::Hard => "make it `soft`, which can be approached in steps",
        };
        let kept = match share(rate) {
            0.0 => "none".to_owned(),
            share => format!("{share:.1e}"),
        };
        Error::Rejected(format!(
            "{found}\n  note: {} alone would keep {kept} of them{obstacle}\n  help: {wider}, or bring the prior nearer to what it says",
            constraint.description,
        ))
    }
}
