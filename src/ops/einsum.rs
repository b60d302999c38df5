//! Einstein summation: any product of tensors summed over labels, as views, reductions and matrix products.

use super::samples::{Nd, nd, unravel, values};
use super::{concat, diagonal, linalg, math, reduce, view};
use crate::aval::Shape;
use crate::error::{Error, Result};
use crate::expr::ReduceOp;
use crate::op;
use crate::op::Sample;
use crate::tensor::Tensor;

/// A label of an axis: a letter, or a number for an axis of the ellipsis (counted from the right).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Dots(usize),
    Letter(char),
}

/// A tensor whose axes are named; no label comes twice.
struct Term {
    x: Tensor,
    labels: Vec<Label>,
}

impl Term {
    fn size(&self, l: Label) -> Option<usize> {
        let i = self.labels.iter().position(|&m| m == l)?;
        Some(self.x.shape()[i])
    }

    /// The axes in the order of `labels`, each of which must be there.
    fn ordered(&self, labels: &[Label]) -> Result<Tensor> {
        let order: Vec<usize> = labels
            .iter()
            .filter_map(|l| self.labels.iter().position(|m| m == l))
            .collect();
        view::permute(&self.x, &order)
    }

    /// Without these labels: their axes are summed.
    fn summed(self, gone: impl Fn(Label) -> bool) -> Result<Term> {
        let axes: Vec<usize> = (0..self.labels.len())
            .filter(|&i| gone(self.labels[i]))
            .collect();
        if axes.is_empty() {
            return Ok(self);
        }
        let y = view::drop_axes(&reduce::reduce(ReduceOp::Sum, &self.x, &axes)?, &axes)?;
        let labels = self.labels.into_iter().filter(|&l| !gone(l)).collect();
        Ok(Term { x: y, labels })
    }
}

fn bad(subscripts: &str, why: String) -> Error {
    Error::argument("einsum", format!("subscripts={subscripts:?}: {why}"))
}

/// The labels of one side for a tensor of this rank (`None`: the output, whose ellipsis has `dots` axes).
fn labels_of(all: &str, part: &str, rank: Option<usize>, dots: usize) -> Result<Vec<Label>> {
    let (head, tail, ellipsis) = match part.split_once("...") {
        Some((h, t)) => (h, t, true),
        None => (part, "", false),
    };
    let letters = |s: &str| -> Result<Vec<Label>> {
        s.chars()
            .map(|c| {
                if c.is_alphabetic() {
                    Ok(Label::Letter(c))
                } else {
                    Err(bad(all, format!("unexpected {c:?}")))
                }
            })
            .collect()
    };
    let (mut labels, tail) = (letters(head)?, letters(tail)?);
    let named = labels.len() + tail.len();
    let dots = match rank {
        Some(r) if named > r || (!ellipsis && named != r) => {
            return Err(bad(
                all,
                format!("the part {part:?} names {named} axes, but its operand has {r}"),
            ));
        }
        Some(r) => r - named,
        None => dots,
    };
    if ellipsis {
        labels.extend((0..dots).rev().map(Label::Dots));
    }
    labels.extend(tail);
    Ok(labels)
}

/// An operand with each label once: a repeated label takes the diagonal of its axes.
fn without_repeats(all: &str, x: &Tensor, mut labels: Vec<Label>) -> Result<Term> {
    let mut x = x.clone();
    let mut i = 0;
    while i < labels.len() {
        let Some(j) = (i + 1..labels.len()).find(|&j| labels[j] == labels[i]) else {
            i += 1;
            continue;
        };
        if x.shape()[i] != x.shape()[j] {
            return Err(bad(
                all,
                format!(
                    "a label repeated in one operand stands for sizes {} and {}",
                    x.shape()[i],
                    x.shape()[j]
                ),
            ));
        }
        x = diagonal::diagonal(&x, 0, i as i64, j as i64)?;
        let l = labels.remove(j);
        labels.remove(i);
        labels.push(l);
    }
    Ok(Term { x, labels })
}

