//! The route table: every path of the HTTP side, who may use it, and where it leads.
//!
//! Owns paths, methods and the rule of who may. The tenant is the key's own agent and nothing else: a foreign agent is
//! answered exactly like one that does not exist. Never handles a request; that is the endpoint's business.

use crate::auth::Operations;
use crate::config::Serves;
use transports::http::Method;

/// Where a path leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// The process lives.
    Healthz,
    /// It is ready to serve.
    Readyz,
    /// Prometheus text.
    Metrics,
    /// Who the caller's key is.
    Key,
    /// An agent's devices.
    Devices,
    /// One device.
    Device,
    /// Forget one device.
    DeviceRemove,
    /// Let a device connect no more.
    DeviceDisable,
    /// Let it connect again.
    DeviceEnable,
    /// The tools of all online devices.
    Tools,
    /// Run a command.
    Command,
    /// An agent's commands.
    Commands,
    /// One command.
    CommandState,
    /// Take a command back.
    CommandCancel,
    /// Call a tool by its name.
    Tool,
    /// The event stream.
    Events,
    /// MQTT over WebSocket.
    MqttSocket,
    /// What devices and the gateway say to each other.
    Tap,
    /// What this API is, for machines.
    OpenApi,
    /// `lua-cli`: an agent's devices.
    LuaDevices,
    /// `lua-cli`: make a device known.
    LuaRegister,
    /// `lua-cli`: a device's status.
    LuaStatus,
    /// `lua-cli`: run a command.
    LuaCommand,
    /// Socket.IO.
    SocketIo,
}

/// Who may use a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody who reaches the listener.
    Open,
    /// Any key that counts.
    AnyKey,
    /// A key with `operator`.
    Operator,
    /// A key with `agent` of the agent in the path, or with `operator`.
    OwnAgent,
}

/// Which part of the HTTP side a path belongs to; a listener may serve some of them only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// For devices.
    Devices,
    /// For agents.
    Agents,
    /// For operators.
    Operator,
}

/// A row of the table. In a pattern `{x}` is one path segment.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, segment by segment.
    pub pattern: &'static str,
    /// The part it belongs to.
    pub part: Part,
    /// Who may use it.
    pub access: Access,
    /// Where it leads.
    pub endpoint: Endpoint,
}

/// Every route.
pub const ROUTES: &[Route] = &[
    route(Method::Get, "/healthz", Part::Operator, Access::Open, Endpoint::Healthz),
    route(Method::Get, "/readyz", Part::Operator, Access::Open, Endpoint::Readyz),
    route(Method::Get, "/metrics", Part::Operator, Access::Operator, Endpoint::Metrics),
    route(Method::Get, "/mqtt", Part::Devices, Access::Open, Endpoint::MqttSocket),
    route(Method::Get, "/socket.io/", Part::Devices, Access::Open, Endpoint::SocketIo),
    route(Method::Post, "/socket.io/", Part::Devices, Access::Open, Endpoint::SocketIo),
    route(Method::Options, "/socket.io/", Part::Devices, Access::Open, Endpoint::SocketIo),
    route(Method::Get, "/v1/key", Part::Agents, Access::AnyKey, Endpoint::Key),
    route(Method::Get, "/v1/agents/{agent}/devices", Part::Agents, Access::OwnAgent, Endpoint::Devices),
    route(
        Method::Get,
        "/v1/agents/{agent}/devices/{device}",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::Device,
    ),
    route(
        Method::Delete,
        "/v1/agents/{agent}/devices/{device}",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::DeviceRemove,
    ),
    route(
        Method::Post,
        "/v1/agents/{agent}/devices/{device}/disable",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::DeviceDisable,
    ),
    route(
        Method::Post,
        "/v1/agents/{agent}/devices/{device}/enable",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::DeviceEnable,
    ),
    route(
        Method::Post,
        "/v1/agents/{agent}/devices/{device}/commands",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::Command,
    ),
    route(Method::Get, "/v1/agents/{agent}/commands", Part::Agents, Access::OwnAgent, Endpoint::Commands),
    route(
        Method::Get,
        "/v1/agents/{agent}/commands/{command}",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::CommandState,
    ),
    route(
        Method::Delete,
        "/v1/agents/{agent}/commands/{command}",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::CommandCancel,
    ),
    route(Method::Get, "/v1/agents/{agent}/tools", Part::Agents, Access::OwnAgent, Endpoint::Tools),
    route(Method::Post, "/v1/agents/{agent}/tools/{tool}", Part::Agents, Access::OwnAgent, Endpoint::Tool),
    route(Method::Get, "/v1/agents/{agent}/events", Part::Agents, Access::OwnAgent, Endpoint::Events),
    route(Method::Get, "/v1/agents/{agent}/tap", Part::Agents, Access::OwnAgent, Endpoint::Tap),
    route(
        Method::Get,
        "/v1/agents/{agent}/devices/{device}/tap",
        Part::Agents,
        Access::OwnAgent,
        Endpoint::Tap,
    ),
    route(Method::Get, "/openapi.json", Part::Agents, Access::Open, Endpoint::OpenApi),
    lua(Method::Get, "/developer/devices/{agent}", Endpoint::LuaDevices),
    lua(Method::Post, "/developer/devices/{agent}", Endpoint::LuaRegister),
    lua(Method::Get, "/developer/devices/{agent}/{device}/status", Endpoint::LuaStatus),
    lua(Method::Patch, "/developer/devices/{agent}/{device}/enable", Endpoint::DeviceEnable),
    lua(Method::Patch, "/developer/devices/{agent}/{device}/disable", Endpoint::DeviceDisable),
    lua(Method::Delete, "/developer/devices/{agent}/{device}", Endpoint::DeviceRemove),
    lua(Method::Post, "/developer/devices/{agent}/{device}/command", Endpoint::LuaCommand),
];

