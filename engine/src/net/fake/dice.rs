//! The dice of the fake kernel, and the faults that are thrown with them.
//!
//! Everything random in a simulation comes from one [`Dice`], so that a run is a pure function of its seed. Never
//! cryptographic, never used over the real kernel.

/// A small seeded generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Equal seeds throw equal sequences; zero is a seed like any other.
    pub fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        debug_assert!(bound > 0);
        self.roll() % bound
    }

    /// True `per_mille` times out of a thousand. Throws nothing when the chance is zero.
    pub fn chance(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }
}

/// Chances of faults, in per mille of the operations concerned. Zero switches a fault off.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Faults {
    /// A read returns a part of what is there; an event for the rest follows.
    pub short_read: u16,
    /// A write takes a part of what there is room for; an event for more room follows.
    pub short_write: u16,
    /// A read or write that could proceed would block; an event follows.
    pub would_block: u16,
    /// A poll reports readiness that is not there.
    pub spurious: u16,
    /// A read or write finds the connection reset by the network.
    pub reset: u16,
    /// A read finds that the peer's direction was ended with FIN, as middleboxes do; the peer can send no more.
    pub half_close: u16,
    /// An accept fails.
    pub accept_fails: u16,
    /// An event is held back until a later poll.
    pub delay: u16,
}

impl Faults {
    /// A calm network.
    pub const NONE: Faults = Faults {
        short_read: 0,
        short_write: 0,
        would_block: 0,
        spurious: 0,
        reset: 0,
        half_close: 0,
        accept_fails: 0,
        delay: 0,
    };

    /// A swarm: the dice decide which faults exist at all, and how often each strikes. `lossy` allows those by which a
    /// connection dies (resets and injected FINs).
    pub fn swarm(dice: &mut Dice, lossy: bool) -> Faults {
        let mut pick = |most: u64| match dice.below(2) {
            0 => 0,
            _ => 1 + dice.below(most) as u16,
        };
        let faults = Faults {
            short_read: pick(500),
            short_write: pick(500),
            would_block: pick(400),
            spurious: pick(400),
            accept_fails: pick(300),
            delay: pick(600),
            reset: pick(5),
            half_close: pick(5),
        };
        if lossy { faults } else { Faults { reset: 0, half_close: 0, ..faults } }
    }
}
