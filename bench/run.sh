#!/bin/bash
# run.sh - nablad beside what people would use instead, in one run, as one table. `make bench` starts it.
#
#     bench/run.sh              print the table
#     bench/run.sh --write      and put it into docs/benchmarks.md
#     bench/run.sh --install    first install what is missing (Debian packages, and two from npm by their lock file)
#     bench/run.sh --quick      short rounds, to see that all of it works
#
# NABLAD, KERNELS, STEP and EMPTY are the programs; without them those of the build directory one is in, or of build/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$PWD
[ -x "$build/nablad" ] || build=$here/../build
nablad=${NABLAD:-$build/nablad}
kernels=${KERNELS:-$build/bench/kernels}
step=${STEP:-$build/bench/step}
empty=${EMPTY:-$build/bench/empty}
python=/usr/bin/python3 # the one that Debian's packages are for
modules=${BENCH_MODULES:-$(dirname "$nablad")/bench-peers/node_modules}

# kind (command, python module), its name, Debian package
needs='
command taskset util-linux
command wrk wrk
command node nodejs
command npm npm
python torch python3-torch
python fastapi python3-fastapi
python uvicorn python3-uvicorn
python uvloop python3-uvloop
python httptools python3-httptools
python ujson python3-ujson'

present() { # kind name
    case $1 in
    command) command -v "$2" ;;
    python) "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$2') is None)" ;;
    esac >/dev/null 2>&1
}

missing_packages() {
    local kind name package
    while read -r kind name package; do
        [ -z "$kind" ] || present "$kind" "$name" || echo "$package"
    done <<<"$needs"
}

npm_is_there() {
    cmp -s "$here/peers/package-lock.json" "$modules/../package-lock.json" && [ -d "$modules/fastify" ]
}

install() {
    local packages
    packages=$(missing_packages)
    if [ -n "$packages" ]; then
        apt-get update
        # shellcheck disable=SC2086 # a list
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages
    fi
    npm_is_there && return
    mkdir -p "$modules"
    cp "$here/peers/package.json" "$here/peers/package-lock.json" "$modules/.."
    npm --prefix "$modules/.." ci --ignore-scripts --no-audit --no-fund
}

complain() { # says what is missing; false if all is there
    local packages program some=false
    for program in "$nablad" "$kernels" "$step" "$empty"; do
        [ -x "$program" ] || { echo "missing: $program (make bench builds it)" && some=true; }
    done
    packages=$(missing_packages | xargs)
    [ -z "$packages" ] || { echo "missing, Debian packages: $packages" && some=true; }
    npm_is_there || { echo "missing, from npm: fastify and onnxruntime-node (bench/peers/package-lock.json)" && some=true; }
    $some && echo "bench/run.sh --install installs the packages."
}

options=()
for option; do
    case $option in
    --install) install ;;
    --write) options+=(--write) ;;
    --quick) options+=(--rounds 1 --repeats 1 --seconds 1 --students 36) ;;
    *)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
done
if complain >&2; then
    exit 1
fi
PYTHONDONTWRITEBYTECODE=1 exec "$python" "$here/compare.py" --python "$python" --nablad "$nablad" --kernels "$kernels" \
    --step "$step" --empty "$empty" --modules "$modules" ${options[@]+"${options[@]}"}
