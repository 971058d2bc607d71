#!/usr/bin/env bash
# Errors injected into the system calls of the real transports, under load: 30 of them, or `--all`, or those whose name has all the words given:
#
#     tests/faults.sh serve-smol accept4 EMFILE
#
# What is looked for is said in tests/src/faults/mod.rs. Needs strace, and installs it where there is apt-get.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v strace >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq strace >/dev/null
fi
cargo build --release --locked --quiet -p sansock-tests --example echo --example loop_mio --bin faults
exec "${CARGO_TARGET_DIR:-target}/release/faults" "$@"
