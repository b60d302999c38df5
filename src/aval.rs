//! Abstract values: what is known of a tensor without its data.
//!
//! [`DType`], [`Shape`] and [`Aval`] (both together), broadcasting, type promotion, and the
//! checked arithmetic by which every element and byte count is computed.

use crate::error::{Error, Result};
use smallvec::SmallVec;
use std::fmt;

/// The element types. Arithmetic is done in `f32`, `f64`, `i32` or `i64` ([`crate::expr::Ty`]);
/// the others are for storage and are converted on load and store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum DType {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

use DType::*;

impl DType {
    /// All dtypes.
    pub const ALL: [DType; 13] = [
        Bool, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Bool | U8 | I8 => 1,
            U16 | I16 | F16 | BF16 => 2,
            U32 | I32 | F32 => 4,
            U64 | I64 | F64 => 8,
        }
    }

    /// numpy's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Bool => "bool",
            U8 => "uint8",
            U16 => "uint16",
            U32 => "uint32",
            U64 => "uint64",
            I8 => "int8",
            I16 => "int16",
            I32 => "int32",
            I64 => "int64",
            F16 => "float16",
            BF16 => "bfloat16",
            F32 => "float32",
            F64 => "float64",
        }
    }

    /// The type with this name; `float`, `int` and Keras' short names are understood.
    pub fn parse(name: &str) -> Option<DType> {
        let name = match name {
            "float" => "float32",
            "double" => "float64",
            "half" => "float16",
            "int" => "int32",
            "long" => "int64",
            other => other,
        };
        DType::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Is it one of the floating point types?
    pub const fn is_float(self) -> bool {
        matches!(self, F16 | BF16 | F32 | F64)
    }

    /// Is it a signed or unsigned integer (not `bool`)?
    pub const fn is_int(self) -> bool {
        matches!(self, U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64)
    }

    /// Is it an unsigned integer?
    pub const fn is_unsigned(self) -> bool {
        matches!(self, U8 | U16 | U32 | U64)
    }

    /// The type in which results that must be real are computed: itself for floats, `f32` for
    /// small integers and also for `i64` (as JAX without x64, and so Keras, does).
    pub const fn to_float(self) -> DType {
        if self.is_float() { self } else { F32 }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Type promotion after JAX's lattice (which Keras follows): the least type that both can be
/// converted to, with `int + float = float` of the given width.
///
/// ```
/// use rustdl::aval::{promote, DType};
/// assert_eq!(promote(DType::I32, DType::F32), DType::F32);
/// assert_eq!(promote(DType::F16, DType::BF16), DType::F32);
/// assert_eq!(promote(DType::U8, DType::I8), DType::I16);
/// ```
pub fn promote(a: DType, b: DType) -> DType {
    if a == b {
        return a;
    }
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    match (a, b) {
        (Bool, _) => b,
        (F16, BF16) => F32,
        _ if b.is_float() => b, // an integer or a narrower float
        _ if a.is_unsigned() && !b.is_unsigned() => match a {
            // The unsigned type needs one bit more than the signed type of the same size.
            U8 => b.max(I16),
            U16 => b.max(I32),
            // As in Keras no promotion makes 64 bits of 32: large values wrap.
            U32 => b.max(I32),
            _ => F32,
        },
        _ => b, // of two types of one signedness the wider
    }
}

/// Promotion where either side may be *weak* (a Python scalar): a weak type only decides the
/// kind (bool < int < float), never the width.
pub fn promote_weak(a: (DType, bool), b: (DType, bool)) -> (DType, bool) {
    match (a, b) {
        ((x, true), (y, true)) => (promote(x, y), true),
        ((x, false), (y, false)) => (promote(x, y), false),
        ((w, true), (s, false)) | ((s, false), (w, true)) => {
            if w.is_float() && !s.is_float() {
                (F32, false)
            } else if w.is_int() && s == Bool {
                (I32, false)
            } else {
                (s, false)
            }
        }
    }
}

/// A shape: the sizes of the axes, outermost first.
pub type Shape = SmallVec<[usize; 6]>;
/// Strides in elements, one an axis; 0 repeats, negative runs backwards.
pub type Strides = SmallVec<[isize; 6]>;

/// What an op knows of an operand before any data exist.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Aval {
    /// Sizes of the axes.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl Aval {
    /// An abstract value of this shape and type.
    pub fn new(shape: &[usize], dtype: DType) -> Self {
        Aval {
            shape: shape.into(),
            dtype,
        }
    }
    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
    /// Number of elements. The product was checked when the tensor was made.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
    /// Bytes of the elements.
    pub fn bytes(&self) -> usize {
        self.size() * self.dtype.size()
    }
}

impl fmt::Debug for Aval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape.as_slice())
    }
}

