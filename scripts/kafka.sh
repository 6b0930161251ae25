#!/usr/bin/env bash
# Apache Kafka (KRaft, one process) for tests, assembled from its published jars.
#
#   scripts/kafka.sh fetch        the jars, once, into the cache; every byte is compared with scripts/kafka/jars.sha256
#   scripts/kafka.sh start DIR    starts a broker with data, settings and log in DIR; prints host:port when it answers.
#                                 A DIR that was used before keeps its data and its port.
#   scripts/kafka.sh stop DIR     stops it
#   scripts/kafka.sh pin          writes scripts/kafka/jars.sha256 anew, after a change of versions in pom.xml
#
# Nothing but host:port goes to stdout. Exit code 3: something that this needs is missing.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)/kafka"
cache="${BELLWETHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bellwether}"
version="$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/pom.xml")"
home="$cache/kafka/$version"
START_SECONDS=90
STOP_SECONDS=30

say() { echo "kafka.sh: $*" >&2; }
need() { command -v "$1" >/dev/null 2>&1 || { say "missing: $1 ($2). $3"; exit 3; }; }

need_java() {
    need java "runs Kafka" "Install Java 17 or newer: apt-get install default-jre-headless"
    local major
    major="$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)"
    [ "${major:-0}" -ge 17 ] || { say "Java ${major:-of an unknown version} is too old: Kafka $version needs 17 or newer"; exit 3; }
}

# Maven into a folder of its own. -C: a checksum that doesn't fit is an error.
copy_jars() {
    need mvn "fetches Kafka's jars" "apt-get install maven"
    need_java
    say "fetching Apache Kafka $version (some 45 MB) …"
    mvn -q -B -C -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1" 2>&1 \
        | sed 's/\x1b\[[0-9;]*m//g' >&2 || { say "Maven could not fetch the jars"; exit 3; }
}

# All jars that are listed, as they are listed, and no others.
complete() {
    [ -d "$1" ] && (cd "$1" && sha256sum --check --quiet --strict "$here/jars.sha256" >/dev/null 2>&1) \
        && [ "$(find "$1" -name '*.jar' | wc -l)" = "$(wc -l <"$here/jars.sha256")" ]
}

fetch() {
    complete "$home/lib" && return
    mkdir -p "$cache/kafka"
    # One at a time: another call may be fetching, or be done by now.
    (
        flock 9
        complete "$home/lib" || fetch_anew
    ) 9>"$cache/kafka/lock"
}

fetch_anew() {
    local fresh
    fresh="$(mktemp -d "$cache/kafka/fetch.XXXXXX")"
    # shellcheck disable=SC2064
    trap "rm -rf '$fresh'" EXIT
    copy_jars "$fresh/lib"
    if ! complete "$fresh/lib"; then
        say "the jars that Maven brought differ from scripts/kafka/jars.sha256:"
        { diff <(cd "$fresh/lib" && sha256sum -- *.jar) "$here/jars.sha256" || true; } >&2
        exit 3
    fi
    rm -rf "$home"
    mv -T "$fresh" "$home"
}

pin() {
    local fresh
    fresh="$(mktemp -d)"
    copy_jars "$fresh/lib"
    (cd "$fresh/lib" && LC_ALL=C sha256sum -- *.jar) >"$here/jars.sha256"
    rm -rf "$fresh"
    say "$(wc -l <"$here/jars.sha256") jars"
}

# The pid of the broker of a folder, if it runs. The command line is compared: pids are used again.
running() {
    local pid
    pid="$(cat "$1/pid" 2>/dev/null)" && [ -n "$pid" ] \
        && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "kafka.Kafka $1/server.properties" && echo "$pid"
}

free_ports() {
    python3 - <<'PYTHON'
import socket
sockets = [socket.socket() for _ in range(2)]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))
PYTHON
}

# Asks which requests the broker knows (ApiVersions); it answers once it serves clients.
answers() {
    python3 - "$1" <<'PYTHON' 2>/dev/null
import socket, struct, sys
host, port = sys.argv[1].split(":")
request = struct.pack(">hhih", 18, 0, 7, -1)
with socket.create_connection((host, int(port)), timeout=5) as connection:
    connection.settimeout(5)
    connection.sendall(struct.pack(">i", len(request)) + request)
    with connection.makefile("rb") as stream:
        length, correlation, error = struct.unpack(">iih", stream.read(10))
sys.exit(0 if (correlation, error) == (7, 0) and length > 6 else 1)
PYTHON
}

configure() {
    local dir="$1" broker controller
    read -r broker controller < <(free_ports)
    sed -e "s|@BROKER@|$broker|g" -e "s|@CONTROLLER@|$controller|g" -e "s|@LOGS@|$dir/data|g" \
        "$here/server.properties" >"$dir/server.properties"
    rm -rf "$dir/data"
    local id
    id="$(python3 -c 'import base64, uuid; print(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))')"
    # An id that begins with a dash reads as an option.
    "${java[@]}" kafka.tools.StorageTool format --cluster-id "K${id:1}" --config "$dir/server.properties" >"$dir/format.log" 2>&1 \
        || { cat "$dir/format.log" >&2; exit 1; }
    echo "127.0.0.1:$broker" >"$dir/address"
}

# Starts the process and waits until it answers. 1: it ended, or didn't answer in time.
launch() {
    local dir="$1" pid
    setsid "${java[@]}" kafka.Kafka "$dir/server.properties" </dev/null >>"$dir/kafka.log" 2>&1 &
    pid=$!
    echo "$pid" >"$dir/pid"
    local end=$((SECONDS + START_SECONDS))
    until answers "$(cat "$dir/address")"; do
        kill -0 "$pid" 2>/dev/null || return 1
        [ "$SECONDS" -lt "$end" ] || { kill -KILL "$pid"; return 1; }
        sleep 0.2
    done
}

start() {
    need_java
    need python3 "looks for free ports" "apt-get install python3"
    fetch
    mkdir -p "$1"
    local dir try
    dir="$(cd "$1" && pwd)"
    if [ -n "$(running "$dir" || true)" ]; then
        cat "$dir/address"
        return
    fi
    java=(java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS" -cp "$home/lib/*")
    if [ -e "$dir/address" ]; then
        launch "$dir" && { cat "$dir/address"; return; }
    else
        # A port that was free a moment ago may be taken now.
        for try in 1 2 3; do
            configure "$dir"
            launch "$dir" && { cat "$dir/address"; return; }
            say "attempt $try failed"
        done
        rm -f "$dir/address"
    fi
    say "Kafka doesn't start; the end of $dir/kafka.log:"
    tail -n 20 "$dir/kafka.log" >&2
    exit 1
}

stop() {
    local dir pid end
    dir="$(cd "$1" && pwd)"
    pid="$(running "$dir" || true)"
    [ -n "$pid" ] || { say "no broker runs in $dir"; return; }
    kill -TERM "$pid"
    end=$((SECONDS + STOP_SECONDS))
    while [ -n "$(running "$dir" || true)" ]; do
        [ "$SECONDS" -lt "$end" ] || { say "it doesn't stop within $STOP_SECONDS s; killed"; kill -KILL "$pid"; break; }
        sleep 0.1
    done
    rm -f "$dir/pid"
}

case "${1:-}:$#" in
    fetch:1) fetch ;;
    pin:1) pin ;;
    start:2) start "$2" ;;
    stop:2) stop "$2" ;;
    *) sed -n 's/^# \{0,1\}//p' "$0" | sed -n '2,10p' >&2; exit 2 ;;
esac
