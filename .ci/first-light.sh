#!/usr/bin/env bash
# Runs the README's first command as a newcomer would, calls the demo device, and stops it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
folder=$(mktemp -d)
target/release/gateway dev --data "$folder" --http 127.0.0.1:0 --https 127.0.0.1:0 --mqtt 127.0.0.1:0 --mqtts 127.0.0.1:0 >"$folder/banner" 2>"$folder/log" &
pid=$!
trap 'kill "$pid" 2>/dev/null || :; wait "$pid" 2>/dev/null || :; rm -rf "$folder"' EXIT

for _ in $(seq 200); do
    if grep -qx ready "$folder/banner"; then break; fi
    read -rt 0.05 <> <(:) || :
done
grep -qx ready "$folder/banner" || { cat "$folder/banner" "$folder/log"; exit 1; }

cd "$folder"
ln -s "$folder" gateway-data
gateway="$OLDPWD/target/release/gateway"
for _ in $(seq 200); do
    if "$gateway" call thermostat read_temperature >answer 2>error; then break; fi
    read -rt 0.05 <> <(:) || :
done
cat answer
grep -q temperature answer || { cat error "$folder/log"; exit 1; }
kill -TERM "$pid"
wait "$pid"
trap 'rm -rf "$folder"' EXIT
echo "served, called, stopped"