/// The product of two terms, summed over what `kept` does not want.
fn contract(a: Term, b: Term, kept: impl Fn(Label) -> bool) -> Result<Term> {
    // Labels of one side alone that nobody wants are summed before the product.
    let (in_a, in_b) = (a.labels.clone(), b.labels.clone());
    let a = a.summed(|l| !kept(l) && !in_b.contains(&l))?;
    let b = b.summed(|l| !kept(l) && !in_a.contains(&l))?;
    // An axis of size 1 against a larger one broadcasts: it is left out of its side.
    let thin = |t: &Term, o: &Term| -> Vec<Label> {
        t.labels
            .iter()
            .copied()
            .filter(|&l| t.size(l) == Some(1) && o.size(l).is_some_and(|n| n != 1))
            .collect()
    };
    let (thin_a, thin_b) = (thin(&a, &b), thin(&b, &a));
    let (a, b) = (
        a.summed(|l| thin_a.contains(&l))?,
        b.summed(|l| thin_b.contains(&l))?,
    );
    // What became one-sided and is not wanted can be summed now.
    let (in_a, in_b) = (a.labels.clone(), b.labels.clone());
    let a = a.summed(|l| !kept(l) && !in_b.contains(&l))?;
    let b = b.summed(|l| !kept(l) && !in_a.contains(&l))?;
    let shared = |l: &Label| b.labels.contains(l);
    let batch: Vec<Label> = a
        .labels
        .iter()
        .copied()
        .filter(|l| shared(l) && kept(*l))
        .collect();
    let inner: Vec<Label> = a
        .labels
        .iter()
        .copied()
        .filter(|l| shared(l) && !kept(*l))
        .collect();
    let left: Vec<Label> = a.labels.iter().copied().filter(|l| !shared(l)).collect();
    let right: Vec<Label> = b
        .labels
        .iter()
        .copied()
        .filter(|l| !a.labels.contains(l))
        .collect();
    let sizes =
        |t: &Term, ls: &[Label]| -> Shape { ls.iter().map(|&l| t.size(l).unwrap_or(1)).collect() };
    let x = a.ordered(&[&batch[..], &left, &inner].concat())?;
    let y = b.ordered(&[&batch[..], &inner, &right].concat())?;
    let (bs, ls, is, rs) = (
        sizes(&a, &batch),
        sizes(&a, &left),
        sizes(&a, &inner),
        sizes(&b, &right),
    );
    let product = |s: &Shape| s.iter().product::<usize>();
    let z = if inner.is_empty() {
        // No sum: a product with broadcasting.
        let (mut p, mut q) = (bs.clone(), bs.clone());
        p.extend(ls.iter().copied().chain(rs.iter().map(|_| 1)));
        q.extend(ls.iter().map(|_| 1).chain(rs.iter().copied()));
        math::multiply(&view::reshape_to(&x, &p)?, &view::reshape_to(&y, &q)?)?
    } else {
        let (n, m, k, r) = (product(&bs), product(&ls), product(&is), product(&rs));
        let z = linalg::matmul(
            &view::reshape_to(&x, &[n, m, k])?,
            &view::reshape_to(&y, &[n, k, r])?,
        )?;
        let mut full = bs.clone();
        full.extend(ls.iter().chain(&rs).copied());
        view::reshape_to(&z, &full)?
    };
    Ok(Term {
        x: z,
        labels: [batch, left, right].concat(),
    })
}

