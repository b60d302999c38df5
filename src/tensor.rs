//! The tensor handle: concrete (it has an array), traced (it has a place in a graph), or both (an
//! eager tensor on the tape).

use crate::aval::{Aval, DType, Shape, Strides, checked_bytes, contiguous_strides, is_contiguous};
use crate::buffer::{Buffer, Element, View};
use crate::error::{Error, Result};
use crate::op::{Avals, Kind, Op};
use crate::with_element;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A strided array in a shared buffer; shape and dtype are in the [`Aval`] beside it.
#[derive(Debug, Clone)]
pub struct Array {
    /// The memory.
    pub buffer: Arc<Buffer>,
    /// First element, in bytes from the start of the buffer.
    pub offset: usize,
    /// Strides in elements.
    pub strides: Strides,
}

impl Array {
    /// A contiguous array over a whole buffer.
    pub fn contiguous(buffer: Buffer, shape: &[usize]) -> Array {
        Array {
            buffer: Arc::new(buffer),
            offset: 0,
            strides: contiguous_strides(shape),
        }
    }
    /// Its first element.
    pub fn ptr(&self) -> *mut u8 {
        self.buffer.ptr().wrapping_add(self.offset)
    }
    /// It as a kernel's input.
    pub fn view<'a>(&'a self, aval: &'a Aval) -> View<'a> {
        // SAFETY: arrays are only made by this crate with strides that stay inside their buffer.
        unsafe { View::new(self.ptr(), aval.dtype, &aval.shape, &self.strides) }
    }
}

/// One output of a node.
#[derive(Debug, Clone)]
pub struct Output {
    /// Shape and dtype.
    pub aval: Aval,
    /// The value, when the node was run (eager tape) and not only traced.
    pub array: Option<Array>,
}

/// A call of an op that was recorded: a node of the tape or of a traced graph.
#[derive(Debug)]
pub struct Node {
    /// Grows with every node, so that inputs always have smaller numbers.
    pub id: u64,
    /// The op.
    pub op: Arc<dyn Op>,
    /// Its inputs.
    pub inputs: SmallVec<[Tensor; 3]>,
    /// Its outputs.
    pub outputs: SmallVec<[Output; 1]>,
    /// The path of the layer that was being called.
    pub scope: Option<Arc<str>>,
    /// Was it made by a gradient rule?
    pub backward: bool,
}

thread_local! {
    static SCOPE: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
    static BACKWARD: Cell<bool> = const { Cell::new(false) };
}

/// Says whether the nodes to come are made by gradient rules; gives what it was.
pub fn set_backward(on: bool) -> bool {
    BACKWARD.replace(on)
}

/// Sets the path of the layer whose nodes come next; gives the one before.
pub fn set_scope(scope: Option<Arc<str>>) -> Option<Arc<str>> {
    SCOPE.replace(scope)
}

