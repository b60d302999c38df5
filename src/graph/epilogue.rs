//! Products and convolutions take up what follows them: a bias along the last axis, and a rectifier.
//!
//! Their kernels do both while the sums are at hand ([`crate::op::Op::with_bias`]), so that the sums alone are never
//! written and read again. The gradient of the rectifier asks of its operand only whether it is positive, which the
//! result tells as well: the result then stands for the operand, and one array is kept for the backward pass where there
//! were two. A bias alone is left to the loops that read the sum, if only loops do: they add it on the way. All values stay
//! the same to the bit.

use super::ir::{Graph, Node, Source, ValueId};
use crate::aval::{contiguous_strides, is_contiguous};
use crate::expr::{BinOp, CmpOp, Node as Expr, Program, UnOp};
use crate::op::{Kind, Op};
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::Arc;

/// The same graph with such nodes joined.
pub fn absorb(mut graph: Graph) -> Graph {
    let search = Search::new(&graph);
    let found: Vec<Option<Joined>> = (0..graph.nodes.len()).map(|n| search.joined(n)).collect();
    let mut renamed: Vec<ValueId> = (0..graph.values.len()).collect();
    let mut gone = vec![false; graph.nodes.len()];
    for joined in found.iter().flatten() {
        for &n in &joined.absorbed {
            gone[n] = true;
            renamed[graph.nodes[n].outs[0]] = joined.result;
        }
    }
    let nodes = std::mem::take(&mut graph.nodes);
    for (n, (mut node, joined)) in nodes.into_iter().zip(found).enumerate() {
        if gone[n] {
            continue;
        }
        if let Some(joined) = joined {
            node.op = joined.op;
            node.ins.push(joined.bias);
        }
        node.ins.iter_mut().for_each(|v| *v = renamed[*v]);
        graph.push(node);
    }
    let targets = graph.outputs.iter_mut().chain(&mut graph.updates);
    targets.for_each(|v| *v = renamed[*v]);
    graph
}

/// A node that takes up others.
struct Joined {
    /// The op in its place.
    op: Arc<dyn Op>,
    bias: ValueId,
    /// What stands for the values of the nodes that go: its own output, or a view of that.
    result: ValueId,
    /// The addition, and the rectifier if there is one.
    absorbed: SmallVec<[usize; 2]>,
}

struct Search<'g> {
    graph: &'g Graph,
    readers: Vec<SmallVec<[usize; 2]>>,
    /// Values that are wanted after the run.
    kept: HashSet<ValueId>,
}

impl<'g> Search<'g> {
    fn new(graph: &'g Graph) -> Self {
        Search {
            graph,
            readers: graph.readers(),
            kept: graph
                .outputs
                .iter()
                .chain(&graph.updates)
                .copied()
                .collect(),
        }
    }

    /// What node `n` can take up.
    fn joined(&self, n: usize) -> Option<Joined> {
        let node = &self.graph.nodes[n];
        let ins: Vec<_> = node
            .ins
            .iter()
            .map(|&v| self.graph.values[v].aval.clone())
            .collect();
        node.op.with_bias(&ins, false)?;
        let (mut result, mut add) = (node.outs[0], self.only_reader(node.outs[0])?);
        if self.is_reshape(add) {
            result = self.graph.nodes[add].outs[0];
            add = self.only_reader(result)?;
        }
        let bias = self.bias(add, result, n)?;
        let sum = self.graph.nodes[add].outs[0];
        let relu = self.rectifier(sum);
        if relu.is_none() && !self.is_stored(sum) {
            return None; // the loops that read the sum add the bias on the way
        }
        let op = node.op.with_bias(&ins, relu.is_some())?;
        let absorbed = std::iter::once(add).chain(relu).collect();
        Some(Joined {
            op,
            bias,
            result,
            absorbed,
        })
    }

    /// Is `v` a result, or read by an op with a kernel of its own?
    fn is_stored(&self, v: ValueId) -> bool {
        let in_a_loop = |&n: &usize| {
            let kind = self.graph.nodes[n].op.kind();
            matches!(kind, Kind::Map(_) | Kind::Reduce(..))
        };
        self.kept.contains(&v) || !self.readers[v].iter().all(in_a_loop)
    }

    /// The only node that reads `v`, if nobody wants `v` itself.
    fn only_reader(&self, v: ValueId) -> Option<usize> {
        match self.readers[v].as_slice() {
            &[reader] if !self.kept.contains(&v) => Some(reader),
            _ => None,
        }
    }

    /// Does node `n` give the same elements in the same order with the same last axis?
    fn is_reshape(&self, n: usize) -> bool {
        let node = &self.graph.nodes[n];
        let [from, to] = [node.ins[0], node.outs[0]].map(|v| &self.graph.values[v].aval);
        matches!(node.op.kind(), Kind::View)
            && from.size() == to.size()
            && from.shape.last() == to.shape.last()
            && node
                .op
                .view(from, &contiguous_strides(&from.shape))
                .is_some_and(|l| l.offset == 0 && is_contiguous(&to.shape, &l.strides))
    }

