//! Real Python clients: virtual environments under `target/`, each made by the first test that needs it.

use super::client_file;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter with the devices' clients.
pub fn python() -> PathBuf {
    environment("python")
}

/// The interpreter of an environment that has what its requirements pin: `requirements.txt` for `python`, and
/// `requirements-NAME.txt` for one with a NAME of its own. Tests of several processes may ask at once: a file lock lets
/// one of them install.
pub fn environment(name: &str) -> PathBuf {
    let requirements = match name {
        "python" => client_file("requirements.txt"),
        other => client_file(&format!("requirements-{other}.txt")),
    };
    let wanted = std::fs::read_to_string(&requirements).expect("the list of packages");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-clients");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let folder = folder.canonicalize().expect("it exists");
    let lock = File::create(folder.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("a lock");
    let (venv, stamp) = (folder.join(name), folder.join(format!("{name}.installed")));
    if std::fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(venv.join("bin/python")).args(pip).arg(&requirements));
        std::fs::write(&stamp, wanted).expect("a stamp");
    }
    venv.join("bin/python")
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; Python 3.11 with venv is needed"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}
