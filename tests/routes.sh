#!/bin/sh
# src/http/routes.def and api/openapi.yaml name the same operations: method, path and name.
top=${top_srcdir:-.}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

sed -n 's/^ROUTE(\([A-Z]*\), *"\([^"]*\)", *\([A-Za-z]*\),.*/\1 \2 \3/p' "$top/src/http/routes.def" |
    LC_ALL=C sort >"$work/routes.def"

# Of the mapping "paths": a path has two blanks in front, a method four, its operationId six.
awk '
    function flush() { if (method) print method, path, (id ? id : "(no operationId)"); method = id = "" }
    /^[^ #]/ { flush(); inside = /^paths:/ }
    inside && /^  \// { flush(); path = $1; sub(/:$/, "", path) }
    inside && /^    (get|put|post|delete|patch|head|options|trace):/ {
        flush(); method = toupper($1); sub(/:$/, "", method)
    }
    inside && /^      operationId:/ { id = $2 }
    END { flush() }
' "$top/api/openapi.yaml" | LC_ALL=C sort >"$work/openapi.yaml"

rows=$(grep -c '^ROUTE(' "$top/src/http/routes.def")
if [ "$rows" -eq 0 ] || [ "$(wc -l <"$work/routes.def")" -ne "$rows" ]; then
    echo "routes.def has $rows rows, of which $(wc -l <"$work/routes.def") could be read"
    exit 1
fi
cd "$work" && diff -u routes.def openapi.yaml && echo "$rows operations"
