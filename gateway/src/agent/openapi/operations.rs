//! What each endpoint takes and answers.
//!
//! Owns one description per endpoint, and nothing that another table knows already.

use crate::agent::errors::ApiError;
use crate::agent::routes::Endpoint;

/// An endpoint, described.
#[derive(Debug)]
pub(super) struct Operation {
    /// Its name in generated clients.
    pub(super) id: &'static str,
    /// What it does.
    pub(super) summary: &'static str,
    /// What may stand in the query and in the header.
    pub(super) parameters: &'static [Parameter],
    /// The schema of the body, and whether there must be one.
    pub(super) body: Option<(&'static str, bool)>,
    /// What it answers when all is well.
    pub(super) answers: &'static [Answer],
    /// What it answers when not, beside what follows from who may.
    pub(super) errors: &'static [ApiError],
}

/// A parameter of the query or a header field.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// `query` or `header`.
    pub(super) place: &'static str,
    /// JSON.
    pub(super) schema: &'static str,
    pub(super) what: &'static str,
}

/// A good answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// JSON of this schema.
    Json(u16, &'static str, &'static str),
    /// Something else, of this media type.
    Text(u16, &'static str, &'static str),
    /// A status alone; on the paths of `lua-cli` an envelope with nothing in it.
    Nothing(u16, &'static str),
}

const fn query(name: &'static str, schema: &'static str, what: &'static str) -> Parameter {
    Parameter { name, place: "query", schema, what }
}

const fn header(name: &'static str, schema: &'static str, what: &'static str) -> Parameter {
    Parameter { name, place: "header", schema, what }
}

const ANY_TEXT: &str = r#"{"type":"string"}"#;

