# The commands of this repository. `just --list` names them.

# The whole story on this machine: `just demo --scenario flights --exit`
demo *ARGS:
    scripts/demo.sh {{ARGS}}

# Every quality gate that CI has
check:
    scripts/test.sh

# Apache Kafka itself for trying things out: prints host:port; `scripts/kafka.sh stop FOLDER` stops it
kafka FOLDER:
    scripts/kafka.sh start {{FOLDER}}

set shell := ["bash", "-c"]

# 10,000 seeded histories of planner and executor, with kills and failures of everything around them
simulate:
    source scripts/environment.sh && SIMULATE_HISTORIES=10000 cargo test --quiet --locked --workspace --test it simulator::

# Criterion benches of the hot code
bench:
    cargo bench --workspace
