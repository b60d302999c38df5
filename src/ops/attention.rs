//! Scaled dot-product attention: tiled, or composed of products and a softmax.

use super::samples::{Nd, at, from_index, nd, values};
use super::{create, linalg, logic, math, random, rows, view};
use crate::args::{Axes, Ints};
use crate::autodiff::backward;
use crate::aval::{Aval, DType, broadcast_strides, promote};
use crate::bind::{bind, is_recording, with_recording};
use crate::buffer::{Element, View};
use crate::error::{Error, Result};
use crate::kernels::attention::{self as kernel, Band, Gradients, Heads, Operands, Plane, Spec};
use crate::op;
use crate::op::{Avals, Grads, Op, Run, Sample, Vjp};
use crate::simd::Float;
use crate::tensor::Tensor;
use smallvec::smallvec;

/// What errors call it: the public function of Keras.
const NAME: &str = "dot_product_attention";

/// What does not depend on the operands, and which of the optional ones there are.
#[derive(Debug, Clone, PartialEq)]
struct Settings {
    scale: f64,
    band: Band,
    soft_cap: Option<f64>,
    rate: f64,
    bias: bool,
    mask: bool,
    seed: bool,
}

impl Settings {
    /// Places of the bias, the mask and the seed among the inputs, after query, key and value.
    fn places(&self) -> [Option<usize>; 3] {
        let mut next = 3;
        [self.bias, self.mask, self.seed].map(|there| {
            next += usize::from(there);
            there.then(|| next - 1)
        })
    }

    /// Number of inputs.
    fn inputs(&self) -> usize {
        3 + [self.bias, self.mask, self.seed]
            .iter()
            .filter(|&&there| there)
            .count()
    }

    /// The sizes; shapes were checked by `check`.
    fn spec(&self, query: &[usize], key: &[usize], value: &[usize]) -> Spec {
        Spec {
            b: query[0],
            t: query[1],
            s: key[1],
            n: query[2],
            k: key[2],
            d: query[3],
            v: value[3],
            scale: self.scale,
            band: self.band,
            soft_cap: self.soft_cap,
            rate: self.rate,
        }
    }

    fn check(&self, x: &[Aval]) -> Result<Spec> {
        let (q, k, v) = (&x[0].shape, &x[1].shape, &x[2].shape);
        let seen = || format!("received query {q:?}, key {k:?}, value {v:?}");
        let wrong = |what: &str| Err(Error::shape(NAME, format!("{what}; {}", seen())));
        if [q, k, v].iter().any(|shape| shape.len() != 4) {
            return wrong("only supports 4D inputs");
        }
        if q[3] != k[3] || q[0] != k[0] || k[..3] != v[..3] {
            return wrong(
                "expected query [B, T, N, H], key [B, S, K, H] and value [B, S, K, V] with the same B, S, K and H",
            );
        }
        if k[2] == 0 || q[2] % k[2] != 0 {
            return wrong("the heads of query are no multiple of those of key");
        }
        let scores = [q[0], q[2], q[1], k[1]];
        let [bias, mask, seed] = self.places();
        for (name, place) in [("bias", bias), ("mask", mask)] {
            let Some(shape) = place.map(|i| &x[i].shape) else {
                continue;
            };
            let fits = crate::aval::broadcast(NAME, &[shape, &scores]);
            if !fits.is_ok_and(|common| common.as_slice() == scores) {
                return wrong(&format!(
                    "{name} {shape:?} does not broadcast to the scores {scores:?} (batch, heads, queries, keys)"
                ));
            }
        }
        if let Some(shape) = seed.map(|i| &x[i].shape)
            && shape.as_slice() != [2]
        {
            return wrong(&format!("seed must hold two integers, not {shape:?}"));
        }
        Ok(self.spec(q, k, v))
    }
}

/// The attention of all heads: output, and the logarithms of the sums of the softmax.
#[derive(Debug)]
struct Attend(Settings);

