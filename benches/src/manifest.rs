//! The list of commands that the bench devices describe themselves with.

/// Four commands, as an ordinary device has them: one without arguments and without a schema, three with one.
pub const FOUR_COMMANDS: &str = concat!(
    r#"[{"name":"blink","description":"Blinks once, to be found in a rack."},"#,
    r#"{"name":"read_temperature","description":"Reads the temperature of the room.","inputSchema":"#,
    r#"{"type":"object","properties":{"unit":{"type":"string","enum":["c","f"]}},"additionalProperties":false}},"#,
    r#"{"name":"set_target","description":"Sets the temperature that the room shall have.","inputSchema":"#,
    r#"{"type":"object","properties":{"celsius":{"type":"number","minimum":5,"maximum":30}},"#,
    r#""required":["celsius"],"additionalProperties":false},"timeoutMs":5000},"#,
    r#"{"name":"set_mode","description":"Chooses what the device does by itself.","inputSchema":"#,
    r#"{"type":"object","properties":{"mode":{"type":"string","enum":["off","eco","comfort"]}},"#,
    r#""required":["mode"],"additionalProperties":false}}]"#,
);
