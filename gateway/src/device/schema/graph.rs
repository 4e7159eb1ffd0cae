//! The schema as a graph: which node is asked about the same value as another, and which about a value below it.
//!
//! Owns the rules for references: every `$ref` stays within the schema and leads to a node, and no identifier below
//! the top changes what a reference means. It follows every keyword that either draft follows, so a keyword which only
//! one of them knows can make the graph larger than the truth, never smaller. It never looks at a payload.
//!
//! ```text
//!   {"allOf": [A], "$ref": B}                  same value    node --> A, node --> B
//!   {"properties": {"x": C}, "items": D}       value below   node --x--> C, node --element--> D
//! ```

use super::fault::{FaultKind, SchemaFault};
use super::pattern::steps_per_byte;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Schema nodes that a schema may have. One of 4 KiB hardly can have more; this bounds the ones of other sizes.
const NODES_MAX: usize = 1_024;

/// What a format or an encoding costs for each byte of a text; the dearest of them parses the text.
const TEXT_STEPS: u64 = 2;

/// Where below a value another value is.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(super) enum Place {
    /// The property of this name.
    Property(Box<str>),
    /// A property which the same node does not name.
    OtherProperty,
    /// Any property.
    AnyProperty,
    /// A property's name, as a value.
    Name,
    /// The element with this index.
    Element(usize),
    /// An element behind those which the same node counts out.
    OtherElement,
    /// Any element.
    AnyElement,
}

/// One node of the schema.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// What a visit costs by itself, in steps.
    pub(super) steps: u64,
    /// What each byte costs if the value is a text, in steps.
    pub(super) text_steps: u64,
    /// What each byte of the names of the value's properties costs, in steps.
    pub(super) name_steps: u64,
    /// How often a visit asks the nodes in `same`.
    pub(super) rounds: u64,
    /// Nodes asked about the same value; references are among them.
    pub(super) same: Vec<usize>,
    /// Nodes asked about a value below.
    pub(super) below: Vec<(Place, usize)>,
}

/// The nodes that can be reached from the top, which is the first of them.
#[derive(Debug)]
pub(super) struct Graph<'s> {
    pub(super) nodes: Vec<Node>,
    /// The regular expressions in them.
    pub(super) patterns: BTreeSet<&'s str>,
}

