//! Convolution against Keras' results, its gradients against finite differences, and its errors.

use super::*;
use crate::ops::gradcheck::{check, noise};
use crate::ops::pool::{average_pool, max_pool};

/// A result of Keras; see `tests/golden/make_conv.py`.
struct Golden {
    op: &'static str,
    inputs: &'static [&'static [usize]],
    strides: &'static [i64],
    dilation: &'static [i64],
    pool: &'static [i64],
    padding: &'static str,
    output_padding: &'static [i64],
    shape: &'static [usize],
    y: &'static [f64],
}

#[rustfmt::skip]
const GOLDEN: &[Golden] = include!("../../tests/golden/conv.rs");

/// The script's inputs: element i is (i * i * 7 + i * 13 + seed) % 11 - 5.
fn array(shape: &[usize], seed: usize) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f32> = (0..n)
        .map(|i| ((i * i * 7 + i * 13 + seed) % 11) as f32 - 5.0)
        .collect();
    Tensor::from_slice(&v, shape).unwrap()
}

fn call(g: &Golden, x: &[Tensor], format: Option<DataFormat>) -> Result<Tensor> {
    let ints = |v: &[i64]| Ints(v.to_vec());
    let (s, d) = (ints(g.strides), ints(g.dilation));
    let padding = Padding::parse(g.padding).unwrap();
    let extra = (!g.output_padding.is_empty()).then(|| ints(g.output_padding));
    match g.op {
        "conv" => conv(&x[0], &x[1], s, padding, format, d, None),
        "depthwise_conv" => depthwise_conv(&x[0], &x[1], s, padding, format, d),
        "separable_conv" => separable_conv(&x[0], &x[1], &x[2], s, padding, format, d),
        "conv_transpose" => conv_transpose(&x[0], &x[1], s, padding, extra, format, d),
        "max_pool" => max_pool(&x[0], ints(g.pool), Some(s), padding, format),
        "average_pool" => average_pool(&x[0], ints(g.pool), Some(s), padding, format),
        other => unreachable!("{other}"),
    }
}

#[test]
fn as_keras() {
    assert!(GOLDEN.len() > 100);
    for g in GOLDEN {
        let x: Vec<Tensor> = g
            .inputs
            .iter()
            .enumerate()
            .map(|(i, s)| array(s, i + 1))
            .collect();
        let y = call(g, &x, None).unwrap();
        let what = format!(
            "{} {:?} strides {:?} {}",
            g.op, g.inputs, g.strides, g.padding
        );
        assert_eq!(y.shape(), g.shape, "{what}");
        for (a, b) in y.to_vec::<f64>().unwrap().iter().zip(g.y) {
            assert!((a - b).abs() <= 1e-6 * b.abs(), "{what}: {a} is not {b}");
        }
    }
}

#[test]
fn channels_first_is_channels_last_moved() {
    let first = Some(DataFormat::ChannelsFirst);
    for g in GOLDEN.iter().step_by(3) {
        let x: Vec<Tensor> = g
            .inputs
            .iter()
            .enumerate()
            .map(|(i, s)| array(s, i + 1))
            .collect();
        let mut moved = x.clone();
        moved[0] = restore(&x[0], first).unwrap();
        let y = channels_last(&call(g, &moved, first).unwrap(), first).unwrap();
        let expected = call(g, &x, None).unwrap();
        assert_eq!(
            y.to_vec::<f64>().unwrap(),
            expected.to_vec::<f64>().unwrap(),
            "{}",
            g.op
        );
    }
}

