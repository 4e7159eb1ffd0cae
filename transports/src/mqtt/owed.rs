//! Acknowledgements that we owe to the peer, in the order in which its messages arrived.
//!
//! Owns the rule of order: the receiver "MUST send PUBACK packets in the order in which the corresponding PUBLISH
//! packets were received (QoS 1 messages)" [MQTT-4.6.0-2], and PUBREC packets likewise [MQTT-4.6.0-3]. The tenant may
//! speak in any order; a word that comes early waits for those before it. It never decides that something is
//! acknowledged.
//!
//! ```text
//!   arrived:        7     8     9                    first = number of 7
//!   tenant says:          8              -> nothing is written
//!   tenant says:    7                    -> PUBACK 7, PUBACK 8
//!   left:                       9        first = number of 9
//! ```

use super::few::Few;
use codec::mqtt::{PacketId, encode_puback, encode_pubrec};

/// What the tenant hands back to [`Session::acknowledge`](super::Session::acknowledge) once it has taken over an
/// arrived message.
///
/// It is good for one word to the session which gave it; anything else said with it is ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Receipt {
    number: u32,
    id: PacketId,
}

impl Receipt {
    /// The packet identifier of the message it stands for.
    pub fn id(self) -> PacketId {
        self.id
    }
}

/// How an arrived message is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// QoS 1 (3.4).
    PubAck,
    /// QoS 2 (3.5).
    PubRec,
}

#[derive(Clone, Copy, Debug)]
struct Debt {
    id: PacketId,
    answer: Answer,
    /// The tenant has said its word.
    spoken: bool,
}

/// The queue of debts; `first` is the number of its oldest.
#[derive(Debug)]
pub(super) struct Owed {
    first: u32,
    debts: Few<Debt, 3>,
}

impl Owed {
    pub(super) fn new() -> Self {
        Self { first: 0, debts: Few::None }
    }

    /// Acknowledgements not yet written.
    pub(super) fn len(&self) -> usize {
        self.debts.len()
    }

    /// A message arrived that the tenant has to speak about.
    pub(super) fn owe(&mut self, id: PacketId, answer: Answer) -> Receipt {
        let number = self.first.wrapping_add(self.debts.len() as u32);
        self.debts.push(Debt { id, answer, spoken: false });
        Receipt { number, id }
    }

    /// A message arrived again about which the tenant has spoken before: only its turn is waited for.
    pub(super) fn owe_again(&mut self, id: PacketId, answer: Answer) {
        self.debts.push(Debt { id, answer, spoken: true });
    }

    /// The tenant's word. Says how the message will be acknowledged, or `None` when this receipt is owed no more.
    pub(super) fn speak(&mut self, receipt: Receipt) -> Option<Answer> {
        let place = receipt.number.wrapping_sub(self.first) as usize;
        let debt = self.debts.as_mut_slice().get_mut(place)?;
        if debt.id != receipt.id || debt.spoken {
            return None;
        }
        debt.spoken = true;
        Some(debt.answer)
    }

    /// Writes every acknowledgement whose turn has come.
    pub(super) fn write_due(&mut self, out: &mut Vec<u8>) {
        let mut due = 0_u32;
        for debt in self.debts.as_slice().iter().take_while(|debt| debt.spoken) {
            match debt.answer {
                Answer::PubAck => encode_puback(out, debt.id),
                Answer::PubRec => encode_pubrec(out, debt.id),
            }
            due += 1;
        }
        self.debts.drop_front(due as usize);
        self.first = self.first.wrapping_add(due);
    }

    pub(super) fn check_invariants(&self) {
        let oldest = self.debts.as_slice().first();
        debug_assert!(oldest.is_none_or(|debt| !debt.spoken), "nothing that is due is held back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn an_early_word_waits_for_those_before_it() {
        let mut owed = Owed::new();
        let mut out = Vec::new();
        let seven = owed.owe(id(7), Answer::PubAck);
        let eight = owed.owe(id(8), Answer::PubRec);
        let nine = owed.owe(id(9), Answer::PubAck);
        assert_eq!(owed.speak(eight), Some(Answer::PubRec));
        owed.write_due(&mut out);
        assert_eq!((out.len(), owed.len()), (0, 3));
        assert_eq!(owed.speak(seven), Some(Answer::PubAck));
        owed.write_due(&mut out);
        assert_eq!((&out[..], owed.len()), (&[0x40, 2, 0, 7, 0x50, 2, 0, 8][..], 1));
        assert_eq!(owed.speak(nine), Some(Answer::PubAck));
    }

    #[test]
    fn a_second_word_for_one_receipt_is_ignored() {
        let mut owed = Owed::new();
        let one = owed.owe(id(1), Answer::PubAck);
        let two = owed.owe(id(2), Answer::PubAck);
        assert!(owed.speak(two).is_some());
        assert_eq!(owed.speak(two), None);
        assert!(owed.speak(one).is_some());
        owed.write_due(&mut Vec::new());
        assert_eq!((owed.speak(one), owed.speak(two), owed.len()), (None, None, 0));
    }

    #[test]
    fn a_receipt_of_another_session_is_ignored() {
        let mut other = Owed::new();
        let foreign = other.owe(id(5), Answer::PubAck);
        let mut owed = Owed::new();
        owed.owe(id(6), Answer::PubAck);
        assert_eq!(owed.speak(foreign), None);
    }

    #[test]
    fn numbers_may_wrap() {
        let mut owed = Owed { first: u32::MAX, debts: Few::None };
        let receipts = [1, 2, 3, 4].map(|value| owed.owe(id(value), Answer::PubAck));
        let mut out = Vec::new();
        for receipt in receipts {
            assert!(owed.speak(receipt).is_some());
            owed.write_due(&mut out);
        }
        assert_eq!((owed.first, owed.len(), out.len()), (3, 0, 16));
    }
}
