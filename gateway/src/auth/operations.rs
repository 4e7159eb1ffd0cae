//! What a key may be used for: a small set of operations, as one byte.
//!
//! Owns the words of `operations = [...]`. It never decides whether an operation is needed; the room that performs one
//! asks for it by name.

use std::fmt;

/// A set of operations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Operations(u8);

/// Every operation and its word, in the order in which they are written.
const WORDS: [(Operations, &str); 4] = [
    (Operations::COMMANDS, "commands"),
    (Operations::TRIGGERS, "triggers"),
    (Operations::AGENT, "agent"),
    (Operations::OPERATOR, "operator"),
];

impl Operations {
    /// Nothing at all.
    pub const NONE: Self = Self(0);
    /// A device declares, receives and answers commands.
    pub const COMMANDS: Self = Self(1);
    /// A device fires triggers.
    pub const TRIGGERS: Self = Self(2);
    /// The agent-side API of that agent.
    pub const AGENT: Self = Self(4);
    /// Metrics, and the API of all agents.
    pub const OPERATOR: Self = Self(8);
    /// What a device needs: commands and triggers.
    pub const DEVICE: Self = Self(1 | 2);
    /// Everything.
    pub const ALL: Self = Self(1 | 2 | 4 | 8);

    /// The operation that `word` names.
    pub fn parse(word: &str) -> Option<Self> {
        WORDS.iter().find(|(_, known)| *known == word).map(|(operation, _)| *operation)
    }

    /// Whether all of `wanted` are in the set.
    pub fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The set with `more` in it.
    #[must_use]
    pub fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// The set without `less`.
    #[must_use]
    pub fn without(self, less: Self) -> Self {
        Self(self.0 & !less.0)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// The words of the set, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        WORDS.iter().filter(move |(operation, _)| self.contains(*operation)).map(|(_, word)| *word)
    }
}

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_sets_are_the_same_thing() {
        assert_eq!(Operations::ALL.to_string(), "commands,triggers,agent,operator");
        assert_eq!(Operations::DEVICE.to_string(), "commands,triggers");
        for (operation, word) in WORDS {
            assert_eq!(Operations::parse(word), Some(operation));
            assert!(Operations::ALL.contains(operation) && !Operations::NONE.contains(operation));
        }
        assert_eq!(Operations::parse("assets.upload"), None);
    }

    #[test]
    fn contains_means_all_of_them() {
        let commands = Operations::NONE.with(Operations::COMMANDS);
        assert!(!commands.contains(Operations::DEVICE));
        assert!(commands.with(Operations::TRIGGERS).contains(Operations::DEVICE));
        assert!(Operations::NONE.is_empty() && !commands.is_empty());
    }
}
