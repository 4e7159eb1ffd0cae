//! Tests of the tools of an agent.

use super::*;
use crate::device::manifest::ManifestLimits;
use std::collections::BTreeSet;
use std::ops::Range;

fn device(name: &str, commands: &[&str], online: bool) -> ToolDevice {
    let list: Vec<String> = commands.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
    let json = format!("[{}]", list.join(","));
    let manifest = Manifest::parse(json.as_bytes(), ManifestLimits::default()).expect("valid");
    ToolDevice { name: name.into(), manifest: Some(Arc::new(manifest)), online }
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.tools.iter().map(|tool| tool.name.as_str()).collect()
}

#[test]
fn names_are_as_the_contract_says() {
    let catalog = Catalog::new(vec![device("pico-sensor", &["read"], true)]);
    assert_eq!(names(&catalog), ["device__pico_sensor__is_online", "device__pico_sensor__read"]);
    let (device, target) = catalog.resolve("device__pico_sensor__read").expect("it is there");
    assert_eq!((&**device, target), ("pico-sensor", Target::Command("read")));
}

#[test]
fn a_name_that_two_claim_belongs_to_neither() {
    let catalog = Catalog::new(vec![device("a-b", &["x"], true), device("a_b", &["x"], true)]);
    let unique: BTreeSet<_> = names(&catalog).into_iter().map(str::to_owned).collect();
    assert_eq!(unique.len(), 4);
    assert!(!unique.contains("device__a_b__x"));
    let alone = Catalog::new(vec![device("a-b", &["x"], true)]);
    assert_eq!(alone.tool_name("a-b", Target::Command("x")), Some("device__a_b__x"));
}

#[test]
fn a_command_called_is_online_does_not_hide_the_gateways_own() {
    let catalog = Catalog::new(vec![device("d", &["is_online"], true)]);
    let own = catalog.tool_name("d", Target::IsOnline).expect("it has one");
    let theirs = catalog.tool_name("d", Target::Command("is_online")).expect("it has one");
    assert_ne!(own, theirs);
}

#[test]
fn a_device_that_is_away_shows_only_whether_it_is_here() {
    let catalog = Catalog::new(vec![device("d", &["x"], false)]);
    let mut out = Vec::new();
    catalog.render(Format::Default, &mut out);
    let json: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
    assert_eq!(json["tools"].as_array().expect("a list").len(), 1);
    assert_eq!(json["tools"][0]["name"], "device__d__is_online");
    assert!(catalog.resolve("device__d__x").is_some(), "it still resolves");
}

