//! What a check can cost at the most: visits of schema nodes for the values at each depth of a payload, and steps for each
//! byte of its texts. Decided once per schema; a payload is only counted out against it.
//!
//! Owns the three ceilings without which a small schema stops a core: no way from a node back to itself about the same
//! value (it would never end), no long such way at all (it takes stack), and not too many visits for one value (a chain
//! of twenty definitions which each name the next one twice makes a million). It never checks anything itself.
//!
//! ```text
//!   visits at depth 0         the top once, and every node it asks about the same value
//!   visits at depth d + 1     for the worst property name, element or other place: every node that one of the nodes
//!                             visited at depth d asks about it, and every node those ask about the same value
//! ```

use super::fault::{FaultKind, SchemaFault};
use super::graph::{Graph, Node, Place};
use super::tree::DEPTH_MAX;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Longest way from node to node about the same value. At every depth of the payload there may be one: together with
/// the depth it bounds the stack of a check.
const CHAIN_MAX: usize = 16;

/// Steps that one value may cost, wherever it stands first.
const STEPS_PER_VALUE_MAX: u64 = 2_000;

/// Where counting ends: a depth that costs this much is beyond every ceiling.
const STEPS_ENDLESS: u64 = 1 << 40;

/// The bound on what checks with one schema cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cost {
    /// Steps for one value at each depth. Values below the last depth cost as much as those at the last one.
    steps_at: Box<[u64]>,
    /// The same for each byte of a text, from depth 1 on; empty if no text costs anything.
    texts_at: Box<[Texts]>,
}

/// What each byte of a text at some depth costs, by its place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Texts {
    name: u64,
    properties: BTreeMap<Box<str>, u64>,
    other_property: u64,
    elements: Vec<u64>,
    other_element: u64,
}

/// How often each node is visited for one value.
type Visits = Vec<u64>;

impl Cost {
    /// The cost of a schema, or why it is refused.
    pub(super) fn of(graph: &Graph<'_>) -> Result<Cost, SchemaFault> {
        let nodes = &graph.nodes;
        let order = order(nodes)?;
        check_one_value(nodes, &order)?;
        let mut visits = vec![0; nodes.len()];
        visits[0] = 1;
        spread(nodes, &order, &mut visits);
        let mut steps_at = vec![steps(nodes, &visits)];
        let mut texts_at = Vec::new();
        let classes = classes(nodes);
        while steps_at.len() <= DEPTH_MAX && steps_at.last() < Some(&STEPS_ENDLESS) {
            let mut below = vec![0_u64; visits.len()];
            let mut worst = 0;
            let mut texts = Texts { name: weigh(nodes, &visits, |node| node.name_steps), ..Texts::default() };
            for class in &classes {
                let mut of_class = step_down(nodes, &visits, class);
                spread(nodes, &order, &mut of_class);
                worst = worst.max(steps(nodes, &of_class));
                texts.set(class, weigh(nodes, &of_class, |node| node.text_steps));
                below.iter_mut().zip(&of_class).for_each(|(max, count)| *max = (*max).max(*count));
            }
            steps_at.push(worst);
            texts_at.push(texts);
            if below == visits || worst == 0 {
                break;
            }
            visits = below;
        }
        if texts_at.iter().all(Texts::is_free) {
            texts_at.clear();
        }
        Ok(Cost { steps_at: steps_at.into(), texts_at: texts_at.into() })
    }

    /// At most so many steps for a payload with so many values at each depth.
    pub(super) fn steps(&self, values_at: &[u32]) -> u64 {
        let last = self.steps_at.len() - 1;
        let depths = values_at.iter().enumerate();
        depths.fold(0, |sum: u64, (depth, &values)| {
            sum.saturating_add(self.steps_at[depth.min(last)].saturating_mul(values.into()))
        })
    }

