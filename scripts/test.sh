#!/usr/bin/env bash
# Every quality gate: what .ci/run runs, and `just check`. The cheap ones first; one profile, so nothing is built twice.
#
# The test against Apache Kafka itself (tests/it/kafka) runs where Java 17 and Maven are installed, or BELLWETHER_KAFKA
# names a broker (host:port); elsewhere it says that it was skipped, unless BELLWETHER_REQUIRE_KAFKA=1 makes that a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
# Snapshots that differ are failures, and leave no files behind.
export INSTA_UPDATE="${INSTA_UPDATE:-no}"

began=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - began)) >&2; }

step "format"
cargo fmt --all --check
step "shell scripts"
for script in scripts/*.sh .ci/run; do bash -n "$script"; done
step "links in docs"
python3 scripts/links.py
step "licences"
python3 scripts/licences.py
step "the monitor needs no libtorch"
if cargo tree --locked --edges normal,build,dev --prefix none | grep '^torch-sys'; then
    echo "a default member depends on libtorch: cargo tree -i torch-sys" >&2
    exit 1
fi
step "lints"
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
step "build"
cargo build --locked --workspace --bins --tests
step "tests"
cargo test --quiet --locked --workspace
step "shipped files"
"$CARGO_TARGET_DIR/debug/bellwether" check rules/packs grafana/dashboards fixtures/flights
step "commands of the docs"
python3 scripts/readme.py "$CARGO_TARGET_DIR/debug/bellwether"
step "good"
