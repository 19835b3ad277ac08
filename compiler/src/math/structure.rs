//! Vectors and matrices whose elements depend on one another, such as probabilities or correlations: what they are
//! called, how many coordinates they have, and whether given numbers are one. Data, arguments and points of parameter
//! space are all held against [`Structure::violation`], so that the same numbers are refused everywhere in the same words.
//!
//! Densities on them are with respect to the measures that are usual in the field (and in Stan): the first K − 1 elements
//! of a simplex; the surface of the sphere; Lebesgue measure on the plane of vectors that sum to zero; the elements strictly
//! below the diagonal of a correlation matrix or its factor; those on and below the diagonal of a covariance matrix or
//! its factor.

// What is not a number violates every rule: `!(x >= 0.0)` says so, `x < 0.0` does not.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

/// A kind of vectors or matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Structure {
    /// No element negative, their sum 1.
    Simplex,
    /// Strictly increasing.
    Ordered,
    /// Strictly increasing from above zero.
    PositiveOrdered,
    /// The sum of squares is 1.
    UnitVector,
    /// The sum is 0.
    SumToZero,
    /// Symmetric positive definite with ones on the diagonal.
    Correlation,
    /// The lower Cholesky factor of a correlation matrix: rows of length one.
    CholeskyCorrelation,
    /// Symmetric positive definite.
    Covariance,
    /// The lower Cholesky factor of a covariance matrix: its diagonal is positive.
    CholeskyCovariance,
}

/// How far a sum may be from what it must be, in units of the largest term: numbers in data files are rounded.
const TOLERANCE: f64 = 1e-8;

impl Structure {
    /// All of them.
    pub const ALL: [Structure; 9] = [
        Structure::Simplex,
        Structure::Ordered,
        Structure::PositiveOrdered,
        Structure::UnitVector,
        Structure::SumToZero,
        Structure::Correlation,
        Structure::CholeskyCorrelation,
        Structure::Covariance,
        Structure::CholeskyCovariance,
    ];

