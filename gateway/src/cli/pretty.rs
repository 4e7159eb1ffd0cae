//! JSON for a person's eyes: the same text with line breaks and indentation.
//!
//! Owns the layout. It keeps the order of members and the spelling of numbers, and escapes what a terminal could take for
//! a command. The input is JSON that has been checked; other input gives an odd layout and nothing worse.

/// Spaces per level.
const INDENT: usize = 2;

/// `json` with one member or element per line.
pub(super) fn pretty(json: &str) -> String {
    let mut layout = Layout::default();
    for c in json.chars() {
        layout.push(c);
    }
    layout.text
}

#[derive(Default)]
struct Layout {
    text: String,
    depth: usize,
    place: Place,
    /// A bracket has been opened, and nothing has come since.
    opened: bool,
}

/// Where in the text the layout is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    String,
    /// Behind a backslash in a string.
    Escape,
}

impl Layout {
    fn push(&mut self, c: char) {
        match self.place {
            Place::Outside => self.outside(c),
            Place::String => {
                self.visible(c);
                self.place = match c {
                    '\\' => Place::Escape,
                    '"' => Place::Outside,
                    _ => Place::String,
                };
            }
            Place::Escape => {
                self.visible(c);
                self.place = Place::String;
            }
        }
    }

    fn outside(&mut self, c: char) {
        match c {
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                if !std::mem::take(&mut self.opened) {
                    self.new_line();
                }
                self.text.push(c);
            }
            ',' => {
                self.text.push(c);
                self.new_line();
            }
            ':' => self.text.push_str(": "),
            ' ' | '\t' | '\r' | '\n' => {}
            _ => self.value(c),
        }
    }

    fn value(&mut self, c: char) {
        if std::mem::take(&mut self.opened) {
            self.new_line();
        }
        self.visible(c);
        match c {
            '{' | '[' => {
                self.depth += 1;
                self.opened = true;
            }
            '"' => self.place = Place::String,
            _ => {}
        }
    }

    fn new_line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', self.depth * INDENT));
    }

    /// Appends `c`, or its JSON escape where it has no shape of its own.
    fn visible(&mut self, c: char) {
        let printable = c.is_ascii_graphic() || c == ' ' || (!c.is_ascii() && c.escape_debug().len() == 1);
        if printable {
            return self.text.push(c);
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.text.push_str(&format!("\\u{unit:04x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_out_one_member_per_line() {
        let json = r#"{"b":[1,{"c":null}],"a":{},"s":"x, {y}: \" [z]","n":-1.50e+2,"e":[]}"#;
        let expected = "{\n  \"b\": [\n    1,\n    {\n      \"c\": null\n    }\n  ],\n  \"a\": {},\n  \
                        \"s\": \"x, {y}: \\\" [z]\",\n  \"n\": -1.50e+2,\n  \"e\": []\n}";
        assert_eq!(pretty(json), expected);
        assert_eq!(pretty(expected), expected);
        assert_eq!(pretty("21.5"), "21.5");
    }

    #[test]
    fn stays_the_same_value() {
        let json = r#"{"a":[[],[[]],{"b":{"c":[1,2,"\\",""]}}],"d":" \\\" "}"#;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&pretty(json)).unwrap(), value);
    }

    #[test]
    fn leaves_nothing_that_a_terminal_obeys() {
        let shown = pretty("\"a\u{9b}31m\u{202e}\u{7f}é温\u{e0001}\"");
        assert_eq!(shown, "\"a\\u009b31m\\u202e\\u007fé温\\udb40\\udc01\"");
    }
}