#[test]
fn gradients_of_first_and_second_order() {
    for (stride, padding, dilation, groups) in [
        (1, Padding::Valid, 1, 1),
        (2, Padding::Same, 1, 2),
        (1, Padding::Explicit(vec![(2, 0), (0, 1)]), 2, 1),
        (3, Padding::Explicit(vec![(1, 1)]), 1, 2),
    ] {
        let inputs = [noise(&[2, 5, 4, 4], 1), noise(&[3, 2, 4 / groups, 6], 2)];
        check(&inputs, |x| {
            let (s, d) = (Ints::from(stride), Ints::from(dilation));
            conv(&x[0], &x[1], s, padding.clone(), None, d, None)
        });
    }
    check(&[noise(&[1, 6, 3], 1), noise(&[4, 3, 2], 2)], |x| {
        conv(
            &x[0],
            &x[1],
            Ints::from(1),
            Padding::Causal,
            None,
            Ints::from(2),
            None,
        )
    });
    for padding in [Padding::Valid, Padding::Same] {
        check(&[noise(&[1, 3, 4, 2], 1), noise(&[3, 2, 3, 2], 2)], |x| {
            conv_transpose(
                &x[0],
                &x[1],
                Ints::from(2),
                padding.clone(),
                None,
                None,
                Ints::from(1),
            )
        });
        check(&[noise(&[1, 4, 5, 3], 1), noise(&[3, 2, 3, 2], 2)], |x| {
            depthwise_conv(
                &x[0],
                &x[1],
                Ints::from(2),
                padding.clone(),
                None,
                Ints::from(1),
            )
        });
    }
    check(
        &[noise(&[1, 3, 4, 3, 2], 1), noise(&[2, 2, 3, 2, 2], 2)],
        |x| {
            conv(
                &x[0],
                &x[1],
                Ints::from(1),
                Padding::Same,
                None,
                Ints::from(1),
                None,
            )
        },
    );
}

#[test]
fn half_precision_is_computed_in_single() {
    let (x, w) = (array(&[1, 5, 5, 2], 1), array(&[3, 3, 2, 4], 2));
    let run = |x: &Tensor, w: &Tensor| {
        conv(
            x,
            w,
            Ints::from(1),
            Padding::Same,
            None,
            Ints::from(1),
            None,
        )
        .unwrap()
    };
    let expected = run(&x, &w);
    for dtype in [DType::BF16, DType::F16] {
        let y = run(
            &math::cast(&x, dtype).unwrap(),
            &math::cast(&w, dtype).unwrap(),
        );
        assert_eq!(y.dtype(), dtype);
        let rounded = math::cast(&expected, dtype).unwrap();
        assert_eq!(y.to_vec::<f64>().unwrap(), rounded.to_vec::<f64>().unwrap());
    }
}

#[test]
fn mistakes_are_explained() {
    let run = |x: &[usize], w: &[usize], strides: i64, groups| {
        let (x, w) = (array(x, 1), array(w, 2));
        let one = Ints::from(1);
        conv(
            &x,
            &w,
            Ints::from(strides),
            Padding::Valid,
            None,
            one,
            groups,
        )
        .unwrap_err()
        .to_string()
    };
    for (message, parts) in [
        (
            run(&[5, 5], &[3, 3, 1, 4], 1, None),
            ["rank 3, 4 or 5", "[5, 5]"],
        ),
        (
            run(&[1, 5, 5, 3], &[3, 3, 4], 1, None),
            ["kernel of rank 4", "[3, 3, 4]"],
        ),
        (
            run(&[1, 5, 5, 3], &[3, 3, 4, 8], 1, None),
            ["3 channels", "read 4 channels"],
        ),
        (
            run(&[1, 5, 5, 4], &[3, 3, 2, 3], 1, None),
            ["3 filters", "2 groups"],
        ),
        (
            run(&[1, 5, 5, 4], &[3, 3, 2, 4], 1, Some(4)),
            ["groups = 4", "4 * 2"],
        ),
        (
            run(&[1, 2, 5, 3], &[3, 3, 3, 8], 1, None),
            ["spans 3", "axis 0"],
        ),
        (
            run(&[1, 5, 5, 3], &[3, 3, 3, 8], 0, None),
            ["strides", "positive"],
        ),
    ] {
        assert!(message.starts_with("conv: "), "{message}");
        assert!(parts.iter().all(|p| message.contains(p)), "{message}");
    }
    let ints = math::cast(&array(&[1, 5, 5, 3], 1), DType::I32).unwrap();
    let e = conv(
        &ints,
        &array(&[3, 3, 3, 8], 1),
        Ints::from(1),
        Padding::Valid,
        None,
        Ints::from(1),
        None,
    );
    assert!(matches!(e, Err(Error::DType { .. })), "{e:?}");
    let (y, w) = (array(&[1, 3, 3, 2], 1), array(&[3, 3, 4, 2], 2));
    let run = |extra: Option<i64>, padding| {
        let extra = extra.map(Ints::from);
        conv_transpose(&y, &w, Ints::from(2), padding, extra, None, Ints::from(1))
    };
    assert!(
        run(Some(2), Padding::Valid)
            .unwrap_err()
            .to_string()
            .contains("less than the strides")
    );
    assert!(
        run(None, Padding::Causal)
            .unwrap_err()
            .to_string()
            .contains("Causal")
    );
}
