//! The servers of `conformance engineio` and `conformance socketio` under the cases of the public protocol suites, and some
//! more, by a client of Node.

mod support;

use support::{Server, run_suite};

#[test]
fn engineio_holds_every_case_of_the_protocol() {
    run_suite("engineio.mjs", &Server::start("engineio", &[]), 31);
}

#[test]
fn socketio_holds_every_case_of_the_protocol() {
    run_suite("socketio.mjs", &Server::start("socketio", &[]), 46);
}
