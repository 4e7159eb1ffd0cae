//! Writes the seeds of every target to `corpus/`, where cargo-fuzz looks for them: `cargo run --example seeds`.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    for (target, seeds) in fuzz::seeds::all() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}
