//! What a scripted device answers: what a question deserves, and what a device that lies would say.
//!
//! Owns the payloads of responses. Reports to the ledger what must follow from each.

use super::link::Held;
use super::speech::OUTBOX_MAX;
use super::{Device, Link, Said, Scene, Style, Wish};
use crate::coverage::Seen;
use crate::swarm::{Quirk, pick};

impl Device {
    pub(super) fn answer_held(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.held.is_empty() || link.mute || self.quirks.has(Quirk::NeverAnswers) {
            return;
        }
        let in_order = self.style == Style::Micro;
        let place = if in_order { 0 } else { scene.dice.below(link.held.len() as u64) as usize };
        self.answer(scene, link, place);
    }

    /// Answers a held command, with all the quirks there are.
    pub(super) fn answer(&mut self, scene: &mut Scene<'_>, link: &mut Link, place: usize) {
        let held = link.held.remove(place);
        if !scene.calm && self.quirks.has(Quirk::Forges) {
            self.forge(scene, link, &held);
        }
        let success = match scene.calm {
            true => self.wish != Wish::Refuse,
            false => !(self.quirks.has(Quirk::AnswersErrors) && scene.dice.chance(500)),
        };
        self.reply(scene, link, &held, success);
        if !scene.calm && self.quirks.has(Quirk::AnswersTwice) {
            scene.ledger.saw(Seen::AnsweredTwice);
            let success = scene.dice.chance(500);
            self.reply(scene, link, &held, success);
        }
        if !success {
            scene.ledger.saw(Seen::AnsweredError);
        }
        match held.packet {
            Some(packet) if self.style == Style::Micro => {
                link.acknowledge_after.push((held.question, packet))
            }
            Some(packet) => self.acknowledge(link, packet),
            None => {}
        }
    }

    fn reply(&mut self, scene: &mut Scene<'_>, link: &mut Link, held: &Held, success: bool) {
        let text = scene.ledger.reply(held.question, link.id, &held.id, success);
        let copy = scene.ledger.questions[held.question].replies.last().map_or(0, |reply| reply.copy);
        let id = &held.id;
        let payload = match success {
            true => format!(r#"{{"commandId":"{id}","success":true,"data":{text}}}"#),
            false => format!(r#"{{"error":"{text}","success":false,"commandId":"{id}"}}"#),
        };
        self.publish(scene, link, "response", payload.into_bytes(), Said::Reply(held.question, copy), false);
    }

    /// An answer with one digit of the id's random part changed, as somebody would who guesses.
    fn forge(&mut self, scene: &mut Scene<'_>, link: &mut Link, held: &Held) {
        scene.ledger.saw(Seen::Forged);
        let mut id = held.id.clone();
        let last = if id.ends_with('0') { "1" } else { "0" };
        id.replace_range(id.len() - 1.., last);
        let payload = format!(r#"{{"commandId":"{id}","success":true,"data":"forged"}}"#);
        self.publish(scene, link, "response", payload.into_bytes(), Said::Noise, false);
    }

    pub(super) fn answer_foreign(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        let foreign: Vec<String> = (scene.ledger.overheard.iter().rev().take(12))
            .filter(|(identity, _)| *identity != self.identity)
            .map(|(_, id)| id.clone())
            .collect();
        let Some(id) = pick(scene.dice, &foreign) else { return };
        if link.mute || self.outbox.len() >= OUTBOX_MAX {
            return;
        }
        scene.ledger.saw(Seen::AnsweredForeign);
        let payload = format!(r#"{{"commandId":"{id}","success":true,"data":"stolen"}}"#);
        self.publish(scene, link, "response", payload.into_bytes(), Said::Noise, false);
    }

    pub(super) fn answer_nonsense(&mut self, scene: &mut Scene<'_>, link: &mut Link) {
        if link.mute || self.outbox.len() >= OUTBOX_MAX {
            return;
        }
        scene.ledger.saw(Seen::AnsweredNonsense);
        let payload: &[u8] = pick(
            scene.dice,
            &[&b"not json"[..], b"[]", b"{\"success\":true}", b"{\"commandId\":\"c-0\"}", b""],
        )
        .expect("a list");
        self.publish(scene, link, "response", payload.to_vec(), Said::Noise, false);
    }
}
