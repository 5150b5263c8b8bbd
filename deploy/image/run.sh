#!/usr/bin/env bash
# run.sh [OPTION]… ROOT COMMAND…: runs a command in a root file system as a container engine would: read-only, its own
# processes, host name and mounts, as a user without any capability who can't gain one. The network is the host's.
#
#   --user UID:GID           default 1001:0
#   --hostname NAME
#   --volume OUTSIDE:INSIDE  a folder or file that may be written; with :ro behind it, only read
#   --tmp                    /tmp may be written, too
#
# Needs root. The environment is handed on, and so are signals.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    setpriv --pdeathsig=KILL unshare --mount --uts --ipc --pid --fork --kill-child "$0" --inside "$@" &
    child=$!
    hand_on() { kill -"$1" "$(cat /proc/$child/task/$child/children)"; } # unshare itself ignores TERM
    for signal in TERM INT HUP TTIN TTOU; do
        # shellcheck disable=SC2064
        trap "hand_on $signal" $signal
    done
    status=0
    wait $child || status=$?
    while kill -0 $child 2>/dev/null; do # a signal ended the wait
        status=0
        wait $child || status=$?
    done
    exit $status
fi
shift

user=1001:0 host= tmp= volumes=()
while [[ "${1:-}" = --* ]]; do
    case $1 in
    --user) user=$2 && shift 2 ;;
    --hostname) host=$2 && shift 2 ;;
    --volume) volumes+=("$2") && shift 2 ;;
    --tmp) tmp=1 && shift ;;
    *) echo "run.sh: unknown option $1" >&2 && exit 64 ;;
    esac
done
root=$(cd "$1" && pwd)
shift
[ -z "$host" ] || hostname "$host"

# A layer above the root with mount points only; later mounts vanish with us.
mount --make-rprivate /
base=/mnt
mount -t tmpfs -o mode=755 tmpfs $base
mkdir -p $base/layer/{proc,dev,tmp} $base/root
outside() { cut -d: -f1 <<<"$1"; }
inside() { cut -d: -f2 <<<"$1"; }
for volume in "${volumes[@]}"; do
    place=$base/layer$(inside "$volume")
    mkdir -p "$(dirname "$place")"
    if [ -d "$(outside "$volume")" ]; then mkdir -p "$place"; else touch "$place"; fi
done
mount -t overlay -o "ro,lowerdir=$base/layer:$root" overlay $base/root # without an upper layer: read-only

mount -t proc -o nosuid,nodev,noexec proc $base/root/proc
mount -t tmpfs -o mode=755 tmpfs $base/root/dev
for device in null zero full random urandom; do
    touch $base/root/dev/$device
    mount --bind /dev/$device $base/root/dev/$device
done
ln -s /proc/self/fd $base/root/dev/fd
mount -o remount,ro $base/root/dev
[ -z "$tmp" ] || mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs $base/root/tmp
for volume in "${volumes[@]}"; do
    place=$base/root$(inside "$volume")
    mount --bind "$(outside "$volume")" "$place"
    case $volume in *:ro) mount -o remount,bind,ro "$place" ;; esac
done

exec chroot $base/root setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all --ambient-caps=-all --pdeathsig=KILL "$@"
