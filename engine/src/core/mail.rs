//! The stages of the mail: letters are taken after the timers and posted last.
//!
//! Mail of a turn leaves before the connections that move in that turn. Mail to the core itself never passes
//! through the ring and is delivered in the next turn.

use crate::core::Core;
use crate::letter::Letter;
use crate::net::Net;
use crate::service::{Cx, Service};

impl<N: Net, S: Service> Core<N, S> {
    /// Delivers what has arrived, as much as a turn may.
    pub(super) fn take_mail(&mut self) {
        let core = self.hub.core;
        for _ in 0..self.hub.own.len().min(self.hub.limits.letters_per_turn) {
            let Some(mail) = self.hub.own.pop_front() else {
                break;
            };
            self.hub.stats.mail_received += 1;
            self.service.mail(&mut Cx::new(&mut self.hub), core, mail);
        }
        for _ in 0..self.hub.limits.letters_per_turn {
            let Some((from, letter)) = self.mailbox.take() else {
                break;
            };
            self.hub.stats.mail_received += 1;
            match letter {
                Letter::Mail(mail) => self.service.mail(&mut Cx::new(&mut self.hub), from, mail),
                Letter::Moved(moved) => self.adopt(*moved),
                Letter::Terms { listener, terms } => self.set_terms(listener, Some(terms)),
                Letter::Drain { deadline } => self.begin_drain(deadline),
            }
        }
    }

    /// Posts the mail of this turn and the connections that leave, and wakes each neighbour once.
    pub(super) fn post(&mut self) {
        let core = self.hub.core;
        self.hub.stats.mail_posted += (self.hub.outbox.len() + self.letters.len()) as u64;
        for (to, mail) in self.hub.outbox.drain(..) {
            if to == core {
                self.hub.own.push_back(mail);
            } else {
                self.post.post(to, (core, Letter::Mail(mail)));
            }
        }
        for (to, letter) in self.letters.drain(..) {
            self.post.post(to, (core, letter));
        }
        self.post.flush();
        self.hub.posted(|to| self.post.unposted_to(to));
    }
}