/// Number of elements and bytes of a shape, or [`Error::Memory`] when they exceed what can be addressed.
pub fn checked_bytes(op: &'static str, shape: &[usize], dtype: DType) -> Result<usize> {
    let mut bytes = dtype.size() as u128;
    let mut zero = false;
    for &n in shape {
        zero |= n == 0;
        bytes = bytes.saturating_mul(n.max(1) as u128);
    }
    // Overflow in an axis counts even when another is empty: strides are products as well.
    if bytes > isize::MAX as u128 {
        return Err(Error::Memory { op, bytes });
    }
    Ok(if zero { 0 } else { bytes as usize })
}

/// Strides of a contiguous (row-major) array of this shape.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1) as isize;
    }
    strides
}

/// Do these strides walk the shape in row-major order without gaps?
pub fn is_contiguous(shape: &[usize], strides: &[isize]) -> bool {
    if shape.contains(&0) {
        return true;
    }
    let mut expected = 1;
    for (&n, &s) in shape.iter().zip(strides).rev() {
        if n != 1 && s != expected {
            return false;
        }
        expected *= n as isize;
    }
    true
}

/// The shape to which all of `shapes` broadcast by numpy's rule: aligned at the right, each axis
/// equal or 1.
pub fn broadcast(op: &'static str, shapes: &[&[usize]]) -> Result<Shape> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out: Shape = SmallVec::from_elem(1, rank);
    for s in shapes {
        for (o, &n) in out[rank - s.len()..].iter_mut().zip(*s) {
            if *o == 1 {
                *o = n;
            } else if n != 1 && n != *o {
                let all: Vec<String> = shapes.iter().map(|s| format!("{s:?}")).collect();
                return Err(Error::shape(
                    op,
                    format!(
                        "operands of shapes {} cannot be broadcast together: aligned at the \
                         right, axes must be equal or 1",
                        all.join(" and ")
                    ),
                ));
            }
        }
    }
    Ok(out)
}

/// Strides that read an array of `shape` as if it had the shape `to` (which it broadcasts to).
pub fn broadcast_strides(shape: &[usize], strides: &[isize], to: &[usize]) -> Strides {
    let lead = to.len() - shape.len();
    let mut out: Strides = SmallVec::from_elem(0, to.len());
    for i in 0..shape.len() {
        out[lead + i] = if shape[i] == 1 { 0 } else { strides[i] };
    }
    out
}

/// Turns an axis that may be negative into an index below `rank`.
pub fn normalize_axis(op: &'static str, axis: i64, rank: usize) -> Result<usize> {
    let n = rank as i64;
    if axis < -n || axis >= n {
        return Err(Error::index(
            op,
            format!(
                "axis {axis} is out of bounds for a tensor of rank {rank} (valid: {} to {})",
                -n,
                n - 1
            ),
        ));
    }
    Ok(if axis < 0 { axis + n } else { axis } as usize)
}

/// Turns axes (`None`: all) into sorted, distinct indices.
pub fn normalize_axes(
    op: &'static str,
    axes: Option<&[i64]>,
    rank: usize,
) -> Result<SmallVec<[usize; 6]>> {
    let Some(axes) = axes else {
        return Ok((0..rank).collect());
    };
    let mut out: SmallVec<[usize; 6]> = SmallVec::new();
    for &a in axes {
        let a = normalize_axis(op, a, rank)?;
        if out.contains(&a) {
            return Err(Error::argument(
                op,
                format!("axis {a} is named twice in axis={axes:?}"),
            ));
        }
        out.push(a);
    }
    out.sort_unstable();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_symmetric_and_idempotent() {
        for a in DType::ALL {
            assert_eq!(promote(a, a), a);
            for b in DType::ALL {
                assert_eq!(promote(a, b), promote(b, a));
                // The result takes both without another promotion.
                assert_eq!(promote(promote(a, b), a), promote(a, b), "{a} {b}");
            }
        }
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        assert!(checked_bytes("t", &[1 << 40, 1 << 40], F32).is_err());
        assert!(checked_bytes("t", &[0, 1 << 62, 1 << 62], F32).is_err());
        assert_eq!(checked_bytes("t", &[3, 4], F64).unwrap(), 96);
        assert_eq!(checked_bytes("t", &[3, 0], F64).unwrap(), 0);
    }

    #[test]
    fn broadcasting_follows_numpy() {
        assert_eq!(
            broadcast("t", &[&[3, 1], &[4]]).unwrap().as_slice(),
            &[3, 4]
        );
        assert_eq!(broadcast("t", &[&[1], &[0]]).unwrap().as_slice(), &[0]);
        assert!(broadcast("t", &[&[3], &[4]]).is_err());
        assert_eq!(
            broadcast_strides(&[3, 1], &[1, 1], &[2, 3, 4]).as_slice(),
            &[0, 1, 0]
        );
    }

    #[test]
    fn contiguity_ignores_axes_of_one() {
        assert!(is_contiguous(&[2, 1, 3], &[3, 77, 1]));
        assert!(!is_contiguous(&[2, 3], &[1, 2]));
        assert!(is_contiguous(&[0, 3], &[9, 9]));
    }
}
