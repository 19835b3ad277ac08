//! Warm-up: which iterations feed the metric, and how it is made of them.
//!
//! The default minimises the Fisher divergence between the draws' law and a normal (Seyboldt and co-workers): the
//! diagonal optimum is √(Var q / Var ∇), which is exact for an independent normal after two draws because the gradient
//! is linear there. Two overlapping estimators run; the older is in use and is replaced at each window's end, so the
//! metric forgets the approach to the typical set. The classical schedule uses variances of draws in doubling windows.

/// How warm-up finds the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// From draws and gradients, refreshed at every draw.
    Fisher,
    /// From the variance of draws, at the ends of doubling windows.
    Classical,
}

/// What an update of the warm-up changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// The metric, a little.
    Metric,
    /// The metric, so much that the step size should be searched anew.
    NewMetric,
}

/// Running mean and sum of squares of vectors (Welford 1962).
#[derive(Debug, Clone)]
struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(dimension: usize) -> Self {
        Self {
            count: 0.0,
            mean: vec![0.0; dimension],
            squares: vec![0.0; dimension],
        }
    }

    fn add(&mut self, x: &[f64]) {
        self.count += 1.0;
        for ((mean, squares), x) in self.mean.iter_mut().zip(&mut self.squares).zip(x) {
            let difference = x - *mean;
            *mean += difference / self.count;
            *squares += difference * (x - *mean);
        }
    }

    fn clear(&mut self) {
        self.count = 0.0;
        self.mean.fill(0.0);
        self.squares.fill(0.0);
    }

    fn variance(&self, i: usize) -> f64 {
        self.squares[i] / (self.count - 1.0)
    }
}

#[derive(Debug, Clone)]
struct Estimator {
    draws: Moments,
    gradients: Moments,
}

impl Estimator {
    fn new(dimension: usize) -> Self {
        Self {
            draws: Moments::new(dimension),
            gradients: Moments::new(dimension),
        }
    }

    fn add(&mut self, position: &[f64], gradient: &[f64]) {
        self.draws.add(position);
        self.gradients.add(gradient);
    }
}

/// The state of a warm-up.
#[derive(Debug, Clone)]
pub struct Warmup {
    schedule: Schedule,
    length: usize,
    older: Estimator,
    newer: Estimator,
    window: f64,
    switched: bool,
    ends: Vec<usize>,
}

impl Warmup {
    /// A warm-up of `length` iterations.
    pub fn new(schedule: Schedule, length: usize, dimension: usize) -> Self {
        Self {
            schedule,
            length,
            older: Estimator::new(dimension),
            newer: Estimator::new(dimension),
            window: 80.0,
            switched: false,
            ends: classical_windows(length),
        }
    }

    /// The metric to begin with: from the gradient at the start, 1/|g|.
    pub fn first_metric(&self, gradient: &[f64], inverse_metric: &mut [f64]) {
        for (m, g) in inverse_metric.iter_mut().zip(gradient) {
            let value = 1.0 / g.abs();
            let fisher = self.schedule == Schedule::Fisher && value.is_finite();
            *m = if fisher {
                value.clamp(1e-10, 1e10)
            } else {
                1.0
            };
        }
    }

    /// Learns from iteration `iteration` (from 0); `informative` if its draw moved.
    pub fn update(
        &mut self,
        iteration: usize,
        informative: bool,
        position: &[f64],
        gradient: &[f64],
        inverse_metric: &mut [f64],
    ) -> Change {
        match self.schedule {
            Schedule::Fisher => {
                self.fisher(iteration, informative, position, gradient, inverse_metric)
            }
            Schedule::Classical => self.classical(iteration, position, inverse_metric),
        }
    }

    fn fisher(
        &mut self,
        iteration: usize,
        informative: bool,
        position: &[f64],
        gradient: &[f64],
        inverse_metric: &mut [f64],
    ) -> Change {
        if iteration as f64 >= 0.85 * self.length as f64 {
            return Change::None;
        }
        if informative && gradient.iter().all(|g| g.is_finite()) {
            self.older.add(position, gradient);
            self.newer.add(position, gradient);
        }
        let early = (iteration as f64) < 0.3 * self.length as f64;
        let window = if early { 10.0 } else { self.window };
        let mut first = false;
        if self.newer.draws.count >= window {
            std::mem::swap(&mut self.older, &mut self.newer);
            self.newer.draws.clear();
            self.newer.gradients.clear();
            first = !self.switched;
            self.switched = true;
            if !early {
                self.window *= 1.5;
            }
        }
        if self.older.draws.count < 3.0 {
            return Change::None;
        }
        for (i, m) in inverse_metric.iter_mut().enumerate() {
            let optimum =
                libm::sqrt(self.older.draws.variance(i) / self.older.gradients.variance(i));
            if optimum.is_finite() && optimum > 0.0 {
                *m = optimum.clamp(1e-20, 1e20);
            }
        }
        if first {
            Change::NewMetric
        } else {
            Change::Metric
        }
    }

    fn classical(
        &mut self,
        iteration: usize,
        position: &[f64],
        inverse_metric: &mut [f64],
    ) -> Change {
        let (Some(&start), Some(&last)) = (self.ends.first(), self.ends.last()) else {
            return Change::None;
        };
        if iteration < start || iteration >= last {
            return Change::None;
        }
        self.older.draws.add(position);
        if !self.ends.contains(&(iteration + 1)) || self.older.draws.count < 2.0 {
            return Change::None;
        }
        let n = self.older.draws.count;
        for (i, m) in inverse_metric.iter_mut().enumerate() {
            *m = n / (n + 5.0) * self.older.draws.variance(i) + 1e-3 * 5.0 / (n + 5.0);
        }
        self.older.draws.clear();
        Change::NewMetric
    }
}

/// The iteration at which windows begin, then their ends: 75, then 25, 50, 100 … long, and 50 left at the end; in
/// proportion when the warm-up is too short for that.
fn classical_windows(length: usize) -> Vec<usize> {
    if length < 20 {
        return Vec::new();
    }
    let (start, rest, base) = if length < 150 {
        let (start, rest) = (length * 15 / 100, length / 10);
        (start, rest, length - start - rest)
    } else {
        (75, 50, 25)
    };
    let end = length - rest;
    let mut ends = vec![start];
    let (mut at, mut window) = (start, base);
    while at < end {
        at += window;
        window *= 2;
        // A last window that could not be followed by its double takes all that is left.
        if at + window > end {
            at = end;
        }
        ends.push(at);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classical_windows_are_the_published_ones() {
        assert_eq!(classical_windows(1000), [75, 100, 150, 250, 450, 950]);
        assert_eq!(classical_windows(100), [15, 90]);
        assert!(classical_windows(10).is_empty());
    }

    /// For an independent normal the gradient is −q/σ², so the optimum is σ² whatever the draws are.
    #[test]
    fn fisher_metric_is_exact_for_a_normal() {
        let mut warmup = Warmup::new(Schedule::Fisher, 100, 1);
        let mut metric = [1.0];
        for (i, q) in [0.3, -1.0, 7.0, 2.0].into_iter().enumerate() {
            warmup.update(i, true, &[q], &[-q / 9.0], &mut metric);
        }
        assert!((metric[0] - 9.0).abs() < 1e-12);
    }
}