    /// Its type in the language.
    pub fn name(self) -> &'static str {
        match self {
            Structure::Simplex => "simplex",
            Structure::Ordered => "ordered",
            Structure::PositiveOrdered => "positive_ordered",
            Structure::UnitVector => "unit_vector",
            Structure::SumToZero => "sum_to_zero",
            Structure::Correlation => "corr",
            Structure::CholeskyCorrelation => "cholesky_corr",
            Structure::Covariance => "cov",
            Structure::CholeskyCovariance => "cholesky_cov",
        }
    }

    /// Several of them, for messages.
    pub fn plural(self) -> &'static str {
        match self {
            Structure::Simplex => "vectors of probabilities",
            Structure::Ordered => "vectors in increasing order",
            Structure::PositiveOrdered => "positive vectors in increasing order",
            Structure::UnitVector => "vectors of length 1",
            Structure::SumToZero => "vectors that sum to 0",
            Structure::Correlation => "correlation matrices",
            Structure::CholeskyCorrelation => "Cholesky factors of correlation matrices",
            Structure::Covariance => "covariance matrices",
            Structure::CholeskyCovariance => "Cholesky factors of covariance matrices",
        }
    }

    /// The structure of that name.
    pub fn by_name(name: &str) -> Option<Structure> {
        Structure::ALL
            .into_iter()
            .find(|structure| structure.name() == name)
    }

    /// Number of index positions.
    pub fn rank(self) -> usize {
        match self {
            Structure::Simplex
            | Structure::Ordered
            | Structure::PositiveOrdered
            | Structure::UnitVector
            | Structure::SumToZero => 1,
            Structure::Correlation
            | Structure::CholeskyCorrelation
            | Structure::Covariance
            | Structure::CholeskyCovariance => 2,
        }
    }

    /// Number of unconstrained coordinates for a size K. A unit vector has one too many: see `density/structured.rs`.
    pub fn coordinates(self, size: usize) -> usize {
        match self {
            Structure::Simplex | Structure::SumToZero => size.saturating_sub(1),
            Structure::Ordered | Structure::PositiveOrdered | Structure::UnitVector => size,
            Structure::Correlation | Structure::CholeskyCorrelation => {
                size * size.saturating_sub(1) / 2
            }
            Structure::Covariance | Structure::CholeskyCovariance => size * (size + 1) / 2,
        }
    }

    /// What is wrong with given numbers (a matrix row by row), as the end of a sentence: `must sum to 1, and its sum is 0.9`.
    /// `None` if they have this structure.
    pub fn violation(self, size: usize, values: &[f64]) -> Option<String> {
        debug_assert_eq!(values.len(), size.pow(self.rank() as u32));
        if values.is_empty() {
            return None;
        }
        let matrix = Matrix { size, values };
        match self {
            Structure::Simplex => negative(values).or_else(|| sum(values, 1.0, 1.0)),
            Structure::Ordered => disorder(values),
            Structure::PositiveOrdered => {
                if values[0] > 0.0 {
                    disorder(values)
                } else {
                    let first = values[0];
                    Some(format!(
                        "must begin above 0, and its first element is {first}"
                    ))
                }
            }
            Structure::UnitVector => {
                let squares: f64 = values.iter().map(|x| x * x).sum();
                is_far(squares, 1.0, 1.0)
                    .then(|| format!("must have length 1, and the sum of its squares is {squares}"))
            }
            Structure::SumToZero => sum(values, 0.0, largest(values).max(1.0)),
            Structure::Correlation => matrix
                .asymmetry()
                .or_else(|| matrix.not_one())
                .or_else(|| matrix.indefinite()),
            Structure::Covariance => matrix.asymmetry().or_else(|| matrix.indefinite()),
            Structure::CholeskyCorrelation => matrix.not_factor().or_else(|| matrix.long_row()),
            Structure::CholeskyCovariance => matrix.not_factor(),
        }
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Not being a number is far too.
fn is_far(value: f64, wanted: f64, scale: f64) -> bool {
    !((value - wanted).abs() <= TOLERANCE * scale)
}

fn negative(values: &[f64]) -> Option<String> {
    let position = values.iter().position(|&x| !(x >= 0.0))?;
    let (k, value) = (position + 1, values[position]);
    Some(format!("must not be negative, and element {k} is {value}"))
}

fn sum(values: &[f64], wanted: f64, scale: f64) -> Option<String> {
    let sum: f64 = values.iter().sum();
    is_far(sum, wanted, scale).then(|| format!("must sum to {wanted}, and its sum is {sum}"))
}

fn disorder(values: &[f64]) -> Option<String> {
    let position = values.windows(2).position(|pair| !(pair[0] < pair[1]))?;
    let (a, b) = (values[position], values[position + 1]);
    let k = position + 2;
    Some(format!("must increase, and element {k} is {b} after {a}"))
}

struct Matrix<'a> {
    size: usize,
    values: &'a [f64],
}

