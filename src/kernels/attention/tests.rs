//! Against plain loops, over sizes around the edges of the tiles, and bit for bit over numbers of threads.

use super::{Band, Gradients, Heads, Operands, Plane, Spec, backward, forward};
use crate::par::with_threads;
use crate::simd::{available, with_level};

/// Irregular numbers in -1 .. 1.
fn numbers(n: usize, salt: usize) -> Vec<f64> {
    (0..n)
        .map(|i| ((i * 7919 + salt * 104_729) % 1009) as f64 / 504.5 - 1.0)
        .collect()
}

/// Operands stored as `[b, position, head, feature]`, with a gap behind each head of keys.
struct Case {
    spec: Spec,
    query: Vec<f64>,
    key: Vec<f64>,
    value: Vec<f64>,
    g: Vec<f64>,
    mask: Vec<bool>,
}

const GAP: usize = 3;

impl Case {
    fn new(spec: Spec) -> Case {
        let s = spec;
        Case {
            spec,
            query: numbers(s.b * s.t * s.n * s.d, 1),
            key: numbers(s.b * s.s * s.k * (s.d + GAP), 2),
            value: numbers(s.b * s.s * s.k * s.v, 3),
            g: numbers(s.b * s.t * s.n * s.v, 4),
            mask: (0..s.s).map(|j| j % 7 != 3).collect(),
        }
    }

    fn operands(&self) -> Operands<f64> {
        let s = &self.spec;
        Operands {
            query: heads(&self.query, s.t, s.n, s.d),
            key: heads(&self.key, s.s, s.k, s.d + GAP),
            value: heads(&self.value, s.s, s.k, s.v),
            bias: None,
            mask: Some(Plane {
                ptr: self.mask.as_ptr(),
                strides: [0, 0, 0, 1],
            }),
            seed: None,
        }
    }

    /// Output, logarithms, and the gradients of query, key and value.
    fn run(&self) -> [Vec<f64>; 5] {
        let (s, x) = (&self.spec, self.operands());
        let mut y = vec![f64::NAN; s.b * s.t * s.n * s.v];
        let mut lse = vec![f64::NAN; s.b * s.n * s.t];
        let mut dq = vec![f64::NAN; self.query.len()];
        let mut dk = vec![f64::NAN; s.b * s.s * s.k * s.d];
        let mut dv = vec![f64::NAN; self.value.len()];
        // SAFETY: the vectors have the sizes that `spec` says.
        unsafe {
            forward(s, &x, y.as_mut_ptr(), lse.as_mut_ptr());
            let out = Gradients {
                query: dq.as_mut_ptr(),
                key: dk.as_mut_ptr(),
                value: dv.as_mut_ptr(),
            };
            let (y, g) = (heads(&y, s.t, s.n, s.v), heads(&self.g, s.t, s.n, s.v));
            backward(s, &x, &y, lse.as_ptr(), &g, &out);
        }
        [y, lse, dq, dk, dv]
    }

