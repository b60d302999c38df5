//! How a convolution slides: its shape, and the axes of the correlation that computes it.
//!
//! Forward and input gradient are the same thing to the kernels: a *correlation*, in which output
//! position `q` of an axis reads the source at `q * stride + tap.at` for each tap. The forward
//! convolution has one tap for each kernel element. The input gradient with stride `s` falls apart
//! into `s` *phases* for each axis, each a correlation of stride 1 over the output gradient with
//! the taps that reach that phase, so no zero is ever multiplied.

use smallvec::SmallVec;

/// The sizes of one convolution, forward view: `x [n, input.., c]`, `w [kernel.., c / groups, k]`,
/// `y [n, output.., k]`.
///
/// One and two dimensions are three with ones in front. `y[o]` reads `x` at
/// `o * stride + tap * dilation - pad`; positions outside `x` count as zero, so `pad` is the low
/// side and the high side follows from `output`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Images.
    pub n: usize,
    /// Depth, height and width of `x`.
    pub input: [usize; 3],
    /// Channels of `x`.
    pub c: usize,
    /// Depth, height and width of `y`.
    pub output: [usize; 3],
    /// Channels of `y` (filters).
    pub k: usize,
    /// Depth, height and width of the kernel.
    pub kernel: [usize; 3],
    /// Input positions between neighbouring outputs.
    pub stride: [usize; 3],
    /// Input positions between neighbouring taps.
    pub dilation: [usize; 3],
    /// Zeros before the first input position; negative values crop.
    pub pad: [isize; 3],
    /// Channel groups; `c` and `k` are multiples of it.
    pub groups: usize,
}

impl ConvShape {
    /// Elements of `x`.
    pub fn x_len(&self) -> usize {
        self.n * self.input.iter().product::<usize>() * self.c
    }
    /// Elements of `w`.
    pub fn w_len(&self) -> usize {
        self.kernel.iter().product::<usize>() * (self.c / self.groups.max(1)) * self.k
    }
    /// Elements of `y`.
    pub fn y_len(&self) -> usize {
        self.n * self.output.iter().product::<usize>() * self.k
    }
    /// Multiplications, padding included.
    pub fn macs(&self) -> usize {
        self.w_len() * self.n * self.output.iter().product::<usize>()
    }
    /// Does filter `k` read channel `k` alone?
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.c && self.c == self.k && self.c > 1
    }

    /// Panics unless the arrays have the sizes that this shape gives them.
    pub(super) fn check(&self, x: usize, w: usize, y: usize) {
        assert!(
            self.groups > 0
                && self.c.is_multiple_of(self.groups)
                && self.k.is_multiple_of(self.groups),
            "groups do not divide the channels"
        );
        assert!(
            self.stride.iter().chain(&self.dilation).all(|&s| s > 0),
            "zero stride"
        );
        assert_eq!(
            [x, w, y],
            [self.x_len(), self.w_len(), self.y_len()],
            "array lengths"
        );
    }

    /// The correlation that is the forward convolution.
    pub(super) fn forward(&self) -> Correlation {
        Correlation {
            n: self.n,
            axes: std::array::from_fn(|a| Axis::forward(self, a)),
            source_c: self.c,
            target_c: self.k,
            groups: if self.is_depthwise() { 1 } else { self.groups },
            depthwise: self.is_depthwise(),
            target: self.output,
        }
    }

    /// The correlations, one for each phase, that together are the input gradient.
    pub(super) fn input_grad_phases(&self) -> impl Iterator<Item = Correlation> + '_ {
        let phases: [usize; 3] = std::array::from_fn(|a| self.stride[a].min(self.input[a]));
        (0..phases.iter().product()).map(move |p| {
            let phase = [
                p / (phases[1] * phases[2]),
                p / phases[2] % phases[1],
                p % phases[2],
            ];
            Correlation {
                n: self.n,
                axes: std::array::from_fn(|a| Axis::input_grad(self, a, phase[a])),
                source_c: self.k,
                target_c: self.c,
                groups: if self.is_depthwise() { 1 } else { self.groups },
                depthwise: self.is_depthwise(),
                target: self.input,
            }
        })
    }
}

