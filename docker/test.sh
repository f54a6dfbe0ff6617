#!/bin/bash
# test.sh - builds the image and looks whether the container keeps its promises: small, not root, nothing writable but
# the volume, healthy, answering, stopping when told, data kept. Needs root, podman and runc, but no Docker daemon, and
# pulls no image: the base is made once with debootstrap and kept, with the layers, in a cache directory.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-/var/cache}/nablad-image
base=localhost/debian:bookworm-slim
image=localhost/nablad:test
name=nablad-test-$$
largest=$((100 * 1000 * 1000)) # bytes on top of the base
passed=0
failed=0

if [ "$(id -u)" -ne 0 ]; then
    exec sudo env XDG_CACHE_HOME="${XDG_CACHE_HOME:-/var/cache}" "$PWD/docker/test.sh"
fi

# ---- podman, with nothing of the system changed ------------------------------------------------------------------------

at_most() { # wanted hard-limit
    if [ "$2" = unlimited ] || [ "$1" -le "$2" ]; then echo "$1"; else echo "$2"; fi
}

set_up_podman() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    # Explicit limits below the hard ones, since raising those may be forbidden; runc and cgroupfs, since crun wants
    # one version of cgroups and systemd may be missing.
    cat >"$cache/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=$(at_most 20000 "$(ulimit -Hn)"):$(at_most 20000 "$(ulimit -Hn)")", "nproc=$(at_most 30000 "$(ulimit -Hu)"):$(at_most 30000 "$(ulimit -Hu)")"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
EOF
    cat >"$cache/storage.conf" <<EOF
[storage]
driver = "overlay"
graphroot = "$cache/storage"
runroot = "/run/nablad-image"
EOF
    export CONTAINERS_CONF=$cache/containers.conf CONTAINERS_STORAGE_CONF=$cache/storage.conf
    work=$(mktemp -d)
    trap clean_up EXIT
}

clean_up() {
    podman rm -f -t 0 "$name" >/dev/null 2>&1 || true
    podman volume rm -f "$name" >/dev/null 2>&1 || true
    podman image prune -f >/dev/null 2>&1 || true
    rm -rf "$work"
}

quietly() { # command...: its output only if it fails
    "$@" >"$work/log" 2>&1 && return
    tail -n 40 "$work/log"
    echo "this failed: $*"
    return 1
}

make_base() {
    podman image exists "$base" && return
    echo "making the base image with debootstrap (once)"
    quietly debootstrap --variant=minbase bookworm "$work/root"
    rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* "$work"/root/var/log/*.log
    tar -C "$work/root" -c . | quietly podman import --change 'CMD ["bash"]' - "$base"
}

build() {
    local from=(--format docker --network host --pull=never -f docker/Dockerfile)
    # The first stage gets a name, so that its layers stay when unnamed images are cleared away.
    quietly podman build "${from[@]}" --target build -t localhost/nablad-build:test .
    quietly podman build "${from[@]}" -t "$image" .
}

# ---- looking -----------------------------------------------------------------------------------------------------

# The container has a network of its own with a loopback and nothing else: no port of the host is used, nobody can come
# in. 127.0.0.2 answers only if the daemon listens on all addresses, as it has to in a container.
start() {
    podman run -d --name "$name" --network none --read-only --read-only-tmpfs=false --cap-drop all \
        --security-opt no-new-privileges --memory 512m --pids-limit 256 -v "$name:/var/lib/nablad" "$image" >/dev/null
    pid=$(podman inspect -f '{{.State.Pid}}' "$name")
    local i
    for ((i = 0; i < 100; i++)); do
        ask -f "/readyz" >/dev/null 2>&1 && return
        sleep 0.1
    done
    podman logs "$name"
    echo "the container did not become ready"
    return 1
}

ask() { # curl-arguments... path
    nsenter -t "$pid" -n curl -sS --max-time 20 "${@:1:$#-1}" "http://127.0.0.2:8080${*: -1}"
}

inside() { # command...
    podman exec "$name" "$@"
}

check() { # what, command...
    local what=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $what"
    else
        failed=$((failed + 1))
        echo "FAILED  $what"
        sed 's/^/        /' "$work/log"
    fi
}

not() {
    ! "$@"
}

size_on_top() {
    echo $(($(podman image inspect -f '{{.Size}}' "$image") - $(podman image inspect -f '{{.Size}}' "$base")))
}

status_line() { # field value: of the daemon's process
    grep -E "^$1:.*\\b$2\\b" "/proc/$pid/status"
}

forward_digit() { # the third image of the data is a 2
    gzip -dc examples/digits/digits.csv.gz |
        jq -Rnc '[inputs | split(",") | map(tonumber)][2] | {inputs: {x: [.[:64] | map(. / 16)]}, outputs: ["p"]}' \
            >"$work/forward.json"
    ask -f --json "@$work/forward.json" /v1/graphs/digits/forward | tee "$work/forward.reply"
    jq -e '.outputs.p[0] | index(max) == 2' "$work/forward.reply"
}

load_digits() {
    jq -c '{graph: .}' examples/digits/graph.json >"$work/graph.json"
    ask -f -X PUT --json "@$work/graph.json" /v1/graphs/digits &&
        ask -f -X PUT -H 'Content-Type: application/x-safetensors' \
            --data-binary @examples/digits/digits.safetensors /v1/graphs/digits/parameters
}

stops_cleanly() {
    local begin=$SECONDS
    podman stop -t 20 "$name" && [ $((SECONDS - begin)) -le 5 ] || return 1
    [ "$(podman inspect -f '{{.State.ExitCode}}' "$name")" = 0 ]
}

look() {
    echo "the image is $(($(size_on_top) / 1000000)) MB on top of its base"
    check "less than 100 MB on top of the base" test "$(size_on_top)" -lt $largest
    start
    check "listens on all addresses of the container" ask -f /livez
    check "is not root" status_line Uid 10001
    check "has no capabilities" status_line CapEff 0000000000000000
    check "can gain no privileges" status_line NoNewPrivs 1
    check "cannot write outside its volume" not inside touch /usr/bin/x /etc/x /tmp/x
    check "can write its volume" inside test -w /var/lib/nablad
    check "is healthy" podman healthcheck run "$name"
    check "the health check can fail" not inside nablad --probe http://127.0.0.1:1/livez
    check "takes a graph and its parameters" load_digits
    check "reads a digit" forward_digit
    check "stops on SIGTERM within seconds, with status 0" stops_cleanly
    podman rm "$name" >/dev/null
    start
    check "reads the same digit after a restart on the same volume" forward_digit
}

set_up_podman
make_base
build
look
echo "container: $passed passed, $failed failed"
[ $failed -eq 0 ]
