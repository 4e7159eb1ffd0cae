//! Sequences of raw bytes against the broker, each on a connection of its own: what is sent, what must be answered byte for
//! byte, and whether the connection lives on. Named by what they try; `[MQTT-...]` is the clause that decides.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use support::Server;

/// Longest wait for an answer or an end.
const PATIENCE: Duration = Duration::from_secs(10);
const PING: &str = "c000";
const PONG: &str = "d000";
/// A plain CONNECT, client id `p`, and its answer.
const CONNECT: &str = "100d00044d5154540402000a000170";
const ACCEPTED: &str = "20020000";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Lives,
    Ends,
}

use Then::{Ends, Lives};

/// Name, what is sent, what is answered, what becomes of the connection.
type Sequence = (&'static str, &'static str, &'static str, Then);

/// Before log-in.
const FIRST_PACKETS: &[Sequence] = &[
    ("CONNECT", CONNECT, ACCEPTED, Lives),
    ("CONNECT without client id, clean [MQTT-3.1.3-7]", "100c00044d5154540402000a0000", ACCEPTED, Lives),
    ("CONNECT without client id, not clean [MQTT-3.1.3-8]", "100c00044d5154540400000a0000", "20020002", Ends),
    ("CONNECT of level 3, name of 3.1.1 [MQTT-3.1.2-2]", "100d00044d5154540302000a000170", "20020001", Ends),
    ("CONNECT of level 5 [MQTT-3.1.2-2]", "100e00044d5154540502000a00000170", "20020001", Ends),
    ("CONNECT of level 127", "100d00044d5154547f02000a000170", "20020001", Ends),
    ("CONNECT with a foreign name [MQTT-3.1.2-1]", "100d00044d5154580402000a000170", "", Ends),
    ("CONNECT with an empty name", "10090000 0402000a000170", "", Ends),
    ("CONNECT with the reserved flag [MQTT-3.1.2-3]", "100d00044d5154540403000a000170", "", Ends),
    ("CONNECT with reserved header flags [MQTT-2.2.2-2]", "120d00044d5154540402000a000170", "", Ends),
    ("CONNECT with will QoS 3 [MQTT-3.1.2-14]", "101300044d515454041e000a00017000017400016d", "", Ends),
    ("CONNECT with will QoS but no will [MQTT-3.1.2-13]", "100d00044d515454040a000a000170", "", Ends),
    ("CONNECT with will retain but no will [MQTT-3.1.2-15]", "100d00044d5154540422000a000170", "", Ends),
    ("CONNECT with a will on a wildcard", "101300044d5154540406000a00017000012300016d", "", Ends),
    ("CONNECT with a will on an empty topic", "101200044d5154540406000a000170000000016d", "", Ends),
    ("CONNECT with an empty will message", "101200044d5154540406000a000170000174 0000", ACCEPTED, Lives),
    ("CONNECT with password but no user [MQTT-3.1.2-22]", "101000044d5154540442000a000170000170", "", Ends),
    ("CONNECT with user and password", "101300044d51545404c2000a000170000175000170", ACCEPTED, Lives),
    ("CONNECT with user alone", "101000044d5154540482000a000170000175", ACCEPTED, Lives),
    ("CONNECT with an empty user and password", "101100044d51545404c2000a00017000000000", ACCEPTED, Lives),
    ("CONNECT that lacks its user [MQTT-3.1.2-19]", "100d00044d5154540482000a000170", "", Ends),
    ("CONNECT with surplus bytes", "101000044d5154540402000a000170000175", "", Ends),
    ("CONNECT with U+0000 in the client id [MQTT-1.5.3-2]", "100d00044d5154540402000a000100", "", Ends),
    ("CONNECT with U+001F in the client id (1.5.3)", "100d00044d5154540402000a00011f", "", Ends),
    ("CONNECT with U+009F in the user name (1.5.3)", "101100044d5154540482000a0001700002c29f", "", Ends),
    ("CONNECT with ill-formed UTF-8 [MQTT-1.5.3-1]", "100e00044d5154540402000a0002c0af", "", Ends),
    ("CONNECT with a surrogate [MQTT-1.5.3-1]", "100f00044d5154540402000a0003eda080", "", Ends),
    ("CONNECT with five length bytes", "108080808001", "", Ends),
    ("PINGREQ first [MQTT-3.1.0-1]", PING, "", Ends),
    ("PUBLISH first", "30030001 74", "", Ends),
    ("SUBSCRIBE first", "8206000100017400", "", Ends),
    ("type 0 first", "0000", "", Ends),
    ("type 15 first", "f000", "", Ends),
];

/// Behind an accepted CONNECT.
const LATER_PACKETS: &[Sequence] = &[
    ("second CONNECT [MQTT-3.1.0-2]", CONNECT, "", Ends),
    ("DISCONNECT", "e000", "", Ends),
    ("DISCONNECT with flags [MQTT-3.14.1-1]", "e100", "", Ends),
    ("DISCONNECT with a body", "e00100", "", Ends),
    ("PINGREQ with flags", "c100", "", Ends),
    ("PINGREQ with a body", "c00100", "", Ends),
    ("two PINGREQs", "c000c000", "d000d000", Lives),
    ("CONNACK from a client", ACCEPTED, "", Ends),
    ("SUBACK from a client", "9003000100", "", Ends),
    ("UNSUBACK from a client", "b0020001", "", Ends),
    ("PINGRESP from a client", PONG, "", Ends),
    ("type 0", "0000", "", Ends),
    ("type 15", "f000", "", Ends),
    ("PUBLISH QoS 0", "300400017478", "", Lives),
    ("PUBLISH QoS 0, empty", "3003000174", "", Lives),
    ("PUBLISH QoS 0 with DUP [MQTT-3.3.1-2]", "3803000174", "", Ends),
    ("PUBLISH QoS 0, retained", "310400017278", "", Lives),
    ("PUBLISH QoS 1", "320600017404d278", "400204d2", Lives),
    ("PUBLISH QoS 1 with DUP", "3a0600017404d278", "400204d2", Lives),
    ("PUBLISH QoS 1 with id 0 [MQTT-2.3.1-1]", "3206000174000078", "", Ends),
    ("PUBLISH QoS 1 without id", "3203000174", "", Ends),
    ("PUBLISH QoS 2", "340600017404d278", "500204d2", Lives),
    ("PUBLISH QoS 2 and PUBREL", "340600017404d278620204d2", "500204d2700204d2", Lives),
    ("PUBLISH QoS 2 twice [MQTT-4.3.3-2]", "340600017404d2783c0600017404d278", "500204d2500204d2", Lives),
    ("PUBLISH QoS 3 [MQTT-3.3.1-4]", "360600017404d278", "", Ends),
    ("PUBLISH to an empty topic [MQTT-4.7.3-1]", "3003000078", "", Ends),
    ("PUBLISH to # [MQTT-3.3.2-2]", "3003000123", "", Ends),
    ("PUBLISH to + [MQTT-3.3.2-2]", "300300012b", "", Ends),
    ("PUBLISH to U+0000 [MQTT-1.5.3-2]", "3003000100", "", Ends),
    ("PUBLISH to U+007F (1.5.3)", "300300017f", "", Ends),
    ("PUBLISH to ill-formed UTF-8", "30030001ff", "", Ends),
    ("PUBLISH whose topic is cut", "30030005 74", "", Ends),
    ("PUBLISH without a body", "3000", "", Ends),
    ("PUBACK for nothing", "40020001", "", Lives),
    ("PUBACK with id 0", "40020000", "", Ends),
    ("PUBACK with flags", "42020001", "", Ends),
    ("PUBACK that is cut", "400100", "", Ends),
    ("PUBACK with surplus bytes", "4003000100", "", Ends),
    ("PUBREC for nothing", "50020001", "62020001", Lives),
    ("PUBREC with flags", "52020001", "", Ends),
    ("PUBREC with id 0", "50020000", "", Ends),
    ("PUBREL for nothing [MQTT-4.3.3-2]", "62020001", "70020001", Lives),
    ("PUBREL without flags [MQTT-3.6.1-1]", "60020001", "", Ends),
    ("PUBREL with id 0", "62020000", "", Ends),
    ("PUBCOMP for nothing", "70020001", "", Lives),
    ("PUBCOMP with flags", "72020001", "", Ends),
    ("SUBSCRIBE", "8206000100017400", "9003000100", Lives),
    ("SUBSCRIBE to three", "820e000100016100000162010001 6302", "90050001000102", Lives),
    (
        "SUBSCRIBE to test/nosubscribe",
        "82150001 0010 746573742f6e6f737562736372696265 00",
        "9003000180",
        Lives,
    ),
    ("SUBSCRIBE without flags [MQTT-3.8.1-1]", "8006000100017400", "", Ends),
    ("SUBSCRIBE with id 0", "8206000000017400", "", Ends),
    ("SUBSCRIBE to nothing [MQTT-3.8.3-3]", "82020001", "", Ends),
    ("SUBSCRIBE with QoS 3 [MQTT-3.8.3-4]", "8206000100017403", "", Ends),
    ("SUBSCRIBE with reserved bits [MQTT-3.8.3-4]", "8206000100017484", "", Ends),
    ("SUBSCRIBE without QoS", "82050001000174", "", Ends),
    ("SUBSCRIBE to an empty filter [MQTT-4.7.3-1]", "82050001000000", "", Ends),
    ("SUBSCRIBE to a# [MQTT-4.7.1-2]", "820700010002612300", "", Ends),
    ("SUBSCRIBE to #/a [MQTT-4.7.1-2]", "82080001000323 2f6100", "", Ends),
    ("SUBSCRIBE to a+ [MQTT-4.7.1-3]", "8207000100 02612b00", "", Ends),
    ("UNSUBSCRIBE", "a2050001000174", "b0020001", Lives),
    ("UNSUBSCRIBE without flags [MQTT-3.10.1-1]", "a0050001000174", "", Ends),
    ("UNSUBSCRIBE with id 0", "a2050000000174", "", Ends),
    ("UNSUBSCRIBE from nothing [MQTT-3.10.3-2]", "a2020001", "", Ends),
    ("UNSUBSCRIBE from an empty filter", "a20400010000", "", Ends),
    ("subscribe, hear oneself at QoS 0", "82060001000173023003000173", "90030001023003000173", Lives),
    (
        "subscribe, hear oneself at QoS 1, acknowledge",
        "8206000100017302320600017304d27840020001",
        "9003000102400204d23206000173000178",
        Lives,
    ),
    (
        "subscribe, hear oneself at QoS 2, forwarded when the PUBLISH arrives",
        "8206000100017302340600017304d27850020001620204d270020001",
        "9003000102500204d2340600017300017862020001700204d2",
        Lives,
    ),
    (
        "QoS 2 twice is heard once",
        "8206000100017302340600017304d2783c0600017304d278",
        "9003000102500204d23406000173000178500204d2",
        Lives,
    ),
    (
        "a PUBACK for what was sent at QoS 2 [MQTT-4.3.3-1]",
        "8206000100017302340600017304d27840020001",
        "9003000102500204d23406000173000178",
        Ends,
    ),
    ("retained, then subscribed", "310400016b78 82060001 00016b 00", "9003000100310400016b78", Lives),
    ("a retained one is cleared", "310400016b78 310300016b 82060001 00016b 00", "9003000100", Lives),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

/// Plays a sequence; says what went wrong.
fn play(broker: SocketAddr, sent: &str, answered: &str, then: Then) -> Result<(), String> {
    let mut wire = TcpStream::connect(broker).map_err(|error| error.to_string())?;
    wire.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    // The broker may hang up while we speak: what it said before is what counts.
    let _ = wire.write_all(&bytes(sent));
    let mut wanted = bytes(answered);
    if then == Lives {
        let _ = wire.write_all(&bytes(PING));
        wanted.extend(bytes(PONG));
    }
    let mut heard = vec![0; wanted.len()];
    wire.read_exact(&mut heard).map_err(|error| format!("no whole answer: {error}"))?;
    if heard != wanted {
        return Err(format!("answered {heard:02x?}"));
    }
    if then == Lives {
        return Ok(());
    }
    match wire.read(&mut [0; 16]) {
        Ok(0) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        Ok(more) => Err(format!("{more} more bytes")),
        Err(error) => Err(format!("still open: {error}")),
    }
}

#[test]
fn every_sequence_is_answered_byte_for_byte() {
    let server = Server::start("mqtt", &[]);
    let broker = server.address("mqtt");
    let mut wrong = Vec::new();
    for (name, sent, answered, then) in FIRST_PACKETS {
        if let Err(what) = play(broker, sent, answered, *then) {
            wrong.push(format!("{name}: {what}"));
        }
    }
    for (name, sent, answered, then) in LATER_PACKETS {
        let (sent, answered) = (format!("{CONNECT}{sent}"), format!("{ACCEPTED}{answered}"));
        if let Err(what) = play(broker, &sent, &answered, *then) {
            wrong.push(format!("{name}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
