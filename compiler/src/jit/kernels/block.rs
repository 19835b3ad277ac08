//! Names of the block kernels (`likelier_kernels`' `block.rs`): which one computes an operation on which operands.

use crate::math::primitive::Operation;

/// Which operands of a binary operation are blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Operands {
    BothBlocks,
    FirstBlock,
    SecondBlock,
}

macro_rules! names {
    ($(#[$doc:meta] $constant:ident = $name:literal;)*) => {
        $(#[$doc] pub(in super::super) const $constant: &str = concat!("likelier_block_", $name);)*
    };
}

names! {
    /// (out, a, n): out[i] += a[i]
    ADD_TO = "add_to";
    /// (out, a, n): out[i] = a[i]
    COPY = "copy";
    /// (out, mask, a, b, n): out[i] = a[i] where the mask is not 0, else b[i]
    SELECT = "select";
    /// (out, stride, a, n): out[stride i] += a[i]
    SCATTER_ADD = "scatter_add";
    /// (out, table, scale, a, n): out[scale table[i]] += a[i]
    SCATTER_ADD_TABLE = "scatter_add_table";
    /// (out, n, number): out[i] = number
    FILL = "fill";
    /// (out, a, stride, n): out[i] = a[stride i]
    GATHER = "gather";
    /// (out, a, table, scale, n): out[i] = a[scale table[i]]
    GATHER_TABLE = "gather_table";
    /// (out, start, stride, n): out[i] = start + stride i
    IOTA = "iota";
    /// (out, table, start, scale, n): out[i] = start + scale table[i]
    IOTA_TABLE = "iota_table";
    /// (a, n) → Σ a[i]
    SUM = "sum";
    /// (a, b, n) → Σ a[i] b[i]
    DOT = "dot";
}

/// (out, a, b, c, n): out[i] = a[i] + b[i] c[i], where a, or c, or both may be single numbers.
pub(in super::super) fn multiply_add(a_is_block: bool, c_is_block: bool) -> &'static str {
    match (a_is_block, c_is_block) {
        (true, true) => "likelier_block_multiply_add_vvv",
        (true, false) => "likelier_block_multiply_add_vvs",
        (false, true) => "likelier_block_multiply_add_svv",
        (false, false) => "likelier_block_multiply_add_svs",
    }
}

macro_rules! tables {
    (
        unary { $($unary:ident $unary_name:literal;)* }
        binary { $($binary:ident $vv:literal $vs:literal $sv:literal;)* }
    ) => {
        /// The kernel (out, a, n) of an operation on one block.
        pub(in super::super) fn unary(operation: Operation) -> Option<&'static str> {
            match operation {
                $(Operation::$unary => Some(concat!("likelier_block_", $unary_name)),)*
                _ => None,
            }
        }

        /// The kernel (out, a, b, n) of an operation on two operands of which at least one is a block.
        pub(in super::super) fn binary(
            operation: Operation,
            operands: Operands,
        ) -> Option<&'static str> {
            match operation {
                $(Operation::$binary => Some(match operands {
                    Operands::BothBlocks => concat!("likelier_block_", $vv),
                    Operands::FirstBlock => concat!("likelier_block_", $vs),
                    Operands::SecondBlock => concat!("likelier_block_", $sv),
                }),)*
                _ => None,
            }
        }
    };
}

tables! {
    unary {
        Hold "copy";
        Negate "negate";
        Absolute "absolute";
        SquareRoot "square_root";
        Floor "floor";
        Ceiling "ceiling";
        Round "round";
        Not "not";
        Exponential "exp";
        ExponentialMinusOne "expm1";
        Logarithm "log";
        LogOnePlus "log1p";
        LogOnePlusExp "log1p_exp";
        LogOneMinusExp "log1m_exp";
        Logistic "logistic";
        Sine "sin";
        Cosine "cos";
        Tangent "tan";
        ArcSine "asin";
        ArcCosine "acos";
        ArcTangent "atan";
        HyperbolicTangent "tanh";
        HyperbolicSine "sinh";
        HyperbolicCosine "cosh";
        LogGamma "lgamma";
        Digamma "digamma";
        Trigamma "trigamma";
        ErrorFunction "erf";
        ComplementaryErrorFunction "erfc";
        NormalCdf "normal_cdf";
        LogNormalCdf "log_normal_cdf";
        NormalQuantile "normal_quantile";
    }
    binary {
        Add "add_vv" "add_vs" "add_sv";
        Subtract "subtract_vv" "subtract_vs" "subtract_sv";
        Multiply "multiply_vv" "multiply_vs" "multiply_sv";
        Divide "divide_vv" "divide_vs" "divide_sv";
        Power "power_vv" "power_vs" "power_sv";
        Minimum "minimum_vv" "minimum_vs" "minimum_sv";
        Maximum "maximum_vv" "maximum_vs" "maximum_sv";
        Less "less_vv" "less_vs" "less_sv";
        LessEqual "less_equal_vv" "less_equal_vs" "less_equal_sv";
        Equal "equal_vv" "equal_vs" "equal_sv";
        And "and_vv" "and_vs" "and_sv";
        Or "or_vv" "or_vs" "or_sv";
        LogOr "log_or_vv" "log_or_vs" "log_or_sv";
        GammaP "gamma_p_vv" "gamma_p_vs" "gamma_p_sv";
        GammaQ "gamma_q_vv" "gamma_q_vs" "gamma_q_sv";
    }
}
