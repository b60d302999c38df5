//! Padding: constants, reflections, wrapped and repeated edges.

use super::samples::{Nd, at, from_index, values, whole};
use super::{concat, gather, math, view};
use crate::args::Ints;
use crate::error::{Error, Result};
use crate::op;
use crate::tensor::Tensor;

/// The element of an axis of size `n` that stands at position `i` (which may lie outside).
fn source(mode: &str, i: i64, n: i64) -> i64 {
    match mode {
        "edge" => i.clamp(0, n - 1),
        "wrap" => i.rem_euclid(n),
        "symmetric" => {
            let k = i.rem_euclid(2 * n);
            if k < n { k } else { 2 * n - 1 - k }
        }
        _ if n == 1 => 0,
        _ => {
            let k = i.rem_euclid(2 * n - 2);
            if k < n { k } else { 2 * n - 2 - k }
        }
    }
}

op! {
    /// Elements around a tensor: `pad_width` holds [before, after] for each axis, flattened (or one pair, or one number, for all).
    ///
    /// `mode`: "constant" (`constant_values`, default 0), "edge" (the last element repeated), "reflect" (mirrored without
    /// the edge), "symmetric" (mirrored with the edge), "wrap" (the other end).
    fn pad(x: &Tensor, pad_width: Ints, mode: String = "constant".to_string(), constant_values: Option<f64> = None) -> Tensor {
        let widths: Vec<i64> = match pad_width.0.as_slice() {
            [w] => vec![*w; 2 * x.rank()],
            [a, b] => [*a, *b].repeat(x.rank()),
            all => all.to_vec(),
        };
        if widths.len() != 2 * x.rank() || widths.iter().any(|&p| p < 0) {
            return Err(Error::argument("pad", format!("pad_width={:?} must hold two sizes >= 0 for each of the {} axes of shape {:?}", pad_width.0, x.rank(), x.shape())));
        }
        if mode == "constant" {
            let v = constant_values.unwrap_or(0.0);
            return if v == 0.0 { view::pad_zeros(x, Ints(widths)) } else { pad_constant(x, &widths, v) };
        }
        if !["edge", "reflect", "symmetric", "wrap"].contains(&mode.as_str()) {
            return Err(Error::argument("pad", format!("mode={mode:?} must be constant, edge, reflect, symmetric or wrap")));
        }
        if constant_values.is_some() {
            return Err(Error::argument("pad", format!("constant_values can only be given with mode \"constant\", not {mode:?}")));
        }
        let mut y = x.clone();
        for axis in 0..x.rank() {
            let (before, after, n) = (widths[2 * axis], widths[2 * axis + 1], x.shape()[axis] as i64);
            if before == 0 && after == 0 {
                continue;
            }
            if n == 0 {
                return Err(Error::shape("pad", format!("axis {axis} of shape {:?} is empty and cannot be padded with mode {mode:?}", x.shape())));
            }
            let count = usize::try_from(i128::from(before) + i128::from(n) + i128::from(after)).map_err(|_| Error::Memory { op: "pad", bytes: u128::MAX })?;
            crate::aval::checked_bytes("pad", &[count], crate::aval::DType::I64)?;
            let index = super::create::generate("pad", &[count], crate::aval::DType::I64, |i| source(&mode, i as i64 - before, n) as f64)?;
            y = gather::gather_rows(&y, &index, axis)?;
        }
        Ok(y)
    }
    samples {
        let outside = |x: &Nd, mode: &'static str, fill: f64| {
            let picked = |i: usize, before: i64, n: usize| {
                let k = i as i64 - before;
                if mode == "constant" { (0..n as i64).contains(&k).then_some(k as usize) } else { Some(source(mode, k, n as i64) as usize) }
            };
            from_index(&[6, 6], |i| match (picked(i[0], 1, x.0[0]), picked(i[1], 2, x.0[1])) {
                (Some(a), Some(b)) => at(x, &[a, b]),
                _ => fill,
            })
        };
        let x = || values(&[3, 4], -1.0, 1.0, 1);
        let w = || Ints(vec![1, 2, 2, 0]);
        let mut s: Vec<_> = ["edge", "reflect", "symmetric", "wrap"].map(|mode| whole(mode, x(), move |x| pad(x, w(), mode.into(), None), move |x| outside(x, mode, 0.0))).into();
        s.push(whole("zeros", x(), move |x| pad(x, w(), "constant".into(), None), move |x| outside(x, "constant", 0.0)));
        s.push(whole("constant", x(), move |x| pad(x, w(), "constant".into(), Some(2.5)), move |x| outside(x, "constant", 2.5)));
        s
    }
}

fn pad_constant(x: &Tensor, widths: &[i64], v: f64) -> Result<Tensor> {
    let mut y = x.clone();
    for axis in 0..x.rank() {
        let block = |n: i64| {
            let mut shape: crate::aval::Shape = y.shape().into();
            shape[axis] = n as usize;
            Tensor::full(&shape, v, x.dtype())
        };
        let (before, after) = (block(widths[2 * axis])?, block(widths[2 * axis + 1])?);
        y = concat::concatenate(vec![before, math::cast(&y, x.dtype())?, after], axis as i64)?;
    }
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn positions_outside() {
        let all = |mode: &str| (-4..7).map(|i| source(mode, i, 3)).collect::<Vec<_>>();
        assert_eq!(all("edge"), [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]);
        assert_eq!(all("wrap"), [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(all("reflect"), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(all("symmetric"), [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
    }
}
