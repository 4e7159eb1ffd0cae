//! A client that asks on and does not read: what waits for it has an end, and nothing is forgotten.

use engine::net::fake::{Client, ClientRead, Dice, Kernel};
use sim::house::House;
use sim::swarm::Swarm;

const REQUESTS: usize = 64;
const HTTP: usize = 1;

fn read(client: &Client, into: &mut Vec<u8>) {
    while let ClientRead::Bytes(_) = client.read(into, usize::MAX) {}
}

#[test]
fn who_asks_on_and_does_not_read_is_not_answered_on() {
    let mut dice = Dice::new(1);
    let mut swarm = Swarm::draw(&mut dice);
    (swarm.cores, swarm.engine, swarm.limits) =
        (1, engine::Limits::default(), gateway::limits::Limits::default());
    let kernel = Kernel::new(1, 1, 2);
    kernel.set_pipe_bytes(16 * 1024);
    let mut house = House::new(&swarm, &kernel, &mut dice);
    let client = kernel.connect_at(HTTP, 0);
    let asked = "GET /openapi.json HTTP/1.1\r\nHost: gateway\r\n\r\n".repeat(REQUESTS);
    assert_eq!(client.write(asked.as_bytes()), asked.len());
    for _ in 0..10 {
        house.turn_core(0);
    }
    let answered = |house: &mut House| {
        let text = gateway::metrics::render(house.cores[0].service.counters(), 0);
        let series = "gateway_messages_total{direction=\"out\",transport=\"http\"} ";
        let count = text.lines().find_map(|line| line.strip_prefix(series)).expect("it is counted");
        count.parse::<usize>().expect("a number")
    };
    let mut heard = Vec::new();
    let before = answered(&mut house);
    read(&client, &mut heard);
    let page = String::from_utf8_lossy(&heard);
    let length = page.split("Content-Length: ").nth(1).and_then(|rest| rest.split('\r').next());
    let page_bytes: usize = length.expect("a head").parse().expect("a number");
    assert!(
        before <= (64 * 1024 + 16 * 1024) / page_bytes + 2,
        "{before} answers of {page_bytes} bytes wait"
    );
    for _ in 0..10_000 {
        house.turn_core(0);
        read(&client, &mut heard);
        if answered(&mut house) == REQUESTS {
            return;
        }
    }
    panic!("{} of {REQUESTS} were answered", answered(&mut house));
}
