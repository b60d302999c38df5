//! Memory: 64-byte aligned, fallible buffers that are recycled, thread-local scratch, strided views.

mod guard;
mod view;

#[doc(hidden)]
pub use guard::{Side, guard};
pub use view::{Element, View, ViewMut};

use crate::error::{Error, Result};
use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Alignment of every buffer: one cache line, and one AVX-512 vector.
pub const ALIGN: usize = 64;
/// From this size on, memory is asked for in huge pages and aligned to them.
const HUGE: usize = 2 << 20;
/// Freed blocks kept for reuse, in bytes, at most.
const POOL_CAP: usize = 512 << 20;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Bytes in live buffers (not counting recycled ones).
pub fn live_bytes() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// An owned block of memory.
#[derive(Debug)]
pub struct Buffer {
    ptr: NonNull<u8>,
    len: usize,
    class: usize,
    memory: Memory,
}

/// Whose memory a buffer is.
#[derive(Debug)]
enum Memory {
    /// Ours, recycled by its size class.
    Pooled,
    /// Somebody else's.
    Foreign(#[allow(dead_code)] Foreign),
    /// Ours, between pages that cannot be touched.
    Guarded(#[allow(dead_code)] guard::Guarded),
}

/// Memory that belongs to somebody else (a numpy array); dropped when the buffer is.
pub struct Foreign(#[allow(dead_code)] Box<dyn std::any::Any + Send + Sync>);

impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Foreign")
    }
}

// SAFETY: a buffer owns its memory; writing needs an exclusive owner by the callers' contract.
unsafe impl Send for Buffer {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A block of `len` bytes, not initialised; [`Error::Memory`] when it cannot be had.
    pub fn new(op: &'static str, len: usize) -> Result<Buffer> {
        let class = size_class(len);
        let guarded = guard::side().and_then(|side| guard::allocate(len, side));
        let (memory, ptr) = match guarded {
            Some((pages, ptr)) => (Memory::Guarded(pages), ptr),
            None => match pool_take(class) {
                Some(ptr) => (Memory::Pooled, ptr),
                None => (Memory::Pooled, system_alloc(op, class)?),
            },
        };
        LIVE.fetch_add(class, Ordering::Relaxed);
        Ok(Buffer {
            ptr,
            len,
            class,
            memory,
        })
    }

    /// A block of `len` zero bytes.
    pub fn zeroed(op: &'static str, len: usize) -> Result<Buffer> {
        let b = Buffer::new(op, len)?;
        // SAFETY: the block has `len` bytes and nobody else knows it yet.
        unsafe { b.ptr.as_ptr().write_bytes(0, len) };
        Ok(b)
    }

    /// Wraps memory that `owner` keeps alive.
    ///
    /// # Safety
    /// `ptr` must be valid for reads of `len` bytes as long as `owner` lives, and nothing may be
    /// written to it by rustdl.
    pub unsafe fn foreign(
        ptr: *const u8,
        len: usize,
        owner: Box<dyn std::any::Any + Send + Sync>,
    ) -> Buffer {
        let ptr = NonNull::new(ptr.cast_mut()).unwrap_or(NonNull::dangling());
        Buffer {
            ptr,
            len,
            class: 0,
            memory: Memory::Foreign(Foreign(owner)),
        }
    }

