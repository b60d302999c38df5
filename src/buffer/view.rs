//! Strided views of memory: what kernels are handed.

use crate::aval::{DType, is_contiguous};
use half::{bf16, f16};
use std::marker::PhantomData;

/// A Rust type that stores one element of a [`DType`].
pub trait Element: Copy + Send + Sync + PartialOrd + 'static {
    /// The dtype it stores.
    const DTYPE: DType;
    /// The value as `f64` (integers above 2^53 are rounded).
    fn to_f64(self) -> f64;
    /// Appends the value's bytes, little-endian.
    fn push_le_bytes(self, out: &mut Vec<u8>);
    /// The value of exactly as many little-endian bytes as it has.
    fn from_le_chunk(chunk: &[u8]) -> Self;
    /// The value as `i64` (floats truncate, `u64` wraps).
    fn to_i64(self) -> i64;
    /// The value of this type with the same low bits.
    fn from_i64(v: i64) -> Self;
    /// The nearest value of this type (integers truncate and wrap as numpy's `astype`).
    fn from_f64(v: f64) -> Self;
}

macro_rules! le {
    (to bool, $v:expr) => {
        [u8::from($v)]
    };
    (to $t:ty, $v:expr) => {
        $v.to_le_bytes()
    };
    (from bool, $c:expr) => {
        $c[0] != 0
    };
    (from $t:ty, $c:expr) => {
        <$t>::from_le_bytes($c.try_into().expect("a chunk of the type's size"))
    };
}

macro_rules! element {
    ($($t:tt, $d:ident, |$x:ident| $to:expr, |$v:ident| $from:expr, |$i:ident| $int:expr, |$w:ident| $wrap:expr;)*) => {
        $(impl Element for $t {
            const DTYPE: DType = DType::$d;
            fn push_le_bytes(self, out: &mut Vec<u8>) { out.extend_from_slice(&le!(to $t, self)); }
            fn from_le_chunk(chunk: &[u8]) -> Self { le!(from $t, chunk) }
            #[inline(always)]
            fn to_f64(self) -> f64 { let $x = self; $to }
            #[inline(always)]
            fn to_i64(self) -> i64 { let $i = self; $int }
            #[inline(always)]
            fn from_i64($w: i64) -> Self { $wrap }
            #[inline(always)]
            fn from_f64($v: f64) -> Self { $from }
        })*
    };
}
element! {
    bool, Bool, |x| f64::from(u8::from(x)), |v| v != 0.0, |x| i64::from(x), |v| v != 0;
    u8, U8, |x| f64::from(x), |v| v as i64 as u8, |x| i64::from(x), |v| v as u8;
    u16, U16, |x| f64::from(x), |v| v as i64 as u16, |x| i64::from(x), |v| v as u16;
    u32, U32, |x| f64::from(x), |v| v as i64 as u32, |x| i64::from(x), |v| v as u32;
    u64, U64, |x| x as f64, |v| v as u64, |x| x as i64, |v| v as u64;
    i8, I8, |x| f64::from(x), |v| v as i64 as i8, |x| i64::from(x), |v| v as i8;
    i16, I16, |x| f64::from(x), |v| v as i64 as i16, |x| i64::from(x), |v| v as i16;
    i32, I32, |x| f64::from(x), |v| v as i64 as i32, |x| i64::from(x), |v| v as i32;
    i64, I64, |x| x as f64, |v| v as i64, |x| x, |v| v;
    f16, F16, |x| x.to_f64(), |v| f16::from_f64(v), |x| x.to_f64() as i64, |v| f16::from_f64(v as f64);
    bf16, BF16, |x| x.to_f64(), |v| bf16::from_f64(v), |x| x.to_f64() as i64, |v| bf16::from_f64(v as f64);
    f32, F32, |x| f64::from(x), |v| v as f32, |x| x as i64, |v| v as f32;
    f64, F64, |x| x, |v| v, |x| x as i64, |v| v as f64;
}

