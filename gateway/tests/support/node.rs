//! Real clients of Node: packages under `target/`, installed by the first test that needs one.

use super::client_file;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How `timeout` tells that it had to end a command.
const HUNG: i32 = 124;

/// Where the packages are that `package.json` pins; for `NODE_PATH`. Tests of several processes may ask at once: a file lock
/// lets one of them install.
pub fn modules() -> PathBuf {
    let manifest = client_file("package.json");
    let wanted = std::fs::read_to_string(&manifest).expect("the list of packages");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-clients/node");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let folder = folder.canonicalize().expect("it exists");
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let stamp = folder.join("installed");
    if std::fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        std::fs::copy(&manifest, folder.join("package.json")).expect("target can be written");
        // An install that hangs, as npm does once in a while, is ended and begun anew.
        let mut npm = Command::new("timeout");
        npm.args(["120", "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        let mut install =
            || npm.output().unwrap_or_else(|error| panic!("npm: {error}; Node 20 with npm is needed"));
        let mut output = install();
        if output.status.code() == Some(HUNG) {
            output = install();
        }
        assert!(output.status.success(), "{npm:?}\n{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(&stamp, wanted).expect("a stamp");
    }
    folder.join("node_modules")
}
