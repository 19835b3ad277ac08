//! The step size: a first guess by doubling or halving, then dual averaging (Hoffman & Gelman 2014, section 3.2) towards
//! a target acceptance probability.

/// The step size that acceptance asks for in so many independent normal coordinates, which falls with the fourth root of their
/// number.
pub fn regular(dimension: usize) -> f64 {
    libm::pow(dimension as f64, -0.25)
}

/// Dual averaging with γ = 0.05, t₀ = 10, κ = 0.75.
#[derive(Debug, Clone)]
pub struct DualAveraging {
    target: f64,
    center: f64,
    log_step: f64,
    log_average: f64,
    error: f64,
    count: f64,
}

impl DualAveraging {
    /// Starts from a step size.
    pub fn new(step: f64, target: f64) -> Self {
        let log_step = libm::log(step);
        Self {
            target,
            center: libm::log(10.0) + log_step,
            log_step,
            log_average: log_step,
            error: 0.0,
            count: 0.0,
        }
    }

    /// Learns from the acceptance statistic of a transition.
    pub fn update(&mut self, accept: f64) {
        self.count += 1.0;
        let rate = 1.0 / (self.count + 10.0);
        self.error = (1.0 - rate) * self.error + rate * (self.target - accept);
        self.log_step = self.center - libm::sqrt(self.count) / 0.05 * self.error;
        let weight = libm::pow(self.count, -0.75);
        self.log_average = weight * self.log_step + (1.0 - weight) * self.log_average;
    }

    /// The step size to use while adapting.
    pub fn step(&self) -> f64 {
        libm::exp(self.log_step)
    }

    /// The step size to use after adapting.
    pub fn average(&self) -> f64 {
        libm::exp(self.log_average)
    }
}

/// Doubles or halves from `start` until the acceptance statistic of one step, given by `accept`, crosses `target`.
pub fn first_step_size(start: f64, target: f64, mut accept: impl FnMut(f64) -> f64) -> f64 {
    let mut step = start;
    let up = accept(step) > target;
    for _ in 0..60 {
        let next = if up { step * 2.0 } else { step * 0.5 };
        let crossed = (accept(next) > target) != up;
        if crossed && up {
            return step;
        }
        step = next;
        if crossed {
            return step;
        }
    }
    step
}
