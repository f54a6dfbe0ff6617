#!/bin/sh
# A file includes headers of its own layer and of those below, never above; libraries stay where they belong.
#   core < modules < graph, expr < check < probes, grade, train < wire, store < report < http < main
cd "${top_srcdir:-.}" || exit 1
bad=0
say() {
    echo "$1"
    bad=1
}

# layer folder, and the folders it must not include
forbid() {
    for above in $2; do
        found=$(grep -nE "#include \"$above/" "$1"/*.[ch] 2>/dev/null) && say "$1 includes $above: $found"
    done
}
forbid include/nabla "modules graph expr check probes grade train wire store report http"
forbid src/core "modules graph expr check probes grade train wire store report http"
forbid src/modules "graph expr check probes grade train wire store report http"
forbid src/expr "graph check probes grade train wire store report http"
forbid src/graph "check probes grade train wire store report http"
forbid src/check "probes grade train wire store report http"
forbid src/probes "grade train wire store report http"
forbid src/grade "train wire store report http"
forbid src/train "check probes grade wire store report http"
forbid src/wire "check probes grade train store report http"
forbid src/store "check probes grade report http"
forbid src/report "store http"

# library header, and the folders that may see it
only() {
    found=$(grep -rlE "#include <$1" include src --include='*.[ch]' | grep -vE "^src/($2)") && say "<$1> in $found"
}
only jansson 'graph|wire|store|report|http|main'
only microhttpd 'http|main'
only sqlite3 store
only nettle store
only zip 'wire/zip\.c'
only zlib 'wire/(zip|gzip)\.c'
only cblas 'core/(kernel|blas)\.c'
only openblas 'core/(kernel|blas)\.c'

# what a complex build would misread: a modulus, a conjugate
found=$(grep -nE '\b(fabsf?|fmaxf?|fminf?|cabs|conj|creal|cimag)\(' src/modules/*.c src/modules/*.h) && say "not for three builds: $found"
found=$(grep -rnE 'ffast-math|ConjTrans' configure.ac Makefile.am src) && say "forbidden: $found"
found=$(find src include | grep -E '/(utils?|common|helpers?|misc)\.[ch]$') && say "a file says nothing by its name: $found"

# every module file is in modules.am, and the other way round
on_disk=$(find src/modules -name '*.c' | LC_ALL=C sort)
listed=$(grep -o 'src/modules/[a-z0-9_]*\.c' src/modules/modules.am | LC_ALL=C sort)
[ "$on_disk" = "$listed" ] || say "modules.am and src/modules differ"

# automake names the log of a test without its suffix: of two tests that share one, one would never run
found=$(sed -n '/^UNIT/,/^REPLAY/p' tests/tests.am | grep -oE 'tests/[a-z0-9_/]+(\.py|\.sh)?' | sed 's/\.[a-z]*$//' | LC_ALL=C sort | uniq -d)
[ -z "$found" ] || say "two tests of one name: $found"
# every test is in tests.am
for test in tests/test_*.c tests/test_*.py; do
    name=${test%.c}
    grep -qE "(^|[[:space:]])$name([[:space:]]|\$)" tests/tests.am || say "$test is not in tests.am"
done
exit $bad
