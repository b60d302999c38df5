//! Inputs and references from which the samples of ops are made.

use crate::args::Axes;
use crate::aval::{DType, broadcast, contiguous_strides, normalize_axes};
use crate::error::Result;
use crate::op::Sample;
use crate::tensor::Tensor;

/// Shape and elements of a reference result.
pub type Nd = (Vec<usize>, Vec<f64>);

/// Irregular, distinct numbers in `lo..hi`, always the same for one `salt`.
pub fn numbers(count: usize, lo: f64, hi: f64, salt: u64) -> Vec<f64> {
    // Weyl's sequence of the golden ratio is evenly spread and never repeats; the jitter hides its order.
    let phase = (salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64;
    (0..count)
        .map(|i| {
            let u = (phase + (i as f64 + 1.0) * 0.618_033_988_749_894_9).fract();
            lo + (hi - lo) * (0.02 + 0.96 * u)
        })
        .collect()
}

/// A `f64` tensor of irregular numbers in `lo..hi`.
pub fn values(shape: &[usize], lo: f64, hi: f64, salt: u64) -> Tensor {
    let data = numbers(shape.iter().product(), lo, hi, salt);
    Tensor::from_slice(&data, shape).expect("a small tensor")
}

/// A `f64` tensor of these elements.
pub fn tensor(data: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape).expect("a small tensor")
}

/// An `i32` tensor of these elements.
pub fn ints(data: &[i32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape).expect("a small tensor")
}

/// A bool tensor of these elements.
pub fn bools(data: &[bool], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape).expect("a small tensor")
}

/// Shape and elements of a tensor.
pub fn nd(t: &Tensor) -> Nd {
    (t.shape().to_vec(), t.to_vec::<f64>().expect("concrete"))
}

/// The multi-index of element `e` of an array of this shape.
pub fn unravel(mut e: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for d in (0..shape.len()).rev() {
        index[d] = e % shape[d];
        e /= shape[d];
    }
    index
}

