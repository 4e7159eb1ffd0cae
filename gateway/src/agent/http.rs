//! The conversation with one HTTP connection: requests in, answers out.
//!
//! Owns the connection's state between a request and its answer, and admission to the routes. The next request is looked at
//! only after the previous answer was written. Never knows what an endpoint does.

use super::errors::{ApiError, CONTENT_TYPE, Problem};
use super::events::Stream;
use super::lua;
use super::routes::{Access, Endpoint, Found, Route, Tongue, find};
use super::tap::TapStream;
use super::vetting::{Asked, Denied, Whole};
use crate::auth::mail::{Judged, QuestionNumber};
use crate::auth::{Agent, Grant, OpenStream};
use crate::config::Serves;
use crate::device::control::Wish;
use crate::device::cors::Page;
use crate::metrics::{Closed, ConnectionOutcome, Direction, Transport};
use crate::shard::{Baggage, Cx, Facts, Shard};
use engine::{Close, Key, Verdict};
use std::sync::Arc;
use std::time::Instant;
use transports::http::{After, Event, Request, Response, Session, percent_decode};
use transports::input::Input;

/// Requests of one connection that are served in one turn.
const REQUESTS_PER_TURN_MAX: usize = 64;

/// Why a key that only the auth service knows is none on a path that names no agent.
const FILE_ONLY: &str = "This path names no agent, so only keys of the key file are known here.";

/// An HTTP connection.
#[derive(Debug)]
pub struct HttpPeer {
    /// The protocol's side of it.
    pub session: Session,
    /// The parts of the API its listener serves.
    pub serves: Serves,
    /// In which words its request is answered.
    pub tongue: Tongue,
    /// What it waits for.
    pub waits: Waits,
    /// Whose web page asks, where that matters.
    pub page: Page,
    /// When it was accepted.
    pub opened_at: Instant,
    /// It has shown a right key once: no stranger any more.
    pub identified: bool,
    /// The key of its last request, if it was a right one.
    pub grant: Option<Arc<Grant>>,
    /// The gatekeeper has been asked whether that key still is one.
    pub rechecking: Option<QuestionNumber>,
    /// The gatekeeper's last word on a key that it showed.
    pub heard: Option<Box<Judged>>,
    /// Why we hung up, where that is not the end of an answer.
    pub verdict: Option<Closed>,
}

/// What a connection waits for.
#[derive(Debug)]
pub enum Waits {
    /// The peer: for its next request.
    Request,
    /// Mail: for the gatekeeper's word on the key of its request.
    Verdict(Box<Asked>),
    /// Mail: for the answer to its request.
    Ticket(Key),
    /// Mail: for the answer of a session.
    Session {
        /// Where that was born.
        core: usize,
        /// Its name.
        id: u128,
        /// What waits is its poll.
        polls: bool,
    },
    /// Mail: for the place among its agent's events at which its stream begins.
    Opening(OpenStream),
    /// Events.
    Stream(Box<Stream>),
    /// What devices say.
    Tap(Box<TapStream>),
    /// Nothing more: it is being closed.
    End,
}

/// Who asks, and for whom.
#[derive(Debug)]
pub struct Caller {
    /// The key, where the path wants one.
    pub grant: Option<Arc<Grant>>,
    /// The agent of the path, or the key's own.
    pub agent: Option<Arc<Agent>>,
}

/// Room for the names of a path that are not written as they are; the others are lent by the path itself.
type Unescaped = [String; 2];

/// A request that may go on.
struct Admitted<'r> {
    endpoint: Endpoint,
    /// The device, the tool or the command of the path, or empty.
    name: &'r str,
    caller: Caller,
}

impl HttpPeer {
    /// A stranger.
    pub fn new(facts: &Facts, serves: Serves, now: Instant) -> Self {
        Self {
            session: Session::new(facts.http.clone(), now),
            serves,
            tongue: Tongue::Own,
            waits: Waits::Request,
            page: Page::None,
            opened_at: now,
            identified: false,
            grant: None,
            rechecking: None,
            heard: None,
            verdict: None,
        }
    }

    /// When the connection must be looked at, whatever comes.
    pub fn next_timeout(&self) -> Option<Instant> {
        let own = match &self.waits {
            Waits::Request => return self.session.next_timeout(),
            Waits::Verdict(asked) => return Some(asked.until),
            Waits::Ticket(_) | Waits::Session { .. } | Waits::Opening(_) => self.session.next_timeout(),
            Waits::Stream(stream) => Some(stream.comment_at),
            Waits::Tap(tap) => Some(tap.comment_at),
            Waits::End => return None,
        };
        [own, self.next_recheck()].into_iter().flatten().min()
    }
}