    /// If node `add` adds to `sums`, the output of node `n` in its own shape, one number for each index of the last
    /// axis: these, where they are known before node `n`.
    fn bias(&self, add: usize, sums: ValueId, n: usize) -> Option<ValueId> {
        let node = &self.graph.nodes[add];
        let is_sum = |p: &Program| matches!(p.nodes(), [Expr::Load(_), Expr::Load(_), Expr::Bin(BinOp::Add, a, b)] if a != b);
        if !matches!(node.op.kind(), Kind::Map(p) if is_sum(p)) {
            return None;
        }
        let bias = match *node.ins.as_slice() {
            [a, b] if a == sums && b != sums => b,
            [a, b] if b == sums && a != sums => a,
            _ => return None,
        };
        let [of_sums, of_bias, of_result] =
            [sums, bias, node.outs[0]].map(|v| &self.graph.values[v].aval);
        let columns = of_sums.shape.last().copied()?;
        let fits = of_result == of_sums
            && of_bias.dtype == of_sums.dtype
            && of_bias.size() == columns
            && of_bias.shape.last() == Some(&columns);
        let known = match self.graph.values[bias].source {
            Source::Node(made, _) => made < n,
            _ => true,
        };
        (fits && known).then_some(bias)
    }

    /// The node that rectifies `x`, if all others that read `x` only ask whether it is positive.
    fn rectifier(&self, x: ValueId) -> Option<usize> {
        let is_relu = |node: &Node| {
            let program =
                |p: &Program| matches!(p.nodes(), [Expr::Load(0), Expr::Un(UnOp::Relu, 0)]);
            matches!(node.op.kind(), Kind::Map(p) if program(p))
        };
        let nodes = &self.graph.nodes;
        let relu = *self.readers[x].iter().find(|&&n| is_relu(&nodes[n]))?;
        let content = |&n: &usize| n == relu || (n > relu && asks_whether_positive(&nodes[n], x));
        (!self.kept.contains(&x) && self.readers[x].iter().all(content)).then_some(relu)
    }
}

/// Does the node read `x` only in comparisons `0 < x` (as a [`crate::expr::Builder`] writes `x > 0`)?
fn asks_whether_positive(node: &Node, x: ValueId) -> bool {
    let Kind::Map(program) = node.op.kind() else {
        return false;
    };
    let nodes = program.nodes();
    let is_x =
        |id: u32| matches!(nodes[id as usize], Expr::Load(i) if node.ins[usize::from(i)] == x);
    let is_zero = |id: u32| matches!(nodes[id as usize], Expr::Const(c) if c.to_f64() == 0.0);
    let harmless = |expr: &Expr| match *expr {
        Expr::Cmp(CmpOp::Lt, a, b) if is_x(b) => is_zero(a),
        other => !other.args().any(is_x),
    };
    nodes.iter().all(harmless) && program.outs().iter().all(|o| !is_x(o.node))
}

#[cfg(test)]
mod tests {
    use crate::args::{Axes, Ints, Padding};
    use crate::autodiff::backward;
    use crate::aval::DType;
    use crate::error::Result;
    use crate::graph::compile;
    use crate::ops::conv::conv;
    use crate::tensor::Tensor;

    fn values(shape: &[usize], step: usize) -> Tensor {
        let n: usize = shape.iter().product();
        let of = |i: usize| (i * step % 101) as f32 / 50.0 - 1.0;
        Tensor::from_slice(&(0..n).map(of).collect::<Vec<_>>(), shape).unwrap()
    }

    /// Compiles `f`, checks that its results are those of the eager run to the bit, and returns the names of the steps.
    fn steps(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Vec<&'static str> {
        let placeholder = |t: &Tensor| Tensor::placeholder(t.shape(), t.dtype()).unwrap();
        let traced: Vec<Tensor> = inputs.iter().map(placeholder).collect();
        let plan = compile(&traced, &f(&traced).unwrap()).unwrap();
        let bits = |t: &Tensor| -> Vec<u64> {
            let all = t.to_vec::<f64>().unwrap();
            all.into_iter().map(f64::to_bits).collect()
        };
        let eager = f(inputs).unwrap();
        for (eager, compiled) in eager.iter().zip(plan.run(inputs).unwrap()) {
            assert_eq!(bits(eager), bits(&compiled), "{}", plan.dump());
        }
        plan.steps().iter().map(|s| s.name).collect()
    }

    fn dense(t: &[Tensor]) -> Result<Tensor> {
        t[0].matmul(&t[1])?.add(&t[2])
    }

