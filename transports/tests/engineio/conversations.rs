//! What happens between a client and a session that both keep the rules.

use crate::{INTERVAL, SID, TIMEOUT, frames, limits, polling, post, say, texts, websocket};
use std::time::{Duration, Instant};
use transports::engineio::{Event, Session, Violation, Voice};

#[test]
fn opens_over_polling_with_the_five_members() {
    let now = Instant::now();
    let mut session = Session::polling(limits(), SID, now);
    assert_eq!(session.take_answer(), None, "nobody polls yet");
    session.poll(now).unwrap();
    let open = r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1114112}"#;
    assert_eq!(session.take_answer().unwrap(), open.as_bytes());
}

#[test]
fn opens_over_a_websocket_without_an_upgrade() {
    let mut out = Vec::new();
    Session::websocket(limits(), SID, &mut out, Instant::now());
    let open = r#"0{"sid":"abc","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1114112}"#;
    assert_eq!(texts(&out), [open]);
}

#[test]
fn a_poll_waits_for_words_and_words_wait_for_a_poll() {
    let now = Instant::now();
    let (mut session, mut none) = (polling(now), Vec::new());
    session.poll(now).unwrap();
    assert_eq!(session.take_answer(), None);
    say(&mut session, &mut none, "one");
    assert_eq!(session.take_answer().unwrap(), b"4one");
    say(&mut session, &mut none, "two");
    Voice { session: &mut session, out: &mut none }.binary(&[1, 2, 3, 4]);
    assert_eq!(session.take_answer(), None);
    session.poll(now).unwrap();
    assert_eq!(session.take_answer().unwrap(), b"4two\x1ebAQIDBA==");
    assert!(none.is_empty(), "words of polling go to no connection");
}

#[test]
fn hears_every_packet_of_a_post() {
    let now = Instant::now();
    let mut session = polling(now);
    let heard = post(&mut session, b"4a\x1ebAQIDBA==\x1e3\x1e6\x1e4b", now).unwrap();
    assert_eq!(heard, ["a", "[1, 2, 3, 4]", "b"]);
}

#[test]
fn pings_when_it_is_time_and_again_after_the_pong() {
    let start = Instant::now();
    let (mut session, mut none) = (polling(start), Vec::new());
    let mut due = start + INTERVAL;
    for _ in 0..3 {
        assert_eq!(session.next_timeout(), Some(due));
        session.poll(due).unwrap();
        session.handle_timeout(&mut none, due - Duration::from_millis(1)).unwrap();
        assert_eq!(session.take_answer(), None);
        let late = due + Duration::from_millis(90);
        session.handle_timeout(&mut none, late).unwrap();
        assert_eq!(session.take_answer().unwrap(), b"2");
        assert_eq!(session.next_timeout(), Some(due + TIMEOUT), "a late timer gives no more time");
        post(&mut session, b"3", late).unwrap();
        due = late + INTERVAL;
    }
}

#[test]
fn is_over_when_the_pong_is_missed_by_the_timer_or_by_a_poll() {
    let start = Instant::now();
    let dead = start + INTERVAL + TIMEOUT;
    let (mut session, mut out) = (websocket(start), Vec::new());
    session.handle_timeout(&mut out, start + INTERVAL).unwrap();
    assert_eq!(texts(&out), ["2"]);
    assert_eq!(session.hear_text(b"4x", dead - Duration::from_millis(1)), Ok(Some(Event::Text("x"))));
    assert_eq!(session.handle_timeout(&mut out, dead), Err(Violation::PingTimeout));
    assert!(session.is_over() && session.next_timeout().is_none());
    let mut session = polling(start);
    assert_eq!(session.poll(dead), Err(Violation::PingTimeout));
    assert!(session.is_over());
}

