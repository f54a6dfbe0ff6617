#!/bin/sh
# What the program prints about itself is what lies in the tree. `make regen` mends it.
bad=0
top=${top_srcdir:-.}
same() {
    ./nablad "$1" | diff -u "$top/$2" - || {
        echo "$2 is stale: run make regen"
        bad=1
    }
}
same --modules-yaml api/modules.yaml
same --errors-yaml api/errors.yaml
same --manual man/nablad.8
exit $bad
