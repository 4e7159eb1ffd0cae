//! Changing the keys of a data folder: add, list, revoke, rotate.
//!
//! Owns the lock of the key file (`keys.lock`, advisory, so that two commands do not lose each other's work) and the
//! replacing of it: a fresh file of mode 600 is written, synced and renamed into place, so that a reader sees the old
//! keys or the new ones, never half of them. A running gateway is not asked and not told; it looks at the file by itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

use toml::Value;

pub use super::key_file::KeyRecord;
use super::key_file::{self, KeyFile, KeysError};
use super::{DevicePattern, Digest, Operations, Secret};
use crate::wall::Rfc3339;

/// What a new key shall be good for.
pub struct Wish<'a> {
    /// The agent it speaks for.
    pub agent: &'a str,
    /// The devices that may use it.
    pub device: DevicePattern,
    /// What it may be used for.
    pub operations: Operations,
}

/// Adds a key and returns its secret, which is nowhere else from then on. Makes the folder (mode 700) when there is none.
/// `wall_ms` is the time that is written down as its birth.
pub fn add(data_dir: &Path, wish: &Wish<'_>, wall_ms: u64) -> Result<(Secret, KeyRecord), KeysError> {
    let secret = Secret::fresh(None);
    let record = KeyRecord {
        id: secret.id().to_owned(),
        sha256: Digest::of(secret.reveal().as_bytes()).hex(),
        agent: wish.agent.to_owned(),
        device: wish.device.to_string(),
        operations: wish.operations.names().map(str::to_owned).collect(),
        created: moment(wall_ms),
        revoked: false,
    };
    record.meaning()?;
    change(data_dir, |file| {
        file.key.push(record.clone());
        Ok(())
    })?;
    Ok((secret, record))
}

/// Every key of the folder, in the order of the file.
pub fn list(data_dir: &Path) -> Result<Vec<KeyRecord>, KeysError> {
    read(data_dir).map(|file| file.key)
}

/// Marks the key `id` as revoked. Revoking it twice is no error.
pub fn revoke(data_dir: &Path, id: &str) -> Result<KeyRecord, KeysError> {
    change(data_dir, |file| {
        let record = find(file, id)?;
        record.revoked = true;
        Ok(record.clone())
    })
}

/// Gives the key `id` a new secret and returns it; the old one is worthless from then on. A revoked key stays revoked,
/// so it is not rotated.
pub fn rotate(data_dir: &Path, id: &str) -> Result<(Secret, KeyRecord), KeysError> {
    let secret = Secret::fresh(Some(id));
    let record = change(data_dir, |file| {
        let record = find(file, id)?;
        if record.revoked {
            return Err(KeysError(format!("key {id:?} is revoked; add a new one instead")));
        }
        record.sha256 = Digest::of(secret.reveal().as_bytes()).hex();
        Ok(record.clone())
    })?;
    Ok((secret, record))
}

/// Makes the data folder, with mode 700, unless it is there.
pub fn create_folder(data_dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir)
}

/// Writes `text` to `path`, whole or not at all, with mode 600. The file belongs to the owner of its folder, so that a
/// key added by root can be read by the gateway's own user.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    let owner = fs::metadata(folder)?;
    if owner.uid() != file.metadata()?.uid() {
        chown(&fresh, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

/// Reads the file, lets `edit` change it, checks the outcome as the gateway will, and replaces the file; all under the
/// lock.
fn change<T>(
    data_dir: &Path,
    edit: impl FnOnce(&mut KeyFile) -> Result<T, KeysError>,
) -> Result<T, KeysError> {
    let path = key_file::path(data_dir);
    let fail = |error: io::Error| KeysError(format!("{}: {error}", path.display()));
    create_folder(data_dir).map_err(fail)?;
    let _lock = lock(data_dir).map_err(fail)?;
    let mut file = read(data_dir)?;
    let outcome = edit(&mut file)?;
    let text = file.to_text();
    super::Keys::parse(&text, None).map_err(|error| KeysError(format!("{}: {error}", path.display())))?;
    replace_file(&path, &text).map_err(fail)?;
    Ok(outcome)
}

/// Waits for the lock; it is given back when the file is closed.
fn lock(data_dir: &Path) -> io::Result<File> {
    let path = data_dir.join("keys.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

fn read(data_dir: &Path) -> Result<KeyFile, KeysError> {
    let path = key_file::path(data_dir);
    match fs::read_to_string(&path) {
        Ok(text) => KeyFile::parse(&text).map_err(|error| KeysError(format!("{}: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(KeyFile::default()),
        Err(error) => Err(KeysError(format!("{}: {error}", path.display()))),
    }
}

fn find<'a>(file: &'a mut KeyFile, id: &str) -> Result<&'a mut KeyRecord, KeysError> {
    let record = file.key.iter_mut().find(|record| record.id == id);
    record.ok_or_else(|| KeysError(format!("there is no key {id:?}; `gateway keys list` shows them")))
}

/// A time as TOML writes it, to the second.
fn moment(wall_ms: u64) -> Option<Value> {
    let text = Rfc3339(wall_ms / 1000 * 1000).to_string().replace(".000Z", "Z");
    text.parse().ok().map(Value::Datetime)
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