const fn route(
    method: Method,
    pattern: &'static str,
    part: Part,
    access: Access,
    endpoint: Endpoint,
) -> Route {
    Route { method, pattern, part, access, endpoint }
}

/// A path that unmodified `lua-cli` uses.
const fn lua(method: Method, pattern: &'static str, endpoint: Endpoint) -> Route {
    route(method, pattern, Part::Agents, Access::OwnAgent, endpoint)
}

/// In which words a path is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tongue {
    /// The gateway's own: problem+json, codes in kebab-case.
    Own,
    /// That of `lua-cli`: its envelope, its statuses, codes in UPPER_CASE.
    Lua,
}

impl Tongue {
    /// The words for a path, whether there is something or not.
    pub fn of(path: &str) -> Self {
        if path.starts_with("/developer/") { Self::Lua } else { Self::Own }
    }
}

/// What a request's path and method lead to.
#[derive(Debug)]
pub enum Found<'p> {
    /// A route, with the raw segments that stand for `{...}`: at most the agent and a device or a tool.
    Route(&'static Route, [&'p str; 2]),
    /// The path exists, with these methods only.
    OtherMethods(String),
    /// Nothing.
    Nothing,
}

/// Looks a request up among the routes that the listener serves. HEAD is answered like GET.
pub fn find<'p>(method: Method, path: &'p str, serves: Serves) -> Found<'p> {
    let asked = if method == Method::Head { Method::Get } else { method };
    let mut others = Vec::new();
    for route in ROUTES.iter().filter(|route| serves_part(serves, route.part)) {
        let Some(segments) = matches(route.pattern, path) else { continue };
        if route.method == asked {
            return Found::Route(route, segments);
        }
        others.push(word(route.method));
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others.join(", ")) }
}

/// A method of the table, for the Allow header.
fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "GET, HEAD",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Patch => "PATCH",
        Method::Other => "",
    }
}

fn serves_part(serves: Serves, part: Part) -> bool {
    match part {
        Part::Devices => serves.devices,
        Part::Agents => serves.agents,
        Part::Operator => serves.operator,
    }
}

fn matches<'p>(pattern: &str, path: &'p str) -> Option<[&'p str; 2]> {
    let mut found = [""; 2];
    let mut places = found.iter_mut();
    let (mut expected, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (expected.next(), segments.next()) {
            (None, None) => return Some(found),
            (Some(e), Some(s)) if e.starts_with('{') && !s.is_empty() => *places.next()? = s,
            (Some(e), Some(s)) if e == s => {}
            _ => return None,
        }
    }
}

impl Access {
    /// The operation a key lacks, for the sentence that says so.
    pub fn operation(self) -> Operations {
        match self {
            Self::Open | Self::AnyKey => Operations::NONE,
            Self::Operator => Operations::OPERATOR,
            Self::OwnAgent => Operations::AGENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Serves = Serves { devices: true, agents: true, operator: true };

    #[test]
    fn finds_the_route_and_its_segments() {
        let Found::Route(route, segments) = find(Method::Post, "/v1/agents/a/devices/d%20x/commands", ALL)
        else {
            panic!("a route");
        };
        assert_eq!((route.endpoint, segments), (Endpoint::Command, ["a", "d%20x"]));
        let head = find(Method::Head, "/v1/agents/a/devices", ALL);
        assert!(matches!(head, Found::Route(Route { endpoint: Endpoint::Devices, .. }, ["a", ""])));
    }

    #[test]
    fn knows_a_path_with_another_method() {
        let found = find(Method::Delete, "/v1/agents/a/devices", ALL);
        assert!(matches!(found, Found::OtherMethods(allow) if allow == "GET, HEAD"));
    }

    #[test]
    fn finds_nothing_where_there_is_nothing() {
        for path in ["/", "", "/v1", "/v1/agents//devices", "/v1/agents/a/devices/", "/healthz/x", "/V1/key"]
        {
            assert!(matches!(find(Method::Get, path, ALL), Found::Nothing), "{path}");
        }
    }

    #[test]
    fn a_listener_serves_its_parts_only() {
        let agents_only = Serves { devices: false, agents: true, operator: false };
        assert!(matches!(find(Method::Get, "/metrics", agents_only), Found::Nothing));
        assert!(matches!(find(Method::Get, "/v1/key", agents_only), Found::Route(..)));
    }
}
