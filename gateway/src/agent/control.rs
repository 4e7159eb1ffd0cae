//! `disable`, `enable`, `DELETE` and the making known of devices: an agent decides about a device.
//!
//! Owns the agent's half: one mail to the device's home core, one back. Never changes a row ([`crate::device::control`] does).

use super::commands::{Unsent, unread};
use super::devices::write_view;
use super::errors::{ApiError, Problem};
use super::http::Waits;
use super::routes::Tongue;
use super::ticket::{Awaits, Ticket};
use crate::auth::Agent;
use crate::auth::is_device_name;
use crate::device::control::{Control, Controlled, Done, Wish};
use crate::device::name::HomeHash;
use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use codec::json::{Kind, Raw, members};
use engine::Key;
use std::sync::Arc;
use transports::http::{Request, Response};

/// Longest description and group that an agent may give a device, in characters.
const WORDS_CHARS_MAX: usize = 500;

impl Shard {
    /// `POST …/disable`, `POST …/enable`, `DELETE …/devices/{device}`, and the same of `lua-cli`.
    pub(crate) fn control_device(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        agent: &Arc<Agent>,
        device: &str,
        wish: Wish,
    ) {
        let ticket = self.tickets.insert(Ticket { conn, awaits: Awaits::Control });
        if let Some(peer) = self.peers.http_mut(conn) {
            peer.waits = Waits::Ticket(ticket);
        }
        let home = HomeHash::home(self.facts.home.of(agent.name(), device), cx.cores());
        let control = Control { from: cx.core(), ticket, agent: agent.clone(), device: device.into(), wish };
        cx.post(home, Mail::Control(control));
    }

    /// `POST /developer/devices/{agent}`
    pub(crate) fn register_device(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        agent: &Arc<Agent>,
    ) {
        match read_registration(request.body) {
            Ok((name, wish)) => self.control_device(cx, conn, agent, &name, wish),
            Err((error, detail)) => self.problem(cx, conn, error, &Problem { detail, ..Problem::default() }),
        }
    }

    /// The home core has answered.
    pub(crate) fn answer_control(&mut self, cx: &mut Cx<'_>, controlled: Controlled) {
        let Some(Ticket { conn, .. }) = self.tickets.remove(controlled.ticket) else { return };
        let (status, view) = match controlled.done {
            Done::Unknown => {
                return self.problem(cx, conn, ApiError::DeviceUnknown, &Problem::default());
            }
            Done::Full => return self.problem(cx, conn, ApiError::TooManyDevices, &Problem::default()),
            Done::Is(view) => (200, Some(view)),
            Done::New(view) => (201, Some(view)),
            Done::Gone => (204, None),
        };
        if self.tongue(conn) == Tongue::Lua {
            return self.answer_lua_control(cx, conn, status, view.as_deref());
        }
        match view {
            Some(view) => self.respond(cx, conn, status, "application/json", &[], &|body| {
                body.push(b'{');
                write_view(body, &view);
                body.push(b'}');
            }),
            None => {
                let nothing = Response { status, content_type: "", headers: &[], body: &[] };
                self.respond_parts(cx, conn, nothing);
            }
        }
    }
}

/// A device's name, and what is said of it.
fn read_registration(body: &[u8]) -> Result<(String, Wish), Unsent> {
    let form = "The body is a JSON object with `name` and, if need be, `description` and `group`.";
    let found = members(body, ["name", "description", "group"]).map_err(|fault| unread(fault, form))?;
    read_device(found).map_err(|detail| (ApiError::InvalidRequest, detail))
}

fn read_device([name, description, group]: [Option<Raw<'_>>; 3]) -> Result<(String, Wish), &'static str> {
    let name = text(name, "`name` is a string.")?.ok_or("`name` is missing.")?;
    if !is_device_name(&name) {
        return Err("A device's name has 1 to 200 characters and no space, `/`, `+` or `#`.");
    }
    let words = |raw, what| match text(raw, what)? {
        Some(text) if text.chars().count() > WORDS_CHARS_MAX => {
            Err("`description` and `group` have at most 500 characters.")
        }
        text => Ok(text.map(String::into_boxed_str)),
    };
    let description = words(description, "`description` is a string.")?;
    let group = words(group, "`group` is a string.")?;
    Ok((name, Wish::Register { description, group }))
}

/// A string member; `null` is none.
fn text(raw: Option<Raw<'_>>, what: &'static str) -> Result<Option<String>, &'static str> {
    let Some(raw) = raw.filter(|raw| raw.kind() != Kind::Null) else { return Ok(None) };
    let mut unescaped = String::new();
    raw.text(&mut unescaped).map(|text| Some(text.to_owned())).ok_or(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_said_of_a_device() {
        let body = br#"{"name":"pi\u00e9","description":"by the door","group":null,"more":1}"#;
        let (name, wish) = read_registration(body).expect("it is right");
        assert_eq!(name, "pi\u{e9}");
        assert!(matches!(wish, Wish::Register { description: Some(d), group: None } if &*d == "by the door"));
    }

    #[test]
    fn refuses_what_is_no_device() {
        let long = format!(r#"{{"name":"d","group":"{}"}}"#, "x".repeat(501));
        for body in ["[]", "{}", r#"{"name":1}"#, r#"{"name":"a b"}"#, r#"{"name":"a","group":7}"#, &long] {
            assert!(read_registration(body.as_bytes()).is_err(), "{body}");
        }
    }
}