    /// At most so many steps for the texts in a payload and the names in it.
    pub(super) fn text_steps(&self, payload: &Value) -> u64 {
        if self.texts_at.is_empty() { 0 } else { self.text_steps_below(payload, 0) }
    }

    fn text_steps_below(&self, value: &Value, depth: usize) -> u64 {
        let texts = &self.texts_at[depth.min(self.texts_at.len() - 1)];
        let of = |value: &Value, steps: u64| match value {
            Value::String(text) => steps.saturating_mul(text.len() as u64),
            Value::Object(_) | Value::Array(_) => self.text_steps_below(value, depth + 1),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        match value {
            Value::Object(members) => members.iter().fold(0, |sum: u64, (name, member)| {
                let steps = texts.properties.get(name.as_str()).unwrap_or(&texts.other_property);
                let name_steps = texts.name.saturating_mul(name.len() as u64);
                sum.saturating_add(name_steps).saturating_add(of(member, *steps))
            }),
            Value::Array(elements) => elements.iter().enumerate().fold(0, |sum: u64, (index, element)| {
                let steps = texts.elements.get(index).unwrap_or(&texts.other_element);
                sum.saturating_add(of(element, *steps))
            }),
            _ => 0,
        }
    }
}

impl Texts {
    /// Classes come in order, so that elements come by index without a hole.
    fn set(&mut self, class: &Place, steps: u64) {
        match class {
            Place::Name => self.name = self.name.saturating_add(steps),
            Place::Property(name) => drop(self.properties.insert(name.clone(), steps)),
            Place::OtherProperty | Place::AnyProperty => self.other_property = steps,
            Place::Element(index) => {
                debug_assert_eq!(*index, self.elements.len());
                self.elements.push(steps);
            }
            Place::OtherElement | Place::AnyElement => self.other_element = steps,
        }
    }

