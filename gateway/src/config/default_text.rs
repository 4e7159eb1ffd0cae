//! `gateway config default`: a commented file with every option at its default.
//!
//! The limits are written from their table; the rest is a text that a test reads back and compares with the defaults in
//! force. It never decides a default.

use crate::limits::{ROWS, Row};

const HEAD: &str = r##"# The gateway's configuration. Every option stands here at its default; what you leave out stays so.
# Each option can also come from the environment, as GATEWAY__SECTION__KEY:
#   GATEWAY__DATA_DIR=/var/lib/gateway
#   GATEWAY__LISTEN__0__ADDRESS=0.0.0.0:1883
#   GATEWAY__LIMITS__COMMAND_GRACE_MS=5000

# The folder of the keys (keys.toml) and the store. `gateway keys add` creates it.
data_dir = "gateway-data"

# How many cores serve connections. Default: all of the machine's.
# cores = 2

# Where devices connect. protocol is "mqtt" (MQTT 3.1.1 over TCP) or "http"; port 0 picks a free one.
# Leave a [[listen]] out and nobody listens there; with no [[listen]] at all, these two are taken.
[[listen]]
protocol = "mqtt"
address = "127.0.0.1:1883"
# With TLS below it (1.2 and 1.3), by the certificate of [tls]; 8883 is the usual port then.
tls = false
# In place of the limit of this name, for MQTT devices that connect here, over TCP or, on an http listener, WebSocket. More than 1
# breaks the MicroPython client. No default.
# mqtt_inflight_to_device = 1

# Where agents and operators connect.
[[listen]]
protocol = "http"
address = "127.0.0.1:8080"
tls = false
# devices: /mqtt, /socket.io/; agents: /v1, /developer, /mcp, /openapi.json; operator: /console, /metrics, /healthz, /readyz
serves = ["devices", "agents", "operator"]

# The certificate of listeners with tls = true. No default. SIGHUP has the files read again: new connections are shown the new
# certificate, open ones live on; if the files are not good, the old one stays, and an error is logged.
[tls]
# PEM chain, the server's own certificate first:
# certificate = "cert.pem"
# PEM private key:
# key = "key.pem"

[auth]
# "keys": the keys in data_dir/keys.toml. "http": those, and for any other key a service is asked (docs/auth.md).
mode = "keys"
# The service in mode "http". No default.
# url = "http://127.0.0.1:9000/validate"
# PEM certificates of the authorities that the service's certificate may come from, instead of the public ones. No default.
# ca = "auth-ca.pem"
# How long one question to the service may take, in ms.
timeout_ms = 2000
# How long a yes of the service is used, in ms, give or take a fifth; open connections are checked again this often.
cache_ms = 60000

[socketio]
# The origins whose web pages may speak Socket.IO by long-polling, as browsers write them ("https://shop.example"); "*" for all,
# [] for none but our own. A page needs a key like everybody else; WebSockets ask no such leave, from whichever page.
cors_origins = ["*"]

# Every ceiling, with its unit. docs/limits.md has the range of each.
[limits]
"##;

/// A commented configuration file with every option at its default.
pub fn default_text() -> String {
    let mut text = HEAD.to_owned();
    let mut group = "";
    for row in ROWS {
        let Row { name, default, unit, .. } = row;
        if row.group != group {
            group = row.group;
            text.push_str(&format!("\n# -- {group} --\n"));
        }
        text.push_str(&format!("\n# {}\n{name} = {default}  # {unit}\n", row.sentence()));
    }
    text
}
