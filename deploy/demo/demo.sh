#!/usr/bin/env bash
# Shows the main job with nothing outside: a series goes in over DICOM, files, progress and a registration come out.
# KEEP=1 leaves the receiver running until Ctrl-C. ROOTFS names a root file system (make rootfs) that the receiver is
# started in, read-only and as a user without any right, in place of this machine's.
set -euo pipefail
cd "$(dirname "$0")/../.."

SLICES=200
bin=$PWD/build/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/oxidicom-demo-XXXXXX")
files=$work/files
queue=$work/queue
mkdir -p "$files" "$work/slices" "$work/state" "$work/run"
nats= receiver= progress=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

end() { # PID: tells it to end and waits for it
    if [ -n "$1" ] && kill -TERM "$1" 2>/dev/null; then
        wait "$1" 2>/dev/null || true
    fi
}
clean_up() {
    trap - EXIT INT TERM
    end "$progress"
    end "$receiver"
    end "$nats"
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "demo: $*" >&2
    echo "--- the receiver's log" >&2
    tail -n 30 "$work/log" >&2 || true
    exit 1
}

accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
await() { # SECONDS COMMAND…: until the command succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        read -rt 0.05 <> <(:) || true
    done
}
free_port() {
    local port
    for port in $(shuf -i 20000-32000 -n 50); do
        accepts "$port" || { echo "$port" && return; }
    done
    return 1
}

nats_port=$(free_port)
nats-server -a 127.0.0.1 -p "$nats_port" >"$work/nats.log" 2>&1 &
nats=$!
await 10 accepts "$nats_port" || fail "nats-server does not start"

port=$(free_port)
export OXIDICOM_FILES_ROOT=$files OXIDICOM_RUN_DIR=$work/run OXIDICOM_STATE_DIR=$work/state
export OXIDICOM_AMQP_ADDRESS=filesystem://$queue OXIDICOM_NATS_ADDRESS=127.0.0.1:$nats_port
export OXIDICOM_LISTENER_PORT=$port OXIDICOM_PROGRESS_INTERVAL=100ms OXIDICOM_WRITERS=2
if [ -n "${ROOTFS:-}" ]; then
    # The image's own folders; the queue lies where a site has a broker.
    unset OXIDICOM_RUN_DIR OXIDICOM_STATE_DIR
    mkdir "$queue"
    chmod 755 "$work"
    chmod 775 "$files" "$queue"
    OXIDICOM_FILES_ROOT=/data OXIDICOM_AMQP_ADDRESS=filesystem:///queue \
        deploy/image/run.sh --volume "$files:/data" --volume "$queue:/queue" "$ROOTFS" oxidicom >"$work/log" 2>&1 &
else
    "$bin/oxidicom" >"$work/log" 2>&1 &
fi
receiver=$!
await 20 grep -q 'all stages are ready' "$work/log" || fail "the receiver does not start"
say "The receiver runs: port $port, two writers, a nats-server, a queue in a folder."

say "A synthetic MR series of $SLICES slices"
build/demo/phantom "$work/slices" "$SLICES"
megabytes=$(du -sm "$work/slices" | cut -f1)
echo "  $SLICES files, $megabytes MB"

say "storescu sends it; the progress comes from NATS"
build/demo/show_progress "nats://127.0.0.1:$nats_port" "$work/subscribed" "$SLICES" 60 &
progress=$!
await 10 test -e "$work/subscribed" || fail "nobody can subscribe to the progress"
begin=$(date +%s%N)
storescu -aet DEMO --scan-directories 127.0.0.1 "$port" "$work/slices" >"$work/storescu.log" 2>&1 ||
    fail "storescu failed: $(tail -n 3 "$work/storescu.log")"
milliseconds=$((($(date +%s%N) - begin) / 1000000))
wait "$progress" || fail "the progress did not end with all files"
progress=

say "The files, as CUBE's storage has them"
(cd "$files" && find SERVICES -name '*.dcm' | sort | sed -n "1,3p;4s/.*/  …/p;$((SLICES - 1)),\$p" | sed 's/^S/  S/')
count=$(find "$files/SERVICES" -name '*.dcm' | wc -l)
[ "$count" -eq "$SLICES" ] || fail "$count files are there, not $SLICES"

say "The registration, as CUBE's worker gets it, ${OXIDICOM_SERIES_QUIET:-3s} after the association"
has_task() { compgen -G "$queue/*.msg" >/dev/null; }
await 20 has_task || fail "no registration on the queue"
task=$(cat "$queue"/*.msg)
body=$(sed -E 's/.*"body": ?"([^"]*)".*/\1/' <<<"$task" | base64 -d)
sed -E 's/.*"task": ?"([^"]*)".*/  \1/' <<<"$task"
sed -E 's/^\[\[\], \{(.*)\}, \{"callbacks.*/\1/; s/, "/\n"/g; s/": /\t/g' <<<"$body" | sed -E 's/^"([^\t]*)\t/\1\t/' |
    awk -F'\t' '{ printf "    %-18s %s\n", $1, $2 }'
grep -q "\"ndicom\": $SLICES" <<<"$body" || fail "the registration does not count $SLICES files"

say "$SLICES objects, $megabytes MB in $milliseconds ms: $((megabytes * 1000 / (milliseconds > 0 ? milliseconds : 1))) MB/s, each on the disk and in the journal before its Success"

if [ "${KEEP:-}" = 1 ]; then
    say "It goes on until Ctrl-C. Send to it with:"
    echo "  storescu -aet ME --scan-directories 127.0.0.1 $port FOLDER"
    echo "  files: $files    tasks: $queue    log: $work/log"
    echo "  progress: nats://127.0.0.1:$nats_port, subject oxidicom.>"
    wait "$receiver"
fi
