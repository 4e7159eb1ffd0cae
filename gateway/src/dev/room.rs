//! The room of the demo thermostat: a temperature that moves, a target, and what the device's commands do with them.
//!
//! Owns the physics (one line of it) and the answers to `read_temperature` and `set_target`. It knows no socket and reads
//! no clock; time comes as seconds.

use codec::json::{Kind, members};

/// Degrees above the target at which it is too hot.
const TOO_HOT_BY: f64 = 1.0;
/// Seconds between two complaints.
const COMPLAIN_EVERY_S: f64 = 60.0;
/// How far the sun drives the temperature from the target, in degrees, and how often it comes, in seconds.
const SUN_DEGREES: f64 = 1.6;
const SUN_EVERY_S: f64 = 180.0;
/// Seconds in which two thirds of a difference are gone.
const SLOWNESS_S: f64 = 20.0;

/// What the device says it can do, as it goes into the second `status`.
pub(super) const MANIFEST: &str = r#"[{"name":"read_temperature","description":"Reads the temperature of the room.","inputSchema":{"type":"object","properties":{"unit":{"type":"string","enum":["c","f"],"description":"c for Celsius (the default), f for Fahrenheit"}},"additionalProperties":false},"timeoutMs":5000},{"name":"set_target","description":"Sets the temperature that the room shall have.","inputSchema":{"type":"object","properties":{"celsius":{"type":"number","minimum":5,"maximum":30,"description":"the wanted temperature in degrees Celsius"}},"required":["celsius"],"additionalProperties":false},"timeoutMs":5000}]"#;

/// A room.
pub(super) struct Room {
    celsius: f64,
    target: f64,
    /// Seconds since the device was switched on.
    at_s: f64,
    complained_at_s: Option<f64>,
}

impl Room {
    /// A room at its target.
    pub(super) fn new() -> Self {
        Self { celsius: 21.0, target: 21.0, at_s: 0.0, complained_at_s: None }
    }

    /// Lets time pass until `at_s` seconds after the start.
    pub(super) fn pass(&mut self, at_s: f64) {
        let step_s = (at_s - self.at_s).max(0.0);
        self.at_s = self.at_s.max(at_s);
        let sun = SUN_DEGREES * (self.at_s / SUN_EVERY_S * std::f64::consts::TAU).sin();
        let left = (-step_s / SLOWNESS_S).exp();
        self.celsius = self.target + sun + (self.celsius - self.target - sun) * left;
    }

    /// The payload of the trigger `too_hot`, when there is cause for one: hotter than the target, and a minute since the
    /// last one.
    pub(super) fn complaint(&mut self) -> Option<String> {
        let rested = self.complained_at_s.is_none_or(|at_s| self.at_s - at_s >= COMPLAIN_EVERY_S);
        if !rested || self.celsius <= self.target + TOO_HOT_BY {
            return None;
        }
        self.complained_at_s = Some(self.at_s);
        Some(format!(r#"{{"celsius":{:.1},"target":{:.1}}}"#, self.celsius, self.target))
    }

    /// Does what a command says: the `data` of a success, or the sentence of a failure.
    pub(super) fn obey(&mut self, command: &str, payload: Option<&[u8]>) -> Result<String, String> {
        match command {
            "read_temperature" => self.read(payload.unwrap_or(b"{}")),
            "set_target" => self.set(payload.unwrap_or(b"{}")),
            other => Err(format!("Unknown command: {other}")),
        }
    }

    fn read(&self, payload: &[u8]) -> Result<String, String> {
        let [unit] = members(payload, ["unit"]).map_err(|_| "the payload is not an object".to_owned())?;
        let shown = |degrees: f64, unit| Ok(format!(r#"{{"temperature":{degrees:.1},"unit":"{unit}"}}"#));
        match unit {
            None => shown(self.celsius, "c"),
            Some(unit) if unit.is_text("c") => shown(self.celsius, "c"),
            Some(unit) if unit.is_text("f") => shown(self.celsius * 1.8 + 32.0, "f"),
            Some(_) => Err("unit must be c or f".to_owned()),
        }
    }

    fn set(&mut self, payload: &[u8]) -> Result<String, String> {
        let [celsius] =
            members(payload, ["celsius"]).map_err(|_| "the payload is not an object".to_owned())?;
        let celsius = celsius.filter(|celsius| celsius.kind() == Kind::Number);
        let wanted: Option<f64> = celsius.and_then(|celsius| celsius.as_str().parse().ok());
        match wanted {
            Some(wanted) if (5.0..=30.0).contains(&wanted) => {
                self.target = wanted;
                // A new target is a new cause.
                self.complained_at_s = None;
                Ok(format!(r#"{{"target":{wanted:.1}}}"#))
            }
            Some(_) | None => Err("celsius must be a number from 5 to 30".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_both_units() {
        let mut room = Room::new();
        let celsius = r#"{"temperature":21.0,"unit":"c"}"#.to_owned();
        assert_eq!(room.obey("read_temperature", None), Ok(celsius.clone()));
        assert_eq!(room.obey("read_temperature", Some(b"{\"unit\":\"c\"}")), Ok(celsius));
        let fahrenheit = r#"{"temperature":69.8,"unit":"f"}"#.to_owned();
        assert_eq!(room.obey("read_temperature", Some(b"{\"unit\":\"f\"}")), Ok(fahrenheit));
    }

    #[test]
    fn says_no_to_nonsense() {
        let mut room = Room::new();
        for (command, payload) in [
            ("read_temperature", &b"{\"unit\":\"k\"}"[..]),
            ("read_temperature", b"[]"),
            ("set_target", b"{}"),
            ("set_target", b"{\"celsius\":\"20\"}"),
            ("set_target", b"{\"celsius\":1e9}"),
            ("dance", b"{}"),
        ] {
            assert!(room.obey(command, Some(payload)).is_err(), "{command}");
        }
        assert_eq!(room.obey("dance", None), Err("Unknown command: dance".to_owned()));
    }

    #[test]
    fn follows_its_target_and_complains_on_the_way_down() {
        let mut room = Room::new();
        room.pass(1.0);
        assert_eq!(room.complaint(), None);
        assert_eq!(room.obey("set_target", Some(b"{\"celsius\":15}")), Ok(r#"{"target":15.0}"#.to_owned()));
        assert!(room.complaint().unwrap().contains("\"target\":15.0"));
        room.pass(30.0);
        assert_eq!(room.complaint(), None, "once a minute is enough");
        room.pass(190.0);
        assert!((room.celsius - 15.0).abs() < 2.0, "{}", room.celsius);
    }

    #[test]
    fn complains_now_and_then_when_left_alone() {
        let mut room = Room::new();
        let complaints = (0..3600).filter(|second| {
            room.pass(f64::from(*second));
            room.complaint().is_some()
        });
        assert!((15..=60).contains(&complaints.count()));
    }

    #[test]
    fn the_manifest_is_json_with_two_commands() {
        let manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
        let names: Vec<&str> =
            manifest.as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!(names, ["read_temperature", "set_target"]);
    }
}
