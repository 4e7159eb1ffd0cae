//! `GET /openapi.json`: this API for machines, in OpenAPI 3.1.
//!
//! Owns what each endpoint takes and answers, in words; paths, methods and who may come from the route table, statuses of
//! errors from the error table, so that the document cannot say what the gateway does not do. Made once, at the first
//! question. Never answers anything else.

use super::errors::{ApiError, CONTENT_TYPE};
use super::lua;
use super::routes::{Access, ROUTES, Route, Tongue};
use crate::shard::{Cx, Shard};
use engine::Key;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use transports::http::Method;

mod operations;

use operations::{Answer, Operation, Parameter, describe};

/// The bodies, by name.
const SCHEMAS: &str = include_str!("openapi/schemas.json");

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

impl Shard {
    /// `GET /openapi.json`
    pub(crate) fn describe_api(&mut self, cx: &mut Cx<'_>, conn: Key) {
        self.respond_json(cx, conn, &|body| body.extend_from_slice(DOCUMENT.as_bytes()));
    }
}

/// The whole document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let Some(operation) = describe(route.endpoint) else { continue };
        let path = paths.entry(route.pattern).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(verb(route.method).into(), write_operation(route, &operation));
        }
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Devices as tools of AI agents. Errors are application/problem+json (RFC 9457); below /developer they \
                            are what lua-cli shows.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of `gateway keys add`."},
            },
        },
    })
}

fn write_operation(route: &Route, operation: &Operation) -> Value {
    let tongue = Tongue::of(route.pattern);
    let id = match tongue {
        Tongue::Own if operation.id == "tap" && route.pattern.contains("{device}") => "tap_device".into(),
        Tongue::Own => operation.id.to_owned(),
        Tongue::Lua => format!("lua_{}", operation.id),
    };
    let mut written = json!({
        "operationId": id,
        "summary": operation.summary,
        "parameters": parameters(route, operation),
        "responses": responses(route, operation, tongue),
        "tags": [if tongue == Tongue::Lua { "lua-cli" } else { "gateway" }],
        "security": if route.access == Access::Open { json!([]) } else { json!([{"key": []}]) },
    });
    if let Some((schema, required)) = operation.body {
        let content = json!({"application/json": {"schema": reference(schema)}});
        written["requestBody"] = json!({"required": required, "content": content});
    }
    written
}

fn parameters(route: &Route, operation: &Operation) -> Vec<Value> {
    let names = route.pattern.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = names.map(|name| {
        let schema = json!({"type": "string", "minLength": 1, "maxLength": 256});
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    });
    let more = operation.parameters.iter().map(|Parameter { name, place, schema, what }| {
        let schema: Value = serde_json::from_str(schema).unwrap_or_default();
        json!({"name": name, "in": place, "required": false, "description": what, "schema": schema})
    });
    in_path.chain(more).collect()
}

fn responses(route: &Route, operation: &Operation, tongue: Tongue) -> Value {
    let mut responses = Map::new();
    for answer in operation.answers {
        let (status, written) = write_answer(answer, tongue);
        responses.insert(status.to_string(), written);
    }
    let of_access: &[ApiError] = match route.access {
        Access::Open => &[],
        Access::AnyKey => &[ApiError::Unauthorized],
        Access::Operator => &[ApiError::Unauthorized, ApiError::Forbidden],
        Access::OwnAgent => &[ApiError::Unauthorized, ApiError::Forbidden, ApiError::NotFound],
    };
    let of_key: &[ApiError] = match route.access {
        Access::Open => &[],
        Access::AnyKey | Access::Operator | Access::OwnAgent => {
            &[ApiError::RateLimited, ApiError::AuthUnavailable]
        }
    };
    let of_body: &[ApiError] =
        if operation.body.is_some() { &[ApiError::InvalidJson, ApiError::PayloadTooLarge] } else { &[] };
    let of_all = [ApiError::InvalidRequest];
    for &error in of_all.iter().chain(of_access).chain(of_key).chain(of_body).chain(operation.errors) {
        let (status, media, schema) = match tongue {
            Tongue::Own => (error.entry().status, CONTENT_TYPE, "Problem"),
            Tongue::Lua => (lua::status(error), "application/json", "LuaError"),
        };
        if status < 300 {
            continue;
        }
        let entry = error.entry();
        let sentence = format!("`{}`: {}", entry.code, entry.title);
        let response = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": "", "content": {media: {"schema": reference(schema)}}}));
        let said = response["description"].as_str().unwrap_or_default();
        response["description"] =
            if said.is_empty() { sentence.into() } else { format!("{said} {sentence}").into() };
    }
    Value::Object(responses)
}

fn write_answer(answer: &Answer, tongue: Tongue) -> (u16, Value) {
    let (status, what, media, schema) = match *answer {
        Answer::Json(status, what, schema) => (status, what, "application/json", Some(schema)),
        Answer::Text(status, what, media) => (status, what, media, None),
        Answer::Nothing(status, what) if tongue == Tongue::Own => {
            return (status, json!({"description": what}));
        }
        Answer::Nothing(_, what) => (200, what, "application/json", Some("LuaEnvelope")),
    };
    let schema = match (schema, tongue) {
        (Some(_), Tongue::Lua) => reference("LuaEnvelope"),
        (Some(schema), Tongue::Own) if schema.starts_with('{') => {
            serde_json::from_str(schema).unwrap_or_default()
        }
        (Some(schema), Tongue::Own) => reference(schema),
        (None, _) => json!({"type": "string"}),
    };
    (status, json!({"description": what, "content": {media: {"schema": schema}}}))
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// A method as OpenAPI spells it.
fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Head => "head",
        Method::Post => "post",
        Method::Put => "put",
        Method::Delete => "delete",
        Method::Options => "options",
        Method::Patch => "patch",
        Method::Other => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn every_route_is_described_and_no_two_have_one_name() {
        let document = document();
        let mut ids = BTreeSet::new();
        for route in ROUTES.iter().filter(|route| describe(route.endpoint).is_some()) {
            let operation = &document["paths"][route.pattern][verb(route.method)];
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{}", route.pattern));
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()));
            let secured = operation["security"].as_array().is_some_and(|all| !all.is_empty());
            assert_eq!(secured, route.access != Access::Open, "{id}");
        }
        assert!(ids.len() > 20);
    }

    #[test]
    fn what_is_written_as_text_is_json() {
        assert!(serde_json::from_str::<Value>(SCHEMAS).is_ok());
        for operation in ROUTES.iter().filter_map(|route| describe(route.endpoint)) {
            for parameter in operation.parameters {
                assert!(serde_json::from_str::<Value>(parameter.schema).is_ok(), "{}", parameter.name);
            }
        }
    }
}
