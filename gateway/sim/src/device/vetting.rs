//! The key of a scripted device, where an auth service has a say.
//!
//! Owns what a log-in shows and how its end is read: let in, refused, or put off because nobody could say. Whether the
//! service's words allow that is the ledger's to know.

use super::{Device, Link, Scene, Style};
use crate::coverage::Seen;
use crate::failure::Oracle;
use crate::ledger::ShownKey;
use crate::secrets;
use gateway::auth::mail::Via;

impl Device {
    /// Notes which key is shown, and in whose name.
    pub(super) fn show_key(&self, scene: &Scene<'_>, link: &mut Link, secret: &str, agent: &'static str) {
        let via = if self.style == Style::Node { Via::Socketio } else { Via::Mqtt };
        let (step, ms) = (scene.ledger.step, scene.ledger.now_ms);
        let device = Some(self.name);
        link.shown = Some(ShownKey { secret: secret.to_owned(), agent, device, via, step, ms });
    }

    /// It was let in: by a key of the file, or by a yes that may count.
    pub(super) fn judge_admission(&self, scene: &mut Scene<'_>, link: &Link) {
        let Some(shown) = link.shown.as_ref().filter(|shown| secrets::is_vouched(&shown.secret)) else {
            return;
        };
        let ledger = &mut *scene.ledger;
        let may = ledger.may_be_yes(shown);
        ledger.check(may, Oracle::Isolation, &self.peer_on(link), || {
            format!("{shown:?} was accepted, and the service has not vouched for it")
        });
        let remembered = ledger.was_remembered(shown);
        let out = ledger.is_out(shown);
        ledger.saw(match (remembered, out) {
            (true, true) => Seen::VouchedInOutage,
            (true, false) => Seen::VouchedFromMemory,
            (false, _) => Seen::Vouched,
        });
    }

    /// Whether the service may have said no to the key.
    pub(super) fn may_be_disowned(&self, scene: &Scene<'_>, link: &Link) -> bool {
        link.shown
            .as_ref()
            .is_some_and(|shown| secrets::is_vouched(&shown.secret) && scene.ledger.may_be_no(shown))
    }

    /// Whether nobody may have been able to say in time whether the key is good.
    pub(super) fn may_be_put_off(&self, scene: &Scene<'_>, link: &Link) -> bool {
        let revoked = scene.ledger.identities[self.identity].revoked;
        let doubted = |secret: &str| revoked || secrets::is_vouched(secret) || secret == secrets::WRONG;
        let asked = |shown: &&ShownKey| doubted(&shown.secret);
        link.shown.as_ref().filter(asked).is_some_and(|shown| scene.ledger.may_be_unjudged(shown))
    }

    /// It was told to come again.
    pub(super) fn judge_put_off(&self, scene: &mut Scene<'_>, link: &Link) {
        scene.ledger.saw(Seen::LogInPutOff);
        let may = self.may_be_put_off(scene, link) || scene.ledger.stopping;
        scene.ledger.check(may, Oracle::Blame, &self.peer_on(link), || {
            format!("it was put off, and the service could say: {:?}", link.shown)
        });
    }
}
