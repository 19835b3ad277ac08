//! Random numbers by counting: Philox 4×32-10 (Salmon et al. 2011) is a function from a key and a counter to 128 random
//! bits, so the numbers of one chain depend neither on threads nor on other chains. The key holds the seed mixed with the
//! purpose, the counter the chain, the iteration and a block number.

use std::convert::Infallible;

use rand_distr::Distribution;

/// What random numbers are for; different purposes never share any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Starting positions.
    Start = 1,
    /// Moves of a sampler.
    Sampler = 2,
    /// Simulated values of a draw.
    Output = 3,
    /// Tests of the program itself.
    Test = 4,
    /// Draws of a whole model from its prior.
    Prior = 5,
    /// What draws predict.
    Prediction = 6,
    /// Prior draws that begin tempering.
    Particles = 7,
    /// Choice of ancestors, and weighted draws made equal.
    Resampling = 8,
    /// Moves of particles.
    Moves = 9,
    /// Moves that find a step size and are thrown away.
    Pilot = 10,
    /// Draws of the proposal of bridge sampling.
    Bridge = 11,
    /// Errors of evidences carried on to what is made of them.
    Comparison = 12,
    /// Ranks of equal values.
    Calibration = 13,
    /// A draw predicted again, to tell what is unknown from what is random.
    Repetition = 14,
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
    spare_normal: Option<f64>,
}

impl Stream {
    /// The stream of a chain (or replicate) for a purpose.
    pub fn new(seed: u64, purpose: Purpose, chain: u32) -> Self {
        let mixed = mix(seed ^ ((purpose as u64) << 56));
        let key = [mixed as u32, (mixed >> 32) as u32];
        Self {
            key,
            counter: [0, 0, 0, chain],
            block: [0; 4],
            used: 4,
            spare_normal: None,
        }
    }

    /// Goes to the numbers of an iteration, wherever the stream was before.
    pub fn at(&mut self, iteration: u64) {
        self.counter = [
            0,
            iteration as u32,
            (iteration >> 32) as u32,
            self.counter[3],
        ];
        self.used = 4;
        self.spare_normal = None;
    }

    /// Uniform on the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        let bits = (u64::from(self.word()) << 32 | u64::from(self.word())) >> 12;
        (bits as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }

    /// Standard normal, by the polar form of Box and Muller: exact and in pairs.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        let angle = 2.0 * std::f64::consts::PI * self.uniform();
        self.spare_normal = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Exponential with rate 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    /// Gamma with the given shape and rate 1; NaN unless the shape is positive and finite.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        match rand_distr::Gamma::new(shape, 1.0) {
            Ok(gamma) if shape.is_finite() => gamma.sample(self),
            _ => f64::NAN,
        }
    }

    /// A Poisson count; NaN unless the rate is nonnegative and below 10¹⁵.
    pub fn poisson(&mut self, rate: f64) -> f64 {
        if rate == 0.0 {
            return 0.0;
        }
        match rand_distr::Poisson::new(rate) {
            Ok(poisson) if rate < 1e15 => poisson.sample(self),
            _ => f64::NAN,
        }
    }

    /// A binomial count; NaN unless `trials` is a nonnegative whole number and `probability` lies in [0, 1].
    pub fn binomial(&mut self, trials: f64, probability: f64) -> f64 {
        if !(0.0..1e15).contains(&trials) || trials.fract() != 0.0 {
            return f64::NAN;
        }
        match rand_distr::Binomial::new(trials as u64, probability) {
            Ok(binomial) => binomial.sample(self) as f64,
            Err(_) => f64::NAN,
        }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }
}

impl rand_core::TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.word()) | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.word().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

/// A bijection of 64 bits that spreads near seeds apart (the finaliser of SplitMix64, Steele et al. 2014).
fn mix(seed: u64) -> u64 {
    let a = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xd251_1f53;
        let b = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [
            key[0].wrapping_add(0x9e37_79b9),
            key[1].wrapping_add(0xbb67_ae85),
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with the generator.
    #[test]
    fn philox_known_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        let ones = u32::MAX;
        assert_eq!(
            philox([ones; 4], [ones; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    fn moments(mut draw: impl FnMut(&mut Stream) -> f64) -> (f64, f64) {
        let mut stream = Stream::new(7, Purpose::Test, 0);
        let values: Vec<f64> = (0..100_000).map(|_| draw(&mut stream)).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        (
            mean,
            values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 1e5,
        )
    }

    #[test]
    fn moments_are_those_of_the_laws() {
        let near = |(mean, variance): (f64, f64), m: f64, v: f64| {
            assert!(
                (mean - m).abs() < 5.0 * (v / 1e5).sqrt(),
                "mean {mean}, not {m}"
            );
            assert!(
                (variance / v - 1.0).abs() < 0.06,
                "variance {variance}, not {v}"
            );
        };
        near(moments(Stream::uniform), 0.5, 1.0 / 12.0);
        near(moments(Stream::normal), 0.0, 1.0);
        near(moments(Stream::exponential), 1.0, 1.0);
        near(moments(|s| s.gamma(0.3)), 0.3, 0.3);
        near(moments(|s| s.gamma(4.0)), 4.0, 4.0);
        near(moments(|s| s.poisson(3.5)), 3.5, 3.5);
        near(moments(|s| s.binomial(12.0, 0.25)), 3.0, 2.25);
    }

    #[test]
    fn odd_parameters_give_nan() {
        let mut stream = Stream::new(1, Purpose::Test, 0);
        for bad in [f64::NAN, -1.0, f64::INFINITY] {
            assert!(stream.gamma(bad).is_nan() && stream.poisson(bad).is_nan());
            assert!(stream.binomial(bad, 0.5).is_nan() && stream.binomial(3.0, bad).is_nan());
        }
        assert_eq!(stream.poisson(0.0), 0.0);
    }
}