impl Shard {
    /// Bytes of an HTTP connection.
    pub(crate) fn agent_speaks(&mut self, cx: &mut Cx<'_>, conn: Key, bytes: &mut [u8]) -> Verdict<Baggage> {
        let (mut input, now) = (Input::new(bytes), cx.now());
        for _ in 0..REQUESTS_PER_TURN_MAX {
            let Some(peer) = self.peers.http_mut(conn) else {
                // It is a device's now: the rest of the bytes is for that conversation.
                return Verdict::Yield { consumed: input.taken() };
            };
            match &peer.waits {
                Waits::Tap(tap) if tap.is_opening() => {
                    return Verdict::Pause { consumed: input.taken() };
                }
                Waits::Request | Waits::Stream(_) | Waits::Tap(_) => {}
                // While nothing more was sent we go on reading, so that a poll that is given up is noticed.
                Waits::Session { .. } if input.is_empty() => {
                    return Verdict::Continue { consumed: input.taken() };
                }
                Waits::Verdict(_)
                | Waits::Ticket(_)
                | Waits::Session { .. }
                | Waits::Opening(_)
                | Waits::End => {
                    return Verdict::Pause { consumed: input.taken() };
                }
            }
            if cx.is_behind(conn) {
                // Whoever asks on and does not read is not answered on: the rest of its requests waits.
                return Verdict::Yield { consumed: input.taken() };
            }
            if peer.heard.is_some() && peer.session.head(&input).is_some() {
                // The gatekeeper has spoken about a caller who promised a large body.
                self.promised(cx, conn, &input);
                continue;
            }
            let Some(out) = cx.out_urgent(conn) else { return Verdict::Close };
            match peer.session.next(&mut input, out, now) {
                Ok(Some(Event::Request(request))) => self.request(cx, conn, &request),
                Ok(Some(Event::Promised)) => self.promised(cx, conn, &input),
                Ok(None) => return Verdict::Continue { consumed: input.taken() },
                Err(violation) => {
                    tracing::debug!(violation = violation.name(), "hung up on an HTTP peer");
                    violation.answer(out);
                    peer.verdict = Some(Closed::ProtocolViolation);
                    return Verdict::Close;
                }
            }
        }
        Verdict::Yield { consumed: input.taken() }
    }

    /// A large body is promised: it is kept only for a caller who may send it.
    fn promised(&mut self, cx: &mut Cx<'_>, conn: Key, input: &Input<'_>) {
        let Some(head) = self.peers.http_mut(conn).and_then(|peer| peer.session.head(input)) else { return };
        let mut unescaped = Unescaped::default();
        let admitted = self.admit_request(cx, conn, &head, Whole::HeadOnly, &mut unescaped);
        let Some(admitted) = admitted else { return };
        self.identify(conn, &admitted.caller);
        let now = cx.now();
        if let (Some(peer), Some(out)) = (self.peers.http_mut(conn), cx.out_urgent(conn)) {
            peer.session.admit(out, now);
        }
    }

    fn request(&mut self, cx: &mut Cx<'_>, conn: Key, request: &Request<'_>) {
        self.counters.message(Direction::In, Transport::Http);
        self.request_again(cx, conn, request);
    }

    /// A request is looked at, for the first time or after the gatekeeper's word.
    pub(super) fn request_again(&mut self, cx: &mut Cx<'_>, conn: Key, request: &Request<'_>) {
        let mut unescaped = Unescaped::default();
        let admitted = self.admit_request(cx, conn, request, Whole::Request, &mut unescaped);
        let Some(admitted) = admitted else { return };
        self.identify(conn, &admitted.caller);
        self.serve(cx, conn, request, &admitted);
    }

