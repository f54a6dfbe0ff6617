#!/bin/sh
# The same with curl alone: curl.sh STUDENT.json > results.json
# The assignment without its last brace, then what was handed in.
here=$(dirname "$0")
{
    sed '$d' "$here/assignment.json"
    printf ', "submission": '
    cat "$1"
    printf '}'
} | curl -sS --fail-with-body ${NABLAD_KEY:+-H "Authorization: Bearer $NABLAD_KEY"} -H 'Content-Type: application/json' --data-binary @- \
    "${NABLAD:-http://127.0.0.1:8080}/v1/grade?format=${FORMAT:-gradescope}"
