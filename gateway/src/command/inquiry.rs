//! Questions about commands: how one goes, which there are, and the wish to take one back.
//!
//! Owns the half on the command's home core: pending ones are found by their id, ended ones in the memory of
//! [`super::records`]. What is another agent's is not there. The words are written here, so that no command's text
//! crosses cores twice.

use super::id::CommandId;
use super::outcome::{Outcome, Reached};
use super::story::{State, Story};
use crate::auth::Agent;
use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use engine::Key;
use std::sync::Arc;

/// A question.
#[derive(Debug)]
pub struct Inquiry {
    /// The core that asks.
    pub from: usize,
    /// The waiting request there.
    pub ticket: Key,
    /// Whose commands.
    pub agent: Arc<Agent>,
    /// What about.
    pub about: About,
}

/// What a question is about.
#[derive(Clone, Debug)]
pub enum About {
    /// How this command goes.
    One(CommandId),
    /// Take this command back.
    Cancel(CommandId),
    /// Which commands there are.
    List(Arc<Wish>),
}

/// Which commands are listed.
#[derive(Debug, Default)]
pub struct Wish {
    /// Only this device's.
    pub device: Option<Box<str>>,
    /// Only those in this state.
    pub state: Option<State>,
    /// At most so many.
    pub limit: usize,
    /// Only those behind this place.
    pub after: Option<Place>,
}

/// A command's place in a list: the newest first, and one order among those of one moment.
pub type Place = (u64, [u8; super::id::TEXT_BYTES]);

/// The answer.
#[derive(Debug)]
pub struct Told {
    /// The waiting request.
    pub ticket: Key,
    /// What is known.
    pub known: Known,
}

/// What a core knows.
#[derive(Debug)]
pub enum Known {
    /// No such command of this agent, or none that is remembered.
    Nothing,
    /// The command's story, as JSON.
    Story(Vec<u8>),
    /// The command had ended in another way before it could be taken back.
    TooLate(State),
    /// Some of the agent's commands, with their places.
    List(Vec<(Place, Vec<u8>)>),
}

impl Wish {
    fn wants(&self, story: &Story<'_>) -> bool {
        self.device.as_deref().is_none_or(|device| device == story.device)
            && self.state.is_none_or(|state| state == story.state)
            && self.after.is_none_or(|after| place(story) < after)
    }
}

fn place(story: &Story<'_>) -> Place {
    (story.times.asked_wall_ms, story.id.text())
}

impl Shard {
    /// A core asks about commands of this one.
    pub(crate) fn inquired(&mut self, cx: &mut Cx<'_>, inquiry: Inquiry) {
        let agent = inquiry.agent.name();
        let known = match &inquiry.about {
            About::One(id) => self.story_of(cx, agent, *id),
            About::Cancel(id) => self.cancel(cx, agent, *id),
            About::List(wish) => Known::List(self.list_commands(cx, agent, wish)),
        };
        cx.post(inquiry.from, Mail::Told(Told { ticket: inquiry.ticket, known }));
    }

    /// The pending entry of an id, if it is one of this agent's.
    fn find_own(&self, cx: &Cx<'_>, agent: &str, id: CommandId) -> Option<Key> {
        let pending = self.pending.get(id.entry)?;
        let own = pending.place.agent().name() == agent;
        (own && pending.id(id.entry, cx.core(), self.facts.epoch) == id).then_some(id.entry)
    }

    fn story_of(&self, cx: &Cx<'_>, agent: &str, id: CommandId) -> Known {
        let mut json = Vec::new();
        if let Some(pending) = self.find_own(cx, agent, id).and_then(|key| self.pending.get(key)) {
            pending.story(id).write(&mut json);
            return Known::Story(json);
        }
        let own = self.records.find(id).is_some_and(|record| record.agent.name() == agent);
        match own.then(|| self.records.tell(id, |_, story| story.write(&mut json))).flatten() {
            Some(()) => Known::Story(json),
            None => Known::Nothing,
        }
    }

    /// Takes a command back. What was sent cannot be unsaid: the device may run it, and its answer is then late.
    fn cancel(&mut self, cx: &mut Cx<'_>, agent: &str, id: CommandId) -> Known {
        if let Some(key) = self.find_own(cx, agent, id) {
            let Some(pending) = self.pending.get(key) else { return Known::Nothing };
            let reached = if pending.attempts == 0 { Reached::NotSent } else { Reached::Unknown };
            let device = pending.device;
            #[cfg(planted)]
            let reached = match engine::planted::is("taken-back-as-unsent") {
                true => Reached::NotSent,
                false => reached,
            };
            #[cfg(planted)]
            if engine::planted::is("taken-back-runs-on") && pending.attempts == 0 {
                let mut json = Vec::new();
                let story = Story { state: State::Cancelled, ..pending.story(id) };
                story.write(&mut json);
                return Known::Story(json);
            }
            self.settle(cx, key, Outcome::Cancelled(reached), &[]);
            self.speak(cx, device);
        }
        let own = self.records.find(id).filter(|record| record.agent.name() == agent);
        match own.map(|record| record.state) {
            None => Known::Nothing,
            Some(State::Cancelled) => self.story_of(cx, agent, id),
            Some(state) => Known::TooLate(state),
        }
    }

    /// The newest that are wanted, and one more, which tells that there are more. Only these are written.
    fn list_commands(&self, cx: &Cx<'_>, agent: &str, wish: &Wish) -> Vec<(Place, Vec<u8>)> {
        let most = wish.limit + 1;
        let mut places = Vec::new();
        self.each_story(cx, agent, &mut |story| {
            if wish.wants(story) {
                places.push(place(story));
            }
        });
        if places.len() > most {
            places.select_nth_unstable_by(most, |a, b| b.cmp(a));
            places.truncate(most);
        }
        let Some(oldest) = places.iter().min().copied() else { return Vec::new() };
        let mut listed = Vec::with_capacity(places.len());
        self.each_story(cx, agent, &mut |story| {
            if wish.wants(story) && place(story) >= oldest {
                let mut json = Vec::new();
                story.write(&mut json);
                listed.push((place(story), json));
            }
        });
        listed.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        listed
    }

    /// Every command of an agent that is known here. Ended ones come in the order of their ends, not of their asks, so whoever
    /// wants the newest must hear of all.
    fn each_story(&self, cx: &Cx<'_>, agent: &str, told: &mut dyn FnMut(&Story<'_>)) {
        for (key, pending) in self.pending.iter() {
            if pending.place.agent().name() == agent {
                told(&pending.story(pending.id(key, cx.core(), self.facts.epoch)));
            }
        }
        self.records.tell_all(agent, |_, story| {
            told(&story);
            true
        });
    }
}
