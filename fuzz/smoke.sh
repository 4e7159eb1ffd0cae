#!/usr/bin/env bash
# Every target for a few seconds, from the codec's vectors on: fuzz/smoke.sh [SECONDS PER TARGET]
# Without a sanitizer, so that a stable compiler will do; there is no unsafe code in what is fuzzed. As many targets run at
# the same time as there are processors. A crash leaves its input in fuzz/artifacts/TARGET/, and prints how to run it again.
set -euo pipefail
cd "$(dirname "$0")"
export FUZZ_SECONDS=${1:-20}
# Sanitized and plain builds must not share a target directory; this one is for plain ones only.
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/target}
tools=$CARGO_TARGET_DIR/tools
export PATH=$tools/bin:$PATH

if [ ! -x "$tools/bin/cargo-fuzz" ]; then
    # Unoptimised: it is built once and starts a few processes.
    CARGO_TARGET_DIR=$CARGO_TARGET_DIR/tools-build \
        cargo install --quiet --debug cargo-fuzz --version 0.13.2 --locked --root "$tools"
fi
cargo fuzz build --sanitizer none
cargo run --quiet --example seeds

fuzz_one() {
    local target=$1 log=$CARGO_TARGET_DIR/$1.log
    if ! cargo fuzz run --sanitizer none "$target" -- \
        -dict="dictionaries/${target%%_*}.dict" -max_len=4096 -timeout=10 -max_total_time="$FUZZ_SECONDS" \
        >"$log" 2>&1; then
        printf -- '--- %s\n' "$target"
        # First the assertion that did not hold, then the input that broke it.
        grep -m 1 -A 4 'panicked at' "$log"
        grep -A 60 'Output of `std::fmt::Debug`' "$log" || tail -n 60 "$log"
        return 1
    fi
    printf -- '--- %s, %s s: %s\n' "$target" "$FUZZ_SECONDS" "$(tail -n 1 "$log")"
}
export -f fuzz_one
cargo fuzz list | xargs -P "$(nproc)" -I {} bash -c 'fuzz_one "$1"' _ {}
