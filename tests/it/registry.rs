//! Tests made from the registry: every op x sample is checked against its reference, its gradients against finite
//! differences, eager against compiled, strided against contiguous, and each instruction set against the others.

use crate::compare::{Nd, difference, in_dtype, moved, nd, noise, poisoned, strided};
use rustdl::autodiff::backward;
use rustdl::aval::DType;
use rustdl::error::{Error, Result};
use rustdl::graph;
use rustdl::op::{Sample, registry};
use rustdl::simd;
use rustdl::tensor::Tensor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Counts checks and collects failures.
#[derive(Default)]
pub struct Report {
    checks: usize,
    failures: Vec<String>,
}

impl Report {
    pub fn check(&mut self, name: &str, what: &str, outcome: std::result::Result<(), String>) {
        self.checks += 1;
        if let Err(why) = outcome {
            self.failures.push(format!("{name}: {what}: {why}"));
        }
    }
}

/// Runs a check over all samples and fails with the list of what went wrong.
pub fn over_all_samples(title: &str, check: impl Fn(&mut Report, &str, &Sample)) {
    let mut report = Report::default();
    let mut samples = 0;
    let only = std::env::var("RUSTDL_TEST_OP").ok();
    let all = registry();
    for entry in &all {
        if only.as_ref().is_some_and(|o| o != entry.name) {
            continue;
        }
        for sample in (entry.samples)() {
            samples += 1;
            let name = format!("{}[{}]", entry.name, sample.label);
            let guarded = catch_unwind(AssertUnwindSafe(|| {
                let mut r = Report::default();
                check(&mut r, &name, &sample);
                r
            }));
            match guarded {
                Ok(r) => {
                    report.checks += r.checks;
                    report.failures.extend(r.failures);
                }
                Err(_) => report.failures.push(format!("{name}: panicked")),
            }
        }
    }
    println!(
        "{title}: {} ops, {samples} samples, {} checks",
        all.len(),
        report.checks
    );
    assert!(
        report.failures.is_empty(),
        "{} failures:\n{}",
        report.failures.len(),
        report.failures.join("\n")
    );
}

pub fn text<T>(r: Result<T>) -> std::result::Result<T, String> {
    r.map_err(|e| e.to_string())
}

pub fn values(outs: &[Tensor]) -> Vec<Nd> {
    outs.iter().map(nd).collect()
}

pub fn same(got: &[Nd], want: &[Nd], tolerance: f64) -> std::result::Result<(), String> {
    difference(got, want, tolerance).map_or(Ok(()), Err)
}

#[test]
fn every_op_has_samples() {
    let missing: Vec<&str> = registry()
        .iter()
        .filter(|e| (e.samples)().is_empty())
        .map(|e| e.name)
        .collect();
    assert!(missing.is_empty(), "ops without samples: {missing:?}");
}

#[test]
fn names_are_unique() {
    let all = registry();
    for pair in all.windows(2) {
        assert_ne!(pair[0].name, pair[1].name, "two ops of one name");
    }
}

#[test]
fn kernels_equal_references() {
    over_all_samples("kernels", |report, name, s| {
        let Some(reference) = &s.reference else {
            return;
        };
        let outcome = text((s.call)(&s.inputs))
            .and_then(|outs| same(&values(&outs), &reference(&s.inputs), 1e-9));
        report.check(name, "f64", outcome);
        // In single precision both sides see the rounded inputs.
        let narrow = in_dtype(&s.inputs, DType::F32);
        let rounded: Vec<Tensor> = narrow
            .iter()
            .zip(&s.inputs)
            .map(|(n, x)| {
                if x.dtype() == DType::F64 {
                    n.cast(DType::F64).expect("a cast")
                } else {
                    x.clone()
                }
            })
            .collect();
        let outcome = text((s.call)(&narrow))
            .and_then(|outs| same(&values(&outs), &reference(&rounded), 2e-5));
        report.check(name, "f32", outcome);
    });
}

#[test]
fn strided_inputs_give_the_same() {
    over_all_samples("strides", |report, name, s| {
        let inputs: Vec<Tensor> = s.inputs.iter().map(strided).collect();
        let outcome = text((s.call)(&s.inputs)).and_then(|want| {
            let got = text((s.call)(&inputs))?;
            same(&values(&got), &values(&want), 1e-12)
        });
        report.check(name, "strided", outcome);
    });
}

