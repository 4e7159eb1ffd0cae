//! Another attempt at a command, where its manifest allows it.
//!
//! Owns when a command is asked again and under which id (contract section 16): the *same* id when no answer came, because
//! the device may answer from its memory; a *new* attempt id when the device said no. Never past the deadline, never
//! while the device's transport has not even acknowledged the last attempt, and never across a lost connection: what
//! becomes of a command then is [`crate::device::presence`]'s to say.

use super::pending::{Pending, Stage};
use crate::device::manifest::Retry;
use crate::device::talk::Talk;
use crate::shard::{Alarmed, Cx, Shard};
use engine::Key;
use std::time::{Duration, Instant};

/// What an alarm for another attempt names: the command, and the attempt after which it rings.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The command.
    pub command: Key,
    /// How often it had been said.
    pub after: u32,
}

/// The pause before the next attempt after so many: the manifest's, doubled for each attempt. None when there is no next
/// one, or no time for it.
pub fn pause(retry: Option<Retry>, attempts: u32, now: Instant, deadline: Instant) -> Option<Duration> {
    #[cfg(planted)]
    let attempts = attempts - u32::from(attempts > 0 && engine::planted::is("one-attempt-too-many"));
    let retry = retry.filter(|retry| attempts < retry.max_attempts)?;
    let doubled = 1u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
    #[cfg(planted)]
    let doubled = if engine::planted::is("pause-not-doubled") { 1 } else { doubled };
    let pause = Duration::from_millis(u64::from(retry.backoff_ms).saturating_mul(doubled));
    (now.checked_add(pause)? < deadline).then_some(pause)
}

/// How long an answer to the current attempt is awaited before the next one: an equal share of what is left of the time, and at
/// least the pause. A slow command is not asked twice only because it is slow.
pub fn patience(retry: Option<Retry>, attempts: u32, now: Instant, deadline: Instant) -> Option<Duration> {
    let pause = pause(retry, attempts, now, deadline)?;
    let attempts_left = retry.map_or(0, |retry| retry.max_attempts - attempts);
    let left = deadline.saturating_duration_since(now);
    Some(pause.max(left / (attempts_left + 1)))
}

/// After so long it is time for the next attempt at the command; what was set before is taken back.
pub(crate) fn arm_again(cx: &mut Cx<'_>, command: Key, pending: &mut Pending, after: Duration) {
    let attempt = Attempt { command, after: pending.attempts };
    let alarm = cx.arm(cx.now() + after, Alarmed::Again(attempt));
    if let Some(before) = pending.again.replace(alarm) {
        cx.disarm(before);
    }
}

impl Shard {
    /// The device said no: `true` if it will be asked again, under a new attempt id.
    pub(crate) fn try_again(&mut self, cx: &mut Cx<'_>, key: Key) -> bool {
        let Some(pending) = self.pending.get_mut(key) else { return false };
        let Some(pause) = pending.pause(cx.now()) else { return false };
        let (device, before) = (pending.device, pending.stage);
        pending.stage = Stage::Pausing;
        pending.wire = pending.attempts + 1;
        #[cfg(planted)]
        if engine::planted::is("refused-under-same-id") {
            pending.wire = 1;
        }
        arm_again(cx, key, pending, pause);
        self.leave_list(device, key, before);
        if let Some(talk) = self.devices.talk(device) {
            talk.pausing.push(key);
        }
        true
    }

    /// The time of an attempt, or of the pause behind it, is over.
    pub(crate) fn again(&mut self, cx: &mut Cx<'_>, attempt: Attempt) {
        let key = attempt.command;
        let Some(pending) = self.pending.get_mut(key).filter(|pending| pending.attempts == attempt.after)
        else {
            return;
        };
        let (device, before) = (pending.device, pending.stage);
        match before {
            Stage::Checking { .. } | Stage::Waiting => return,
            Stage::Pausing => {}
            // A pause that was armed by a refusal is what counts now; this alarm was for silence.
            Stage::Sent | Stage::Delivered => {
                let unacked = self.devices.get(device).and_then(|row| row.talk.as_ref());
                let unacked =
                    unacked.is_some_and(|talk| talk.unacked.iter().any(|&(_, command)| command == key));
                let away = self.devices.get(device).is_none_or(|row| row.seat.is_none());
                if unacked || away {
                    return self.look_again(cx, attempt);
                }
            }
        }
        self.leave_list(device, key, before);
        if let Some(pending) = self.pending.get_mut(key) {
            pending.stage = Stage::Waiting;
        }
        if let Some(talk) = self.devices.talk(device) {
            talk.waiting.push_back(key);
        }
        self.counters.command_repeated();
        self.speak(cx, device);
    }