impl Matrix<'_> {
    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.size + column]
    }

    fn below(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.size).flat_map(|row| (0..row).map(move |column| (row, column)))
    }

    fn asymmetry(&self) -> Option<String> {
        let scale = largest(self.values);
        let (i, j) = self
            .below()
            .find(|&(i, j)| is_far(self.at(i, j), self.at(j, i), scale))?;
        Some(format!(
            "must be symmetric, and its elements [{}, {}] and [{}, {}] are {} and {}",
            i + 1,
            j + 1,
            j + 1,
            i + 1,
            self.at(i, j),
            self.at(j, i)
        ))
    }

    fn not_one(&self) -> Option<String> {
        let i = (0..self.size).find(|&i| is_far(self.at(i, i), 1.0, 1.0))?;
        let (k, value) = (i + 1, self.at(i, i));
        Some(format!(
            "must have ones on its diagonal, and its element [{k}, {k}] is {value}"
        ))
    }

    /// Positive definite is what has a Cholesky factor.
    fn indefinite(&self) -> Option<String> {
        let mut factor = vec![0.0; self.values.len()];
        for i in 0..self.size {
            for j in 0..=i {
                let known: f64 = (0..j)
                    .map(|k| factor[i * self.size + k] * factor[j * self.size + k])
                    .sum();
                let rest = self.at(i, j) - known;
                factor[i * self.size + j] = if i > j {
                    rest / factor[j * self.size + j]
                } else if rest > 0.0 {
                    rest.sqrt()
                } else {
                    return Some("must be positive definite, and it is not".to_string());
                };
            }
        }
        None
    }

    fn not_factor(&self) -> Option<String> {
        if let Some((i, j)) = self.below().find(|&(i, j)| self.at(j, i) != 0.0) {
            return Some(format!(
                "must be lower triangular, and its element [{}, {}] is {}",
                j + 1,
                i + 1,
                self.at(j, i)
            ));
        }
        let i = (0..self.size).find(|&i| !(self.at(i, i) > 0.0))?;
        let (k, value) = (i + 1, self.at(i, i));
        Some(format!(
            "must have a positive diagonal, and its element [{k}, {k}] is {value}"
        ))
    }

    fn long_row(&self) -> Option<String> {
        let squares = |i: usize| (0..self.size).map(|j| self.at(i, j).powi(2)).sum::<f64>();
        let i = (0..self.size).find(|&i| is_far(squares(i), 1.0, 1.0))?;
        let (row, found) = (i + 1, squares(i));
        Some(format!(
            "must have rows of length 1, and the sum of the squares of row {row} is {found}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_name_what_is_wrong() {
        use Structure::*;
        let cases: [(Structure, usize, &[f64], Option<&str>); 24] = [
            (Simplex, 2, &[0.25, 0.75], None),
            (Simplex, 2, &[0.25, 0.7], Some("its sum is 0.95")),
            (Simplex, 2, &[-0.25, 1.25], Some("element 1 is -0.25")),
            (Simplex, 1, &[f64::NAN], Some("element 1")),
            (Ordered, 3, &[-1.0, 0.0, 2.0], None),
            (
                Ordered,
                3,
                &[-1.0, 2.0, 2.0],
                Some("element 3 is 2 after 2"),
            ),
            (PositiveOrdered, 2, &[0.5, 1.0], None),
            (PositiveOrdered, 2, &[0.0, 1.0], Some("begin above 0")),
            (PositiveOrdered, 2, &[2.0, 1.0], Some("increase")),
            (UnitVector, 2, &[0.6, -0.8], None),
            (UnitVector, 2, &[0.6, 0.6], Some("squares is 0.72")),
            (SumToZero, 3, &[1.0, 2.0, -3.0], None),
            (SumToZero, 3, &[1.0, 2.0, 3.0], Some("its sum is 6")),
            (Correlation, 2, &[1.0, 0.5, 0.5, 1.0], None),
            (
                Correlation,
                2,
                &[1.0, 0.5, 0.4, 1.0],
                Some("[2, 1] and [1, 2] are 0.4 and 0.5"),
            ),
            (Correlation, 2, &[1.0, 0.5, 0.5, 2.0], Some("[2, 2] is 2")),
            (
                Correlation,
                2,
                &[1.0, 1.5, 1.5, 1.0],
                Some("positive definite"),
            ),
            (Covariance, 2, &[4.0, 1.0, 1.0, 2.0], None),
            (Covariance, 1, &[0.0], Some("positive definite")),
            (CholeskyCorrelation, 2, &[1.0, 0.0, 0.6, 0.8], None),
            (
                CholeskyCorrelation,
                2,
                &[1.0, 0.0, 0.6, 0.6],
                Some("row 2 is 0.72"),
            ),
            (CholeskyCovariance, 2, &[2.0, 0.0, 3.0, 1.0], None),
            (
                CholeskyCovariance,
                2,
                &[2.0, 1.0, 3.0, 1.0],
                Some("[1, 2] is 1"),
            ),
            (
                CholeskyCovariance,
                2,
                &[2.0, 0.0, 3.0, -1.0],
                Some("[2, 2] is -1"),
            ),
        ];
        for (structure, size, values, expected) in cases {
            let found = structure.violation(size, values);
            let is_right = match (&found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(is_right, "{structure:?} {values:?}: {found:?}");
        }
        for structure in Structure::ALL {
            assert_eq!(structure.violation(0, &[]), None);
            assert_eq!(Structure::by_name(structure.name()), Some(structure));
        }
    }
}