impl Op for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        let s = self.0.check(x)?;
        let dtype = x[0].dtype;
        crate::aval::checked_bytes(NAME, &[s.b, s.t, s.n, s.v], dtype)?;
        Ok(smallvec![
            Aval::new(&[s.b, s.t, s.n, s.v], dtype),
            Aval::new(&[s.b, s.n, s.t], dtype),
        ])
    }

    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let n = self.0.inputs();
        let x: Vec<Tensor> = (0..n).map(|i| cx.x(i).clone()).collect();
        if self.0.places()[0].is_some_and(|bias| cx.wants(bias)) {
            // The gradient of the bias has the size of the bias: all scores, as a rule.
            return self.composed_vjp(cx, &x);
        }
        let mut inputs = x;
        inputs.extend([cx.y(0), cx.y(1), cx.g(0)?]);
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let found = bind(AttendGrad(self.0.clone()), &inputs)?;
        let mut grads: Grads = found.into_iter().map(Some).collect();
        grads.resize(n, None);
        Ok(grads)
    }

    fn run(&self, cx: &mut Run) {
        match cx.outs[0].dtype() {
            DType::F64 => run_forward::<f64>(&self.0, cx),
            _ => run_forward::<f32>(&self.0, cx),
        }
    }

    fn takes_strided(&self, i: usize) -> bool {
        self.0.places()[2] != Some(i)
    }
}

impl Attend {
    /// The gradients through the composition.
    fn composed_vjp(&self, cx: &Vjp, x: &[Tensor]) -> Result<Grads> {
        let again = is_recording();
        let leaves: Vec<Tensor> = x.iter().map(leaf).collect();
        let y = with_recording(true, || composed(&self.0, &leaves))?;
        let wanted: Vec<usize> = (0..x.len()).filter(|&i| cx.wants(i)).collect();
        let by: Vec<Tensor> = wanted.iter().map(|&i| leaves[i].clone()).collect();
        let found = backward(&[y], Some(&[cx.g(0)?]), &by, again)?;
        let mut grads: Grads = smallvec![None; x.len()];
        for (i, g) in wanted.into_iter().zip(found) {
            grads[i] = g;
        }
        Ok(grads)
    }
}

/// A start of the tape, for operands that have gradients.
fn leaf(x: &Tensor) -> Tensor {
    if x.dtype().is_float() {
        x.leaf()
    } else {
        x.clone()
    }
}

/// The gradients of query, key and value. Inputs: those of [`Attend`], its outputs, the gradient of the first.
#[derive(Debug)]
struct AttendGrad(Settings);

impl Op for AttendGrad {
    fn name(&self) -> &'static str {
        "attend_gradient"
    }

    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        self.0.check(x)?;
        Ok(x[..3].iter().cloned().collect())
    }

    /// Through the composition: its gradient with respect to the operands and to the gradient of the output. Output
    /// and logarithms are functions of the operands, so what depends on them is in these gradients already.
    fn vjp(&self, cx: &Vjp) -> Result<Grads> {
        let (n, again) = (self.0.inputs(), is_recording());
        let mut leaves: Vec<Tensor> = (0..n).map(|i| leaf(cx.x(i))).collect();
        leaves.push(cx.x(n + 2).leaf());
        let first = with_recording(true, || {
            let y = composed(&self.0, &leaves[..n])?;
            backward(&[y], Some(&leaves[n..]), &leaves[..3], true)
        })?;
        let (mut ys, mut seeds) = (Vec::new(), Vec::new());
        for (i, y) in first.into_iter().enumerate() {
            if let (Some(y), Some(seed)) = (y, cx.g_opt(i)) {
                ys.push(y);
                seeds.push(seed.clone());
            }
        }
        // Operands 0..n, then the gradient of the output, which follows the two outputs.
        let place = |i: usize| if i < n { i } else { n + 2 };
        let wanted: Vec<usize> = (0..=n)
            .filter(|&i| leaves[i].dtype().is_float() && cx.wants(place(i)))
            .collect();
        let by: Vec<Tensor> = wanted.iter().map(|&i| leaves[i].clone()).collect();
        let found = backward(&ys, Some(&seeds), &by, again)?;
        let mut grads: Grads = smallvec![None; n + 3];
        for (i, g) in wanted.into_iter().zip(found) {
            grads[place(i)] = g;
        }
        Ok(grads)
    }

    fn run(&self, cx: &mut Run) {
        match cx.outs[0].dtype() {
            DType::F64 => run_backward::<f64>(&self.0, cx),
            _ => run_backward::<f32>(&self.0, cx),
        }
    }

    fn takes_strided(&self, i: usize) -> bool {
        let n = self.0.inputs();
        (i < n && self.0.places()[2] != Some(i)) || i == n + 2
    }
}