    fn is_free(&self) -> bool {
        let mut all = self.properties.values().chain(&self.elements);
        all.all(|&steps| steps == 0) && (self.name, self.other_property, self.other_element) == (0, 0, 0)
    }
}

/// The nodes in an order in which each comes before those it asks about the same value; refuses cycles and long ways.
fn order(nodes: &[Node]) -> Result<Vec<usize>, SchemaFault> {
    let mut asked_by = vec![0_usize; nodes.len()];
    for &number in nodes.iter().flat_map(|node| &node.same) {
        asked_by[number] += 1;
    }
    let mut order: Vec<usize> = (0..nodes.len()).filter(|&number| asked_by[number] == 0).collect();
    let mut chain = vec![1; nodes.len()];
    let mut done = 0;
    while let Some(&number) = order.get(done) {
        done += 1;
        for &next in &nodes[number].same {
            chain[next] = chain[next].max(chain[number] + 1);
            asked_by[next] -= 1;
            if asked_by[next] == 0 {
                order.push(next);
            }
        }
    }
    if order.len() < nodes.len() {
        let detail = "a $ref leads back to itself without descending into the payload";
        return Err(SchemaFault::new(FaultKind::Recursion, detail));
    }
    if chain.into_iter().max() > Some(CHAIN_MAX) {
        let detail = "too many references, allOf, anyOf and the like follow one another";
        return Err(SchemaFault::new(FaultKind::TooCostly, detail));
    }
    Ok(order)
}

/// Refuses a schema of which one node asks too many others about the same value.
fn check_one_value(nodes: &[Node], order: &[usize]) -> Result<(), SchemaFault> {
    let mut total = vec![0_u64; nodes.len()];
    for &number in order.iter().rev() {
        let node = &nodes[number];
        let asked = node.same.iter().fold(0_u64, |sum, &next| sum.saturating_add(total[next]));
        total[number] = asked.saturating_mul(node.rounds).saturating_add(node.steps);
    }
    if total.into_iter().max() > Some(STEPS_PER_VALUE_MAX) {
        let detail = "checking one value could take too many steps";
        return Err(SchemaFault::new(FaultKind::TooCostly, detail));
    }
    Ok(())
}

/// Adds the visits of all nodes that are asked about the same value.
fn spread(nodes: &[Node], order: &[usize], visits: &mut Visits) {
    for &number in order {
        let asks = visits[number].saturating_mul(nodes[number].rounds);
        if asks > 0 {
            for &next in &nodes[number].same {
                visits[next] = visits[next].saturating_add(asks);
            }
        }
    }
}

fn steps(nodes: &[Node], visits: &Visits) -> u64 {
    weigh(nodes, visits, |node| node.steps)
}

fn weigh(nodes: &[Node], visits: &Visits, weight: impl Fn(&Node) -> u64) -> u64 {
    let costs = nodes.iter().zip(visits).map(|(node, &count)| weight(node).saturating_mul(count));
    costs.fold(0, u64::saturating_add)
}

/// The visits of a value at a place of this class, below a value with these visits.
fn step_down(nodes: &[Node], visits: &Visits, class: &Place) -> Visits {
    let mut below = vec![0_u64; visits.len()];
    for (node, &count) in nodes.iter().zip(visits).filter(|(_, count)| **count > 0) {
        let is_named = node.below.iter().any(|(place, _)| place == class);
        for (place, next) in &node.below {
            if applies(place, class, is_named) {
                below[*next] = below[*next].saturating_add(count);
            }
        }
    }
    below
}

/// Whether a node asks about a value of this class at `place`; `is_named`: the node names just this place.
fn applies(place: &Place, class: &Place, is_named: bool) -> bool {
    match (place, class) {
        (Place::OtherProperty, Place::Property(_)) | (Place::OtherElement, Place::Element(_)) => !is_named,
        (Place::AnyProperty, Place::Property(_) | Place::OtherProperty) => true,
        (Place::AnyElement, Place::Element(_) | Place::OtherElement) => true,
        (place, class) => place == class,
    }
}

/// Every kind of place that makes a difference to some node.
fn classes(nodes: &[Node]) -> BTreeSet<Place> {
    let mut classes = BTreeSet::from([Place::OtherProperty, Place::OtherElement, Place::Name]);
    let named = nodes.iter().flat_map(|node| &node.below).map(|(place, _)| place);
    classes.extend(named.filter(|place| matches!(place, Place::Property(_) | Place::Element(_))).cloned());
    classes
}

#[cfg(test)]
mod tests {
    use super::super::pattern::steps_per_byte;
    use super::*;
    use serde_json::json;

    fn cost(schema: Value) -> Result<Cost, FaultKind> {
        Graph::of(&schema).and_then(|graph| Cost::of(&graph)).map_err(|fault| fault.kind())
    }

    fn steps_at(schema: Value) -> Vec<u64> {
        cost(schema).unwrap().steps_at.into()
    }

    #[test]
    fn counts_each_value_once_where_one_node_asks_about_it() {
        let schema = json!({"properties": {"a": {"type": "string"}, "b": {"items": {"type": "number"}}}});
        assert_eq!(steps_at(schema), [1, 1, 1, 0]);
    }

