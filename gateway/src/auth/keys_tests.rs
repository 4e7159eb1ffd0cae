//! What a snapshot of keys grants, refuses and carries over.

use super::super::{DevicePattern, Operations};
use super::*;

/// A `[[key]]` whose secret is `secret-{id}`.
fn key(id: &str, agent: &str, more: &str) -> String {
    let sha256 = Digest::of(format!("secret-{id}").as_bytes()).hex();
    format!("[[key]]\nid = \"{id}\"\nsha256 = \"{sha256}\"\nagent = \"{agent}\"\n{more}\n")
}

const DEVICE: &str = "device = \"*\"\noperations = [\"commands\", \"triggers\"]";

fn keys(text: &str) -> Keys {
    Keys::parse(text, None).unwrap()
}

#[test]
fn grants_what_the_file_says() {
    let text =
        key("k1", "shop", "device = \"pump-*\"\noperations = [\"commands\"]\ncreated = 2026-11-22T08:00:00Z")
            + &key("k2", "shop", "device = \"*\"\noperations = [\"agent\", \"operator\"]\nrevoked = false");
    let keys = keys(&text);
    let grant = keys.check(b"secret-k1").unwrap();
    assert_eq!((&*grant.id, grant.agent.name()), ("k1", "shop"));
    assert_eq!(grant.device, DevicePattern::Prefix("pump-".into()));
    assert!(grant.allows(Operations::COMMANDS) && !grant.allows(Operations::TRIGGERS));
    assert!(grant.binds("shop", "pump-1"));
    assert!(!grant.binds("shop", "tap-1") && !grant.binds("shopp", "pump-1") && !grant.binds("", "pump-1"));
    assert!(keys.check(b"secret-k2").unwrap().allows(Operations::AGENT.with(Operations::OPERATOR)));
    assert_eq!((keys.len(), keys.agents().count()), (2, 1));
    assert!(Arc::ptr_eq(&grant.agent, keys.agent("shop").unwrap()));
}

#[test]
fn denies_everybody_without_keys() {
    for keys in [Keys::empty(), keys(""), keys("# nothing\n"), keys("key = []\n")] {
        assert!(keys.is_empty() && keys.check(b"").is_none() && keys.check(b"secret-k1").is_none());
        assert!(keys.agent("").is_none());
    }
}

#[test]
fn denies_wrong_and_revoked_secrets() {
    let revoked = |word: &str| key("k1", "a", &format!("{DEVICE}\nrevoked = {word}"));
    assert!(keys(&revoked("false")).check(b"secret-k1").is_some());
    for word in ["true", "2026-11-22T08:00:00Z"] {
        assert!(keys(&revoked(word)).check(b"secret-k1").is_none());
    }
    for secret in [&b"secret-k2"[..], b"", b"secret-k1 ", b"Secret-k1", &[0xFF; 70]] {
        assert!(keys(&revoked("false")).check(secret).is_none());
    }
}

#[test]
fn finds_each_of_many_keys() {
    let text: String = (0..500).map(|n| key(&format!("k{n}"), &format!("agent{}", n % 7), DEVICE)).collect();
    let keys = keys(&text);
    for n in 0..500 {
        assert_eq!(&*keys.check(format!("secret-k{n}").as_bytes()).unwrap().id, format!("k{n}"));
    }
    let names: Vec<&str> = keys.agents().map(|agent| agent.name()).collect();
    assert_eq!(names, ["agent0", "agent1", "agent2", "agent3", "agent4", "agent5", "agent6"]);
}

#[test]
fn refuses_a_file_with_any_fault_whole() {
    let good = key("k0", "a", DEVICE);
    for (fault, sentence) in [
        (key("k1", "a", "device = \"*\""), "missing field `operations`"),
        (key("k1", "a", "operations = []"), "missing field `device`"),
        (key("k1", "a", "device = \"a*b\"\noperations = []"), "is not \"*\", a name, or \"prefix*\""),
        (key("k1", "a", "device = \"*\"\noperations = [\"all\"]"), "there is no operation \"all\""),
        (key("k1", "a b", DEVICE), "\"a b\" cannot be an agent"),
        (key("k1", "a", &format!("{DEVICE}\nrevoked = \"no\"")), "revoked must be true, false"),
        (key("k1", "a", &format!("{DEVICE}\ncolour = 1")), "line 13: unknown field `colour`"),
        (key("", "a", DEVICE), "its id is empty"),
        (key("k0", "a", DEVICE), "stands there twice"),
        (format!("[[key]]\nid = \"k1\"\nsha256 = \"12\"\nagent = \"a\"\n{DEVICE}"), "64 hexadecimal digits"),
        ("[[key".to_owned(), "line 7"),
    ] {
        let error = Keys::parse(&(good.clone() + &fault), None).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error:?} does not say {sentence:?}");
        assert!(!error.contains(&Digest::of(b"secret-k0").hex()), "{error}");
    }
    let same_hash = good.clone() + &good.replace("k0", "k1");
    assert!(Keys::parse(&same_hash, None).unwrap_err().to_string().contains("its hash stands there twice"));
}

#[test]
fn quotas_and_unchanged_grants_outlive_a_reload() {
    let first = keys(&(key("k1", "a", DEVICE) + &key("k2", "b", DEVICE)));
    let held = first.agent("a").unwrap().try_begin_command(1).unwrap();
    let text = key("k3", "a", DEVICE) + &key("k1", "a", DEVICE);
    let second = Keys::parse(&text, Some(&first)).unwrap();
    assert_eq!(second.agent("a").unwrap().commands_in_flight(), 1);
    assert!(second.agent("b").is_none());
    assert!(Arc::ptr_eq(first.check(b"secret-k1").unwrap(), second.check(b"secret-k1").unwrap()));
    drop(held);
    assert_eq!(second.agent("a").unwrap().commands_in_flight(), 0);
}

#[test]
fn a_grant_dies_with_its_key_its_secret_or_its_rights() {
    let before = keys(&key("k1", "a", DEVICE));
    let grant = before.check(b"secret-k1").unwrap();
    assert!(before.is_live(grant));
    assert!(Keys::parse(&key("k1", "a", DEVICE), Some(&before)).unwrap().is_live(grant));
    let rotated = key("other", "a", DEVICE).replace("\"other\"", "\"k1\"");
    for (change, after) in [
        ("gone", String::new()),
        ("revoked", key("k1", "a", &format!("{DEVICE}\nrevoked = true"))),
        ("rotated", rotated),
        ("another agent", key("k1", "b", DEVICE)),
        ("another device", key("k1", "a", &DEVICE.replace('*', "pump"))),
        ("fewer operations", key("k1", "a", "device = \"*\"\noperations = [\"commands\"]")),
    ] {
        assert!(!Keys::parse(&after, Some(&before)).unwrap().is_live(grant), "{change}");
    }
}