#[test]
fn every_format_is_json_of_the_right_shape() {
    let catalog = Catalog::new(vec![device("d", &["x"], true)]);
    for (format, pointer) in [
        (Format::Default, "/tools/1/inputSchema/type"),
        (Format::OpenAi, "/1/function/parameters/type"),
        (Format::Anthropic, "/1/input_schema/type"),
        (Format::Mcp, "/tools/1/inputSchema/type"),
    ] {
        let mut out = Vec::new();
        catalog.render(format, &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
        assert_eq!(json.pointer(pointer).expect("it is there"), "object", "{format:?}");
    }
}

/// What the strictest takers allow: `^[a-zA-Z0-9_-]{1,64}$` (OpenAI, Anthropic); MCP allows dots besides, and more of it.
fn is_legal_everywhere(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A million pairs of one agent: short and long names, names in other scripts, names that differ in their last letter only,
/// and such whose parts run into each other's.
struct Fleet {
    state: u64,
}

impl Fleet {
    const DEVICES: usize = 8_000;
    const COMMANDS: usize = 125;

    fn draw(&mut self, below: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn word(&mut self, letters: &[char], chars: Range<u64>) -> String {
        let chars = chars.start + self.draw(chars.end - chars.start);
        (0..chars).map(|_| letters[self.draw(letters.len() as u64) as usize]).collect()
    }

    fn device(&mut self) -> String {
        const ANY: &[char] = &['a', 'b', 'Z', '0', '-', '_', '.', ':', '~', 'é', 'ж', '温', '🌡'];
        const TRAP: &[char] = &['a', '-', '_'];
        match self.draw(8) {
            0 => self.word(ANY, 1..201),
            1 => self.word(TRAP, 1..13),
            // The same for as long as a name can keep, and another behind it.
            2 => format!("{}{}", "n".repeat(190), self.word(ANY, 8..9)),
            3 => format!("a__is_online{}", self.word(TRAP, 1..9)),
            _ => format!("sensor-{}", self.draw(1 << 40)),
        }
    }

    fn command(&mut self) -> String {
        const LETTERS: &[char] = &['a', 'b', 'z', '0', '9', '_'];
        match self.draw(10) {
            0 => format!("c{}", self.word(LETTERS, 0..63)),
            1 => format!("{}{}", "c".repeat(60), self.word(LETTERS, 4..5)),
            2 => format!("a_{}", self.word(&['_', 'a'], 1..9)),
            _ => format!("read_{}", self.draw(1 << 40)),
        }
    }

    fn make(&mut self, devices: usize) -> Vec<ToolDevice> {
        let mut manifests = Vec::new();
        for n in 0..80 {
            let mut commands: BTreeSet<String> = ["is_online", "x", "b__x"].map(str::to_owned).into();
            while commands.len() < Self::COMMANDS {
                commands.insert(self.command());
            }
            let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
            manifests.push(device(&format!("d{n}"), &commands, true).manifest);
        }
        let mut names = BTreeSet::new();
        while names.len() < devices {
            names.insert(self.device());
        }
        let manifest = |n: usize| manifests[n % manifests.len()].clone();
        let devices = names.iter().enumerate();
        devices
            .map(|(n, name)| ToolDevice { name: name.as_str().into(), manifest: manifest(n), online: true })
            .collect()
    }
}

#[test]
fn a_million_random_pairs_get_legal_names_and_no_two_the_same() {
    let catalog = Catalog::new(Fleet { state: 7 }.make(Fleet::DEVICES));
    assert_eq!(catalog.len(), Fleet::DEVICES * (Fleet::COMMANDS + 1));
    assert!(catalog.len() >= 1_000_000);
    for pair in catalog.tools.windows(2) {
        assert!(pair[0].name < pair[1].name, "two are called {}", pair[0].name);
    }
    let mut plain = 0;
    for tool in &catalog.tools {
        assert!(is_legal_everywhere(&tool.name), "{}", tool.name);
        let (device, target) = catalog.resolve(&tool.name).expect("its own name finds it");
        assert_eq!((&**device, target), (&*catalog.devices[tool.device].name, catalog.target(tool)));
        plain += usize::from(plain_name(catalog.words(tool)).as_deref() == Some(&tool.name));
    }
    assert!((100_000..900_000).contains(&plain), "both kinds of names are tried, {plain} are plain");
}

#[test]
fn the_order_in_which_devices_come_changes_no_name() {
    let devices = Fleet { state: 8 }.make(Fleet::DEVICES / 10);
    let mut turned = devices.clone();
    turned.reverse();
    turned.rotate_left(devices.len() / 3);
    let [one, other] = [devices, turned].map(Catalog::new);
    for (tool, same) in one.tools.iter().zip(&other.tools) {
        assert_eq!((&tool.name, one.words(tool)), (&same.name, other.words(same)));
    }
}

#[test]
fn the_order_of_a_manifest_changes_no_name() {
    let long: Vec<String> = (0..64).map(|n| format!("{}{n:02}", "c".repeat(60))).collect();
    let forward: Vec<&str> = long.iter().map(String::as_str).collect();
    let backward: Vec<&str> = forward.iter().rev().copied().collect();
    let (one, other) =
        (Catalog::new(vec![device("d", &forward, true)]), Catalog::new(vec![device("d", &backward, true)]));
    for command in forward {
        assert_eq!(
            one.tool_name("d", Target::Command(command)),
            other.tool_name("d", Target::Command(command))
        );
    }
}