/// An operand with the axes batch, position, head, feature.
fn heads<T>(x: &View) -> Heads<T> {
    let s = x.strides();
    Heads {
        ptr: x.ptr().cast(),
        strides: [s[0], s[1], s[2], s[3]],
    }
}

/// Sizes and operands as the kernels take them.
fn operands<T: Float>(settings: &Settings, x: &[View]) -> (Spec, Operands<T>) {
    let spec = settings.spec(x[0].shape(), x[1].shape(), x[2].shape());
    let scores = [spec.b, spec.n, spec.t, spec.s];
    let strides = |v: &View| {
        let s = broadcast_strides(v.shape(), v.strides(), &scores);
        [s[0], s[1], s[2], s[3]]
    };
    let [bias, mask, seed] = settings.places();
    let operands = Operands {
        query: heads(&x[0]),
        key: heads(&x[1]),
        value: heads(&x[2]),
        bias: bias.map(|i| Plane {
            ptr: x[i].ptr().cast::<T>(),
            strides: strides(&x[i]),
        }),
        mask: mask.map(|i| Plane {
            ptr: x[i].ptr().cast::<bool>(),
            strides: strides(&x[i]),
        }),
        seed: seed.map(|i| [0, 1].map(|word| x[i].slice::<u32>()[word])),
    };
    (spec, operands)
}

fn run_forward<T: Float + Element>(settings: &Settings, cx: &mut Run) {
    let (spec, x) = operands::<T>(settings, cx.ins);
    let (y, lse) = (cx.outs[0].ptr().cast(), cx.outs[1].ptr().cast());
    // SAFETY: `infer` has checked the shapes, of which the spec is made.
    unsafe { kernel::forward::<T>(&spec, &x, y, lse) }
}

fn run_backward<T: Float + Element>(settings: &Settings, cx: &mut Run) {
    let n = settings.inputs();
    let (spec, x) = operands::<T>(settings, &cx.ins[..n]);
    let (y, g) = (heads::<T>(&cx.ins[n]), heads::<T>(&cx.ins[n + 2]));
    let out = Gradients {
        query: cx.outs[0].ptr().cast(),
        key: cx.outs[1].ptr().cast(),
        value: cx.outs[2].ptr().cast(),
    };
    // SAFETY: as above; the outputs have the shapes of query, key and value.
    unsafe { kernel::backward::<T>(&spec, &x, &y, cx.ins[n + 1].ptr().cast(), &g, &out) }
}

/// The keys that position allows, as a mask `[t, s]`.
fn band_mask(band: Band, t: usize, s: usize) -> Result<Option<Tensor>> {
    if band == Band::ALL {
        return Ok(None);
    }
    let count = |n: usize| create::arange(&Tensor::scalar(n as i64)?, None, None, Some(DType::I64));
    let behind = math::subtract(&view::reshape_to(&count(t)?, &[t, 1])?, &count(s)?)?;
    let bound = |n: usize| Tensor::scalar(i64::try_from(n).unwrap_or(i64::MAX));
    let near = logic::less_equal(&behind, &bound(band.before)?)?;
    let ahead = logic::greater_equal(&behind, &math::negative(&bound(band.after)?)?)?;
    Ok(Some(logic::logical_and(&near, &ahead)?))
}

