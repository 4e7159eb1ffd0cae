//! Who can write to whom: the boxes of all neighbours of a house, fixed before the first of them starts.
//!
//! The cores come first, then the clerks (neighbours that are no cores: a store writer, a worker), and last the outside, which
//! can write and not be written to. The same wiring serves threads over the real kernel ([`start`](crate::start)) and a
//! simulator that gives every neighbour its turns by hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::{Core, Limits};
use crate::letter::{Letter, LetterOf, Posted};
use crate::mailbox::{Bell, Mailbox, Post};
use crate::neighbour::{Berth, Neighbour};
use crate::net::Net;
use crate::service::Service;
use crate::tls::Terms;

/// The boxes of a house; hands out each neighbour once.
pub struct Wiring<N: Net, S: Service> {
    boxes: Vec<Arc<Mailbox<Posted<N, S>>>>,
    berths: Vec<Option<Berth<Posted<N, S>>>>,
    cores: usize,
}

impl<N: Net, S: Service> Wiring<N, S> {
    /// A house of as many cores as there are bells, and of `clerks` other neighbours; every box holds `letters_max` letters.
    pub fn new(bells: Vec<Bell>, clerks: usize, letters_max: usize) -> Wiring<N, S> {
        let cores = bells.len();
        let mut boxes: Vec<_> = bells.into_iter().map(|bell| Mailbox::new(letters_max, bell)).collect();
        let berths: Vec<_> = (0..clerks).map(|_| Berth::new(letters_max)).collect();
        boxes.extend(berths.iter().map(Berth::mailbox));
        Wiring { boxes, berths: berths.into_iter().map(Some).collect(), cores }
    }

    /// A house that sleeps nowhere, for a scheduler that gives the turns: its bells are dumb.
    pub fn unslept(cores: usize, clerks: usize, letters_max: usize) -> Wiring<N, S> {
        let bells = (0..cores).map(|_| -> Bell { Box::new(|| ()) }).collect();
        Wiring::new(bells, clerks, letters_max)
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// How many neighbours can be written to: the cores and the clerks.
    pub fn neighbours(&self) -> usize {
        self.boxes.len()
    }

    /// Core `core`, over its kernel and with its tenant. Each core is built once.
    pub fn core(&self, core: usize, limits: Limits, net: N, service: S) -> Core<N, S> {
        assert!(core < self.cores, "the cores were counted when the house was wired");
        let post = Post::new(self.boxes.clone());
        Core::new((core, self.cores), limits, net, service, Arc::clone(&self.boxes[core]), post)
    }

    /// Clerk `clerk`, counted from zero; as a neighbour its index is that many behind the cores. `None`: it was handed
    /// out before, or does not exist.
    pub fn clerk(&mut self, clerk: usize) -> Option<Clerk<N, S>> {
        let berth = self.berths.get_mut(clerk)?.take()?;
        let neighbour = berth.join(Post::new(self.boxes.clone()));
        Some(Clerk { neighbour, index: self.cores + clerk, draining: false })
    }

    /// A way in from outside the house, for control mail and tests. Any number of them.
    pub fn outside(&self) -> Outside<N, S> {
        Outside { post: Post::new(self.boxes.clone()), index: self.boxes.len() }
    }
}

/// A neighbour that is no core, with the same letters: takes mail, posts mail, and sleeps if it is a thread.
///
/// ```no_run
/// # use engine::{Net, Service, wiring::Clerk};
/// fn run<N: Net, S: Service>(mut clerk: Clerk<N, S>, mut answer: impl FnMut(S::Mail) -> Option<S::Mail>) {
///     loop {
///         while let Some((from, mail)) = clerk.take() {
///             if let Some(answer) = answer(mail) {
///                 clerk.post(from, answer);
///             }
///         }
///         if clerk.draining() {
///             return clerk.flush();
///         }
///         clerk.park();
///     }
/// }
/// ```
pub struct Clerk<N: Net, S: Service> {
    neighbour: Neighbour<Posted<N, S>>,
    index: usize,
    draining: bool,
}

impl<N: Net, S: Service> Clerk<N, S> {
    /// The next mail and who wrote it, in the order of arrival.
    pub fn take(&mut self) -> Option<(usize, S::Mail)> {
        loop {
            match self.neighbour.take()? {
                (from, Letter::Mail(mail)) => return Some((from, mail)),
                (_, Letter::Drain { .. }) => self.draining = true,
                (_, Letter::Moved(_) | Letter::Terms { .. }) => debug_assert!(false, "a core's business"),
            }
        }
    }

    /// Posts a mail; it leaves with [`Clerk::flush`] or [`Clerk::park`].
    pub fn post(&mut self, to: usize, mail: S::Mail) {
        self.neighbour.post(to, (self.index, Letter::Mail(mail)));
    }

    /// Letters that have arrived and were not taken yet.
    pub fn letters(&self) -> usize {
        self.neighbour.letters()
    }

    /// Wakes those who were written to. Once per turn.
    pub fn flush(&mut self) {
        self.neighbour.flush();
    }

    /// Sleeps until a letter arrives; may also wake for no reason. Never called by a scheduler.
    pub fn park(&mut self) {
        self.neighbour.park();
    }

    /// Like [`Clerk::park`], for `at_most` so long.
    pub fn park_at_most(&mut self, at_most: Duration) {
        self.neighbour.park_at_most(at_most);
    }

    /// The stop was asked for, and every core has ended before: what has been taken until [`Clerk::take`] answers `None` is all
    /// there will be.
    pub fn draining(&self) -> bool {
        self.draining
    }

    /// So many of its own letters wait that it should take no more work.
    pub fn congested(&self) -> bool {
        self.neighbour.congested()
    }

    /// Its index among the neighbours.
    pub fn index(&self) -> usize {
        self.index
    }
}

/// A way in from outside: writes to every neighbour, and no letter comes back.
pub struct Outside<N: Net, S: Service> {
    post: Post<Posted<N, S>>,
    index: usize,
}

impl<N: Net, S: Service> Outside<N, S> {
    /// Posts a mail and wakes the receiver. `false`: the box is full, and the mail waits until the next call.
    pub fn post(&mut self, to: usize, mail: S::Mail) -> bool {
        self.send(to, Letter::Mail(mail))
    }

    /// Has a core's listener offer other terms from now on. Connections that are open keep theirs.
    pub fn renew(&mut self, core: usize, listener: usize, terms: Terms) -> bool {
        self.send(core, Letter::Terms { listener, terms })
    }

    /// Asks one neighbour for a graceful stop until `deadline`.
    pub fn drain(&mut self, to: usize, deadline: Instant) -> bool {
        self.send(to, Letter::Drain { deadline })
    }

    /// Tries again to post what waits. `true`: nothing waits any more.
    pub fn flush(&mut self) -> bool {
        self.post.flush();
        self.post.unposted() == 0
    }

    fn send(&mut self, to: usize, letter: LetterOf<N, S>) -> bool {
        self.post.post(to, (self.index, letter));
        self.flush()
    }
}