#[test]
fn all_instruction_sets_agree() {
    over_all_samples("instruction sets", |report, name, s| {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            for bad in [false, true] {
                let mut inputs = s.inputs.clone();
                if bad {
                    inputs = inputs.iter().map(poisoned).collect();
                }
                let inputs = in_dtype(&inputs, dtype);
                let of = |level| simd::with_level(level, || (s.call)(&inputs));
                let want = of(simd::Level::Scalar);
                for level in simd::available() {
                    let outcome = match (&want, of(level)) {
                        (Ok(w), Ok(g)) => same(&values(&g), &values(w), tolerance),
                        (Err(_), Err(_)) => Ok(()),
                        (Ok(_), Err(e)) => Err(e.to_string()),
                        (Err(e), Ok(_)) => Err(e.to_string()),
                    };
                    report.check(
                        name,
                        &format!("{dtype} on {level:?}, poisoned: {bad}"),
                        outcome,
                    );
                }
            }
        }
    });
}

/// Placeholders for the inputs: all, or only those of floating type (the others stay concrete).
fn placeholders(inputs: &[Tensor], all: bool) -> Vec<Tensor> {
    let symbol = |t: &Tensor| {
        if all || t.dtype().is_float() {
            Tensor::placeholder(t.shape(), t.dtype()).expect("a placeholder")
        } else {
            t.clone()
        }
    };
    inputs.iter().map(symbol).collect()
}

