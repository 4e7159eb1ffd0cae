//! The eye on `keys.toml`: tells when the keys have changed.
//!
//! Owns the memory of what the file looked like last. It is polled by the control thread, off the cores; it never sleeps,
//! never swaps anything itself, and reports a broken file once, so that the old keys stay in force meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Digest, Keys, KeysError, key_file};

/// Polls after a change during which the file is read again whatever it looks like: a second change within one tick of
/// the file system's clock leaves the same stamp.
const SUSPICIOUS_POLLS: u32 = 8;

/// What is remembered of a data folder's key file.
pub struct Watch {
    data_dir: PathBuf,
    stamp: Option<Stamp>,
    content: Option<Digest>,
    suspicious: u32,
}

/// What a file looks like from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Watch {
    /// How often [`Watch::poll`] is to be called, so that a change is in force within a second.
    pub const INTERVAL: Duration = Duration::from_millis(250);

    /// A watch that has seen nothing yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), stamp: None, content: None, suspicious: 0 }
    }

    /// Looks at the file. `Some` when it says something new: a snapshot that carries over from `current`, or the reason
    /// why there is none and `current` must stay.
    pub fn poll(&mut self, current: &Keys) -> Option<Result<Keys, KeysError>> {
        let stamp = self.look();
        if stamp != self.stamp {
            self.suspicious = SUSPICIOUS_POLLS;
        } else if self.suspicious == 0 {
            return None;
        } else {
            self.suspicious -= 1;
        }
        self.stamp = stamp;
        let content = fs::read(key_file::path(&self.data_dir)).ok().map(|bytes| Digest::of(&bytes));
        let unchanged = match (&content, &self.content) {
            (Some(now), Some(before)) => now.same(before),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if unchanged {
            return None;
        }
        self.content = content;
        if content.is_none() {
            // It is there and could not be read, for want of a descriptor perhaps: what it says must not be missed for that.
            self.stamp = None;
        }
        if content.is_some_and(|content| current.are_from(&content)) {
            return None;
        }
        Some(Keys::load(&self.data_dir, Some(current)))
    }

    /// Reads the file now, changed or not: the operator asked for it.
    pub fn reload(&mut self, current: &Keys) -> Result<Keys, KeysError> {
        self.stamp = self.look();
        self.suspicious = SUSPICIOUS_POLLS;
        Keys::load(&self.data_dir, Some(current))
    }

    fn look(&self) -> Option<Stamp> {
        let seen = fs::metadata(key_file::path(&self.data_dir)).ok()?;
        Some(Stamp {
            inode: seen.ino(),
            bytes: seen.len(),
            modified_s: seen.mtime(),
            modified_ns: seen.mtime_nsec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DevicePattern, Operations, edit};
    use super::*;
    use crate::scratch_folder::ScratchFolder;

    fn add(folder: &ScratchFolder) -> String {
        let wish = edit::Wish { agent: "a", device: DevicePattern::Any, operations: Operations::DEVICE };
        edit::add(folder.path(), &wish, 0).unwrap().1.id
    }

    #[test]
    fn reports_each_change_once() {
        let folder = ScratchFolder::new();
        let mut watch = Watch::new(folder.path());
        let mut keys = Keys::empty();
        assert!(watch.poll(&keys).is_none(), "no file, no news");
        for change in 1..=3 {
            let id = add(&folder);
            keys = watch.poll(&keys).unwrap().unwrap();
            assert_eq!(keys.len(), change);
            assert!((0..20).all(|_| watch.poll(&keys).is_none()));
            edit::revoke(folder.path(), &id).unwrap();
            keys = watch.poll(&keys).unwrap().unwrap();
        }
    }

    #[test]
    fn is_silent_about_a_file_that_has_been_loaded() {
        let folder = ScratchFolder::new();
        add(&folder);
        let keys = Keys::load(folder.path(), None).unwrap();
        let mut watch = Watch::new(folder.path());
        assert!((0..20).all(|_| watch.poll(&keys).is_none()));
        add(&folder);
        assert_eq!(watch.poll(&keys).unwrap().unwrap().len(), 2);
    }

    #[test]
    fn sees_a_second_change_that_leaves_the_same_stamp() {
        let folder = ScratchFolder::new();
        let path = folder.path().join("keys.toml");
        let mut watch = Watch::new(folder.path());
        fs::write(&path, "key = []  #1").unwrap();
        assert!(watch.poll(&Keys::empty()).unwrap().is_ok());
        fs::write(&path, "[[key ]] #12").unwrap();
        watch.stamp = watch.look();
        assert!(watch.poll(&Keys::empty()).unwrap().is_err());
    }

    #[test]
    fn a_broken_or_vanished_file_is_an_error_once_and_then_heals() {
        let folder = ScratchFolder::new();
        add(&folder);
        let path = folder.path().join("keys.toml");
        let good = fs::read_to_string(&path).unwrap();
        let mut watch = Watch::new(folder.path());
        let keys = watch.poll(&Keys::empty()).unwrap().unwrap();
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(watch.poll(&keys).unwrap().is_err());
        assert!(watch.poll(&keys).is_none());
        fs::remove_file(&path).unwrap();
        assert!(watch.poll(&keys).unwrap().is_err());
        assert!(watch.poll(&keys).is_none());
        fs::write(&path, &good).unwrap();
        assert!(watch.poll(&keys).is_none(), "the keys in force are those of the file again");
        fs::write(&path, "").unwrap();
        assert!(watch.poll(&keys).unwrap().unwrap().is_empty(), "an empty file denies everybody");
        fs::write(&path, &good).unwrap();
        assert_eq!(watch.reload(&keys).unwrap().len(), 1);
    }
}
