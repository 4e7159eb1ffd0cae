//! The rules of the list, one by one.

use super::*;
use serde_json::{Value, json};

fn parse(list: Value) -> Manifest {
    Manifest::parse(list.to_string().as_bytes(), ManifestLimits::default()).unwrap()
}

fn reasons(manifest: &Manifest) -> Vec<(&str, &str)> {
    manifest.refused().iter().map(|refused| (&*refused.command, refused.reason)).collect()
}

fn names(manifest: &Manifest) -> Vec<&str> {
    manifest.commands().iter().map(|command| &*command.name).collect()
}

#[test]
fn reads_every_member_of_a_command() {
    let schema = r#"{ "type":"object", "properties":{"c":{"type":"number"}} }"#;
    let list = format!(
        r#"[{{"name":"set","description":"Sets \u00e9","inputSchema": {schema} ,"timeoutMs":5000,
            "retry":{{"maxAttempts":5,"backoffMs":250}},"more":[1]}}]"#
    );
    let manifest = Manifest::parse(list.as_bytes(), ManifestLimits::default()).unwrap();
    let set = manifest.command("set").unwrap();
    assert_eq!((&*set.description, set.timeout_ms), ("Sets é", Some(5000)));
    assert_eq!(set.retry, Some(Retry { max_attempts: 5, backoff_ms: 250 }));
    assert_eq!(set.schema_json.as_deref(), Some(schema.as_bytes()), "as the device sent it");
    let compiled = set.schema.as_ref().unwrap();
    assert!(compiled.check(br#"{"c": 20.5}"#).is_ok() && compiled.check(br#"{"c": "warm"}"#).is_err());
    assert!(manifest.refused().is_empty());
}

#[test]
fn a_command_needs_nothing_but_a_name() {
    for list in [
        json!([{"name": "read"}]),
        json!([{"name": "read", "description": null, "inputSchema": null, "timeoutMs": null, "retry": null}]),
    ] {
        let manifest = parse(list);
        let read = manifest.command("read").unwrap();
        assert_eq!(&*read.description, "read");
        assert!(read.schema.is_none() && read.schema_json.is_none());
        assert_eq!((read.timeout_ms, read.retry), (None, None));
    }
}

#[test]
fn an_empty_list_is_a_manifest() {
    let manifest = parse(json!([]));
    assert!(manifest.commands().is_empty() && manifest.refused().is_empty());
    assert!(manifest.command("").is_none());
}

#[test]
fn refuses_what_is_no_list() {
    for bytes in ["", "[", "[}", "[1,]", "\u{feff}[]"] {
        let fault = Manifest::parse(bytes.as_bytes(), ManifestLimits::default()).unwrap_err();
        assert!(matches!(fault, ManifestFault::Malformed(_)), "{bytes}");
    }
    for bytes in ["{}", "null", "\"[]\"", "7"] {
        let fault = Manifest::parse(bytes.as_bytes(), ManifestLimits::default()).unwrap_err();
        assert_eq!(fault, ManifestFault::NotAnArray, "{bytes}");
    }
}

#[test]
fn refuses_entries_one_by_one_and_keeps_the_rest() {
    let manifest = parse(json!([
        {"name": "first"}, 7, {"name": "Bad"}, {"description": "no name"}, {"name": "first", "timeoutMs": 9000},
        {"name": "quick", "timeoutMs": 999}, {"name": "slow", "timeoutMs": 600_001}, {"name": "half", "timeoutMs": 1500.5},
        {"name": "text", "description": 5}, {"name": "again", "retry": 3}, {"name": "never", "retry": {"maxAttempts": 0}},
        {"name": "late", "retry": {"backoffMs": 600_001}}, {"name": "list", "inputSchema": {"type": "array"}},
        {"name": "wild", "inputSchema": true}, {"name": "last", "timeoutMs": 600_000}
    ]));
    assert_eq!(names(&manifest), ["first", "last"]);
    assert_eq!(manifest.command("first").unwrap().timeout_ms, None, "the first of one name wins");
    assert_eq!(
        reasons(&manifest),
        [
            ("#1", "NOT_AN_OBJECT"),
            ("Bad", "NAME_INVALID"),
            ("#3", "NAME_INVALID"),
            ("first", "NAME_DUPLICATE"),
            ("quick", "TIMEOUT_OUT_OF_RANGE"),
            ("slow", "TIMEOUT_OUT_OF_RANGE"),
            ("half", "TIMEOUT_OUT_OF_RANGE"),
            ("text", "DESCRIPTION_INVALID"),
            ("again", "RETRY_INVALID"),
            ("never", "RETRY_INVALID"),
            ("late", "RETRY_INVALID"),
            ("list", "SCHEMA_TYPE_NOT_OBJECT"),
            ("wild", "SCHEMA_NOT_AN_OBJECT"),
        ]
    );
}

#[test]
fn a_refused_entry_does_not_take_the_name() {
    let manifest = parse(json!([{"name": "set", "timeoutMs": 1}, {"name": "set"}]));
    assert_eq!(names(&manifest), ["set"]);
    assert_eq!(reasons(&manifest), [("set", "TIMEOUT_OUT_OF_RANGE")]);
}

#[test]
fn refuses_a_member_that_comes_twice() {
    let list = br#"[{"name":"a","name":"b"},{"name":"c","retry":{"backoffMs":1,"backoffMs":2}}]"#;
    let manifest = Manifest::parse(list, ManifestLimits::default()).unwrap();
    assert_eq!(reasons(&manifest), [("#0", "INVALID_JSON"), ("c", "RETRY_INVALID")]);
}

#[test]
fn takes_the_names_of_the_pattern_and_no_other() {
    let longest = format!("a{}", "_9".repeat(31)) + "z";
    for name in ["a", "a0", "a_b", "z__", longest.as_str()] {
        assert!(is_command_name(name), "{name}");
    }
    let too_long = longest.clone() + "z";
    for name in ["", "A", "0a", "_a", "a-b", "a b", "aB", "ä", "a\n", "a\0", too_long.as_str()] {
        assert!(!is_command_name(name), "{name}");
    }
}

#[test]
fn reads_no_more_entries_than_allowed() {
    let list: Vec<Value> = (0..130).map(|n| json!({"name": format!("c{n}")})).collect();
    let manifest = parse(list.into());
    assert_eq!(manifest.commands().len(), 128);
    assert_eq!(reasons(&manifest), [("c128", "TOO_MANY_COMMANDS"), ("c129", "TOO_MANY_COMMANDS")]);
}

#[test]
fn counts_refusals_beyond_those_it_keeps() {
    let manifest = parse(vec![json!({}); 19_999].into());
    assert_eq!((manifest.refused().len(), manifest.refused_total()), (REFUSED_KEPT_MAX, 19_999));
}

#[test]
fn cuts_a_description_between_characters() {
    let manifest =
        parse(json!([{"name": "a", "description": "ä".repeat(501)}, {"name": "b", "description": ""}]));
    assert_eq!(&*manifest.command("a").unwrap().description, "ä".repeat(500));
    assert_eq!(&*manifest.command("b").unwrap().description, "");
}

#[test]
fn refuses_a_schema_one_byte_too_large() {
    let schema = |bytes: usize| {
        let head = r#"{"type":"object","description":""#;
        format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
    };
    let list = format!(
        r#"[{{"name":"fits","inputSchema":{}}},{{"name":"large","inputSchema":{}}}]"#,
        schema(4096),
        schema(4097)
    );
    let manifest = Manifest::parse(list.as_bytes(), ManifestLimits::default()).unwrap();
    assert_eq!(names(&manifest), ["fits"]);
    assert_eq!(reasons(&manifest), [("large", "SCHEMA_TOO_LARGE")]);
}

#[test]
fn a_retry_given_in_part_is_filled_up() {
    let retry =
        |retry: Value| parse(json!([{"name": "a", "retry": retry}])).command("a").and_then(|a| a.retry);
    assert_eq!(retry(json!({})), Some(Retry { max_attempts: 3, backoff_ms: 1_000 }));
    assert_eq!(retry(json!({"maxAttempts": 2})), Some(Retry { max_attempts: 2, backoff_ms: 1_000 }));
    assert_eq!(
        retry(json!({"backoffMs": 0, "maxAttempts": null})),
        Some(Retry { max_attempts: 3, backoff_ms: 0 })
    );
}

#[test]
fn shows_names_of_strangers_without_harm() {
    let wild = format!("\u{1b}[31m\n{}", "x".repeat(300));
    let manifest = parse(json!([{"name": wild}, {"name": 5}]));
    let shown: Vec<&str> = manifest.refused().iter().map(|refused| &*refused.command).collect();
    assert_eq!(shown[0].chars().count(), SHOWN_NAME_CHARS_MAX);
    assert!(!shown[0].contains(|c: char| c.is_control()));
    assert_eq!(shown[1], "#1");
    assert!(manifest.refused().iter().all(|refused| refused.detail.len() <= 256));
}

#[test]
fn the_fingerprint_is_that_of_the_bytes() {
    let a = Manifest::parse(b"[]", ManifestLimits::default()).unwrap();
    let b = Manifest::parse(b"[ ]", ManifestLimits::default()).unwrap();
    assert_eq!(a.fingerprint(), Manifest::fingerprint_of(b"[]"));
    assert_ne!(a.fingerprint(), b.fingerprint());
    assert_eq!(a.hash(), a.fingerprint() as u64);
}

#[test]
fn schemas_behind_the_end_of_the_time_are_refused_and_the_rest_stays() {
    fn clock() -> Duration {
        Duration::from_secs(1)
    }
    let list = br#"[{"name":"a","inputSchema":{"type":"object"}},{"name":"b"}]"#;
    let hurried = ManifestLimits { compile_max: Duration::ZERO, ..ManifestLimits::default() };
    let manifest = Manifest::parse_timed(list, hurried, Some(clock)).unwrap();
    assert!(manifest.is_out_of_time());
    assert_eq!(manifest.refused()[0].reason, "COMPILE_TIME_SPENT");
    assert!(manifest.command("b").is_some(), "what has no schema takes no time");
    let patient = Manifest::parse_timed(list, ManifestLimits::default(), Some(clock)).unwrap();
    assert!(!patient.is_out_of_time() && patient.command("a").is_some());
    assert!(
        Manifest::parse(list, hurried).unwrap().command("a").is_some(),
        "without a clock time does not pass"
    );
}

#[test]
fn a_list_of_too_many_values_is_no_manifest() {
    let many = format!("[{}1]", "1,".repeat(20_000));
    let fault = Manifest::parse(many.as_bytes(), ManifestLimits::default()).map(drop);
    assert_eq!(fault, Err(ManifestFault::Malformed(json::Malformed::TooManyNodes)));
}
