//! Triggers that are on their way to the store: held until it says that they are kept.
//!
//! Owns the one rule that must not be broken: the PUBACK, and behind it `trigger_ack`, leave only after the store has
//! answered. When the device has left meanwhile there is nobody to acknowledge to; the trigger is kept all the same.

use crate::device::notice::{Notice, TriggerId};
use crate::metrics::TriggerOutcome;
use crate::shard::{Cx, Shard};
use crate::store::mail::FromStore;
use engine::Key;
use transports::mqtt::Receipt;

/// A trigger whose `Kept` is awaited.
#[derive(Debug)]
pub struct Held {
    /// The connection it came on.
    pub conn: Key,
    /// The device's row.
    pub device: Key,
    /// The acknowledgement that is owed; none at QoS 0.
    pub receipt: Option<Receipt>,
    /// What `trigger_ack` will name.
    pub id: TriggerId,
    /// It came before: it is acknowledged again, and was not kept again.
    pub repeat: bool,
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
            FromStore::Counted { reader, counters } => self.store_counted(cx, reader, &counters),
        }
    }

    fn kept(&mut self, cx: &mut Cx<'_>, ticket: Key) {
        let Some(held) = self.held.remove(ticket) else {
            debug_assert!(false, "each Keep is answered once");
            return;
        };
        self.counters.trigger(if held.repeat { TriggerOutcome::Duplicate } else { TriggerOutcome::Kept });
        let Some(row) = self.devices.get_mut(held.device) else { return };
        if let Some(talk) = row.talk.as_mut() {
            talk.held = talk.held.saturating_sub(1);
        }
        if !row.is_seated(held.conn) {
            return;
        }
        cx.resume(held.conn);
        // The notice is queued first: it is said when the acknowledgement is out and nothing more is owed.
        self.queue_notice(held.device, Notice::TriggerKept(held.id));
        self.acknowledge(cx, held.conn, held.receipt);
        self.speak(cx, held.device);
    }
}
