//! Constants and polynomial coefficients (lowest power first) of the vector functions.
//!
//! The polynomials are minimax fits, by Remez exchange in 50-digit arithmetic, weighted so that the error
//! quoted is that of the function itself, relative, with exact coefficients; the figures are for `f32`
//! and `f64`.

// The numbers are the parts that the code needs, whether or not a constant of the library is near.
#![allow(clippy::approx_constant)]

use crate::simd::Float;

/// What the vector functions need to know of an element type.
pub trait Coef: Float {
    /// Is this `f32`? Chooses between formulas for the two precisions.
    const SINGLE: bool;
    /// Stored bits of the mantissa.
    const MANTISSA: u32;
    /// Exponent bias.
    const BIAS: i64;
    /// Bits of 2/3, below which mantissas are taken from the octave above when a logarithm splits its argument.
    const TWO_THIRDS: i64;
    /// Smallest normal number.
    const MIN_NORMAL: Self;
    /// `[low, high]`: below, `e^x` is 0; above, `e^x / 2` is infinite.
    const EXP_RANGE: [f64; 2];
    /// `[low, high]`: below, `2^x` is 0; above, it is infinite.
    const EXP2_RANGE: [f64; 2];
    /// From here on tanh is 1.
    const TANH_ONE: f64;
    /// `[low, high]`: below, `e^x - 1` is -1; above, it is infinite, and `2^(k - 1)` still finite.
    const EXPM1_RANGE: [f64; 2];
    /// From here on `asinh x` and `acosh x` are `log 2x`, and squares need not be formed.
    const ARC_HYPERBOLIC_BIG: f64;
    /// log2(e), as the nearest number and what is left.
    const LOG2_E: [Self; 2];
    /// ln(2), as the nearest number and what is left.
    const LN_2: [Self; 2];
    /// log10(e), as the nearest number and what is left.
    const LOG10_E: [Self; 2];
    /// log10(2), as the nearest number and what is left.
    const LOG10_2: [Self; 2];
    /// pi/2 in three parts, each the nearest to what is left.
    const PI_2: [Self; 3];
    /// `(e^r - 1 - r) / r^2` on `|r| <= ln2/2`, minimax in the relative error of `e^r - 1` (2^-31.9; 2^-61.7).
    const EXP: &'static [Self];
    /// `(2^r - 1) / r` on `|r| <= 1/2`, minimax in the relative error of `2^r` (2^-28.9; 2^-58.0).
    const EXP2: &'static [Self];
    /// `(sin r / r - 1) / r^2` in `r^2`, `|r| <= 0.8` (2^-37.3; 2^-68.4).
    const SIN: &'static [Self];
    /// `(cos r - 1 + r^2/2) / r^4` in `r^2`, `|r| <= 0.8` (2^-33.0; 2^-74.8).
    const COS: &'static [Self];
    /// `(atan z / z - 1) / z^2` in `z^2`, `0 <= z <= 1` (2^-31.2; 2^-60.2).
    const ATAN: &'static [Self];
    /// `(asin z / z - 1) / z^2` in `z^2`, `0 <= z <= 1/2` (2^-31.7; 2^-59.8).
    const ASIN: &'static [Self];
    /// `(sinh z / z - 1) / z^2` in `z^2`, `0 <= z <= 1` (2^-34.2; 2^-63.3).
    const SINH: &'static [Self];
}

