//! Every operation of [`Lanes`] on every level, against plain Rust on one lane.

use super::{Float, Four, Isa, Kernel, Lanes, Level, Scalar, available, dispatch, with_level};

/// Numbers where the operations have their edges: signed zeros, subnormals, halves, limits, NaN.
const VALUES: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.3,
    -3.7,
    1e-310,
    -1e-40,
    1e-30,
    7.0e8,
    -1.9e9,
    3.0e38,
    -3.0e38,
    1e300,
    0.1,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    8_388_609.5,
];

/// Exponents around the limits of both types, and far beyond.
const SCALES: [(&str, f64); 14] = [
    ("2^-1e9", -1e9),
    ("2^-1074", -1074.0),
    ("2^-200", -200.0),
    ("2^-150", -150.0),
    ("2^-149", -149.0),
    ("2^-127", -127.0),
    ("2^-1", -1.0),
    ("2^0", 0.0),
    ("2^1", 1.0),
    ("2^127", 127.0),
    ("2^128", 128.0),
    ("2^1023", 1023.0),
    ("2^1024", 1024.0),
    ("2^1e9", 1e9),
];

/// What each operation gives for each triple of inputs: a name and as many values as inputs.
type Results = Vec<(&'static str, Vec<u64>)>;

struct Probe<'a, T> {
    a: &'a [T],
    b: &'a [T],
    c: &'a [T],
    /// On four vectors at a time.
    four: bool,
}

impl<T: Float> Kernel for Probe<'_, T> {
    type Out = Results;
    #[inline(always)]
    unsafe fn run<I: Isa>(self) -> Results {
        if self.four {
            probe::<T, Four<T::Simd<I>>>(self)
        } else {
            probe::<T, T::Simd<I>>(self)
        }
    }
}

/// NaN has many bit patterns, and operations may give any.
fn canonical<T: Float>(x: T) -> u64 {
    let x = x.to_f64();
    if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        x.to_bits()
    }
}

