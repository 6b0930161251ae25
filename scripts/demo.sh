#!/usr/bin/env bash
# Builds Bellwether and runs its demo: scripts/demo.sh [ARGS of `bellwether demo`]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
echo "building (the first time takes some 20 minutes on two cores) …" >&2
cargo build --locked --workspace --bins --tests
exec "$CARGO_TARGET_DIR/debug/bellwether" demo --data-dir "$cache/demo" "$@"
