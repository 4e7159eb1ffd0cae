//! Test support: a folder of its own for each test, gone when the test is.
//!
//! Owns one folder below the system's place for such things. It never runs outside tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed with all its content on drop.
pub(crate) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    /// An empty folder that nobody else uses.
    pub(crate) fn new() -> Self {
        let name = format!("gateway-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
