//! Samples of convolution and pooling: references that follow the definitions, one product at a time.

use super::conv::{conv, conv_transpose, depthwise_conv, separable_conv};
use super::pool::{average_pool, max_pool};
use super::samples::{Nd, at, from_index, nd, unravel, values};

use crate::args::{DataFormat, Ints, Padding};
use crate::op::Sample;

/// A geometry that is the same for all spatial axes.
#[derive(Clone, Copy)]
struct Grid {
    stride: usize,
    dilation: usize,
    same: bool,
}

const PLAIN: Grid = Grid {
    stride: 1,
    dilation: 1,
    same: false,
};

impl Grid {
    fn padding(self) -> Padding {
        if self.same {
            Padding::Same
        } else {
            Padding::Valid
        }
    }
    fn strides(self) -> Ints {
        Ints::from(self.stride as i64)
    }
    fn rate(self) -> Ints {
        Ints::from(self.dilation as i64)
    }
    /// Number of outputs along an axis and the zeros in front of it.
    fn extent(self, n: usize, window: usize) -> (usize, isize) {
        let span = (window - 1) * self.dilation + 1;
        if !self.same {
            return ((n - span) / self.stride + 1, 0);
        }
        let out = n.div_ceil(self.stride);
        let total = ((out - 1) * self.stride + span).saturating_sub(n);
        (out, (total / 2) as isize)
    }
    /// The input index that output `o` reads with tap `t`, if it is inside.
    fn source(self, o: usize, t: usize, low: isize, n: usize) -> Option<usize> {
        let i = (o * self.stride + t * self.dilation) as isize - low;
        (0..n as isize).contains(&i).then_some(i as usize)
    }
}

/// Calls `f(tap, input index)` for the taps of an output place that lie inside the input.
fn taps(
    g: Grid,
    place: &[usize],
    window: &[usize],
    sizes: &[usize],
    mut f: impl FnMut(&[usize], &[usize]),
) {
    for e in 0..window.iter().product() {
        let t = unravel(e, window);
        let i: Option<Vec<usize>> = (0..sizes.len())
            .map(|d| g.source(place[d], t[d], g.extent(sizes[d], window[d]).1, sizes[d]))
            .collect();
        if let Some(i) = i {
            f(&t, &i);
        }
    }
}

fn spatial(x: &Nd) -> Vec<usize> {
    x.0[1..x.0.len() - 1].to_vec()
}

/// The shape of the output for a window and a number of channels.
fn out_shape(g: Grid, x: &Nd, window: &[usize], channels: usize) -> Vec<usize> {
    let outs = spatial(x)
        .iter()
        .zip(window)
        .map(|(&n, &w)| g.extent(n, w).0)
        .collect::<Vec<_>>();
    [&[x.0[0]][..], &outs, &[channels]].concat()
}

fn by_definition(g: Grid, x: &Nd, w: &Nd, groups: usize) -> Nd {
    let r = x.0.len() - 2;
    let (window, each, filters) = (&w.0[..r], w.0[r], w.0[r + 1]);
    from_index(&out_shape(g, x, window, filters), |i| {
        let k = i[r + 1];
        let first = k / (filters / groups) * each;
        let mut sum = 0.0;
        taps(g, &i[1..=r], window, &spatial(x), |t, from| {
            for c in 0..each {
                sum +=
                    at(x, &[&i[..1], from, &[first + c]].concat()) * at(w, &[t, &[c, k]].concat());
            }
        });
        sum
    })
}

pub(super) fn of_conv() -> Vec<Sample> {
    let case = |label: &str, x: &[usize], w: &[usize], g: Grid, groups: usize| {
        Sample::new(
            label,
            vec![values(x, -1.0, 1.0, 1), values(w, -1.0, 1.0, 2)],
            move |x| {
                Ok(vec![conv(
                    &x[0],
                    &x[1],
                    g.strides(),
                    g.padding(),
                    None,
                    g.rate(),
                    Some(groups as i64),
                )?])
            },
        )
        .reference(move |x| vec![by_definition(g, &nd(&x[0]), &nd(&x[1]), groups)])
    };
    vec![
        case("two axes", &[2, 4, 5, 2], &[3, 2, 2, 3], PLAIN, 1),
        case(
            "same, strides",
            &[1, 5, 4, 2],
            &[3, 3, 2, 2],
            Grid {
                stride: 2,
                same: true,
                ..PLAIN
            },
            1,
        ),
        case(
            "groups, dilation",
            &[1, 6, 5, 4],
            &[2, 2, 2, 4],
            Grid {
                dilation: 2,
                ..PLAIN
            },
            2,
        ),
        case("one axis", &[2, 6, 2], &[3, 2, 2], PLAIN, 1),
        case(
            "three axes",
            &[1, 3, 3, 3, 1],
            &[2, 2, 2, 1, 2],
            Grid {
                same: true,
                ..PLAIN
            },
            1,
        ),
        Sample::new(
            "channels first",
            vec![
                values(&[1, 2, 4, 3], -1.0, 1.0, 1),
                values(&[2, 2, 2, 2], -1.0, 1.0, 2),
            ],
            |x| {
                Ok(vec![conv(
                    &x[0],
                    &x[1],
                    Ints::from(1),
                    Padding::Valid,
                    Some(DataFormat::ChannelsFirst),
                    Ints::from(1),
                    None,
                )?])
            },
        )
        .reference(|x| {
            let (a, w) = (nd(&x[0]), nd(&x[1]));
            let last = from_index(&[1, 4, 3, 2], |i| at(&a, &[i[0], i[3], i[1], i[2]]));
            let y = by_definition(PLAIN, &last, &w, 1);
            vec![from_index(&[1, 2, 3, 2], |i| {
                at(&y, &[i[0], i[2], i[3], i[1]])
            })]
        }),
    ]
}

