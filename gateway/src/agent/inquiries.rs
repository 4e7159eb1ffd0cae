//! `GET` and `DELETE …/commands/{commandId}` and `GET …/commands`: how a command goes, taking one back, and which there are.
//!
//! Owns the agent's half of the questions: the id names the core that is asked, a list is gathered from all of them. Never
//! knows a command: the home core writes the words ([`crate::command::inquiry`]).

use super::errors::{ApiError, Problem};
use super::http::Waits;
use super::parameters::{BAD_ENCODING, parameters};
use super::ticket::{Awaits, Ticket};
use crate::auth::Agent;
use crate::command::id::CommandId;
use crate::command::inquiry::{About, Inquiry, Known, Place, Told, Wish};
use crate::command::story::State;
use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use engine::Key;
use std::sync::Arc;
use transports::http::Request;

/// Commands in one answer when the request does not say.
const LIMIT_DEFAULT: usize = 100;
/// Commands in one answer at most.
const LIMIT_MAX: usize = 1000;

/// A list of commands that is being gathered.
#[derive(Debug)]
pub struct Listing {
    missing: usize,
    limit: usize,
    found: Vec<(Place, Vec<u8>)>,
}

impl Shard {
    /// `GET /v1/agents/{agent}/commands/{commandId}`
    pub(crate) fn show_command(&mut self, cx: &mut Cx<'_>, conn: Key, agent: &Arc<Agent>, id: &str) {
        self.ask_about(cx, conn, agent, id, About::One);
    }

    /// `DELETE /v1/agents/{agent}/commands/{commandId}`
    pub(crate) fn cancel_command(&mut self, cx: &mut Cx<'_>, conn: Key, agent: &Arc<Agent>, id: &str) {
        self.ask_about(cx, conn, agent, id, About::Cancel);
    }

    fn ask_about(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        agent: &Arc<Agent>,
        id: &str,
        about: impl Fn(CommandId) -> About,
    ) {
        let here = |id: &CommandId| id.epoch == self.facts.epoch && usize::from(id.core) < cx.cores();
        let Some(id) = CommandId::parse(id).filter(here) else {
            return self.problem(cx, conn, ApiError::CommandUnknown, &Problem::default());
        };
        let ticket = self.wait_for_told(conn, Awaits::Inquiry);
        let inquiry = Inquiry { from: cx.core(), ticket, agent: agent.clone(), about: about(id) };
        cx.post(usize::from(id.core), Mail::Inquire(inquiry));
    }

    /// `GET /v1/agents/{agent}/commands`
    pub(crate) fn list_commands_of(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
    ) {
        let wish = match read_wish(request) {
            Ok(wish) => Arc::new(wish),
            Err(detail) => return self.bad_parameter(cx, conn, detail),
        };
        let listing = Listing { missing: cx.cores(), limit: wish.limit, found: Vec::new() };
        let ticket = self.wait_for_told(conn, Awaits::Commands(listing));
        for core in 0..cx.cores() {
            let about = About::List(wish.clone());
            let inquiry = Inquiry { from: cx.core(), ticket, agent: agent.clone(), about };
            cx.post(core, Mail::Inquire(inquiry));
        }
    }

    fn wait_for_told(&mut self, conn: Key, awaits: Awaits) -> Key {
        let ticket = self.tickets.insert(Ticket { conn, awaits });
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Ticket(ticket);
        }
        ticket
    }

    /// A core has answered.
    pub(crate) fn answer_inquiry(&mut self, cx: &mut Cx<'_>, told: Told) {
        let Some(ticket) = self.tickets.get_mut(told.ticket) else { return };
        let conn = ticket.conn;
        if let Awaits::Commands(listing) = &mut ticket.awaits {
            listing.missing -= 1;
            if let Known::List(found) = told.known {
                listing.found.extend(found);
            }
            if listing.missing == 0 {
                self.answer_listing(cx, told.ticket);
            }
            return;
        }
        self.tickets.remove(told.ticket);
        match told.known {
            Known::Story(json) => self.respond_json(cx, conn, &|body| body.extend_from_slice(&json)),
            Known::TooLate(state) => {
                let detail = format!("The command is {} already.", state.name());
                let problem = Problem { detail: &detail, ..Problem::default() };
                self.problem(cx, conn, ApiError::CommandFinished, &problem);
            }
            Known::Nothing | Known::List(_) => {
                self.problem(cx, conn, ApiError::CommandUnknown, &Problem::default());
            }
        }
    }

    fn answer_listing(&mut self, cx: &mut Cx<'_>, ticket: Key) {
        let Some(Ticket { conn, awaits: Awaits::Commands(mut listing) }) = self.tickets.remove(ticket) else {
            return;
        };
        listing.found.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        let more = listing.found.len() > listing.limit;
        listing.found.truncate(listing.limit);
        self.respond_json(cx, conn, &|body| {
            body.extend_from_slice(b"{\"commands\":[");
            for (n, (_, json)) in listing.found.iter().enumerate() {
                if n > 0 {
                    body.push(b',');
                }
                body.extend_from_slice(json);
            }
            body.push(b']');
            if let (true, Some((place, _))) = (more, listing.found.last()) {
                body.extend_from_slice(format!(",\"cursor\":\"{}\"", write_place(place)).as_bytes());
            }
            body.push(b'}');
        });
    }
}

fn read_wish(request: &Request<'_>) -> Result<Wish, &'static str> {
    let mut wish = Wish { limit: LIMIT_DEFAULT, ..Wish::default() };
    for (name, value) in parameters(request).ok_or(BAD_ENCODING)? {
        match name.as_str() {
            "device" => wish.device = Some(value.into()),
            "status" => {
                wish.state = Some(State::parse(&value).ok_or("status is a state that a command may have")?);
            }
            "cursor" => {
                wish.after = Some(read_place(&value).ok_or("the cursor is not one that this gateway gave")?);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                wish.limit = limit.ok_or("limit is a number from 1 to 1000")?;
            }
            _ => {}
        }
    }
    Ok(wish)
}

/// A place in a list, as agents see it: opaque.
fn write_place((asked_ms, id): &Place) -> String {
    format!("{asked_ms:x}.{}", String::from_utf8_lossy(id))
}

fn read_place(text: &str) -> Option<Place> {
    let (asked_ms, id) = text.split_once('.')?;
    Some((u64::from_str_radix(asked_ms, 16).ok()?, CommandId::parse(id)?.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let id = CommandId { core: 1, entry: Key { index: 2, generation: 3 }, epoch: 4, nonce: 5 };
        let place = (1_764_000_000_123, id.text());
        assert_eq!(read_place(&write_place(&place)), Some(place));
        for bad in ["", ".", "1.", "x.c-0", "1.c-zz"] {
            assert_eq!(read_place(bad), None, "{bad}");
        }
    }
}
