//! What the auth service has said, and what follows from it.
//!
//! Owns every word with the moment at which the gatekeeper heard it, and the only ways in which one may count: a yes for its
//! time and in an outage for longer, a no for its time, nothing at all for those who waited when it came.

use super::Ledger;
use crate::swarm::AuthService;
use gateway::auth::mail::Via;

/// A yes is used at least so long, in milliseconds.
const YES_MS_MIN: u64 = 1_000;

/// What the service said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoken {
    /// The key is good.
    Yes {
        /// For all devices of its agent.
        wide: bool,
        /// For so long, in milliseconds.
        ttl_ms: Option<u64>,
    },
    /// It is not.
    No,
    /// The service failed.
    Nothing,
}

/// A word of the service.
#[derive(Clone, Debug)]
pub struct Word {
    /// When it was heard, in steps.
    pub step: u64,
    /// The same in milliseconds.
    pub ms: u64,
    /// About this key,
    pub secret: String,
    /// this agent,
    pub agent: String,
    /// this device, if it was one,
    pub device: Option<String>,
    /// which speaks so.
    pub via: Via,
    /// The word.
    pub said: Spoken,
}

/// A key that somebody has shown.
#[derive(Clone, Debug)]
pub struct ShownKey {
    /// The key.
    pub secret: String,
    /// The agent.
    pub agent: &'static str,
    /// The device, if it is one.
    pub device: Option<&'static str>,
    /// How it speaks.
    pub via: Via,
    /// When it was said, in steps.
    pub step: u64,
    /// The same in milliseconds.
    pub ms: u64,
}

impl Word {
    fn is_about(&self, shown: &ShownKey) -> bool {
        self.secret == shown.secret && self.agent == shown.agent && self.via == shown.via
    }

    fn is_exactly_about(&self, shown: &ShownKey) -> bool {
        self.is_about(shown) && self.device.as_deref() == shown.device
    }
}

impl Ledger {
    /// The gatekeeper has heard a word of the service.
    pub fn service_said(&mut self, word: Word) {
        self.say(|| format!("the service said {word:?}"));
        self.words.push(word);
    }

    /// Whether a yes may have counted for a key that was shown.
    pub fn may_be_yes(&self, shown: &ShownKey) -> bool {
        let Some(service) = self.auth_service else { return false };
        self.words.iter().any(|word| {
            let Spoken::Yes { wide, ttl_ms } = word.said else { return false };
            let fits = word.is_about(shown) && (wide || word.is_exactly_about(shown));
            fits && !self.taken_back_since(word, shown)
                && shown.ms <= word.ms + self.used_ms(service, word, ttl_ms) + 1
        })
    }

    /// Whether a no may have counted for a key that was shown.
    pub fn may_be_no(&self, shown: &ShownKey) -> bool {
        let fresh_ms = stretched(self.limits.auth_no_ms) + 1;
        self.words.iter().any(|word| {
            word.said == Spoken::No && word.is_exactly_about(shown) && shown.ms <= word.ms + fresh_ms
        })
    }

    /// Whether nobody may have been able to say anything about a key that was shown: the service failed, or too many waited, or
    /// no word came in time, which the gatekeeper can be guilty of alone.
    pub fn may_be_unjudged(&self, shown: &ShownKey) -> bool {
        let failed = self
            .words
            .iter()
            .rev()
            .take_while(|word| word.step >= shown.step)
            .any(|word| word.said == Spoken::Nothing && word.secret == shown.secret);
        let late = self.now_ms + 1 >= shown.ms + self.limits.auth_wait_ms;
        let crowded = self.auth_service.is_some() && self.limits.auth_waiting_max < 64;
        // A request that waits is a stranger's still, and those give way to each other.
        let evicted = shown.via == Via::Http && self.limits.unidentified_per_core < 64;
        failed || late || crowded || evicted
    }

    /// Whether the last thing that was said about a key that was shown is older than that.
    pub fn was_remembered(&self, shown: &ShownKey) -> bool {
        !self.words.iter().any(|word| word.step >= shown.step && word.secret == shown.secret)
    }

    /// Whether the service has failed for this key since it last said yes about it.
    pub fn is_out(&self, shown: &ShownKey) -> bool {
        let last = self.words.iter().rfind(|word| word.secret == shown.secret);
        last.is_some_and(|word| word.said == Spoken::Nothing)
    }

    /// How long a yes counts at most: in an outage for longer than it is fresh.
    fn used_ms(&self, service: AuthService, word: &Word, ttl_ms: Option<u64>) -> u64 {
        let said_ms = ttl_ms.map_or(service.cache_ms, |ttl_ms| service.cache_ms.min(ttl_ms));
        let fresh_ms = stretched(said_ms.max(YES_MS_MIN));
        let failed = self.words.iter().any(|other| {
            other.said == Spoken::Nothing && other.step > word.step && other.secret == word.secret
        });
        if failed { fresh_ms.max(self.limits.auth_outage_ms) } else { fresh_ms }
    }

    /// A no that came after a yes, before the key was shown.
    fn taken_back_since(&self, yes: &Word, shown: &ShownKey) -> bool {
        self.words.iter().any(|word| {
            word.said == Spoken::No
                && word.is_exactly_about(shown)
                && (yes.step < word.step && word.step < shown.step)
        })
    }
}

/// Times are spread by a fifth; this is the longest.
pub fn stretched(ms: u64) -> u64 {
    ms + ms / 5 + 1
}