op! {
    /// The sum of products that `subscripts` describes, as `"ij,jk->ik"` for a matrix product.
    ///
    /// Each operand names its axes by letters; `...` stands for any further axes, which broadcast. A letter twice in one
    /// operand takes a diagonal. Letters that are not in the output are summed. Without `->` the output has the letters
    /// that come once, in alphabetical order, after the axes of the ellipsis. More than two operands are multiplied pair
    /// by pair, the cheapest first.
    fn einsum(subscripts: String, operands: Vec<Tensor>) -> Tensor {
        let text: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, output) = match text.split_once("->") {
            Some((i, o)) => (i, Some(o)),
            None => (text.as_str(), None),
        };
        let parts: Vec<&str> = inputs.split(',').collect();
        if parts.len() != operands.len() || operands.is_empty() {
            return Err(bad(&text, format!("{} parts for {} operands", parts.len(), operands.len())));
        }
        let operands = concat::promoted("einsum", &operands)?;
        let mut all = Vec::new();
        for (part, x) in parts.iter().zip(&operands) {
            all.push(labels_of(&text, part, Some(x.rank()), 0)?);
        }
        let dots = all.iter().flatten().filter_map(|l| if let Label::Dots(k) = l { Some(k + 1) } else { None }).max().unwrap_or(0);
        let output = match output {
            Some(o) => labels_of(&text, o, None, dots)?,
            None => implicit_output(&all, dots),
        };
        for (i, l) in output.iter().enumerate() {
            if output[..i].contains(l) || !all.iter().any(|ls| ls.contains(l)) {
                return Err(bad(&text, "each letter of the output must come once, and in an operand".into()));
            }
        }
        let missing = all.iter().flatten().find(|l| matches!(l, Label::Dots(_)) && !output.contains(l));
        if missing.is_some() {
            return Err(bad(&text, "the output lacks the ellipsis of the operands".into()));
        }
        let mut terms: Vec<Term> = operands.iter().zip(all).map(|(x, ls)| without_repeats(&text, x, ls)).collect::<Result<_>>()?;
        check_sizes(&text, &terms)?;
        while terms.len() > 1 {
            let (i, j) = cheapest(&terms, &output);
            let (b, a) = (terms.remove(j), terms.remove(i));
            let kept: Vec<Label> = output.iter().copied().chain(terms.iter().flat_map(|t| t.labels.iter().copied())).collect();
            terms.push(contract(a, b, |l| kept.contains(&l))?);
        }
        let last = terms.remove(0).summed(|l| !output.contains(&l))?;
        last.ordered(&output)
    }
    samples {
        let case = |text: &'static str, shapes: &[&[usize]]| {
            let inputs = shapes.iter().enumerate().map(|(i, s)| values(s, -1.0, 1.0, i as u64 + 1)).collect();
            Sample::new(text, inputs, move |x| Ok(vec![einsum(text.into(), x.to_vec())?]))
                .reference(move |x| vec![by_definition(text, &x.iter().map(nd).collect::<Vec<_>>())])
        };
        vec![
            case("ij,jk->ik", &[&[2, 3], &[3, 4]]),
            case("bij,bkj->bik", &[&[2, 2, 3], &[2, 2, 3]]),
            case("ij->ji", &[&[2, 3]]),
            case("ij->", &[&[2, 3]]),
            case("ii->i", &[&[3, 3]]),
            case("ii", &[&[3, 3]]),
            case("ba", &[&[2, 3]]),
            case("i,j->ij", &[&[2], &[3]]),
            case("i,i", &[&[4], &[4]]),
            case("ij,ij->i", &[&[2, 3], &[2, 3]]),
            case("ij,jk,kl->il", &[&[2, 3], &[3, 4], &[4, 2]]),
            case("abcd,abed->acbe", &[&[2, 2, 2, 3], &[2, 2, 3, 3]]),
            case("ik,jk", &[&[2, 3], &[4, 3]]),
        ].into_iter().chain([
            Sample::new("ellipsis", vec![values(&[2, 1, 2, 3], -1.0, 1.0, 1), values(&[4, 3, 2], -1.0, 1.0, 2)], |x| Ok(vec![einsum("...ij,...jk->...ik".into(), x.to_vec())?]))
                .reference(|x| vec![by_definition("abij,bjk->abik", &[(vec![2, 4, 2, 3], (0..2).flat_map(|a| [0, 1, 2, 3].map(move |_| a)).flat_map(|a| nd(&x[0]).1[6 * a..6 * a + 6].to_vec()).collect()), nd(&x[1])])]),
            Sample::new("ellipsis first in the output", vec![values(&[3, 2, 2], -1.0, 1.0, 1)], |x| Ok(vec![einsum("i...".into(), x.to_vec())?]))
                .reference(|x| vec![by_definition("iab->abi", &[nd(&x[0])])]),
        ]).collect()
    }
}

