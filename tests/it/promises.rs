//! Promises of the design: deep chains on a small stack, requests that no memory can serve, shapes of any size.

use proptest::prelude::*;
use rustdl::args::{Axes, Ints};
use rustdl::autodiff::backward;
use rustdl::aval::DType;
use rustdl::error::Error;
use rustdl::ops::{concat, create, linalg, map, math, pad, rearrange, reduce, view};
use rustdl::tensor::Tensor;

#[test]
fn a_chain_of_a_million_ops_on_a_small_stack() {
    let body = || {
        let x = Tensor::scalar(1.0f64).expect("a scalar").leaf();
        let mut y = x.clone();
        for _ in 0..1_000_000 {
            y = y.negative().expect("an op");
        }
        assert_eq!(y.item().expect("a value"), 1.0);
        let g = backward(std::slice::from_ref(&y), None, &[x], false).expect("a gradient");
        assert_eq!(
            g[0].as_ref().expect("it depends").item().expect("a value"),
            1.0
        );
        drop(y);
    };
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(body);
    thread.expect("a thread").join().expect("no overflow");
}

#[test]
fn a_tensor_of_a_tebibyte_is_an_error() {
    let n = Ints(vec![1 << 38]);
    let wide = create::zeros(n, DType::F32).expect("zeros are stored once");
    for result in [
        math::add(&wide, &wide),
        wide.exp(),
        pad::pad(&wide, Ints(vec![1]), "edge".into(), None),
    ] {
        assert!(matches!(result, Err(Error::Memory { .. })), "{result:?}");
    }
    assert_eq!(
        Tensor::scalar(2.0f32)
            .and_then(|t| t.exp())
            .and_then(|t| t.item())
            .expect("still works"),
        f64::from(2f32.exp())
    );
}

/// Sizes from tiny to 2^62.
fn sizes() -> impl Strategy<Value = Vec<i64>> {
    let size = prop_oneof![3 => 0i64..4, 1 => (0u32..63).prop_map(|k| 1i64 << k.min(62)), 1 => 0i64..(1 << 62)];
    proptest::collection::vec(size, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Placeholders have shapes without memory, so every rule of shapes is tried at any size: a result or an error.
    #[test]
    fn shapes_never_overflow(a in sizes(), b in sizes(), k in -(1i64 << 62)..(1i64 << 62), axis in -5i64..5) {
        let shape = |v: &[i64]| v.iter().map(|&n| n as usize).collect::<Vec<_>>();
        let (Ok(x), Ok(y)) = (Tensor::placeholder(&shape(&a), DType::F32), Tensor::placeholder(&shape(&b), DType::F64)) else {
            return Ok(());
        };
        let _ = map::add(&x, &y);
        let _ = linalg::matmul(&x, &y);
        let _ = concat::concatenate(vec![x.clone(), x.clone()], axis);
        let _ = concat::stack(vec![x.clone(), x.clone()], axis);
        let _ = view::reshape(&x, Ints(b.clone()));
        let _ = view::broadcast_to(&x, Ints(b.clone()));
        let _ = view::pad_zeros(&x, Ints(b.clone()));
        let _ = pad::pad(&x, Ints(vec![k.max(0)]), "constant".into(), Some(1.0));
        let _ = rearrange::tile(&x, Ints(b.clone()));
        let _ = rearrange::repeat(&x, Ints(vec![k]), Some(axis));
        let _ = rearrange::roll(&x, Ints(vec![k]), Some(Ints(vec![axis])));
        let _ = reduce::sum(&x, Axes::from(axis), false);
        let _ = reduce::in_rows(&x, &[]);
        let _ = view::expand_dims(&x, Ints(vec![axis]));
        let _ = view::flip(&x, Axes::from(axis));
        let _ = rustdl::ops::diagonal::diagonal(&x, k, axis, -1);
        let _ = rustdl::ops::sort::top_k(&x, k, true);
    }
}