    /// The same by definition.
    fn slow(&self) -> [Vec<f64>; 5] {
        let s = &self.spec;
        let mut y = vec![0.0; s.b * s.t * s.n * s.v];
        let mut lse = vec![f64::INFINITY; s.b * s.n * s.t];
        let mut dq = vec![0.0; self.query.len()];
        let mut dk = vec![0.0; s.b * s.s * s.k * s.d];
        let mut dv = vec![0.0; self.value.len()];
        for (b, h, i) in
            (0..s.b).flat_map(|b| (0..s.n).flat_map(move |h| (0..s.t).map(move |i| (b, h, i))))
        {
            let k = h / s.groups();
            let q = &self.query[((b * s.t + i) * s.n + h) * s.d..][..s.d];
            let key = |j: usize| &self.key[((b * s.s + j) * s.k + k) * (s.d + GAP)..][..s.d];
            let value = |j: usize| &self.value[((b * s.s + j) * s.k + k) * s.v..][..s.v];
            let row = ((b * s.t + i) * s.n + h) * s.v;
            let g = &self.g[row..][..s.v];
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (low, high) = s.band.keys(i, s.s);
            let seen: Vec<usize> = (low..high).filter(|&j| self.mask[j]).collect();
            let total: f64 = seen.iter().map(|&j| (dot(q, key(j)) * s.scale).exp()).sum();
            if seen.is_empty() {
                continue;
            }
            lse[(b * s.n + h) * s.t + i] = total.ln();
            let weight = |j: usize| (dot(q, key(j)) * s.scale).exp() / total;
            for &j in &seen {
                for c in 0..s.v {
                    y[row + c] += weight(j) * value(j)[c];
                }
            }
            let delta = dot(&y[row..][..s.v], g);
            for &j in &seen {
                let ds = weight(j) * (dot(g, value(j)) - delta) * s.scale;
                for c in 0..s.d {
                    dq[((b * s.t + i) * s.n + h) * s.d + c] += ds * key(j)[c];
                    dk[((b * s.s + j) * s.k + k) * s.d + c] += ds * q[c];
                }
                for c in 0..s.v {
                    dv[((b * s.s + j) * s.k + k) * s.v + c] += weight(j) * g[c];
                }
            }
        }
        [y, lse, dq, dk, dv]
    }
}

fn heads(x: &[f64], positions: usize, heads: usize, size: usize) -> Heads<f64> {
    let (row, head) = ((heads * size) as isize, size as isize);
    Heads {
        ptr: x.as_ptr(),
        strides: [positions as isize * row, row, head, 1],
    }
}

fn spec(t: usize, s: usize, heads: (usize, usize), sizes: (usize, usize), band: Band) -> Spec {
    Spec {
        b: 2,
        t,
        s,
        n: heads.0,
        k: heads.1,
        d: sizes.0,
        v: sizes.1,
        scale: 0.7,
        band,
        soft_cap: None,
        rate: 0.0,
    }
}

fn specs() -> Vec<Spec> {
    let causal = Band {
        after: 0,
        ..Band::ALL
    };
    let window = Band {
        before: 20,
        after: 3,
    };
    vec![
        spec(1, 1, (1, 1), (1, 1), Band::ALL),
        spec(1, 300, (4, 2), (5, 3), Band::ALL),
        spec(48, 64, (2, 2), (8, 8), causal),
        spec(49, 65, (2, 1), (7, 9), window),
        spec(97, 257, (1, 1), (4, 2), Band::ALL),
        spec(130, 130, (3, 1), (3, 5), causal),
        spec(5, 1100, (1, 1), (2, 2), Band::ALL),
        spec(600, 600, (1, 1), (2, 3), window),
        // Queries behind the last key, and keys that nobody sees.
        spec(
            90,
            10,
            (1, 1),
            (3, 3),
            Band {
                before: 4,
                after: 0,
            },
        ),
        spec(3, 200, (1, 1), (3, 3), causal),
    ]
}

#[test]
fn equals_the_definition() {
    for spec in specs() {
        let case = Case::new(spec);
        let want = case.slow();
        for level in available() {
            let got = with_level(level, || case.run());
            for (what, (got, want)) in ["y", "lse", "dq", "dk", "dv"]
                .iter()
                .zip(got.iter().zip(&want))
            {
                for (i, (a, b)) in got.iter().zip(want).enumerate() {
                    assert!(
                        a == b || (a - b).abs() < 1e-11 * (1.0 + b.abs()),
                        "{what}[{i}] is {a}, not {b}: {level:?} {spec:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let case = Case::new(spec(300, 1100, (4, 2), (16, 16), Band::ALL));
    let bits = |n: usize| {
        with_threads(n, || case.run()).map(|v| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    let one = bits(1);
    for n in [2, 3, 5] {
        assert_eq!(one, bits(n), "{n} threads");
    }
}
