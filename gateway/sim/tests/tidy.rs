//! House rules that a machine can check.
//!
//! Ceilings of files and functions, with exceptions by name and reason; what every decoder must have; what every rule of a
//! protocol must have. A rule that is not checked is a wish.

use proc_macro2::Span;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// Lines of a file, without its tests.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, from its first word to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];
/// Functions that may be longer, and why.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

const CRATES: [&str; 7] =
    ["engine", "codec", "transports", "gateway", "gateway/sim", "gateway/conformance", "benches"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Every Rust source of the product, by its path below the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in CRATES {
        walk(&root().join(folder).join("src"), &mut found);
    }
    assert!(found.len() > 60, "the sources are where they are looked for");
    found
}

fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            found.push((name, std::fs::read_to_string(&path).expect("text")));
        }
    }
}

/// A file of tests: a sibling that its module includes with `#[cfg(test)]`.
fn is_test_file(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/")
}

fn text_of(folder: &str) -> String {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn files_are_small() {
    let mut long = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !is_test_file(name)) {
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if lines > FILE_LINES_MAX && !LONG_FILES.iter().any(|(file, _)| file == name) {
            long.push(format!("{name}: {lines}"));
        }
    }
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines without tests: {long:#?}");
}

#[test]
fn functions_are_small() {
    let mut long = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !is_test_file(name)) {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut functions = Functions::default();
        functions.visit_file(&file);
        for (function, lines) in functions.found {
            let excused = LONG_FUNCTIONS.iter().any(|(file, long, _)| file == name && *long == function);
            if lines > FUNCTION_LINES_MAX && !excused {
                long.push(format!("{name}: {function}: {lines}"));
            }
        }
    }
    assert!(long.is_empty(), "over {FUNCTION_LINES_MAX} lines: {long:#?}");
}

#[derive(Default)]
struct Functions {
    found: Vec<(String, usize)>,
}

impl Functions {
    fn count(&mut self, name: &syn::Ident, whole: Span) {
        let lines = whole.end().line - name.span().start().line + 1;
        self.found.push((name.to_string(), lines));
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.count(&item.sig.ident, item.span());
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.count(&item.sig.ident, item.span());
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
        };
        if !item.attrs.iter().any(is_test) {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

#[test]
fn every_file_says_what_it_owns() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.trim_start().starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "no paragraph at the top: {silent:#?}");
}

#[test]
fn nothing_is_left_to_do() {
    let mark = ["TO", "DO"].concat();
    let fix = ["FIX", "ME"].concat();
    let left: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| text.contains(&mark) || text.contains(&fix) || text.contains("unimplemented!("))
        .map(|(name, _)| name)
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn every_format_has_vectors_a_fuzz_target_and_a_bench() {
    // A target is a line; what must hold is in the library beside it.
    let targets = text_of("fuzz/fuzz_targets") + &text_of("fuzz/src");
    let benches = text_of("benches/benches");
    for format in ["mqtt", "http", "json", "engineio", "socketio", "ws"] {
        let vectors = root().join("codec/tests/vectors").join(format);
        let some = std::fs::read_dir(&vectors).is_ok_and(|mut files| files.next().is_some());
        assert!(some, "codec/tests/vectors/{format} has vectors");
        let used = format!("codec::{format}");
        assert!(targets.contains(&used), "a fuzz target uses {used}");
        assert!(benches.contains(&used), "a bench uses {used}");
    }
}

#[test]
fn every_violation_is_provoked_by_a_test() {
    let tests = text_of("transports");
    for file in [
        "transports/src/mqtt/violation.rs",
        "transports/src/http/violation.rs",
        "transports/src/ws/violation.rs",
        "transports/src/engineio/violation.rs",
        "transports/src/socketio/violation.rs",
    ] {
        let text =
            std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let parsed = syn::parse_file(&text).expect("it compiles");
        let variants = parsed.items.iter().find_map(|item| match item {
            syn::Item::Enum(item) if item.ident == "Violation" => Some(&item.variants),
            _ => None,
        });
        for variant in variants.unwrap_or_else(|| panic!("{file} has the enum")) {
            let provoked = format!("Violation::{}", variant.ident);
            let own = text.matches(&provoked).count();
            assert!(tests.matches(&provoked).count() > own, "{file}: no test provokes {provoked}");
        }
    }
}

#[test]
fn arrows_go_one_way() {
    let allowed: [(&str, &[&str]); 4] = [
        ("codec", &[]),
        ("engine", &[]),
        ("transports", &["codec"]),
        ("gateway", &["codec", "engine", "transports"]),
    ];
    for (name, may) in allowed {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let dependencies = manifest.split("[dev-dependencies]").next().expect("text");
        for ours in ["codec", "engine", "transports", "gateway", "sim", "benches"] {
            let depends = dependencies.lines().any(|line| line.starts_with(&format!("{ours} =")));
            assert!(!depends || may.contains(&ours), "{name} must not depend on {ours}");
        }
    }
}
