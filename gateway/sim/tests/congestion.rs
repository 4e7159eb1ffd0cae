//! A Socket.IO device at a core that has too much mail: it waits as long as that is so, and not a turn longer.

use codec::ws::{Data, OpCode, encode_masked};
use engine::net::fake::{Client, ClientRead, Dice, Kernel};
use gateway::limits::Limits;
use sim::house::House;
use sim::swarm::Swarm;

const HTTP: usize = 1;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const UPGRADE: &[u8] =
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const TRIGGER: &[u8] = br#"42/devices,["trigger",{"triggerName":"door","payload":1}]"#;
const BEAT: &[u8] = br#"42/devices,7["heartbeat",{}]"#;
const BEAT_HEARD: &str = "43/devices,7";

/// One core, for which one letter is too much, a store whose box holds one, and a device.
struct Scene {
    kernel: Kernel,
    house: House,
    device: Client,
}

impl Scene {
    fn new(limits: Limits) -> Self {
        let mut dice = Dice::new(1);
        let mut swarm = Swarm::draw(&mut dice);
        (swarm.cores, swarm.letters_max, swarm.limits) = (1, 1, limits);
        swarm.engine = engine::Limits { unposted_letters_mark: 1, ..engine::Limits::default() };
        let kernel = Kernel::new(1, 1, 2);
        let mut house = House::new(&swarm, &kernel, &mut dice);
        let device = connect(&mut house, &kernel);
        say(&device, &[hello("lamp").as_bytes()]);
        for _ in 0..10 {
            house.turn_core(0);
            house.turn_gatekeeper(&kernel);
            house.turn_worker();
            house.turn_writer(&kernel);
        }
        assert!(heard(&device).contains("connected"), "the device is here and described");
        Self { kernel, house, device }
    }

    /// The first trigger fills the store's box, the second waits for it.
    fn congest(&mut self) {
        for _ in 0..2 {
            say(&self.device, &[TRIGGER]);
            self.turns(2);
        }
        assert!(self.is_congested());
    }

    fn is_congested(&mut self) -> bool {
        let mut is = false;
        self.house.cores[0].outside(|_, cx| is = cx.congested());
        is
    }

    /// So many turns of the core and of nobody else.
    fn turns(&mut self, count: usize) {
        (0..count).for_each(|_| self.house.turn_core(0));
    }
}

/// A WebSocket on which nothing of Socket.IO was said.
fn connect(house: &mut House, kernel: &Kernel) -> Client {
    let client = kernel.connect_at(HTTP, 0);
    assert_eq!(client.write(UPGRADE), UPGRADE.len());
    house.turn_core(0);
    client
}

fn hello(device: &str) -> String {
    format!(r#"40/devices,{{"apiKey":"device-ann","agentId":"ann","deviceName":"{device}","commands":[]}}"#)
}

/// Says it all at once.
fn say(client: &Client, words: &[&[u8]]) {
    let mut said = Vec::new();
    for word in words {
        encode_masked(&mut said, true, OpCode::Data(Data::Text), MASK, word);
    }
    assert_eq!(client.write(&said), said.len(), "the pipe has room");
}

/// What it was told since it was asked last.
fn heard(client: &Client) -> String {
    let mut heard = Vec::new();
    while let ClientRead::Bytes(_) = client.read(&mut heard, usize::MAX) {}
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn a_device_whose_last_word_was_one_letter_too_many_is_read_on() {
    let mut scene = Scene::new(Limits::default());
    say(&scene.device, &[TRIGGER]);
    scene.turns(1);
    assert!(!scene.is_congested(), "the letter has found room by the end of the turn");
    say(&scene.device, &[BEAT]);
    scene.turns(2);
    assert!(heard(&scene.device).contains(BEAT_HEARD));
}

#[test]
fn words_behind_it_wait_until_the_mail_has_gone() {
    let mut scene = Scene::new(Limits::default());
    scene.congest();
    say(&scene.device, &[BEAT]);
    scene.turns(20);
    assert!(!heard(&scene.device).contains(BEAT_HEARD), "it would only add to the mail");
    scene.house.turn_writer(&scene.kernel);
    scene.turns(3);
    assert!(!scene.is_congested());
    assert!(heard(&scene.device).contains(BEAT_HEARD), "nothing is forgotten");
}

#[test]
fn words_that_came_with_it_are_heard_when_the_mail_has_gone() {
    let mut scene = Scene::new(Limits::default());
    say(&scene.device, &[TRIGGER, BEAT]);
    scene.turns(1);
    assert!(!heard(&scene.device).contains(BEAT_HEARD), "the trigger was all the mail of this turn");
    scene.turns(2);
    assert!(heard(&scene.device).contains(BEAT_HEARD));
}

#[test]
fn a_stranger_who_gave_way_while_its_words_waited_is_not_admitted() {
    let mut scene = Scene::new(Limits { unidentified_per_core: 1, ..Limits::default() });
    let stranger = connect(&mut scene.house, &scene.kernel);
    scene.congest();
    say(&stranger, &[hello("door").as_bytes()]);
    scene.turns(3);
    assert!(!heard(&stranger).contains("40/devices"), "its words wait");
    let _another = scene.kernel.connect_at(HTTP, 0);
    scene.house.turn_writer(&scene.kernel);
    scene.turns(3);
    assert!(!heard(&stranger).contains("40/devices"));
    assert_eq!(stranger.read(&mut Vec::new(), usize::MAX), ClientRead::Finished);
    let known = scene.house.cores[0].service.devices().iter().any(|(_, row)| &*row.name == "door");
    assert!(!known, "who gave way is nobody");
}
