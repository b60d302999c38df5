//! Connectionist temporal classification: the loss, and decoding by beam search.

use super::recurrent::through;
use super::samples::{Nd, at, ints, nd, values};
use super::solve::real;
use super::{concat, gather, logic, math, rows, view};
use crate::args::{Axes, Ints};
use crate::autodiff::backward;
use crate::aval::{Aval, DType};
use crate::bind::bind;
use crate::error::{Error, Result};
use crate::kernels::beam;
use crate::kernels::ctc::{self as kernel, Sizes, Targets};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Sample, Vjp};
use crate::tensor::Tensor;
use smallvec::smallvec;

/// The losses of log-probabilities `[batch, frames, classes]`, and their gradients, which the same pass yields.
#[derive(Debug)]
struct Ctc {
    blank: usize,
}

impl Op for Ctc {
    fn name(&self) -> &'static str {
        "ctc_loss"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let mut loss = x[0].clone();
        loss.shape.truncate(1);
        Ok(smallvec![loss, x[0].clone()])
    }
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        if cx.g_opt(1).is_some() {
            return through(cx, |x| composed(x, self.blank));
        }
        let g = view::expand_dims(&cx.g(0)?, Ints(vec![-1, -2]))?;
        let mut grads: Grads = smallvec![None; cx.inputs()];
        grads[0] = Some(math::multiply(&g, &cx.y(1))?);
        Ok(grads)
    }
    fn run(&self, cx: &mut Run) {
        let (shape, labels) = (cx.ins[0].shape(), cx.ins[1].shape()[1]);
        let sizes = Sizes {
            batch: shape[0],
            frames: shape[1],
            classes: shape[2],
            labels,
        };
        let targets = Targets {
            labels: cx.ins[1].slice::<i32>(),
            label_lengths: cx.ins[2].slice::<i32>(),
            frame_lengths: cx.ins[3].slice::<i32>(),
            blank: self.blank,
        };
        let [loss, grad] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        real!(cx.ins[0].dtype(), T => kernel::loss(
            cx.ins[0].slice::<T>(), targets, sizes, loss.slice_mut::<T>(), grad.slice_mut::<T>(),
        ));
    }
}

/// The outputs of [`Ctc`] by ops that are differentiated to any order.
fn composed(x: &[Tensor], blank: usize) -> Result<Vec<Tensor>> {
    let loss = recursion(x, blank)?;
    let found = backward(std::slice::from_ref(&loss), None, &x[..1], true)?.remove(0);
    let grad = found.map_or_else(|| Tensor::full(x[0].shape(), 0.0, x[0].dtype()), Ok)?;
    Ok(vec![loss, grad])
}

