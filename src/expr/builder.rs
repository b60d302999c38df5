//! [`Builder`]: makes programs, and keeps them small while it does.
//!
//! Every node passes through the same door, which shares equal nodes (hash-consing), folds constants where the
//! operation is exactly rounded, and applies identities that keep every bit. Fusing two programs is therefore nothing
//! but inlining one into the other ([`Builder::inline`]).

use super::eval;
use super::ir::{
    BinOp, CmpOp, Id, Node, Out, OutKind, Program, RandomKind, ReduceOp, Scalar, Ty, UnOp,
};
use std::collections::HashMap;

/// Builds a [`Program`] node by node.
///
/// ```
/// use rustdl::expr::{BinOp, Builder, OutKind, Ty};
/// let mut b = Builder::new(&[Ty::F32, Ty::F32]);
/// let (x, y) = (b.load(0), b.load(1));
/// let sum = b.bin(BinOp::Add, x, y);
/// let program = b.finish(&[(sum, OutKind::Full)]);
/// assert_eq!(program.eval_f64(&[1.0, 2.0]), [3.0]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
    types: Vec<Ty>,
    operands: Vec<Ty>,
    known: HashMap<Node, Id>,
}

impl Builder {
    /// A builder for programs with operands of these types, whose nodes are `0..operands.len()`.
    pub fn new(operands: &[Ty]) -> Builder {
        let mut builder = Builder {
            operands: operands.to_vec(),
            ..Builder::default()
        };
        for i in 0..operands.len() {
            builder.load(i);
        }
        builder
    }

    /// Adds an operand and gives its node.
    pub fn operand(&mut self, ty: Ty) -> Id {
        self.operands.push(ty);
        self.load(self.operands.len() - 1)
    }

    /// The type of a node.
    pub fn ty(&self, id: Id) -> Ty {
        self.types[id as usize]
    }

    /// The node behind an id.
    pub fn node(&self, id: Id) -> Node {
        self.nodes[id as usize]
    }

    fn intern(&mut self, node: Node, ty: Ty) -> Id {
        if let Some(&id) = self.known.get(&node) {
            return id;
        }
        let id = self.nodes.len() as Id;
        self.nodes.push(node);
        self.types.push(ty);
        self.known.insert(node, id);
        id
    }

    fn as_const(&self, id: Id) -> Option<Scalar> {
        match self.node(id) {
            Node::Const(c) => Some(c),
            _ => None,
        }
    }

    fn is_value(&self, id: Id, value: f64) -> bool {
        self.as_const(id) == Some(Scalar::from_f64(self.ty(id), value))
    }

    /// The element of operand `index`.
    pub fn load(&mut self, index: usize) -> Id {
        self.intern(Node::Load(index as u16), self.operands[index])
    }

    /// A constant.
    pub fn constant(&mut self, value: Scalar) -> Id {
        self.intern(Node::Const(value), value.ty())
    }

    /// The constant `value` rounded to type `ty`.
    pub fn real(&mut self, ty: Ty, value: f64) -> Id {
        self.constant(Scalar::from_f64(ty, value))
    }

    /// The linear index of the element in the domain.
    pub fn index(&mut self) -> Id {
        self.intern(Node::Index, Ty::I64)
    }

    /// A random number from two seeds (integers, of which the low 32 bits count).
    pub fn random(&mut self, kind: RandomKind, seed0: Id, seed1: Id) -> Id {
        let (seed0, seed1) = (self.cast(seed0, Ty::I64), self.cast(seed1, Ty::I64));
        self.intern(Node::Random(kind, seed0, seed1), kind.ty())
    }

