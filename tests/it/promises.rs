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

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    use rustdl::ops::samples::values;
    use rustdl::ops::{cumulative, gather, rows, sort};
    let x = values(&[600, 500], -1.0, 1.0, 1)
        .cast(DType::F32)
        .expect("a cast");
    let index = Tensor::from_slice(
        &(0..600).map(|i| (i * i) % 77).collect::<Vec<i64>>(),
        &[600],
    )
    .expect("indices");
    let all = || -> rustdl::error::Result<Vec<Vec<f32>>> {
        let outs = [
            reduce::sum(&x, Axes::all(), false)?,
            reduce::sum(&x, Axes::from(0), false)?,
            rows::softmax(&x, Axes::from(-1))?,
            cumulative::cumsum(&x, Some(0), None, false, false)?,
            sort::sort(&x, -1)?,
            gather::scatter_rows(&index, &x, 0, 77, gather::Combine::Add)?,
            linalg::matmul(&x, &linalg::swap(&x)?)?,
        ];
        outs.iter().map(|t| t.to_vec::<f32>()).collect()
    };
    let before = rustdl::par::threads();
    rustdl::par::set_threads(1);
    let want = all().expect("one thread");
    for n in [2, 3, 4, 8] {
        rustdl::par::set_threads(n);
        let got = all().expect("several threads");
        let same = got
            .iter()
            .flatten()
            .map(|v| v.to_bits())
            .eq(want.iter().flatten().map(|v| v.to_bits()));
        assert!(same, "{n} threads give other bits than one");
    }
    rustdl::par::set_threads(before);
}

#[test]
fn indices_out_of_range_are_errors_or_fill_values() {
    use rustdl::ops::gather;
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], &[3]).expect("a list");
    let index = Tensor::from_slice(&[0i32, 7, -9], &[3]).expect("indices");
    let eager = gather::take(&x, &index, Some(0), "raise".into());
    let message = eager.expect_err("7 is out of range").to_string();
    assert!(
        message.contains("index 7") && message.contains("axis 0"),
        "{message}"
    );
    // While a step is traced the indices are not known: what they miss reads as NaN, and is not written.
    let symbol = Tensor::placeholder(&[3], DType::I32).expect("a placeholder");
    let y = gather::take(&x, &symbol, Some(0), "raise".into()).expect("a trace");
    let plan = rustdl::graph::compile(std::slice::from_ref(&symbol), &[y]).expect("a plan");
    let got = plan.run(std::slice::from_ref(&index)).expect("a run")[0]
        .to_vec::<f32>()
        .expect("values");
    assert!(
        got[0] == 1.0 && got[1].is_nan() && got[2].is_nan(),
        "{got:?}"
    );
    let z = gather::scatter_add(&x, &symbol, &x).expect("a trace");
    let plan = rustdl::graph::compile(&[symbol], &[z]).expect("a plan");
    let got = plan.run(&[index]).expect("a run")[0]
        .to_vec::<f32>()
        .expect("values");
    assert_eq!(got, [2.0, 2.0, 3.0]);
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
