//! A command's input schema: compiled once, then asked about every payload.
//!
//! Owns the fences around the JSON Schema library. Exactly the 2020-12 `$schema` URI selects that draft, everything
//! else is draft-07; nothing is ever fetched; a reference stays within the schema; patterns run in linear time and in
//! bounded memory, those which need backtracking are refused; and what a schema may cost is bounded before it is compiled
//! (`graph`, `cost`) and again for every payload before it is checked. It knows no device and no command, and an
//! error never carries a value of the payload.
//!
//! ```text
//!   compile:  bytes -> tree -> object with "type": "object" -> references, cycles, cost -> library -> Schema
//!   check:    bytes -> tree, values counted by depth -> steps within the ceiling? -> valid? -> errors, if affordable
//! ```
//!
//! A step is about 20 ns: a visit of a schema node, or what the worst regular expression makes of a byte for each of its
//! positions. A check takes 75 ms at the very worst, a schema made for that on a payload made for that; an everyday one
//! takes half a microsecond.

mod cost;
mod fault;
mod footprint;
mod graph;
mod pattern;
mod tree;

pub use fault::{FaultKind, SchemaFault};

use cost::Cost;
use fault::bounded;
use graph::Graph;
use jsonschema::{Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tree::Tree;

/// The `$schema` that selects draft 2020-12.
const DRAFT_2020_12: &str = "https://json-schema.org/draft/2020-12/schema";

/// Steps that one check may take among the nodes of the schema.
pub const STEPS_MAX: u64 = 1_000_000;

/// Steps that one check may take among the bytes of texts.
pub const TEXT_STEPS_MAX: u64 = 2_500_000;

/// Steps times values of the payload up to which a check that failed is repeated for its errors. An error can hold a
/// copy of a part of the payload, so this bounds memory: about 25 MiB at the worst.
const ERRORS_COST_MAX: u64 = 1 << 18;

/// Errors reported for one payload.
pub const ERRORS_MAX: usize = 16;

/// Bytes of an error's pointer, and of its detail.
pub const ERROR_TEXT_BYTES_MAX: usize = 256;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    cost: Cost,
    bytes: usize,
}

/// A payload, and what its check may cost.
struct Priced {
    tree: Tree,
    steps: u64,
    text_steps: u64,
}

/// One reason why a payload does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArgumentError {
    /// Where in the payload (RFC 6901); "" is the payload itself. At most [`ERROR_TEXT_BYTES_MAX`] bytes.
    pub pointer: String,
    /// What is wrong there, a sentence without values of the payload. At most [`ERROR_TEXT_BYTES_MAX`] bytes.
    pub detail: String,
}

impl Schema {
    /// Compiles a schema from its JSON. Takes up to some milliseconds for a hostile one of 4 KiB.
    ///
    /// ```
    /// # use gateway::device::schema::Schema;
    /// let schema = Schema::compile(br#"{"type": "object", "required": ["on"]}"#)?;
    /// assert!(schema.check(br#"{"on": true}"#).is_ok());
    /// assert!(schema.check(b"").is_err());
    /// # Ok::<(), gateway::device::schema::SchemaFault>(())
    /// ```
    pub fn compile(json: &[u8]) -> Result<Schema, SchemaFault> {
        let mut schema =
            Tree::parse(json).map_err(|detail| SchemaFault::new(FaultKind::Json, &detail))?.value;
        let Value::Object(members) = &schema else {
            return Err(SchemaFault::new(FaultKind::NotAnObject, "the schema is no object"));
        };
        if members.get("type").and_then(Value::as_str) != Some("object") {
            return Err(SchemaFault::new(FaultKind::Type, "the schema's type is not \"object\""));
        }
        let is_2020_12 = members.get("$schema").and_then(Value::as_str) == Some(DRAFT_2020_12);
        graph::make_self_contained(&mut schema)?;
        let graph = Graph::of(&schema)?;
        let cost = Cost::of(&graph)?;
        let pattern_bytes = pattern::compiled_bytes(&graph.patterns)?;
        let bytes = footprint::bytes(&schema, pattern_bytes);
        let validator = build(&schema, is_2020_12)?;
        Ok(Schema { validator, cost, bytes })
    }

    /// Bytes that it takes, compiled; an estimate that is not too low.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Checks a payload; an empty one is checked as `{}`. At most [`ERRORS_MAX`] errors.
    pub fn check(&self, payload: &[u8]) -> Result<(), Vec<ArgumentError>> {
        self.price(payload).and_then(|priced| self.judge(&priced))
    }

