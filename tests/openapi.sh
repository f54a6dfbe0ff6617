#!/bin/bash
# The description of the interface is valid OpenAPI and tells everything a linter can ask for. The linter is an npm
# package that ./run-tests installs from tests/openapi/package-lock.json; without it this test is skipped.
set -eu
top=${top_srcdir:-.}
spectral=${SPECTRAL:-$(command -v spectral || true)}
if [ -z "$spectral" ]; then
    echo "skipped: no spectral; ./run-tests installs it"
    exit 77
fi
"$spectral" lint --fail-severity warn --ruleset "$top/tests/openapi/ruleset.yaml" "$top/api/openapi.yaml"
