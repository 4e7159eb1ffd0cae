//! Test support: keeps the generated pages of `docs/` equal to the tables in the code.
//!
//! Owns the comparison and, with `UPDATE_DOCS=1`, the rewriting. It never runs outside tests.

use std::path::Path;

/// Asserts that `docs/{page}` says exactly `text`; with `UPDATE_DOCS=1` in the environment it writes the page instead.
pub(crate) fn check(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let page_now = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page_now == text,
        "docs/{page} is behind the code: UPDATE_DOCS=1 cargo test -p gateway rewrites it"
    );
}