    fn convolve(x: &Tensor, w: &Tensor) -> Result<Tensor> {
        conv(
            x,
            w,
            Ints::from(1),
            Padding::Same,
            None,
            Ints::from(1),
            None,
        )
    }

    #[test]
    fn a_dense_layer_is_one_step() {
        for (m, k, n) in [
            (1, 784, 128),
            (32, 70, 33),
            (5, 3, 1),
            (200, 300, 64),
            (3, 0, 4),
        ] {
            let t = [values(&[m, k], 31), values(&[k, n], 53), values(&[n], 7)];
            assert_eq!(steps(&t, |t| Ok(vec![dense(t)?])), ["matmul+add"]);
            let rectified = steps(&t, |t| Ok(vec![dense(t)?.relu()?]));
            assert_eq!(rectified, ["matmul+add+relu"]);
        }
    }

    #[test]
    fn the_bias_may_stand_in_front_and_the_rows_in_more_axes() {
        let t = [
            values(&[2, 6, 5], 31),
            values(&[5, 8], 53),
            values(&[1, 8], 7),
        ];
        let found = steps(&t, |t| {
            let rows = t[0].reshape(Ints::from([12, 5]))?;
            let sums = rows.matmul(&t[1])?.reshape(Ints::from([2, 6, 8]))?;
            Ok(vec![t[2].add(&sums)?.relu()?])
        });
        assert_eq!(found, ["matmul+add+relu"]);
    }

    #[test]
    fn a_convolution_takes_up_bias_and_rectifier() {
        for (c, k) in [(3, 16), (16, 16), (8, 5)] {
            let t = [
                values(&[2, 9, 9, c], 31),
                values(&[3, 3, c, k], 53),
                values(&[k], 7),
            ];
            let found = steps(&t, |t| {
                Ok(vec![convolve(&t[0], &t[1])?.add(&t[2])?.relu()?])
            });
            assert_eq!(found, ["conv+add+relu"]);
        }
    }

    #[test]
    fn the_gradient_of_the_rectifier_reads_its_result() {
        let t = [
            values(&[40, 30], 31),
            values(&[30, 24], 53),
            values(&[24], 7),
        ];
        let found = steps(&t, |t| {
            let x: Vec<Tensor> = t.iter().map(Tensor::leaf).collect();
            let loss = dense(&x)?.relu()?.square()?.sum(Axes::all(), false)?;
            let grads = backward(std::slice::from_ref(&loss), None, &x, false)?;
            let mut grads: Vec<Tensor> = grads.into_iter().flatten().collect();
            grads.push(loss);
            Ok(grads)
        });
        assert!(found.contains(&"matmul+add+relu"), "{found:?}");
    }

    #[test]
    fn not_a_number_stays_one() {
        let mut x = values(&[4, 3], 31).to_vec::<f32>().unwrap();
        x[4] = f32::NAN;
        let t = [
            Tensor::from_slice(&x, &[4, 3]).unwrap(),
            values(&[3, 5], 53),
            values(&[5], 7),
        ];
        assert_eq!(
            steps(&t, |t| Ok(vec![dense(t)?.relu()?])),
            ["matmul+add+relu"]
        );
    }

    #[test]
    fn what_somebody_else_reads_stays() {
        let t = [values(&[6, 5], 31), values(&[5, 8], 53), values(&[8], 7)];
        // The sums themselves are a result; the sums with bias are; a bias that is known later; one for each row.
        let sums = steps(&t, |t| {
            let sums = t[0].matmul(&t[1])?;
            Ok(vec![sums.clone(), sums.add(&t[2])?])
        });
        assert!(sums.contains(&"matmul"), "{sums:?}");
        let biased = steps(&t, |t| {
            let y = dense(t)?;
            Ok(vec![y.relu()?, y])
        });
        assert!(biased.contains(&"matmul+add"), "{biased:?}");
        let later = steps(&t, |t| {
            let sums = t[0].matmul(&t[1])?;
            sums.add(&t[2].square()?).map(|y| vec![y])
        });
        assert!(later.contains(&"matmul"), "{later:?}");
        let looped = steps(&t, |t| Ok(vec![dense(t)?.exp()?]));
        assert!(looped.contains(&"matmul"), "{looped:?}");
        let of_rows = steps(&[t[0].clone(), t[1].clone(), values(&[6, 1], 7)], |t| {
            Ok(vec![dense(t)?])
        });
        assert!(of_rows.contains(&"matmul"), "{of_rows:?}");
        let integers: Vec<Tensor> = t
            .iter()
            .map(|t| crate::ops::math::cast(t, DType::I32).unwrap())
            .collect();
        assert!(steps(&integers, |t| Ok(vec![dense(t)?])).contains(&"matmul"));
    }
}
