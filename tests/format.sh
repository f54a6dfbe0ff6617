#!/bin/sh
# Every C file is as clang-format 14 with our .clang-format writes it. `clang-format -i FILE` mends it.
cd "${top_srcdir:-.}" || exit 1
command -v clang-format >/dev/null || {
    echo "SKIP: clang-format is not here"
    exit 77
}
find include src tests bench -name '*.[ch]' ! -path '*/node_modules/*' | LC_ALL=C sort | xargs clang-format --dry-run -Werror