impl Coef for f32 {
    const SINGLE: bool = true;
    const MANTISSA: u32 = f32::MANTISSA_DIGITS - 1;
    const BIAS: i64 = f32::MAX_EXP as i64 - 1;
    const TWO_THIRDS: i64 = 0x3f2a_aaab;
    const MIN_NORMAL: f32 = f32::MIN_POSITIVE;
    const EXP_RANGE: [f64; 2] = [-104.0, 90.0];
    const EXP2_RANGE: [f64; 2] = [-151.0, 129.0];
    const TANH_ONE: f64 = 10.0;
    const EXPM1_RANGE: [f64; 2] = [-18.0, 89.0];
    const ARC_HYPERBOLIC_BIG: f64 = 8192.0;
    const LOG2_E: [f32; 2] = [1.442695, 1.925963e-8];
    const LN_2: [f32; 2] = [0.6931472, -1.9046542e-9];
    const LOG10_E: [f32; 2] = [0.4342945, -1.010305e-8];
    const LOG10_2: [f32; 2] = [0.30103, -1.4320989e-8];
    const PI_2: [f32; 3] = [1.5707964, -4.371139e-8, -1.7151245e-15];
    const EXP: &'static [f32] = &[
        0.5,
        0.16666666,
        0.04166636,
        0.00833339,
        0.0013940724,
        0.00019845707,
    ];
    const EXP2: &'static [f32] = &[
        0.6931472,
        0.24022648,
        0.055503324,
        0.0096184425,
        0.0013398997,
        0.00015352378,
    ];
    const SIN: &'static [f32] = &[-0.16666667, 0.008333329, -0.00019839188, 2.7169162e-06];
    const COS: &'static [f32] = &[0.041666646, -0.0013887252, 2.4424937e-05];
    const ATAN: &'static [f32] = &[
        -0.33333328,
        0.19999671,
        -0.14279833,
        0.11058225,
        -0.088110946,
        0.06741603,
        -0.04468999,
        0.02253989,
        -0.007317959,
        0.0011137876,
    ];
    const ASIN: &'static [f32] = &[
        0.1666666,
        0.0750051,
        0.044515792,
        0.03181818,
        0.014396336,
        0.03757932,
    ];
    const SINH: &'static [f32] = &[0.16666667, 0.00833335, 0.00019836161, 2.81695e-06];
}

impl Coef for f64 {
    const SINGLE: bool = false;
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    const BIAS: i64 = f64::MAX_EXP as i64 - 1;
    const TWO_THIRDS: i64 = 0x3fe5_5555_5555_5555;
    const MIN_NORMAL: f64 = f64::MIN_POSITIVE;
    const EXP_RANGE: [f64; 2] = [-746.0, 711.0];
    const EXP2_RANGE: [f64; 2] = [-1076.0, 1025.0];
    const TANH_ONE: f64 = 20.0;
    const EXPM1_RANGE: [f64; 2] = [-38.0, 710.0];
    const ARC_HYPERBOLIC_BIG: f64 = 268_435_456.0;
    const LOG2_E: [f64; 2] = [1.4426950408889634, 2.0355273740931033e-17];
    const LN_2: [f64; 2] = [0.6931471805599453, 2.3190468138462996e-17];
    const LOG10_E: [f64; 2] = [0.4342944819032518, 1.098319650216765e-17];
    const LOG10_2: [f64; 2] = [0.3010299956639812, -2.8037281277851704e-18];
    const PI_2: [f64; 3] = [
        1.5707963267948966,
        6.123233995736766e-17,
        -1.4973849048591698e-33,
    ];
    const EXP: &'static [f64] = &[
        0.5,
        0.16666666666666677,
        0.041666666666666505,
        0.008333333333321605,
        0.0013888888888962869,
        0.00019841269886212122,
        2.48015871719327e-05,
        2.7557244100290574e-06,
        2.75574028476507e-07,
        2.510908268862651e-08,
        2.087536048834693e-09,
    ];
    const EXP2: &'static [f64] = &[
        0.6931471805599453,
        0.2402265069591013,
        0.05550410866482007,
        0.009618129107593848,
        0.0013333558146777383,
        0.00015403530457491432,
        1.5252733491236957e-05,
        1.3215435077762681e-06,
        1.017820004432352e-07,
        7.073820744575054e-09,
        4.4347461563560936e-10,
    ];
    const SIN: &'static [f64] = &[
        -0.16666666666666666,
        0.008333333333333321,
        -0.00019841269841252185,
        2.7557319212688222e-06,
        -2.5052104519027692e-08,
        1.6058316521305165e-10,
        -7.576212218202309e-13,
    ];
    const COS: &'static [f64] = &[
        0.041666666666666664,
        -0.001388888888888887,
        2.4801587301568365e-05,
        -2.755731921403612e-07,
        2.0876754065691e-09,
        -1.1470259338230397e-11,
        4.73658708828271e-14,
    ];
    const ATAN: &'static [f64] = &[
        -0.33333333333333287,
        0.19999999999990448,
        -0.14285714285036646,
        0.11111111086448756,
        -0.09090908547290447,
        0.07692299712288178,
        -0.06666583727810102,
        0.0588171618930326,
        -0.05259433973809195,
        0.04744926856779185,
        -0.04286393200250423,
        0.03821011865616019,
        -0.032785531316954,
        0.026151817932538488,
        -0.018614373501789423,
        0.011317806185246972,
        -0.005612492078826248,
        0.0021516393327886147,
        -0.0005929104886613234,
        0.00010387544877412498,
        -8.65454462636393e-06,
    ];
    const ASIN: &'static [f64] = &[
        0.16666666666666763,
        0.07499999999969974,
        0.044642857175444785,
        0.030381942665831774,
        0.022372216222020663,
        0.01735158895655814,
        0.013981106977766286,
        0.01139649047999366,
        0.010794246958263183,
        0.003652016315757889,
        0.02184340652429898,
        -0.02119644916886643,
        0.032755104643351914,
    ];
    const SINH: &'static [f64] = &[
        0.16666666666666669,
        0.008333333333333148,
        0.00019841269841431558,
        2.7557319157157225e-06,
        2.5052123125349767e-08,
        1.6057260499761389e-10,
        7.758730731931462e-13,
    ];
}

