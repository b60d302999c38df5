//! The domain of a loop and the layouts of its operands, with dimensions merged as far as all of them allow.

use super::{Lookup, Operand};
use crate::aval::DType;
use crate::expr::ir::{OutKind, Program};
use smallvec::{SmallVec, smallvec};

/// How the elements of an operand or output are reached, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub dtype: DType,
    /// Strides of the dimensions before the rows.
    pub outer: SmallVec<[isize; 4]>,
    pub row: isize,
    pub col: isize,
    /// The operand that holds the numbers of the rows to read instead of the domain's own.
    pub numbers: Option<usize>,
}

/// The domain as `outer... x rows x cols`.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub outer: SmallVec<[usize; 4]>,
    pub rows: usize,
    pub cols: usize,
    /// How many steps through the outer dimensions share one `Col` output (1 without `Col` outputs).
    pub group: usize,
    pub ins: Vec<Access>,
    pub outs: Vec<Access>,
}

/// Dimensions are merged only with others of the same role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Outer,
    /// Reduced by `Col` outputs.
    Reduced,
    /// Reduced by `Reduce` nodes, kept by `Col` outputs.
    Inner,
}

impl Layout {
    /// The layout of `program` over `dims`, of which the `col_dims` before the last are reduced by `Col` outputs. With
    /// `lookups` the domain has two dimensions, which stay.
    pub fn new(
        program: &Program,
        dims: &[usize],
        ins: &[Operand],
        outs: &[Operand],
        col_dims: usize,
        lookups: &[Lookup],
    ) -> Layout {
        let rank = dims.len();
        let has_col = program
            .outs()
            .iter()
            .any(|o| matches!(o.kind, OutKind::Col(_)));
        let keeps_inner =
            program.has_reduce() || program.outs().iter().any(|o| o.kind != OutKind::Full);
        let role = |i: usize| match rank - 1 - i {
            0 if keeps_inner => Role::Inner,
            k if has_col && (1..=col_dims).contains(&k) => Role::Reduced,
            _ => Role::Outer,
        };
        let kinds = ins
            .iter()
            .map(|_| OutKind::Full)
            .chain(program.outs().iter().map(|o| o.kind));
        let strides: Vec<SmallVec<[isize; 6]>> = ins
            .iter()
            .chain(outs)
            .zip(kinds)
            .map(|(operand, kind)| {
                assert_eq!(
                    operand.strides.len(),
                    rank,
                    "one stride a dimension of the domain"
                );
                let used = |i: usize| {
                    dims[i] != 1
                        && !(kind == OutKind::Row && role(i) == Role::Inner)
                        && !(matches!(kind, OutKind::Col(_)) && role(i) == Role::Reduced)
                };
                (0..rank)
                    .map(|i| if used(i) { operand.strides[i] } else { 0 })
                    .collect()
            })
            .collect();
        let mut merged = Merged {
            dims: SmallVec::new(),
            strides: vec![SmallVec::new(); strides.len()],
            rigid: !lookups.is_empty(),
        };
        // Sums over several axes of which one has no elements: one axis without elements stands for all.
        let reduced = |i: &usize| role(*i) == Role::Reduced;
        let nothing = has_col && (0..rank).filter(reduced).any(|i| dims[i] == 0);
        for i in (0..rank).filter(|i| !(nothing && reduced(i))) {
            if dims[i] != 1 || role(i) == Role::Inner {
                merged.push(dims[i], role(i), strides.iter().map(|s| s[i]));
            }
        }
        let mut layout = merged.into_layout(ins, outs, keeps_inner, has_col, usize::from(!nothing));
        for x in lookups {
            layout.ins[x.rows].numbers = Some(x.numbers);
        }
        layout
    }

    /// Steps through the outer dimensions.
    pub fn outer_len(&self) -> usize {
        self.outer.iter().product()
    }

    /// Elements of the domain.
    pub fn len(&self) -> usize {
        self.outer_len() * self.rows * self.cols
    }
}

struct Merged {
    dims: SmallVec<[(usize, Role); 6]>,
    strides: Vec<SmallVec<[isize; 6]>>,
    /// Nothing is merged.
    rigid: bool,
}

impl Merged {
    /// Appends a dimension, merging it with the one before where every operand steps through both evenly.
    fn push(&mut self, dim: usize, role: Role, strides: impl Iterator<Item = isize> + Clone) {
        let fits = !self.rigid
            && self.dims.last().is_some_and(|&(_, last)| last == role)
            && strides
                .clone()
                .zip(&self.strides)
                .all(|(new, old)| old[old.len() - 1] == new * dim as isize);
        for (list, new) in self.strides.iter_mut().zip(strides) {
            if fits {
                list.pop();
            }
            list.push(new);
        }
        match self.dims.last_mut() {
            Some(last) if fits => last.0 *= dim,
            _ => self.dims.push((dim, role)),
        }
    }

