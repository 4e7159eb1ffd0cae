//! Socket.IO sessions from outside: whole conversations, attachments, the clock, and each rule broken once.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a moment can only be had from the clock")]

use codec::socketio::{Malformed, Packet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::engineio::{self, Binary, Voice};
use transports::socketio::{Event, Head, Limits, Session, Violation};
use transports::ws;

/// A client over polling, so that what is said can be read without frames.
struct Client {
    session: Session,
    below: engineio::Session,
    now: Instant,
}

impl Client {
    fn new() -> Self {
        let now = Instant::now();
        let limits = Limits { assembly_bytes_max: 200, ..Limits::of(&["/", "/devices"]) };
        let below = engineio::Session::polling(Arc::new(engineio::Limits::default()), "s", now);
        let mut client = Self { session: Session::new(Arc::new(limits), now), below, now };
        assert!(client.said().starts_with("0{"));
        client
    }

    /// A client that is in `/devices`.
    fn connected() -> Self {
        let mut client = Self::new();
        let Ok(Some(Event::Connect { namespace, .. })) = client.hear("0/devices,{}") else {
            panic!("it may ask")
        };
        assert_eq!(namespace, "/devices");
        client.speak(|session, voice| session.accept("/devices", "x1", voice));
        assert_eq!(client.said(), r#"40/devices,{"sid":"x1"}"#);
        client
    }

    fn speak<T>(&mut self, order: impl FnOnce(&mut Session, &mut Voice<'_>) -> T) -> T {
        let mut out = Vec::new();
        let spoken = order(&mut self.session, &mut Voice { session: &mut self.below, out: &mut out });
        assert!(out.is_empty());
        spoken
    }

    fn hear<'b>(&mut self, message: &'b str) -> Result<Option<Event<'b>>, Violation> {
        self.speak(|session, voice| session.hear_text(message, voice))
    }

    /// What was said since.
    fn said(&mut self) -> String {
        self.below.poll(self.now).unwrap();
        let said = self.below.take_answer();
        if said.is_none() {
            assert_eq!(self.below.poll_aborted(), Err(engineio::Violation::PollAborted));
        }
        String::from_utf8(said.unwrap_or_default()).unwrap()
    }
}

#[test]
fn a_namespace_is_asked_for_and_given() {
    let mut client = Client::new();
    let asked = client.hear(r#"0/devices,{"apiKey":"k"}"#).unwrap().unwrap();
    assert!(client.session.owes_answer() && client.session.next_timeout().is_none());
    let Event::Connect { namespace, auth } = &asked else { panic!("{asked:?}") };
    assert_eq!((*namespace, auth.unwrap().as_str()), ("/devices", r#"{"apiKey":"k"}"#));
    assert!(!format!("{asked:?}").contains("apiKey"), "keys are not shown");
    client.speak(|session, voice| session.accept("/devices", "x1", voice));
    assert!(client.session.is_connected("/devices") && !client.session.is_connected("/"));
    assert!(!client.session.owes_answer());
    assert_eq!(client.said(), r#"40/devices,{"sid":"x1"}"#);
}

#[test]
fn a_namespace_may_be_refused_and_asked_for_again() {
    let mut client = Client::new();
    client.hear("0/devices,{}").unwrap();
    client.speak(|session, voice| {
        session.refuse("/devices", &[br#"{"message":"no","data":"#, b"{}", b"}"], voice)
    });
    assert_eq!(client.said(), r#"44/devices,{"message":"no","data":{}}"#);
    assert!(!client.session.is_connected("/devices"));
    assert!(matches!(client.hear("0/devices,{}"), Ok(Some(Event::Connect { .. }))));
}

#[test]
fn a_namespace_that_there_is_not_is_refused_readably() {
    let mut client = Client::new();
    assert_eq!(client.hear("0/random"), Ok(None));
    assert_eq!(client.said(), r#"44/random,{"message":"Invalid namespace"}"#);
}

#[test]
fn events_go_both_ways_with_and_without_acknowledgement() {
    let mut client = Client::connected();
    let Ok(Some(Event::Event(event))) = client.hear(r#"2/devices,7["trigger",{"v":1}]"#) else {
        panic!("an event")
    };
    assert_eq!((event.id, event.call.list()), (Some(7), r#"{"v":1}"#));
    let head = Head::plain("/devices");
    client.speak(|session, voice| session.acknowledge(head, 7, &[b"1"], voice));
    assert_eq!(client.said(), "43/devices,7[1]");
    client.speak(|session, voice| session.emit(head, Some(1), "command", &[b"{", b"}"], voice));
    assert_eq!(client.said(), r#"42/devices,1["command",{}]"#);
    let Ok(Some(Event::Ack(ack))) = client.hear("3/devices,1[2]") else { panic!("an acknowledgement") };
    assert_eq!((ack.id, ack.arguments.list()), (1, "2"));
}

#[test]
fn attachments_are_waited_for() {
    let mut client = Client::connected();
    let text = r#"52-/devices,3["image",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    assert_eq!(client.hear(text), Ok(None));
    assert_eq!(client.session.hear_binary(Binary::Raw(&[1, 2])), Ok(None));
    let base64 = engineio::Base64::new("Aw==").unwrap();
    let Ok(Some(Event::Assembled(whole))) = client.session.hear_binary(Binary::Spelled(base64)) else {
        panic!("both are here")
    };
    assert_eq!(whole.attachments(), [vec![1, 2], vec![3]]);
    let Some(Packet::Event(event)) = whole.packet() else { panic!("it is an event") };
    assert_eq!((event.id, event.attachments), (Some(3), 2));
    assert!(matches!(client.hear(r#"2/devices,["next"]"#), Ok(Some(Event::Event(_)))));
}

#[test]
fn leaving_one_namespace_leaves_the_others() {
    let mut client = Client::connected();
    client.hear("0").unwrap();
    client.speak(|session, voice| session.accept("/", "x2", voice));
    assert_eq!(client.hear("1/devices,"), Ok(Some(Event::Disconnect { namespace: "/devices" })));
    let now = client.now;
    client.speak(|session, _| session.disconnect("/devices", None, now));
    assert_eq!(client.hear(r#"2/devices,["a"]"#), Err(Violation::NotConnected));
    assert!(matches!(client.hear(r#"2["a"]"#), Ok(Some(Event::Event(_)))));
    client.said();
    client.speak(|session, voice| session.disconnect("/", Some(voice), now));
    assert_eq!(client.said(), "41");
    assert_eq!(client.session.next_timeout(), Some(now + Duration::from_secs(20)), "it may ask again");
}

#[test]
fn a_client_must_ask_for_a_namespace_in_time() {
    let mut client = Client::new();
    let until = client.session.next_timeout().unwrap();
    assert_eq!(client.session.handle_timeout(until - Duration::from_millis(1)), Ok(()));
    assert_eq!(client.session.handle_timeout(until), Err(Violation::ConnectTimeout));
    let mut client = Client::connected();
    assert_eq!(client.session.next_timeout(), None);
    assert_eq!(client.session.handle_timeout(until + Duration::from_secs(60)), Ok(()));
}

#[test]
fn a_client_asks_for_few_namespaces() {
    let mut client = Client::new();
    for _ in 0..4 {
        assert_eq!(client.hear("0/random"), Ok(None));
    }
    assert_eq!(client.hear("0/devices,{}"), Err(Violation::TooManyConnects));
}

#[test]
fn a_namespace_is_asked_for_once() {
    let mut client = Client::new();
    client.hear("0/devices,{}").unwrap();
    assert_eq!(client.hear("0/devices,{}"), Err(Violation::ConnectTwice));
    let mut client = Client::connected();
    assert_eq!(client.hear("0/devices,{}"), Err(Violation::ConnectTwice));
}

#[test]
fn nothing_is_said_where_one_is_not_connected() {
    for message in [r#"2/devices,["a"]"#, r#"2["a"]"#, "1/devices,", "3/devices,1[]", r#"51-/x,["a"]"#] {
        assert_eq!(Client::new().hear(message), Err(Violation::NotConnected), "{message}");
    }
    let mut asked = Client::new();
    asked.hear("0/devices,{}").unwrap();
    assert_eq!(asked.hear(r#"2/devices,["a"]"#), Err(Violation::NotConnected));
}

#[test]
fn a_client_does_not_refuse() {
    assert_eq!(Client::connected().hear("4/devices,{}"), Err(Violation::ConnectErrorFromClient));
}

#[test]
fn attachments_and_texts_do_not_mix() {
    let mut client = Client::connected();
    assert_eq!(client.session.hear_binary(Binary::Raw(b"x")), Err(Violation::AttachmentOfNothing));
    let mut client = Client::connected();
    client.hear(r#"51-/devices,["a",{"_placeholder":true,"num":0}]"#).unwrap();
    assert_eq!(client.hear(r#"2/devices,["b"]"#), Err(Violation::AttachmentMissing));
}

#[test]
fn attachments_are_bounded_together() {
    let mut client = Client::connected();
    client.hear(r#"52-/devices,["a"]"#).unwrap();
    assert_eq!(client.session.hear_binary(Binary::Raw(&[0; 100])), Ok(None));
    assert_eq!(client.session.hear_binary(Binary::Raw(&[0; 100])), Err(Violation::AssemblyTooBig));
}

#[test]
fn malformed_packets_are_told_by_their_rule() {
    for (message, malformed) in [
        ("", Malformed::Empty),
        ("abc", Malformed::Kind),
        ("2", Malformed::PayloadMissing),
        ("2/devices,", Malformed::PayloadMissing),
        ("31", Malformed::PayloadMissing),
        ("2{}", Malformed::PayloadKind),
        (r#"2["connect"]"#, Malformed::ReservedName),
        (r#"511-["a"]"#, Malformed::TooManyAttachments),
        (r#"51-["a",{"_placeholder":true,"num":"splice"}]"#, Malformed::Placeholder),
    ] {
        assert_eq!(Client::connected().hear(message), Err(Violation::Malformed(malformed)), "{message}");
    }
}

#[test]
fn an_idle_client_is_small() {
    assert!(size_of::<Session>() <= 32, "{}", size_of::<Session>());
    assert!(size_of::<ws::Session>() <= 64, "{}", size_of::<ws::Session>());
    assert!(size_of::<engineio::Session>() <= 40, "{}", size_of::<engineio::Session>());
}
