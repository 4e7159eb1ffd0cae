//! The environment over the file: `GATEWAY__SECTION__KEY=value` replaces or adds one option.
//!
//! Owns the names and how a value is typed: texts as they are, numbers and flags parsed, lists by comma or by index
//! (`GATEWAY__LISTEN__0__ADDRESS`). A variable that names no option is an error, like an unknown key in the file. It
//! never reads a variable without the prefix.

use std::collections::BTreeSet;
use std::env::VarsOs;

use toml::{Table, Value};

use super::{Config, ConfigError};
use crate::limits;

const PREFIX: &str = "GATEWAY__";

/// The type of an option's value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    Texts,
}

/// The variables of this process that concern the configuration.
pub(super) fn variables() -> Result<Vec<(String, String)>, ConfigError> {
    select(std::env::vars_os())
}

fn select(all: VarsOs) -> Result<Vec<(String, String)>, ConfigError> {
    let ours = all.filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    ours.map(|(name, value)| match (name.into_string(), value.into_string()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (Ok(name), Err(_)) => Err(ConfigError(format!("{name}: its value is not UTF-8"))),
        (Err(name), _) => Err(ConfigError(format!("{}: its name is not UTF-8", name.display()))),
    })
    .collect()
}

/// Lays `variables` over the file's `table` and reads the whole as a configuration.
pub(super) fn overlay(mut table: Table, variables: Vec<(String, String)>) -> Result<Config, String> {
    let mut named = Vec::with_capacity(variables.len());
    for (name, value) in &variables {
        let path = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
        let path: Vec<String> = path.split("__").map(str::to_owned).collect();
        named.push((name, path, value));
    }
    make_room_for_listeners(&mut table, &named)?;
    for (name, path, text) in named {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let kind = kind(&path).ok_or_else(|| format!("{name}: there is no such option"))?;
        let value = parse(kind, text).ok_or_else(|| format!("{name}: {text:?} is not {}", kind.wanted()))?;
        place(&mut table, &path, value).ok_or_else(|| format!("{name}: it does not fit the file"))?;
    }
    table.try_into().map_err(|error| format!("with the environment: {}", error.to_string().trim_end()))
}

/// Which type the option at `path` has; `None` when there is no such option.
fn kind(path: &[&str]) -> Option<Kind> {
    match path {
        ["data_dir"] | ["tls", "certificate" | "key"] | ["auth", "mode" | "url" | "ca"] => Some(Kind::Text),
        ["cores"] | ["auth", "timeout_ms" | "cache_ms"] => Some(Kind::Number),
        ["listen", _, "protocol" | "address"] => Some(Kind::Text),
        ["listen", _, "tls"] => Some(Kind::Flag),
        ["listen", _, "serves"] => Some(Kind::Texts),
        ["listen", _, "mqtt_inflight_to_device"] => Some(Kind::Number),
        ["socketio", "cors_origins"] => Some(Kind::Texts),
        ["limits", name] => limits::ROWS.iter().any(|row| row.name == *name).then_some(Kind::Number),
        _ => None,
    }
}

impl Kind {
    fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Texts => "a list of words with commas between them",
        }
    }
}

fn parse(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::String(text.to_owned())),
        Kind::Number => text.trim().replace('_', "").parse().ok().map(Value::Integer),
        Kind::Flag => text.trim().parse().ok().map(Value::Boolean),
        Kind::Texts => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Some(Value::Array(words.map(|word| Value::String(word.to_owned())).collect()))
        }
    }
}

/// Makes a table for every listener that a variable names. The default listeners stand where the file has none; an index
/// beyond them may only be the next one.
fn make_room_for_listeners(
    table: &mut Table,
    named: &[(&String, Vec<String>, &String)],
) -> Result<(), String> {
    let mut indices = BTreeSet::new();
    for (name, path, _) in named {
        if let [first, index, ..] = path.as_slice()
            && first == "listen"
        {
            indices.insert(index.parse::<usize>().map_err(|_| format!("{name}: {index:?} is not a number"))?);
        }
    }
    if indices.is_empty() {
        return Ok(());
    }
    if !table.contains_key("listen") {
        let defaults = Value::try_from(Config::default().listen).map_err(|error| error.to_string())?;
        table.insert("listen".to_owned(), defaults);
    }
    let Some(listeners) = table.get_mut("listen").and_then(Value::as_array_mut) else {
        return Err("listen is not a list in the file".to_owned());
    };
    for index in indices {
        if index > listeners.len() {
            let known = listeners.len();
            return Err(format!(
                "{PREFIX}LISTEN__{index}: there are {known} listeners; the next one is {known}"
            ));
        }
        if index == listeners.len() {
            listeners.push(Value::Table(Table::new()));
        }
    }
    Ok(())
}

/// Puts `value` at `path`, making sections as needed.
fn place(table: &mut Table, path: &[&str], value: Value) -> Option<()> {
    match path {
        [key] => {
            table.insert((*key).to_owned(), value);
            Some(())
        }
        ["listen", index, key] => {
            let listeners = table.get_mut("listen")?.as_array_mut()?;
            let listener = listeners.get_mut(index.parse::<usize>().ok()?)?.as_table_mut()?;
            listener.insert((*key).to_owned(), value);
            Some(())
        }
        [section, key] => {
            let section = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
            section.as_table_mut()?.insert((*key).to_owned(), value);
            Some(())
        }
        _ => None,
    }
}