/// Attention made of other ops, with all scores in memory: for gradients of second order, and where it is asked for.
fn composed(settings: &Settings, x: &[Tensor]) -> Result<Tensor> {
    let (q, k, v) = (&x[0], &x[1], &x[2]);
    let s = settings.spec(q.shape(), k.shape(), v.shape());
    let (dtype, scores) = (q.dtype(), [s.b, s.n, s.t, s.s]);
    let number = |x: f64| Tensor::weak(x, dtype);
    // The heads that share keys are more queries of one head.
    let rows = s.n / s.k * s.t;
    let queries = view::reshape_to(&view::permute(q, &[0, 2, 1, 3])?, &[s.b, s.k, rows, s.d])?;
    let products = linalg::matmul(&queries, &view::permute(k, &[0, 2, 3, 1])?)?;
    let mut logits = math::multiply(&products, &number(s.scale)?)?;
    if let Some(cap) = s.soft_cap {
        let bounded = math::divide(&logits, &number(cap)?)?.tanh()?;
        logits = math::multiply(&bounded, &number(cap)?)?;
    }
    logits = view::reshape_to(&logits, &scores)?;
    let [bias, mask, seed] = settings.places().map(|place| place.map(|i| &x[i]));
    let mut seen = band_mask(s.band, s.t, s.s)?;
    let hidden_by_bias = bias.map(|b| logic::greater(b, &number(f64::NEG_INFINITY)?));
    for condition in [hidden_by_bias.transpose()?, mask.cloned()] {
        seen = match (seen, condition) {
            (Some(a), Some(b)) => Some(logic::logical_and(&a, &b)?),
            (a, b) => a.or(b),
        };
    }
    if let Some(bias) = bias {
        logits = math::add(&logits, bias)?;
    }
    if let Some(seen) = &seen {
        let lowest = if dtype == DType::F64 { -1e300 } else { -1e37 };
        logits = logic::where_(seen, &logits, &number(lowest)?)?;
    }
    let mut weights = rows::softmax(&logits, Axes::from(-1))?;
    if let Some(seen) = &seen {
        weights = logic::where_(seen, &weights, &number(0.0)?)?;
    }
    if let Some(seed) = seed {
        weights = drop_weights(&weights, &s, seed)?;
    }
    let weights = view::reshape_to(&weights, &[s.b, s.k, rows, s.s])?;
    let y = linalg::matmul(&weights, &view::permute(v, &[0, 2, 1, 3])?)?;
    let y = view::reshape_to(&y, &[s.b, s.n, s.t, s.v])?;
    view::permute(&y, &[0, 2, 1, 3])
}

/// The weights with those dropped that the kernel drops.
fn drop_weights(weights: &Tensor, s: &Spec, seed: &Tensor) -> Result<Tensor> {
    let shape = [s.b, s.n, s.t, kernel::dropout_row(s.s)].map(|n| n as i64);
    let u = random::random_uniform(seed, Ints(shape.to_vec()), 0.0, 1.0, DType::F32)?;
    let u = view::narrow(&u, 3, 0, s.s)?;
    // The threshold as the kernel has it, in single precision.
    let kept = logic::greater_equal(&u, &Tensor::scalar(s.rate as f32)?)?;
    let scaled = math::multiply(
        weights,
        &Tensor::weak(1.0 / (1.0 - s.rate), weights.dtype())?,
    )?;
    logic::where_(&kept, &scaled, &Tensor::weak(0.0, weights.dtype())?)
}

op! {
    /// Attention of each head: softmax(scale query key^T + bias) value (Vaswani et al. 2017), in tiles: the scores
    /// are never all in memory (Dao et al. 2022), and tiles that position or mask hides are left out.
    ///
    /// Shapes: query [B, T, N, H], key [B, S, K, H], value [B, S, K, V] where K divides N; bias and mask broadcast to
    /// [B, N, T, S]; the result is [B, T, N, V]. Without `scale` it is 1 / sqrt(H). `causal` lets query t see the
    /// keys 0 to t; `window` = w the keys from t - w + 1 to t + w - 1. `soft_cap` = c makes c tanh(x / c) of the
    /// scaled products x. With a seed the share `dropout` of the weights is dropped. A query that sees no key gives 0.
    /// `tiled` = false computes with all scores in memory; so do gradients of second order and those of a bias.
    ///
    /// # Errors
    /// `ShapeError` when the shapes do not fit.
    fn attend(query: &Tensor, key: &Tensor, value: &Tensor, bias: Option<Tensor> = None, mask: Option<Tensor> = None, seed: Option<Tensor> = None,
              scale: Option<f64> = None, causal: bool = false, window: Option<i64> = None, soft_cap: Option<f64> = None, dropout: f64 = 0.0, tiled: bool = true) -> Tensor {
        let dtype = promote(promote(query.dtype(), key.dtype()), value.dtype()).to_float();
        let wide = promote(dtype, DType::F32);
        let settings = settings(query, &bias, &mask, &seed, (scale, causal, window, soft_cap, dropout))?;
        let mut x = vec![math::cast(query, wide)?, math::cast(key, wide)?, math::cast(value, wide)?];
        if let Some(bias) = bias {
            x.push(math::cast(&bias, wide)?);
        }
        if let Some(mask) = mask {
            x.push(math::cast(&mask, DType::Bool)?);
        }
        if let Some(seed) = seed.filter(|_| settings.seed) {
            x.push(math::cast(&seed, DType::U32)?);
        }
        let y = if tiled {
            let x: Vec<&Tensor> = x.iter().collect();
            bind(Attend(settings), &x)?.remove(0)
        } else {
            let avals: Vec<Aval> = x.iter().map(|x| x.aval().clone()).collect();
            settings.check(&avals)?;
            composed(&settings, &x)?
        };
        math::cast(&y, dtype)
    }
    samples { samples() }
}

