//! Triggers that are on their way to the store: held until it says that they are kept.
//!
//! Owns the one rule that must not be broken: the PUBACK, and behind it `trigger_ack`, leave only after the store has
//! answered. When the device has left meanwhile there is nobody to acknowledge to; the trigger is kept all the same.

use super::fire::Firing;
use crate::device::notice::{Notice, TriggerId};
use crate::metrics::TriggerOutcome;
use crate::shard::{Cx, Shard};
use crate::store::mail::FromStore;
use engine::Key;
use transports::mqtt::Receipt;

/// A trigger whose `Kept` is awaited.
#[derive(Debug)]
pub struct Held {
    /// The device's row.
    pub device: Key,
    /// What `trigger_ack` will name.
    pub id: TriggerId,
    /// Who waits for it to be kept.
    pub origin: Origin,
}

/// Who fired a trigger.
#[derive(Debug)]
pub enum Origin {
    /// The device itself.
    Device {
        /// The connection it came on.
        conn: Key,
        /// The acknowledgement that is owed; none at QoS 0.
        receipt: Option<Receipt>,
        /// It came before: it is acknowledged again, and was not kept again.
        repeat: bool,
    },
    /// Its agent, in its name.
    Agent(Box<Firing>),
}

impl Shard {
    /// The store writer answers.
    pub(crate) fn stored(&mut self, cx: &mut Cx<'_>, stored: FromStore) {
        match stored {
            FromStore::Kept { ticket, buffer, .. } => {
                self.buffers.give_back(buffer);
                self.kept(cx, ticket);
            }
            FromStore::Fetched { reader, events, gap, next } => self.fetched(cx, reader, &events, gap, next),
            FromStore::Newest { reader, cursor } => self.stream_placed(cx, reader, cursor),
            FromStore::Counted { reader, counters } => self.store_counted(cx, reader, &counters),
        }
    }

    fn kept(&mut self, cx: &mut Cx<'_>, ticket: Key) {
        let Some(held) = self.held.remove(ticket) else {
            debug_assert!(false, "each Keep is answered once");
            return;
        };
        let Held { device, id, origin } = held;
        let (conn, receipt, repeat) = match origin {
            Origin::Agent(firing) => return self.fired(cx, *firing),
            Origin::Device { conn, receipt, repeat } => (conn, receipt, repeat),
        };
        self.counters.trigger(if repeat { TriggerOutcome::Duplicate } else { TriggerOutcome::Kept });
        let Some(row) = self.devices.get_mut(device) else { return };
        if let Some(talk) = row.talk.as_mut() {
            talk.held = talk.held.saturating_sub(1);
        }
        #[cfg(planted)]
        if engine::planted::is("newcomer-not-resumed") && !row.is_seated(conn) {
            return;
        }
        let (seated, is_seated) = (row.seat.as_ref().map(|seat| seat.conn), row.is_seated(conn));
        if let Some(seated) = seated {
            // Whoever sits there now is heard again, also one who came after the trigger: he, too, waited for this.
            self.resume_device(cx, seated);
        }
        if !is_seated {
            return self.devices.hush(device, cx.now());
        }
        // The notice is queued first: it is said when the acknowledgement is out and nothing more is owed.
        self.queue_notice(device, Notice::TriggerKept(id));
        self.acknowledge(cx, conn, receipt);
        self.speak(cx, device);
    }
}