impl<'s> Graph<'s> {
    /// The graph of a schema that [`make_self_contained`] has passed.
    pub(super) fn of(schema: &'s Value) -> Result<Graph<'s>, SchemaFault> {
        let mut builder = Builder {
            root: schema,
            numbers: BTreeMap::new(),
            found: Vec::new(),
            nodes: Vec::new(),
            patterns: BTreeSet::new(),
        };
        builder.number(schema);
        while let Some(&next) = builder.found.get(builder.nodes.len()) {
            let mut node = Node { steps: 1, rounds: 1, ..Node::default() };
            for (keyword, value) in next.as_object().into_iter().flatten() {
                builder.keyword(&mut node, keyword, value)?;
            }
            builder.nodes.push(node);
            if builder.found.len() > NODES_MAX {
                return Err(SchemaFault::new(FaultKind::TooCostly, "the schema has too many nodes"));
            }
        }
        Ok(Graph { nodes: builder.nodes, patterns: builder.patterns })
    }
}

/// Takes the identity away from the schema: its `$id` and `$schema` go, and references to it by that `$id` become
/// local ones. Refuses identifiers further down, since they would change what the references around them mean.
pub(super) fn make_self_contained(schema: &mut Value) -> Result<(), SchemaFault> {
    let Value::Object(members) = schema else {
        return Ok(());
    };
    members.remove("$schema");
    let id = match members.remove("$id") {
        Some(Value::String(id)) => Some(id.trim_end_matches('#').to_owned()),
        _ => None,
    };
    localise(schema, id.as_deref())
}

fn localise(value: &mut Value, id: Option<&str>) -> Result<(), SchemaFault> {
    match value {
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            if text("$schema").is_some() || text("$id").is_some_and(|id| !id.starts_with('#')) {
                let detail = "an $id or $schema below the top of the schema is not supported";
                return Err(SchemaFault::new(FaultKind::Reference, detail));
            }
            for (key, member) in members.iter_mut() {
                match (key.as_str(), &mut *member) {
                    ("$ref" | "$dynamicRef", Value::String(reference)) => {
                        if let Some(rest) = id.and_then(|id| reference.strip_prefix(id))
                            && (rest.is_empty() || rest.starts_with('#'))
                        {
                            *reference = format!("#{}", rest.trim_start_matches('#'));
                        }
                    }
                    _ => localise(member, id)?,
                }
            }
            Ok(())
        }
        Value::Array(elements) => elements.iter_mut().try_for_each(|element| localise(element, id)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

struct Builder<'s> {
    root: &'s Value,
    /// The number of each node, by its address: within one borrowed tree an address is an identity.
    numbers: BTreeMap<*const Value, usize>,
    /// The nodes found so far, by number.
    found: Vec<&'s Value>,
    /// The nodes read so far, by number.
    nodes: Vec<Node>,
    patterns: BTreeSet<&'s str>,
}

impl<'s> Builder<'s> {
    fn number(&mut self, schema: &'s Value) -> usize {
        *self.numbers.entry(schema).or_insert_with(|| {
            self.found.push(schema);
            self.found.len() - 1
        })
    }

    fn keyword(&mut self, node: &mut Node, keyword: &str, value: &'s Value) -> Result<(), SchemaFault> {
        match keyword {
            "$ref" | "$dynamicRef" => self.reference(node, value)?,
            "allOf" | "anyOf" | "oneOf" => self.same(node, elements(value)),
            "not" | "if" | "then" | "else" => self.same(node, [value]),
            "dependentSchemas" | "dependencies" => self.same(node, members(value).map(|(_, schema)| schema)),
            "properties" => {
                node.steps += size(value) / 4;
                for (name, schema) in members(value) {
                    self.below(node, Place::Property(name.as_str().into()), schema);
                }
            }
            "patternProperties" => {
                for (pattern, schema) in members(value) {
                    // Once to find those that match, once more to tell the additional properties.
                    node.name_steps = node.name_steps.saturating_add(2 * self.pattern(pattern));
                    self.below(node, Place::AnyProperty, schema);
                }
            }
            "additionalProperties" => self.below(node, Place::OtherProperty, value),
            "propertyNames" => self.below(node, Place::Name, value),
            "items" if !value.is_array() => self.below(node, Place::OtherElement, value),
            "items" | "prefixItems" => {
                for (index, schema) in elements(value).enumerate() {
                    self.below(node, Place::Element(index), schema);
                }
            }
            "additionalItems" => self.below(node, Place::OtherElement, value),
            "contains" => self.below(node, Place::AnyElement, value),
            // To learn what has been evaluated, the nodes about the same value are asked a second time.
            "unevaluatedProperties" => {
                node.rounds = 2;
                self.below(node, Place::OtherProperty, value);
            }
            "unevaluatedItems" => {
                node.rounds = 2;
                self.below(node, Place::OtherElement, value);
            }
            "pattern" => {
                let steps = value.as_str().map_or(0, |pattern| self.pattern(pattern));
                node.text_steps = node.text_steps.saturating_add(steps);
            }
            "format" | "contentEncoding" | "contentMediaType" => {
                node.text_steps = node.text_steps.saturating_add(TEXT_STEPS);
            }
            "enum" | "required" | "dependentRequired" => node.steps += size(value) / 4,
            _ => {}
        }
        Ok(())
    }

    /// Takes the expression down, and says what it costs.
    fn pattern(&mut self, pattern: &'s str) -> u64 {
        self.patterns.insert(pattern);
        steps_per_byte(pattern).min(u64::from(u32::MAX))
    }

    fn same(&mut self, node: &mut Node, schemas: impl IntoIterator<Item = &'s Value>) {
        for schema in schemas.into_iter().filter(|schema| is_schema(schema)) {
            let number = self.number(schema);
            node.same.push(number);
        }
    }

    fn below(&mut self, node: &mut Node, place: Place, schema: &'s Value) {
        if is_schema(schema) {
            let number = self.number(schema);
            node.below.push((place, number));
        }
    }

    fn reference(&mut self, node: &mut Node, value: &'s Value) -> Result<(), SchemaFault> {
        let refuse = |detail: &str| Err(SchemaFault::new(FaultKind::Reference, detail));
        let Some(reference) = value.as_str() else {
            return refuse("a $ref is no string");
        };
        let Some(fragment) = reference.strip_prefix('#') else {
            return refuse("a $ref leads out of the schema; only references that begin with # are followed");
        };
        let Some(fragment) = percent_decoded(fragment) else {
            return refuse("a $ref is badly encoded");
        };
        let mut targets = Vec::new();
        if fragment.is_empty() || fragment.starts_with('/') {
            targets.extend(self.root.pointer(&fragment));
        } else {
            anchored(self.root, &fragment, &mut targets);
        }
        if targets.is_empty() || !targets.iter().all(|target| is_schema(target)) {
            return refuse("a $ref leads to nothing in the schema, or to something that is no schema");
        }
        self.same(node, targets);
        Ok(())
    }
}

/// A schema is an object or a boolean; a boolean costs a visit, too.
fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn size(value: &Value) -> u64 {
    (elements(value).count() + members(value).count()) as u64
}

/// Every place in the schema that calls itself by this name. Which of them a `$dynamicRef` means is decided while
/// checking, so all of them count.
fn anchored<'s>(value: &'s Value, name: &str, found: &mut Vec<&'s Value>) {
    let says = |key: &str, prefix: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.and_then(|text| text.strip_prefix(prefix)) == Some(name)
    };
    if says("$anchor", "") || says("$dynamicAnchor", "") || says("$id", "#") {
        found.push(value);
    }
    members(value).for_each(|(_, member)| anchored(member, name, found));
    elements(value).for_each(|element| anchored(element, name, found));
}

