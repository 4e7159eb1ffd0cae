//! What a compiled schema holds of the memory: an estimate, never below what was measured.
//!
//! Owns three factors. The library keeps a place (a JSON pointer) for every value of the schema and a node for most, and
//! its expressions are several times as large as the programs that they are compiled to. It never measures.

use serde_json::Value;

/// A schema by itself.
const SCHEMA_BYTES: usize = 4096;

/// One value of a schema, without its place. The dearest that were found, formats, take 470.
const VALUE_BYTES: usize = 512;

/// Each byte of a value's place: it is kept more than once. 1.7 were measured, and a byte may be escaped into two.
const PLACE_FACTOR: usize = 4;

/// Each byte of a compiled expression, and what it remembers of texts. Small ones take 3.4 for each that is counted.
const PATTERN_FACTOR: usize = 4;

/// Bytes that the compiled form of this schema takes, its expressions being of so many bytes.
pub(super) fn bytes(schema: &Value, pattern_bytes: usize) -> usize {
    SCHEMA_BYTES + below(schema, 0) + pattern_bytes * PATTERN_FACTOR
}

/// The value at a place of so many bytes, and all in it. The tree that it is in is not deep.
fn below(value: &Value, place_bytes: usize) -> usize {
    let own = VALUE_BYTES + place_bytes * PLACE_FACTOR;
    match value {
        Value::Object(members) => {
            members.iter().fold(own, |sum, (name, member)| sum + below(member, place_bytes + 1 + name.len()))
        }
        Value::Array(elements) => {
            elements.iter().fold(own, |sum, element| sum + below(element, place_bytes + 4))
        }
        Value::String(text) => own + text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_costs_and_so_does_its_place() {
        let of = |schema: Value| bytes(&schema, 0) - SCHEMA_BYTES;
        assert_eq!(of(json!({})), VALUE_BYTES);
        assert_eq!(of(json!({"a": [true]})), 3 * VALUE_BYTES + PLACE_FACTOR * (2 + 6));
        let (long, short) = (json!({("x".repeat(100)): {"a": true}}), json!({"x": {"a": true}}));
        assert_eq!(of(long) - of(short), 2 * 99 * PLACE_FACTOR);
        assert_eq!(bytes(&json!({}), 1000) - bytes(&json!({}), 0), 1000 * PATTERN_FACTOR);
    }
}
