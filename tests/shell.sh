#!/bin/bash
# Shell scripts are as shellcheck wants them.
set -eu
command -v shellcheck >/dev/null || {
    echo "skipped: no shellcheck"
    exit 77
}
cd "${top_srcdir:-.}"
shellcheck quickstart run-tests scripts/need .ci/run docker/test.sh tests/*.sh src/*/*.sh examples/digits/split bench/run.sh