/// The fragment without percent-encoding (RFC 3986, 2.1); `None` if it is badly encoded.
fn percent_decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push((digit()? * 16 + digit()?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn graph(mut schema: Value) -> Result<Vec<Node>, FaultKind> {
        let passed = make_self_contained(&mut schema);
        passed.and_then(|()| Ok(Graph::of(&schema)?.nodes)).map_err(|fault| fault.kind())
    }

    #[test]
    fn tells_nodes_about_the_same_value_from_nodes_below_it() {
        let graph = graph(json!({
            "allOf": [{"type": "object"}],
            "properties": {"a": {"items": [{}, true]}},
            "additionalProperties": false,
        }));
        let nodes = graph.unwrap();
        assert_eq!(nodes[0].same.len(), 1);
        let places: Vec<&Place> = nodes[0].below.iter().map(|(place, _)| place).collect();
        assert_eq!(places, [&Place::OtherProperty, &Place::Property("a".into())]);
        let array = nodes.iter().find(|node| node.below.iter().any(|(place, _)| *place == Place::Element(1)));
        assert!(array.is_some());
    }

    #[test]
    fn follows_pointers_anchors_and_the_schemas_own_id() {
        for reference in ["#", "#/$defs/a", "#/%24defs/a", "#b", "#c", "http://x/y#/$defs/a", "http://x/y"] {
            let schema = json!({
                "$id": "http://x/y",
                "properties": {"p": {"$ref": reference}},
                "$defs": {"a": {}, "b": {"$anchor": "b"}, "c": {"$id": "#c"}},
            });
            assert!(graph(schema).is_ok(), "{reference}");
        }
    }

    #[test]
    fn refuses_references_that_leave_the_schema_or_lead_nowhere() {
        let strays =
            ["http://x/", "file:///etc/passwd", "other", "#/a", "#a", "#/type", "#%zz", "#%4", "//x", ""];
        for reference in strays {
            let schema = json!({"type": "object", "properties": {"p": {"$ref": reference}}});
            assert_eq!(graph(schema).err(), Some(FaultKind::Reference), "{reference}");
        }
    }

    #[test]
    fn refuses_identifiers_below_the_top_but_not_properties_of_that_name() {
        let schema = json!({"properties": {"p": {"$id": "http://x/"}}});
        assert_eq!(graph(schema).err(), Some(FaultKind::Reference));
        let schema = json!({"$defs": {"p": {"$schema": "http://x/"}}});
        assert_eq!(graph(schema).err(), Some(FaultKind::Reference));
        let schema = json!({"properties": {"$id": {"type": "string"}, "$ref": {"type": "string"}}});
        assert!(graph(schema).is_ok());
    }

    #[test]
    fn refuses_more_nodes_than_it_will_count() {
        let many: Map<String, Value> = (0..NODES_MAX).map(|n| (n.to_string(), json!({}))).collect();
        assert_eq!(graph(json!({"properties": many})).err(), Some(FaultKind::TooCostly));
    }
}
