#!/bin/bash
# Every input that a fuzzer found worth keeping is run again.
set -eu
for what in graph lift safetensors npz table; do
    tests/fuzz/replay_$what "${top_srcdir:-.}/tests/fuzz/corpus-$what"
done
