//! Gradients of first and second order against central differences in `f64`, for unit tests.

use crate::autodiff::backward;
use crate::error::Result;
use crate::tensor::Tensor;

/// Distinct numbers between -1 and 1 that look random.
pub fn noise(shape: &[usize], seed: u64) -> Tensor {
    let n: usize = shape.iter().product();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let v: Vec<f64> = (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect();
    Tensor::from_slice(&v, shape).unwrap()
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.to_vec::<f64>().unwrap(), b.to_vec::<f64>().unwrap());
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Compares with differences, for fixed random `u` and `v`:
/// the gradients of `L(x) = <f(x), u>` by each `x`, and those of `M(x, u) = <dL/dx_j, v>` for each
/// `j` by each `x` and by `u`.
pub fn check(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let u = noise(f(inputs).unwrap().shape(), 77);
    let leaves: Vec<Tensor> = inputs.iter().map(Tensor::leaf).collect();
    let y = f(&leaves).unwrap();
    let first = backward(&[y], Some(std::slice::from_ref(&u)), &leaves, false).unwrap();
    compare(inputs, "gradient", &first, |x| dot(&f(x).unwrap(), &u));

    let all = [inputs, &[u]].concat();
    let leaves: Vec<Tensor> = all.iter().map(Tensor::leaf).collect();
    let slopes = |x: &[Tensor]| {
        let (u, x) = x.split_last().unwrap();
        let y = f(x).unwrap();
        let grads = backward(&[y], Some(std::slice::from_ref(u)), x, true).unwrap();
        grads
            .into_iter()
            .map(|g| g.expect("f depends on it"))
            .collect::<Vec<_>>()
    };
    for (j, g) in slopes(&leaves).iter().enumerate() {
        let v = noise(g.shape(), 99);
        let second = backward(
            std::slice::from_ref(g),
            Some(std::slice::from_ref(&v)),
            &leaves,
            false,
        );
        compare(&all, "second gradient", &second.unwrap(), |x| {
            let x: Vec<Tensor> = x.iter().map(Tensor::leaf).collect();
            dot(&slopes(&x)[j], &v)
        });
    }
}

fn compare(inputs: &[Tensor], what: &str, got: &[Option<Tensor>], f: impl Fn(&[Tensor]) -> f64) {
    for (i, input) in inputs.iter().enumerate() {
        let data = input.to_vec::<f64>().unwrap();
        let got = match &got[i] {
            Some(g) => g.to_vec::<f64>().unwrap(),
            None => vec![0.0; data.len()],
        };
        for e in 0..data.len() {
            let h = 1e-4;
            let at = |d: f64| {
                let mut moved = data.clone();
                moved[e] += d;
                let mut x = inputs.to_vec();
                x[i] = Tensor::from_slice(&moved, input.shape()).unwrap();
                f(&x)
            };
            let expected = (at(h) - at(-h)) / (2.0 * h);
            assert!(
                (got[e] - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                "{what} of input {i}, element {e}: {} is not {expected}",
                got[e]
            );
        }
    }
}