    /// A standard normal number: the inverse distribution function of a uniform one.
    pub fn random_normal(&mut self, ty: Ty, seed0: Id, seed1: Id) -> Id {
        let (kind, ulp) = match ty {
            Ty::F64 => (RandomKind::UniformF64, f64::EPSILON),
            _ => (RandomKind::UniformF32, f64::from(f32::EPSILON)),
        };
        let u = self.random(kind, seed0, seed1);
        // 2u - 1 + ulp / 2 lies strictly inside (-1, 1) and symmetric about 0.
        let two = self.real(ty, 2.0);
        let offset = self.real(ty, 1.0 - ulp / 2.0);
        let twice = self.bin(BinOp::Mul, u, two);
        let centred = self.bin(BinOp::Sub, twice, offset);
        let z = self.un(UnOp::Erfinv, centred);
        let root2 = self.real(ty, std::f64::consts::SQRT_2);
        self.bin(BinOp::Mul, z, root2)
    }

    /// Reduction over the inner dimension.
    pub fn reduce(&mut self, op: ReduceOp, a: Id) -> Id {
        let op = match (op, self.ty(a)) {
            (ReduceOp::Sum, Ty::Bool) => ReduceOp::Max,
            (ReduceOp::Prod, Ty::Bool) => ReduceOp::Min,
            (op, _) => op,
        };
        self.intern(Node::Reduce(op, a), self.ty(a))
    }

    /// Conversion of `a` to type `to`.
    pub fn cast(&mut self, a: Id, to: Ty) -> Id {
        let from = self.ty(a);
        if from == to {
            return a;
        }
        if let Some(c) = self.as_const(a) {
            let value = eval::round_to(to, eval::cast(to, eval::Val::of(c)));
            return self.constant(value);
        }
        if let Node::Cast(inner, _) = self.node(a) {
            let widened = matches!(
                (self.ty(inner), from),
                (Ty::F32, Ty::F64) | (Ty::I32, Ty::I64) | (Ty::I32, Ty::F64)
            );
            if widened && self.ty(inner) == to {
                return inner;
            }
        }
        self.intern(Node::Cast(a, to), to)
    }

    /// An operation of one argument.
    pub fn un(&mut self, op: UnOp, a: Id) -> Id {
        let ty = self.ty(a);
        debug_assert!(op.accepts(ty), "{op:?} of {ty:?}");
        match op {
            UnOp::Square => return self.bin(BinOp::Mul, a, a),
            UnOp::Reciprocal => {
                let one = self.real(ty, 1.0);
                return self.bin(BinOp::Div, one, a);
            }
            _ => {}
        }
        if let Some(c) = self.as_const(a)
            && eval::is_exact_un(op)
        {
            let value = eval::round_to(op.result(ty), eval::un(op, ty, eval::Val::of(c)));
            return self.constant(value);
        }
        match (op, self.node(a)) {
            (UnOp::Neg, Node::Un(UnOp::Neg, x)) | (UnOp::Not, Node::Un(UnOp::Not, x)) => return x,
            (UnOp::BitNot, Node::Un(UnOp::BitNot, x)) => return x,
            (UnOp::Abs, Node::Un(UnOp::Neg, x)) => return self.un(UnOp::Abs, x),
            (UnOp::Neg, Node::Bin(BinOp::Sub, x, y)) if ty.is_int() => {
                return self.bin(BinOp::Sub, y, x);
            }
            (_, Node::Un(inner, _)) if inner == op && is_idempotent(op) => return a,
            _ => {}
        }
        self.intern(Node::Un(op, a), op.result(ty))
    }