/// The forward recursion of the kernel, frame by frame, over states blank, label, blank, .., label, blank.
fn recursion(x: &[Tensor], blank: usize) -> Result<Tensor> {
    let (shape, dtype, labels) = (x[0].shape(), x[0].dtype(), &x[1]);
    let (batch, frames, classes, n) = (shape[0], shape[1], shape[2], labels.shape()[1]);
    let states = 2 * n + 1;
    let full = |size: usize, value: f64| Tensor::full(&[batch, size], value, dtype);
    let int = |value: usize| Tensor::full(&[], value as f64, DType::I32);
    let clipped =
        |x: &Tensor, most: usize| math::maximum(&math::minimum(x, &int(most)?)?, &int(0)?);
    let lengths = clipped(&x[2], n)?;
    let impossible = kernel::NONE;
    if frames == 0 {
        let empty = logic::equal(&lengths, &int(0)?)?;
        let [zero, most] = [0.0, -impossible].map(|v| Tensor::full(&[batch], v, dtype));
        return logic::where_(&empty, &zero?, &most?);
    }
    // The class of each state, and whether a path may come from two states before.
    let pairs = Tensor::full(&[batch, n, 1], blank as f64, DType::I32)?;
    let pairs = concat::concatenate(vec![pairs, view::expand_dims(labels, Ints(vec![-1]))?], -1)?;
    let class = concat::concatenate(
        vec![
            view::reshape_to(&pairs, &[batch, 2 * n])?,
            Tensor::full(&[batch, 1], blank as f64, DType::I32)?,
        ],
        1,
    )?;
    let before = |x: &Tensor, k: usize, start: Tensor| {
        concat::concatenate(vec![start, view::narrow(x, 1, 0, states - k)?], 1)
    };
    let two = states.min(2);
    let skips = logic::not_equal(
        &class,
        &before(&class, two, view::narrow(&class, 1, 0, two)?)?,
    )?;
    // The log-probabilities of the states in each frame.
    let known = logic::logical_and(
        &logic::less_equal(&int(0)?, &class)?,
        &logic::less(&class, &int(classes)?)?,
    )?;
    let rows = |x: &Tensor, size: usize| {
        view::broadcast_to_shape(
            &view::expand_dims(x, Ints(vec![1]))?,
            &[batch, size, states],
        )
    };
    let index = rows(&logic::where_(&known, &class, &int(0)?)?, frames)?;
    let scores = gather::take_along_axis(&x[0], &index, Some(-1))?;
    let scores = logic::where_(
        &rows(&known, 1)?,
        &scores,
        &Tensor::full(&[], impossible, dtype)?,
    )?;
    let score = |t: usize| view::reshape_to(&view::narrow(&scores, 1, t, 1)?, &[batch, states]);
    let first = view::narrow(&score(0)?, 1, 0, two)?;
    let mut alpha = concat::concatenate(vec![first, full(states - two, impossible)?], 1)?;
    for t in 1..frames {
        let one = before(&alpha, 1.min(states - 1), full(1.min(states - 1), NEVER)?)?;
        let skipped = logic::where_(
            &skips,
            &before(&alpha, two, full(two, NEVER)?)?,
            &full(1, NEVER)?,
        )?;
        let sum = match n {
            0 => alpha.clone(),
            _ => math::logaddexp(&math::logaddexp(&alpha, &one)?, &skipped)?,
        };
        let alive = view::expand_dims(&logic::less(&int(t)?, &x[3])?, Ints(vec![-1]))?;
        alpha = logic::where_(&alive, &math::add(&sum, &score(t)?)?, &alpha)?;
    }
    // Paths end in the last label or the blank behind it.
    let places: Vec<i32> = (0..states as i32).collect();
    let last = view::expand_dims(&math::multiply(&lengths, &int(2)?)?, Ints(vec![-1]))?;
    let behind = math::subtract(&last, &Tensor::from_slice(&places, &[1, states])?)?;
    let ends = logic::logical_or(
        &logic::equal(&behind, &int(0)?)?,
        &logic::equal(&behind, &int(1)?)?,
    )?;
    let total = rows::logsumexp(
        &logic::where_(&ends, &alpha, &full(1, NEVER)?)?,
        Axes::from(-1),
        false,
    )?;
    let none = logic::less_equal(&x[3], &int(0)?)?;
    let empty = logic::equal(&lengths, &int(0)?)?;
    let [zero, most] = [0.0, -impossible].map(|v| Tensor::full(&[batch], v, dtype));
    logic::where_(
        &none,
        &logic::where_(&empty, &zero?, &most?)?,
        &math::negative(&total)?,
    )
}

/// The logarithm of the probability of what is no state: nothing is added by it.
const NEVER: f64 = -1e30;

