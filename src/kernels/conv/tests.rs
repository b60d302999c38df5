//! Every direction against the definition in `f64`, on each level, for any number of threads.

use super::*;
use crate::simd::available;

/// Small integers, so that sums are exact and any difference is a defect.
pub(crate) fn integers(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % 9) as f64 - 4.0
        })
        .collect()
}

fn cast<T: Float>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&v| T::from_f64(v)).collect()
}

fn back<T: Float>(x: &[T]) -> Vec<f64> {
    x.iter().map(|v| v.to_f64()).collect()
}

/// A shape whose output is as large as padding `pad` on both sides gives.
#[allow(clippy::too_many_arguments)]
fn shape(
    n: usize,
    input: [usize; 3],
    c: usize,
    k: usize,
    kernel: [usize; 3],
    stride: usize,
    dilation: usize,
    pad: isize,
    groups: usize,
) -> ConvShape {
    let pads = [0, 1, 2].map(|a| if kernel[a] == 1 { 0 } else { pad });
    let output = [0, 1, 2].map(|a| {
        let span = ((kernel[a] - 1) * dilation + 1) as isize;
        let room = input[a] as isize + 2 * pads[a] - span;
        if room < 0 {
            0
        } else {
            room as usize / stride + 1
        }
    });
    ConvShape {
        n,
        input,
        c,
        output,
        k,
        kernel,
        stride: [stride; 3],
        dilation: [dilation; 3],
        pad: pads,
        groups,
    }
}

fn check<T: Float>(s: &ConvShape) {
    let (x, w, dy) = (
        integers(s.x_len(), 1),
        integers(s.w_len(), 2),
        integers(s.y_len(), 3),
    );
    let bias = integers(s.k, 4);
    let (xt, wt, dyt, bt) = (
        cast::<T>(&x),
        cast::<T>(&w),
        cast::<T>(&dy),
        cast::<T>(&bias),
    );
    let plain = naive::forward(s, &x, &w);
    let relu: Vec<f64> = plain
        .iter()
        .enumerate()
        .map(|(i, v)| (v + bias[i % s.k]).max(0.0))
        .collect();
    let (dx, dw) = (
        naive::input_grad(s, &dy, &w),
        naive::kernel_grad(s, &x, &dy),
    );
    for level in available() {
        with_level(level, || {
            let mut y = vec![T::NAN; s.y_len()];
            forward(s, &xt, &wt, &mut y, &Epilogue::default());
            assert_eq!(back(&y), plain, "forward {level:?} {s:?}");
            let mut y = vec![T::NAN; s.y_len()];
            let epilogue = Epilogue {
                bias: Some(&bt),
                activation: Activation::Relu,
            };
            forward(s, &xt, &wt, &mut y, &epilogue);
            assert_eq!(back(&y), relu, "forward with epilogue {level:?} {s:?}");
            let mut g = vec![T::NAN; s.x_len()];
            input_grad(s, &dyt, &wt, &mut g);
            assert_eq!(back(&g), dx, "input gradient {level:?} {s:?}");
            let mut g = vec![T::NAN; s.w_len()];
            kernel_grad(s, &xt, &dyt, &mut g);
            assert_eq!(back(&g), dw, "kernel gradient {level:?} {s:?}");
        });
    }
}

#[test]
fn strides_dilations_and_padding() {
    for stride in [1, 2, 3] {
        for dilation in [1, 2] {
            for pad in [-1, 0, 1, 4] {
                for kernel in [[1, 1, 1], [1, 3, 3], [1, 2, 5], [2, 3, 1]] {
                    let s = shape(2, [3, 7, 9], 3, 5, kernel, stride, dilation, pad, 1);
                    check::<f32>(&s);
                }
            }
        }
    }
}

#[test]
fn channels_around_tile_edges() {
    for c in [1, 2, 4, 15, 16, 33] {
        for k in [1, 7, 8, 9, 16, 17, 31, 32, 33, 50, 65] {
            check::<f32>(&shape(1, [1, 4, 5], c, k, [1, 3, 3], 1, 1, 1, 1));
        }
    }
    for k in [3, 4, 7, 8, 9, 16, 17] {
        check::<f64>(&shape(1, [1, 4, 5], 3, k, [1, 3, 3], 1, 1, 1, 1));
    }
}

