//! Compiled functions against the same functions run eagerly.

use super::{Cell, Signature, compile, compile_step, compile_within, state};
use crate::args::Axes;
use crate::autodiff::backward;
use crate::aval::DType;
use crate::error::Result;
use crate::tensor::Tensor;
use std::sync::Arc;

fn arange(shape: &[usize], from: f32, step: f32) -> Tensor {
    let n = shape.iter().product();
    let data: Vec<f32> = (0..n).map(|i| from + step * i as f32).collect();
    Tensor::from_slice(&data, shape).unwrap()
}

/// Runs `f` eagerly and compiled on the same inputs and compares all elements.
fn same(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Vec<Vec<f64>> {
    let eager = f(inputs).unwrap();
    let traced: Vec<Tensor> = inputs
        .iter()
        .map(|t| Tensor::placeholder(t.shape(), t.dtype()).unwrap())
        .collect();
    let outs = f(&traced).unwrap();
    let plan = compile(&traced, &outs).unwrap();
    let compiled = plan.run(inputs).unwrap();
    let again = plan.run(inputs).unwrap();
    for ((e, c), a) in eager.iter().zip(&compiled).zip(&again) {
        assert_eq!(e.aval(), c.aval());
        let (e, c, a) = (
            e.to_vec::<f64>().unwrap(),
            c.to_vec::<f64>().unwrap(),
            a.to_vec::<f64>().unwrap(),
        );
        assert_eq!(c, a, "a second run differs");
        for (x, y) in e.iter().zip(&c) {
            assert!(
                (x - y).abs() <= 1e-5 * x.abs().max(1.0) || x == y,
                "{e:?}\n{c:?}\n{}",
                plan.dump()
            );
        }
    }
    compiled.iter().map(|t| t.to_vec().unwrap()).collect()
}

fn softmax(x: &Tensor) -> Result<Tensor> {
    let m = x.max(Axes::from(-1), true)?;
    let e = x.subtract(&m)?.exp()?;
    e.divide(&e.sum(Axes::from(-1), true)?)
}

#[test]
fn elementwise_chains_are_one_loop() {
    let x = arange(&[7, 5], -1.0, 0.1);
    let f = |t: &[Tensor]| Ok(vec![t[0].exp()?.add(&t[0])?.multiply(&t[0])?.negative()?]);
    same(std::slice::from_ref(&x), f);
    let p = Tensor::placeholder(&[7, 5], DType::F32).unwrap();
    let plan = compile(
        std::slice::from_ref(&p),
        &f(std::slice::from_ref(&p)).unwrap(),
    )
    .unwrap();
    assert_eq!(plan.steps().len(), 1, "{}", plan.dump());
}

#[test]
fn softmax_is_one_loop() {
    for shape in [[4, 10], [3, 1500], [2000, 3], [1, 7]] {
        let x = arange(&shape, -2.0, 4.0 / (shape[0] * shape[1]) as f32);
        let out = same(&[x], |t| Ok(vec![softmax(&t[0])?]));
        let row: f64 = out[0][..shape[1]].iter().sum();
        assert!((row - 1.0).abs() < 1e-5);
    }
    let p = Tensor::placeholder(&[4, 10], DType::F32).unwrap();
    let plan = compile(std::slice::from_ref(&p), &[softmax(&p).unwrap()]).unwrap();
    assert_eq!(plan.steps().len(), 1, "{}", plan.dump());
}

#[test]
fn views_reductions_and_products() {
    let (a, b) = (arange(&[4, 6], -1.0, 0.07), arange(&[6, 5], 0.5, -0.03));
    same(&[a.clone(), b.clone()], |t| {
        let c = t[0].matmul(&t[1])?;
        let s = c.transpose(None)?.sum(Axes::from(0), false)?;
        Ok(vec![
            c.mean(Axes::all(), false)?,
            s,
            t[0].flip(Axes::from(1))?.max(Axes::from(0), true)?,
        ])
    });
    same(&[a], |t| {
        let y = t[0].reshape([2, 2, 6].into())?;
        Ok(vec![
            y.sum(Axes::from([0, 2]), false)?,
            y.sum(Axes::from(1), true)?,
            y.min(Axes::all(), false)?,
        ])
    });
}

/// One dense layer with softmax cross-entropy against given probabilities.
fn loss(x: &Tensor, w: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
    let logits = x.matmul(w)?.add(b)?;
    let p = softmax(&logits)?;
    p.log()?
        .multiply(target)?
        .sum(Axes::from(-1), false)?
        .mean(Axes::all(), false)?
        .negative()
}

#[test]
fn gradients_compile_to_the_same_values() {
    let inputs = [
        arange(&[8, 4], -1.0, 0.06),
        arange(&[4, 3], -0.3, 0.05),
        arange(&[3], 0.1, 0.1),
        {
            let one_hot: Vec<f32> = (0..24)
                .map(|i| if i % 3 == (i / 3) % 3 { 1.0 } else { 0.0 })
                .collect();
            Tensor::from_slice(&one_hot, &[8, 3]).unwrap()
        },
    ];
    same(&inputs, |t| {
        let (w, b) = (t[1].leaf(), t[2].leaf());
        let y = loss(&t[0], &w, &b, &t[3])?;
        let g = backward(std::slice::from_ref(&y), None, &[w, b], false)?;
        Ok(vec![y, g[0].clone().unwrap(), g[1].clone().unwrap()])
    });
}

#[test]
fn a_result_takes_the_place_of_an_operand_that_dies() {
    let inputs = [arange(&[8, 8], -1.0, 0.03), arange(&[8, 8], 0.5, -0.02)];
    let between = |x: &[Tensor], kept: bool| -> Result<Vec<Tensor>> {
        let product = x[0].matmul(&x[1])?;
        let y = product.tanh()?.matmul(&x[1])?;
        Ok(if kept { vec![y, product] } else { vec![y] })
    };
    for kept in [false, true] {
        same(&inputs, |x| between(x, kept));
        let symbols: Vec<Tensor> = inputs
            .iter()
            .map(|t| Tensor::placeholder(t.shape(), t.dtype()).unwrap())
            .collect();
        let plan = super::compile(&symbols, &between(&symbols, kept).unwrap()).unwrap();
        let in_place = plan
            .steps()
            .iter()
            .any(|s| s.name == "tanh" && s.ins[0].reach() == s.outs[0].reach());
        assert_eq!(in_place, !kept, "{}", plan.dump());
    }
}

/// Loops that reduce, too; but not where a sum over columns still reads the operand.
#[test]
fn reductions_write_over_operands_that_die() {
    let inputs = [
        arange(&[300, 40], -1.0, 0.0003),
        arange(&[40, 70], 0.5, -0.0004),
    ];
    let step_in_place = |f: &dyn Fn(&Tensor) -> Result<Vec<Tensor>>| {
        let g = |x: &[Tensor]| f(&x[0].matmul(&x[1])?);
        same(&inputs, g);
        let symbols: Vec<Tensor> = inputs
            .iter()
            .map(|t| Tensor::placeholder(t.shape(), t.dtype()).unwrap())
            .collect();
        let plan = compile(&symbols, &g(&symbols).unwrap()).unwrap();
        let over = |s: &super::exec::Step| s.ins.iter().any(|o| o.reach() == s.outs[0].reach());
        plan.steps().iter().any(over)
    };
    assert!(step_in_place(&|p| Ok(vec![softmax(p)?])));
    let two = Tensor::weak(2.0, DType::F32).unwrap();
    let twice = |p: &Tensor| p.multiply(&two);
    let sums = |p: &Tensor| p.sum(Axes::from(0), true);
    assert!(step_in_place(&|p| Ok(vec![twice(p)?, sums(&twice(p)?)?])));
    assert!(!step_in_place(&|p| Ok(vec![twice(p)?, sums(p)?])));
}

#[test]
fn cells_are_updated_in_place_and_snapshots_stay() {
    let x = arange(&[8, 4], -1.0, 0.06);
    let target = Tensor::full(&[8, 3], 1.0 / 3.0, DType::F32).unwrap();
    let cells = [
        Arc::new(Cell::new(&arange(&[4, 3], -0.3, 0.05)).unwrap()),
        Arc::new(Cell::new(&arange(&[3], 0.1, 0.1)).unwrap()),
    ];
    state::pack(&cells).unwrap();
    let p: Vec<Tensor> = [vec![4, 3], vec![3]]
        .iter()
        .map(|s: &Vec<usize>| Tensor::placeholder(s, DType::F32).unwrap())
        .collect();
    let input = Tensor::placeholder(&[8, 4], DType::F32).unwrap();
    let y = loss(&input, &p[0], &p[1], &target).unwrap();
    let g = backward(std::slice::from_ref(&y), None, &p, false).unwrap();
    let rate = Tensor::weak(0.5, DType::F32).unwrap();
    let new: Vec<Tensor> = p
        .iter()
        .zip(&g)
        .map(|(p, g)| {
            p.subtract(&g.as_ref().unwrap().multiply(&rate).unwrap())
                .unwrap()
        })
        .collect();
    let states: Vec<_> = cells.iter().cloned().zip(p.iter().cloned()).collect();
    let updates: Vec<_> = cells.iter().cloned().zip(new).collect();
    let inputs = [input];
    let signature = Signature {
        inputs: &inputs,
        states: &states,
        outputs: &[y],
        updates: &updates,
    };
    let plan = compile_step(&signature).unwrap();
    assert!(
        plan.steps()
            .iter()
            .any(|s| matches!(s.body, super::exec::Body::Segments(..))),
        "{}",
        plan.dump()
    );

    let before = cells[0].get();
    let kept: Vec<f32> = before.to_vec().unwrap();
    let first = plan.run(std::slice::from_ref(&x)).unwrap()[0]
        .item()
        .unwrap();
    let mut last = first;
    for _ in 0..50 {
        last = plan.run(std::slice::from_ref(&x)).unwrap()[0]
            .item()
            .unwrap();
    }
    assert!(
        last < first && (last - 3f64.ln()).abs() < 0.02,
        "{first} {last}"
    );
    assert_eq!(before.to_vec::<f32>().unwrap(), kept, "a snapshot changed");
    assert_ne!(cells[0].get().to_vec::<f32>().unwrap(), kept);
}

/// A deep net of square layers, whose gradients take far more memory than its activations: under a budget
/// each parameter is updated as soon as its gradient is there, with the same result.
#[test]
fn parameters_are_updated_early_under_a_budget() {
    const WIDTH: usize = 64;
    const DEPTH: usize = 12;
    let shape = [WIDTH, WIDTH];
    let train = |divisor: usize| {
        let cells: Vec<Arc<Cell>> = (0..DEPTH)
            .map(|i| Arc::new(Cell::new(&arange(&shape, -0.1, 5e-5 + 1e-7 * i as f32)).unwrap()))
            .collect();
        let weights: Vec<Tensor> = (0..DEPTH)
            .map(|_| Tensor::placeholder(&shape, DType::F32).unwrap())
            .collect();
        let input = Tensor::placeholder(&[4, WIDTH], DType::F32).unwrap();
        let y = weights
            .iter()
            .fold(input.clone(), |y, w| y.matmul(w).unwrap().tanh().unwrap());
        let loss = y.multiply(&y).unwrap().sum(Axes::all(), false).unwrap();
        let gradients = backward(std::slice::from_ref(&loss), None, &weights, false).unwrap();
        let rate = Tensor::weak(0.1, DType::F32).unwrap();
        let new = weights.iter().zip(&gradients).map(|(w, g)| {
            let step = g.as_ref().unwrap().multiply(&rate).unwrap();
            w.subtract(&step).unwrap()
        });
        let updates: Vec<_> = cells.iter().cloned().zip(new).collect();
        let states: Vec<_> = cells.iter().cloned().zip(weights.iter().cloned()).collect();
        let signature = Signature {
            inputs: std::slice::from_ref(&input),
            states: &states,
            outputs: &[loss],
            updates: &updates,
        };
        let whole = compile_step(&signature).unwrap().arena_bytes();
        let plan = compile_within(&signature, Some(whole / divisor)).unwrap();
        assert!(plan.arena_bytes() <= whole / divisor, "{}", plan.dump());
        let x = arange(&[4, WIDTH], -1.0, 0.01);
        for _ in 0..3 {
            plan.run(std::slice::from_ref(&x)).unwrap();
        }
        let values = cells.iter().map(|c| c.get().to_vec::<f32>().unwrap());
        values.collect::<Vec<_>>()
    };
    assert_eq!(train(1), train(4));
}

#[test]
fn cells_may_exchange_their_values() {
    let cells = [
        Arc::new(Cell::new(&arange(&[3], 0.0, 1.0)).unwrap()),
        Arc::new(Cell::new(&arange(&[3], 5.0, 1.0)).unwrap()),
    ];
    let p: Vec<Tensor> = (0..2)
        .map(|_| Tensor::placeholder(&[3], DType::F32).unwrap())
        .collect();
    let states: Vec<_> = cells.iter().cloned().zip(p.iter().cloned()).collect();
    let updates = vec![
        (cells[0].clone(), p[1].clone()),
        (cells[1].clone(), p[0].clone()),
    ];
    let signature = Signature {
        inputs: &[],
        states: &states,
        outputs: &[p[0].clone()],
        updates: &updates,
    };
    let plan = compile_step(&signature).unwrap();
    let out = plan.run(&[]).unwrap();
    assert_eq!(
        out[0].to_vec::<f32>().unwrap(),
        [0.0, 1.0, 2.0],
        "the result is the old value"
    );
    assert_eq!(cells[0].get().to_vec::<f32>().unwrap(), [5.0, 6.0, 7.0]);
    assert_eq!(cells[1].get().to_vec::<f32>().unwrap(), [0.0, 1.0, 2.0]);
}

/// A step of gradient descent with momentum on a table of which few rows are read; `more` sees the table's gradient.
fn table_step(
    table: &Tensor,
    momentum: &Tensor,
    idx: &Tensor,
    more: impl Fn(&Tensor) -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    let table = &table.leaf();
    let rows = crate::ops::gather::embedding(table, idx)?;
    let loss = rows
        .multiply(&rows)?
        .multiply(&rows)?
        .sum(Axes::all(), false)?;
    let g = backward(
        std::slice::from_ref(&loss),
        None,
        std::slice::from_ref(table),
        false,
    )?;
    let g = g[0].as_ref().unwrap();
    let decay = Tensor::weak(0.9, DType::F32)?;
    let m = momentum.multiply(&decay)?.add(g)?;
    let mut outs = vec![table.subtract(&m.multiply(&decay)?)?, m];
    outs.extend(more(g)?);
    Ok(outs)
}

/// The gradient of an embedding has as many rows as were read, where only an optimizer reads it.
#[test]
fn gradients_of_tables_are_kept_by_rows() {
    let (n, width) = (500, 37);
    let table = arange(&[n, width], -1.0, 0.0002);
    let momentum = arange(&[n, width], 0.5, -0.0001);
    // Equal, negative and first and last rows among them.
    let idx: Vec<i64> = (0..60)
        .map(|i| (i * 83) % 97 - 40)
        .chain([0, 499, -1, 7, 7])
        .collect();
    let idx = Tensor::from_slice(&idx, &[idx.len()]).unwrap();
    let inputs = [table, momentum, idx];
    let placeholders: Vec<Tensor> = inputs
        .iter()
        .map(|t| Tensor::placeholder(t.shape(), t.dtype()).unwrap())
        .collect();
    let steps = |more: &dyn Fn(&Tensor) -> Result<Vec<Tensor>>| {
        same(&inputs, |t| table_step(&t[0], &t[1], &t[2], more));
        let p = &placeholders;
        let outs = table_step(&p[0], &p[1], &p[2], more).unwrap();
        let plan = compile(p, &outs).unwrap();
        plan.steps().iter().map(|s| s.name).collect::<Vec<_>>()
    };
    let alone = steps(&|_| Ok(vec![]));
    let has = |steps: &[&str], name: &str| steps.contains(&name);
    assert!(
        has(&alone, "sum_rows") && !has(&alone, "spread_rows"),
        "{alone:?}"
    );
    assert!(!has(&alone, "scatter_add"), "{alone:?}");
    // Elementwise, but one of a loop that reduces: the whole array is made, from the rows.
    let summed = steps(&|g| Ok(vec![g.multiply(g)?.sum(Axes::from(-1), false)?]));
    assert!(!has(&summed, "scatter_add"), "{summed:?}");
    // Read by something else: as without rows.
    let product = steps(&|g| Ok(vec![g.matmul(&g.transpose(None)?)?]));
    assert!(has(&product, "scatter_add"), "{product:?}");
    let result = steps(&|g| Ok(vec![g.clone()]));
    assert!(has(&result, "scatter_add"), "{result:?}");
}
