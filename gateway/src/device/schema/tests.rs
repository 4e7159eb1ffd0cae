//! What a schema accepts and refuses, and that no schema and no payload, however hostile, costs more than its share.

use super::*;
use serde_json::json;

fn compile(schema: Value) -> Result<Schema, FaultKind> {
    Schema::compile(schema.to_string().as_bytes()).map_err(|fault| fault.kind())
}

fn schema(schema: Value) -> Schema {
    Schema::compile(schema.to_string().as_bytes()).unwrap()
}

fn pointers(schema: &Schema, payload: &str) -> Vec<String> {
    let errors = schema.check(payload.as_bytes()).err().unwrap_or_default();
    errors.into_iter().map(|error| error.pointer).collect()
}

fn object_with(property: Value) -> Value {
    json!({"type": "object", "properties": {"x": property}})
}

#[test]
fn is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Schema>();
}

#[test]
fn points_at_what_is_wrong() {
    let schema = schema(json!({
        "type": "object",
        "properties": {"level": {"type": "integer", "maximum": 100}, "a/b": {"type": "array", "items": {"type": "string"}}},
        "required": ["level"],
        "additionalProperties": false,
    }));
    assert!(schema.check(br#"{"level": 7, "a/b": ["x"]}"#).is_ok());
    assert_eq!(pointers(&schema, r#"{"level": 101}"#), ["/level"]);
    assert_eq!(pointers(&schema, r#"{"level": 1, "a/b": ["x", 2]}"#), ["/a~1b/1"]);
    assert_eq!(pointers(&schema, r#"{"level": "high", "stray": 1}"#).len(), 2);
    assert_eq!(pointers(&schema, "[]"), [""]);
    assert_eq!(pointers(&schema, "{"), [""]);
}

#[test]
fn an_absent_payload_is_an_empty_object() {
    let lenient = schema(json!({"type": "object"}));
    assert!(lenient.check(b"").is_ok() && lenient.check(b" \n").is_ok());
    let strict = schema(json!({"type": "object", "required": ["x"]}));
    assert_eq!(pointers(&strict, ""), [""]);
}

#[test]
fn a_payload_with_a_key_twice_is_not_checked_but_refused() {
    let schema = schema(object_with(json!({"type": "integer"})));
    let errors = schema.check(br#"{"x": "no", "x": 1}"#).unwrap_err();
    assert!(errors[0].detail.contains("twice"), "{errors:?}");
}

#[test]
fn errors_are_few_short_and_tell_no_value() {
    let schema =
        schema(json!({"type": "object", "additionalProperties": {"type": "integer", "maxLength": 3}}));
    let secret = "s3cr3t".repeat(100);
    let members: Vec<String> =
        (0..40).map(|n| format!("\"{n}-{}\": \"{secret}\"", "k".repeat(400))).collect();
    let errors = schema.check(format!("{{{}}}", members.join(",")).as_bytes()).unwrap_err();
    assert_eq!(errors.len(), ERRORS_MAX);
    for error in errors {
        assert!(error.pointer.len() <= ERROR_TEXT_BYTES_MAX && error.detail.len() <= ERROR_TEXT_BYTES_MAX);
        assert!(!error.detail.contains("s3cr3t"), "{}", error.detail);
    }
}

#[test]
fn a_failed_check_of_a_large_payload_is_told_in_one_error() {
    let schema = schema(object_with(json!({"items": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}})));
    let payload = format!("{{\"x\": [{}1]}}", "1,".repeat(50_000));
    let errors = schema.check(payload.as_bytes()).unwrap_err();
    assert_eq!((errors.len(), errors[0].pointer.as_str()), (1, ""));
}

#[test]
fn only_the_2020_12_uri_selects_that_draft() {
    // `prefixItems` is a keyword of 2020-12 alone; an array of `items` is one of draft-07 alone.
    let with = |dialect: &str| {
        let mut value = object_with(json!({"prefixItems": [{"type": "string"}]}));
        value["$schema"] = dialect.into();
        schema(value)
    };
    assert!(with(DRAFT_2020_12).check(br#"{"x": [1]}"#).is_err());
    for dialect in [
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema#",
        "http://127.0.0.1:1/schema",
        "file:///etc/passwd",
        "",
    ] {
        assert!(with(dialect).check(br#"{"x": [1]}"#).is_ok(), "{dialect}");
    }
    let tuple = schema(object_with(json!({"items": [{"type": "string"}]})));
    assert!(tuple.check(br#"{"x": [1]}"#).is_err());
}

#[test]
fn the_top_level_is_an_object_that_says_so() {
    assert_eq!(compile(json!([])).err(), Some(FaultKind::NotAnObject));
    assert_eq!(compile(json!(true)).err(), Some(FaultKind::NotAnObject));
    assert_eq!(compile(json!({})).err(), Some(FaultKind::Type));
    assert_eq!(compile(json!({"type": "array"})).err(), Some(FaultKind::Type));
    assert_eq!(compile(json!({"type": ["object", "null"]})).err(), Some(FaultKind::Type));
    assert_eq!(Schema::compile(b"{").unwrap_err().kind(), FaultKind::Json);
    assert_eq!(Schema::compile(br#"{"type":"object","type":"object"}"#).unwrap_err().kind(), FaultKind::Json);
}

#[test]
fn refuses_what_breaks_the_rules_of_json_schema() {
    for property in [json!({"type": "text"}), json!({"minLength": -1}), json!({"required": "x"}), json!(7)] {
        assert_eq!(compile(object_with(property.clone())).err(), Some(FaultKind::Invalid), "{property}");
    }
    let fault = Schema::compile(object_with(json!({"type": "text"})).to_string().as_bytes()).unwrap_err();
    assert!(fault.to_string().contains("/properties/x"), "{fault}");
}

#[test]
fn follows_no_reference_out_of_the_schema() {
    for reference in
        ["http://127.0.0.1:9/x", "https://json-schema.org/draft-07/schema", "file:///etc/passwd", "x.json"]
    {
        for keyword in ["$ref", "$dynamicRef"] {
            let fault = compile(object_with(json!({keyword: reference}))).err();
            assert_eq!(fault, Some(FaultKind::Reference), "{keyword} {reference}");
        }
    }
    let based = json!({"type": "object", "properties": {"x": {"$id": "http://127.0.0.1:9/", "$ref": "x"}}});
    assert_eq!(compile(based).err(), Some(FaultKind::Reference));
    let own = json!({"$id": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"x": {"$ref": "#"}}});
    let own = schema(own);
    assert!(own.check(br#"{"x": {}}"#).is_ok());
    assert_eq!(pointers(&own, r#"{"x": 1}"#), ["/x"], "the schema itself, not the one whose name it takes");
}

#[test]
fn follows_references_within_the_schema() {
    let schema = schema(json!({
        "$id": "https://example.com/tree",
        "type": "object",
        "properties": {"value": {"type": "integer"}, "next": {"$ref": "https://example.com/tree"}},
    }));
    assert!(schema.check(br#"{"next": {"next": {"value": 1}}}"#).is_ok());
    assert_eq!(pointers(&schema, r#"{"next": {"next": {"value": "1"}}}"#), ["/next/next/value"]);
}

#[test]
fn refuses_patterns_that_need_backtracking_or_too_much_memory() {
    let bombs =
        ["(?=a)b", "(?<!a)b", r"(a)\1", "((((a{100}){100}){100}){100})", "a{60}{60}{9}", "(", "[b-a]"];
    for pattern in bombs {
        let fault =
            Schema::compile(object_with(json!({"pattern": pattern})).to_string().as_bytes()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Pattern, "{pattern}: {fault}");
    }
    for pattern in ["(a+)+$", "^[a-z0-9_-]{1,64}$", r"^\d{3}-\w+\s?$", "^.{1,80}$", r"^\p{L}+$"] {
        assert!(compile(object_with(json!({"pattern": pattern}))).is_ok(), "{pattern}");
    }
    let names = json!({"type": "object", "patternProperties": {"(?=a)b": {}}});
    assert_eq!(compile(names).err(), Some(FaultKind::Pattern));
}

#[test]
fn a_pattern_made_for_backtracking_is_linear() {
    let schema = schema(object_with(json!({"pattern": "^(a+)+$"})));
    let payload = format!("{{\"x\": \"{}!\"}}", "a".repeat(100_000));
    assert!(schema.check(payload.as_bytes()).is_err());
}

#[test]
fn a_text_that_a_pattern_would_read_too_slowly_is_refused_unread() {
    let schema = schema(object_with(json!({"pattern": "a[ab]{900}[cd]"})));
    let with = |bytes: usize| schema.check(format!("{{\"x\": \"{}\"}}", "ab".repeat(bytes / 2)).as_bytes());
    assert!(!with(1_000).unwrap_err()[0].detail.contains("COSTLY"));
    assert!(with(10_000).unwrap_err()[0].detail.contains("SCHEMA_TOO_COSTLY"));
    let elsewhere = format!("{{\"y\": \"{}\"}}", "ab".repeat(100_000));
    assert!(schema.check(elsewhere.as_bytes()).is_ok(), "a text that no pattern reads");
}

#[test]
fn refuses_recursion_that_never_descends() {
    let direct = json!({"type": "object", "$ref": "#"});
    assert_eq!(compile(direct).err(), Some(FaultKind::Recursion));
    let two = json!({"type": "object", "anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"allOf": [{"$ref": "#"}]}}});
    assert_eq!(compile(two).err(), Some(FaultKind::Recursion));
}

#[test]
fn refuses_nesting_beyond_any_use() {
    let mut nested = json!({});
    for _ in 0..40 {
        nested = object_with(nested);
    }
    assert_eq!(compile(nested).err(), Some(FaultKind::Json));
    let bomb = format!("{{\"type\":\"object\",\"not\":{}", "{\"not\":".repeat(5_000));
    assert_eq!(Schema::compile(bomb.as_bytes()).unwrap_err().kind(), FaultKind::Json);
}

/// `levels` definitions, each of which asks the next one twice about something below.
fn doubling(levels: usize) -> Value {
    let mut defs = serde_json::Map::new();
    for level in 0..levels {
        let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
        defs.insert(level.to_string(), json!({"properties": {"a": next, "b": next}}));
    }
    defs.insert(levels.to_string(), json!({}));
    json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/0"}}, "$defs": defs})
}

#[test]
fn compiles_shared_definitions_once() {
    assert!(compile(doubling(40)).is_ok());
}

#[test]
fn a_payload_that_would_take_too_many_steps_is_refused_unchecked() {
    let branch = json!({"properties": {"x": {"$ref": "#"}}});
    let schema = schema(json!({"type": "object", "anyOf": [branch, branch, branch]}));
    let nested = |depth: usize| format!("{}1{}", "{\"x\":".repeat(depth), "}".repeat(depth));
    assert!(!schema.check(nested(5).as_bytes()).unwrap_err()[0].detail.contains("COSTLY"));
    assert!(schema.check(nested(60).as_bytes()).unwrap_err()[0].detail.contains("SCHEMA_TOO_COSTLY"));
}

#[test]
fn the_deepest_check_fits_on_the_stack_of_a_thread() {
    // The longest chain allowed about one value, at every depth allowed.
    let mut defs = serde_json::Map::new();
    for link in 0..13 {
        let next = json!({"$ref": format!("#/$defs/{}", link + 1)});
        defs.insert(link.to_string(), json!({"allOf": [next]}));
    }
    let links = [0, 2, 4, 6].map(|link| json!({"$ref": format!("#/$defs/{link}")}));
    defs.insert("7".into(), json!({"properties": {"x": {"$ref": "#/$defs/0"}}}));
    let schema = schema(json!({"type": "object", "properties": {"x": links[0]}, "$defs": defs}));
    let payload = format!("{}1{}", "{\"x\":".repeat(63), "}".repeat(63));
    let bad = payload.replace('1', "{\"x\": 0}");
    let deep = std::thread::Builder::new().stack_size(1 << 20);
    let judged = deep.spawn(move || (schema.check(payload.as_bytes()), schema.check(bad.as_bytes())));
    let (good, _) = judged.unwrap().join().unwrap();
    assert!(good.is_ok());
}

#[test]
fn a_check_that_may_take_too_many_steps_is_left_to_somebody_else() {
    let schema = schema(object_with(json!({"pattern": "a[ab]{300}[cd]", "items": {"type": "integer"}})));
    let text = |bytes: usize| json!({"x": "a".repeat(bytes)}).to_string();
    let list = |values: usize| json!({"x": vec![1; values]}).to_string();
    let within =
        |payload: String| schema.check_within(payload.as_bytes(), 50_000).map(|checked| checked.is_ok());
    assert_eq!(within(text(10)), Some(false));
    assert_eq!(within(text(1000)), None, "the expression would read it for long");
    assert_eq!(within(list(1000)), Some(true));
    assert_eq!(within(list(60_000)), None, "so many values");
    assert_eq!(within("[]".to_owned()), Some(false), "what is refused without a check is refused");
    assert_eq!(within(text(100_000)), Some(false), "and what nobody would check");
    assert!(schema.check(text(1000).as_bytes()).is_err() && schema.check(list(60_000).as_bytes()).is_ok());
}
