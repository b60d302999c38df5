//! Pooling against its definition in `f64`, on each level, for any number of threads.

use super::*;
use crate::simd::available;

fn values(len: usize, seed: u64, kinds: u64) -> Vec<f64> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695);
            ((state >> 33) % kinds) as f64 - (kinds / 2) as f64
        })
        .collect()
}

fn shape(
    input: [usize; 3],
    c: usize,
    window: [usize; 3],
    stride: usize,
    dilation: usize,
    pad: isize,
) -> PoolShape {
    let pads = [0, 1, 2].map(|a| if window[a] == 1 { 0 } else { pad });
    let output = [0, 1, 2].map(|a| {
        let room = input[a] as isize + 2 * pads[a] - ((window[a] - 1) * dilation + 1) as isize;
        if room < 0 {
            0
        } else {
            room as usize / stride + 1
        }
    });
    PoolShape {
        n: 2,
        input,
        c,
        output,
        window,
        stride: [stride; 3],
        dilation: [dilation; 3],
        pad: pads,
    }
}

/// Calls `f(output element, input element, position in its image)` for each element of each
/// window, windows in order, elements of a window in order.
fn pairs(s: &PoolShape, mut f: impl FnMut(usize, usize, usize)) {
    let grid = |d: [usize; 3]| {
        (0..d.iter().product::<usize>())
            .map(move |i| [i / (d[1] * d[2]), i / d[2] % d[1], i % d[2]])
    };
    let (inputs, outputs): (usize, usize) = (s.input.iter().product(), s.output.iter().product());
    for n in 0..s.n {
        for (oi, o) in grid(s.output).enumerate() {
            for t in grid(s.window) {
                let at: [isize; 3] = std::array::from_fn(|a| {
                    (o[a] * s.stride[a] + t[a] * s.dilation[a]) as isize - s.pad[a]
                });
                if (0..3).any(|a| at[a] < 0 || at[a] >= s.input[a] as isize) {
                    continue;
                }
                let at =
                    (at[0] as usize * s.input[1] + at[1] as usize) * s.input[2] + at[2] as usize;
                for c in 0..s.c {
                    f(
                        (n * outputs + oi) * s.c + c,
                        (n * inputs + at) * s.c + c,
                        at,
                    );
                }
            }
        }
    }
}

fn cast<T: Float>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&v| T::from_f64(v)).collect()
}

fn close<T: Float>(got: &[T], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        let g = g.to_f64();
        let same = g == *e || (g.is_nan() && e.is_nan());
        assert!(
            same || (g - e).abs() <= 4.0 * T::EPSILON.to_f64() * e.abs().max(1.0),
            "{what}: {g} {e}"
        );
    }
}