op! {
    /// The loss of connectionist temporal classification (Graves et al. 2006): -ln of the sum of the probabilities of
    /// all alignments, each frame a class, that give the labels when repetitions are merged and blanks removed.
    ///
    /// `target`: labels [batch, labels]; `output`: logits [batch, frames, classes]; lengths: how many labels and frames of
    /// each sequence count; `mask_index`: the class of the blank. A loss for each sequence, in `float32` at least. Labels
    /// that no alignment gives have a loss of about 1e5.
    fn ctc_loss(target: &Tensor, output: &Tensor, target_length: &Tensor, output_length: &Tensor, mask_index: i64 = 0) -> Tensor {
        let dtype = if output.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let shapes = [target.shape(), output.shape(), target_length.shape(), output_length.shape()];
        let ranks = shapes.iter().map(|s| s.len()).eq([2, 3, 1, 1]);
        if !ranks || shapes.iter().any(|s| s[0] != shapes[0][0]) {
            return Err(Error::shape("ctc_loss", format!(
                "needs target [batch, labels], output [batch, frames, classes] and both lengths [batch], not shapes {shapes:?}"
            )));
        }
        let blank = blank_class("ctc_loss", mask_index, output.shape()[2])?;
        let int = |x: &Tensor| math::cast(x, DType::I32);
        let log_probs = rows::log_softmax(&math::cast(output, dtype)?, crate::args::Axes::from(-1))?;
        let y = bind(
            Ctc { blank },
            &[&log_probs, &int(target)?, &int(target_length)?, &int(output_length)?],
        )?;
        Ok(y[0].clone())
    }
    samples {
        let case = |label: &str, frames: usize, blank: i64, labels: &[i32], lengths: [i32; 2]| {
            let n = labels.len();
            let inputs = vec![
                ints(labels, &[1, n]), values(&[1, frames, 3], -2.0, 2.0, 1), ints(&lengths[..1], &[1]), ints(&lengths[1..], &[1]),
            ];
            let own: Vec<usize> = labels[..lengths[0] as usize].iter().map(|&l| l as usize).collect();
            Sample::new(label, inputs, move |x| Ok(vec![ctc_loss(&x[0], &x[1], &x[2], &x[3], blank)?]))
                .reference(move |x| vec![(vec![1], vec![by_paths(&nd(&x[1]), &own, lengths[1] as usize, blank as usize)])])
        };
        vec![
            case("different labels", 5, 0, &[1, 2], [2, 5]),
            case("a repeated label", 5, 2, &[1, 1], [2, 5]),
            case("padded", 6, 0, &[2, 1, 0], [2, 4]),
            case("one way", 3, 0, &[1, 1], [2, 3]),
            case("no labels", 3, 1, &[0], [0, 3]),
        ]
    }
}

/// The likeliest label sequences of log-probabilities `[batch, frames, classes]`.
#[derive(Debug)]
struct Decode {
    blank: usize,
    width: usize,
    paths: usize,
}

impl Op for Decode {
    fn name(&self) -> &'static str {
        "ctc_beam_search"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let [batch, frames] = [x[0].shape[0], x[0].shape[1]];
        let paths = Aval {
            shape: smallvec![self.paths, batch, frames],
            dtype: DType::I32,
        };
        crate::aval::checked_bytes("ctc_beam_search", &paths.shape, paths.dtype)?;
        let scores = Aval {
            shape: smallvec![batch, self.paths],
            dtype: x[0].dtype,
        };
        Ok(smallvec![paths, scores])
    }
    fn run(&self, cx: &mut Run) {
        let (shape, lengths) = (cx.ins[0].shape(), cx.ins[1].slice::<i32>());
        let (batch, frames, classes) = (shape[0], shape[1], shape[2]);
        let [paths, scores] = &mut cx.outs[..] else {
            unreachable!("two outputs")
        };
        let paths = paths.slice_mut::<i32>();
        paths.fill(-1);
        real!(cx.ins[0].dtype(), T => {
            let (x, scores) = (cx.ins[0].slice::<T>(), scores.slice_mut::<T>());
            scores.fill(T::NEG_INFINITY);
            for i in 0..batch {
                let own = &x[i * frames * classes..];
                let count = usize::try_from(lengths[i]).unwrap_or(0).min(frames);
                let found = beam::search(|t, c| crate::buffer::Element::to_f64(own[t * classes + c]), count, classes, self.blank, self.width);
                for (p, (labels, score)) in found.into_iter().take(self.paths).enumerate() {
                    scores[i * self.paths + p] = score as T;
                    let row = &mut paths[(p * batch + i) * frames..];
                    row.iter_mut().zip(labels).for_each(|(to, label)| *to = label as i32);
                }
            }
        });
    }
}