#[inline(always)]
unsafe fn probe<T: Float, L: Lanes<T>>(p: Probe<'_, T>) -> Results {
    let mut results: Results = Vec::new();
    let mut put = |name: &'static str, v: L::V, n: usize| {
        let mut lanes = [T::ZERO; 64];
        L::store_partial(lanes.as_mut_ptr(), v, n);
        assert!(
            lanes[n..].iter().all(|&x| x == T::ZERO),
            "store_partial wrote too much"
        );
        let values = lanes[..n].iter().map(|&x| canonical(x));
        match results.iter_mut().find(|r| r.0 == name) {
            Some(r) => r.1.extend(values),
            None => results.push((name, values.collect())),
        }
    };
    let truth = |m: L::M| L::select(m, L::splat(T::ONE), L::zero());
    for start in (0..p.a.len()).step_by(L::N) {
        let n = L::N.min(p.a.len() - start);
        let [a, b, c] = [p.a, p.b, p.c].map(|x| L::load_partial(x[start..].as_ptr(), n));
        put("add", L::add(a, b), n);
        put("sub", L::sub(a, b), n);
        put("mul", L::mul(a, b), n);
        put("div", L::div(a, b), n);
        put("fma", L::fma(a, b, c), n);
        put("fnma", L::fnma(a, b, c), n);
        put("fms", L::fms(a, b, c), n);
        put("neg", L::neg(a), n);
        put("abs", L::abs(a), n);
        put("sqrt", L::sqrt(a), n);
        put("min", L::min(a, b), n);
        put("max", L::max(a, b), n);
        put("min_nan", L::min_nan(a, b), n);
        put("max_nan", L::max_nan(a, b), n);
        put("floor", L::floor(a), n);
        put("ceil", L::ceil(a), n);
        put("trunc", L::trunc(a), n);
        put("round_even", L::round_even(a), n);
        put("copysign", L::copysign(a, b), n);
        let (lt, eq) = (L::lt(a, b), L::eq(a, b));
        put("lt", truth(lt), n);
        put("le", truth(L::le(a, b)), n);
        put("gt", truth(L::gt(a, b)), n);
        put("ge", truth(L::ge(a, b)), n);
        put("eq", truth(eq), n);
        put("ne", truth(L::ne(a, b)), n);
        put("and", truth(L::and(lt, L::lt(b, c))), n);
        put("or", truth(L::or(lt, eq)), n);
        put("not", truth(L::not(lt)), n);
        put("select", L::select(lt, b, c), n);
        let one = L::splat(T::ONE);
        for (name, k) in SCALES {
            // Magnitudes in the range that `scale_pow2` promises.
            let v = L::copysign(
                L::min(L::splat(T::from_f64(3.9)), L::max(one, L::abs(a))),
                a,
            );
            put(name, L::scale_pow2(v, L::splat(T::from_f64(k))), n);
        }
        let (low, high) = L::widen(a);
        put("narrow", L::narrow(low, high), n);
        let small = L::select(L::lt(L::abs(a), L::splat(T::from_f64(2.0e9))), a, one);
        let (i, j) = (L::to_int_round(small), L::bits(b));
        put("round trip of integers", L::from_int(i), n);
        put("bits", L::from_bits(j), n);
        put("isplat", L::from_int(L::isplat(-7)), n);
        put("iadd", L::from_bits(L::iadd(L::bits(one), i)), n);
        put("isub", L::from_bits(L::isub(L::bits(one), i)), n);
        put("iand", L::from_bits(L::iand(i, j)), n);
        put("ior", L::from_bits(L::ior(L::bits(a), j)), n);
        put("ixor", L::from_bits(L::ixor(L::bits(a), j)), n);
        put("ishl", L::from_bits(L::ishl(j, 5)), n);
        put("ishr", L::from_bits(L::ishr(j, 5)), n);
        put("ieq", truth(L::ieq(L::bits(a), j)), n);
        put("igt", truth(L::igt(L::bits(a), j)), n);
    }
    results
}

/// All triples of the values, cut so that the last vector is partial.
fn triples<T: Float>() -> [Vec<T>; 3] {
    let v = VALUES.map(T::from_f64);
    let n = v.len();
    let pick =
        |f: fn(usize, usize) -> usize| (0..n * n * n).map(|i| v[f(i, n)]).chain([v[3]]).collect();
    [
        pick(|i, n| i % n),
        pick(|i, n| i / n % n),
        pick(|i, n| i / (n * n)),
    ]
}

fn levels_agree<T: Float>() {
    let [a, b, c] = triples::<T>();
    let run = |level: Level, four: bool| {
        let probe = Probe {
            a: &a,
            b: &b,
            c: &c,
            four,
        };
        with_level(level, || dispatch(probe))
    };
    let want = run(Level::Scalar, false);
    for (l, four) in available()
        .into_iter()
        .flat_map(|l| [(l, false), (l, true)])
    {
        for (got, want) in run(l, four).iter().zip(&want) {
            assert_eq!(got.0, want.0);
            for (i, (got_i, want_i)) in got.1.iter().zip(&want.1).enumerate() {
                let of = (a[i], b[i], c[i]);
                let (x, y) = (f64::from_bits(*got_i), f64::from_bits(*want_i));
                assert_eq!(
                    got_i, want_i,
                    "{} of {of:?} on {l:?} (four: {four}): {x:?}, scalar {y:?}",
                    got.0
                );
            }
        }
    }
}

#[test]
fn levels_agree_f32() {
    levels_agree::<f32>();
}

#[test]
fn levels_agree_f64() {
    levels_agree::<f64>();
}