/// Runs a block once with `$T` bound to the Rust type that stores the dtype `$d`.
///
/// ```
/// use rustdl::{aval::DType, with_element};
/// let bytes = with_element!(DType::I16, T => size_of::<T>());
/// assert_eq!(bytes, 2);
/// ```
#[macro_export]
macro_rules! with_element {
    ($d:expr, $T:ident => $body:expr) => {
        match $d {
            $crate::aval::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::aval::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::aval::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::aval::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::aval::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::aval::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::aval::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::aval::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::aval::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::aval::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::aval::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            $crate::aval::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::aval::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

/// A strided array that may be read.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    ptr: *const u8,
    dtype: DType,
    shape: &'a [usize],
    strides: &'a [isize],
    life: PhantomData<&'a [u8]>,
}

/// A contiguous array that may be written (an op's output).
#[derive(Debug)]
pub struct ViewMut<'a> {
    ptr: *mut u8,
    dtype: DType,
    shape: &'a [usize],
    life: PhantomData<&'a mut [u8]>,
}

impl<'a> View<'a> {
    /// A view of memory.
    ///
    /// # Safety
    /// Every element reached by `shape` and `strides` (in elements) from `ptr` must be initialised
    /// memory of `dtype`, aligned for it and valid for `'a`.
    pub unsafe fn new(
        ptr: *const u8,
        dtype: DType,
        shape: &'a [usize],
        strides: &'a [isize],
    ) -> Self {
        View {
            ptr,
            dtype,
            shape,
            strides,
            life: PhantomData,
        }
    }
    /// The first element (that of index 0, .., 0).
    pub fn ptr(&self) -> *const u8 {
        self.ptr
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }
    /// Sizes of the axes.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }
    /// Strides in elements.
    pub fn strides(&self) -> &'a [isize] {
        self.strides
    }
    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
    /// The same memory from another first element (in elements) with other strides.
    ///
    /// Kernels use it to turn axes round or to leave some out; the elements reached must be among
    /// those of `self`, which the caller answers for.
    pub fn shifted<'b>(&self, offset: isize, strides: &'b [isize]) -> View<'b>
    where
        'a: 'b,
    {
        View {
            ptr: self
                .ptr
                .wrapping_offset(offset * self.dtype.size() as isize),
            dtype: self.dtype,
            shape: self.shape,
            strides,
            life: PhantomData,
        }
    }
    /// The part at index `i` of the first axis.
    pub fn row(&self, i: usize) -> View<'a> {
        assert!(i < self.shape[0], "row {i} of {}", self.shape[0]);
        let offset = i as isize * self.strides[0] * self.dtype.size() as isize;
        View {
            ptr: self.ptr.wrapping_offset(offset),
            shape: &self.shape[1..],
            strides: &self.strides[1..],
            ..*self
        }
    }
    /// The elements, in order. The view must be contiguous and of type `T`.
    pub fn slice<T: Element>(&self) -> &'a [T] {
        assert_eq!(self.dtype, T::DTYPE, "view read as another type");
        assert!(
            is_contiguous(self.shape, self.strides),
            "a strided view read as a slice"
        );
        if self.size() == 0 {
            return &[];
        }
        // SAFETY: contiguous, of this type, and valid for 'a by the contract of `new`.
        unsafe { std::slice::from_raw_parts(self.ptr.cast(), self.size()) }
    }
    /// The element at an index, whatever the strides; slow, for tests and printing.
    pub fn at(&self, index: &[usize]) -> f64 {
        assert!(
            index.iter().zip(self.shape).all(|(i, n)| i < n) && index.len() == self.shape.len()
        );
        let offset: isize = index
            .iter()
            .zip(self.strides)
            .map(|(&i, &s)| i as isize * s)
            .sum();
        // SAFETY: the index is inside the shape, so the element is valid by the contract of `new`.
        with_element!(self.dtype, T => unsafe { self.ptr.cast::<T>().offset(offset).read() }.to_f64())
    }
}

impl<'a> ViewMut<'a> {
    /// A writable contiguous view of memory.
    ///
    /// # Safety
    /// `ptr` must be valid for writes of the whole array for `'a`, aligned for `dtype`, and nobody
    /// else may use it meanwhile.
    pub unsafe fn new(ptr: *mut u8, dtype: DType, shape: &'a [usize]) -> Self {
        ViewMut {
            ptr,
            dtype,
            shape,
            life: PhantomData,
        }
    }
    /// The first element.
    pub fn ptr(&self) -> *mut u8 {
        self.ptr
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }
    /// Sizes of the axes.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }
    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
    /// The part at index `i` of the first axis.
    pub fn row(&mut self, i: usize) -> ViewMut<'_> {
        assert!(i < self.shape[0], "row {i} of {}", self.shape[0]);
        let bytes = self.shape[1..].iter().product::<usize>() * self.dtype.size();
        ViewMut {
            ptr: self.ptr.wrapping_add(i * bytes),
            dtype: self.dtype,
            shape: &self.shape[1..],
            life: PhantomData,
        }
    }
    /// The elements, to be written in order. They may hold anything before.
    pub fn slice_mut<T: Element>(&mut self) -> &mut [T] {
        assert_eq!(self.dtype, T::DTYPE, "view written as another type");
        if self.size() == 0 {
            return &mut [];
        }
        // SAFETY: contiguous, of this type, exclusively ours by the contract of `new`; buffers of
        // number types hold valid values whatever their bits, and bool outputs are written as 0 or 1.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.cast(), self.size()) }
    }
}

// SAFETY: a view is a shared slice; it may be read from any thread while it lives.
unsafe impl Send for View<'_> {}
// SAFETY: as above.
unsafe impl Sync for View<'_> {}
// SAFETY: an exclusive slice; whoever holds it may write from any one thread.
unsafe impl Send for ViewMut<'_> {}