/// Traces and compiles a function; `None` when it needs values and so cannot be traced.
#[allow(clippy::type_complexity)]
fn traced(
    inputs: &[Tensor],
    f: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>,
) -> std::result::Result<Option<(Vec<Tensor>, Vec<Tensor>)>, String> {
    for all in [true, false] {
        let symbols = placeholders(inputs, all);
        match f(&symbols) {
            Ok(outs) => {
                let free: Vec<usize> = (0..symbols.len())
                    .filter(|&i| symbols[i].is_traced())
                    .collect();
                let ins: Vec<Tensor> = free.iter().map(|&i| symbols[i].clone()).collect();
                let plan = text(graph::compile(&ins, &outs))?;
                let feed: Vec<Tensor> = free.iter().map(|&i| inputs[i].clone()).collect();
                return Ok(Some((outs, text(plan.run(&feed))?)));
            }
            Err(Error::Traced { .. }) => continue,
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(None)
}

#[test]
fn compiled_equals_eager() {
    over_all_samples("compiled", |report, name, s| {
        for bad in [false, true] {
            let inputs: Vec<Tensor> = if bad {
                s.inputs.iter().map(poisoned).collect()
            } else {
                s.inputs.clone()
            };
            let Ok(want) = (s.call)(&inputs) else {
                continue;
            };
            let outcome = match traced(&inputs, &*s.call) {
                Ok(None) => continue,
                Ok(Some((avals, got))) => {
                    let inferred = avals.iter().zip(&want).all(|(a, w)| a.aval() == w.aval());
                    if inferred {
                        same(&values(&got), &values(&want), 1e-11)
                    } else {
                        Err("the inferred shape or dtype is not that of the result".into())
                    }
                }
                Err(e) => Err(e),
            };
            report.check(name, &format!("poisoned: {bad}"), outcome);
        }
    });
}

/// The gradient of sum <cotangent, y> with respect to the `f64` inputs; zeros where there is none.
fn gradient(
    s: &Sample,
    inputs: &[Tensor],
    create_graph: bool,
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let leaves: Vec<Tensor> = inputs
        .iter()
        .map(|t| {
            if t.dtype() == DType::F64 {
                t.leaf()
            } else {
                t.clone()
            }
        })
        .collect();
    let outs: Vec<Tensor> = (s.call)(&leaves)?
        .into_iter()
        .filter(|y| y.dtype().is_float())
        .collect();
    let seeds: Vec<Tensor> = outs
        .iter()
        .enumerate()
        .map(|(k, y)| {
            Tensor::from_slice(&noise(y.size(), 100 + k as u64), y.shape())?.cast(y.dtype())
        })
        .collect::<Result<_>>()?;
    let wanted: Vec<Tensor> = leaves
        .iter()
        .filter(|t| t.dtype() == DType::F64)
        .cloned()
        .collect();
    let grads = backward(&outs, Some(&seeds), &wanted, create_graph)?;
    let grads = filled(grads, &wanted)?;
    Ok((wanted, grads))
}

/// Gradients with zeros where there is none.
fn filled(grads: Vec<Option<Tensor>>, xs: &[Tensor]) -> Result<Vec<Tensor>> {
    let pairs = grads.into_iter().zip(xs);
    pairs
        .map(|(g, x)| g.map_or_else(|| Tensor::full(x.shape(), 0.0, DType::F64), Ok))
        .collect()
}

/// The gradient of sum <direction, y> with respect to `xs`.
fn pulled(
    ys: &[Tensor],
    directions: &[Vec<f64>],
    xs: &[Tensor],
    create_graph: bool,
) -> Result<Vec<Tensor>> {
    let (mut on_tape, mut seeds) = (Vec::new(), Vec::new());
    for (y, d) in ys.iter().zip(directions) {
        if y.node().is_some() {
            on_tape.push(y.clone());
            seeds.push(Tensor::from_slice(d, y.shape())?);
        }
    }
    filled(backward(&on_tape, Some(&seeds), xs, create_graph)?, xs)
}

/// sum <cotangent, y> as a number.
fn loss(s: &Sample, inputs: &[Tensor]) -> Result<f64> {
    let outs = (s.call)(inputs)?;
    let floats = outs.iter().filter(|y| y.dtype().is_float());
    Ok(floats
        .enumerate()
        .map(|(k, y)| {
            let u = noise(y.size(), 100 + k as u64);
            nd(y).1.iter().zip(&u).map(|(a, b)| a * b).sum::<f64>()
        })
        .sum())
}

/// The inputs with the floating ones moved along directions.
fn step(inputs: &[Tensor], directions: &[Vec<f64>], h: f64) -> Vec<Tensor> {
    let mut d = directions.iter();
    inputs
        .iter()
        .map(|t| {
            if t.dtype() == DType::F64 {
                moved(t, d.next().expect("a direction for each"), h)
            } else {
                t.clone()
            }
        })
        .collect()
}

/// Central difference of fourth order.
fn slope(f: impl Fn(f64) -> Result<f64>, h: f64) -> Result<f64> {
    Ok((f(-2.0 * h)? - 8.0 * f(-h)? + 8.0 * f(h)? - f(2.0 * h)?) / (12.0 * h))
}

fn directions(inputs: &[Tensor], salt: u64) -> Vec<Vec<f64>> {
    let floats = inputs.iter().filter(|t| t.dtype() == DType::F64);
    floats
        .enumerate()
        .map(|(k, t)| noise(t.size(), salt + k as u64))
        .collect()
}

/// Directions in which to test the gradient: each axis when there are few elements, random ones otherwise.
fn probes(inputs: &[Tensor]) -> Vec<Vec<Vec<f64>>> {
    let sizes: Vec<usize> = inputs
        .iter()
        .filter(|t| t.dtype() == DType::F64)
        .map(Tensor::size)
        .collect();
    let total: usize = sizes.iter().sum();
    if total > 40 {
        return (0..6).map(|k| directions(inputs, 1000 + 10 * k)).collect();
    }
    (0..total)
        .map(|e| {
            let mut start = 0;
            sizes
                .iter()
                .map(|&n| {
                    let v = (0..n)
                        .map(|i| f64::from(u8::from(start + i == e)))
                        .collect();
                    start += n;
                    v
                })
                .collect()
        })
        .collect()
}

fn dot(grads: &[Tensor], directions: &[Vec<f64>]) -> f64 {
    let pairs = grads.iter().zip(directions);
    pairs
        .map(|(g, d)| nd(g).1.iter().zip(d).map(|(a, b)| a * b).sum::<f64>())
        .sum()
}

#[test]
fn gradients_equal_differences() {
    over_all_samples("gradients", |report, name, s| {
        if s.order == 0 || !s.inputs.iter().any(|t| t.dtype() == DType::F64) {
            return;
        }
        let grads = match gradient(s, &s.inputs, false) {
            Ok((_, g)) => g,
            Err(e) => return report.check(name, "gradient", Err(e.to_string())),
        };
        for d in probes(&s.inputs) {
            let outcome =
                text(slope(|h| loss(s, &step(&s.inputs, &d, h)), 1e-4)).and_then(|want| {
                    let got = dot(&grads, &d);
                    if (got - want).abs() <= 1e-7 * (1.0 + want.abs()) {
                        Ok(())
                    } else {
                        Err(format!("{got:e} instead of {want:e}"))
                    }
                });
            report.check(name, "gradient", outcome);
        }
    });
}

/// The derivative of tensors at 0: central differences of fourth order.
fn change(f: impl Fn(f64) -> Result<Vec<Tensor>>) -> Result<Vec<Nd>> {
    let h = 1e-4;
    let at = |k: f64| Ok::<_, Error>(values(&f(k * h)?));
    let (a, b, c, d) = (at(-2.0)?, at(-1.0)?, at(1.0)?, at(2.0)?);
    let along = |i: usize| {
        let each = (0..a[i].1.len())
            .map(|j| (a[i].1[j] - 8.0 * b[i].1[j] + 8.0 * c[i].1[j] - d[i].1[j]) / (12.0 * h));
        (a[i].0.clone(), each.collect())
    };
    Ok((0..a.len()).map(along).collect())
}

/// Is it a sample of a function that is differentiated more than once?
fn is_smooth(s: &Sample) -> bool {
    s.order >= 2 && s.inputs.iter().any(|t| t.dtype() == DType::F64)
}

#[test]
fn gradients_of_gradients_equal_differences() {
    over_all_samples("second order", |report, name, s| {
        if !is_smooth(s) {
            return;
        }
        let d = directions(&s.inputs, 2000);
        let analytic = gradient(s, &s.inputs, true)
            .and_then(|(leaves, grads)| pulled(&grads, &d, &leaves, false));
        let numeric = || change(|h| Ok(gradient(s, &step(&s.inputs, &d, h), false)?.1));
        let outcome = text(analytic).and_then(|got| same(&values(&got), &text(numeric())?, 1e-6));
        report.check(name, "second order", outcome);
    });
}

/// The samples of elementwise functions of one and two tensors.
const ELEMENTWISE: [&str; 3] = ["vector", "equal shapes", "broadcast"];

#[test]
fn third_derivatives_of_elementwise_ops_equal_differences() {
    over_all_samples("third order", |report, name, s| {
        if !is_smooth(s) || !ELEMENTWISE.contains(&s.label.as_str()) {
            return;
        }
        let (d, e) = (directions(&s.inputs, 2000), directions(&s.inputs, 3000));
        let curvature = |inputs: &[Tensor], create_graph: bool| {
            let (leaves, grads) = gradient(s, inputs, true)?;
            let second = pulled(&grads, &d, &leaves, create_graph)?;
            Ok::<_, Error>((leaves, second))
        };
        let analytic = curvature(&s.inputs, true)
            .and_then(|(leaves, second)| pulled(&second, &e, &leaves, false));
        let numeric = || change(|h| Ok(curvature(&step(&s.inputs, &e, h), false)?.1));
        let outcome = text(analytic).and_then(|got| same(&values(&got), &text(numeric())?, 1e-6));
        report.check(name, "third order", outcome);
    });
}

/// Has this call a gradient that is not 0?
fn has_slope(s: &Sample) -> bool {
    s.inputs.iter().any(|t| t.dtype() == DType::F64)
        && gradient(s, &s.inputs, false)
            .is_ok_and(|(_, grads)| values(&grads).iter().any(|g| g.1.iter().any(|&v| v != 0.0)))
}

/// Ops whose results depend on a number at single points only, where nothing moves without a jump.
const AT_POINTS: [&str; 2] = ["heaviside", "histogram"];

#[test]
fn every_differentiable_op_is_checked_to_second_order() {
    let missing: Vec<&str> = registry()
        .iter()
        .filter(|entry| {
            let samples = (entry.samples)();
            samples.iter().any(has_slope)
                && !samples.iter().any(is_smooth)
                && !AT_POINTS.contains(&entry.name)
        })
        .map(|entry| entry.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn compiled_gradients_equal_eager() {
    over_all_samples("compiled gradients", |report, name, s| {
        if s.order == 0 || !s.inputs.iter().any(|t| t.dtype() == DType::F64) {
            return;
        }
        let outcome = text(gradient(s, &s.inputs, false)).and_then(|(_, want)| {
            let f = |x: &[Tensor]| Ok(gradient(s, x, false)?.1);
            match traced(&s.inputs, &f)? {
                None => Ok(()),
                Some((_, got)) => same(&values(&got), &values(&want), 1e-11),
            }
        });
        report.check(name, "compiled gradient", outcome);
    });
}