/// The scalar level itself says what its documentation says, where plain Rust is no definition.
#[test]
fn scalar_semantics() {
    type S = Scalar;
    let nan = f32::NAN;
    // SAFETY: every CPU has the scalar level.
    unsafe {
        assert_eq!(<S as Lanes<f32>>::min(nan, 1.0), 1.0);
        assert!(<S as Lanes<f32>>::min(1.0, nan).is_nan());
        assert!(<S as Lanes<f32>>::min_nan(nan, 1.0).is_nan());
        assert!(<S as Lanes<f32>>::max_nan(1.0, nan).is_nan());
        assert!(<S as Lanes<f32>>::max(0.0, -0.0).is_sign_negative());
        assert_eq!(<S as Lanes<f32>>::round_even(2.5), 2.0);
        assert_eq!(<S as Lanes<f32>>::ishr(-1, 31), 1);
        // Rounded once: 1.5 * 2^-149 lies between 2^-149 and 2^-148, and ties to even.
        assert_eq!(
            <S as Lanes<f32>>::scale_pow2(1.5, -149.0),
            f32::from_bits(2)
        );
        assert_eq!(<S as Lanes<f64>>::scale_pow2(1.0, 1e9), f64::INFINITY);
        assert_eq!(<S as Lanes<f64>>::scale_pow2(1.0, -1e9), 0.0);
        let third = 1.0f32 / 3.0;
        assert_eq!(
            <S as Lanes<f32>>::fma(third, 3.0, -1.0),
            (f64::from(third) * 3.0 - 1.0) as f32
        );
    }
}

/// Of the vector at the start, its first lanes; on four vectors if so asked.
struct Reduce<'a, T>(&'a [T], usize, bool);

impl<T: Float> Kernel for Reduce<'_, T> {
    /// Sum, maximum, minimum, any lane negative, all positive or zero.
    type Out = (T, T, T, bool, bool, usize);
    #[inline(always)]
    unsafe fn run<I: Isa>(self) -> Self::Out {
        if self.2 {
            reduce::<T, Four<T::Simd<I>>>(self.0, self.1)
        } else {
            reduce::<T, T::Simd<I>>(self.0, self.1)
        }
    }
}

#[inline(always)]
unsafe fn reduce<T: Float, L: Lanes<T>>(x: &[T], n: usize) -> (T, T, T, bool, bool, usize) {
    let v = L::load(x.as_ptr());
    let masked = L::select(L::first_n(n), v, L::splat(T::ONE));
    let negative = L::lt(masked, L::zero());
    let (max, min) = (L::reduce_max(masked), L::reduce_min(masked));
    (
        L::reduce_sum(masked),
        max,
        min,
        L::any(negative),
        L::all(L::not(negative)),
        L::N,
    )
}

fn reductions<T: Float>(four: bool) {
    let x: Vec<T> = (0..64)
        .map(|i| T::from_f64(f64::from((i * 7) % 16) - 5.0))
        .collect();
    for l in available() {
        for n in 0..70 {
            let run = || dispatch(Reduce(&x, n, four));
            let (sum, max, min, any, all, lanes) = with_level(l, run);
            let masked: Vec<f64> = (0..lanes)
                .map(|i| if i < n { x[i].to_f64() } else { 1.0 })
                .collect();
            assert_eq!(sum.to_f64(), masked.iter().sum::<f64>(), "{l:?} {n}");
            assert_eq!(
                max.to_f64(),
                masked.iter().copied().fold(f64::MIN, f64::max)
            );
            assert_eq!(
                min.to_f64(),
                masked.iter().copied().fold(f64::MAX, f64::min)
            );
            assert_eq!(any, masked.iter().any(|&x| x < 0.0));
            assert_eq!(all, !any);
        }
        for at in 0..64 {
            let mut y = x.clone();
            y[at] = T::NAN;
            let (_, max, min, .., lanes) = with_level(l, || dispatch(Reduce(&y, 64, four)));
            assert_eq!(max.to_f64().is_nan(), at < lanes, "{l:?} {at}");
            assert_eq!(min.to_f64().is_nan(), at < lanes, "{l:?} {at}");
        }
    }
}

