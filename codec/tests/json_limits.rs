//! The ceilings of JSON documents, from both sides, and what is asked of a single object.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use codec::json::{self, Kind, Malformed, Names};
use codec::limits::{JSON_DEPTH_MAX, JSON_KEYS_MAX, JSON_NODES_MAX, JSON_NUMBER_BYTES_MAX};

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

fn object_of(keys: impl Iterator<Item = String>) -> String {
    let members: Vec<String> = keys.map(|key| format!("\"{key}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn takes_the_deepest_nesting_and_refuses_one_level_more() {
    let depth = JSON_DEPTH_MAX as usize;
    for (open, middle, close) in [("[", "", "]"), ("{\"a\":", "0", "}"), ("[ ", "1", " ]")] {
        let with = |depth| format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(json::validate(with(depth).as_bytes()), Ok(()));
        assert_eq!(json::validate(with(depth + 1).as_bytes()), Err(Malformed::TooDeep));
    }
    let mixed = format!("{}{}", "[{\"a\":".repeat(depth / 2), "0".to_owned() + &"}]".repeat(depth / 2));
    assert_eq!(json::validate(mixed.as_bytes()), Ok(()));
    assert_eq!(json::validate(format!("[{mixed}]").as_bytes()), Err(Malformed::TooDeep));
}

#[test]
fn counts_open_levels_only() {
    let deep = nested("[", "]", JSON_DEPTH_MAX as usize - 1);
    let document = format!(
        "[{deep},{deep},{{\"a\":{deep}}}]",
        deep = deep.replacen("[[", "[", 1).replacen("]]", "]", 1)
    );
    assert_eq!(json::validate(document.as_bytes()), Ok(()));
}

#[test]
fn counts_the_depth_of_each_member_from_itself() {
    let depth = JSON_DEPTH_MAX as usize;
    let document = format!("{{\"data\":{}}}", nested("[", "]", depth));
    let [data] = json::members(document.as_bytes(), ["data"]).unwrap();
    assert_eq!(data.unwrap().as_bytes().len(), 2 * depth);
    let document = format!("{{\"data\":{}}}", nested("[", "]", depth + 1));
    assert_eq!(json::members(document.as_bytes(), ["data"]), Err(Malformed::TooDeep));
}

#[test]
fn refuses_a_million_brackets_without_a_stack() {
    for bracket in ["[", "{\"a\":", "[{\"a\":"] {
        let bomb = bracket.repeat(1_000_000);
        assert_eq!(json::validate(bomb.as_bytes()), Err(Malformed::TooDeep));
        let member = format!("{{\"data\":{bomb}");
        assert_eq!(json::members(member.as_bytes(), ["data"]), Err(Malformed::TooDeep));
    }
}

#[test]
fn takes_the_most_members_and_refuses_one_more() {
    let numbered = |count: usize| object_of((0..count).map(|number| format!("k{number}")));
    let most = numbered(JSON_KEYS_MAX);
    assert!(json::members(most.as_bytes(), ["k0", "k1023"]).unwrap().iter().all(Option::is_some));
    assert_eq!(json::members(most.as_bytes(), []), Ok([]));
    let more = numbered(JSON_KEYS_MAX + 1);
    assert_eq!(json::members(more.as_bytes(), ["k0"]), Err(Malformed::TooManyKeys));
    assert_eq!(json::members(more.as_bytes(), []), Err(Malformed::TooManyKeys));
    assert_eq!(json::validate(more.as_bytes()), Ok(()), "a ceiling of objects that are read");
}

#[test]
fn finds_a_duplicate_wherever_it_stands_among_many() {
    for count in [2, 15, 16, 17, 18, 40, JSON_KEYS_MAX] {
        for (first, second) in [(0, 1), (0, count - 1), (count - 2, count - 1), (count / 2, count - 1)] {
            if first == second {
                continue;
            }
            let key = |number: usize| match number {
                _ if number == first => "twice".to_owned(),
                _ if number == second => r"tw\u0069ce".to_owned(),
                _ => format!("k{number}"),
            };
            let document = object_of((0..count).map(key));
            assert_eq!(
                json::members(document.as_bytes(), ["k0"]),
                Err(Malformed::DuplicateKey),
                "{document}"
            );
            assert_eq!(json::members(document.as_bytes(), ["twice"]), Err(Malformed::DuplicateKey));
            assert_eq!(json::validate(document.as_bytes()), Ok(()), "allowed where it only passes through");
        }
    }
}

#[test]
fn limits_the_length_of_numbers_that_are_read_and_no_others() {
    let long = "1".repeat(JSON_NUMBER_BYTES_MAX);
    let longer = format!("-{long}");
    let with = |number: &str| format!("{{\"a\":{number},\"b\":[{longer}],\"c\":\"{longer}\"}}");
    let fits = with(&long);
    let [a, b] = json::members(fits.as_bytes(), ["a", "b"]).unwrap();
    assert_eq!(a.unwrap().as_str(), long);
    assert_eq!(b.unwrap().elements().next().unwrap().as_str(), longer);
    assert_eq!(json::members(with(&longer).as_bytes(), ["b"]), Err(Malformed::NumberTooLong));
    assert_eq!(json::validate(longer.as_bytes()), Ok(()));
}

#[test]
fn validates_what_nobody_asked_for() {
    assert_eq!(json::members(br#"{"a":1,"b":[tru]}"#, ["a"]), Err(Malformed::Unexpected));
    assert_eq!(json::members(br#"{"a":1,"b":2} x"#, ["a"]), Err(Malformed::Surplus));
    assert_eq!(json::members(b"{\"a\":1,\"b\":\"\xFF\"}", ["a"]), Err(Malformed::IllFormedUtf8));
}

#[test]
fn refuses_members_of_what_is_no_object() {
    for document in ["[]", "1", "\"{}\"", "null", " [{}]", "x"] {
        assert_eq!(json::members(document.as_bytes(), ["a"]), Err(Malformed::NotAnObject), "{document}");
    }
    assert_eq!(json::members(b"", ["a"]), Err(Malformed::Truncated));
    assert_eq!(json::members(b" \n", ["a"]), Err(Malformed::Truncated));
}

#[test]
fn answers_in_the_order_asked_whatever_the_order_written() {
    let document = br#" { "c" : 3 , "a" : [ 1 ] , "x" : 0 , "" : "" } "#;
    let [a, b, c, empty] = json::members(document, ["a", "b", "c", ""]).unwrap();
    assert_eq!(a.unwrap().as_bytes(), b"[ 1 ]");
    assert_eq!(b, None);
    assert_eq!(c.unwrap().as_u64(), Some(3));
    assert_eq!(empty.unwrap().plain_str(), Some(""));
}

#[test]
fn reads_members_of_members() {
    let document = br#"{"will":{"retry":{"after":5,"after2":6}},"list":[{"n":1},{"n":2}]}"#;
    let [will, list] = json::members(document, ["will", "list"]).unwrap();
    let [retry] = will.unwrap().members(["retry"]).unwrap();
    let [after] = retry.unwrap().members(["after"]).unwrap();
    assert_eq!(after.unwrap().as_u64(), Some(5));
    let numbers =
        list.unwrap().elements().map(|element| element.members(["n"]).unwrap()[0].unwrap().as_u64());
    assert_eq!(numbers.collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(list.unwrap().members(["n"]), Err(Malformed::NotAnObject));
}

#[test]
fn accessors_answer_for_their_kind_only() {
    let document =
        br#"[null,true,false,-1,1,1.0,1e3,18446744073709551615,18446744073709551616,"1",[1],{"a":1}]"#;
    let values: Vec<_> = json::value(document).unwrap().elements().collect();
    let kinds: Vec<_> = values.iter().map(|value| value.kind()).collect();
    use Kind::{Array, Bool, Null, Number, Object, String};
    assert_eq!(
        kinds,
        [Null, Bool, Bool, Number, Number, Number, Number, Number, Number, String, Array, Object]
    );
    let bools: Vec<_> = values.iter().filter_map(|value| value.as_bool()).collect();
    assert_eq!(bools, [true, false]);
    let whole: Vec<_> = values.iter().filter_map(|value| value.as_u64()).collect();
    assert_eq!(whole, [1, u64::MAX]);
    let texts: Vec<_> = values.iter().filter_map(|value| value.plain_str()).collect();
    assert_eq!(texts, ["1"]);
    assert_eq!(values.iter().flat_map(|value| value.elements()).count(), 1);
}

fn check_whole(document: &str) -> Result<(), Malformed> {
    let mut names = Names::default();
    // Room that was used before makes no difference.
    let _ = json::value(br#"[{"a":[{"b":1,"b":2}]}]"#).unwrap().check_whole(&mut names);
    json::value(document.as_bytes()).unwrap().check_whole(&mut names)
}

#[test]
fn a_value_read_whole_has_no_duplicate_at_any_depth() {
    for good in [
        "1",
        "\"a\"",
        "{}",
        "[]",
        r#"{"a":{"a":{"a":"a"}},"b":["a","a",{"a":1},{"a":2}]}"#,
        r#" { "a" : 1 , "A" : 2 , "a " : 3 , "" : 4 } "#,
        r#"[{"x":1},{"x":1}]"#,
        r#"{"a":"b","b":"a","c":":","d:":0}"#,
    ] {
        assert_eq!(check_whole(good), Ok(()), "{good}");
    }
    for twice in [
        r#"{"a":1,"a":1}"#,
        r#"{"":1,"":1}"#,
        r#"{"x":[0,{"y":{"a":1,"b":{"a":2},"a" :3}}]}"#,
        r#"{"a":{"b":1},"c":2,"\u0061":3}"#,
        r#"[[[{"\n":1,"\u000A":2}]]]"#,
        r#"{"a":{},"b":[],"a":0}"#,
    ] {
        assert_eq!(check_whole(twice), Err(Malformed::DuplicateKey), "{twice}");
        assert_eq!(json::validate(twice.as_bytes()), Ok(()), "allowed where it only passes through");
    }
}

#[test]
fn a_value_read_whole_has_ceilings_at_every_depth() {
    let nested = |inner: &str| format!("{{\"a\":[{inner}]}}");
    let keys = |count: usize| object_of((0..count).map(|number| format!("k{number}")));
    assert_eq!(check_whole(&nested(&keys(JSON_KEYS_MAX))), Ok(()));
    assert_eq!(check_whole(&nested(&keys(JSON_KEYS_MAX + 1))), Err(Malformed::TooManyKeys));
    let long = "1".repeat(JSON_NUMBER_BYTES_MAX);
    assert_eq!(check_whole(&nested(&long)), Ok(()));
    assert_eq!(check_whole(&nested(&format!("-{long}"))), Err(Malformed::NumberTooLong));
    // Two of the values are the object and its array.
    let zeros = |count: usize| nested(&vec!["0"; count - 2].join(" , "));
    assert_eq!(check_whole(&zeros(JSON_NODES_MAX)), Ok(()));
    assert_eq!(check_whole(&zeros(JSON_NODES_MAX + 1)), Err(Malformed::TooManyNodes));
    for value in ["[]", "{}", "\"\"", "true", "false", "null", "-1.5e3"] {
        let document = format!("[{}]", vec![value; JSON_NODES_MAX - 1].join(","));
        assert_eq!(check_whole(&document), Ok(()));
        let document = format!("[{}]", vec![value; JSON_NODES_MAX].join(","));
        assert_eq!(check_whole(&document), Err(Malformed::TooManyNodes));
    }
}