#[test]
fn large_kernels_of_one_element() {
    check::<f32>(&shape(2, [1, 5, 6], 128, 130, [1, 1, 1], 1, 1, 0, 1));
    check::<f64>(&shape(1, [2, 3, 5], 130, 129, [1, 1, 1], 2, 1, 0, 1));
}

#[test]
fn large_kernels_over_gathered_windows() {
    let small = shape(2, [1, 7, 9], 230, 130, [1, 3, 3], 2, 1, 1, 1);
    let wide = shape(1, [2, 5, 13], 68, 145, [1, 3, 9], 1, 2, 4, 1);
    for s in [&small, &wide] {
        assert!(lowered::applies::<f32>(&s.forward()), "{s:?}");
        check::<f32>(s);
    }
    let s = shape(1, [1, 7, 9], 120, 129, [1, 3, 3], 2, 1, 0, 1);
    assert!(lowered::applies::<f64>(&s.forward()), "{s:?}");
    check::<f64>(&s);
}

#[test]
fn lines_of_one_or_several_tiles() {
    for width in [9, 11, 13, 14, 15, 26, 28, 29, 33] {
        for (stride, k) in [(1, 5), (1, 16), (2, 33), (3, 20)] {
            let input = [1, 7, (width - 1) * stride + 3];
            check::<f32>(&shape(1, input, 3, k, [1, 3, 3], stride, 1, 0, 1));
        }
    }
}

#[test]
fn positions_around_tile_edges() {
    for width in 1..=30 {
        check::<f32>(&shape(1, [1, 1, width], 2, 20, [1, 1, 3], 1, 1, 1, 1));
        check::<f64>(&shape(1, [1, 1, width], 2, 5, [1, 1, 1], 1, 1, 0, 1));
    }
}

#[test]
fn groups() {
    for (c, k, g) in [
        (4, 6, 2),
        (6, 6, 6),
        (6, 12, 6),
        (32, 64, 2),
        (40, 40, 40),
        (3, 9, 3),
    ] {
        for (stride, pad) in [(1, 1), (2, 1), (1, 0), (2, 2)] {
            check::<f32>(&shape(2, [1, 5, 6], c, k, [1, 3, 3], stride, 1, pad, g));
        }
    }
}

#[test]
fn depthwise() {
    // Channels around the vectors of a tile; more taps than a tile has; kernels wider than the line.
    for c in [5, 16, 24, 40, 64, 100, 130] {
        for (kernel, stride, dilation, pad) in [
            ([1, 3, 3], 1, 1, 1),
            ([1, 3, 3], 2, 1, 0),
            ([1, 7, 9], 1, 1, 4),
            ([1, 2, 5], 3, 1, 2),
            ([1, 3, 3], 1, 2, 2),
            ([3, 1, 3], 2, 1, 1),
        ] {
            let s = shape(2, [4, 6, 19], c, c, kernel, stride, dilation, pad, c);
            check::<f32>(&s);
        }
        check::<f64>(&shape(3, [1, 2, 3], c, c, [1, 3, 8], 1, 1, 3, c));
        check::<f32>(&shape(1, [1, 40, 9], c, c, [1, 1, 3], 4, 1, 0, c));
    }
}

#[test]
fn empty_arrays() {
    for s in [
        shape(0, [1, 5, 5], 2, 3, [1, 3, 3], 1, 1, 1, 1),
        shape(1, [1, 5, 5], 0, 3, [1, 3, 3], 1, 1, 1, 1),
        shape(1, [1, 5, 5], 2, 0, [1, 3, 3], 1, 1, 1, 1),
        shape(1, [1, 2, 2], 2, 3, [1, 3, 3], 1, 1, 0, 1),
        shape(2, [1, 0, 5], 2, 3, [1, 3, 3], 1, 1, 1, 1),
    ] {
        check::<f32>(&s);
    }
}