    /// Finds the route and asks who is there; whoever may not go on has been answered.
    fn admit_request<'r>(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'r>,
        whole: Whole,
        unescaped: &'r mut Unescaped,
    ) -> Option<Admitted<'r>> {
        let peer = self.peers.http_mut(conn)?;
        peer.tongue = Tongue::of(request.path);
        let serves = peer.serves;
        let (route, raw) = match find(request.method, request.path, serves) {
            Found::Route(route, raw) => (route, raw),
            Found::OtherMethods(allow) => {
                let allow = [("Allow", allow.as_str())];
                self.problem_with(cx, conn, ApiError::MethodNotAllowed, &Problem::default(), &allow);
                return None;
            }
            Found::Nothing => {
                self.problem(cx, conn, ApiError::NotFound, &Problem::default());
                return None;
            }
        };
        let [agent, name] = unescaped;
        let (Ok(agent), Ok(name)) = (percent_decode(raw[0], agent), percent_decode(raw[1], name)) else {
            self.problem(cx, conn, ApiError::NotFound, &Problem::default());
            return None;
        };
        let asked = self.who_asks(cx, conn, route, request, agent);
        self.forget_spent_word(conn);
        match asked {
            Ok(caller) => Some(Admitted { endpoint: route.endpoint, name, caller }),
            Err(Denied::For(error)) => {
                self.turn_down(cx, conn, error, route);
                None
            }
            Err(Denied::LockedOut(left)) => {
                self.locked_out(cx, conn, left);
                None
            }
            Err(Denied::NotYet(doubt)) => {
                self.ask_about_request(cx, conn, request, doubt, whole);
                None
            }
        }
    }

    fn turn_down(&mut self, cx: &mut Cx<'_>, conn: Key, error: ApiError, route: &Route) {
        match error {
            ApiError::Unauthorized => {
                let nameless = self.facts.asks_service && route.access == Access::AnyKey;
                let detail = if nameless { FILE_ONLY } else { "" };
                self.unauthorized(cx, conn, detail);
            }
            ApiError::Forbidden => {
                let needs: Vec<_> = route.access.operation().names().collect();
                let detail = format!("This path needs a key with the operation {}.", needs.join(", "));
                self.problem(cx, conn, error, &Problem { detail: &detail, ..Problem::default() });
            }
            _ => self.problem(cx, conn, error, &Problem::default()),
        }
    }

    /// Whoever has shown a right key is no stranger any more.
    fn identify(&mut self, conn: Key, caller: &Caller) {
        let Some(peer) = self.peers.http_mut(conn) else { return };
        if caller.grant.is_some() {
            peer.grant.clone_from(&caller.grant);
        }
        if caller.grant.is_some() && !peer.identified {
            peer.identified = true;
            self.counters.connection(Transport::Http, ConnectionOutcome::Accepted);
            self.farewell_stranger(conn);
        }
    }

    fn serve(&mut self, cx: &mut Cx<'_>, conn: Key, request: &Request<'_>, admitted: &Admitted<'_>) {
        let Admitted { endpoint, caller, .. } = admitted;
        match (endpoint, &caller.agent) {
            (Endpoint::Healthz, _) => self.healthz(cx, conn),
            (Endpoint::Readyz, _) => self.readyz(cx, conn),
            (Endpoint::Metrics, _) => self.metrics(cx, conn),
            (Endpoint::MqttSocket, _) => self.begin_web_socket(cx, conn, request),
            (Endpoint::OpenApi, _) => self.describe_api(cx, conn),
            (Endpoint::SocketIo, _) => self.socketio_asked(cx, conn, request),
            (Endpoint::Key, _) => self.describe_key(cx, conn, caller),
            (_, Some(agent)) => self.serve_agent(cx, conn, request, admitted, agent),
            (_, None) => debug_assert!(false, "admission names the agent"),
        }
    }

    /// What an agent asks of its own.
    fn serve_agent(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        request: &Request<'_>,
        admitted: &Admitted<'_>,
        agent: &Arc<Agent>,
    ) {
        let Admitted { endpoint, name, .. } = admitted;
        match endpoint {
            Endpoint::Healthz
            | Endpoint::Readyz
            | Endpoint::Metrics
            | Endpoint::OpenApi
            | Endpoint::MqttSocket
            | Endpoint::SocketIo
            | Endpoint::Key => {
                debug_assert!(false, "served without an agent")
            }
            Endpoint::Devices => self.list_devices(cx, conn, request, agent),
            Endpoint::Device => self.show_device(cx, conn, agent, name),
            Endpoint::DeviceRemove => self.control_device(cx, conn, agent, name, Wish::Remove),
            Endpoint::DeviceDisable => self.control_device(cx, conn, agent, name, Wish::Disable),
            Endpoint::DeviceEnable => self.control_device(cx, conn, agent, name, Wish::Enable),
            Endpoint::Tools => self.list_tools(cx, conn, request, agent),
            Endpoint::Command => self.run_command(cx, conn, request, agent, name),
            Endpoint::Commands => self.list_commands_of(cx, conn, request, agent),
            Endpoint::CommandState => self.show_command(cx, conn, agent, name),
            Endpoint::CommandCancel => self.cancel_command(cx, conn, agent, name),
            Endpoint::Tool => self.call_tool(cx, conn, request, agent, name),
            Endpoint::Events => self.open_stream(cx, conn, request, agent),
            Endpoint::Tap => self.open_tap(cx, conn, request, agent, name),
            Endpoint::LuaDevices => self.list_lua_devices(cx, conn, agent),
            Endpoint::LuaRegister => self.register_device(cx, conn, request, agent),
            Endpoint::LuaStatus => self.show_lua_status(cx, conn, agent, name),
            Endpoint::LuaCommand => self.run_lua_command(cx, conn, request, agent, name),
        }
    }

    /// Answers with an error of the table.
    pub(crate) fn problem(&mut self, cx: &mut Cx<'_>, conn: Key, error: ApiError, problem: &Problem<'_>) {
        let retry = [("Retry-After", "1")];
        let headers = if error.entry().retryable { &retry[..] } else { &[] };
        self.problem_with(cx, conn, error, problem, headers);
    }

    /// The same with header fields of its own, in the words that the connection's request wants.
    pub(crate) fn problem_with(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        error: ApiError,
        problem: &Problem<'_>,
        headers: &[(&str, &str)],
    ) {
        match self.tongue(conn) {
            Tongue::Own => self.respond(cx, conn, error.entry().status, CONTENT_TYPE, headers, &|body| {
                problem.write(error, body)
            }),
            Tongue::Lua => {
                let status = lua::status(error);
                self.respond(cx, conn, status, "application/json", headers, &|body| {
                    lua::write_problem(error, problem, body)
                });
            }
        }
    }

    /// In which words a connection's request is answered.
    pub(crate) fn tongue(&mut self, conn: Key) -> Tongue {
        self.peers.http_mut(conn).map_or(Tongue::Own, |peer| peer.tongue)
    }

    /// Answers with JSON.
    pub(crate) fn respond_json(&mut self, cx: &mut Cx<'_>, conn: Key, write: &dyn Fn(&mut Vec<u8>)) {
        self.respond(cx, conn, 200, "application/json", &[], write);
    }

    /// Answers a request. The body is written into the core's scratch, to know its length.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        status: u16,
        content_type: &str,
        headers: &[(&str, &str)],
        write: &dyn Fn(&mut Vec<u8>),
    ) {
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        write(&mut body);
        self.respond_parts(cx, conn, Response { status, content_type, headers, body: &[&body] });
        body.clear();
        body.shrink_to(crate::buffers::POOLED_BYTES_MAX);
        self.scratch = body;
    }

    /// Answers a request with a body in parts; a payload among them is copied nowhere but into the output.
    pub(crate) fn respond_parts(&mut self, cx: &mut Cx<'_>, conn: Key, response: Response<'_>) {
        let Some(peer) = self.peers.http_mut(conn) else { return };
        if cx.draining() {
            peer.session.close_after();
        }
        let now = cx.now();
        let Some(out) = cx.out_urgent(conn) else { return };
        peer.waits = match peer.session.respond(response, out, now) {
            After::KeepAlive => {
                cx.resume(conn);
                Waits::Request
            }
            After::Close => {
                cx.hang_up(conn);
                Waits::End
            }
        };
        self.counters.message(Direction::Out, Transport::Http);
        self.set_deadline(cx, conn);
    }

    /// The connection's deadline has come.
    pub(crate) fn agent_due(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let now = cx.now();
        let Some(peer) = self.peers.http_mut(conn) else { return };
        if let Waits::Verdict(_) = peer.waits {
            return self.request_judged_late(cx, conn);
        }
        if peer.next_recheck().is_some_and(|at| at <= now) {
            return self.recheck_agent(cx, conn);
        }
        let Some(peer) = self.peers.http_mut(conn) else { return };
        match peer.waits {
            Waits::Stream(_) => return self.comment(cx, conn),
            Waits::Tap(_) => return self.comment_tap(cx, conn),
            Waits::Request
            | Waits::Verdict(_)
            | Waits::Ticket(_)
            | Waits::Session { .. }
            | Waits::Opening(_)
            | Waits::End => {}
        }
        if cx.has_unread(conn) {
            // What it is waited for may have come already, and was not looked at yet.
            return;
        }
        if let Err(violation) = peer.session.handle_timeout(now) {
            peer.waits = Waits::End;
            peer.verdict = Some(Closed::IdleTimeout);
            if let Some(out) = cx.out_urgent(conn) {
                violation.answer(out);
            }
            cx.hang_up(conn);
        }
    }

    /// An HTTP connection ended.
    pub(crate) fn agent_left(&mut self, cx: &mut Cx<'_>, conn: Key, peer: HttpPeer, _close: Close) {
        match peer.waits {
            Waits::Request | Waits::Verdict(_) | Waits::Opening(_) | Waits::End => {}
            Waits::Ticket(ticket) => self.ticket_left(cx, ticket),
            Waits::Session { core, id, polls: true } => self.gave_up(cx, conn, core, id),
            // What it said is heard all the same.
            Waits::Session { polls: false, .. } => {}
            Waits::Stream(stream) => self.close_stream(cx, conn, &stream),
            Waits::Tap(tap) => self.close_tap(cx, conn, &tap),
        }
    }
}
