#!/bin/sh
# api/openapi.yaml through Spectral, with tests/openapi/ruleset.yaml; a warning is a failure. The linter is taken from
# $SPECTRAL, or else installed by npm, as tests/openapi/package-lock.json says, into openapi/ of the build directory.
# No script of a package is run.
set -eu
top=$(cd "${top_srcdir:-.}" && pwd)
here=${top_builddir:-$top/build}/openapi
spectral=${SPECTRAL:-$here/node_modules/.bin/spectral}

install() {
    command -v npm >/dev/null || {
        echo "SKIP: npm is not here, and with it the linter of api/openapi.yaml"
        exit 77
    }
    mkdir -p "$here"
    cp "$top/tests/openapi/package.json" "$top/tests/openapi/package-lock.json" "$here/"
    npm --prefix "$here" ci --ignore-scripts --no-audit --no-fund
}

if [ -z "${SPECTRAL:-}" ] && ! cmp -s "$top/tests/openapi/package-lock.json" "$here/node_modules/as-asked"; then
    install
    cp "$top/tests/openapi/package-lock.json" "$here/node_modules/as-asked"
fi
"$spectral" lint --fail-severity hint --ruleset "$top/tests/openapi/ruleset.yaml" "$top/api/openapi.yaml"
