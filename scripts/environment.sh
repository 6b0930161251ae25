# Sourced by the other scripts: where downloads and build outputs are kept, and what the machine must have.
cache="${BELLWETHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bellwether}"
export BELLWETHER_CACHE="$cache"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"

# need COMMAND WHAT-IT-IS-FOR HOW-TO-GET-IT
need() {
    command -v "$1" >/dev/null 2>&1 || { echo "missing: $1 ($2). $3" >&2; exit 3; }
}
need cargo "builds Bellwether" "Install Rust 1.94 or newer: https://rustup.rs"
need cc "compiles librdkafka, SQLite and zstd" "Install a C compiler: apt-get install gcc"
need make "builds librdkafka" "apt-get install make"
need perl "builds the OpenSSL that librdkafka uses" "apt-get install perl"
need python3 "fetches the demo's data, checks docs" "Install Python 3.9 or newer"
python3 -m pip --version >/dev/null 2>&1 || { echo "missing: pip (fetches the demo's data). apt-get install python3-pip" >&2; exit 3; }

# The trainer and the reference serving app are linked with libtorch; the monitor isn't.
LIBTORCH="${LIBTORCH:-$(scripts/libtorch.sh)}"
export LIBTORCH
