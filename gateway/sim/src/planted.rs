//! The planted bugs: each is a mistake that somebody could make, at the place where it would be made, and each must be seen
//! by an oracle.
//!
//! Owns the list. A bug is real only in a build with `--cfg planted` and on a thread that asked for it; `planted.sh`
//! beside this crate makes that build and runs every bug until it is caught.

use crate::failure::Oracle;

/// A mistake on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// How the place in the product asks for it.
    pub name: &'static str,
    /// The file.
    pub place: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// The oracles that must see it: one of these, and no other.
    pub oracles: &'static [Oracle],
}

macro_rules! bugs {
    ($($name:literal in $place:literal: $what:literal => $($oracle:ident),+;)*) => {
        /// All of them.
        pub const BUGS: &[Bug] =
            &[$(Bug { name: $name, place: $place, what: $what, oracles: &[$(Oracle::$oracle,)+] },)*];
    };
}

bugs! {
    "puback-before-kept" in "gateway/src/trigger/intake.rs":
        "a trigger is acknowledged when it is handed to the store, not when it is kept" => Kept, Wire;
    "repeat-delivered-again" in "gateway/src/trigger/intake.rs":
        "a trigger sent again with DUP is not recognised" => Kept;
    "repeat-renamed" in "gateway/src/trigger/intake.rs":
        "a repeated trigger is acknowledged under a name that no event has" => Kept;
    "newcomer-not-resumed" in "gateway/src/trigger/outbox.rs":
        "triggers kept for a superseded connection do not let the new one be heard again" => Progress, Blame;
    "foreign-answer-taken" in "gateway/src/command/answer.rs":
        "an answer is not checked against the device that was asked" => RightAnswer;
    "guessed-id-taken" in "gateway/src/command/answer.rs":
        "the random part of a command's id is not compared" => RightAnswer;
    "take-over-settles-nothing" in "gateway/src/device/admission.rs":
        "a take-over of a clean session leaves its commands to the deadline" => Promptness, Progress, Invariants;
    "sent-told-as-not-sent" in "gateway/src/device/admission.rs":
        "a command that was written to a device which then left is reported as not sent" => OneAnswer;
    "presence-not-updated" in "gateway/src/device/presence.rs":
        "a closed connection leaves its device online" => Presence, Invariants;
    "notices-outlive-connection" in "gateway/src/device/presence.rs":
        "notices for one connection are said on the next" => Wire;
    "silence-misjudged" in "gateway/src/device/presence.rs":
        "a device is let go for a silence while its words wait unread" => Blame;
    "revoked-stays" in "gateway/src/device/presence.rs":
        "a connection outlives its revoked key" => Isolation;
    "tools-outlive-connection" in "gateway/src/device/row.rs":
        "the tools of a device that left are still offered" => Presence, Invariants;
    "deadline-not-armed" in "gateway/src/command/ask.rs":
        "a command has no deadline" => RightAnswer, Progress, Promptness;
    "repeat-runs-again" in "gateway/src/command/ask.rs":
        "a request repeated under its idempotency key runs again" => Invariants, Wire, OneAnswer;
    "queue-jumped" in "gateway/src/command/ask.rs":
        "a new command goes before those that wait" => CommandOrder, Wire;
    "one-attempt-too-many" in "gateway/src/command/again.rs":
        "a command is tried once more than its manifest says" => Attempts;
    "pause-not-doubled" in "gateway/src/command/again.rs":
        "every pause is as long as the first" => Attempts;
    "refused-under-same-id" in "gateway/src/command/again.rs":
        "a command that its device refused is asked again under the same id" => Attempts, RightAnswer;
    "place-given-away" in "gateway/src/command/again.rs":
        "the place of a command that will be asked again is given to another" => Ceilings;
    "queued-without-session" in "gateway/src/command/ask.rs":
        "a command waits for a device of which no session is kept" => RightAnswer, Progress, Invariants;
    "queued-given-up" in "gateway/src/device/presence.rs":
        "commands that may wait end with the connection" => RightAnswer, Progress;
    "end-not-told" in "gateway/src/command/settle.rs":
        "the end of a command for which nobody waits is not told" => OneAnswer, Progress, Promptness, RightAnswer;
    "disabled-is-admitted" in "gateway/src/device/admission.rs":
        "a disabled device is admitted" => Obedience;
    "disabled-stays" in "gateway/src/device/control.rs":
        "a device that is disabled keeps its connection" => Wire, Progress, Obedience, Presence, Promptness, Invariants;
    "disabled-commands-wait" in "gateway/src/device/control.rs":
        "commands of a device that is disabled are left to their deadline" => Promptness, Progress, Invariants;
    "removed-is-kept" in "gateway/src/device/control.rs":
        "a device that was removed is still known" => Obedience;
    "held-is-seated" in "gateway/src/device/conflict.rs":
        "a connection that is held back is seated though its device was disabled meanwhile" => Obedience, Presence;
    "place-not-given-back" in "gateway/src/auth/agent.rs":
        "a settled command still counts as in flight" => NothingLeft, Ceilings;
    "foreign-devices-listed" in "gateway/src/agent/gather.rs":
        "a list is not confined to the agent that asks" => Isolation, Presence;
    "reader-skips-event" in "gateway/src/agent/events.rs":
        "a reader goes on one event too far" => Delivered, Progress;
    "moved-loses-carry" in "engine/src/handover.rs":
        "a connection that moves to its home core loses the bytes read already" => Progress, Wire, Kept, Blame;
    "overflow-dropped" in "engine/src/mailbox.rs":
        "a letter that finds a full mailbox is lost" => Progress, OneAnswer, Presence, Promptness, NothingLeft, Kept;
    "short-write-forgets" in "engine/src/core/flush.rs":
        "what the kernel did not take is forgotten" => Wire, OneAnswer, Delivered, Progress, Blame;
    "ping-heard-as-packet" in "transports/src/ws/stream.rs":
        "the payload of a ping between frames is heard as MQTT" => Blame, Wire, Kept, Progress, RightAnswer;
    "fragment-loses-byte" in "transports/src/ws/joint.rs":
        "the last byte of a fragment is lost" => Blame, Wire, Kept, Progress, RightAnswer;
    "packets-share-frame" in "transports/src/ws/stream.rs":
        "what is said in one turn goes out in one frame" => Wire;
    "taken-back-as-unsent" in "gateway/src/command/inquiry.rs":
        "a command that its device has is told as taken back unsent" => OneAnswer;
    "taken-back-runs-on" in "gateway/src/command/inquiry.rs":
        "a command that was taken back while it waited runs all the same" => OneAnswer;
    "callback-before-kept" in "gateway/src/device/translator.rs":
        "a Socket.IO callback is called when its event is heard" => Kept, Wire;
    "namespace-connected-at-once" in "gateway/src/device/translator.rs":
        "a namespace is connected before the claim is checked" => Isolation, Wire, Invariants;
    "pong-misjudged" in "gateway/src/device/wire.rs":
        "a Socket.IO device is let go for a silence while its pong waits unread" => Blame;
    "poll-abort-ignored" in "gateway/src/device/polling.rs":
        "a poll that is given up does not end its session" => Progress, Presence, Promptness, RightAnswer;
    "lost-answer-forgotten" in "gateway/src/device/polling.rs":
        "an answer whose poller is gone is lost, and its session goes on without it" => Progress, Wire, Presence, Promptness;
    "forward-renames-sender" in "gateway/src/device/polling.rs":
        "a poll that is forwarded is answered to whoever has its number on the forwarding core" => Progress, Wire, Isolation, Blame;
    "homeward-forgets-poll" in "gateway/src/device/polling.rs":
        "the poll that waits is forgotten when its session goes home" => Progress, Blame, Wire;
    "noop-not-sent" in "transports/src/engineio/session.rs":
        "the poll that waits is not answered when a WebSocket probes" => Progress, Wire, Blame;
    "congestion-outlives-mail" in "engine/src/core/hub.rs":
        "a core that was congested once accepts nobody any more" => Progress;
    "congested-door-opened" in "engine/src/listener.rs":
        "a congested core lets in whoever comes" => Ceilings;
    "refused-for-another" in "gateway/src/agent/commands.rs":
        "a command is refused because too much mail waits for another core than its device's" => RightAnswer;
    "waits-for-nothing" in "gateway/src/device/unheard.rs":
        "a Socket.IO device that is told to wait, with nothing left to hear, is never read again" => Progress;
    "upgrade-forgets-queue" in "transports/src/engineio/session.rs":
        "what waits for a poll is lost when a WebSocket takes over" => Progress, Wire, RightAnswer, Blame;
    "stale-yes-counts" in "gateway/src/auth/verdicts.rs":
        "a yes of the auth service counts as long as it would in an outage" => Isolation, Progress;
    "wide-yes-outlives-no" in "gateway/src/auth/verdicts.rs":
        "a yes for many devices outlives a no about one of them" => Isolation, Progress;
    "failure-is-a-no" in "gateway/src/auth/gatekeeper.rs":
        "a call that failed is taken for a no" => Blame, OneAnswer;
    "lock-out-hits-right-keys" in "gateway/src/auth/gatekeeper.rs":
        "a source that is locked out is refused whatever key it shows" => Blame, OneAnswer;
    "outage-ends-connections" in "gateway/src/device/vetting.rs":
        "a connection about which the auth service can say nothing ends" => Blame, Presence, Promptness;
    "never-asked-again" in "gateway/src/device/vetting.rs":
        "the auth service is not asked again about a device that is here" => Isolation, Progress;
    "late-word-taken" in "gateway/src/agent/vetting.rs":
        "a word of the gatekeeper answers whichever request waits" => Blame, OneAnswer, Isolation;
    "reader-not-seen-leaving" in "gateway/src/agent/events.rs":
        "the end of a stream whose request waited is not seen" => Progress, OneAnswer;
}

/// The bug of this name.
pub fn find(name: &str) -> Option<&'static Bug> {
    BUGS.iter().find(|bug| bug.name == name)
}

/// Makes one bug real on this thread, or none; `false` in a build that has no bugs.
pub fn plant(bug: Option<&'static Bug>) -> bool {
    #[cfg(planted)]
    {
        let name = bug.map_or("", |bug| bug.name);
        engine::planted::plant(name);
        transports::planted::plant(name);
    }
    let _ = bug;
    cfg!(planted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_bug_is_at_its_place_and_in_the_readme() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let readme = include_str!("../README.md");
        for bug in BUGS {
            let source = std::fs::read_to_string(root.join(bug.place)).expect(bug.place);
            assert!(
                source.contains(&format!("planted::is(\"{}\")", bug.name)),
                "{} in {}",
                bug.name,
                bug.place
            );
            assert!(readme.contains(&format!("| `{}` |", bug.name)), "{} in the README", bug.name);
            assert_eq!(BUGS.iter().filter(|other| other.name == bug.name).count(), 1);
        }
    }
}