/// Checks the numbers among the arguments.
fn settings(
    query: &Tensor,
    bias: &Option<Tensor>,
    mask: &Option<Tensor>,
    seed: &Option<Tensor>,
    (scale, causal, window, soft_cap, rate): (Option<f64>, bool, Option<i64>, Option<f64>, f64),
) -> Result<Settings> {
    let wrong = |what: String| Err(Error::argument(NAME, what));
    if !(0.0..=1.0).contains(&rate) {
        return wrong(format!("dropout={rate} must lie between 0 and 1"));
    }
    if rate == 1.0 && seed.is_some() {
        return wrong("dropout=1 leaves no weight; use less than 1".into());
    }
    if soft_cap.is_some_and(|c| c.is_nan() || c <= 0.0) {
        return wrong(format!(
            "the cap of the logits, {soft_cap:?}, must be positive"
        ));
    }
    let mut band = Band::ALL;
    match window {
        Some(w) if w < 1 => return wrong(format!("window={w} must be at least 1")),
        Some(w) => (band.before, band.after) = (w as usize - 1, w as usize - 1),
        None => {}
    }
    if causal {
        band.after = 0;
    }
    let size = query.shape().last().copied().unwrap_or(1).max(1);
    Ok(Settings {
        scale: scale.unwrap_or(1.0 / (size as f64).sqrt()),
        band,
        soft_cap,
        rate,
        bias: bias.is_some(),
        mask: mask.is_some(),
        seed: seed.is_some() && rate > 0.0,
    })
}

/// Arguments of a sample beside the tensors.
#[derive(Clone, Copy, Default)]
struct Case {
    bias: bool,
    mask: bool,
    scale: Option<f64>,
    causal: bool,
    window: Option<i64>,
    soft_cap: Option<f64>,
}

impl Case {
    fn call(self, x: &[Tensor], tiled: bool) -> Result<Tensor> {
        let bias = self.bias.then(|| x[3].clone());
        let mask = self.mask.then(|| x[3 + usize::from(self.bias)].clone());
        attend(
            &x[0],
            &x[1],
            &x[2],
            bias,
            mask,
            None,
            self.scale,
            self.causal,
            self.window,
            self.soft_cap,
            0.0,
            tiled,
        )
    }

