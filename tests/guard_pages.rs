//! No kernel reads or writes outside of its operands: every sample of every op, and the large kernels at odd sizes, with
//! each buffer and scratch beside a page that cannot be touched, on each instruction set.
//!
//! A kernel that does ends its process, so the ops run in processes of their own, which say what they run. Buffers begin
//! as NaN, so that what is read before it is written shows too.

#![cfg(unix)]

#[path = "it/compare.rs"]
#[allow(dead_code)]
mod compare;

use compare::{difference, in_dtype, nd, noise};
use rustdl::args::{Ints, Padding};
use rustdl::autodiff::backward;
use rustdl::aval::DType;
use rustdl::buffer::{Buffer, Side, guard};
use rustdl::error::Result;
use rustdl::op::{Sample, registry};
use rustdl::ops::samples::values;
use rustdl::ops::{attention, conv, linalg, pool, recurrent};
use rustdl::simd::{self, Level};
use rustdl::tensor::Tensor;
use std::process::Command;

/// Set in the processes that run the ops: which side is guarded.
const SIDE: &str = "RUSTDL_TEST_GUARD";

/// The same tensor in a new buffer.
fn fresh(t: &Tensor) -> Result<Tensor> {
    let wide = match t.dtype() {
        d if d.is_float() => Tensor::from_slice(&t.to_vec::<f64>()?, t.shape())?,
        _ => Tensor::from_slice(&t.to_vec_i64()?, t.shape())?,
    };
    wide.cast(t.dtype())
}

/// Outputs, and gradients of those that have them.
fn run(s: &Sample, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let inputs = inputs.iter().map(fresh).collect::<Result<Vec<_>>>()?;
    let leaf = |t: &Tensor| match t.dtype().is_float() {
        true => t.leaf(),
        false => t.clone(),
    };
    let leaves: Vec<Tensor> = inputs.iter().map(leaf).collect();
    let mut results = (s.call)(&leaves)?;
    let outs: Vec<Tensor> = results
        .iter()
        .filter(|y| y.dtype().is_float())
        .cloned()
        .collect();
    let seed = |y: &Tensor| Tensor::from_slice(&noise(y.size(), 7), y.shape())?.cast(y.dtype());
    let seeds = outs.iter().map(seed).collect::<Result<Vec<_>>>()?;
    let by: Vec<Tensor> = leaves
        .iter()
        .filter(|t| t.dtype().is_float())
        .cloned()
        .collect();
    if let Ok(grads) = backward(&outs, Some(&seeds), &by, false) {
        results.extend(grads.into_iter().flatten());
    }
    Ok(results)
}

/// Runs a sample with and without the pages; the results have to be the same.
fn check(name: &str, s: &Sample, side: Side, level: Level, dtype: DType) {
    println!("{name} {side:?} {level:?} {dtype}");
    let inputs = in_dtype(&s.inputs, dtype);
    let values = |side: Option<Side>| {
        guard(side);
        let outs = simd::with_level(level, || run(s, &inputs));
        guard(None);
        outs.map(|outs| outs.iter().map(nd).collect::<Vec<_>>())
    };
    let (want, got) = (values(None), values(Some(side)));
    if let (Ok(want), Ok(got)) = (want, got) {
        let found = difference(&got, &want, 0.0);
        assert!(found.is_none(), "{name}: {}", found.unwrap_or_default());
    }
}

