//! The transforms of Winograd's minimal filtering, F(4, 3) in each of two dimensions.
//!
//! Four outputs of a filter with three taps need six products instead of twelve
//! (A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016): evaluate
//! signal and filter as polynomials at six points, multiply, interpolate. The points are 0, +-A,
//! +-B and infinity. With m(x) = x (x^2 - A^2) (x^2 - B^2), the signal's row for a point p holds the
//! coefficients of m(x) / (x - p), the filter's the powers of p over m'(p), and the output's the
//! powers of p again. In two dimensions rows and columns are transformed in turn, and 36 products
//! stand for 144.

use crate::simd::{Float, Lanes};

/// The points. Simple binary fractions near 1 keep the powers in balance, which makes the rounding
/// error a third of that of the usual 1 and 2.
const A: f64 = 0.625;
const B: f64 = 1.5;

/// Points of a transformed tile.
pub(super) const POINTS: usize = 36;
/// Outputs of a tile along an axis.
pub(super) const OUT: usize = 4;
/// Inputs of a tile along an axis.
pub(super) const IN: usize = 6;

/// Powers of the points in all lanes.
#[derive(Clone, Copy)]
pub(super) struct Constants<V> {
    a: [V; 4],
    b: [V; 4],
    /// `A^2 B^2` and `A^2 + B^2`
    product: V,
    sum: V,
    /// `1 / m'(p)` for p = 0, A, B
    weight: [V; 3],
}

impl<V: Copy> Constants<V> {
    #[inline(always)]
    pub unsafe fn new<T: Float, L: Lanes<T, V = V>>() -> Constants<V> {
        let (a2, b2) = (A * A, B * B);
        let mut c = Constants {
            a: [L::zero(); 4],
            b: [L::zero(); 4],
            product: L::splat(T::from_f64(a2 * b2)),
            sum: L::splat(T::from_f64(a2 + b2)),
            weight: [L::zero(); 3],
        };
        let weight = [
            1.0 / (a2 * b2),
            0.5 / (a2 * (a2 - b2)),
            0.5 / (b2 * (b2 - a2)),
        ];
        for i in 0..3 {
            c.weight[i] = L::splat(T::from_f64(weight[i]));
        }
        let (mut pa, mut pb) = (1.0, 1.0);
        for i in 0..4 {
            c.a[i] = L::splat(T::from_f64(pa));
            c.b[i] = L::splat(T::from_f64(pb));
            (pa, pb) = (pa * A, pb * B);
        }
        c
    }
}

/// Six inputs to six points.
#[inline(always)]
pub(super) unsafe fn signal<T: Float, L: Lanes<T>>(
    s: [L::V; IN],
    c: &Constants<L::V>,
) -> [L::V; IN] {
    let even_a = L::fnma(c.b[2], s[2], s[4]);
    let odd_a = L::fnma(c.b[2], s[1], s[3]);
    let even_b = L::fnma(c.a[2], s[2], s[4]);
    let odd_b = L::fnma(c.a[2], s[1], s[3]);
    [
        L::fma(c.product, s[0], L::fnma(c.sum, s[2], s[4])),
        L::fma(c.a[1], odd_a, even_a),
        L::fnma(c.a[1], odd_a, even_a),
        L::fma(c.b[1], odd_b, even_b),
        L::fnma(c.b[1], odd_b, even_b),
        L::fma(c.product, s[1], L::fnma(c.sum, s[3], s[5])),
    ]
}

/// `N` taps (3, or the 4 of an output's gradient) to six points.
#[inline(always)]
pub(super) unsafe fn filter<T: Float, L: Lanes<T>, const N: usize>(
    g: [L::V; N],
    c: &Constants<L::V>,
) -> [L::V; IN] {
    let (even_a, even_b) = (L::fma(c.a[2], g[2], g[0]), L::fma(c.b[2], g[2], g[0]));
    let (mut odd_a, mut odd_b) = (L::mul(c.a[1], g[1]), L::mul(c.b[1], g[1]));
    if N == 4 {
        odd_a = L::fma(c.a[3], g[N - 1], odd_a);
        odd_b = L::fma(c.b[3], g[N - 1], odd_b);
    }
    [
        L::mul(c.weight[0], g[0]),
        L::mul(c.weight[1], L::add(even_a, odd_a)),
        L::mul(c.weight[1], L::sub(even_a, odd_a)),
        L::mul(c.weight[2], L::add(even_b, odd_b)),
        L::mul(c.weight[2], L::sub(even_b, odd_b)),
        g[N - 1],
    ]
}

/// Six products to `N` outputs (4, or the 3 taps of a kernel's gradient).
#[inline(always)]
pub(super) unsafe fn output<T: Float, L: Lanes<T>, const N: usize>(
    m: [L::V; IN],
    c: &Constants<L::V>,
) -> [L::V; N] {
    let (plus_a, minus_a) = (L::add(m[1], m[2]), L::sub(m[1], m[2]));
    let (plus_b, minus_b) = (L::add(m[3], m[4]), L::sub(m[3], m[4]));
    let mut y = [L::zero(); N];
    for (i, v) in y.iter_mut().enumerate() {
        let (a, b) = if i % 2 == 0 {
            (plus_a, plus_b)
        } else {
            (minus_a, minus_b)
        };
        *v = if i == 0 {
            L::add(m[0], L::add(a, b))
        } else {
            L::fma(c.b[i], b, L::mul(c.a[i], a))
        };
    }
    y[N - 1] = L::add(y[N - 1], m[5]);
    y
}