#[test]
fn a_pong_that_waited_unread_is_not_missed() {
    let (start, mut out) = (Instant::now(), Vec::new());
    let dead = start + INTERVAL + TIMEOUT;
    // Read late, but before the timer rang: the pong stands behind another word.
    let mut session = websocket(start);
    session.handle_timeout(&mut out, start + INTERVAL).unwrap();
    assert_eq!(session.hear_text(b"4x", dead), Ok(Some(Event::Text("x"))));
    assert_eq!(session.hear_text(b"3", dead), Ok(None));
    assert_eq!(session.next_timeout(), Some(dead + INTERVAL));
    // Nothing could be read when the timer rang.
    let mut session = websocket(start);
    session.handle_timeout(&mut out, start + INTERVAL).unwrap();
    session.excuse_silence(start + INTERVAL);
    assert_eq!(session.next_timeout(), Some(dead), "there is nothing to excuse yet");
    session.excuse_silence(dead);
    session.handle_timeout(&mut out, dead).unwrap();
    assert_eq!(session.next_timeout(), Some(dead + TIMEOUT));
    assert_eq!(session.handle_timeout(&mut out, dead + TIMEOUT), Err(Violation::PingTimeout));
}

#[test]
fn a_probe_ends_the_poll_and_what_waited_goes_over_the_websocket() {
    let now = Instant::now();
    let (mut session, mut out) = (polling(now), Vec::new());
    session.poll(now).unwrap();
    assert!(session.begin_probe(now));
    assert!(!session.begin_probe(now), "a second one is closed alone");
    assert_eq!(session.take_answer(), None, "the probe has not been answered");
    assert_eq!(session.hear_probe(b"2probe", &mut out, now), Ok(None));
    assert_eq!(texts(&out), ["3probe"]);
    assert_eq!(session.take_answer().unwrap(), b"6");
    session.poll(now).unwrap();
    assert_eq!(session.take_answer().unwrap(), b"6", "a later poll is ended too");
    say(&mut session, &mut Vec::new(), "waits");
    Voice { session: &mut session, out: &mut Vec::new() }.binary(b"\x01\x02");
    out.clear();
    assert_eq!(session.hear_probe(b"5", &mut out, now), Ok(Some(Event::Upgraded)));
    assert_eq!(frames(&out), [(true, b"4waits".to_vec()), (false, vec![1, 2])]);
    assert!(session.is_websocket() && !session.begin_probe(now));
    assert_eq!(session.poll(now), Err(Violation::Unexpected));
    out.clear();
    say(&mut session, &mut out, "now");
    assert_eq!(texts(&out), ["4now"]);
    assert_eq!(session.hear_text(b"4here", now), Ok(Some(Event::Text("here"))));
}

#[test]
fn last_words_in_the_middle_of_an_upgrade_go_the_way_the_client_listens() {
    let now = Instant::now();
    let upgrading = || {
        let (mut session, mut out) = (polling(now), Vec::new());
        assert!(session.begin_probe(now));
        assert_eq!(session.hear_probe(b"2probe", &mut out, now), Ok(None));
        say(&mut session, &mut Vec::new(), "refused");
        session.close_without_a_word(now);
        session
    };
    assert!(!upgrading().hears() && !upgrading().is_over());
    let (mut session, mut out) = (upgrading(), Vec::new());
    assert_eq!(session.hear_probe(b"5", &mut out, now), Ok(Some(Event::Closed)));
    assert_eq!(texts(&out), ["4refused"]);
    assert!(session.is_over());
    let mut session = upgrading();
    session.poll(now).unwrap();
    assert_eq!(session.take_answer().unwrap(), b"4refused", "it still polls");
    assert!(session.is_over());
    let (mut session, mut out) = (polling(now), Vec::new());
    assert!(session.begin_probe(now));
    say(&mut session, &mut Vec::new(), "refused");
    session.close_without_a_word(now);
    assert!(!session.is_probing(), "a client that has heard no answer polls on");
    assert!(session.hear_probe(b"2probe", &mut out, now).is_err() && out.is_empty());
}

#[test]
fn a_lost_session_says_what_waited_and_no_close_packet() {
    let now = Instant::now();
    let mut idle = polling(now);
    idle.poll(now).unwrap();
    idle.lose(now);
    assert!(idle.is_over() && idle.take_answer().is_none(), "the poll is the tenant's to refuse");
    let mut upgrading = polling(now);
    assert!(upgrading.begin_probe(now));
    assert_eq!(upgrading.hear_probe(b"2probe", &mut Vec::new(), now), Ok(None));
    upgrading.lose(now);
    assert_eq!(upgrading.hear_probe(b"5", &mut Vec::new(), now), Ok(Some(Event::Closed)));
    let mut busy = polling(now);
    say(&mut busy, &mut Vec::new(), "last");
    busy.lose(now);
    busy.poll(now).unwrap();
    assert_eq!(busy.take_answer().unwrap(), b"4last");
    assert!(busy.is_over());
}