/// `(log(1 + f) - f) / f^2` on `|f| <= 1/3` (2^-30.5).
pub const LOG_F32: &[f32] = &[
    -0.5,
    0.33333337,
    -0.24999648,
    0.19999418,
    -0.16684304,
    0.14308883,
    -0.12144669,
    0.10710115,
    -0.13035008,
    0.121616386,
];
/// `erf(x) / x - 1` in `x^2`, `0 <= x <= 0.92` (2^-31.2).
pub const ERF_SMALL: &[f32] = &[
    0.12837917,
    -0.37612635,
    0.11283697,
    -0.026859501,
    0.0052012876,
    -0.00081456034,
    8.382385e-05,
];
/// `-log(erfc(x)) / x` on `[0.92, 3.94]`, minimax in the relative error of erf (2^-30.3).
pub const ERF_LARGE: &[f32] = &[
    1.1286479,
    0.6351535,
    0.1062333,
    -0.023758993,
    0.003641015,
    -0.00032245085,
    1.11962745e-05,
];
/// `(1 + 2x) e^(x^2) erfc(x)` in `(x - 3) / (x + 3)`, `0 <= x <= 10.1` (2^-29.0).
pub const ERFCX: &[f64] = &[
    1.2530080591178545,
    -0.13562113927682384,
    -0.047562399288829875,
    0.12964641391951773,
    -0.11927097654589144,
    0.06829577097427217,
    -0.023797525818841966,
    0.0025673706425711714,
    0.002001804971406785,
    -0.0007775797911745215,
    -0.0002681241241603474,
];
/// `(2 atanh(s) / s - 2) / s^2` in `s^2`, `|s| <= 1/5` (2^-62.6).
pub const LOG_F64: &[f64] = &[
    0.666666666666666,
    0.4000000000005682,
    0.28571428555796774,
    0.22222224300038854,
    0.18181665654521836,
    0.15391119495511368,
    0.13173466725404068,
    0.13843973144471183,
];
/// `(log(1 + f) - f) / f^2` on `|f| <= 1/3`, for `pow` of `f32` in `f64` (2^-41.1).
pub const LOG_POW: &[f64] = &[
    -0.5000000000167325,
    0.33333333339027266,
    -0.2499999942110812,
    0.1999999876660651,
    -0.16666723168220882,
    0.14285806591158592,
    -0.12497595719741722,
    0.11107815806619208,
    -0.10051970630864093,
    0.09153678999726508,
    -0.07741510406288328,
    0.07043380263442803,
    -0.10445543122677092,
    0.10014924027881389,
];
/// `(2^r - 1) / r` on `|r| <= 1/2`, for `pow` of `f32` in `f64` (2^-34.3).
pub const EXP2_POW: &[f64] = &[
    0.6931471807064025,
    0.24022651068584366,
    0.05550410360903611,
    0.009618037785970488,
    0.0013333937797411462,
    0.0001546688036288783,
    1.5195847567294106e-05,
];