/// One kernel element along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    /// Where it reads, relative to `q * stride`.
    pub at: isize,
    /// Which kernel element it is.
    pub index: usize,
}

/// One axis of a correlation.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Output positions.
    pub count: usize,
    /// Source positions between neighbouring outputs.
    pub stride: usize,
    /// Source positions that exist.
    pub source: usize,
    /// The taps that ever reach the source, in rising order of `at`.
    pub taps: SmallVec<[Tap; 8]>,
    /// Size of the kernel along this axis, for the index of an element.
    pub kernel: usize,
    /// Where output 0 is written.
    pub target_start: usize,
    /// Written positions between neighbouring outputs.
    pub target_step: usize,
}

impl Axis {
    fn forward(s: &ConvShape, a: usize) -> Axis {
        let taps = (0..s.kernel[a]).map(|k| Tap {
            at: (k * s.dilation[a]) as isize - s.pad[a],
            index: k,
        });
        Axis {
            count: s.output[a],
            stride: s.stride[a],
            source: s.input[a],
            taps: SmallVec::new(),
            kernel: s.kernel[a],
            target_start: 0,
            target_step: 1,
        }
        .with_taps(taps)
    }

    /// Input position `phase + stride * q` gets `dy[o] * w[k]` from every `o` and `k` with
    /// `o * stride + k * dilation - pad = phase + stride * q`, so `o = q + at`.
    fn input_grad(s: &ConvShape, a: usize, phase: usize) -> Axis {
        let stride = s.stride[a] as isize;
        let taps = (0..s.kernel[a]).rev().filter_map(|k| {
            let reach = phase as isize + s.pad[a] - (k * s.dilation[a]) as isize;
            (reach.rem_euclid(stride) == 0).then_some(Tap {
                at: reach.div_euclid(stride),
                index: k,
            })
        });
        Axis {
            count: (s.input[a] - phase).div_ceil(s.stride[a]),
            stride: 1,
            source: s.output[a],
            taps: SmallVec::new(),
            kernel: s.kernel[a],
            target_start: phase,
            target_step: s.stride[a],
        }
        .with_taps(taps)
    }

    /// Keeps the taps that reach the source from at least one output position.
    fn with_taps(mut self, taps: impl Iterator<Item = Tap>) -> Axis {
        let (count, stride, source) = (
            self.count as isize,
            self.stride as isize,
            self.source as isize,
        );
        self.taps = taps
            .filter(|t| {
                let q = (-t.at).max(0).unsigned_abs().div_ceil(self.stride) as isize;
                q < count && q * stride + t.at < source
            })
            .collect();
        self
    }

    /// The source position that output 0 and the first tap read.
    pub fn low(&self) -> isize {
        self.taps.first().map_or(0, |t| t.at)
    }

    /// Source positions that `count` neighbouring outputs read, from the lowest to the highest.
    pub fn extent(&self, count: usize) -> usize {
        match (self.taps.first(), self.taps.last()) {
            (Some(first), Some(last)) if count > 0 => {
                (count - 1) * self.stride + (last.at - first.at) as usize + 1
            }
            _ => 0,
        }
    }

    /// Does every output read inside the source only?
    pub fn inside(&self) -> bool {
        self.low() >= 0 && self.low() as usize + self.extent(self.count) <= self.source
    }

    /// Do neighbouring taps read neighbouring source positions?
    pub fn dense(&self) -> bool {
        self.taps.windows(2).all(|t| t[1].at - t[0].at == 1)
    }
}

