//! Whatever is written is read; whatever is read was written so.

use crate::{assert_faithful, write};
use codec::socketio::{Head, Packet, decode, encode_ack, encode_event};
use proptest::prelude::*;
use serde_json::Value;

fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "/[^,/]{1,20}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn list(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(",")
}

fn id() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_u64, 0..1_u64 << 53]
}

proptest! {
    #[test]
    fn an_event_is_read_as_it_was_written(
        namespace in namespace(),
        id in prop::option::of(id()),
        attachments in 0..=10_u8,
        name in ".{0,12}",
        arguments in prop::collection::vec(value(), 0..4),
    ) {
        let reserved =
            ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
        prop_assume!(!reserved.contains(&name.as_str()));
        let list = list(&arguments);
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        let head = Head { namespace: &namespace, attachments };
        encode_event(&mut whole, head, id, &name, &[list.as_bytes()]);
        let (front, back) = list.as_bytes().split_at(list.len() / 2);
        encode_event(&mut parts, head, id, &name, &[front, back, b""]);
        prop_assert_eq!(&whole, &parts);
        let Ok(Packet::Event(event)) = decode(&whole) else { panic!("{:?}", decode(&whole)) };
        prop_assert_eq!((event.namespace, event.id, event.attachments), (&*namespace, id, attachments));
        prop_assert!(event.call.name().is_text(&name));
        prop_assert_eq!(event.call.list(), &list);
        prop_assert_eq!(event.call.iter().count(), arguments.len());
        prop_assert_eq!(write(&Packet::Event(event)), whole);
    }

    #[test]
    fn an_acknowledgement_is_read_as_it_was_written(
        namespace in namespace(),
        id in id(),
        attachments in 0..=10_u8,
        arguments in prop::collection::vec(value(), 0..4),
    ) {
        let list = list(&arguments);
        let mut bytes = Vec::new();
        encode_ack(&mut bytes, Head { namespace: &namespace, attachments }, id, &[list.as_bytes()]);
        let Ok(Packet::Ack(ack)) = decode(&bytes) else { panic!("{:?}", decode(&bytes)) };
        prop_assert_eq!((ack.namespace, ack.id, ack.attachments), (&*namespace, id, attachments));
        prop_assert_eq!(ack.arguments.list(), &list);
        prop_assert_eq!(write(&Packet::Ack(ack)), bytes);
    }

    #[test]
    fn what_is_read_from_any_bytes_is_what_they_say(
        start in "[0-7]",
        rest in prop::collection::vec(
            prop::sample::select(vec!["/", "a", ",", "1", "0", "-", "[", "]", "{", "}", "\"", ":", "\"_placeholder\":true", "\"num\":0", " "]),
            0..14,
        ),
    ) {
        assert_faithful((start + &rest.concat()).as_bytes());
    }
}