#[test]
fn a_probe_that_never_ends_is_given_up_and_polling_goes_on() {
    let now = Instant::now();
    let (mut session, mut none) = (polling(now), Vec::new());
    assert!(session.begin_probe(now));
    session.hear_probe(b"2probe", &mut none, now).unwrap();
    // It answers pings over polling all the while.
    for tenths in 1..=100 {
        let now = now + Duration::from_millis(100) * tenths;
        session.handle_timeout(&mut none, now).unwrap();
        post(&mut session, b"3", now).unwrap();
        assert_eq!(session.is_probing(), tenths < 100, "{tenths}");
    }
    assert!(session.begin_probe(now + Duration::from_secs(10)));
    session.probe_gone(now);
    assert!(!session.is_probing() && !session.is_over());
}

#[test]
fn a_client_that_stopped_polling_for_an_upgrade_that_broke_off_is_pinged_at_once() {
    let now = Instant::now();
    let broke = now + Duration::from_secs(1);
    let (mut session, mut none) = (polling(now), Vec::new());
    assert!(session.begin_probe(now));
    session.probe_gone(broke);
    assert_eq!(session.next_timeout(), Some(now + INTERVAL), "it had not stopped: nothing is asked");
    assert!(session.begin_probe(now));
    session.hear_probe(b"2probe", &mut none, now).unwrap();
    session.poll(now).unwrap();
    assert_eq!(session.take_answer().unwrap(), b"6");
    session.probe_gone(broke);
    assert_eq!(session.next_timeout(), Some(broke + TIMEOUT));
    session.poll(broke).unwrap();
    assert_eq!(session.take_answer().unwrap(), b"2");
    post(&mut session, b"3", broke).unwrap();
    assert_eq!(session.next_timeout(), Some(broke + INTERVAL), "it is there, and polls on");
}

#[test]
fn the_client_closes() {
    let now = Instant::now();
    let mut session = polling(now);
    session.poll(now).unwrap();
    assert_eq!(post(&mut session, b"1", now).unwrap(), ["closed"]);
    assert_eq!(session.take_answer().unwrap(), b"6");
    assert!(session.is_over());
    assert_eq!(session.poll(now), Err(Violation::Unexpected));
    let mut session = websocket(now);
    assert_eq!(session.hear_text(b"1", now), Ok(Some(Event::Closed)));
    assert!(session.is_over());
}

#[test]
fn our_last_words_wait_for_a_poll_but_not_for_ever() {
    let now = Instant::now();
    let (mut session, mut none) = (polling(now), Vec::new());
    say(&mut session, &mut none, "bye");
    session.close(now);
    assert_eq!(post(&mut session, b"4x", now), Err(Violation::Unexpected), "nothing more is heard");
    say(&mut session, &mut none, "too late");
    session.poll(now).unwrap();
    assert_eq!(session.take_answer().unwrap(), b"4bye\x1e1");
    assert!(session.is_over());

    let mut session = polling(now);
    say(&mut session, &mut none, "for good");
    session.close_without_a_word(now);
    session.poll(now).unwrap();
    assert_eq!(session.take_answer().unwrap(), b"4for good");
    assert!(session.is_over());

    let mut session = polling(now);
    session.close(now);
    let until = session.next_timeout().unwrap();
    session.handle_timeout(&mut none, until).unwrap();
    assert!(session.is_over() && until <= now + Duration::from_secs(10));
}

#[test]
fn is_choked_while_more_waits_than_may() {
    let now = Instant::now();
    let (mut session, mut none) = (polling(now), Vec::new());
    say(&mut session, &mut none, &"x".repeat(101));
    assert!(session.is_choked());
    session.poll(now).unwrap();
    assert!(session.take_answer().is_some() && !session.is_choked());
}
