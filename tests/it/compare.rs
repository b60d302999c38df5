//! Comparing tensors with references, and calling samples in other ways.

use rustdl::aval::DType;
use rustdl::ops::{concat, math, view};
use rustdl::tensor::Tensor;

/// Shape and elements.
pub type Nd = (Vec<usize>, Vec<f64>);

/// Shape and elements of a tensor.
pub fn nd(t: &Tensor) -> Nd {
    (
        t.shape().to_vec(),
        t.to_vec::<f64>().expect("a concrete tensor"),
    )
}

/// The first difference beyond `tolerance` (relative to 1 + |want|), as text. NaN equals NaN.
pub fn difference(got: &[Nd], want: &[Nd], tolerance: f64) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} outputs instead of {}", got.len(), want.len()));
    }
    for (k, (g, w)) in got.iter().zip(want).enumerate() {
        if g.0 != w.0 {
            return Some(format!("output {k} has shape {:?}, not {:?}", g.0, w.0));
        }
        for (e, (&a, &b)) in g.1.iter().zip(&w.1).enumerate() {
            let same = a == b || (a.is_nan() && b.is_nan());
            if !same && !((a - b).abs() <= tolerance * (1.0 + b.abs())) {
                return Some(format!("output {k}, element {e}: {a:e} instead of {b:e}"));
            }
        }
    }
    None
}

/// The floating inputs in another type; integers and truth values as they are.
pub fn in_dtype(inputs: &[Tensor], dtype: DType) -> Vec<Tensor> {
    let convert = |t: &Tensor| {
        if t.dtype() == DType::F64 {
            math::cast(t, dtype).expect("a cast")
        } else {
            t.clone()
        }
    };
    inputs.iter().map(convert).collect()
}

/// The same values with strides that no kernel may take for contiguous.
pub fn strided(t: &Tensor) -> Tensor {
    if t.rank() == 0 || t.size() == 0 {
        return t.clone();
    }
    let twice = concat::stack(vec![t.clone(), t.clone()], -1).expect("a stack");
    let last = twice.rank() - 1;
    let narrow = view::narrow(&twice, last, 0, 1).expect("a slice");
    view::drop_axes(&narrow, &[last]).expect("an axis of size 1")
}

/// The same tensor with element `e` moved by `h`.
pub fn moved(t: &Tensor, direction: &[f64], h: f64) -> Tensor {
    let mut data = t.to_vec::<f64>().expect("concrete");
    data.iter_mut()
        .zip(direction)
        .for_each(|(x, d)| *x += h * d);
    Tensor::from_slice(&data, t.shape()).expect("the same shape")
}

/// Irregular numbers in -1..1.
pub fn noise(n: usize, salt: u64) -> Vec<f64> {
    rustdl::ops::samples::numbers(n, -1.0, 1.0, salt)
}

/// Every third element replaced by NaN, infinities, zeros or huge numbers in turn.
pub fn poisoned(t: &Tensor) -> Tensor {
    if t.dtype() != DType::F64 {
        return t.clone();
    }
    const BAD: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e30];
    let mut data = t.to_vec::<f64>().expect("concrete");
    for (i, x) in data.iter_mut().enumerate().filter(|(i, _)| i % 3 == 0) {
        *x = BAD[i / 3 % BAD.len()];
    }
    Tensor::from_slice(&data, t.shape()).expect("the same shape")
}