pub(super) fn of_transpose() -> Vec<Sample> {
    // Every input spreads the kernel (spatial.., filters, channels) over the output.
    let spread = |x: &Nd, w: &Nd, s: usize| {
        let r = x.0.len() - 2;
        let outs: Vec<usize> = (0..r)
            .map(|d| ((x.0[d + 1] - 1) * s + w.0[d]).max(x.0[d + 1] * s))
            .collect();
        let shape = [&x.0[..1], &outs, &w.0[r..=r]].concat();
        from_index(&shape, |o| {
            let mut sum = 0.0;
            for e in 0..x.1.len() {
                let i = unravel(e, &x.0);
                let t: Vec<usize> = (0..r)
                    .map(|d| o[d + 1].wrapping_sub(i[d + 1] * s))
                    .collect();
                if i[0] == o[0] && t.iter().zip(&w.0).all(|(t, n)| t < n) {
                    sum += x.1[e] * at(w, &[&t[..], &[o[r + 1], i[r + 1]]].concat());
                }
            }
            sum
        })
    };
    let case = move |label: &str, x: &[usize], w: &[usize], s: usize| {
        Sample::new(
            label,
            vec![values(x, -1.0, 1.0, 1), values(w, -1.0, 1.0, 2)],
            move |x| {
                Ok(vec![conv_transpose(
                    &x[0],
                    &x[1],
                    Ints::from(s as i64),
                    Padding::Valid,
                    None,
                    None,
                    Ints::from(1),
                )?])
            },
        )
        .reference(move |x| vec![spread(&nd(&x[0]), &nd(&x[1]), s)])
    };
    vec![
        case("strides", &[1, 3, 2, 2], &[3, 3, 3, 2], 2),
        case("plain", &[2, 3, 2], &[2, 2, 2], 1),
    ]
}

/// The kernel (window.., channels, multiplier) as that of a convolution with a group for each channel.
fn grouped(w: &Nd) -> Nd {
    let r = w.0.len() - 2;
    let shape = [&w.0[..r], &[1, w.0[r] * w.0[r + 1]]].concat();
    (shape, w.1.clone())
}

pub(super) fn of_depthwise() -> Vec<Sample> {
    let case = |label: &str, g: Grid| {
        Sample::new(
            label,
            vec![
                values(&[1, 5, 4, 3], -1.0, 1.0, 1),
                values(&[3, 2, 3, 2], -1.0, 1.0, 2),
            ],
            move |x| {
                Ok(vec![depthwise_conv(
                    &x[0],
                    &x[1],
                    g.strides(),
                    g.padding(),
                    None,
                    g.rate(),
                )?])
            },
        )
        .reference(move |x| vec![by_definition(g, &nd(&x[0]), &grouped(&nd(&x[1])), 3)])
    };
    vec![
        case("plain", PLAIN),
        case(
            "same, strides",
            Grid {
                stride: 2,
                same: true,
                ..PLAIN
            },
        ),
    ]
}

pub(super) fn of_separable() -> Vec<Sample> {
    vec![
        Sample::new(
            "plain",
            vec![
                values(&[1, 4, 4, 2], -1.0, 1.0, 1),
                values(&[2, 2, 2, 2], -1.0, 1.0, 2),
                values(&[1, 1, 4, 3], -1.0, 1.0, 3),
            ],
            |x| {
                Ok(vec![separable_conv(
                    &x[0],
                    &x[1],
                    &x[2],
                    Ints::from(1),
                    Padding::Valid,
                    None,
                    Ints::from(1),
                )?])
            },
        )
        .reference(|x| {
            let each = by_definition(PLAIN, &nd(&x[0]), &grouped(&nd(&x[1])), 2);
            vec![by_definition(PLAIN, &each, &nd(&x[2]), 1)]
        }),
    ]
}

fn pooled(x: &[usize], window: &'static [usize], g: Grid, average: bool) -> Sample {
    let label = format!("window {window:?}, strides {}, same: {}", g.stride, g.same);
    let size = Ints(window.iter().map(|&n| n as i64).collect());
    Sample::new(label, vec![values(x, -1.0, 1.0, 4)], move |x| {
        let f = if average { average_pool } else { max_pool };
        Ok(vec![f(
            &x[0],
            size.clone(),
            Some(g.strides()),
            g.padding(),
            None,
        )?])
    })
    .reference(move |x| {
        let x = nd(&x[0]);
        let r = window.len();
        let shape = out_shape(g, &x, window, x.0[r + 1]);
        vec![from_index(&shape, |i| {
            let mut seen = Vec::new();
            taps(g, &i[1..=r], window, &spatial(&x), |_, from| {
                seen.push(at(&x, &[&i[..1], from, &i[r + 1..]].concat()))
            });
            if average {
                seen.iter().sum::<f64>() / seen.len() as f64
            } else {
                seen.into_iter().fold(f64::NEG_INFINITY, f64::max)
            }
        })]
    })
}

pub(super) fn of_pool(average: bool) -> Vec<Sample> {
    vec![
        pooled(&[2, 4, 6, 2], &[2, 2], Grid { stride: 2, ..PLAIN }, average),
        pooled(
            &[1, 5, 5, 3],
            &[3, 2],
            Grid {
                stride: 2,
                same: true,
                ..PLAIN
            },
            average,
        ),
        pooled(&[1, 7, 2], &[3], PLAIN, average),
        pooled(&[1, 3, 3, 4, 1], &[2, 2, 2], PLAIN, average),
    ]
}
