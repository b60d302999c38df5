//! Scans against loops written out, and what their graphs look like.

use super::{Scanned, Steps, scan};
use crate::autodiff::backward;
use crate::aval::DType;
use crate::error::Result;
use crate::graph;
use crate::op::registry;
use crate::ops::gradcheck::{check, noise};
use crate::ops::{elementary, linalg, math, reduce};
use crate::tensor::Tensor;

fn rnn(x: &[Tensor], count: usize) -> Result<Vec<Tensor>> {
    let body = |h: &[Tensor], s: &[Tensor]| -> Result<Scanned> {
        let z = math::add(&s[0], &linalg::matmul(&h[0], &x[2])?)?;
        let h = elementary::tanh(&math::add(&z, &x[3])?)?;
        Ok((vec![h.clone()], vec![h]))
    };
    Ok(scan(
        Steps {
            count,
            reverse: false,
        },
        &x[..1],
        &x[1..2],
        body,
    )?
    .1)
}

fn inputs(count: usize, batch: usize, units: usize) -> Vec<Tensor> {
    vec![
        noise(&[batch, units], 1),
        noise(&[count, batch, units], 2),
        noise(&[units, units], 3),
        noise(&[units], 4),
    ]
}

#[test]
fn gradients_of_first_and_second_order_on_the_tape() {
    check(&inputs(3, 2, 3), |x| Ok(rnn(x, 3)?.remove(0)));
}

#[test]
fn samples_agree_with_their_references() {
    let entry = registry().into_iter().find(|e| e.name == "scan").unwrap();
    for s in (entry.samples)() {
        let outs = (s.call)(&s.inputs).unwrap_or_else(|e| panic!("{}: {e}", s.label));
        if let Some(reference) = &s.reference {
            for (got, (shape, want)) in outs.iter().zip(reference(&s.inputs)) {
                assert_eq!(got.shape(), shape, "{}", s.label);
                for (a, b) in got.to_vec::<f64>().unwrap().iter().zip(&want) {
                    assert!((a - b).abs() < 1e-12, "{}: {a} {b}", s.label);
                }
            }
        }
    }
}

/// A training step has one forward loop, one backward loop, and one product outside for the weight.
#[test]
fn the_gradient_of_a_weight_is_one_product_after_the_loop() {
    let concrete = inputs(5, 2, 3);
    let symbols: Vec<Tensor> = concrete
        .iter()
        .map(|t| Tensor::placeholder(t.shape(), t.dtype()).unwrap())
        .collect();
    let y = rnn(&symbols, 5).unwrap().remove(0);
    let loss = reduce::reduce(
        crate::expr::ReduceOp::Sum,
        &math::square(&y).unwrap(),
        &[0, 1, 2],
    )
    .unwrap();
    let grads: Vec<Tensor> = backward(std::slice::from_ref(&loss), None, &symbols, false)
        .unwrap()
        .into_iter()
        .map(Option::unwrap)
        .collect();
    let plan = graph::compile(&symbols, &[&[loss][..], &grads].concat()).unwrap();
    let count = |name: &str| plan.steps().iter().filter(|s| s.name == name).count();
    assert_eq!((count("scan"), count("matmul")), (2, 1), "{}", plan.dump());

    let leaves: Vec<Tensor> = concrete.iter().map(Tensor::leaf).collect();
    let y = rnn(&leaves, 5).unwrap().remove(0);
    let eager = reduce::reduce(
        crate::expr::ReduceOp::Sum,
        &math::square(&y).unwrap(),
        &[0, 1, 2],
    )
    .unwrap();
    let want = backward(&[eager], None, &leaves, false).unwrap();
    for (got, want) in plan.run(&concrete).unwrap()[1..].iter().zip(want) {
        let (a, b) = (
            got.to_vec::<f64>().unwrap(),
            want.unwrap().to_vec::<f64>().unwrap(),
        );
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

#[test]
fn a_carry_that_changes_its_shape_is_refused() {
    let x = [noise(&[2], 1), noise(&[3, 2], 2)];
    let steps = Steps {
        count: 3,
        reverse: false,
    };
    let error = scan(steps, &x[..1], &x[1..], |c, _| {
        Ok((vec![c[0].cast(DType::F32)?], vec![]))
    })
    .unwrap_err();
    assert!(error.to_string().contains("carry 0"), "{error}");
    assert!(
        scan(
            Steps {
                count: 4,
                reverse: false
            },
            &x[..1],
            &x[1..],
            |c, _| Ok((c.to_vec(), vec![]))
        )
        .is_err()
    );
}

/// In the gradient of `h = tanh(x + h w)` that of `x` is also what the product for `w` needs.
#[test]
fn a_gradient_for_two_is_stacked_once() {
    let given = inputs(5, 2, 3);
    let p: Vec<Tensor> = given
        .iter()
        .map(|t| Tensor::placeholder(t.shape(), t.dtype()).unwrap())
        .collect();
    let y = rnn(&p, 5).unwrap().remove(0);
    let g = backward(&[y], None, &p[1..3], false).unwrap();
    let g: Vec<Tensor> = g.into_iter().map(|g| g.expect("both have one")).collect();
    let plan = graph::compile(&p, &g).unwrap();
    let scans = plan.steps().iter().filter(|s| s.name == "scan");
    let stacked: Vec<usize> = scans
        .map(|s| s.outs.iter().filter(|o| o.shape[0] == 5).count())
        .collect();
    assert_eq!(stacked.last(), Some(&1), "{stacked:?}\n{}", plan.dump());
}