    /// The whole block as an output of this type and shape; only for a block that nobody shares yet.
    pub(crate) fn writer<'a>(
        &'a self,
        dtype: crate::aval::DType,
        shape: &'a [usize],
    ) -> ViewMut<'a> {
        let elements: usize = shape.iter().product();
        assert!(
            !self.is_foreign() && elements * dtype.size() <= self.len,
            "write outside a buffer"
        );
        // SAFETY: inside the block, aligned to 64 bytes; callers use it before the block is shared.
        unsafe { ViewMut::new(self.ptr(), dtype, shape) }
    }

    /// Fills the block with the rows of a contiguous array that `rows` names, in that order.
    pub(crate) fn gather_rows(&self, src: &View, rows: &[i64], row_bytes: usize) {
        let n = src.shape().first().copied().unwrap_or(0);
        assert!(
            rows.len() * row_bytes <= self.len && rows.iter().all(|&r| r >= 0 && (r as usize) < n)
        );
        assert!(n == 0 || row_bytes * n == src.size() * src.dtype().size());
        let (from, to) = (src.ptr() as usize, self.ptr() as usize);
        let per_task = ((64 << 10) / row_bytes.max(1)).clamp(1, rows.len().max(1));
        crate::par::parallel_for(
            rows.len().div_ceil(per_task),
            rows.len() * row_bytes,
            |task| {
                let last = ((task + 1) * per_task).min(rows.len());
                for (i, &r) in rows[..last].iter().enumerate().skip(task * per_task) {
                    // SAFETY: both rows lie inside their blocks (asserted above); tasks write different rows.
                    unsafe {
                        let source = (from as *const u8).add(r as usize * row_bytes);
                        std::ptr::copy_nonoverlapping(
                            source,
                            (to as *mut u8).add(i * row_bytes),
                            row_bytes,
                        );
                    }
                }
            },
        );
    }

    /// Copies the elements of a contiguous view to the byte `offset`; only while nobody reads there.
    pub(crate) fn write_at(&self, offset: usize, src: &View) {
        let bytes = src.size() * src.dtype().size();
        assert!(
            !self.is_foreign() && offset + bytes <= self.len,
            "write outside a buffer"
        );
        assert!(crate::aval::is_contiguous(src.shape(), src.strides()));
        // SAFETY: inside the block; the caller answers for exclusive use of the range.
        unsafe { std::ptr::copy_nonoverlapping(src.ptr(), self.ptr().add(offset), bytes) };
    }

    /// Gives the memory back to the system instead of keeping it for the next buffer of this size.
    fn release(self) {
        if !matches!(self.memory, Memory::Pooled) {
            return;
        }
        let buffer = std::mem::ManuallyDrop::new(self);
        LIVE.fetch_sub(buffer.class, Ordering::Relaxed);
        // SAFETY: the block came from `system_alloc` with this very class (the pool hands out no other), nobody uses it,
        // and the buffer is not dropped.
        unsafe { dealloc(buffer.ptr.as_ptr(), layout(buffer.class)) };
    }

    /// Is the memory somebody else's (and so never written in place)?
    pub fn is_foreign(&self) -> bool {
        matches!(self.memory, Memory::Foreign(_))
    }
    /// Its first byte.
    pub fn ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Has it no bytes?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.is_foreign() {
            LIVE.fetch_sub(self.class, Ordering::Relaxed);
        }
        if matches!(self.memory, Memory::Pooled) {
            pool_give(self.ptr, self.class);
        }
    }
}

/// Sizes are rounded up to one of eight steps between powers of two, so that freed blocks fit again.
fn size_class(len: usize) -> usize {
    let len = len.max(ALIGN);
    let step = (len.next_power_of_two() / 16).max(ALIGN);
    len.div_ceil(step) * step
}

fn layout(class: usize) -> Layout {
    let align = if class >= HUGE { HUGE } else { ALIGN };
    Layout::from_size_align(class, align).expect("size classes are valid layouts")
}

fn system_alloc(op: &'static str, class: usize) -> Result<NonNull<u8>> {
    let fail = || Error::Memory {
        op,
        bytes: class as u128,
    };
    if class > isize::MAX as usize / 2 || exceeds_memory(class) {
        return Err(fail());
    }
    // SAFETY: the layout has a size above zero.
    let ptr = NonNull::new(unsafe { alloc(layout(class)) });
    let ptr = match ptr {
        Some(p) => p,
        None => {
            pool_clear();
            // SAFETY: as above; the second try runs after the recycled blocks were given back.
            NonNull::new(unsafe { alloc(layout(class)) }).ok_or_else(fail)?
        }
    };
    #[cfg(target_os = "linux")]
    if class >= HUGE {
        // SAFETY: advice on our own pages; failure is harmless.
        unsafe { libc::madvise(ptr.as_ptr().cast(), class, libc::MADV_HUGEPAGE) };
    }
    Ok(ptr)
}

/// Linux hands out address space it has no memory for and kills the process later: refuse
/// requests above what the machine has.
fn exceeds_memory(bytes: usize) -> bool {
    static TOTAL: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    let total = *TOTAL.get_or_init(|| {
        #[cfg(unix)]
        // SAFETY: sysconf has no preconditions.
        unsafe {
            let pages = libc::sysconf(libc::_SC_PHYS_PAGES);
            let size = libc::sysconf(libc::_SC_PAGESIZE);
            if pages > 0 && size > 0 {
                return (pages as usize).saturating_mul(size as usize);
            }
        }
        usize::MAX
    });
    bytes > total
}

/// Recycled blocks by size class. A short vector: a program uses few distinct classes.
struct Pool {
    blocks: Vec<(usize, Vec<usize>)>,
    bytes: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    blocks: Vec::new(),
    bytes: 0,
});

fn pool_take(class: usize) -> Option<NonNull<u8>> {
    let mut pool = POOL.lock().unwrap_or_else(|e| e.into_inner());
    let i = pool.blocks.binary_search_by_key(&class, |b| b.0).ok()?;
    let p = pool.blocks[i].1.pop()?;
    pool.bytes -= class;
    NonNull::new(p as *mut u8)
}

