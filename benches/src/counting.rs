//! A global allocator that counts, so that a bench can prove "allocates nothing".
//!
//! It owns two counters for each thread and passes every request on to the system's allocator. The counters are plain
//! thread-local cells, because an atomic would cost the measured code more than the count is worth. This is the one
//! file of the package with unsafe code: the trait cannot be implemented without.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static BLOCKS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The allocator; a bench installs it with `#[global_allocator] static ALLOCATOR: Counting = Counting;`.
#[derive(Debug)]
pub struct Counting;

/// What a piece of work asked of the allocator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allocated {
    /// Blocks allocated or grown.
    pub blocks: u64,
    /// Bytes asked for in them.
    pub bytes: u64,
}

/// Does `work` and tells what it allocated on this thread. All zeros unless [`Counting`] is installed.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Allocated) {
    let before = Allocated { blocks: BLOCKS.get(), bytes: BYTES.get() };
    let done = work();
    let allocated = Allocated { blocks: BLOCKS.get() - before.blocks, bytes: BYTES.get() - before.bytes };
    (done, allocated)
}

fn note(bytes: usize) {
    BLOCKS.set(BLOCKS.get() + 1);
    BYTES.set(BYTES.get() + bytes as u64);
}

// SAFETY: every request goes to `System` unchanged; counting neither allocates nor unwinds (the cells are
// const-initialised, have no destructor, and hold sums far from overflow).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: `block` came from `System` with `layout`; the caller's promises are passed on.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with `layout`.
        unsafe { System.dealloc(block, layout) }
    }
}