    /// Inserts a dimension of `n` elements, one or none, before position `at`.
    fn insert(&mut self, at: usize, role: Role, n: usize) {
        self.dims.insert(at, (n, role));
        self.strides.iter_mut().for_each(|s| s.insert(at, 0));
    }

    fn into_layout(
        mut self,
        ins: &[Operand],
        outs: &[Operand],
        keeps_inner: bool,
        has_col: bool,
        reduced_rows: usize,
    ) -> Layout {
        if self.dims.is_empty() {
            let role = if keeps_inner {
                Role::Inner
            } else {
                Role::Outer
            };
            self.insert(0, role, 1);
        }
        let before_inner = self.dims.len() - 1;
        let needs_rows = if has_col {
            before_inner == 0 || self.dims[before_inner - 1].1 != Role::Reduced
        } else {
            before_inner == 0
        };
        if needs_rows {
            match has_col {
                true => self.insert(before_inner, Role::Reduced, reduced_rows),
                false => self.insert(before_inner, Role::Outer, 1),
            }
        }
        let rank = self.dims.len();
        let outer: SmallVec<[usize; 4]> = self.dims[..rank - 2].iter().map(|d| d.0).collect();
        let group = self.dims[..rank - 2]
            .iter()
            .filter(|d| has_col && d.1 == Role::Reduced)
            .map(|d| d.0)
            .product();
        let mut access = ins
            .iter()
            .chain(outs)
            .zip(&self.strides)
            .map(|(operand, s)| Access {
                dtype: operand.dtype,
                outer: s[..rank - 2].iter().copied().collect(),
                row: s[rank - 2],
                col: s[rank - 1],
                numbers: None,
            });
        let ins = access.by_ref().take(ins.len()).collect();
        let outs = access.collect();
        Layout {
            outer,
            rows: self.dims[rank - 2].0,
            cols: self.dims[rank - 1].0,
            group,
            ins,
            outs,
        }
    }
}

/// Strides of a contiguous array.
pub fn contiguous(dims: &[usize]) -> SmallVec<[isize; 6]> {
    let mut strides: SmallVec<[isize; 6]> = smallvec![1; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i] as isize;
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::{BinOp, Builder, ReduceOp, Ty};

    fn operand(strides: &[isize]) -> Operand {
        Operand {
            dtype: DType::F32,
            strides: SmallVec::from_slice(strides),
        }
    }

    fn add() -> Program {
        let mut b = Builder::new(&[Ty::F32, Ty::F32]);
        let (x, y) = (b.load(0), b.load(1));
        let s = b.bin(BinOp::Add, x, y);
        b.finish(&[(s, OutKind::Full)])
    }

    #[test]
    fn contiguous_elementwise_is_one_dimension() {
        let (dims, c) = ([2, 3, 4], operand(&[12, 4, 1]));
        let l = Layout::new(&add(), &dims, &[c.clone(), c.clone()], &[c], 0, &[]);
        assert_eq!((l.outer.len(), l.rows, l.cols), (0, 1, 24));
        assert_eq!(l.ins[0].col, 1);
    }

    #[test]
    fn a_bias_keeps_two_dimensions() {
        let (dims, c) = ([2, 3, 4], operand(&[12, 4, 1]));
        let l = Layout::new(
            &add(),
            &dims,
            &[c.clone(), operand(&[0, 0, 1])],
            &[c],
            0,
            &[],
        );
        assert_eq!((l.outer.len(), l.rows, l.cols), (0, 6, 4));
        assert_eq!((l.ins[1].row, l.ins[1].col), (0, 1));
    }

    #[test]
    fn reductions_keep_their_dimensions() {
        let mut b = Builder::new(&[Ty::F32]);
        let x = b.load(0);
        let p = b.finish(&[(x, OutKind::Col(ReduceOp::Sum))]);
        let l = Layout::new(
            &p,
            &[2, 3, 4, 5],
            &[operand(&[60, 20, 5, 1])],
            &[operand(&[5, 0, 0, 1])],
            2,
            &[],
        );
        assert_eq!(
            (l.outer.as_slice(), l.rows, l.cols, l.group),
            (&[2][..], 12, 5, 1)
        );
        let l = Layout::new(&p, &[7], &[operand(&[1])], &[operand(&[1])], 0, &[]);
        assert_eq!((l.rows, l.cols), (1, 7));
    }

    #[test]
    fn scalars_and_units() {
        let l = Layout::new(
            &add(),
            &[],
            &[operand(&[]), operand(&[])],
            &[operand(&[])],
            0,
            &[],
        );
        assert_eq!((l.rows, l.cols, l.len()), (1, 1, 1));
        let l = Layout::new(
            &add(),
            &[1, 1],
            &[operand(&[9, 9]), operand(&[0, 0])],
            &[operand(&[1, 1])],
            0,
            &[],
        );
        assert_eq!((l.rows, l.cols, l.ins[0].col), (1, 1, 0));
    }
}