/// The path of the layer that is being called.
pub fn scope() -> Option<Arc<str>> {
    SCOPE.with_borrow(Clone::clone)
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Number of tensors alive, for leak tests.
pub fn live_tensors() -> usize {
    LIVE.load(Ordering::Relaxed)
}

impl Node {
    pub(crate) fn new(
        op: Arc<dyn Op>,
        inputs: SmallVec<[Tensor; 3]>,
        outputs: SmallVec<[Output; 1]>,
    ) -> Arc<Node> {
        Arc::new(Node {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            op,
            inputs,
            outputs,
            scope: scope(),
            backward: BACKWARD.get(),
        })
    }

    /// Output `i` as a tensor.
    pub fn output(node: &Arc<Node>, i: usize) -> Tensor {
        let o = &node.outputs[i];
        Tensor::from_parts(
            o.aval.clone(),
            false,
            o.array.clone(),
            Some((node.clone(), i)),
        )
    }
}

/// Chains of millions of nodes must not be dropped by recursion: the stack would overflow.
impl Drop for Node {
    fn drop(&mut self) {
        let mut stack: Vec<Tensor> = self.inputs.drain(..).collect();
        while let Some(t) = stack.pop() {
            if let Some(mut inner) = Arc::into_inner(t.0)
                && let Some((node, _)) = inner.node.take()
                && let Some(mut node) = Arc::into_inner(node)
            {
                stack.extend(node.inputs.drain(..));
            }
        }
    }
}

#[derive(Debug)]
struct Inner {
    aval: Aval,
    weak: bool,
    array: Option<Array>,
    node: Option<(Arc<Node>, usize)>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A tensor of any rank. Cheap to clone; immutable.
///
/// ```
/// use rustdl::tensor::Tensor;
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// let y = x.exp()?.log()?;
/// assert_eq!(y.shape(), &[2, 2]);
/// # Ok::<(), rustdl::error::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tensor(Arc<Inner>);

impl Tensor {
    pub(crate) fn from_parts(
        aval: Aval,
        weak: bool,
        array: Option<Array>,
        node: Option<(Arc<Node>, usize)>,
    ) -> Tensor {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Tensor(Arc::new(Inner {
            aval,
            weak,
            array,
            node,
        }))
    }

    /// A concrete tensor over an array.
    pub fn from_array(aval: Aval, array: Array) -> Tensor {
        Tensor::from_parts(aval, false, Some(array), None)
    }

    /// Copies a slice.
    pub fn from_slice<T: Element>(data: &[T], shape: &[usize]) -> Result<Tensor> {
        let bytes = checked_bytes("tensor", shape, T::DTYPE)?;
        if bytes != size_of_val(data) {
            return Err(Error::shape(
                "tensor",
                format!("{} elements do not fill the shape {shape:?}", data.len()),
            ));
        }
        let buffer = Buffer::new("tensor", bytes)?;
        let mut v = buffer.writer(T::DTYPE, shape);
        v.slice_mut::<T>().copy_from_slice(data);
        Ok(Tensor::from_array(
            Aval::new(shape, T::DTYPE),
            Array::contiguous(buffer, shape),
        ))
    }

    /// A tensor of rank 0.
    pub fn scalar<T: Element>(v: T) -> Result<Tensor> {
        Tensor::from_slice(&[v], &[])
    }

    /// A *weak* scalar, as a Python number: it never widens the other operand's dtype.
    pub fn weak(v: f64, dtype: DType) -> Result<Tensor> {
        let t = Tensor::full(&[], v, dtype)?;
        Ok(Tensor::from_parts(
            t.0.aval.clone(),
            true,
            t.0.array.clone(),
            None,
        ))
    }

    /// All elements equal to `v`, stored once: strides of zero.
    pub fn full(shape: &[usize], v: f64, dtype: DType) -> Result<Tensor> {
        checked_bytes("full", shape, dtype)?;
        let buffer = Buffer::new("full", dtype.size())?;
        with_element!(dtype, T => buffer.writer(dtype, &[]).slice_mut::<T>()[0] = T::from_f64(v));
        let strides = SmallVec::from_elem(0, shape.len());
        Ok(Tensor::from_array(
            Aval::new(shape, dtype),
            Array {
                buffer: Arc::new(buffer),
                offset: 0,
                strides,
            },
        ))
    }

    /// A symbolic input: shape and dtype without data. Ops on it are traced.
    pub fn placeholder(shape: &[usize], dtype: DType) -> Result<Tensor> {
        checked_bytes("placeholder", shape, dtype)?;
        let aval = Aval::new(shape, dtype);
        let out = Output {
            aval: aval.clone(),
            array: None,
        };
        let node = Node::new(
            Arc::new(Leaf(None)),
            SmallVec::new(),
            SmallVec::from_iter([out]),
        );
        Ok(Tensor::from_parts(aval, false, None, Some((node, 0))))
    }

    /// The same value as the start of a tape: ops on it are recorded, and gradients with respect
    /// to it can be taken. What `self` itself was computed from stays reachable.
    pub fn leaf(&self) -> Tensor {
        self.leaf_with(None)
    }

    /// A leaf whose gradient is added up in a slot.
    pub fn leaf_with(&self, slot: Option<Slot>) -> Tensor {
        let out = Output {
            aval: self.0.aval.clone(),
            array: self.0.array.clone(),
        };
        let node = Node::new(
            Arc::new(Leaf(slot)),
            SmallVec::from_iter([self.clone()]),
            SmallVec::from_iter([out]),
        );
        Tensor::from_parts(
            self.0.aval.clone(),
            false,
            self.0.array.clone(),
            Some((node, 0)),
        )
    }

    /// The same value off the tape. A traced tensor is returned as it is.
    pub fn detach(&self) -> Tensor {
        if self.0.array.is_none() || self.0.node.is_none() {
            return self.clone();
        }
        Tensor::from_parts(self.0.aval.clone(), self.0.weak, self.0.array.clone(), None)
    }

    /// Shape and dtype.
    pub fn aval(&self) -> &Aval {
        &self.0.aval
    }
    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.0.aval.shape
    }
    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.aval.shape.len()
    }
    /// Number of elements.
    pub fn size(&self) -> usize {
        self.0.aval.size()
    }
    /// Element type.
    pub fn dtype(&self) -> DType {
        self.0.aval.dtype
    }
    /// Did it come from a Python number?
    pub fn is_weak(&self) -> bool {
        self.0.weak
    }
    /// Is it without a value, inside a trace?
    pub fn is_traced(&self) -> bool {
        self.0.array.is_none()
    }
    /// The array, if it has a value.
    pub fn array(&self) -> Option<&Array> {
        self.0.array.as_ref()
    }
    /// The node that made it and the number of the output, if it was recorded.
    pub fn node(&self) -> Option<(&Arc<Node>, usize)> {
        self.0.node.as_ref().map(|(n, i)| (n, *i))
    }
    /// A number that tells recorded values apart: node and output.
    pub fn key(&self) -> Option<(u64, usize)> {
        self.0.node.as_ref().map(|(n, i)| (n.id, *i))
    }
    /// Do both handles name the same tensor?
    pub fn same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Is this the only handle of the tensor?
    pub(crate) fn is_sole_handle(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// The value as a strided view, or an error inside a trace.
    pub fn view(&self) -> Result<View<'_>> {
        match &self.0.array {
            Some(a) => Ok(a.view(&self.0.aval)),
            None => Err(Error::traced(
                "tensor",
                format!(
                    "a traced tensor ({:?}) has no value while a step is being compiled; branch with \
                     `where` or `cond`, or run eagerly",
                    self.0.aval
                ),
            )),
        }
    }

    /// Is the value stored in row-major order without gaps?
    pub fn is_contiguous(&self) -> bool {
        self.0
            .array
            .as_ref()
            .is_some_and(|a| is_contiguous(&self.0.aval.shape, &a.strides))
    }

    /// The elements in order, copied and converted. For tests and small results.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let view = self.view()?;
        let shape = self.shape();
        let mut out = Vec::with_capacity(self.size());
        let mut index: Shape = SmallVec::from_elem(0, shape.len());
        for _ in 0..self.size() {
            out.push(T::from_f64(view.at(&index)));
            for d in (0..shape.len()).rev() {
                index[d] += 1;
                if index[d] < shape[d] {
                    break;
                }
                index[d] = 0;
            }
        }
        Ok(out)
    }

    /// The same value marked as weak: it will not widen other operands.
    pub(crate) fn into_weak(self) -> Tensor {
        Tensor::from_parts(
            self.0.aval.clone(),
            true,
            self.0.array.clone(),
            self.0.node.clone(),
        )
    }

    /// The elements of an integer tensor in order, exactly.
    pub fn to_vec_i64(&self) -> Result<Vec<i64>> {
        let t = crate::bind::contiguous(&crate::ops::math::cast(&self.detach(), DType::I64)?)?;
        Ok(t.view()?.slice::<i64>().to_vec())
    }

    /// The bytes of a contiguous tensor, little-endian.
    pub fn to_le_bytes(&self) -> Result<Vec<u8>> {
        let view = self.view()?;
        let mut out = Vec::with_capacity(self.aval().bytes());
        with_element!(self.dtype(), T => for x in view.slice::<T>() { x.push_le_bytes(&mut out); });
        Ok(out)
    }

    /// A tensor of little-endian bytes that fill the shape exactly.
    pub fn from_le_bytes<T: Element>(bytes: &[u8], shape: &[usize]) -> Result<Tensor> {
        let data: Vec<T> = bytes
            .chunks_exact(size_of::<T>())
            .map(T::from_le_chunk)
            .collect();
        Tensor::from_slice(&data, shape)
    }

    /// The only element of a tensor of size one.
    pub fn item(&self) -> Result<f64> {
        if self.size() != 1 {
            return Err(Error::shape(
                "item",
                format!("a tensor of shape {:?} is not one element", self.shape()),
            ));
        }
        let zero: Shape = SmallVec::from_elem(0, self.rank());
        Ok(self.view()?.at(&zero))
    }
}

/// The start of a tape or of a traced graph.
///
/// It may have a slot in which gradients add up.
#[derive(Debug)]
struct Leaf(Option<Slot>);

/// A place for the gradient of a leaf, shared by all that stand for the same parameter.
pub type Slot = Arc<std::sync::Mutex<Option<Tensor>>>;

impl Op for Leaf {
    fn name(&self) -> &'static str {
        "leaf"
    }
    fn infer(&self, x: &[Aval]) -> Result<Avals> {
        Ok(x.iter().cloned().collect())
    }
    fn vjp(&self, cx: &crate::op::Vjp) -> Result<crate::op::Grads> {
        Ok(cx.grads.iter().take(cx.inputs()).cloned().collect())
    }
    fn slot(&self) -> Option<&Slot> {
        self.0.as_ref()
    }
    fn kind(&self) -> Kind<'_> {
        Kind::Leaf
    }
}
