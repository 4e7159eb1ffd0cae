//! The cases of the Autobahn test suite against the echo, run by the PyPI package `kosoku`.

mod support;

use std::process::Command;

use support::{Server, python_environment, run};

/// Cases without compression, which is never negotiated here: sections 1 to 7, 9 and 10.
const CASES: usize = 301;

#[test]
fn every_autobahn_case_passes() {
    let server = Server::start("ws-echo", &[]);
    let reports = tempfile::tempdir().expect("a folder");
    let printed = run(Command::new(python_environment().join("bin/kosoku"))
        .args(["--mode", "fuzzingclient", &server.address("ws").to_string()])
        .args(["--exclude", "12.*", "--exclude", "13.*", "--parallelism", "4", "--outdir"])
        .arg(reports.path()));
    assert!(printed.contains(&format!("{CASES} cases passed")), "{printed}");
    let mut strict = 0;
    for entry in std::fs::read_dir(reports.path()).expect("reports").flatten() {
        let report = std::fs::read_to_string(entry.path()).expect("text");
        let not_strict =
            report.contains(r#""behavior": "NON-STRICT""#) || report.contains(r#""behavior":"NON-STRICT""#);
        assert!(!not_strict, "{} is only nearly right", entry.path().display());
        strict += usize::from(entry.path().extension().is_some_and(|extension| extension == "json"));
    }
    assert!(strict >= CASES, "each case left a report");
}
