//! A conversation in HTTP: two sessions hear the same bytes, one at once and one in dribbles, and must understand and say
//! the same. A request that depends on how the network cut it is a request that can be smuggled.
//!
//! Only the blame may differ: a head that is broken in two places is refused for the one that is seen first.
//!
//! Everything the session writes is read back by the codec, an answer for each request and nothing else.

use codec::http::{ResponseBody, decode_response};
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use transports::http::{After, Event, Limits, Method, Request, Response, Session};
use transports::input::Input;

/// The interim answer, which only a peer that dribbles its body is given (RFC 9110, 10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The moment at which everything happens; silence is not this target's matter.
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The first byte says how the second session gets the others.
pub fn check(bytes: &[u8]) {
    let Some((&cut, stream)) = bytes.split_first() else { return };
    let limits = Arc::new(Limits::default());
    let mut at_once = Peer::new(&limits);
    at_once.hear(stream);
    let mut in_dribbles = Peer::new(&limits);
    for dribble in stream.chunks(1 + usize::from(cut % 37)) {
        in_dribbles.hear(dribble);
    }
    assert_eq!(at_once.told, in_dribbles.told);
    assert_eq!(at_once.said(), in_dribbles.said());
    at_once.check_answers();
}

/// A session, and the tenant that answers every request at once with its own body.
struct Peer {
    session: Session,
    carry: Vec<u8>,
    out: Vec<u8>,
    told: Vec<String>,
    /// The method of each request that was answered.
    answered: Vec<Method>,
    is_over: bool,
    /// How much was written before a violation was answered.
    said_bytes: Option<usize>,
}

impl Peer {
    fn new(limits: &Arc<Limits>) -> Peer {
        Peer {
            session: Session::new(Arc::clone(limits), *NOW),
            carry: Vec::new(),
            out: Vec::new(),
            told: Vec::new(),
            answered: Vec::new(),
            is_over: false,
            said_bytes: None,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.carry.extend_from_slice(bytes);
        let mut carry = std::mem::take(&mut self.carry);
        let mut input = Input::new(&mut carry);
        while self.pull(&mut input) {}
        let taken = input.taken();
        carry.drain(..taken);
        self.carry = carry;
    }

    /// Hears one event and answers it; `false` when there is none.
    fn pull(&mut self, input: &mut Input<'_>) -> bool {
        match self.session.next(input, &mut self.out, *NOW) {
            Ok(None) => return false,
            Ok(Some(Event::Request(request))) => {
                assert!(!self.is_over, "nothing is heard after the last answer");
                self.told.push(format!("{request:?}"));
                self.answered.push(request.method);
                self.answer(request);
            }
            Ok(Some(Event::Promised)) => {
                let head = self.session.head(input).expect("it waits for a verdict");
                self.told.push(format!("promised {head:?}"));
                self.answered.push(head.method);
                let refusal = Response { status: 413, content_type: "", headers: &[], body: &[] };
                let after = self.session.respond(refusal, &mut self.out, *NOW);
                self.is_over = after == After::Close;
            }
            Err(violation) => {
                assert!(!self.is_over, "a violation ends the conversation once");
                self.told.push("a violation".to_owned());
                self.said_bytes = Some(self.out.len());
                if violation.status().is_some() {
                    self.answered.push(Method::Other);
                }
                violation.answer(&mut self.out);
                self.is_over = true;
                return false;
            }
        }
        true
    }

    fn answer(&mut self, request: Request<'_>) {
        let etag = [("ETag", request.path.get(..5).unwrap_or("/"))];
        let response = Response {
            status: 200,
            content_type: "application/octet-stream",
            headers: &etag,
            body: &[b"<", request.body, b">"],
        };
        let after = self.session.respond(response, &mut self.out, *NOW);
        self.is_over = after == After::Close;
    }

    /// What was written, but interim answers and blame.
    fn said(&self) -> String {
        let mut kept = Vec::new();
        let mut rest = &self.out[..self.said_bytes.unwrap_or(self.out.len())];
        while let Some(at) = rest.windows(CONTINUE.len()).position(|window| window == CONTINUE) {
            kept.extend_from_slice(&rest[..at]);
            rest = &rest[at + CONTINUE.len()..];
        }
        kept.extend_from_slice(rest);
        String::from_utf8_lossy(&kept).into_owned()
    }

    /// One whole answer for each request, in order.
    fn check_answers(&self) {
        let mut rest = &self.out[..];
        let mut answers = 0;
        while !rest.is_empty() {
            let (head, consumed) =
                decode_response(rest).expect("we write good heads").expect("and whole ones");
            rest = &rest[consumed..];
            let body = match head.body {
                _ if head.status == 100 => continue,
                ResponseBody::Length(_) if self.answered[answers] == Method::Head => 0,
                ResponseBody::Length(bytes) => bytes as usize,
                other => panic!("an answer has a length: {other:?}"),
            };
            rest = &rest[body..];
            answers += 1;
        }
        assert_eq!(answers, self.answered.len());
    }
}
