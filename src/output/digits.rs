//! How many digits of an estimate are worth printing. The Monte Carlo standard error decides: the last digit shown is
//! the one in which the error begins, so that digits which another seed would change are not there to be compared. A
//! whole row ends at the same digit, which makes its figures comparable at a glance.

/// The decimal position of the last digit worth showing: 10^position is the leading digit of the error. `None` when
/// the error is unknown or zero.
pub fn last_position(error: f64) -> Option<i32> {
    (error.is_finite() && error > 0.0).then(|| {
        // 0.0097 rounds to 0.01, whose position is -2.
        let rounded: f64 = format!("{error:.0e}").parse().unwrap_or(error);
        rounded.log10().floor() as i32
    })
}

/// How the figures of one row are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    position: Option<i32>,
    exponent: bool,
}

impl Style {
    /// The style for estimates with this error; `largest` is the largest magnitude among them.
    pub fn new(error: f64, largest: f64) -> Self {
        let position = last_position(error);
        let magnitude = magnitude(largest);
        let exponent = magnitude >= 7 || position.is_some_and(|position| position < -6);
        let exponent = exponent || (position.is_none() && magnitude < -4);
        Self { position, exponent }
    }

    /// The same style with `digits` more digits behind.
    pub fn finer(self, digits: i32) -> Self {
        Self {
            position: self.position.map(|position| position - digits),
            ..self
        }
    }

    /// A value in this style.
    pub fn format(self, value: f64) -> String {
        if value.is_nan() {
            return "–".to_owned();
        }
        if value.is_infinite() {
            return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
        }
        let position = self.position.unwrap_or(match self.exponent {
            true => magnitude(value) - 3,
            false => (magnitude(value) - 3).min(0),
        });
        let text = match (self.exponent, position) {
            (true, _) if value == 0.0 => "0".to_owned(),
            (true, _) => {
                let digits = (magnitude(value) - position).clamp(0, 16) as usize;
                if magnitude(value) < position {
                    "0".to_owned()
                } else {
                    format!("{value:.digits$e}")
                }
            }
            (false, 0..) => {
                let unit = 10f64.powi(position);
                format!("{:.0}", (value / unit).round() * unit)
            }
            (false, _) => format!("{value:.*}", (-position).min(16) as usize),
        };
        let text = if self.position.is_none() {
            without_trailing_zeros(&text)
        } else {
            text
        };
        let is_zero = text.parse() == Ok(0.0);
        if is_zero {
            text.trim_start_matches('-').to_owned()
        } else {
            text
        }
    }
}

fn without_trailing_zeros(text: &str) -> String {
    let (figure, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    match figure.contains('.') {
        true => format!(
            "{}{exponent}",
            figure.trim_end_matches('0').trim_end_matches('.')
        ),
        false => text.to_owned(),
    }
}

/// The decimal position of the leading digit; 0 for zero.
fn magnitude(value: f64) -> i32 {
    if value == 0.0 || !value.is_finite() {
        0
    } else {
        value.abs().log10().floor() as i32
    }
}

/// The probability of something that a test looks at: three digits behind the point, or the leading one where that is 0.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 1e-99 => "< 1e-99".to_owned(),
        p if p < 0.001 => format!("{p:.0e}"),
        p => format!("{p:.3}"),
    }
}

/// A duration, with three significant digits at most.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.9995e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 9.995e-3 => format!("{:.1} ms", s * 1e3),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        s if s < 3600.0 => format!(
            "{:.0} min {:02.0} s",
            (s / 60.0).floor(),
            (s % 60.0).floor()
        ),
        s => format!(
            "{:.0} h {:02.0} min",
            (s / 3600.0).floor(),
            (s % 3600.0 / 60.0).floor()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, error: f64) -> String {
        Style::new(error, value).format(value)
    }

    #[test]
    fn the_error_ends_the_figure() {
        assert_eq!(row(4.396_83, 0.062), "4.40");
        assert_eq!(row(4.396_83, 0.0097), "4.40");
        assert_eq!(row(4.396_83, 0.0062), "4.397");
        assert_eq!(row(0.001_234, 0.000_02), "0.00123");
        assert_eq!(row(-0.001, 0.02), "0.00");
        assert_eq!(row(123_456.0, 230.0), "123500");
        assert_eq!(row(0.0, 0.02), "0.00");
        assert_eq!(Style::new(0.062, 4.4).finer(1).format(0.062), "0.062");
    }

    #[test]
    fn far_from_one_the_exponent_is_written() {
        assert_eq!(row(1.234_56e9, 2e6), "1.235e9");
        assert_eq!(row(1.234_56e-8, 2e-10), "1.23e-8");
        assert_eq!(row(-6.543e-12, 2e-14), "-6.54e-12");
        assert_eq!(Style::new(1e6, 3e9).format(12.0), "0");
        assert_eq!(Style::new(3e6, 3e9).finer(1).format(3.14e6), "3.1e6");
    }

    #[test]
    fn without_an_error_four_digits() {
        assert_eq!(row(2.5, f64::NAN), "2.5");
        assert_eq!(row(3.0, 0.0), "3");
        assert_eq!(row(1.0 / 3.0, 0.0), "0.3333");
        assert_eq!(row(0.0, f64::NAN), "0");
        assert_eq!(row(f64::NAN, 0.1), "–");
        assert_eq!(row(f64::NEG_INFINITY, 0.1), "-inf");
        assert_eq!(row(100.0, f64::NAN), "100");
        assert_eq!(row(1234.0, f64::NAN), "1234");
        assert_eq!(row(6.375_739_235e294, f64::INFINITY), "6.376e294");
        assert_eq!(row(-2e12, f64::NAN), "-2e12");
        assert_eq!(row(1.25e-9, 0.0), "1.25e-9");
        assert_eq!(Style::new(0.0, 1e225).format(0.0), "0");
    }

    #[test]
    fn durations() {
        let texts = [4e-5, 0.0031, 0.0616, 0.9996, 1.234, 12.34, 125.0, 7384.0].map(seconds);
        assert_eq!(
            texts,
            [
                "40 µs",
                "3.1 ms",
                "62 ms",
                "1.00 s",
                "1.23 s",
                "12.3 s",
                "2 min 05 s",
                "2 h 03 min"
            ]
        );
    }
}
