//! From clusters to loops: operands get their strides over the cluster's domain, members become one program.

use super::{Place, Planner};
use crate::aval::{
    Aval, DType, Shape, Strides, broadcast_strides, contiguous_strides, is_contiguous,
};
use crate::error::{Error, Result};
use crate::expr::{self, Builder, Id, Loop, OutKind, ReduceOp, Scalar, Ty};
use crate::graph::exec::{Body, Step};
use crate::graph::fuse::Cluster;
use crate::graph::ir::{Source, ValueId};
use crate::op::Kind;
use crate::tensor::Tensor;
use std::collections::HashMap;

/// A cluster being lowered.
struct Lowering {
    builder: Builder,
    ids: HashMap<ValueId, Id>,
    ins: Vec<(Aval, Place)>,
    layouts: Vec<expr::Operand>,
    lookups: Vec<expr::Lookup>,
}

impl Planner<'_> {
    /// One loop for a whole cluster.
    pub(super) fn cluster(&mut self, cluster: &Cluster) -> Result<()> {
        let axes = cluster.row_axes.unwrap_or(0);
        let merged = axes > 1;
        let mut dims: Shape = cluster.domain.clone();
        if merged {
            let keep = dims.len() - axes;
            let row: usize = dims[keep..].iter().product();
            dims.truncate(keep);
            dims.push(row);
        }
        if dims.is_empty() {
            dims.push(1);
        }
        let mut made = Lowering {
            builder: Builder::new(&[]),
            ids: HashMap::new(),
            ins: Vec::new(),
            layouts: Vec::new(),
            lookups: Vec::new(),
        };
        let mut columns: HashMap<ValueId, ReduceOp> = HashMap::new();
        for &n in &cluster.nodes {
            let node = self.graph.nodes[n].clone();
            let operands: Vec<Id> = node
                .ins
                .iter()
                .map(|&v| match made.ids.get(&v) {
                    Some(&id) => id,
                    None => self.external(v, cluster, &dims, merged, &mut made),
                })
                .collect();
            match node.op.kind() {
                Kind::Map(program) => {
                    let ids = made.builder.inline(program, &operands);
                    made.ids.extend(node.outs.iter().copied().zip(ids));
                }
                Kind::Reduce(op, axes) => {
                    let shape = &self.aval(node.ins[0]).shape;
                    let trailing = shape[axes[axes.len() - 1] + 1..].iter().all(|&n| n == 1);
                    let id = if trailing {
                        made.builder.reduce(op, operands[0])
                    } else {
                        operands[0]
                    };
                    if !trailing {
                        columns.insert(node.outs[0], op);
                    }
                    made.ids.insert(node.outs[0], id);
                }
                _ => return Err(Error::internal(node.op.name(), "not a member of a cluster")),
            }
        }
        self.emit(cluster, &dims, made, &columns);
        Ok(())
    }

    /// An operand from outside the cluster: a constant where it is uniform, else a load.
    fn external(
        &mut self,
        v: ValueId,
        cluster: &Cluster,
        dims: &[usize],
        merged: bool,
        made: &mut Lowering,
    ) -> Id {
        let aval = self.aval(v).clone();
        let ty = Ty::of(aval.dtype);
        if let Source::Constant(t) = &self.graph.values[v].source
            && let Some(c) = uniform(t)
        {
            let id = made.builder.constant(Scalar::from_f64(ty, c));
            made.ids.insert(v, id);
            return id;
        }
        if let Some(&made_of) = self.looked_up.get(&v) {
            return self.look_up(v, made_of, made);
        }
        let mut place = self.place(v);
        let full = merged && aval.shape == cluster.domain;
        if full && !is_contiguous(&aval.shape, &place.strides) {
            place = self.contiguous(v);
        }
        let strides: Strides = if aval.size() == 1 {
            Strides::from_elem(0, dims.len())
        } else if merged {
            // Full operands are contiguous; row operands have one value for each outer index.
            let spread = broadcast_strides(&aval.shape, &place.strides, &cluster.domain);
            let mut s: Strides = spread[..dims.len() - 1].into();
            s.push(if full { 1 } else { 0 });
            s
        } else {
            broadcast_strides(&aval.shape, &place.strides, dims)
        };
        let id = made.builder.operand(ty);
        made.ids.insert(v, id);
        made.ins.push((aval.clone(), place));
        made.layouts.push(expr::Operand {
            dtype: aval.dtype,
            strides,
        });
        id
    }

    /// An operand of a loop over two axes that is read row by row where its numbers say.
    fn look_up(&mut self, v: ValueId, [rows, numbers]: [ValueId; 2], made: &mut Lowering) -> Id {
        let width = self.aval(v).shape[1] as isize;
        let lookup = expr::Lookup {
            rows: made.ins.len(),
            numbers: made.ins.len() + 1,
        };
        let ids = [(rows, [width, 1]), (numbers, [1, 0])].map(|(of, strides)| {
            let aval = self.aval(of).clone();
            made.layouts.push(expr::Operand {
                dtype: aval.dtype,
                strides: Strides::from_slice(&strides),
            });
            let id = made.builder.operand(Ty::of(aval.dtype));
            made.ins.push((aval, self.place(of)));
            id
        });
        made.lookups.push(lookup);
        made.ids.insert(v, ids[0]);
        ids[0]
    }

    fn emit(
        &mut self,
        cluster: &Cluster,
        dims: &Shape,
        made: Lowering,
        columns: &HashMap<ValueId, ReduceOp>,
    ) {
        let axes = cluster.row_axes.unwrap_or(0);
        let merged = axes > 1;
        let mut outs: Vec<(Id, OutKind)> = Vec::new();
        let mut layouts: Vec<expr::Operand> = Vec::new();
        let mut places: Vec<(Aval, Place)> = Vec::new();
        for &v in &cluster.outs {
            let aval = self.aval(v).clone();
            let place = self.allocate(&aval);
            let full = aval.shape == cluster.domain;
            let kind = match columns.get(&v) {
                Some(&op) => OutKind::Col(op),
                None if full => OutKind::Full,
                None => OutKind::Row,
            };
            let strides: Strides = match kind {
                OutKind::Full => contiguous_strides(dims),
                _ if merged => {
                    let spread = broadcast_strides(&aval.shape, &place.strides, &cluster.domain);
                    let mut s: Strides = spread[..dims.len() - 1].into();
                    s.push(0);
                    s
                }
                _ if cluster.domain.is_empty() => Strides::from_elem(0, 1),
                _ => broadcast_strides(&aval.shape, &place.strides, dims),
            };
            outs.push((made.ids[&v], kind));
            layouts.push(expr::Operand {
                dtype: aval.dtype,
                strides,
            });
            places.push((aval.clone(), place.clone()));
            self.places[v] = Some(place);
        }
        let program = made.builder.finish(&outs);
        let col_dims = if columns.is_empty() {
            0
        } else {
            dims.len() - 1
        };
        let body = match made.lookups.as_slice() {
            [] => Loop::new(&program, dims, &made.layouts, &layouts, col_dims),
            lookups => Loop::with_lookups(&program, dims, &made.layouts, &layouts, lookups),
        };
        let ins = made.ins.iter().map(|(a, p)| self.operand(a, p)).collect();
        let outs = places.iter().map(|(a, p)| self.operand(a, p)).collect();
        let name = if cluster.nodes.len() == 1 {
            self.graph.nodes[cluster.nodes[0]].op.name()
        } else {
            "fused"
        };
        self.steps.push(Step {
            name,
            label: self.label(&cluster.nodes),
            body: Body::Loop(body, program),
            ins,
            outs,
        });
    }
}

/// The value of a tensor all of whose elements are stored once.
fn uniform(t: &Tensor) -> Option<f64> {
    let array = t.array()?;
    let exact = t.dtype() != DType::I64 && t.dtype() != DType::U64;
    if exact
        && t.size() > 0
        && array
            .strides
            .iter()
            .zip(t.shape())
            .all(|(&s, &n)| s == 0 || n == 1)
    {
        let zero: Shape = t.shape().iter().map(|_| 0).collect();
        return t.view().ok().map(|view| view.at(&zero));
    }
    None
}
