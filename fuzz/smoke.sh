#!/usr/bin/env bash
# Every target for a few seconds, from the codec's vectors on: fuzz/smoke.sh [SECONDS PER TARGET]
# Without a sanitizer, so that a stable compiler will do; there is no unsafe code in what is fuzzed. A crash leaves its
# input in fuzz/artifacts/TARGET/, and prints how to run it again.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-20}
# Sanitized and plain builds must not share a target directory; this one is for plain ones only.
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target}
tools=$CARGO_TARGET_DIR/tools
export PATH=$tools/bin:$PATH

if [ ! -x "$tools/bin/cargo-fuzz" ]; then
    CARGO_TARGET_DIR=$CARGO_TARGET_DIR/tools-build cargo install --quiet cargo-fuzz --version 0.13.2 --locked --root "$tools"
fi
cargo fuzz build --sanitizer none
cargo run --quiet --release --example seeds

for target in $(cargo fuzz list); do
    printf '\n--- %s, %s s\n' "$target" "$seconds"
    log=$CARGO_TARGET_DIR/$target.log
    if ! cargo fuzz run --sanitizer none "$target" -- \
        -dict="dictionaries/${target%%_*}.dict" -max_len=4096 -timeout=10 -max_total_time="$seconds" \
        >"$log" 2>&1; then
        tail -n 60 "$log"
        exit 1
    fi
    tail -n 1 "$log"
done
