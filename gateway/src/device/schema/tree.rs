//! A JSON document as a tree, read strictly and counted while it is read.
//!
//! Owns the rules that a tree needs and a pass-through document does not: no duplicate key at any level (a schema check
//! and a device might each believe another one), a bound on the depth, and the number of values at each depth, by which
//! the cost of a check is bounded before it begins. It never repairs and never interprets what it reads.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The deepest value that is read, the document itself being at depth 0. The wire format's own rule is the same, so this
/// only guards the recursion of the checks against a document that did not come through it.
pub(super) const DEPTH_MAX: usize = 64;

/// A document and its counts.
#[derive(Debug)]
pub(super) struct Tree {
    /// The document.
    pub value: Value,
    /// How many values there are at each depth; as long as the document is deep.
    pub values_at: Vec<u32>,
}

impl Tree {
    /// Reads one document; an error says in a bounded sentence what is wrong.
    pub(super) fn parse(json: &[u8]) -> Result<Tree, String> {
        let mut values_at = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let level = Level { depth: 0, values_at: &mut values_at };
        let value = level
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value))
            .map_err(|error| error.to_string())?;
        Ok(Tree { value, values_at })
    }

    /// How many values there are.
    pub(super) fn values(&self) -> u64 {
        self.values_at.iter().map(|&values| u64::from(values)).sum()
    }
}

/// The value at one depth, about to be read.
struct Level<'c> {
    depth: usize,
    values_at: &'c mut Vec<u32>,
}

impl Level<'_> {
    fn below(&mut self) -> Level<'_> {
        Level { depth: self.depth + 1, values_at: self.values_at }
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > DEPTH_MAX {
            return Err(D::Error::custom("nested too deep"));
        }
        match self.values_at.get_mut(self.depth) {
            Some(values) => *values = values.saturating_add(1),
            None => self.values_at.push(1),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(value) = elements.next_element_seed(self.below())? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.below())?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key that comes twice in one object"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_values_by_depth() {
        let tree = Tree::parse(br#" {"a": [1, 2, {"b": null}], "c": "d"} "#).unwrap();
        assert_eq!(tree.values_at, [1, 2, 3, 1]);
        assert_eq!(tree.value, serde_json::json!({"a": [1, 2, {"b": null}], "c": "d"}));
    }

    #[test]
    fn refuses_a_key_that_comes_twice_at_any_level_however_it_is_escaped() {
        for json in [&br#"{"a":1,"a":2}"#[..], br#"{"a":[{"b":1,"\u0062":2}]}"#] {
            assert!(Tree::parse(json).unwrap_err().contains("comes twice"));
        }
    }

    #[test]
    fn refuses_what_is_nested_below_the_limit_and_survives_any_depth() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(Tree::parse(&nested(DEPTH_MAX + 1)).is_ok());
        assert!(Tree::parse(&nested(DEPTH_MAX + 2)).unwrap_err().contains("too deep"));
        assert!(Tree::parse(&vec![b'['; 100_000]).is_err());
    }

    #[test]
    fn refuses_what_is_no_json() {
        for json in ["", "{", "{} {}", "NaN", "1e400", "\"\\ud800\"", "\u{feff}{}", "[1,]"] {
            assert!(Tree::parse(json.as_bytes()).is_err(), "{json}");
        }
        assert!(Tree::parse(b"\"\xff\"").is_err());
    }
}
