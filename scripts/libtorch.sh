#!/usr/bin/env bash
# libtorch, which the trainer and the reference serving app are linked with: the CPU's part of the published wheels, once,
# into the cache. Every wheel is compared with its SHA-256 before anything is unpacked.
#
#   scripts/libtorch.sh           fetches what is missing (544 MB); prints the folder that LIBTORCH must name
#
# Nothing but the folder goes to stdout. Exit code 3: something that this needs is missing.
set -euo pipefail
cache="${BELLWETHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bellwether}"
# What the crate tch 0.24 demands.
version=2.11.0
home="$cache/libtorch/$version"

say() { echo "libtorch.sh: $*" >&2; }

[ "$(uname -sm)" = "Linux x86_64" ] || { say "the wheels are for Linux on x86-64, this is $(uname -sm); set LIBTORCH to a libtorch $version of your own"; exit 3; }

complete() { [ "$(cat "$home/torch/build-version" 2>/dev/null)" = "$version" ]; }

fetch_anew() {
    local fresh
    fresh="$(mktemp -d "$cache/libtorch/fetch.XXXXXX")"
    # shellcheck disable=SC2064
    trap "rm -rf '$fresh'" EXIT
    # The wheel of torch is the CUDA build: libtorch_cpu needs two small libraries of CUDA, and no GPU.
    cat >"$fresh/requirements.txt" <<REQUIREMENTS
torch==$version --hash=sha256:7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
REQUIREMENTS
    say "fetching libtorch $version (544 MB) …"
    python3 -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps --require-hashes --only-binary=:all: \
        --python-version 3.11 --implementation cp --abi cp311 --abi none \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64 \
        -r "$fresh/requirements.txt" -d "$fresh/wheels" >&2 || { say "pip could not fetch the wheels"; exit 3; }
    python3 - "$fresh" <<'PYTHON'
import glob, re, sys, zipfile
fresh = sys.argv[1]
wanted = re.compile(
    r"torch/include/|torch/lib/(libtorch_cpu|libtorch|libc10)\.so$|torch/lib/libgomp[^/]*$"
    r"|nvidia/cu13/lib/lib(cupti|cudart)\.so[^/]*$"
    r"|[^/]*\.dist-info/(licenses/.*|LICENSE|License.*|NOTICE)$")
for wheel in glob.glob(fresh + "/wheels/*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in filter(wanted.match, archive.namelist()):
            archive.extract(name, fresh + "/unpacked")
PYTHON
    echo "$version" >"$fresh/unpacked/torch/build-version"
    rm -rf "$home"
    mv -T "$fresh/unpacked" "$home"
}

if ! complete; then
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || { say "missing: python3 with pip (fetches libtorch). apt-get install python3-pip"; exit 3; }
    mkdir -p "$cache/libtorch"
    # One at a time: another call may be fetching, or be done by now.
    (
        flock 9
        complete || fetch_anew
    ) 9>"$cache/libtorch/lock"
fi
echo "$home/torch"