/// An array whose element at an index is `f(index)`.
pub fn from_index(shape: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Nd {
    let n: usize = shape.iter().product();
    let data = (0..n).map(|e| f(&unravel(e, shape))).collect();
    (shape.to_vec(), data)
}

/// The element of an array at an index.
pub fn at(a: &Nd, index: &[usize]) -> f64 {
    assert_eq!(a.0.len(), index.len());
    let strides = contiguous_strides(&a.0);
    let e: usize = index
        .iter()
        .zip(&strides)
        .map(|(i, &s)| i * s as usize)
        .sum();
    a.1[e]
}

/// A transposed view of irregular numbers: strides that no kernel may take for contiguous.
fn strided(shape: &[usize], lo: f64, hi: f64, salt: u64) -> Tensor {
    let turned: Vec<usize> = shape.iter().rev().copied().collect();
    let order: Vec<usize> = (0..shape.len()).rev().collect();
    crate::ops::view::permute(&values(&turned, lo, hi, salt), &order).expect("a permutation")
}

/// Samples of a function of one tensor, element by element, with arguments in `lo..hi`.
pub fn elementwise(
    f: impl Fn(&Tensor) -> Result<Tensor> + Copy + Send + Sync + 'static,
    reference: impl Fn(f64) -> f64 + Copy + Send + Sync + 'static,
    lo: f64,
    hi: f64,
) -> Vec<Sample> {
    let of = move |label: &str, x: Tensor, order: u8| {
        Sample::new(label, vec![x], move |x| Ok(vec![f(&x[0])?]))
            .reference(move |x| {
                let (shape, data) = nd(&x[0]);
                vec![(shape, data.into_iter().map(reference).collect())]
            })
            .order(order)
    };
    vec![
        of("vector", values(&[37], lo, hi, 1), 2),
        of("strided", strided(&[3, 5], lo, hi, 2), 1),
        of("scalar", values(&[], lo, hi, 3), 1),
        of("empty", values(&[0, 3], lo, hi, 4), 1),
    ]
}

/// [`elementwise`] without gradients.
pub fn elementwise_flat(
    f: impl Fn(&Tensor) -> Result<Tensor> + Copy + Send + Sync + 'static,
    reference: impl Fn(f64) -> f64 + Copy + Send + Sync + 'static,
    lo: f64,
    hi: f64,
) -> Vec<Sample> {
    elementwise(f, reference, lo, hi)
        .into_iter()
        .map(|s| s.order(0))
        .collect()
}

/// Samples of a function of two tensors that broadcast, with arguments in these ranges.
pub fn pairs(
    f: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Copy + Send + Sync + 'static,
    reference: impl Fn(f64, f64) -> f64 + Copy + Send + Sync + 'static,
    a: (f64, f64),
    b: (f64, f64),
) -> Vec<Sample> {
    let of = move |label: &str, inputs: Vec<Tensor>, order: u8| {
        Sample::new(label, inputs, move |x| Ok(vec![f(&x[0], &x[1])?]))
            .reference(move |x| vec![zip(&nd(&x[0]), &nd(&x[1]), reference)])
            .order(order)
    };
    let make = |sa: &[usize], sb: &[usize]| vec![values(sa, a.0, a.1, 5), values(sb, b.0, b.1, 6)];
    vec![
        of("equal shapes", make(&[4, 9], &[4, 9]), 2),
        of("broadcast", make(&[3, 1, 2], &[4, 1]), 2),
        of("scalar", make(&[], &[5]), 1),
        of("empty", make(&[0, 3], &[3]), 1),
        of(
            "strided",
            vec![strided(&[4, 3], a.0, a.1, 7), values(&[4, 3], b.0, b.1, 8)],
            1,
        ),
    ]
}

/// [`pairs`] without gradients.
pub fn pairs_flat(
    f: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Copy + Send + Sync + 'static,
    reference: impl Fn(f64, f64) -> f64 + Copy + Send + Sync + 'static,
    a: (f64, f64),
    b: (f64, f64),
) -> Vec<Sample> {
    pairs(f, reference, a, b)
        .into_iter()
        .map(|s| s.order(0))
        .collect()
}

/// `f` over two arrays that broadcast.
pub fn zip(a: &Nd, b: &Nd, f: impl Fn(f64, f64) -> f64) -> Nd {
    let shape = broadcast("reference", &[&a.0, &b.0]).expect("shapes that fit");
    let pick = |x: &Nd, index: &[usize]| {
        let lead = index.len() - x.0.len();
        let own: Vec<usize> = (0..x.0.len())
            .map(|i| if x.0[i] == 1 { 0 } else { index[lead + i] })
            .collect();
        at(x, &own)
    };
    from_index(&shape, |i| f(pick(a, i), pick(b, i)))
}

/// An array reduced along axes by a function of the elements of each group, in order.
pub fn grouped(x: &Nd, axes: &[usize], keepdims: bool, f: impl Fn(&[f64]) -> f64) -> Nd {
    let kept: Vec<usize> = (0..x.0.len())
        .map(|i| if axes.contains(&i) { 1 } else { x.0[i] })
        .collect();
    let inner: Vec<usize> = (0..x.0.len())
        .map(|i| if axes.contains(&i) { x.0[i] } else { 1 })
        .collect();
    let count: usize = inner.iter().product();
    let (shape, data) = from_index(&kept, |base| {
        let group: Vec<f64> = (0..count)
            .map(|e| {
                let step = unravel(e, &inner);
                let index: Vec<usize> = base.iter().zip(step).map(|(b, s)| b + s).collect();
                at(x, &index)
            })
            .collect();
        f(&group)
    });
    let shape = if keepdims {
        shape
    } else {
        (0..x.0.len())
            .filter(|i| !axes.contains(i))
            .map(|i| shape[i])
            .collect()
    };
    (shape, data)
}

/// Samples of a reduction over all kinds of axes.
pub fn reductions(
    f: impl Fn(&Tensor, Axes, bool) -> Result<Tensor> + Copy + Send + Sync + 'static,
    reference: impl Fn(&[f64]) -> f64 + Copy + Send + Sync + 'static,
    lo: f64,
    hi: f64,
    order: u8,
) -> Vec<Sample> {
    let cases: [(&str, Option<Vec<i64>>, bool); 6] = [
        ("all axes", None, false),
        ("last axis", Some(vec![-1]), false),
        ("first axis, kept", Some(vec![0]), true),
        ("middle axis", Some(vec![1]), false),
        ("outer axes, kept", Some(vec![0, 2]), true),
        ("no axis", Some(vec![]), false),
    ];
    cases
        .into_iter()
        .map(|(label, axis, keepdims)| {
            let x = values(&[3, 4, 5], lo, hi, 9);
            let axis = Axes::from(axis);
            let same = axis.clone();
            Sample::new(label, vec![x], move |x| {
                Ok(vec![f(&x[0], axis.clone(), keepdims)?])
            })
            .reference(move |x| {
                let axes = normalize_axes("reference", same.as_slice(), 3).expect("valid axes");
                vec![grouped(&nd(&x[0]), &axes, keepdims, reference)]
            })
            .order(order)
        })
        .collect()
}

/// A sample of a function of one tensor with a reference over its whole array.
pub fn whole(
    label: &str,
    x: Tensor,
    f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    reference: impl Fn(&Nd) -> Nd + Send + Sync + 'static,
) -> Sample {
    Sample::new(label, vec![x], move |x| Ok(vec![f(&x[0])?]))
        .reference(move |x| vec![reference(&nd(&x[0]))])
}

/// A sample of a function that makes a tensor from nothing, with its elements.
pub fn made(
    label: &str,
    f: impl Fn() -> Result<Tensor> + Send + Sync + 'static,
    shape: &[usize],
    data: &[f64],
) -> Sample {
    let want = (shape.to_vec(), data.to_vec());
    Sample::new(label, vec![], move |_| Ok(vec![f()?]))
        .reference(move |_| vec![want.clone()])
        .order(0)
}

/// A sample of one call with known results.
pub fn known(
    label: &str,
    inputs: Vec<Tensor>,
    f: impl Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
    shape: &[usize],
    data: &[f64],
) -> Sample {
    let want = (shape.to_vec(), data.to_vec());
    Sample::new(label, inputs, move |x| Ok(vec![f(x)?])).reference(move |_| vec![want.clone()])
}

/// The same number of elements in another type, for samples of dtypes.
pub fn as_dtype(t: &Tensor, dtype: DType) -> Tensor {
    crate::ops::math::cast(t, dtype).expect("a cast of a small tensor")
}
