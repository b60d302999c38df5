//! A training step allocates nothing once it has run, and its plan is built in milliseconds.
//!
//! The counting allocator is that of the whole process, so this file is a test binary of its own.

use rustdl::args::Axes;
use rustdl::autodiff::backward;
use rustdl::aval::DType;
use rustdl::error::Result;
use rustdl::graph::{Cell, Signature, compile_step, state};
use rustdl::ops::random::random_uniform;
use rustdl::tensor::Tensor;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: forwards to the system's allocator and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH: usize = 128;
const SIZES: [usize; 4] = [784, 512, 512, 10];

fn ramp(shape: &[usize], scale: f32) -> Tensor {
    let n: usize = shape.iter().product();
    let data: Vec<f32> = (0..n)
        .map(|i| scale * ((i * 7919 % 1000) as f32 / 500.0 - 1.0))
        .collect();
    Tensor::from_slice(&data, shape).expect("a tensor")
}

fn scalar(v: f64) -> Result<Tensor> {
    Tensor::weak(v, DType::F32)
}

/// A cell and the placeholder that stands for it in the trace.
type State = (Arc<Cell>, Tensor);

fn state_of(value: &Tensor) -> Result<State> {
    Ok((
        Arc::new(Cell::new(value)?),
        Tensor::placeholder(value.shape(), value.dtype())?,
    ))
}

fn parameters() -> Result<Vec<State>> {
    let mut all = Vec::new();
    for pair in SIZES.windows(2) {
        all.push(state_of(&ramp(
            &[pair[0], pair[1]],
            (pair[0] as f32).powf(-0.5),
        ))?);
        all.push(state_of(&ramp(&[pair[1]], 0.0))?);
    }
    Ok(all)
}

/// Dense layers with ReLU and dropout, softmax cross-entropy.
fn loss(x: &Tensor, target: &Tensor, p: &[State], seed: &Tensor) -> Result<Tensor> {
    let mut h = x.clone();
    for (i, layer) in p.chunks(2).enumerate() {
        h = h.matmul(&layer[0].1)?.add(&layer[1].1)?;
        if i < 2 {
            let kept = random_uniform(
                seed,
                h.shape()
                    .iter()
                    .map(|&n| n as i64)
                    .collect::<Vec<_>>()
                    .into(),
                0.0,
                1.0,
                DType::F32,
            )?
            .greater_equal(&scalar(0.2)?)?;
            h = h
                .relu()?
                .multiply(&kept.cast(DType::F32)?)?
                .divide(&scalar(0.8)?)?;
        }
    }
    let shifted = h.subtract(&h.max(Axes::from(-1), true)?)?;
    let lse = shifted.exp()?.sum(Axes::from(-1), true)?.log()?;
    lse.subtract(&shifted)?
        .multiply(target)?
        .sum(Axes::from(-1), false)?
        .mean(Axes::all(), false)
}

/// Adam (Kingma and Ba 2015) without bias correction: new first and second moments and parameter.
fn adam(p: &Tensor, g: &Tensor, m: &Tensor, v: &Tensor) -> Result<[Tensor; 3]> {
    let m = m.add(&g.subtract(m)?.multiply(&scalar(0.1)?)?)?;
    let v = v.add(&g.multiply(g)?.subtract(v)?.multiply(&scalar(0.001)?)?)?;
    let step = m
        .multiply(&scalar(0.001)?)?
        .divide(&v.sqrt()?.add(&scalar(1e-7)?)?)?;
    Ok([m, v, p.subtract(&step)?])
}

#[test]
fn a_training_step_allocates_nothing_and_its_plan_is_cheap() -> Result<()> {
    let p = parameters()?;
    let slots: Vec<[State; 2]> = p
        .iter()
        .map(|s| {
            let zeros = ramp(s.1.shape(), 0.0);
            Ok([state_of(&zeros)?, state_of(&zeros)?])
        })
        .collect::<Result<_>>()?;
    state::pack(&p.iter().map(|s| s.0.clone()).collect::<Vec<_>>())?;

    let begun = Instant::now();
    let inputs = [
        Tensor::placeholder(&[BATCH, SIZES[0]], DType::F32)?,
        Tensor::placeholder(&[BATCH, SIZES[3]], DType::F32)?,
        Tensor::placeholder(&[2], DType::U32)?,
    ];
    let y = loss(&inputs[0], &inputs[1], &p, &inputs[2])?;
    let xs: Vec<Tensor> = p.iter().map(|s| s.1.clone()).collect();
    let grads = backward(std::slice::from_ref(&y), None, &xs, false)?;
    let mut states = p.clone();
    let mut updates = Vec::new();
    for ((s, slot), g) in p.iter().zip(&slots).zip(&grads) {
        let new = adam(&s.1, g.as_ref().expect("connected"), &slot[0].1, &slot[1].1)?;
        states.extend(slot.iter().cloned());
        for (cell, value) in [&slot[0].0, &slot[1].0, &s.0].into_iter().zip(new) {
            updates.push((cell.clone(), value));
        }
    }
    let outputs = [y];
    let plan = compile_step(&Signature {
        inputs: &inputs,
        states: &states,
        outputs: &outputs,
        updates: &updates,
    })?;
    let built = begun.elapsed();

    let data = [
        ramp(&[BATCH, SIZES[0]], 1.0),
        Tensor::full(&[BATCH, SIZES[3]], 0.1, DType::F32)?.add(&scalar(0.0)?)?,
        Tensor::from_slice(&[1u32, 2], &[2])?,
    ];
    let pointers: Vec<*const u8> = data
        .iter()
        .map(|t| t.array().expect("concrete").ptr().cast_const())
        .collect();
    let mut session = plan.session()?;
    for _ in 0..3 {
        session.step(&pointers)?;
    }
    let first = session.results()?[0].item()?;
    let before = CALLS.load(Ordering::Relaxed);
    for _ in 0..20 {
        session.step(&pointers)?;
    }
    let allocations = CALLS.load(Ordering::Relaxed) - before;
    let last = session.results()?[0].item()?;
    println!(
        "plan of {} steps traced and built in {built:?}; 20 steps: {allocations} allocations; loss {first} -> {last}",
        plan.steps().len()
    );
    assert_eq!(allocations, 0, "a step must not allocate");
    assert!(last < first, "the step must train: {first} -> {last}");
    assert!(built.as_millis() < 2000, "building the plan took {built:?}");
    Ok(())
}
