//! What the key file looks like after each change.

use std::os::unix::fs::PermissionsExt;

use super::super::Keys;
use super::*;
use crate::scratch_folder::ScratchFolder;

const NOW_MS: u64 = 1_795_334_892_875;

fn device_key() -> Wish<'static> {
    Wish { agent: "shop", device: DevicePattern::Any, operations: Operations::DEVICE }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn adds_keys_that_the_gateway_takes() {
    let folder = ScratchFolder::new();
    let data_dir = folder.path().join("new/data");
    let (secret, record) = add(&data_dir, &device_key(), NOW_MS).unwrap();
    let keys = Keys::load(&data_dir, None).unwrap();
    let grant = keys.check(secret.reveal().as_bytes()).unwrap();
    assert_eq!(&*grant.id, record.id);
    assert!(grant.binds("shop", "pump") && grant.operations == Operations::DEVICE);
    assert_eq!((mode(&data_dir), mode(&data_dir.join("keys.toml"))), (0o700, 0o600));
    let text = fs::read_to_string(data_dir.join("keys.toml")).unwrap();
    assert!(!text.contains(secret.reveal()) && !text.contains("api_"), "{text}");
    assert!(text.contains("created = 2026-11-22T08:08:12Z"), "{text}");
}

#[test]
fn refuses_an_agent_that_cannot_be_and_writes_nothing() {
    let folder = ScratchFolder::new();
    let error = add(folder.path(), &Wish { agent: "a/b", ..device_key() }, NOW_MS).err().unwrap();
    assert!(error.to_string().contains("cannot be an agent"));
    assert!(!folder.path().join("keys.toml").exists());
}

#[test]
fn a_revoked_key_stays_in_the_list_and_is_denied() {
    let folder = ScratchFolder::new();
    let (secret, record) = add(folder.path(), &device_key(), NOW_MS).unwrap();
    let (other, _) = add(folder.path(), &device_key(), NOW_MS).unwrap();
    for _ in 0..2 {
        assert!(revoke(folder.path(), &record.id).unwrap().revoked);
    }
    let revoked: Vec<bool> = list(folder.path()).unwrap().iter().map(|record| record.revoked).collect();
    assert_eq!(revoked, [true, false]);
    let keys = Keys::load(folder.path(), None).unwrap();
    assert!(keys.check(secret.reveal().as_bytes()).is_none());
    assert!(keys.check(other.reveal().as_bytes()).is_some());
}

#[test]
fn a_rotated_key_keeps_its_id_and_loses_its_old_secret() {
    let folder = ScratchFolder::new();
    let (old, record) = add(folder.path(), &device_key(), NOW_MS).unwrap();
    let before = Keys::load(folder.path(), None).unwrap();
    let (new, rotated) = rotate(folder.path(), &record.id).unwrap();
    assert_eq!(rotated.id, record.id);
    let keys = Keys::load(folder.path(), Some(&before)).unwrap();
    assert!(keys.check(old.reveal().as_bytes()).is_none());
    assert!(keys.check(new.reveal().as_bytes()).is_some());
    assert!(!keys.is_live(before.check(old.reveal().as_bytes()).unwrap()));
    revoke(folder.path(), &record.id).unwrap();
    assert!(rotate(folder.path(), &record.id).err().unwrap().to_string().contains("is revoked"));
}

#[test]
fn names_an_id_that_is_not_there() {
    let folder = ScratchFolder::new();
    for error in [revoke(folder.path(), "nobody").err(), rotate(folder.path(), "nobody").err()] {
        assert!(error.unwrap().to_string().contains("there is no key \"nobody\""));
    }
}

#[test]
fn leaves_a_broken_file_alone() {
    let folder = ScratchFolder::new();
    let path = folder.path().join("keys.toml");
    fs::write(&path, "[[key]]\nid = 5\n").unwrap();
    assert!(add(folder.path(), &device_key(), NOW_MS).err().unwrap().to_string().contains("line 2"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[[key]]\nid = 5\n");
}

#[test]
fn commands_at_the_same_time_lose_nothing() {
    let folder = ScratchFolder::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| drop(add(folder.path(), &device_key(), NOW_MS).unwrap())));
        }
    });
    assert_eq!(Keys::load(folder.path(), None).unwrap().len(), 20);
}
