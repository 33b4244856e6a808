//! Memory that forgets. The plan holds the agent's environment, where an accepted credential may be; pid 1 lives
//! as long as the agent and must not keep a copy anywhere: whatever is freed is overwritten first.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, overwriting each block before it is given back. Growing a block moves it by the
/// default `realloc`, so the old place is overwritten too.
pub(crate) struct Forgetting;

// SAFETY: every call is handed to the system's allocator unchanged; the only addition writes within the block
// that is being freed, which its owner has given up.
unsafe impl GlobalAlloc for Forgetting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is `layout.size()` bytes long and nobody else's. A plain write before a free could be
        // left out by the compiler; this one is not.
        unsafe {
            libc::explicit_bzero(block.cast(), layout.size());
            System.dealloc(block, layout);
        }
    }
}

/// Overwrites the environment that this process itself was started with: it lies on its stack for good.
pub(crate) fn forget_environment() {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: the process has one thread and no other use of its environment; the list ends in a null pointer and
    // each entry is a C string in writable memory of this process. The emptied list replaces it.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            libc::explicit_bzero((*entry).cast(), libc::strlen(*entry));
            *entry = std::ptr::null_mut();
            entry = entry.add(1);
        }
    }
}