    /// An operation of two arguments of one type.
    pub fn bin(&mut self, op: BinOp, a: Id, b: Id) -> Id {
        let ty = self.ty(a);
        debug_assert!(
            op.accepts(ty) && self.ty(b) == ty,
            "{op:?} of {ty:?} and {:?}",
            self.ty(b)
        );
        let op = match (op, ty) {
            (BinOp::Add | BinOp::Max, Ty::Bool) => BinOp::Or,
            (BinOp::Mul | BinOp::Min, Ty::Bool) => BinOp::And,
            (BinOp::Sub, Ty::Bool) => BinOp::Xor,
            (BinOp::Div, Ty::I32 | Ty::I64) => BinOp::FloorDiv,
            (op, _) => op,
        };
        if let (Some(x), Some(y)) = (self.as_const(a), self.as_const(b))
            && (eval::is_exact_bin(op) || !ty.is_float())
        {
            let value = eval::round_to(ty, eval::bin(op, ty, eval::Val::of(x), eval::Val::of(y)));
            return self.constant(value);
        }
        let (a, b) = if op.commutes() && self.comes_after(a, b) {
            (b, a)
        } else {
            (a, b)
        };
        if let Some(id) = self.simplify_bin(op, ty, a, b) {
            return id;
        }
        self.intern(Node::Bin(op, a, b), ty)
    }

    /// Canonical order of the arguments of commutative operations: constants last, older nodes first.
    fn comes_after(&self, a: Id, b: Id) -> bool {
        (self.as_const(a).is_some(), a) > (self.as_const(b).is_some(), b)
    }

