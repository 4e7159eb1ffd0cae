//! The validator (`ETag`) of a list of tools, and how a request is told without a list that nothing has changed.
//!
//! Owns the tag's two halves. The first is of the words that were sent: equal lists have equal halves, before and after a
//! restart, whatever came and went meanwhile. The second is a *stamp* of the moment: it stands for how often the agent's list had changed, on all cores
//! together, when the cores were asked. While that number is the same, no core has anything new to say, and the request is answered where
//! it came in. A device's core counts a change in the same turn in which it makes it, before anybody can hear of it, so that
//! a list never outlives its stamp. Nothing here looks at a list.

use super::tools::Format;
use crate::auth::Agent;
use crate::device::name::HomeHash;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What parts the halves of a tag.
const PARTS: char = '.';

/// Stands for an agent's list in one format, as long as nothing changes in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp(u64);

impl Stamp {
    /// The stamp of now. The hash has a key of the process: after a restart no old stamp fits.
    pub fn now(hash: &HomeHash, agent: &Agent, format: Format) -> Self {
        let (which, changes) = agent.list_changes();
        let parts = [agent.name().as_bytes(), &[format as u8], &which.to_be_bytes(), &changes.to_be_bytes()];
        Self(hash.of_bytes(&parts))
    }
}

/// A strong validator of rendered tools (RFC 9110, 8.8.3).
pub fn etag(rendered: &[u8], stamp: Stamp) -> String {
    let mut tag = String::with_capacity(51);
    tag.push('"');
    for byte in Sha256::digest(rendered).iter().take(16) {
        write!(tag, "{byte:02x}").expect("writing to a String cannot fail");
    }
    write!(tag, "{PARTS}{:016x}\"", stamp.0).expect("writing to a String cannot fail");
    tag
}

/// The tag among those of `If-None-Match` that has this stamp: what it stands for is what would be sent now.
pub fn with_stamp(known: &str, stamp: Stamp) -> Option<&str> {
    let stamp = format!("{:016x}", stamp.0);
    tags(known).find(|tag| halves(tag).is_some_and(|(_, half)| half == stamp))
}

/// Whether one of the tags of `If-None-Match` stands for the same words as `tag`.
pub fn has_words_of(known: &str, tag: &str) -> bool {
    let words = halves(tag).map(|(words, _)| words);
    known.trim() == "*" || tags(known).any(|one| halves(one).map(|(words, _)| words) == words)
}

/// The tags of a list, compared weakly, as `If-None-Match` wants it (RFC 9110, 13.1.2).
fn tags(known: &str) -> impl Iterator<Item = &str> {
    known.split(',').map(|one| one.trim().strip_prefix("W/").unwrap_or(one.trim()))
}

fn halves(tag: &str) -> Option<(&str, &str)> {
    tag.strip_prefix('"')?.strip_suffix('"')?.split_once(PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: (u64, u64) = (3, 4);

    fn stamp(agent: &Agent, format: Format) -> Stamp {
        Stamp::now(&HomeHash::new(HASH), agent, format)
    }

    #[test]
    fn a_stamp_fits_until_something_changes() {
        let agent = Agent::for_tests("alpha");
        let before = stamp(&agent, Format::Mcp);
        let tag = etag(b"list", before);
        assert_eq!(with_stamp(&format!("\"x\", W/{tag}"), stamp(&agent, Format::Mcp)), Some(&*tag));
        agent.count_list_change();
        assert_eq!(with_stamp(&tag, stamp(&agent, Format::Mcp)), None);
    }

    #[test]
    fn a_stamp_is_of_one_agent_one_format_and_one_process() {
        let agent = Agent::for_tests("alpha");
        let here = stamp(&agent, Format::Mcp);
        assert_ne!(here, stamp(&agent, Format::OpenAi));
        assert_ne!(here, stamp(&Agent::for_tests("beta"), Format::Mcp));
        assert_ne!(here, Stamp::now(&HomeHash::new((4, 3)), &agent, Format::Mcp));
    }

    #[test]
    fn equal_words_are_known_whenever_they_were_sent() {
        let agent = Agent::for_tests("alpha");
        let old = etag(b"list", stamp(&agent, Format::Mcp));
        agent.count_list_change();
        let (same, other) =
            (etag(b"list", stamp(&agent, Format::Mcp)), etag(b"l", stamp(&agent, Format::Mcp)));
        assert!(old != same && has_words_of(&old, &same) && has_words_of(&format!("\"x\",  W/{old}"), &same));
        assert!(!has_words_of(&old, &other) && !has_words_of("\"\"", &other) && has_words_of(" * ", &other));
        assert!(!has_words_of("", &same) && !has_words_of("nonsense, \"a.b", &same));
    }
}