fn pool_give(ptr: NonNull<u8>, class: usize) {
    {
        let mut pool = POOL.lock().unwrap_or_else(|e| e.into_inner());
        if pool.bytes + class <= POOL_CAP {
            let i = match pool.blocks.binary_search_by_key(&class, |b| b.0) {
                Ok(i) => i,
                Err(i) => {
                    pool.blocks.insert(i, (class, Vec::new()));
                    i
                }
            };
            pool.blocks[i].1.push(ptr.as_ptr() as usize);
            pool.bytes += class;
            return;
        }
    }
    // SAFETY: the block came from `system_alloc` with this very class.
    unsafe { dealloc(ptr.as_ptr(), layout(class)) };
}

/// Gives all recycled blocks back to the system.
pub fn pool_clear() {
    let mut pool = POOL.lock().unwrap_or_else(|e| e.into_inner());
    for (class, blocks) in std::mem::take(&mut pool.blocks) {
        for p in blocks {
            // SAFETY: the block came from `system_alloc` with this very class and nobody uses it.
            unsafe { dealloc(p as *mut u8, layout(class)) };
        }
    }
    pool.bytes = 0;
}

/// A thread's stack of scratch memory: one growing block for each level of nesting.
struct Scratch {
    levels: Vec<Option<Buffer>>,
    depth: usize,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { levels: Vec::new(), depth: 0 }) };
}

/// Gives `f` a 64-byte aligned, uninitialised slice of `len` elements for the length of the call.
///
/// The memory belongs to the thread and only grows, so a kernel that runs again allocates nothing.
/// Calls may nest.
pub fn with_scratch<T: Copy, R>(len: usize, f: impl FnOnce(&mut [MaybeUninit<T>]) -> R) -> R {
    struct Return(Option<Buffer>, usize);
    impl Drop for Return {
        fn drop(&mut self) {
            let _ = SCRATCH.try_with(|s| {
                let s = &mut *s.borrow_mut();
                // A guarded block has the size and alignment of one use.
                let recycled = |b: &Buffer| matches!(b.memory, Memory::Pooled);
                s.levels[self.1] = self.0.take().filter(recycled);
                s.depth -= 1;
            });
        }
    }
    let bytes = len * size_of::<T>();
    let (held, level) = SCRATCH.with(|s| {
        let s = &mut *s.borrow_mut();
        let level = s.depth;
        s.depth += 1;
        if s.levels.len() <= level {
            s.levels.push(None);
        }
        (s.levels[level].take(), level)
    });
    let held = match held {
        Some(b) if b.len() >= bytes && guard::side().is_none() => b,
        other => {
            // What was outgrown is of no use: scratch blocks only grow.
            if let Some(outgrown) = other {
                outgrown.release();
            }
            // A guarded block ends where its use does.
            let room = match guard::side() {
                None => size_class(bytes),
                Some(_) => bytes,
            };
            Buffer::new("scratch", room).unwrap_or_else(|e| std::panic::resume_unwind(Box::new(e)))
        }
    };
    let guard = Return(Some(held), level);
    let ptr = guard
        .0
        .as_ref()
        .map_or(std::ptr::dangling_mut(), Buffer::ptr);
    // SAFETY: the block has at least `bytes` bytes, is aligned to 64, and is ours until `guard` drops.
    let slice = unsafe { std::slice::from_raw_parts_mut(ptr.cast::<MaybeUninit<T>>(), len) };
    f(slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_recycled() {
        let p = {
            let b = Buffer::new("t", 1000).unwrap();
            assert_eq!(b.ptr() as usize % ALIGN, 0);
            assert_eq!(b.len(), 1000);
            b.ptr()
        };
        // Another thread's test may have taken the block in between; alignment must hold anyway.
        let again = Buffer::new("t", 990).unwrap();
        assert_eq!(again.ptr() as usize % ALIGN, 0);
        let _ = p;
    }

    #[test]
    fn a_tebibyte_is_refused() {
        assert!(matches!(
            Buffer::new("t", 1 << 40),
            Err(Error::Memory { .. })
        ));
        assert!(matches!(
            Buffer::new("t", usize::MAX / 2),
            Err(Error::Memory { .. })
        ));
    }

    #[test]
    fn scratch_nests_and_is_reused() {
        let first = with_scratch::<f32, _>(100, |a| {
            let inner = with_scratch::<f64, _>(50, |b| b.as_ptr() as usize);
            assert_ne!(inner, a.as_ptr() as usize);
            a.as_ptr() as usize
        });
        let second = with_scratch::<f32, _>(80, |a| a.as_ptr() as usize);
        assert_eq!(first, second);
    }
}
