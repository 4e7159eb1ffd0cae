//! What the tests of the loop share: a tenant that notes every call and does as each test says, and a house of cores on
//! the fake kernel that is turned by hand.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::time::{Duration, Instant};

use engine::net::fake::{Client, ClientRead, FakeNet, Kernel};
use engine::{Close, Core, Cx, Key, Limits, Opened, Outside, Service, Turn, Verdict, Wiring};

/// What was called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    Opened(Key),
    Received(Key, Vec<u8>),
    Adopted(Key, &'static str),
    Mail(usize, u32),
    Due(Key),
    Rang(u32),
    Drained(Key),
    Closed(Key, Close),
    Drain,
}

type OnReceived = Box<dyn FnMut(&mut Cx<'_, Probe>, Key, &mut [u8]) -> Verdict<&'static str>>;
type OnCall = Box<dyn FnMut(&mut Cx<'_, Probe>, &Call)>;

/// The noting tenant. Unless told otherwise it consumes everything and says nothing.
pub struct Probe {
    pub calls: Vec<Call>,
    pub on_received: OnReceived,
    pub on_call: OnCall,
    /// In a graceful stop: when it has nothing of its own left to wait for.
    pub waits_until: Option<Instant>,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe {
            calls: Vec::new(),
            on_received: Box::new(|_, _, bytes| Verdict::Continue { consumed: bytes.len() }),
            on_call: Box::new(|_, _| ()),
            waits_until: None,
        }
    }
}

impl Probe {
    fn note(&mut self, cx: &mut Cx<'_, Probe>, call: Call) {
        (self.on_call)(cx, &call);
        self.calls.push(call);
    }

    /// The connections opened or adopted, in that order.
    pub fn conns(&self) -> Vec<Key> {
        let seated = |call: &Call| match call {
            Call::Opened(key) | Call::Adopted(key, _) => Some(*key),
            _ => None,
        };
        self.calls.iter().filter_map(seated).collect()
    }

    /// Every byte received, in order.
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = |call: &Call| match call {
            Call::Received(_, bytes) => bytes.clone(),
            _ => Vec::new(),
        };
        self.calls.iter().flat_map(bytes).collect()
    }

    pub fn closes(&self) -> Vec<(Key, Close)> {
        let closed = |call: &Call| match call {
            Call::Closed(key, close) => Some((*key, *close)),
            _ => None,
        };
        self.calls.iter().filter_map(closed).collect()
    }
}

impl Service for Probe {
    type Mail = u32;
    type Baggage = &'static str;
    type Token = u32;

    fn opened(&mut self, cx: &mut Cx<'_, Self>, conn: Key, _: Opened) {
        self.note(cx, Call::Opened(conn));
    }
    fn received(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<&'static str> {
        assert!(!bytes.is_empty(), "an offer has bytes in it");
        self.note(cx, Call::Received(conn, bytes.to_vec()));
        (self.on_received)(cx, conn, bytes)
    }
    fn adopted(&mut self, cx: &mut Cx<'_, Self>, conn: Key, _: Opened, baggage: &'static str) {
        self.note(cx, Call::Adopted(conn, baggage));
    }
    fn mail(&mut self, cx: &mut Cx<'_, Self>, from: usize, mail: u32) {
        self.note(cx, Call::Mail(from, mail));
    }
    fn due(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        self.note(cx, Call::Due(conn));
    }
    fn rang(&mut self, cx: &mut Cx<'_, Self>, token: u32) {
        self.note(cx, Call::Rang(token));
    }
    fn drained(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        self.note(cx, Call::Drained(conn));
    }
    fn closed(&mut self, cx: &mut Cx<'_, Self>, conn: Key, close: Close) {
        assert!(cx.out(conn).is_none() && !cx.is_open(conn), "a closed key is dead");
        self.note(cx, Call::Closed(conn, close));
    }
    fn drain(&mut self, cx: &mut Cx<'_, Self>) {
        self.note(cx, Call::Drain);
    }
    fn may_stop(&self, now: Instant) -> bool {
        self.waits_until.is_none_or(|until| now >= until)
    }
}

/// Cores with noting tenants on one fake kernel.
pub struct House {
    pub kernel: Kernel,
    pub cores: Vec<Core<FakeNet, Probe>>,
    pub outside: Outside<FakeNet, Probe>,
}

impl House {
    pub fn new(cores: usize) -> House {
        House::with_limits(cores, Limits::default())
    }

    pub fn with_limits(cores: usize, limits: Limits) -> House {
        House::build(Kernel::new(7, cores, 1), cores, limits)
    }

    /// On a kernel that has seen other houses.
    pub fn on(kernel: Kernel, cores: usize) -> House {
        House::build(kernel, cores, Limits::default())
    }

    fn build(kernel: Kernel, cores: usize, limits: Limits) -> House {
        let wiring = Wiring::unslept(cores, 0, 64);
        let build = |core| wiring.core(core, limits, kernel.net(core), Probe::default());
        let cores = (0..cores).map(build).collect();
        House { outside: wiring.outside(), cores, kernel }
    }

    /// The only core's tenant.
    pub fn probe(&mut self) -> &mut Probe {
        &mut self.cores[0].service
    }

    pub fn on_received(
        &mut self,
        act: impl FnMut(&mut Cx<'_, Probe>, Key, &mut [u8]) -> Verdict<&'static str> + 'static,
    ) {
        self.cores[0].service.on_received = Box::new(act);
    }

    pub fn on_call(&mut self, act: impl FnMut(&mut Cx<'_, Probe>, &Call) + 'static) {
        self.cores[0].service.on_call = Box::new(act);
    }

    /// A client that core 0 has accepted, and its key there.
    pub fn client(&mut self) -> (Client, Key) {
        let client = self.kernel.connect_at(0, 0);
        self.cores[0].turn();
        let key = self.probe().conns().last().copied().expect("it was accepted");
        (client, key)
    }

    /// One turn of every core.
    pub fn turn(&mut self) -> Vec<Turn> {
        self.cores.iter_mut().map(Core::turn).collect()
    }

    /// Turns until nothing moves any more: every core would sleep.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            self.turn();
            let busy = |core| self.kernel.asked_to_sleep(core) == Some(Duration::ZERO);
            if !(0..self.cores.len()).any(busy) {
                // What the last turn caused may only show in the next.
                self.turn();
                if !(0..self.cores.len()).any(|core| self.kernel.asked_to_sleep(core) == Some(Duration::ZERO))
                {
                    return;
                }
            }
        }
        panic!("the house does not come to rest");
    }

    /// Lets time pass, with a turn every so often.
    pub fn pass(&mut self, time: Duration) {
        let until = self.kernel.elapsed() + time;
        while self.kernel.elapsed() < until {
            self.kernel.advance(Duration::from_millis(50));
            self.turn();
        }
    }

    pub fn now(&self) -> Instant {
        self.kernel.now()
    }

    /// Says `bytes` to a connection of core 0, from outside a turn.
    pub fn say(&mut self, key: Key, bytes: &[u8]) {
        self.cores[0].outside(|_, cx| cx.out(key).expect("it is open").extend_from_slice(bytes));
    }
}

/// Everything that a client can read now, and how it ended.
pub fn read_all(client: &Client) -> (Vec<u8>, ClientRead) {
    let mut bytes = Vec::new();
    loop {
        match client.read(&mut bytes, usize::MAX) {
            ClientRead::Bytes(_) => {}
            end => return (bytes, end),
        }
    }
}