#[test]
fn reductions_f32() {
    reductions::<f32>(false);
    reductions::<f32>(true);
}

#[test]
fn reductions_f64() {
    reductions::<f64>(false);
    reductions::<f64>(true);
}

/// Copies by partial loads and stores whose ends lie at the end of a page that cannot be followed.
struct Copy<'a, T>(&'a [T], &'a mut [T]);

impl<T: Float> Kernel for Copy<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<I: Isa>(self) {
        let n = self.0.len();
        if n < 16 {
            let v = <T::Simd<I> as Lanes<T>>::load_partial(self.0.as_ptr(), n);
            <T::Simd<I> as Lanes<T>>::store_partial(self.1.as_mut_ptr(), v, n);
        }
        let v = <Four<T::Simd<I>> as Lanes<T>>::load_partial(self.0.as_ptr(), n);
        <Four<T::Simd<I>> as Lanes<T>>::store_partial(self.1.as_mut_ptr(), v, n);
    }
}

/// Partial accesses stop at the last element: the page after it faults.
#[cfg(target_os = "linux")]
fn partial_stays_inside<T: Float>() {
    // SAFETY: a private mapping of two pages, of which the second is made inaccessible; the slices
    // below end where the first page does and do not overlap.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let map = libc::mmap(std::ptr::null_mut(), 2 * page, access, flags, -1, 0);
        assert_ne!(map, libc::MAP_FAILED);
        let guard = map.byte_add(page);
        assert_eq!(libc::mprotect(guard, page, libc::PROT_NONE), 0);
        let mut other = [T::ZERO; 64];
        for l in available() {
            for n in 0..64 {
                let edge = std::slice::from_raw_parts_mut(guard.cast::<T>().sub(n), n);
                edge.fill(T::ONE);
                with_level(l, || dispatch(Copy(edge, &mut other[..n])));
                with_level(l, || dispatch(Copy(&other[..n], edge)));
            }
        }
        assert_eq!(libc::munmap(map, 2 * page), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn partial_accesses_stay_inside() {
    partial_stays_inside::<f32>();
    partial_stays_inside::<f64>();
}

struct MulWide<'a>(&'a [u32], &'a [u32]);

impl Kernel for MulWide<'_> {
    type Out = Vec<u64>;
    #[inline(always)]
    unsafe fn run<I: Isa>(self) -> Vec<u64> {
        let mut products = Vec::new();
        for (a, b) in self
            .0
            .chunks(<I as Lanes<f32>>::N)
            .zip(self.1.chunks(<I as Lanes<f32>>::N))
        {
            let load = |x: &[u32]| {
                let v = <I as Lanes<f32>>::load_partial(x.as_ptr().cast(), x.len());
                <I as Lanes<f32>>::bits(v)
            };
            let (high, low) = I::mul_wide_u32(load(a), load(b));
            let (mut h, mut l) = ([0u32; 16], [0u32; 16]);
            <I as Lanes<f32>>::store(h.as_mut_ptr().cast(), <I as Lanes<f32>>::from_bits(high));
            <I as Lanes<f32>>::store(l.as_mut_ptr().cast(), <I as Lanes<f32>>::from_bits(low));
            products.extend((0..a.len()).map(|i| u64::from(h[i]) << 32 | u64::from(l[i])));
        }
        products
    }
}

#[test]
fn wide_products() {
    let a: Vec<u32> = (0..50u32)
        .map(|i| i.wrapping_mul(0x9e37_79b9) ^ 0xffff)
        .collect();
    let b: Vec<u32> = (0..50u32)
        .map(|i| u32::MAX - i.wrapping_mul(0x1234_5677))
        .collect();
    let want: Vec<u64> = a
        .iter()
        .zip(&b)
        .map(|(&a, &b)| u64::from(a) * u64::from(b))
        .collect();
    for l in available() {
        assert_eq!(with_level(l, || dispatch(MulWide(&a, &b))), want, "{l:?}");
    }
}
