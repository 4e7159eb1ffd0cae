//! An agent: HTTP requests with a key, and the event stream.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use ureq::http::Response;
use ureq::{Body, RequestBuilder};

/// An agent with its key.
pub struct Agent {
    http: ureq::Agent,
    base: String,
    name: String,
    key: String,
}

/// An answer: status and JSON (null when there is none).
pub struct Answer {
    pub status: u16,
    pub json: Value,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

impl Agent {
    pub fn new(address: SocketAddr, name: &str, key: &str) -> Self {
        let http = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        Self { http, base: format!("http://{address}"), name: name.into(), key: key.into() }
    }

    /// GET of a path of this server.
    pub fn get_path(&self, path: &str) -> Answer {
        read(self.with_key(self.http.get(format!("{}{path}", self.base))).call())
    }

    /// GET below the agent's own path.
    pub fn get(&self, path: &str) -> Answer {
        self.get_path(&format!("/v1/agents/{}{path}", self.name))
    }

    /// The same with header fields of one's own.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.http.get(format!("{}/v1/agents/{}{path}", self.base, self.name));
        read(headers.iter().fold(self.with_key(request), |request, (n, v)| request.header(*n, *v)).call())
    }

    /// Text of a path, for metrics.
    pub fn text(&self, path: &str) -> String {
        let mut response =
            self.with_key(self.http.get(format!("{}{path}", self.base))).call().expect("an answer");
        response.body_mut().read_to_string().expect("text")
    }

    /// Runs a command.
    pub fn call(&self, device: &str, command: &str, payload: &Value) -> Answer {
        self.call_with(device, &json!({"command": command, "payload": payload}))
    }

    /// Runs a command with a whole body.
    pub fn call_with(&self, device: &str, body: &Value) -> Answer {
        let url = format!("{}/v1/agents/{}/devices/{device}/commands", self.base, self.name);
        read(self.with_key(self.http.post(url)).content_type("application/json").send(body.to_string()))
    }

    /// Any request with a body below the agent's own path.
    pub fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            self.with_key(self.http.post(format!("{}/v1/agents/{}{path}", self.base, self.name)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.content_type("application/json").send(body.to_string()))
    }

    /// DELETE below the agent's own path.
    pub fn delete(&self, path: &str) -> Answer {
        read(self.with_key(self.http.delete(format!("{}/v1/agents/{}{path}", self.base, self.name))).call())
    }

    /// Any request with a body, on any path of this server; no body at all when it is empty.
    pub fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let url = format!("{}{path}", self.base);
        let request = ureq::http::Request::builder().method(method).uri(url);
        let request = request.header("Authorization", format!("Bearer {}", self.key));
        let request = request.header("Content-Type", "application/json").body(body.to_owned());
        read(self.http.run(request.expect("a request")))
    }

    /// The same, and the answer as it came.
    pub fn text_of(&self, method: &str, path: &str, body: &str) -> String {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = request.header("Authorization", format!("Bearer {}", self.key)).body(body.to_owned());
        let mut response = self.http.run(request.expect("a request")).expect("an answer");
        response.body_mut().read_to_string().expect("text")
    }

    /// How a command goes.
    pub fn command(&self, id: &str) -> Answer {
        self.get(&format!("/commands/{id}"))
    }

    /// Runs a command under an idempotency key.
    pub fn repeat(&self, device: &str, body: &Value, key: &str) -> Answer {
        let url = format!("{}/v1/agents/{}/devices/{device}/commands", self.base, self.name);
        let request = self.with_key(self.http.post(url)).header("Idempotency-Key", key);
        read(request.content_type("application/json").send(body.to_string()))
    }

    /// Calls a tool by its name.
    pub fn tool(&self, name: &str, arguments: &Value) -> Answer {
        let url = format!("{}/v1/agents/{}/tools/{name}", self.base, self.name);
        let body = json!({"arguments": arguments}).to_string();
        read(self.with_key(self.http.post(url)).content_type("application/json").send(body))
    }

    /// The names of the tools now.
    pub fn tools(&self) -> Vec<String> {
        let tools = self.get("/tools").json;
        let tools = tools["tools"].as_array().unwrap_or_else(|| panic!("tools: {tools}"));
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// A device's status now.
    pub fn status(&self, device: &str) -> String {
        self.get(&format!("/devices/{device}")).json["status"].as_str().unwrap_or("unknown").to_owned()
    }

    /// Opens the event stream.
    pub fn events(&self, after: Option<&str>) -> Events {
        let after = after.map_or(String::new(), |after| format!("?after={after}"));
        let url = format!("{}/v1/agents/{}/events{after}", self.base, self.name);
        let response = self.with_key(self.http.get(url)).call().expect("a stream");
        assert_eq!(response.status(), 200);
        Events::read(response)
    }

    /// Opens any stream below the agent's own path.
    pub fn stream(&self, path: &str) -> Events {
        let url = format!("{}/v1/agents/{}{path}", self.base, self.name);
        let response = self.with_key(self.http.get(url)).call().expect("a stream");
        assert_eq!(response.status(), 200);
        Events::read(response)
    }

    fn with_key<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header("Authorization", format!("Bearer {}", self.key))
    }
}

fn read(response: Result<Response<Body>, ureq::Error>) -> Answer {
    let mut response = response.expect("an answer");
    let text = response.body_mut().read_to_string().expect("text");
    let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
    let headers = response.headers().iter();
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
    Answer { status: response.status().as_u16(), json, headers }
}

/// One event of a stream.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

/// An event stream, read by a thread.
pub struct Events {
    events: Receiver<Event>,
}

impl Events {
    fn read(response: Response<Body>) -> Self {
        let (tell, events) = channel();
        std::thread::spawn(move || {
            let mut event = Event { id: String::new(), kind: String::new(), data: Value::Null };
            for line in BufReader::new(response.into_body().into_reader()).lines().map_while(Result::ok) {
                match line.split_once(": ") {
                    Some(("id", id)) => event.id = id.into(),
                    Some(("event", kind)) => event.kind = kind.into(),
                    Some(("data", data)) => {
                        event.data = serde_json::from_str(data).expect("JSON in one line")
                    }
                    _ if line.is_empty() && !event.kind.is_empty() => {
                        if tell.send(event.clone()).is_err() {
                            return;
                        }
                        event.kind.clear();
                    }
                    _ => {}
                }
            }
        });
        Self { events }
    }

    /// Waits for the next event of a kind; others are passed over.
    pub fn wait(&self, kind: &str) -> Event {
        let deadline = Instant::now() + super::SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("no event {kind} came"));
            if event.kind == kind {
                return event;
            }
        }
    }

    /// The next event, whatever it is, if it comes within `within`.
    pub fn next(&self, within: Duration) -> Option<Event> {
        self.events.recv_timeout(within).ok()
    }
}