/// Sizes around the edges of vectors, tiles and blocks.
fn large() -> Vec<(&'static str, Sample)> {
    let mut all = Vec::new();
    let mut add = |name, shapes: &[&[usize]], call: fn(&[Tensor]) -> Result<Vec<Tensor>>| {
        let numbered = shapes.iter().zip(1..);
        let inputs = numbered.map(|(shape, salt)| values(shape, -1.0, 1.0, salt));
        all.push((name, Sample::new("odd sizes", inputs.collect(), call)));
    };
    for (m, n, k) in [
        (1, 67, 35),
        (7, 65, 129),
        (13, 33, 1030),
        (29, 130, 17),
        (67, 1, 67),
        (130, 70, 300),
    ] {
        add("matmul", &[&[m, k], &[k, n]], |x| {
            Ok(vec![linalg::matmul(&x[0], &x[1])?])
        });
    }
    for (size, channels, filters, kernel) in [
        (11, 3, 17, 3),
        (13, 16, 35, 3),
        (9, 33, 16, 1),
        (17, 5, 7, 7),
        (10, 64, 66, 3),
    ] {
        let shapes: [&[usize]; 2] = [
            &[2, size, size + 1, channels],
            &[kernel, kernel, channels, filters],
        ];
        add("conv", &shapes, |x| conv2d(x, 1, Padding::Same));
        add("conv, stride 2", &shapes, |x| conv2d(x, 2, Padding::Valid));
    }
    for channels in [3, 16, 37] {
        add(
            "depthwise_conv",
            &[&[2, 9, 11, channels], &[3, 3, channels, 1]],
            |x| {
                let (one, same) = (Ints::from(1), Padding::Same);
                let y = conv::depthwise_conv(&x[0], &x[1], one.clone(), same, None, one)?;
                Ok(vec![y])
            },
        );
        add("pool", &[&[2, 9, 11, channels]], |x| {
            let (size, padding) = (Ints::from(3), Padding::Same);
            Ok(vec![
                pool::max_pool(&x[0], size.clone(), None, padding.clone(), None)?,
                pool::average_pool(&x[0], size, None, padding, None)?,
            ])
        });
    }
    for (queries, keys, size) in [(1, 67, 8), (33, 35, 17), (70, 300, 20)] {
        let shapes: [&[usize]; 3] = [
            &[2, queries, 2, size],
            &[2, keys, 2, size],
            &[2, keys, 2, size + 1],
        ];
        add("attend", &shapes, |x| {
            let of = |causal| {
                attention::attend(
                    &x[0], &x[1], &x[2], None, None, None, None, causal, None, None, 0.0, true,
                )
            };
            Ok(vec![of(false)?, of(true)?])
        });
    }
    for (batch, units) in [(1, 5), (7, 33), (19, 67)] {
        let state: &[usize] = &[batch, units];
        add(
            "lstm",
            &[&[batch, 4, 4 * units], &[units, 4 * units], state, state],
            |x| recurrence(x, "lstm"),
        );
        add(
            "gru",
            &[&[batch, 4, 3 * units], &[units, 3 * units], state],
            |x| recurrence(x, "gru"),
        );
    }
    all
}

fn conv2d(x: &[Tensor], stride: i64, padding: Padding) -> Result<Vec<Tensor>> {
    let one = Ints::from(1);
    let y = conv::conv(&x[0], &x[1], Ints::from(stride), padding, None, one, None)?;
    Ok(vec![y])
}

fn recurrence(x: &[Tensor], cell: &str) -> Result<Vec<Tensor>> {
    let states = x[2..].to_vec();
    recurrent::recurrence(
        &x[0],
        &x[1],
        states,
        cell.into(),
        None,
        None,
        None,
        false,
        false,
    )
}

fn child(side: Side) {
    let mut samples = 0;
    for entry in registry() {
        for s in (entry.samples)() {
            samples += 1;
            for level in simd::available() {
                for dtype in [DType::F64, DType::F32] {
                    check(
                        &format!("{}[{}]", entry.name, s.label),
                        &s,
                        side,
                        level,
                        dtype,
                    );
                }
            }
        }
    }
    for (name, s) in large() {
        samples += 1;
        for level in simd::available() {
            for dtype in [DType::F64, DType::F32] {
                check(name, &s, side, level, dtype);
            }
        }
    }
    println!("guarded: {samples} samples");
}

/// The pages do end a process that reads one byte too many; otherwise the other test could not fail.
#[test]
fn a_byte_outside_ends_the_process() {
    if std::env::var(SIDE).is_ok() {
        for (side, at) in [(Side::Before, -1), (Side::After, 100)] {
            guard(Some(side));
            let buffer = Buffer::new("probe", 100).expect("a hundred bytes");
            guard(None);
            let outside = buffer.ptr().wrapping_offset(at);
            let name = if at < 0 { "before" } else { "after" };
            if std::env::var(SIDE).as_deref() == Ok(name) {
                // SAFETY: none: that it ends the process is what is tested.
                println!("read {}", unsafe { outside.read_volatile() });
            }
        }
        return;
    }
    for side in ["before", "after", "neither"] {
        let done = child_process("a_byte_outside_ends_the_process", side);
        let read = String::from_utf8_lossy(&done.stdout).contains("read ");
        assert_eq!(
            done.status.success(),
            side == "neither",
            "{side}: {}",
            done.status
        );
        assert!(!read, "{side}");
    }
}

/// Runs a test of this file in a process of its own.
fn child_process(test: &str, side: &str) -> std::process::Output {
    let exe = std::env::current_exe().expect("the test's own program");
    Command::new(exe)
        .args(["--exact", test, "--nocapture"])
        .env(SIDE, side)
        .output()
        .expect("a process of our own")
}

#[test]
fn no_kernel_leaves_its_operands() {
    rustdl::par::set_threads(1);
    match std::env::var(SIDE).as_deref() {
        Ok("before") => return child(Side::Before),
        Ok(_) => return child(Side::After),
        Err(_) => {}
    }
    for side in ["before", "after"] {
        let done = child_process("no_kernel_leaves_its_operands", side);
        let text = String::from_utf8_lossy(&done.stdout);
        let last: Vec<&str> = text.lines().rev().take(4).collect();
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "{side}: {} after {last:?}\n{errors}",
            done.status
        );
        println!(
            "{side}: {}",
            text.lines()
                .find(|l| l.contains("guarded:"))
                .unwrap_or_default()
        );
    }
}
