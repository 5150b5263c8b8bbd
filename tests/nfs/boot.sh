#!/usr/bin/env bash
# boot.sh FOLDER CHECK…: boots user-mode Linux on this machine's own files, which it can't change, with an NFS server and its client
# in it, and runs the checks of checks.py that are named, all where none is. FOLDER is made; FOLDER/console has everything. Ends with
# "N passed, M failed"; non-zero where one has failed or the machine has not come to the end. Needs no root, nor KVM.
#   NFS_SECONDS  how long the machine may run, 1800
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
folder=$1
shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
: >"$folder/console"
printf '%s\n' "$@" >"$folder/wanted"
rm -rf "$folder/disk" "$folder/load"
# A series each.
for ((i = 1; i <= 20; i++)); do
    mkdir -p "$folder/load/$i"
    build/demo/phantom "$folder/load/$i" 6
done
truncate -s 768M "$folder/disk"

# The machine has one processor, and its processes are ours, which stop and go by turns. On one processor of this machine a turn costs a
# switch; on two a sleeping processor is woken each time, and an object costs 2.5 times as much.
processor=$(taskset -cp $$ | grep -o '[0-9]*$')
# A machine's memory is a file in TMPDIR.
TMPDIR=$folder timeout "${NFS_SECONDS:-1800}" taskset -c "$processor" linux.uml mem=640M rootfstype=hostfs rootflags=/ ro "ubda=$folder/disk" "init=$here/inside.sh" \
    con=null con0=null,fd:1 quiet "NFS_FOLDER=$folder" "NFS_TREE=$PWD" >"$folder/console" 2>&1 </dev/null &
tail --pid=$! -n +1 -s 0.2 -f "$folder/console" | grep -a --line-buffered '^nfs-check: ' || :
wait $! || echo "the machine did not end by itself"
rm -rf "$folder/disk" "$folder/load"

count() { grep -ac "^nfs-check: $1" "$folder/console" || :; }
passed=$(count 'passed: ') failed=$(count 'failed: ')
if [ "$(count 'the end')" -eq 0 ]; then
    failed=$((failed + 1))
    echo "the checks did not come to their end; the last that the machine said:"
    tail -n 20 "$folder/console"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