/// `target[q] = sum over taps and channels of source[q * stride + at] * weight[index]`.
#[derive(Clone, Debug)]
pub(super) struct Correlation {
    /// Images.
    pub n: usize,
    /// Depth, height, width.
    pub axes: [Axis; 3],
    /// Channels of the source.
    pub source_c: usize,
    /// Channels of the target.
    pub target_c: usize,
    /// Channel groups.
    pub groups: usize,
    /// Does target channel `c` read source channel `c` alone? Then `groups` is 1.
    pub depthwise: bool,
    /// Depth, height and width of the whole target.
    pub target: [usize; 3],
}

impl Correlation {
    /// Taps that are left.
    pub fn taps(&self) -> usize {
        self.axes.iter().map(|a| a.taps.len()).product()
    }
    /// Source channels that one target channel reads.
    pub fn source_group(&self) -> usize {
        if self.depthwise {
            1
        } else {
            self.source_c / self.groups
        }
    }
    /// Target channels of a group.
    pub fn target_group(&self) -> usize {
        self.target_c / self.groups
    }
    /// Output positions of all images.
    pub fn positions(&self) -> usize {
        self.n * self.axes.iter().map(|a| a.count).product::<usize>()
    }
    /// Does any output read outside the source?
    pub fn padded(&self) -> bool {
        !self.axes.iter().all(Axis::inside)
    }
    /// Kernel elements (flat index over depth, height, width) in the order of the taps.
    pub fn tap_indices(&self) -> impl Iterator<Item = usize> + '_ {
        let [d, h, w] = &self.axes;
        d.taps.iter().flat_map(move |td| {
            h.taps.iter().flat_map(move |th| {
                w.taps
                    .iter()
                    .map(move |tw| (td.index * h.kernel + th.index) * w.kernel + tw.index)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(input: usize, kernel: usize, stride: usize, dilation: usize, pad: isize) -> ConvShape {
        let span = (kernel - 1) * dilation + 1;
        ConvShape {
            n: 1,
            input: [1, 1, input],
            c: 1,
            output: [
                1,
                1,
                ((input as isize + 2 * pad - span as isize) / stride as isize + 1) as usize,
            ],
            k: 1,
            kernel: [1, 1, kernel],
            stride: [1, 1, stride],
            dilation: [1, 1, dilation],
            pad: [0, 0, pad],
            groups: 1,
        }
    }

    #[test]
    fn phases_cover_every_pair_of_output_and_tap_once() {
        for (input, kernel, stride, dilation, pad) in [
            (9, 3, 1, 1, 1),
            (10, 3, 2, 1, 1),
            (11, 4, 3, 2, 0),
            (7, 2, 4, 1, 0),
            (8, 3, 2, 2, 2),
        ] {
            let s = line(input, kernel, stride, dilation, pad);
            let mut pairs = Vec::new();
            for phase in s.input_grad_phases() {
                let w = &phase.axes[2];
                for q in 0..w.count {
                    for t in &w.taps {
                        let o = q as isize + t.at;
                        if (0..s.output[2] as isize).contains(&o) {
                            pairs.push((w.target_start + q * w.target_step, o as usize, t.index));
                        }
                    }
                }
            }
            let mut expected = Vec::new();
            for o in 0..s.output[2] {
                for k in 0..kernel {
                    let i = (o * stride + k * dilation) as isize - pad;
                    if (0..input as isize).contains(&i) {
                        expected.push((i as usize, o, k));
                    }
                }
            }
            pairs.sort_unstable();
            expected.sort_unstable();
            assert_eq!(pairs, expected, "{s:?}");
        }
    }

    #[test]
    fn taps_that_only_see_padding_are_dropped() {
        let mut s = line(3, 9, 1, 1, 4);
        s.output[2] = 1;
        s.pad[2] = 3;
        let f = s.forward();
        assert_eq!(
            f.axes[2].taps.iter().map(|t| t.index).collect::<Vec<_>>(),
            [3, 4, 5]
        );
        assert!(!f.padded());
    }
}
