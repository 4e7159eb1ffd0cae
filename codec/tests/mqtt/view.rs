//! Packets as one line of text, in the notation that `tests/vectors/mqtt/README.md` explains.
//!
//! It owns the notation, so that a vector, our decoder and another decoder can be compared by what they mean.

use std::fmt::Write;

use codec::mqtt::{Connect, Packet, PacketId, Publish, SubscribeCode, Will};

/// What a packet says; fields of more than `shown_bytes_max` bytes appear as their size.
pub(crate) fn view(packet: &Packet<'_>, shown_bytes_max: usize) -> String {
    let view = View { shown_bytes_max };
    match packet {
        Packet::Connect(connect) => view.connect(connect),
        Packet::ConnAck(connack) => {
            format!(
                "CONNACK session_present={} code={}",
                u8::from(connack.session_present),
                connack.code as u8
            )
        }
        Packet::Publish(publish) => view.publish(publish),
        Packet::PubAck(id) => format!("PUBACK id={}", id.value()),
        Packet::PubRec(id) => format!("PUBREC id={}", id.value()),
        Packet::PubRel(id) => format!("PUBREL id={}", id.value()),
        Packet::PubComp(id) => format!("PUBCOMP id={}", id.value()),
        Packet::Subscribe(subscribe) => {
            let pairs =
                subscribe.filters().map(|(filter, qos)| format!("{}:{}", view.text(filter), qos.number()));
            listed(format!("SUBSCRIBE id={}", subscribe.id.value()), pairs)
        }
        Packet::SubAck(suback) => {
            let codes = suback.codes().map(|code| match code {
                SubscribeCode::Granted(qos) => qos.number().to_string(),
                SubscribeCode::Failure => String::from("128"),
            });
            listed(format!("SUBACK id={}", suback.id.value()), codes)
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters().map(|filter| view.text(filter));
            listed(format!("UNSUBSCRIBE id={}", unsubscribe.id.value()), filters)
        }
        Packet::UnsubAck(id) => format!("UNSUBACK id={}", id.value()),
        Packet::PingReq => String::from("PINGREQ"),
        Packet::PingResp => String::from("PINGRESP"),
        Packet::Disconnect => String::from("DISCONNECT"),
    }
}

pub(crate) fn listed(head: String, items: impl Iterator<Item = String>) -> String {
    items.fold(head, |line, item| line + " " + &item)
}

struct View {
    shown_bytes_max: usize,
}

impl View {
    fn connect(&self, connect: &Connect<'_>) -> String {
        format!(
            "CONNECT client_id={} clean_session={} keep_alive_s={} will={} username={} password={}",
            self.text(connect.client_id),
            u8::from(connect.clean_session),
            connect.keep_alive_s,
            connect.will.map_or(absent(), |will| self.will(&will)),
            connect.username.map_or(absent(), |username| self.text(username)),
            connect.password.map_or(absent(), |password| self.binary(password)),
        )
    }

    fn will(&self, will: &Will<'_>) -> String {
        format!(
            "({} qos={} retain={} payload={})",
            self.text(will.topic),
            will.qos.number(),
            u8::from(will.retain),
            self.binary(will.payload)
        )
    }

    fn publish(&self, publish: &Publish<'_>) -> String {
        format!(
            "PUBLISH topic={} qos={} dup={} retain={} id={} payload={}",
            self.text(publish.topic),
            publish.qos.number(),
            u8::from(publish.dup),
            u8::from(publish.retain),
            publish.id.map(PacketId::value).map_or(absent(), |id| id.to_string()),
            self.binary(publish.payload),
        )
    }

    fn text(&self, text: &str) -> String {
        self.sized(text.len(), || format!("{text:?}"))
    }

    fn binary(&self, bytes: &[u8]) -> String {
        self.sized(bytes.len(), || {
            bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("a string takes all");
                hex
            })
        })
    }

    fn sized(&self, bytes: usize, shown: impl FnOnce() -> String) -> String {
        if bytes > self.shown_bytes_max { format!("<{bytes} bytes>") } else { shown() }
    }
}

fn absent() -> String {
    String::from("-")
}