    /// Identities that keep every bit (NaN payloads aside). `x + 0.0` is not one of them: it turns `-0.0` into `0.0`.
    fn simplify_bin(&mut self, op: BinOp, ty: Ty, a: Id, b: Id) -> Option<Id> {
        let float = ty.is_float();
        match op {
            BinOp::Add if float && self.is_value(b, -0.0) => Some(a),
            BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor | BinOp::Shl | BinOp::Shr
                if !float && self.is_value(b, 0.0) =>
            {
                Some(a)
            }
            BinOp::Sub if float && self.is_value(b, 0.0) => Some(a),
            BinOp::Sub | BinOp::Xor if !float && a == b => Some(self.real(ty, 0.0)),
            BinOp::Mul | BinOp::Div | BinOp::Pow if self.is_value(b, 1.0) => Some(a),
            BinOp::FloorDiv if !float && self.is_value(b, 1.0) => Some(a),
            BinOp::Mul if !float && self.is_value(b, 0.0) => Some(b),
            BinOp::And if !float && self.is_value(b, 0.0) => Some(b),
            BinOp::And if ty == Ty::Bool && self.is_value(b, 1.0) => Some(a),
            BinOp::Or if ty == Ty::Bool && self.is_value(b, 1.0) => Some(b),
            BinOp::And | BinOp::Or if a == b => Some(a),
            BinOp::Max | BinOp::Min if a == b => Some(a),
            BinOp::Pow => self.simplify_pow(ty, a, b),
            BinOp::Div => self.simplify_div(ty, a, b),
            BinOp::Add if ty != Ty::Bool => self.simplify_add(a, b),
            BinOp::Sub if ty != Ty::Bool => match self.node(b) {
                Node::Un(UnOp::Neg, y) => Some(self.bin(BinOp::Add, a, y)),
                _ => None,
            },
            BinOp::Mul if ty != Ty::Bool => match (self.node(a), self.node(b)) {
                (Node::Un(UnOp::Neg, x), Node::Un(UnOp::Neg, y)) => {
                    Some(self.bin(BinOp::Mul, x, y))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn simplify_add(&mut self, a: Id, b: Id) -> Option<Id> {
        match (self.node(a), self.node(b)) {
            (_, Node::Un(UnOp::Neg, y)) => Some(self.bin(BinOp::Sub, a, y)),
            (Node::Un(UnOp::Neg, x), _) => Some(self.bin(BinOp::Sub, b, x)),
            _ => None,
        }
    }

    /// Small integer powers are products; `x^0.5` stays, since it differs from `sqrt` at `-0.0` and `-inf`.
    fn simplify_pow(&mut self, ty: Ty, a: Id, b: Id) -> Option<Id> {
        let exponent = self.as_const(b)?.to_f64();
        if exponent == 0.0 {
            return Some(self.real(ty, 1.0));
        }
        if exponent == 2.0 || exponent == 3.0 {
            let square = self.bin(BinOp::Mul, a, a);
            return Some(if exponent == 2.0 {
                square
            } else {
                self.bin(BinOp::Mul, square, a)
            });
        }
        (exponent == -1.0 && ty.is_float()).then(|| self.un(UnOp::Reciprocal, a))
    }

    /// Division by a power of two is the product with its reciprocal, exactly, when both are normal numbers.
    fn simplify_div(&mut self, ty: Ty, a: Id, b: Id) -> Option<Id> {
        let exact = match self.as_const(b)? {
            Scalar::F32(v) => {
                v.is_normal() && v.to_bits() & 0x007f_ffff == 0 && (1.0 / v).is_normal()
            }
            Scalar::F64(v) => {
                v.is_normal() && v.to_bits() & ((1 << 52) - 1) == 0 && (1.0 / v).is_normal()
            }
            _ => false,
        };
        if !exact {
            return None;
        }
        let reciprocal = self.real(ty, 1.0 / self.as_const(b)?.to_f64());
        Some(self.bin(BinOp::Mul, a, reciprocal))
    }

    /// A comparison.
    pub fn cmp(&mut self, op: CmpOp, a: Id, b: Id) -> Id {
        let ty = self.ty(a);
        debug_assert!(self.ty(b) == ty, "{op:?} of {ty:?} and {:?}", self.ty(b));
        if let (Some(x), Some(y)) = (self.as_const(a), self.as_const(b)) {
            return self.constant(Scalar::Bool(eval::cmp(
                op,
                eval::Val::of(x),
                eval::Val::of(y),
            )));
        }
        if a == b && !ty.is_float() {
            return self.constant(Scalar::Bool(matches!(
                op,
                CmpOp::Eq | CmpOp::Le | CmpOp::Ge
            )));
        }
        let (op, a, b) = match op {
            CmpOp::Gt => (CmpOp::Lt, b, a),
            CmpOp::Ge => (CmpOp::Le, b, a),
            CmpOp::Eq | CmpOp::Ne if self.comes_after(a, b) => (op, b, a),
            _ => (op, a, b),
        };
        if ty == Ty::Bool {
            return self.cmp_bool(op, a, b);
        }
        self.intern(Node::Cmp(op, a, b), Ty::Bool)
    }

    /// Comparisons of truth values are logic.
    fn cmp_bool(&mut self, op: CmpOp, a: Id, b: Id) -> Id {
        match op {
            CmpOp::Ne => self.bin(BinOp::Xor, a, b),
            CmpOp::Eq => {
                let differ = self.bin(BinOp::Xor, a, b);
                self.un(UnOp::Not, differ)
            }
            CmpOp::Lt | CmpOp::Gt => {
                let not = self.un(UnOp::Not, a);
                self.bin(BinOp::And, not, b)
            }
            CmpOp::Le | CmpOp::Ge => {
                let not = self.un(UnOp::Not, a);
                self.bin(BinOp::Or, not, b)
            }
        }
    }

    /// `if mask { a } else { b }`.
    pub fn select(&mut self, mask: Id, a: Id, b: Id) -> Id {
        let ty = self.ty(a);
        debug_assert!(
            self.ty(mask) == Ty::Bool && self.ty(b) == ty,
            "select of {ty:?} and {:?}",
            self.ty(b)
        );
        if a == b {
            return a;
        }
        match self.node(mask) {
            Node::Const(Scalar::Bool(true)) => return a,
            Node::Const(Scalar::Bool(false)) => return b,
            Node::Un(UnOp::Not, inner) => return self.select(inner, b, a),
            _ => {}
        }
        if ty == Ty::Bool {
            // (mask & a) | (!mask & b)
            let left = self.bin(BinOp::And, mask, a);
            let not = self.un(UnOp::Not, mask);
            let right = self.bin(BinOp::And, not, b);
            return self.bin(BinOp::Or, left, right);
        }
        // Nested selects on one mask: the inner choice is known.
        let a = match self.node(a) {
            Node::Select(m, x, _) if m == mask => x,
            _ => a,
        };
        let b = match self.node(b) {
            Node::Select(m, _, y) if m == mask => y,
            _ => b,
        };
        if a == b {
            return a;
        }
        self.intern(Node::Select(mask, a, b), ty)
    }

    /// Copies `program` into this builder, reading `operands[i]` where it reads its operand `i`, and gives the nodes of
    /// its outputs. Operands of another type are cast.
    pub fn inline(&mut self, program: &Program, operands: &[Id]) -> Vec<Id> {
        let map = self.inline_nodes(program, operands);
        program.outs.iter().map(|o| map[o.node as usize]).collect()
    }

    /// [`Builder::inline`] that gives the image of every node.
    pub(crate) fn inline_nodes(&mut self, program: &Program, operands: &[Id]) -> Vec<Id> {
        self.inline_replacing(program, operands, |_, _| None)
    }

    /// [`Builder::inline_nodes`] where `replace(builder, node)` may give another node instead of a copy.
    pub(crate) fn inline_replacing(
        &mut self,
        program: &Program,
        operands: &[Id],
        mut replace: impl FnMut(&mut Builder, Id) -> Option<Id>,
    ) -> Vec<Id> {
        let mut map: Vec<Id> = Vec::with_capacity(program.nodes.len());
        for (i, node) in program.nodes.iter().enumerate() {
            if let Some(id) = replace(self, i as Id) {
                map.push(id);
                continue;
            }
            let at = |id: Id| map[id as usize];
            let id = match *node {
                Node::Load(i) => self.cast(operands[i as usize], program.operands[i as usize]),
                Node::Const(c) => self.constant(c),
                Node::Un(op, a) => self.un(op, at(a)),
                Node::Bin(op, a, b) => self.bin(op, at(a), at(b)),
                Node::Cmp(op, a, b) => self.cmp(op, at(a), at(b)),
                Node::Select(m, a, b) => self.select(at(m), at(a), at(b)),
                Node::Cast(a, ty) => self.cast(at(a), ty),
                Node::Random(kind, a, b) => self.random(kind, at(a), at(b)),
                Node::Index => self.index(),
                Node::Reduce(op, a) => self.reduce(op, at(a)),
            };
            map.push(id);
        }
        map
    }

    /// The program with these outputs, without dead nodes. All operands stay, used or not.
    pub fn finish(&self, outs: &[(Id, OutKind)]) -> Program {
        let mut live = vec![false; self.nodes.len()];
        for &(id, _) in outs {
            live[id as usize] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if live[i] {
                self.nodes[i].args().for_each(|a| live[a as usize] = true);
            }
        }
        let mut map = vec![0; self.nodes.len()];
        let (mut nodes, mut types) = (Vec::new(), Vec::new());
        for i in 0..self.nodes.len() {
            if live[i] {
                map[i] = nodes.len() as Id;
                nodes.push(renumber(self.nodes[i], &map));
                types.push(self.types[i]);
            }
        }
        let outs = outs
            .iter()
            .map(|&(id, kind)| Out {
                node: map[id as usize],
                kind,
            })
            .collect();
        Program {
            nodes,
            types,
            operands: self.operands.clone(),
            outs,
        }
    }
}

fn is_idempotent(op: UnOp) -> bool {
    use UnOp::*;
    matches!(
        op,
        Abs | Floor
            | Ceil
            | Round
            | Trunc
            | Relu
            | Sign
            | WrapU8
            | WrapI8
            | WrapU16
            | WrapI16
            | WrapU32
            | RoundF16
            | RoundBf16
    )
}

fn renumber(node: Node, map: &[Id]) -> Node {
    let at = |id: Id| map[id as usize];
    match node {
        Node::Load(_) | Node::Const(_) | Node::Index => node,
        Node::Un(op, a) => Node::Un(op, at(a)),
        Node::Bin(op, a, b) => Node::Bin(op, at(a), at(b)),
        Node::Cmp(op, a, b) => Node::Cmp(op, at(a), at(b)),
        Node::Select(m, a, b) => Node::Select(at(m), at(a), at(b)),
        Node::Cast(a, ty) => Node::Cast(at(a), ty),
        Node::Random(kind, a, b) => Node::Random(kind, at(a), at(b)),
        Node::Reduce(op, a) => Node::Reduce(op, at(a)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_equal_nodes_and_commutes() {
        let mut b = Builder::new(&[Ty::F32, Ty::F32]);
        let (x, y) = (b.load(0), b.load(1));
        let (p, q) = (b.bin(BinOp::Add, x, y), b.bin(BinOp::Add, y, x));
        assert_eq!(p, q);
        let (m, n) = (b.bin(BinOp::Sub, x, y), b.bin(BinOp::Sub, y, x));
        assert_ne!(m, n);
    }

    #[test]
    fn simplifications_keep_bits() {
        let mut b = Builder::new(&[Ty::F32, Ty::I32]);
        let (x, k) = (b.load(0), b.load(1));
        let (zero, negzero, one) = (
            b.real(Ty::F32, 0.0),
            b.real(Ty::F32, -0.0),
            b.real(Ty::F32, 1.0),
        );
        assert_eq!(b.bin(BinOp::Add, x, negzero), x);
        assert_ne!(b.bin(BinOp::Add, x, zero), x);
        assert_eq!(b.bin(BinOp::Sub, x, zero), x);
        assert_eq!(b.bin(BinOp::Mul, one, x), x);
        assert_eq!(b.bin(BinOp::Div, x, one), x);
        assert_ne!(b.bin(BinOp::Mul, x, zero), zero);
        let izero = b.real(Ty::I32, 0.0);
        assert_eq!(b.bin(BinOp::Add, k, izero), k);
        assert_eq!(b.bin(BinOp::Mul, k, izero), izero);
        let n = b.un(UnOp::Neg, x);
        assert_eq!(b.un(UnOp::Neg, n), x);
        let two = b.real(Ty::F32, 2.0);
        let square = b.bin(BinOp::Pow, x, two);
        assert_eq!(b.node(square), Node::Bin(BinOp::Mul, x, x));
        let quarter = b.real(Ty::F32, 0.25);
        let four = b.real(Ty::F32, 4.0);
        assert_eq!(b.bin(BinOp::Div, x, four), b.bin(BinOp::Mul, x, quarter));
    }

    #[test]
    fn folds_in_the_precision_of_the_type() {
        let mut b = Builder::new(&[]);
        let (p, q) = (b.real(Ty::F32, 0.1), b.real(Ty::F32, 0.2));
        let sum = b.bin(BinOp::Add, p, q);
        assert_eq!(b.node(sum), Node::Const(Scalar::F32(0.1f32 + 0.2f32)));
        let (m, n) = (
            b.constant(Scalar::I32(i32::MAX)),
            b.constant(Scalar::I32(1)),
        );
        let wrapped = b.bin(BinOp::Add, m, n);
        assert_eq!(b.node(wrapped), Node::Const(Scalar::I32(i32::MIN)));
    }

    #[test]
    fn finish_drops_dead_nodes_and_inline_composes() {
        let mut b = Builder::new(&[Ty::F64]);
        let x = b.load(0);
        b.un(UnOp::Exp, x);
        let y = b.un(UnOp::Sin, x);
        let p = b.finish(&[(y, OutKind::Full)]);
        assert_eq!(p.nodes().len(), 2);
        let mut c = Builder::new(&[Ty::F64]);
        let x = c.load(0);
        let y = c.inline(&p, &[x])[0];
        let z = c.inline(&p, &[y])[0];
        let twice = c.finish(&[(z, OutKind::Full)]);
        assert_eq!(twice.eval_f64(&[0.5]), [0.5f64.sin().sin()]);
    }
}
