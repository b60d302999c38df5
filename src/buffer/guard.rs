//! Buffers between pages that nobody may touch, for tests: the system stops the kernel that reads or writes
//! beyond an operand, a result or its scratch.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

/// At which end of a buffer the forbidden page lies without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Directly before the first byte.
    Before,
    /// Directly behind the last byte.
    After,
}

static SIDE: AtomicU8 = AtomicU8::new(0);

/// From now on every new buffer and every scratch of this process lies beside a forbidden page, filled with bytes that
/// are NaN as floating numbers; `None`: no longer. For tests: each buffer takes some system calls. Unix only.
pub fn guard(side: Option<Side>) {
    SIDE.store(side.map_or(0, |s| 1 + s as u8), Ordering::Relaxed);
}

/// The side asked for.
pub(super) fn side() -> Option<Side> {
    match SIDE.load(Ordering::Relaxed) {
        0 => None,
        1 => Some(Side::Before),
        _ => Some(Side::After),
    }
}

/// Pages of a guarded buffer; gives them back when dropped.
#[derive(Debug)]
pub(super) struct Guarded {
    base: usize,
    bytes: usize,
}

/// Room for `len` bytes; `None` where the system gives none.
#[cfg(unix)]
pub(super) fn allocate(len: usize, side: Side) -> Option<(Guarded, NonNull<u8>)> {
    // SAFETY: sysconf has no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let inner = len.next_multiple_of(page);
    let bytes = inner + 2 * page;
    // SAFETY: new pages of our own, at a place that the system chooses.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return None;
    }
    let guarded = Guarded {
        base: base as usize,
        bytes,
    };
    let first = base.cast::<u8>().wrapping_add(page);
    if inner > 0 {
        // SAFETY: the pages between the first and the last of those just mapped.
        unsafe {
            if libc::mprotect(first.cast(), inner, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                return None;
            }
            first.write_bytes(0xFF, inner);
        }
    }
    let start = match side {
        Side::Before => first,
        Side::After => first.wrapping_add(inner - len),
    };
    NonNull::new(start).map(|p| (guarded, p))
}

/// Other systems have no such pages.
#[cfg(not(unix))]
pub(super) fn allocate(_: usize, _: Side) -> Option<(Guarded, NonNull<u8>)> {
    None
}

impl Drop for Guarded {
    fn drop(&mut self) {
        #[cfg(unix)]
        // SAFETY: the pages are those that `allocate` mapped, and the buffer in them is gone.
        unsafe {
            libc::munmap(self.base as *mut libc::c_void, self.bytes);
        }
    }
}