#[test]
fn blocks_of_rows_columns_and_images() {
    // Many blocks of each kind: columns, rows, depths, images; padded and not.
    for pad in [0, 1] {
        check::<f32>(&shape(1, [1, 1, 3000], 3, 4, [1, 1, 3], 1, 1, pad, 1));
        check::<f32>(&shape(1, [1, 60, 70], 2, 3, [1, 3, 3], 1, 1, pad, 1));
        check::<f32>(&shape(1, [9, 14, 15], 2, 3, [3, 3, 3], 1, 1, pad, 1));
        check::<f32>(&shape(70, [1, 6, 7], 2, 3, [1, 3, 3], 1, 1, pad, 1));
        check::<f32>(&shape(70, [1, 6, 7], 2, 3, [1, 3, 3], 2, 1, pad, 1));
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let s = shape(5, [1, 19, 23], 7, 37, [1, 3, 3], 2, 1, 1, 1);
    same_bits(&s, &available());
    same_bits(&shape(5, [1, 9, 11], 230, 130, [1, 3, 3], 2, 1, 1, 1), &[]);
}

/// The same bits for any number of threads, and on each of the levels.
fn same_bits(s: &ConvShape, levels: &[Level]) {
    let random = |len, seed| -> Vec<f32> {
        let small = integers(len, seed);
        small
            .iter()
            .enumerate()
            .map(|(i, v)| (*v * (1.0 + i as f64).sqrt()) as f32)
            .collect()
    };
    let (x, w, dy) = (
        random(s.x_len(), 1),
        random(s.w_len(), 2),
        random(s.y_len(), 3),
    );
    let run = || {
        let mut all = [
            vec![0.0; s.y_len()],
            vec![0.0; s.x_len()],
            vec![0.0; s.w_len()],
        ];
        forward(s, &x, &w, &mut all[0], &Epilogue::default());
        input_grad(s, &dy, &w, &mut all[1]);
        kernel_grad(s, &x, &dy, &mut all[2]);
        all.concat()
            .iter()
            .map(|v: &f32| v.to_bits())
            .collect::<Vec<_>>()
    };
    let before = crate::par::threads();
    let expected = run();
    for threads in [1, 2, 4] {
        crate::par::set_threads(threads);
        assert_eq!(run(), expected, "{threads} threads");
    }
    crate::par::set_threads(before);
    for &level in levels {
        assert_eq!(with_level(level, run), expected, "{level:?}");
    }
}

/// A copy of `data` whose last element is followed by a page that may not be touched.
#[cfg(target_os = "linux")]
struct Guarded {
    map: *mut libc::c_void,
    bytes: usize,
    len: usize,
}

#[cfg(target_os = "linux")]
impl Guarded {
    fn new(data: &[f32]) -> Guarded {
        const PAGE: usize = 4096;
        let bytes = (size_of_val(data)).div_ceil(PAGE) * PAGE + PAGE;
        // SAFETY: a fresh anonymous mapping; the last page becomes inaccessible.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let rw = libc::PROT_READ | libc::PROT_WRITE;
            let map = libc::mmap(std::ptr::null_mut(), bytes, rw, flags, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            assert_eq!(
                libc::mprotect(map.byte_add(bytes - PAGE), PAGE, libc::PROT_NONE),
                0
            );
            let mut g = Guarded {
                map,
                bytes,
                len: data.len(),
            };
            g.slice().copy_from_slice(data);
            g
        }
    }

    fn slice(&mut self) -> &mut [f32] {
        // SAFETY: the elements that end where the guard page begins, borrowed from `self`.
        unsafe {
            let end = self.map.byte_add(self.bytes - 4096).cast::<f32>();
            std::slice::from_raw_parts_mut(end.sub(self.len), self.len)
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: our own mapping.
        unsafe { libc::munmap(self.map, self.bytes) };
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_beyond_the_arrays_is_touched() {
    for (c, k, groups) in [
        (1, 1, 1),
        (3, 5, 1),
        (5, 33, 1),
        (6, 6, 6),
        (17, 17, 17),
        (4, 6, 2),
    ] {
        for (stride, pad, kernel) in [(1, 0, 3), (2, 1, 3), (1, 0, 1), (3, 0, 2)] {
            let s = shape(
                2,
                [1, 5, 6],
                c,
                k,
                [1, kernel, kernel],
                stride,
                1,
                pad,
                groups,
            );
            let ones = |len| Guarded::new(&vec![1.0; len]);
            let (mut x, mut w, mut y) = (ones(s.x_len()), ones(s.w_len()), ones(s.y_len()));
            for level in available() {
                with_level(level, || {
                    forward(&s, x.slice(), w.slice(), y.slice(), &Epilogue::default());
                    input_grad(&s, y.slice(), w.slice(), x.slice());
                    kernel_grad(&s, x.slice(), y.slice(), w.slice());
                });
            }
        }
    }
}

/// The largest difference of `got` from `expected`, relative to the largest of `expected`.
fn error(got: &[f32], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let pairs = got.iter().zip(expected);
    // NaN counts as infinitely wrong.
    pairs
        .map(|(g, e)| (f64::from(*g) - e).abs() / largest)
        .fold(0.0, |m, e| if e <= m { m } else { e })
}

#[test]
fn winograd_stays_close_to_the_definition() {
    for (n, hw, c, k, pad) in [
        (4, [15, 17], 16, 16, 1),
        (4, [18, 21], 33, 40, 0),
        (8, [12, 12], 64, 17, 2),
        (30, [7, 7], 16, 100, 1),
    ] {
        let s = shape(n, [1, hw[0], hw[1]], c, k, [1, 3, 3], 1, 1, pad, 1);
        assert!(winograd::applies::<f32>(&s.forward()), "{s:?}");
        let mut phases = s.input_grad_phases();
        assert!(phases.all(|p| winograd::applies::<f32>(&p)), "{s:?}");
        let random = |len, seed| -> Vec<f64> {
            let v = integers(len, seed);
            v.iter()
                .enumerate()
                .map(|(i, v)| f64::from((v + (i as f64).sin()) as f32))
                .collect()
        };
        let (x, w, dy) = (
            random(s.x_len(), 1),
            random(s.w_len(), 2),
            random(s.y_len(), 3),
        );
        let (xt, wt, dyt) = (cast::<f32>(&x), cast::<f32>(&w), cast::<f32>(&dy));
        let bias = cast::<f32>(&integers(s.k, 4));
        let y = naive::forward(&s, &x, &w);
        let relu: Vec<f64> = y
            .iter()
            .enumerate()
            .map(|(i, v)| (v + f64::from(bias[i % s.k])).max(0.0))
            .collect();
        let (dx, dw) = (
            naive::input_grad(&s, &dy, &w),
            naive::kernel_grad(&s, &x, &dy),
        );
        for level in available() {
            with_level(level, || {
                let mut out = vec![f32::NAN; s.y_len()];
                forward(&s, &xt, &wt, &mut out, &Epilogue::default());
                let e = error(&out, &y);
                assert!(e < 5e-6, "forward {level:?} {e} {s:?}");
                let epilogue = Epilogue {
                    bias: Some(&bias),
                    activation: Activation::Relu,
                };
                forward(&s, &xt, &wt, &mut out, &epilogue);
                let e = error(&out, &relu);
                assert!(e < 5e-6, "epilogue {level:?} {e} {s:?}");
                let mut out = vec![f32::NAN; s.x_len()];
                input_grad(&s, &dyt, &wt, &mut out);
                let e = error(&out, &dx);
                assert!(e < 5e-6, "input gradient {level:?} {e} {s:?}");
                let mut out = vec![f32::NAN; s.w_len()];
                kernel_grad(&s, &xt, &dyt, &mut out);
                let e = error(&out, &dw);
                assert!(e < 5e-6, "kernel gradient {level:?} {e} {s:?}");
            });
        }
    }
}