const OF_DEVICES: &[Parameter] = &[
    query("group", ANY_TEXT, "Only devices of this group."),
    query(
        "status",
        r#"{"enum":["online","late","offline","disabled","registered"]}"#,
        "Only devices with this status.",
    ),
    query(
        "limit",
        r#"{"type":"integer","minimum":1,"maximum":10000,"default":1000}"#,
        "Devices in one answer at most.",
    ),
    query("cursor", ANY_TEXT, "The `cursor` of the last answer."),
];
const OF_TOOLS: &[Parameter] = &[
    query(
        "format",
        r#"{"enum":["openai","anthropic","mcp"]}"#,
        "For whom; the gateway's own form without it.",
    ),
    header("If-None-Match", ANY_TEXT, "The `ETag` of the last answer."),
];
const OF_COMMANDS: &[Parameter] = &[
    query("device", ANY_TEXT, "Only this device's."),
    query(
        "status",
        r#"{"enum":["queued","sent","delivered","done","failed","timed_out","expired","cancelled","unknown"]}"#,
        "Only those in this state.",
    ),
    query(
        "limit",
        r#"{"type":"integer","minimum":1,"maximum":1000,"default":100}"#,
        "Commands in one answer at most.",
    ),
    query(
        "cursor",
        r#"{"type":"string","pattern":"^[0-9a-f]{1,16}\\.c-[0-9a-f]{44}$"}"#,
        "The `cursor` of the last answer.",
    ),
];
const OF_A_COMMAND: &[Parameter] = &[
    header(
        "Idempotency-Key",
        r#"{"type":"string","minLength":1,"maxLength":255}"#,
        "A request with it is run once however often it is sent.",
    ),
    header("Prefer", r#"{"enum":["respond-async"]}"#, "Do not wait for the end."),
];
const OF_EVENTS: &[Parameter] = &[
    header(
        "Last-Event-ID",
        r#"{"type":"string","pattern":"^(0|[0-9a-f]{8}-[0-9a-f]{1,16})$"}"#,
        "The last event that was read.",
    ),
    query(
        "after",
        r#"{"type":"string","pattern":"^(0|[0-9a-f]{8}-[0-9a-f]{1,16})$"}"#,
        "The same; 0 is the oldest kept.",
    ),
];
const OF_TAP: &[Parameter] = &[query(
    "payloads",
    r#"{"type":"boolean","default":false}"#,
    "With what is said; a device's key is never shown.",
)];
const OF_LUA: &[Parameter] = &[header(
    "X-Idempotency-Key",
    r#"{"type":"string","minLength":1,"maxLength":255}"#,
    "A request with it is run once however often it is sent.",
)];

/// How a command may end.
const ENDS: &[ApiError] = &[
    ApiError::InvalidTimeout,
    ApiError::InvalidArguments,
    ApiError::DeviceUnknown,
    ApiError::CommandUnknown,
    ApiError::DeviceOffline,
    ApiError::DeviceTimeout,
    ApiError::DeviceError,
    ApiError::DeviceBusy,
    ApiError::TooManyCommands,
    ApiError::TooManyTriggers,
    ApiError::KeyReused,
    ApiError::QueueingNotPossible,
    ApiError::CommandCancelled,
    ApiError::ShuttingDown,
];
const DONE: &[Answer] = &[
    Answer::Json(200, "The device has answered.", "CommandDone"),
    Answer::Json(202, "The command is taken; `Location` tells how it goes.", "CommandAccepted"),
];
const LUA: &[Answer] =
    &[Answer::Json(200, "It is so; of a command: the device has answered, or said no.", "LuaEnvelope")];
const LUA_NEW: &[Answer] = &[
    Answer::Json(200, "It was known already; what was said of it is changed.", "LuaEnvelope"),
    Answer::Json(201, "It is known now.", "LuaEnvelope"),
];
const HEALTH: &[Answer] = &[Answer::Json(200, "Yes.", "Health")];
const DEVICE: &[Answer] = &[Answer::Json(200, "The device as it is now.", "Device")];
const REMOVED: &[Answer] = &[Answer::Nothing(204, "It is forgotten.")];
const COMMAND: &[Answer] = &[Answer::Json(200, "The command.", "Command")];
const STREAM: &[Answer] = &[Answer::Text(200, "The stream; it does not end.", "text/event-stream")];
const TOOLS: &[Answer] = &[
    Answer::Json(200, "The tools, in the form that was asked for.", "Tools"),
    Answer::Nothing(304, "They are as they were."),
];
/// A schema that says little.
const ANY_OBJECT: &str = r#"{"type":"object"}"#;
/// How a call by a tool's name may end.
const TOOL_ENDS: &[ApiError] = &[
    ApiError::ToolUnknown,
    ApiError::InvalidTimeout,
    ApiError::InvalidArguments,
    ApiError::DeviceOffline,
    ApiError::DeviceTimeout,
    ApiError::DeviceError,
    ApiError::DeviceBusy,
    ApiError::TooManyCommands,
    ApiError::KeyReused,
    ApiError::CommandCancelled,
    ApiError::ShuttingDown,
];
const UNKNOWN_DEVICE: &[ApiError] = &[ApiError::DeviceUnknown];
const UNKNOWN_COMMAND: &[ApiError] = &[ApiError::CommandUnknown];

/// The description of an endpoint.
pub(super) fn describe(endpoint: Endpoint) -> Option<Operation> {
    let plain =
        |id, summary, answers| Operation { id, summary, answers, parameters: &[], body: None, errors: &[] };
    let device = |id, summary, answers| Operation { errors: UNKNOWN_DEVICE, ..plain(id, summary, answers) };
    Some(match endpoint {
        Endpoint::Healthz => plain("alive", "Whether the process lives.", HEALTH),
        Endpoint::Readyz => Operation {
            errors: &[ApiError::NotReady],
            ..plain("ready", "Whether it is ready to serve.", HEALTH)
        },
        Endpoint::Metrics => plain(
            "metrics",
            "Prometheus text.",
            &[Answer::Text(200, "The metrics of all cores.", crate::metrics::CONTENT_TYPE)],
        ),
        Endpoint::OpenApi => {
            plain("openapi", "This document.", &[Answer::Json(200, "OpenAPI 3.1.", ANY_OBJECT)])
        }
        Endpoint::Key => plain("key", "Whose key this is.", &[Answer::Json(200, "The key.", "Key")]),
        Endpoint::Devices => Operation {
            parameters: OF_DEVICES,
            ..plain(
                "list_devices",
                "An agent's devices.",
                &[Answer::Json(200, "A page of devices.", "Devices")],
            )
        },
        Endpoint::Device => device(
            "show_device",
            "One device, with its manifest, what was refused of it, and how its last connections ended.",
            &[Answer::Json(200, "The device.", "DeviceInFull")],
        ),
        Endpoint::DeviceRemove => {
            device("remove_device", "Forget a device; one that connects again is new.", REMOVED)
        }
        Endpoint::DeviceDisable => {
            device("disable_device", "Hang up on a device and refuse it until it is enabled.", DEVICE)
        }
        Endpoint::DeviceEnable => device("enable_device", "Let a disabled device connect again.", DEVICE),
        Endpoint::Tools
        | Endpoint::Tool
        | Endpoint::Command
        | Endpoint::Commands
        | Endpoint::CommandState
        | Endpoint::CommandCancel
        | Endpoint::Events
        | Endpoint::Tap => return of_commands(endpoint),
        // WebSocket after its first words: OpenAPI has no words for it.
        Endpoint::MqttSocket | Endpoint::SocketIo => return None,
        Endpoint::LuaDevices => plain("list_devices", "An agent's devices.", LUA),
        Endpoint::LuaStatus => device("device_status", "Whether a device is online.", LUA),
        Endpoint::LuaRegister => Operation {
            body: Some(("LuaDevice", true)),
            errors: &[ApiError::TooManyDevices],
            ..plain("register_device", "Make a device known before it connects.", LUA_NEW)
        },
        Endpoint::LuaCommand => Operation {
            body: Some(("LuaCommand", true)),
            parameters: OF_LUA,
            errors: ENDS,
            ..plain("run_command", "Run a command, or test a trigger.", LUA)
        },
    })
}

/// What is asked of devices, and what they say.
fn of_commands(endpoint: Endpoint) -> Option<Operation> {
    let plain =
        |id, summary, answers| Operation { id, summary, answers, parameters: &[], body: None, errors: &[] };
    Some(match endpoint {
        Endpoint::Tools => Operation {
            parameters: OF_TOOLS,
            ..plain("list_tools", "The tools of all online devices.", TOOLS)
        },
        Endpoint::Tool => Operation {
            parameters: OF_A_COMMAND,
            body: Some(("ToolRequest", false)),
            errors: TOOL_ENDS,
            ..plain("call_tool", "Call a tool by its name.", DONE)
        },
        Endpoint::Command => Operation {
            parameters: OF_A_COMMAND,
            body: Some(("CommandRequest", true)),
            errors: ENDS,
            ..plain("run_command", "Run a command on a device.", DONE)
        },
        Endpoint::Commands => Operation {
            parameters: OF_COMMANDS,
            ..plain(
                "list_commands",
                "Commands under way and remembered.",
                &[Answer::Json(200, "A page of commands.", "Commands")],
            )
        },
        Endpoint::CommandState => {
            Operation { errors: UNKNOWN_COMMAND, ..plain("show_command", "How a command goes.", COMMAND) }
        }
        Endpoint::CommandCancel => Operation {
            errors: &[ApiError::CommandUnknown, ApiError::CommandFinished],
            ..plain("cancel_command", "Take a command back.", COMMAND)
        },
        Endpoint::Events => Operation {
            parameters: OF_EVENTS,
            errors: &[ApiError::TooManyStreams],
            ..plain("events", "What happens, as Server-Sent Events.", STREAM)
        },
        Endpoint::Tap => Operation {
            parameters: OF_TAP,
            errors: &[ApiError::TooManyStreams],
            ..plain("tap", "What devices and the gateway say to each other, as Server-Sent Events.", STREAM)
        },
        _ => return None,
    })
}
