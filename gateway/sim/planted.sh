#!/usr/bin/env bash
# Builds the simulator once with every planted bug in it, then lets each bug be real in turn and runs seeds until an
# oracle that must catch it does. Fails when one survives, when an oracle that should not see it is the one that fires, and
# when a seed fails with no bug planted.
# usage: gateway/sim/planted.sh [--planted NAME] [--seeds N]
#
# Only the crates of this workspace are compiled anew: cargo keeps what a workspace wrapper made apart from the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."
wrapper="$PWD/gateway/sim/planted-rustc.sh"
exec env RUSTC_WORKSPACE_WRAPPER="$wrapper" cargo run --quiet -p sim --bin sim -- --planted all --seeds 3000 "$@"
