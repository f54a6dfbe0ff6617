#!/bin/sh
# Writes the graphs of the zoo as C source: zoo.sh TOP examples/zoo/mlp/graph.json ... > src/zoo_table.c
# Beside each lies about.json. What cannot be read ends it.
set -eu
top=$1
shift
bytes() { # name, file
    [ -s "$top/$2" ] || {
        echo "$2 is missing or empty" >&2
        exit 1
    }
    echo "static const char $1[] = {"
    od -An -v -td1 "$top/$2" | sed 's/-\{0,1\}[0-9][0-9]*/&,/g'
    echo '0};'
}

echo '/* Written by make from examples/zoo. */'
echo '#include "http/zoo.h"'
i=0
for graph; do
    bytes "graph$i" "$graph"
    bytes "about$i" "${graph%graph.json}about.json"
    i=$((i + 1))
done
echo 'const struct nb_zoo_system nb_zoo[] = {'
i=0
for graph; do
    name=${graph%/graph.json}
    echo "    {\"${name##*/}\", about$i, graph$i},"
    i=$((i + 1))
done
echo '};'
echo 'const size_t nb_zoo_count = sizeof nb_zoo / sizeof *nb_zoo;'