fn check<T: Float>(s: &PoolShape) {
    // Few different values: many ties.
    let (x, dy) = (values(s.x_len(), 7, 4), values(s.y_len(), 9, 9));
    let mut max = vec![f64::NEG_INFINITY; s.y_len()];
    let mut index = vec![-1; s.y_len()];
    let (mut sum, mut count) = (vec![0.0; s.y_len()], vec![0.0; s.y_len()]);
    pairs(s, |o, i, at| {
        if x[i] > max[o] {
            max[o] = x[i];
            index[o] = at as i32;
        }
        sum[o] += x[i];
        count[o] += 1.0;
    });
    let all = s.window.iter().product::<usize>() as f64;
    let (mut dmax, mut gathered) = (vec![0.0; s.x_len()], vec![0.0; s.y_len()]);
    let mut daverage = [vec![0.0; s.x_len()], vec![0.0; s.x_len()]];
    pairs(s, |o, i, at| {
        if index[o] == at as i32 {
            dmax[i] += dy[o];
            gathered[o] = x[i];
        }
        daverage[0][i] += dy[o] / count[o];
        daverage[1][i] += dy[o] / all;
    });
    let (x, dy) = (cast::<T>(&x), cast::<T>(&dy));
    for level in available() {
        with_level(level, || {
            let what = format!("{level:?} {s:?}");
            let mut y = vec![T::NAN; s.y_len()];
            let mut got = vec![-7; s.y_len()];
            max_pool(s, &x, &mut y, Some(&mut got));
            close(&y, &max, &what);
            assert_eq!(got, index, "{what}");
            let mut y = vec![T::NAN; s.y_len()];
            max_pool(s, &x, &mut y, None);
            close(&y, &max, &what);
            let mut y = vec![T::NAN; s.y_len()];
            max_pool_gather(s, &x, &index, &mut y);
            close(&y, &gathered, &what);
            let mut g = vec![T::NAN; s.x_len()];
            max_pool_scatter(s, &dy, &index, &mut g);
            close(&g, &dmax, &what);
            for count_padding in [false, true] {
                let mut y = vec![T::NAN; s.y_len()];
                average_pool(s, &x, &mut y, count_padding);
                let by = |o: usize| {
                    if count_padding {
                        all
                    } else {
                        count[o].max(1.0)
                    }
                };
                let mean: Vec<f64> = sum.iter().enumerate().map(|(o, v)| v / by(o)).collect();
                close(&y, &mean, &what);
                let mut g = vec![T::NAN; s.x_len()];
                average_pool_grad(s, &dy, &mut g, count_padding);
                close(&g, &daverage[usize::from(count_padding)], &what);
            }
        });
    }
}

#[test]
fn windows_strides_dilations_padding_channels() {
    for stride in [1, 2, 3] {
        for dilation in [1, 2] {
            for pad in [-1, 0, 1, 3] {
                for window in [[1, 2, 2], [1, 3, 3], [2, 1, 3]] {
                    check::<f32>(&shape([3, 7, 9], 3, window, stride, dilation, pad));
                }
            }
        }
    }
    for c in [1, 4, 7, 8, 9, 15, 16, 17, 33, 64] {
        check::<f32>(&shape([1, 6, 6], c, [1, 2, 2], 2, 1, 0));
        check::<f64>(&shape([1, 6, 6], c, [1, 3, 3], 2, 1, 1));
    }
}

#[test]
fn nan_propagates_and_first_minus_infinity_has_an_index() {
    let s = PoolShape {
        n: 1,
        ..shape([1, 1, 4], 1, [1, 1, 2], 2, 1, 0)
    };
    for level in available() {
        with_level(level, || {
            let (mut y, mut index) = ([0.0f32; 2], [0; 2]);
            let x = [f32::NAN, 1.0, f32::NEG_INFINITY, f32::NEG_INFINITY];
            max_pool(&s, &x, &mut y, Some(&mut index));
            assert!(y[0].is_nan() && y[1] == f32::NEG_INFINITY, "{y:?}");
            assert_eq!(index, [0, 2]);
            max_pool(&s, &[1.0, f32::NAN, 0.0, 0.0], &mut y, None);
            assert!(y[0].is_nan() && y[1] == 0.0, "{y:?}");
        });
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let s = shape([1, 23, 29], 19, [1, 3, 3], 2, 1, 1);
    let dy: Vec<f32> = (0..s.y_len()).map(|i| (i as f32).sin()).collect();
    let run = || {
        let mut dx = vec![0.0; s.x_len()];
        average_pool_grad(&s, &dy, &mut dx, false);
        dx.iter().map(|v: &f32| v.to_bits()).collect::<Vec<_>>()
    };
    let before = crate::par::threads();
    let expected = run();
    for threads in [1, 2, 4] {
        crate::par::set_threads(threads);
        assert_eq!(run(), expected);
    }
    crate::par::set_threads(before);
}

#[test]
fn empty_arrays() {
    for (n, c, input) in [
        (0, 2, [1, 4, 4]),
        (1, 0, [1, 4, 4]),
        (1, 2, [1, 0, 4]),
        (1, 2, [1, 1, 1]),
    ] {
        let s = PoolShape {
            n,
            ..shape(input, c, [1, 2, 2], 2, 1, 0)
        };
        check::<f32>(&s);
    }
}