/// The letters that come once in all operands, sorted, behind the axes of the ellipsis.
fn implicit_output(all: &[Vec<Label>], dots: usize) -> Vec<Label> {
    let mut letters: Vec<Label> = all
        .iter()
        .flatten()
        .copied()
        .filter(|l| matches!(l, Label::Letter(_)))
        .collect();
    letters.sort_unstable();
    let once: Vec<Label> = letters
        .iter()
        .copied()
        .filter(|l| letters.iter().filter(|m| *m == l).count() == 1)
        .collect();
    (0..dots).rev().map(Label::Dots).chain(once).collect()
}

fn check_sizes(text: &str, terms: &[Term]) -> Result<()> {
    for t in terms {
        for (&l, &n) in t.labels.iter().zip(t.x.shape()) {
            let other = terms
                .iter()
                .filter_map(|o| o.size(l))
                .find(|&m| m != n && m != 1 && n != 1);
            if let Some(m) = other {
                return Err(Error::shape(
                    "einsum",
                    format!("subscripts={text:?}: the label {l:?} stands for sizes {n} and {m}"),
                ));
            }
        }
    }
    Ok(())
}

/// The pair whose product has the fewest multiplications.
fn cheapest(terms: &[Term], _output: &[Label]) -> (usize, usize) {
    let cost = |a: &Term, b: &Term| {
        let mut all = a.labels.clone();
        all.extend(b.labels.iter().filter(|l| !a.labels.contains(l)));
        all.iter()
            .map(|&l| a.size(l).unwrap_or(1).max(b.size(l).unwrap_or(1)) as f64)
            .product::<f64>()
    };
    let mut best = (0, 1);
    for j in 1..terms.len() {
        for i in 0..j {
            if cost(&terms[i], &terms[j]) < cost(&terms[best.0], &terms[best.1]) {
                best = (i, j);
            }
        }
    }
    best
}

/// The sum over all letters, element by element.
fn by_definition(text: &str, xs: &[Nd]) -> Nd {
    let (inputs, output) = match text.split_once("->") {
        Some((i, o)) => (i.to_string(), o.chars().collect::<Vec<_>>()),
        None => {
            let mut once: Vec<char> = text
                .chars()
                .filter(|c| *c != ',' && text.matches(*c).count() == 1)
                .collect();
            once.sort_unstable();
            (text.to_string(), once)
        }
    };
    let parts: Vec<Vec<char>> = inputs.split(',').map(|p| p.chars().collect()).collect();
    let mut letters: Vec<char> = output.clone();
    letters.extend(
        parts
            .iter()
            .flatten()
            .copied()
            .filter(|c| !output.contains(c)),
    );
    let mut seen = Vec::new();
    letters.retain(|c| {
        !seen.contains(c) && {
            seen.push(*c);
            true
        }
    });
    let size = |c: char| {
        parts
            .iter()
            .zip(xs)
            .find_map(|(p, x)| p.iter().position(|&d| d == c).map(|i| x.0[i]))
            .unwrap_or(1)
    };
    let sizes: Vec<usize> = letters.iter().map(|&c| size(c)).collect();
    let shape: Vec<usize> = output.iter().map(|&c| size(c)).collect();
    let mut data = vec![0.0; shape.iter().product()];
    for e in 0..sizes.iter().product() {
        let index = unravel(e, &sizes);
        let of = |cs: &[char]| {
            cs.iter()
                .map(|c| index[letters.iter().position(|d| d == c).expect("a letter")])
                .collect::<Vec<_>>()
        };
        let term: f64 = parts
            .iter()
            .zip(xs)
            .map(|(p, x)| super::samples::at(x, &of(p)))
            .product();
        let to = of(&output)
            .iter()
            .zip(&shape)
            .fold(0, |a, (i, n)| a * n + i);
        data[to] += term;
    }
    (shape, data)
}