op! {
    /// The likeliest label sequences by prefix beam search (Hannun et al. 2014), where repetitions are merged and blanks
    /// removed: labels [top_paths, batch, frames], -1 behind the last, and log-probabilities [batch, top_paths].
    ///
    /// `inputs`: logits [batch, frames, classes]; `sequence_lengths`: how many frames count; `mask_index`: the class of the
    /// blank; `beam_width`: how many sequences are followed. Without gradient.
    fn ctc_beam_search(inputs: &Tensor, sequence_lengths: &Tensor, beam_width: i64 = 100, top_paths: i64 = 1, mask_index: i64 = 0) -> Vec<Tensor> {
        let shape = inputs.shape();
        if shape.len() != 3 || sequence_lengths.shape() != &shape[..1] {
            return Err(Error::shape("ctc_beam_search", format!(
                "needs inputs [batch, frames, classes] and sequence_lengths [batch], not shapes {shape:?} and {:?}", sequence_lengths.shape()
            )));
        }
        if top_paths < 1 || beam_width < top_paths || beam_width > 1 << 20 {
            return Err(Error::argument("ctc_beam_search", format!(
                "beam_width={beam_width} and top_paths={top_paths}: needs 1 <= top_paths <= beam_width <= 2^20"
            )));
        }
        let blank = blank_class("ctc_beam_search", mask_index, shape[2])?;
        let dtype = if inputs.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let log_probs = rows::log_softmax(&math::cast(inputs, dtype)?, crate::args::Axes::from(-1))?;
        let decode = Decode { blank, width: beam_width as usize, paths: top_paths as usize };
        Ok(bind(decode, &[&log_probs, &math::cast(sequence_lengths, DType::I32)?])?.into_iter().collect())
    }
    samples {
        let case = |label: &str, blank: i64, paths: i64| {
            let inputs = vec![values(&[2, 4, 3], -2.0, 2.0, 3), ints(&[4, 3], &[2])];
            Sample::new(label, inputs, move |x| ctc_beam_search(&x[0], &x[1], 100, paths, blank))
                .reference(move |x| best_by_paths(&nd(&x[0]), &[4, 3], blank as usize, paths as usize))
                .order(0)
        };
        vec![case("first class blank", 0, 3), case("last class blank", 2, 2)]
    }
}

/// The class of the blank.
fn blank_class(op: &'static str, mask_index: i64, classes: usize) -> Result<usize> {
    let classes = classes as i64;
    let blank = if mask_index < 0 {
        mask_index + classes
    } else {
        mask_index
    };
    if (0..classes).contains(&blank) {
        return Ok(blank as usize);
    }
    Err(Error::argument(
        op,
        format!("mask_index={mask_index} is none of the {classes} classes"),
    ))
}

/// The likeliest sequences by listing all paths, for references.
fn best_by_paths(logits: &Nd, lengths: &[usize], blank: usize, count: usize) -> Vec<Nd> {
    let (batch, frames, classes) = (logits.0[0], logits.0[1], logits.0[2]);
    let mut labels = vec![-1.0; count * batch * frames];
    let mut scores = vec![0.0; batch * count];
    for i in 0..batch {
        let own = (
            vec![1, frames, classes],
            logits.1[i * frames * classes..][..frames * classes].to_vec(),
        );
        let mut all: Vec<(Vec<usize>, f64)> = Vec::new();
        for code in 0..classes.pow(lengths[i] as u32) {
            let path: Vec<usize> = (0..lengths[i])
                .map(|t| code / classes.pow(t as u32) % classes)
                .collect();
            let merged: Vec<usize> = (0..path.len())
                .filter(|&t| path[t] != blank && (t == 0 || path[t - 1] != path[t]))
                .map(|t| path[t])
                .collect();
            if !all.iter().any(|(l, _)| *l == merged) {
                let loss = by_paths(&own, &merged, lengths[i], blank);
                all.push((merged, -loss));
            }
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (p, (path, score)) in all.into_iter().take(count).enumerate() {
            scores[i * count + p] = score;
            for (t, l) in path.into_iter().enumerate() {
                labels[(p * batch + i) * frames + t] = l as f64;
            }
        }
    }
    vec![
        (vec![count, batch, frames], labels),
        (vec![batch, count], scores),
    ]
}

/// The loss by listing all paths, for references.
fn by_paths(logits: &Nd, labels: &[usize], frames: usize, blank: usize) -> f64 {
    let classes = logits.0[2];
    let total: f64 = (0..classes.pow(frames as u32))
        .map(|code| {
            let path: Vec<usize> = (0..frames)
                .map(|t| code / classes.pow(t as u32) % classes)
                .collect();
            let merged = path
                .iter()
                .enumerate()
                .filter(|&(t, &c)| c != blank && (t == 0 || path[t - 1] != c))
                .map(|(_, &c)| c);
            if !merged.eq(labels.iter().copied()) {
                return 0.0;
            }
            path.iter()
                .enumerate()
                .map(|(t, &c)| {
                    let sum: f64 = (0..classes).map(|k| at(logits, &[0, t, k]).exp()).sum();
                    at(logits, &[0, t, c]).exp() / sum
                })
                .product()
        })
        .sum();
    -total.ln()
}