    #[test]
    fn counts_every_node_that_asks_about_the_same_value() {
        let schema = json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"a": true}}]});
        assert_eq!(steps_at(schema), [3, 2, 0]);
    }

    #[test]
    fn additional_properties_are_not_those_that_are_named() {
        let schema = json!({"properties": {"a": {}}, "additionalProperties": {}});
        assert_eq!(steps_at(schema), [1, 1, 0]);
        let schema = json!({"patternProperties": {"x": {}}, "additionalProperties": {}});
        assert_eq!(steps_at(schema), [1, 2, 0]);
    }

    #[test]
    fn a_tree_costs_the_same_at_every_depth() {
        let node = json!({"properties": {"left": {"$ref": "#/$defs/n"}, "right": {"$ref": "#/$defs/n"}}});
        let cost = cost(json!({"$ref": "#/$defs/n", "$defs": {"n": node}})).unwrap();
        assert_eq!(cost.steps(&[1]), 2);
        assert_eq!(cost.steps(&[1, 2, 4, 8]), 2 * 15);
    }

    #[test]
    fn choices_between_recursive_nodes_multiply_with_the_depth() {
        let branch = json!({"properties": {"x": {"$ref": "#"}}});
        let cost = cost(json!({"anyOf": [branch, branch]})).unwrap();
        let at = |depth: usize| {
            let mut values = vec![0; depth + 1];
            values[depth] = 1;
            cost.steps(&values)
        };
        assert!(at(10) >= 1 << 10 && at(10) <= 1 << 13);
        assert!(at(60) > 1 << 39);
    }

    #[test]
    fn texts_cost_where_an_expression_reads_them() {
        let slow = json!({"pattern": "a[ab]{96}[cd]"});
        let with = |list: Value| {
            cost(json!({
                "properties": {"id": slow, "note": {"type": "string"}, "list": list},
                "patternProperties": {"x": {}},
            }))
            .unwrap()
        };
        let all = with(json!({"items": slow}));
        let some = with(json!({"items": [{}, slow], "additionalItems": {"format": "email"}}));
        let steps = |payload: Value| all.text_steps(&payload);
        let per_byte = steps_per_byte("a[ab]{96}[cd]");
        let names = |bytes: u64| 2 * 2 * bytes;
        assert_eq!(steps(json!({"id": "1234"})), names(2) + 4 * per_byte);
        assert_eq!(steps(json!({"note": "1234", "other": "1", "n": 5})), names(10));
        assert_eq!(steps(json!({"list": ["12", "3", 4]})), names(4) + 3 * per_byte);
        assert_eq!(some.text_steps(&json!({"list": ["1", "2", "3"]})), names(4) + per_byte + 2);
        assert_eq!(steps(json!({"note": {"id": "1234"}})), names(4));
    }

    #[test]
    fn texts_cost_at_every_depth_of_a_recursive_schema() {
        let cost = cost(json!({
            "properties": {"next": {"$ref": "#"}, "id": {"pattern": "a"}},
            "propertyNames": {"pattern": "^[a-z]+$"},
        }))
        .unwrap();
        assert_eq!(
            cost.text_steps(&json!({"next": {"next": {"next": {"id": "1234567890"}}}})),
            (12 + 2 + 10) * 2
        );
        assert_eq!(cost.text_steps(&json!({})), 0);
    }

    #[test]
    fn refuses_a_way_back_to_the_same_value() {
        let cycles = [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"properties": {"x": {"$ref": "#/properties/x"}}}),
            json!({"$dynamicAnchor": "n", "if": {"$dynamicRef": "#n"}}),
        ];
        for schema in cycles {
            assert_eq!(cost(schema.clone()), Err(FaultKind::Recursion), "{schema}");
        }
    }

    #[test]
    fn refuses_doubling_and_long_chains() {
        let link = |n: usize, times: usize| json!({"allOf": vec![json!({"$ref": format!("#/$defs/{}", n + 1)}); times]});
        let chain = |length: usize, times: usize| {
            let mut defs: serde_json::Map<String, Value> =
                (0..length).map(|n| (n.to_string(), link(n, times))).collect();
            defs.insert(length.to_string(), json!({}));
            json!({"properties": {"x": {"$ref": "#/$defs/0"}}, "$defs": defs})
        };
        assert!(cost(chain(6, 2)).is_ok());
        assert_eq!(cost(chain(7, 4)), Err(FaultKind::TooCostly), "many visits");
        assert_eq!(cost(chain(20, 1)), Err(FaultKind::TooCostly), "a long way");
        assert_eq!(cost(json!({"enum": vec![0; 10_000]})), Err(FaultKind::TooCostly), "many constants");
    }
}