    /// The same, if it takes no more than so many steps; none if it may take more.
    pub fn check_within(&self, payload: &[u8], steps_max: u64) -> Option<Result<(), Vec<ArgumentError>>> {
        match self.price(payload) {
            Ok(priced) if priced.steps + priced.text_steps > steps_max => None,
            Ok(priced) => Some(self.judge(&priced)),
            Err(errors) => Some(Err(errors)),
        }
    }

    /// Reads a payload, and refuses one that can be refused without a look at the schema, or for what it would cost.
    fn price(&self, payload: &[u8]) -> Result<Priced, Vec<ArgumentError>> {
        let payload = if payload.trim_ascii().is_empty() { b"{}" } else { payload };
        let tree = Tree::parse(payload).map_err(|detail| whole(&detail))?;
        if !tree.value.is_object() {
            return Err(whole("The payload is not an object"));
        }
        let steps = self.cost.steps(&tree.values_at);
        let text_steps = self.cost.text_steps(&tree.value);
        if steps > STEPS_MAX || text_steps > TEXT_STEPS_MAX {
            return Err(whole("SCHEMA_TOO_COSTLY: checking this payload would take too many steps"));
        }
        Ok(Priced { tree, steps, text_steps })
    }

    fn judge(&self, Priced { tree, steps, text_steps }: &Priced) -> Result<(), Vec<ArgumentError>> {
        // The library is not ours: should it panic on some payload, that payload is refused and the core lives.
        let judged = catch_unwind(AssertUnwindSafe(|| {
            if self.validator.is_valid(&tree.value) {
                return Ok(());
            }
            let is_affordable =
                steps.saturating_mul(tree.values()) <= ERRORS_COST_MAX && *text_steps <= ERRORS_COST_MAX;
            Err(if is_affordable { self.errors(&tree.value) } else { Vec::new() })
        }));
        match judged {
            Ok(Ok(())) => Ok(()),
            Ok(Err(errors)) if !errors.is_empty() => Err(errors),
            Ok(Err(_)) => Err(whole("The payload does not match the schema")),
            Err(_) => Err(whole("The payload could not be checked")),
        }
    }

    fn errors(&self, payload: &Value) -> Vec<ArgumentError> {
        let describe = |error: ValidationError<'_>| ArgumentError {
            pointer: bounded(ERROR_TEXT_BYTES_MAX, format_args!("{}", error.instance_path())),
            detail: bounded(ERROR_TEXT_BYTES_MAX, format_args!("{}", error.masked_with("the value"))),
        };
        self.validator.iter_errors(payload).take(ERRORS_MAX).map(describe).collect()
    }
}

/// The one error about a payload as a whole.
fn whole(detail: &str) -> Vec<ArgumentError> {
    let detail = bounded(ERROR_TEXT_BYTES_MAX, format_args!("{detail}"));
    vec![ArgumentError { pointer: String::new(), detail }]
}

/// Fetches nothing, whatever features of the library somebody else switches on.
struct Refuse;

impl Retrieve for Refuse {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("references to other documents are not followed".into())
    }
}

fn build(schema: &Value, is_2020_12: bool) -> Result<Validator, SchemaFault> {
    let options = if is_2020_12 { jsonschema::draft202012::options() } else { jsonschema::draft7::options() };
    let options = options.with_retriever(Refuse).with_pattern_options(pattern::pattern_options());
    match catch_unwind(AssertUnwindSafe(|| options.build(schema))) {
        Ok(Ok(validator)) => Ok(validator),
        Ok(Err(error)) => Err(build_fault(&error)),
        Err(_) => Err(SchemaFault::new(FaultKind::Invalid, "the schema cannot be compiled")),
    }
}

fn build_fault(error: &ValidationError<'_>) -> SchemaFault {
    let place = error.instance_path().to_string();
    let mut segments = place.rsplit('/');
    let is_pattern = segments.next() == Some("pattern") || segments.next() == Some("patternProperties");
    let kind = if is_pattern { FaultKind::Pattern } else { FaultKind::Invalid };
    let sentence = format_args!("at '{place}': {}", error.masked_with("this"));
    SchemaFault::new(kind, &bounded(fault::DETAIL_BYTES_MAX, sentence))
}

#[cfg(test)]
#[path = "schema/tests.rs"]
mod tests;