    /// By definition, query after query.
    fn reference(self, x: &[Tensor]) -> Nd {
        let (q, k, v) = (nd(&x[0]), nd(&x[1]), nd(&x[2]));
        let plane = |there: bool, i: usize| there.then(|| nd(&x[i]));
        let bias = plane(self.bias, 3);
        let mask = plane(self.mask, 3 + usize::from(self.bias));
        let (t, groups, d) = (q.0[1], q.0[2] / k.0[2], q.0[3]);
        let scale = self.scale.unwrap_or(1.0 / (d as f64).sqrt());
        let spread = |x: &Nd, i: [usize; 4]| -> f64 {
            let lead = 4 - x.0.len();
            let index: Vec<usize> = (lead..4)
                .map(|a| if x.0[a - lead] == 1 { 0 } else { i[a] })
                .collect();
            at(x, &index)
        };
        from_index(&[q.0[0], t, q.0[2], v.0[3]], |i| {
            let (b, row, h, c) = (i[0], i[1], i[2], i[3]);
            let logit = |j: usize| -> Option<f64> {
                let far = self.window.is_some_and(|w| row.abs_diff(j) as i64 >= w);
                let hidden = mask
                    .as_ref()
                    .is_some_and(|m| spread(m, [b, h, row, j]) == 0.0);
                if far || hidden || (self.causal && j > row) {
                    return None;
                }
                let product: f64 = (0..d)
                    .map(|e| at(&q, &[b, row, h, e]) * at(&k, &[b, j, h / groups, e]))
                    .sum();
                let x = product * scale;
                let x = self.soft_cap.map_or(x, |cap| cap * (x / cap).tanh());
                Some(x + bias.as_ref().map_or(0.0, |m| spread(m, [b, h, row, j])))
            };
            let logits: Vec<Option<f64>> = (0..k.0[1]).map(logit).collect();
            let top = logits.iter().flatten().copied().fold(f64::MIN, f64::max);
            let weight = |j: usize| logits[j].map_or(0.0, |x| (x - top).exp());
            let sum: f64 = (0..k.0[1]).map(weight).sum();
            if sum == 0.0 {
                return 0.0;
            }
            let value = |j: usize| weight(j) * at(&v, &[b, j, h / groups, c]);
            (0..k.0[1]).map(value).sum::<f64>() / sum
        })
    }
}

fn samples() -> Vec<Sample> {
    let plain = Case::default();
    let causal = Case {
        causal: true,
        ..plain
    };
    // Batch, queries, keys, heads, heads of keys, sizes of query and value.
    let make = |label: &str, case: Case, size: [usize; 7], order: u8, tiled: bool| {
        let [b, t, s, n, k, d, v] = size;
        let mut x = vec![
            values(&[b, t, n, d], -1.5, 1.5, 1),
            values(&[b, s, k, d], -1.5, 1.5, 2),
            values(&[b, s, k, v], -1.0, 1.0, 3),
        ];
        if case.bias {
            x.push(values(&[n, 1, s], -1.0, 1.0, 4));
        }
        if case.mask {
            // The second query sees nothing.
            let seen: Vec<bool> = (0..b * t * s)
                .map(|e| e / s % t != 1 && e * 7 % 5 != 2)
                .collect();
            x.push(Tensor::from_slice(&seen, &[b, 1, t, s]).expect("a small tensor"));
        }
        Sample::new(label, x, move |x| Ok(vec![case.call(x, tiled)?]))
            .reference(move |x| vec![case.reference(x)])
            .order(order)
    };
    let all = Case {
        bias: true,
        mask: true,
        scale: Some(0.3),
        causal: true,
        window: Some(3),
        soft_cap: Some(0.8),
    };
    let masked = Case {
        mask: true,
        window: Some(4),
        ..plain
    };
    let capped = Case {
        soft_cap: Some(0.7),
        ..causal
    };
    vec![
        make("plain", plain, [2, 3, 4, 2, 2, 3, 2], 2, true),
        make(
            "causal, shared heads",
            causal,
            [1, 5, 5, 4, 2, 2, 3],
            2,
            true,
        ),
        make("masked", masked, [2, 4, 5, 2, 1, 2, 2], 2, true),
        make("soft cap", capped, [1, 4, 3, 2, 1, 3, 3], 2, true),
        make("everything", all, [2, 4, 4, 2, 2, 2, 2], 1, true),
        make("everything, composed", all, [2, 4, 4, 2, 2, 2, 2], 2, false),
        make("one query", masked, [2, 1, 9, 4, 2, 3, 2], 2, true),
        make("many tiles", causal, [1, 107, 300, 2, 1, 5, 3], 1, true),
        make(
            "many tiles, masked",
            masked,
            [1, 60, 330, 1, 1, 3, 4],
            1,
            true,
        ),
        make("long keys", plain, [1, 3, 1100, 1, 1, 2, 2], 1, true),
        make("no keys", plain, [2, 3, 0, 2, 2, 3, 2], 0, true),
        make("no queries", plain, [2, 0, 3, 2, 2, 3, 2], 1, true),
    ]
}