    /// How many commands wait for a device, and how many more may come back to wait for another attempt: nobody's place in the
    /// queue is given away meanwhile.
    pub(crate) fn waiting_now_or_again(&self, talk: &Talk) -> usize {
        #[cfg(planted)]
        if engine::planted::is("place-given-away") {
            return talk.waiting.len();
        }
        let attempts_left = |key: &&Key| self.pending.get(**key).is_some_and(Pending::has_attempts_left);
        talk.waiting.len() + talk.pausing.len() + talk.sent.iter().filter(attempts_left).count()
    }

    /// The last attempt is still on its way to the device: nothing is lost yet.
    fn look_again(&mut self, cx: &mut Cx<'_>, attempt: Attempt) {
        let Some(pending) = self.pending.get_mut(attempt.command) else { return };
        if let Some(patience) = pending.patience(cx.now()) {
            arm_again(cx, attempt.command, pending, patience.max(Duration::from_millis(100)));
        }
    }

    /// Takes a command out of the one list of its device in which it is.
    pub(crate) fn leave_list(&mut self, device: Key, key: Key, stage: Stage) {
        let Some(talk) = self.devices.get_mut(device).and_then(|row| row.talk.as_mut()) else { return };
        match stage {
            Stage::Checking { .. } | Stage::Waiting => talk.waiting.retain(|&waiting| waiting != key),
            Stage::Sent | Stage::Delivered => talk.sent.retain(|&sent| sent != key),
            Stage::Pausing => talk.pausing.retain(|&pausing| pausing != key),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use super::*;

    const RETRY: Option<Retry> = Some(Retry { max_attempts: 3, backoff_ms: 1000 });

    fn ms(duration: Option<Duration>) -> Option<u128> {
        duration.map(|duration| duration.as_millis())
    }

    #[test]
    fn pauses_double_and_end_with_the_attempts() {
        let now = Instant::now();
        let deadline = now + Duration::from_secs(600);
        let pauses = [1, 2, 3, 4].map(|attempts| ms(pause(RETRY, attempts, now, deadline)));
        assert_eq!(pauses, [Some(1000), Some(2000), None, None]);
        assert_eq!(pause(None, 1, now, deadline), None);
        let endless = Some(Retry { max_attempts: 100, backoff_ms: 600_000 });
        assert_eq!(pause(endless, 99, now, deadline), None, "no overflow");
    }

    #[test]
    fn nothing_is_tried_past_the_deadline() {
        let now = Instant::now();
        assert_eq!(ms(pause(RETRY, 1, now, now + Duration::from_millis(1001))), Some(1000));
        assert_eq!(pause(RETRY, 1, now, now + Duration::from_millis(1000)), None);
        assert_eq!(patience(RETRY, 1, now, now + Duration::from_millis(1000)), None);
    }

    #[test]
    fn each_attempt_has_an_equal_share_and_at_least_the_pause() {
        let now = Instant::now();
        assert_eq!(ms(patience(RETRY, 1, now, now + Duration::from_secs(30))), Some(10_000));
        assert_eq!(ms(patience(RETRY, 2, now, now + Duration::from_secs(20))), Some(10_000));
        assert_eq!(ms(patience(RETRY, 1, now, now + Duration::from_millis(1500))), Some(1000));
        let hasty = Some(Retry { max_attempts: 2, backoff_ms: 0 });
        assert_eq!(ms(patience(hasty, 1, now, now + Duration::from_secs(10))), Some(5000));
    }
}
